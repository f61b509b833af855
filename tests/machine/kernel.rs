//! The kernel that runs while an image is built, after a restart, and where the artifact is put: always the one that
//! its boot loader chooses; and packages that take the place of what every kernel package depends on.

use crate::common::boots::{Controller, Firmware, boot};
use crate::common::built::{self, Project};

/// A second kernel beside the one of the base, which has drivers for clouds only.
const TWO_KERNELS: &str = r#"image "kernel" {
  os linux debian 13
  # A file system of the second kernel with all drivers takes minutes to be packed.
  copy <<-CONF to "/etc/initramfs-tools/conf.d/few" { early = true }
    MODULES=list
  CONF
  copy <<-LIST to "/etc/initramfs-tools/modules" { early = true }
    ext4
    sd_mod
    virtio_blk
    virtio_pci
    virtio_scsi
  LIST
  packages ["linux-image-amd64"]
  copy <<-UNIT to "/etc/systemd/system/show-kernel.service"
    [Unit]
    After=multi-user.target

    [Service]
    Type=oneshot
    ExecStart=/bin/sh -c 'dmesg -n 1; echo; echo "instance: $(uname -r) $(grep -o "root=[^ ]*" /proc/cmdline)"; echo shown:'
    StandardOutput=file:/dev/ttyS0

    [Install]
    WantedBy=multi-user.target
  UNIT
  service "show-kernel" enabled { active = false }
  script <<-SH { name = "first" }
    #!/bin/bash -e
    echo "kernels: $(cd /boot; echo vmlinuz-*)"
    echo "scripts: $(uname -r)"
  SH
  reboot
  script <<-SH { name = "second" }
    #!/bin/bash -e
    echo "restarted: $(uname -r)"
  SH
  test "kernel" <<-SH
    #!/bin/bash -e
    echo "artifact: $(uname -r)"
  SH
}
"#;

/// For `make test-long`: minutes each (.config/nextest.toml).
mod long {
    use super::*;

    #[test]
    fn the_kernel_that_a_build_boots_is_the_one_that_its_artifact_boots_everywhere() {
        let mut project = Project::new(TWO_KERNELS);
        // What the scripts print is wanted: nothing of an earlier run may stand for them.
        project.store = built::own_store(&project.path("store"));
        let log = project.build(&[]);
        let said = |text: &str, of: &str| {
            let line = text.lines().find_map(|line| line.split_once(&format!("{of}: ")));
            line.unwrap_or_else(|| panic!("nothing is said of `{of}`:\n{text}")).1.trim_end().to_owned()
        };
        assert_eq!(said(&log, "kernels").split(' ').count(), 2, "{log}");
        let kernel = said(&log, "restarted");
        assert_eq!(said(&log, "scripts"), kernel);
        assert_eq!(said(&log, "artifact"), kernel);
        let console =
            boot(&project.path("out/kernel.qcow2"), Controller::VirtioScsi, Firmware::Bios, "shown:")
                .unwrap_or_else(|console| panic!("{console}"));
        let instance = said(&console, "instance");
        assert!(instance.starts_with(&format!("{kernel} root=UUID=")), "{instance}");
    }
}

/// What takes the place of another package, what is there for scripts only, answers given beforehand, and an archive
/// that stays in the image.
const REPLACED: &str = r#"image "replaced" {
  os linux debian 13
  archive debian { components = ["contrib"], suites = ["backports"] }
  preseed <<-ANSWERS
    tzdata tzdata/Areas select Asia
    tzdata tzdata/Zones/Asia select Seoul
  ANSWERS
  packages ["dracut", "tzdata"] { remove = ["initramfs-tools"] }
  packages ["jq"] { keep = false }
  script <<-SH { user = root, offline = true }
    #!/bin/sh -e
    jq --version > /etc/made-with
  SH
  test "packages are as they were asked for" <<-SH { user = root }
    #!/bin/sh -ex
    test -z "$(dpkg --audit)"
    test -x /usr/bin/dracut
    ! dpkg -s initramfs-tools
    grep -q jq /etc/made-with
    ! command -v jq
    ! dpkg -s libjq1
    debconf-show tzdata | grep -q Seoul
    grep -q contrib /etc/apt/sources.list.d/debian-more.sources
    grep -q trixie-backports /etc/apt/sources.list.d/debian-more.sources
  SH
}
"#;

#[test]
fn a_package_takes_the_place_of_what_the_base_has_and_the_artifact_still_boots() {
    let project = Project::new(REPLACED);
    let log = project.build(&[]);
    assert!(log.contains("done test packages are as they were asked for"), "{log}");
    let lock = std::fs::read_to_string(project.path("ImageFile.lock")).unwrap();
    assert!(lock.contains("- initramfs-tools\n"), "{lock}");
}

//! Instances of an artifact: it comes up on every controller and firmware, and no two instances have a key or a name in
//! common.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test ends where it cannot go on

#[path = "common/boots.rs"]
mod boots;
mod built;

use std::collections::{BTreeMap, BTreeSet};

use boots::{Controller, Firmware, boot};
use built::{Project, sha256};

/// Packages whose keys and names each instance makes for itself, and a unit that shows them on the console.
const INSTANCE: &str = r#"image "instance" {
  os linux debian 13
  kernel_args ["transparent_hugepage=never"]
  app bind9
  packages ["nvme-cli", "open-iscsi", "ssl-cert", "munge", "openssh-server"]
  copy <<-SH to "/usr/local/sbin/show-identities" { mode = 0755 }
    #!/bin/bash
    dmesg -n 1
    # It names its initiator when it is first used.
    systemctl start iscsid.service
    {
      # Behind a prompt without a line end.
      echo
      for file in /etc/machine-id /etc/ssh/ssh_host_{rsa,ecdsa,ed25519}_key /etc/ssl/private/ssl-cert-snakeoil.key \
          /etc/ssl/certs/ssl-cert-snakeoil.pem /etc/bind/rndc.key /etc/nvme/hostnqn /etc/nvme/hostid \
          /etc/iscsi/initiatorname.iscsi /etc/munge/munge.key /var/lib/systemd/random-seed; do
        echo "identity $file $(sha256sum <"$file")"
      done
      echo "first boot $(systemctl is-active imgfile-first-boot.service)"
      for unit in ssh named munge; do echo "unit $unit $(systemctl is-active $unit.service)"; done
      systemctl --failed --no-legend --plain | sed 's/^/failed /'
      echo "root $(grep -o 'root=[^ ]*' /proc/cmdline)"
      echo "secure boot $(od -An -tu1 -j4 /sys/firmware/efi/efivars/SecureBoot-* 2>/dev/null)"
      echo "identities end:"
    } >/run/identities 2>&1
    # One write: nothing comes between the lines.
    cat /run/identities >/dev/ttyS0
  SH
  copy <<-UNIT to "/etc/systemd/system/show-identities.service"
    [Unit]
    After=multi-user.target

    [Service]
    Type=oneshot
    ExecStart=/usr/local/sbin/show-identities

    [Install]
    WantedBy=multi-user.target
  UNIT
  service "show-identities" enabled { active = false }
}
"#;

/// Every controller, and every firmware; SeaBIOS and OVMF have drivers of their own for each.
const BOOTS: [(Controller, Firmware); 4] = [
    (Controller::VirtioBlk, Firmware::Bios),
    (Controller::Nvme, Firmware::Bios),
    (Controller::VirtioScsi, Firmware::Uefi),
    (Controller::Ahci, Firmware::SecureBoot),
];

#[test]
fn an_artifact_comes_up_wherever_it_is_put_and_instances_share_no_key() {
    let project = Project::new(INSTANCE);
    project.build(&["--no-test"]);
    let mut identities: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (controller, firmware) in BOOTS {
        let console = boot(&project.path("out/instance.qcow2"), controller, firmware, "identities end:")
            .unwrap_or_else(|console| panic!("{controller:?} {firmware:?}: {console}"));
        let lines: Vec<&str> = console.lines().map(str::trim_end).collect();
        let shown = || lines.join("\n");
        for wanted in ["first boot active", "unit ssh active", "unit named active", "unit munge active"] {
            assert!(lines.contains(&wanted), "{wanted}: {}", shown());
        }
        assert!(!lines.iter().any(|line| line.starts_with("failed ")), "{}", shown());
        assert!(lines.iter().any(|line| line.starts_with("root root=UUID=")), "{}", shown());
        let secure = lines.contains(&"secure boot    1");
        assert_eq!(secure, matches!(firmware, Firmware::SecureBoot), "{}", shown());
        for line in lines.iter().filter_map(|line| line.strip_prefix("identity ")) {
            let (path, digest) = line.split_once(' ').unwrap();
            assert!(digest.len() > 60 && !digest.starts_with(&sha256(b"")), "{path} is empty: {}", shown());
            identities.entry(path.to_owned()).or_default().insert(digest.to_owned());
        }
    }
    assert_eq!(identities.len(), 12);
    for (path, digests) in identities {
        assert_eq!(digests.len(), BOOTS.len(), "instances share {path}");
    }
}

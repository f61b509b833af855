//! Instances of an artifact: it comes up on every controller and firmware, and no two instances have a key or a name in
//! common. What a build generates is compared between two builds: nothing of it may be in the image.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::common::boots::{Controller, Firmware, boot};
use crate::common::built::{Project, sha256};
use crate::common::disks::debugfs;

/// Packages whose keys and names each instance makes for itself, and a unit that shows them on the console.
const INSTANCE: &str = r#"image "instance" {
  os linux debian 13
  kernel_args ["transparent_hugepage=never"]
  app bind9
  packages ["nvme-cli", "open-iscsi", "ssl-cert", "munge", "openssh-server"]
  copy <<-SH to "/usr/local/sbin/show-identities" { mode = 0755 }
    #!/bin/bash
    dmesg -n 1
    # It names its initiator when it is first used, and the key of the older kind comes later.
    systemctl start iscsid.service ssh-host-key-rsa.service
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

/// Every controller, and every firmware; `SeaBIOS` and OVMF have drivers of their own for each.
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

/// Packages that make a key, a certificate or a name of the machine; `make catalog-test` compares every application of
/// the catalogue in the same way.
const GENERATING: &str = r#"image "generating" {
  os linux debian 13
  app bind9
  packages ["nvme-cli", "open-iscsi", "munge", "ssl-cert", "dropbear-bin", "openssh-server"]
  script <<-SH { name = "services have run", user = root }
    #!/bin/bash -e
    systemctl start named iscsid
    head -c 4 /dev/urandom >/etc/hostid
    for made in /etc/bind/rndc.key /etc/machine-id /etc/nvme/hostid \
        /etc/munge/munge.key /etc/ssl/private/ssl-cert-snakeoil.key; do
      test -s $made
    done
    grep -q '^InitiatorName=' /etc/iscsi/initiatorname.iscsi
  SH
  output raw
}
"#;

#[test]
#[ignore = "two builds of five minutes: `make catalog-test` runs it"]
fn what_a_build_generates_is_in_no_image() {
    let folders = ["etc", "var/lib", "root", "home", "opt"];
    let made = || {
        let project = Project::new(GENERATING);
        project.build(&["--no-cache", "--no-test"]);
        let tree = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let disk = project.path("out/generating.raw");
        for folder in folders {
            let to = tree.path().join(folder);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            debugfs(&disk, &format!("rdump /{folder} {}", to.parent().unwrap().display()));
        }
        Tree::read(tree.path())
    };
    let (one, other) = (made(), made());
    assert!(one.files.len() > 100, "{}", one.files.len());
    let differing: Vec<_> = one
        .files
        .iter()
        .filter(|(path, content)| other.files.get(*path).is_some_and(|there| there != *content))
        .map(|(path, _)| path)
        .collect();
    assert!(differing.is_empty(), "generated while building: {differing:#?}");
    let secrets: BTreeSet<_> = one.secrets.intersection(&other.secrets).collect();
    assert!(secrets.is_empty(), "look like secrets: {secrets:#?}");
}

/// Small files of an image that no package brought.
struct Tree {
    /// Digests by path.
    files: BTreeMap<String, String>,
    /// Those that look like a secret or the name of a machine.
    secrets: BTreeSet<String>,
}

impl Tree {
    fn read(root: &Path) -> Self {
        let lists = fs::read_dir(root.join("var/lib/dpkg/info")).unwrap().map(|entry| entry.unwrap().path());
        let packaged: BTreeSet<String> = lists
            .filter(|path| path.extension().is_some_and(|extension| extension == "list"))
            .flat_map(|path| fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect::<Vec<_>>())
            .collect();
        let (mut files, mut secrets) = (BTreeMap::new(), BTreeSet::new());
        for entry in walkdir::WalkDir::new(root).into_iter().map(Result::unwrap) {
            let path = format!("/{}", entry.path().strip_prefix(root).unwrap().display());
            let small = entry.file_type().is_file() && entry.metadata().unwrap().len() < 64 << 10;
            let managers = ["/var/lib/dpkg/", "/var/lib/apt/"].iter().any(|of| path.starts_with(of));
            if !small || managers || packaged.contains(&path) {
                continue;
            }
            let content = fs::read(entry.path()).unwrap();
            let text = String::from_utf8_lossy(&content);
            let name = path.rsplit('/').next().unwrap();
            let named = ["machine-id", "hostid", "hostnqn", "random-seed", "engine-id", "credential.secret"];
            let looks = text.contains("PRIVATE KEY-----") || name.contains("cookie") || named.contains(&name);
            if looks && !content.is_empty() {
                secrets.insert(path.clone());
            }
            files.insert(path, sha256(&content));
        }
        Self { files, secrets }
    }
}

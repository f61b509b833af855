//! Names and numbers that are of one machine alone.

use super::finding::Findings;
use super::rules::{DBUS_ID, DHCP_STATE, HOST_KEY, MACHINE_ID, RANDOM_SEED, STORAGE_NAME};
use super::system::{System, Wanted};
use super::texts::{lines, value};
use crate::model::FileKind;

const MACHINE: &str = "/etc/machine-id";
const DBUS: &str = "/var/lib/dbus/machine-id";
const INITIATOR: &str = "/etc/iscsi/initiatorname.iscsi";
const NVME: [&str; 2] = ["/etc/nvme/hostid", "/etc/nvme/hostnqn"];

/// Whoever starts with one of these draws the same numbers as all others who do.
const SEEDS: [&str; 6] = [
    "/var/lib/systemd/random-seed",
    "/var/lib/systemd/credential.secret",
    "/var/lib/urandom/random-seed",
    "/var/lib/seedrng/seed.credit",
    "/var/lib/misc/random-seed",
    "/boot/efi/loader/random-seed",
];

/// Folders with host keys, and how the names of those begin and end.
const HOST_KEYS: [(&str, &str, &str); 3] = [
    ("/etc/ssh", "ssh_host_", "_key"),
    ("/etc/dropbear", "dropbear_", "_host_key"),
    ("/etc/tinyssh/sshkeydir", "", ".sk"),
];

/// Folders with leases and identifiers of DHCP clients, and how the names of those end.
const DHCP: [(&str, &[&str]); 6] = [
    ("/var/lib/dhcp", &[".leases", ".lease", "duid"]),
    ("/var/lib/dhclient", &[".leases", ".lease"]),
    ("/var/lib/dhcpcd", &[".lease", ".lease6", "duid", "secret"]),
    ("/var/lib/NetworkManager", &[".lease", "secret_key"]),
    ("/var/lib/wicked", &[".xml"]),
    ("/etc", &["dhcpcd.duid", "dhcpcd.secret"]),
];

pub(super) fn wants(_: &System<'_>) -> Vec<Wanted> {
    [MACHINE, DBUS, INITIATOR].into_iter().chain(NVME).map(Wanted::text).collect()
}

pub(super) fn look(system: &System<'_>, findings: &mut Findings) {
    if has_id(system, MACHINE) {
        findings.file(MACHINE_ID, MACHINE, "holds a machine id, which all instances would share");
    }
    // A link to the one above is how it should be; systemd adopts what is in a file of its own.
    let own = system.tree.find(DBUS).and_then(|number| system.tree.node(number));
    if own.is_some_and(|node| node.kind() == FileKind::File) && has_id(system, DBUS) {
        findings.file(DBUS_ID, DBUS, "holds a machine id, which instances would take for their own");
    }
    for (folder, start, end) in HOST_KEYS {
        for (path, node) in system.folder(folder) {
            let is_key = node.name.starts_with(start.as_bytes()) && node.name.ends_with(end.as_bytes());
            if is_key && node.kind() == FileKind::File && node.size > 0 {
                findings.file(HOST_KEY, path, "is a host key: who has it can pose as every instance");
            }
        }
    }
    for path in SEEDS.into_iter().filter(|path| system.has_file(path)) {
        findings.file(RANDOM_SEED, path, "is where the random numbers of every instance would start");
    }
    for (folder, ends) in DHCP {
        for path in system.files(folder, ends).into_iter().filter(|path| system.has_file(path)) {
            findings.file(DHCP_STATE, path, "is what a DHCP client keeps of itself or of its network");
        }
    }
    if system.text(INITIATOR).is_some_and(|text| {
        lines(&text).any(|line| value(line, "InitiatorName", '=').is_some_and(|name| !name.is_empty()))
    }) {
        findings.file(STORAGE_NAME, INITIATOR, "names the initiator: storage takes two instances for one");
    }
    for path in NVME {
        if system.text(path).is_some_and(|text| lines(&text).next().is_some()) {
            findings.file(STORAGE_NAME, path, "names the host: storage takes two instances for one");
        }
    }
}

/// `uninitialized` is what systemd writes into an image for the first boot to find (machine-id(5)).
fn has_id(system: &System<'_>, path: &str) -> bool {
    system.text(path).is_some_and(|text| {
        let id = text.trim();
        !id.is_empty() && id != "uninitialized"
    })
}

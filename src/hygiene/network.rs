//! A network that is set up for the build's machine.

use super::finding::Findings;
use super::rules::{BUILD_RESOLVER, FIXED_HARDWARE};
use super::system::{System, Wanted};
use super::texts::{lines, value};

const RESOLVER: &str = "/etc/resolv.conf";
/// What QEMU offers its guests alone (its user-mode network).
const OF_BUILD: [&str; 2] = ["10.0.2.3", "fec0::3"];

/// Folders with configuration of networks, and how the names of its files end; none means all.
const FOLDERS: [(&str, &[&str]); 8] = [
    ("/etc/netplan", &[".yaml", ".yml"]),
    ("/etc/systemd/network", &[".network", ".link", ".netdev"]),
    ("/etc/NetworkManager/system-connections", &[""]),
    ("/etc/network/interfaces.d", &[""]),
    ("/etc/sysconfig/network-scripts", &[""]),
    ("/etc/sysconfig/network", &[""]),
    ("/etc/udev/rules.d", &[".rules"]),
    ("/etc/network", &["interfaces"]),
];

/// Keys whose value is the address of a network card, each with what stands between.
const KEYS: [(&str, char); 8] = [
    ("HWADDR", '='),
    ("MACADDR", '='),
    ("macaddress", ':'),
    ("MACAddress", '='),
    ("PermanentMACAddress", '='),
    ("mac-address", '='),
    ("cloned-mac-address", '='),
    ("hwaddress", ' '),
];

fn files(system: &System<'_>) -> Vec<Vec<u8>> {
    FOLDERS.iter().flat_map(|(folder, ends)| system.files(folder, ends)).take(500).collect()
}

pub(super) fn wants(system: &System<'_>) -> Vec<Wanted> {
    let mut wanted: Vec<Wanted> = files(system).into_iter().map(Wanted::text).collect();
    wanted.push(Wanted::text(RESOLVER));
    wanted
}

pub(super) fn look(system: &System<'_>, findings: &mut Findings) {
    for path in files(system) {
        let text = system.text(&path).unwrap_or_default();
        let fixed = lines(&text).find_map(hardware);
        if let Some(address) = fixed {
            let message = format!("is about the network card {address}, which no other instance has");
            findings.file(FIXED_HARDWARE, &path, message);
        }
    }
    let text = system.text(RESOLVER).unwrap_or_default();
    let of_build = lines(&text).find_map(|line| {
        let server = line.strip_prefix("nameserver")?.trim();
        OF_BUILD.contains(&server).then_some(server)
    });
    if let Some(server) = of_build {
        let message = format!("names {server}, which only answers machines that build");
        findings.file(BUILD_RESOLVER, RESOLVER, message);
    }
}

/// The address of a network card that a line names.
fn hardware(line: &str) -> Option<&str> {
    // udev's persistent names: `ATTR{address}=="52:54:00:…"`.
    if let Some((_, rest)) = line.split_once("address}==\"") {
        return rest.split('"').next().filter(|text| is_hardware(text));
    }
    let line = line.trim_start_matches("- ");
    KEYS.iter().filter_map(|(key, separator)| value(line, key, *separator)).find_map(|found| {
        // `hwaddress ether 52:54:…`, or several in one line.
        found.split([' ', ',']).find(|word| is_hardware(word))
    })
}

fn is_hardware(text: &str) -> bool {
    let parts: Vec<&str> = text.split([':', '-']).collect();
    parts.len() == 6
        && parts.iter().all(|part| part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit()))
}

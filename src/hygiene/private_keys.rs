//! Private keys that were made while building.

use super::finding::Findings;
use super::owners::{self, Owners};
use super::rules::PRIVATE_KEY;
use super::system::{System, Wanted};
use crate::model::PACKAGE_MANAGERS;

/// Where keys lie: of the system, of services, of people.
const FOLDERS: [&str; 6] = ["/etc", "/home", "/opt", "/root", "/srv", "/var/lib"];
/// What only containers and packages have there, in files by the thousand.
const NOT: [&str; 4] = ["/var/lib/containers", "/var/lib/containerd", "/var/lib/docker", "/var/lib/rpm"];
/// No key is larger, in bytes, and none smaller.
const LARGEST: u64 = 64 * 1024;
const SMALLEST: u64 = 32;
/// So many files are read at most.
const MOST: usize = 5000;

/// Small files of configuration and of people, in which keys and other secrets may be.
pub(super) fn small_files<'a>(system: &System<'a>) -> impl Iterator<Item = Vec<u8>> + use<'a> {
    let system = *system;
    let fits = |size: u64| (SMALLEST..LARGEST).contains(&size);
    FOLDERS
        .iter()
        .flat_map(move |folder| system.below(folder, move |node| fits(node.size)))
        .map(|(path, _)| path)
        .filter(|path| !is_of_many(path))
        .take(MOST)
}

fn is_of_many(path: &[u8]) -> bool {
    let of_managers =
        PACKAGE_MANAGERS.iter().flat_map(|manager| manager.records.iter().chain(manager.fetched));
    NOT.iter()
        .chain(of_managers)
        .any(|folder| path.strip_prefix(folder.as_bytes()).is_some_and(|rest| rest.starts_with(b"/")))
}

pub(super) fn wants(system: &System<'_>) -> Vec<Wanted> {
    let mut wanted: Vec<Wanted> = small_files(system).map(Wanted::text).collect();
    // Who brought a file is only asked where there is one to ask about.
    if keys(system).next().is_some() {
        wanted.extend(owners::wants(system));
    }
    wanted
}

pub(super) fn look(system: &System<'_>, findings: &mut Findings) {
    let mut keys = keys(system).peekable();
    if keys.peek().is_none() {
        return;
    }
    let owners = Owners::of(system);
    for path in keys.filter(|path| owners.has(path) == Some(false)) {
        findings.file(PRIVATE_KEY, path, "is a private key that no package brought");
    }
}

/// Host keys have a rule of their own.
fn keys<'a>(system: &System<'a>) -> impl Iterator<Item = Vec<u8>> + use<'a> {
    let system = *system;
    small_files(&system).filter(move |path| {
        let is_host_key = path.starts_with(b"/etc/ssh/ssh_host_");
        !is_host_key && system.contents.bytes(path).is_some_and(is_private_key)
    })
}

/// The armour of a key begins a line: in a text about keys it stands elsewhere.
fn is_private_key(content: &[u8]) -> bool {
    content.split(|&byte| byte == b'\n').any(|line| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        line.starts_with(b"-----BEGIN ") && line.ends_with(b"PRIVATE KEY-----")
    })
}

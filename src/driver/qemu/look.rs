//! Looking into a mounted image: what it is, for [`Facts`](super::super::inspect::Facts). The guest's
//! files are hostile input: everything is bounded, nothing trusted.

use std::collections::{BTreeMap, BTreeSet};

use imgfile_agent::protocol::message::Kind;

use super::super::inspect::{DefaultUser, Init};
use super::super::{DriverError, Firmware};
use super::guest::Guest;
use crate::model::Arch;
use crate::packages::{MANAGERS, SystemFiles, Wanted};

const TEXT: u64 = 1024 * 1024;
/// Two programs that begin alike so far, build ids and headers included, are one.
const PROGRAM_START: u64 = 64 * 1024;
/// Files that package managers get of a system.
const MOST_FILES: usize = 1000;
/// And so many bytes of them, beyond which no further one is read.
const MOST_BYTES: usize = 160 << 20;

pub(super) async fn text(guest: &mut Guest, path: &str, limit: u64) -> Result<Option<String>, DriverError> {
    Ok(guest.get(path, limit).await?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

pub(super) async fn os_release(guest: &mut Guest) -> Result<Option<BTreeMap<String, String>>, DriverError> {
    for path in ["/etc/os-release", "/usr/lib/os-release"] {
        if let Some(text) = text(guest, path, TEXT).await? {
            return Ok(Some(assignments(&text)));
        }
    }
    Ok(None)
}

/// Shell-like assignments: `NAME=value`, quotes and backslashes undone.
fn assignments(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| {
            let value = value.trim();
            let quoted = [('"', '"'), ('\'', '\'')].iter().find_map(|&(open, close)| {
                value.strip_prefix(open).and_then(|rest| rest.strip_suffix(close))
            });
            let mut plain = String::new();
            let mut chars = quoted.unwrap_or(value).chars();
            while let Some(char) = chars.next() {
                plain.extend(if char == '\\' { chars.next() } else { Some(char) });
            }
            (name.to_owned(), plain)
        })
        .collect()
}

/// The architecture of the system's own programs, by the header of one of them.
pub(super) async fn arch(guest: &mut Guest) -> Result<String, DriverError> {
    for path in ["/bin/sh", "/usr/bin/sh", "/sbin/init", "/usr/lib/systemd/systemd", "/bin/busybox"] {
        if let Some(header) = guest.peek(path, 64).await?
            && let Some(arch) = elf_arch(&header)
        {
            return Ok(arch.to_owned());
        }
    }
    Ok("unknown".to_owned())
}

fn elf_arch(header: &[u8]) -> Option<&'static str> {
    let machine = header.starts_with(b"\x7fELF").then(|| header.get(18..20))??;
    let machine = u16::from_le_bytes([machine[0], machine[1]]);
    if let Some(arch) = Arch::of_elf(machine) {
        return Some(arch.as_str());
    }
    Some(match (machine, header[4]) {
        (3, _) => "i386",
        (40, _) => "arm",
        (243, 2) => "riscv64",
        (21, 2) => "ppc64",
        (22, 2) => "s390x",
        _ => "unknown",
    })
}

/// Which program `/sbin/init` is: systemd may be installed beside the init that is used.
pub(super) async fn init(guest: &mut Guest) -> Result<Init, DriverError> {
    let init = guest.peek("/sbin/init", PROGRAM_START).await?;
    for path in ["/usr/lib/systemd/systemd", "/lib/systemd/systemd"] {
        let systemd = guest.peek(path, PROGRAM_START).await?;
        if systemd.is_some() && (init.is_none() || init == systemd) {
            return Ok(Init::Systemd);
        }
    }
    for path in ["/sbin/openrc", "/usr/sbin/openrc", "/usr/bin/openrc"] {
        if init.is_some() && guest.peek(path, 4).await?.is_some() {
            return Ok(Init::OpenRc);
        }
    }
    Ok(Init::Other)
}

/// Whether there is anything at the place where names are resolved by.
pub(super) async fn has_resolver(guest: &mut Guest) -> Result<bool, DriverError> {
    Ok(guest.list("/etc").await?.iter().any(|entry| entry.name == "resolv.conf"))
}

/// cloud-init's default user.
pub(super) async fn default_user(guest: &mut Guest) -> Result<Option<DefaultUser>, DriverError> {
    let mut name = None;
    let mut paths = vec!["/etc/cloud/cloud.cfg".to_owned()];
    // Later files override earlier ones, in the order of their names.
    paths.extend(names(guest, "/etc/cloud/cloud.cfg.d", &[".cfg"]).await?);
    for path in paths {
        if let Some(found) = text(guest, &path, TEXT).await?.as_deref().and_then(named_user) {
            name = Some(found);
        }
    }
    let Some(name) = name else { return Ok(None) };
    let passwd = text(guest, "/etc/passwd", TEXT).await?.unwrap_or_default();
    let exists = passwd.lines().any(|line| line.split(':').next() == Some(&name));
    Ok(Some(DefaultUser { name, exists }))
}

fn named_user(cloud_cfg: &str) -> Option<String> {
    let config: serde_yaml::Value = serde_yaml::from_str(cloud_cfg).ok()?;
    let name = config.get("system_info")?.get("default_user")?.get("name")?.as_str()?;
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    (!name.is_empty() && name.len() <= 32 && name.bytes().all(sound)).then(|| name.to_owned())
}

/// Paths of a folder's files with one of these ends.
async fn names(guest: &mut Guest, folder: &str, ends: &[&str]) -> Result<Vec<String>, DriverError> {
    let entries = guest.list(folder).await?;
    Ok(entries
        .into_iter()
        .filter(|entry| matches!(entry.kind, Kind::File | Kind::Symlink))
        .filter(|entry| ends.iter().any(|end| entry.name.ends_with(end)))
        .map(|entry| format!("{folder}/{}", entry.name))
        .collect())
}

/// What package managers want of the system.
pub(super) async fn files(guest: &mut Guest) -> Result<SystemFiles, DriverError> {
    let (mut found, mut asked, mut bytes) = (SystemFiles::default(), BTreeSet::new(), 0);
    loop {
        let wanted: Vec<Wanted> = MANAGERS.iter().flat_map(|manager| manager.wants(&found)).collect();
        let mut more = false;
        for one in wanted {
            let (paths, limit) = match one {
                Wanted::File { path, limit } => (vec![path], limit),
                Wanted::Folder { path, ends, limit } => (names(guest, path, ends).await?, limit),
            };
            // What a stranger's files name is bounded, too.
            for path in paths.into_iter().take(MOST_FILES) {
                if asked.len() < MOST_FILES && bytes < MOST_BYTES && asked.insert(path.clone()) {
                    more = true;
                    if let Some(content) = guest.get(&path, limit).await? {
                        bytes += content.len();
                        found.insert(path, content);
                    }
                }
            }
        }
        if !more {
            return Ok(found);
        }
    }
}

pub(super) async fn units(guest: &mut Guest) -> Result<Vec<String>, DriverError> {
    let mut units = Vec::new();
    for folder in ["/usr/lib/systemd/system", "/lib/systemd/system", "/etc/systemd/system"] {
        for entry in guest.list(folder).await? {
            let is_unit = [".service", ".socket", ".timer", ".target", ".path", ".mount"]
                .iter()
                .any(|end| entry.name.ends_with(end));
            if is_unit && entry.kind != Kind::Directory {
                units.push(entry.name);
            }
        }
    }
    units.sort();
    units.dedup();
    Ok(units)
}

/// Boot loaders: GRUB's image in front of the first partition, and the removable path of UEFI.
pub(super) async fn firmware(guest: &mut Guest, disk_start: &[u8]) -> Result<Vec<Firmware>, DriverError> {
    let mut firmware = Vec::new();
    if super::layout::has_boot_code(disk_start) {
        firmware.push(Firmware::Bios);
    }
    for folder in ["/boot/efi/EFI/BOOT", "/boot/efi/EFI/boot", "/efi/EFI/BOOT", "/boot/EFI/BOOT"] {
        let found =
            guest.list(folder).await?.iter().any(|entry| entry.name.to_ascii_lowercase().starts_with("boot"));
        if found {
            firmware.push(Firmware::Uefi);
            break;
        }
    }
    Ok(firmware)
}

/// What is told from texts alone, of any text; see [`fuzzed`](super::fuzzed).
pub(super) fn texts(bytes: &[u8], text: &str) {
    let _ = assignments(text);
    let _ = elf_arch(bytes);
    if let Some(name) = named_user(text) {
        let sound = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'/' | b':');
        assert!(!name.is_empty() && name.bytes().all(sound), "an account called {name:?}");
    }
    let mut system = SystemFiles::default();
    for manager in MANAGERS {
        system.insert(manager.host_sources().0, text);
    }
    for wanted in MANAGERS.iter().flat_map(|manager| manager.wants(&system)) {
        let path = match &wanted {
            Wanted::File { path, .. } => path.as_str(),
            Wanted::Folder { path, .. } => path,
        };
        assert!(path.starts_with('/'), "{path} is relative");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn os_release_is_unquoted() {
        let text = "# about\nPRETTY_NAME=\"Debian \\\"13\\\"\"\nID=debian\nVERSION_ID='13'\nbroken\n";
        let fields = assignments(text);
        assert_eq!(fields["PRETTY_NAME"], "Debian \"13\"");
        assert_eq!((fields["ID"].as_str(), fields["VERSION_ID"].as_str()), ("debian", "13"));
    }

    #[test]
    fn the_default_user_is_a_sound_name_or_none() {
        let config = |name: &str| {
            format!("users:\n - default\nsystem_info:\n  distro: debian\n  default_user:\n    name: {name}\n")
        };
        assert_eq!(named_user(&config("debian")), Some("debian".into()));
        assert_eq!(named_user(&config("'../../etc'")), None);
        assert_eq!(named_user("system_info: [1]"), None);
        assert_eq!(named_user("\t{"), None);
    }

    #[test]
    fn architectures_by_elf_header() {
        let mut header = b"\x7fELF\x02\x01\x01".to_vec();
        header.resize(64, 0);
        header[18] = 62;
        assert_eq!(elf_arch(&header), Some("x86_64"));
        header[18] = 183;
        assert_eq!(elf_arch(&header), Some("aarch64"));
        assert_eq!(elf_arch(b"#!/bin/sh"), None);
    }
}

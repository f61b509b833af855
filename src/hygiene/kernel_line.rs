//! What boot loaders are configured to start: kernels with their command lines. GRUB's configuration, that of the Boot
//! Loader Specification, and syslinux's.

use super::system::{System, Wanted};
use super::texts::lines;
use crate::model::FileKind;

const GRUB: [&str; 4] =
    ["/boot/grub/grub.cfg", "/boot/grub2/grub.cfg", "/grub/grub.cfg", "/boot/efi/EFI/debian/grub.cfg"];
const ENTRIES: [&str; 3] = ["/boot/loader/entries", "/boot/efi/loader/entries", "/efi/loader/entries"];
const SYSLINUX: [&str; 3] =
    ["/boot/extlinux.conf", "/boot/extlinux/extlinux.conf", "/boot/syslinux/syslinux.cfg"];
/// More than a thousand entries nobody has.
const MOST: usize = 1000;

/// A kernel as a boot loader starts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BootEntry {
    /// The file that says so.
    pub(super) file: Vec<u8>,
    /// The kernel's path as the loader names it: from the root of the file system it is on.
    pub(super) kernel: String,
    /// Its command line.
    pub(super) line: String,
}

impl BootEntry {
    /// What is told the kernel by a name, such as `root`: the last counts.
    pub(super) fn argument(&self, name: &str) -> Option<&str> {
        let words = self.line.split_ascii_whitespace();
        words.filter_map(|word| word.strip_prefix(name)?.strip_prefix('=')).next_back()
    }

    /// Whether a part of it is put in when it is started, from where is not known here.
    pub(super) fn is_open(&self) -> bool {
        self.line.contains('$')
    }
}

pub(super) fn wants(system: &System<'_>) -> Vec<Wanted> {
    let entries = ENTRIES.iter().flat_map(|folder| system.files(folder, &[".conf"])).take(MOST);
    GRUB.iter().chain(&SYSLINUX).map(|path| Wanted::text(*path)).chain(entries.map(Wanted::text)).collect()
}

/// All entries, as they are found; that of GRUB that is started by default comes first.
pub(super) fn entries(system: &System<'_>) -> Vec<BootEntry> {
    let mut found = Vec::new();
    for path in GRUB {
        let text = system.text(path).unwrap_or_default();
        found.extend(lines(&text).filter_map(|line| {
            let (word, rest) = line.split_once(char::is_whitespace)?;
            matches!(word, "linux" | "linux16" | "linuxefi").then(|| entry(path.as_bytes(), rest))
        }));
    }
    for path in ENTRIES.iter().flat_map(|folder| system.files(folder, &[".conf"])).take(MOST) {
        let text = system.text(&path).unwrap_or_default();
        let field = |name: &str| {
            lines(&text).find_map(|line| {
                let (word, rest) = line.split_once(char::is_whitespace)?;
                (word == name).then(|| rest.trim().to_owned())
            })
        };
        if let Some(kernel) = field("linux") {
            found.push(BootEntry { file: path, kernel, line: field("options").unwrap_or_default() });
        }
    }
    for path in SYSLINUX {
        let text = system.text(path).unwrap_or_default();
        let mut kernel = None;
        for line in lines(&text) {
            let Some((word, rest)) = line.split_once(char::is_whitespace) else { continue };
            match word.to_ascii_lowercase().as_str() {
                "linux" | "kernel" => kernel = Some(rest.trim().to_owned()),
                "append" => found.extend(kernel.take().map(|kernel| BootEntry {
                    file: path.as_bytes().to_vec(),
                    kernel,
                    line: rest.trim().to_owned(),
                })),
                _ => {}
            }
        }
    }
    found.truncate(MOST);
    found
}

fn entry(file: &[u8], rest: &str) -> BootEntry {
    let rest = rest.trim();
    let (kernel, line) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    BootEntry {
        file: file.to_vec(),
        kernel: kernel.trim_matches('"').to_owned(),
        line: line.trim().to_owned(),
    }
}

/// Whether a kernel that a loader names is there: as a path of the system, or of a file system that is mounted at /boot.
pub(super) fn is_there(system: &System<'_>, kernel: &str) -> bool {
    // GRUB names a device in front of a path in brackets.
    let path = kernel.split_once(')').map_or(kernel, |(_, path)| path);
    ["", "/boot", "/boot/efi", "/efi"].iter().any(|folder| {
        let path = format!("{folder}/{}", path.trim_start_matches('/'));
        system.node(path).is_some_and(|node| node.kind() == FileKind::File && node.size > 0)
    })
}

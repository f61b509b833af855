//! What a cell shows of the host's files.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CString, OsString};
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use landlock::{
    ABI, Access as _, AccessFs, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr,
};

use super::child::{Entry, From, NO_DEVICES, NO_SETUID, READ_ONLY, Root};
use super::ids::{self, Mapping};
use super::spawned::text;
use super::{Access, Cell, Ids};

/// Programs, their libraries, and what the dynamic linker reads.
const SYSTEM: &[&str] = &[
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/nix/store",
    "/gnu/store",
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
];

/// What programs expect below /dev.
const DEVICES: &[&str] = &["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];

/// Where the new root may be mounted first.
const PLACES: &[&str] = &["/tmp", "/run", "/var", "/mnt"];

/// The files of a file system cannot look as if they were somebody else's: overlayfs, NFS and others cannot do it,
/// and in a container even root may not.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be shown: {error}", path.display())]
pub(super) struct NotMapped {
    path: PathBuf,
    error: io::Error,
}

impl core::convert::From<NotMapped> for io::Error {
    fn from(error: NotMapped) -> Self {
        Self::new(error.error.kind(), error)
    }
}

impl NotMapped {
    /// Whether an error is this one, and not that there is no such file.
    pub(super) fn is(error: &io::Error) -> bool {
        error.kind() != io::ErrorKind::NotFound
            && error.get_ref().and_then(|inner| inner.downcast_ref::<Self>()).is_some()
    }
}

/// The root of a cell. Mounts that root of the host makes for it are added to `detached`, which has to live
/// until the cell has started.
pub(super) fn root(
    cell: &Cell,
    cwd: &Path,
    resolver: Option<&Path>,
    mapping: &Mapping,
    detached: &mut Vec<OwnedFd>,
) -> io::Result<Root> {
    let mut tree = Tree::default();
    for path in SYSTEM.iter().map(Path::new).chain(own_prefix(&cell.program).as_deref()) {
        match fs::symlink_metadata(path) {
            Ok(found) if found.is_symlink() => tree.link(path, fs::read_link(path)?),
            Ok(_) => tree.show(
                path,
                From::Path { path: text(path.into())?, opened: -1 },
                READ_ONLY | NO_SETUID | NO_DEVICES,
            ),
            Err(_) => {}
        }
    }
    for device in DEVICES {
        let from = From::Path { path: text(device.into())?, opened: -1 };
        tree.show(Path::new(device), from, NO_SETUID);
    }
    if let Some(resolver) = resolver {
        let from = From::Path { path: text(resolver.into())?, opened: -1 };
        tree.show(Path::new("/etc/resolv.conf"), from, READ_ONLY | NO_SETUID | NO_DEVICES);
    }
    for shown in &cell.shown {
        let path = std::path::absolute(&shown.path)?;
        let attributes = match shown.access {
            Access::Read => READ_ONLY | NO_SETUID | NO_DEVICES,
            Access::Write => NO_SETUID | NO_DEVICES,
            Access::Device => NO_SETUID,
        };
        let source = text(path.clone().into())?;
        let from = if matches!(mapping, Mapping::Nobodies { .. }) && shown.access != Access::Device {
            let found = fs::metadata(&path)?;
            let owner = (cell.ids == Ids::One).then(|| (found.uid(), found.gid()));
            let mount = super::child::id_mapped(&source, ids::namespace_for(owner)?.as_raw_fd())
                .map_err(|error| NotMapped { path: path.clone(), error })?;
            let fd = mount.as_raw_fd();
            detached.push(mount);
            From::Detached(fd)
        } else {
            From::Path { path: source, opened: -1 }
        };
        tree.show(&path, from, attributes);
    }
    tree.folder(cwd);
    tree.folder(Path::new("/tmp"));
    if cell.proc {
        tree.folder(Path::new("/proc"));
    }
    let at = PLACES.iter().find(|place| Path::new(place).is_dir()).copied().unwrap_or("/");
    Ok(Root { at: text(at.into())?, entries: tree.entries()?, folder: text(cwd.into())?, proc: cell.proc })
}

/// The folder of a program that is not among the system's own, with what lies beside it.
fn own_prefix(program: &Path) -> Option<PathBuf> {
    let real = fs::canonicalize(program).ok()?;
    if SYSTEM.iter().any(|folder| real.starts_with(folder)) {
        return None;
    }
    let folder = real.parent()?;
    let prefix = if folder.ends_with("bin") { folder.parent()? } else { folder };
    // A program at the top of the file system brings nothing along.
    prefix.parent().map(|_| prefix.to_owned())
}

#[derive(Debug)]
struct Mount {
    from: From,
    attributes: u64,
    is_folder: bool,
}

/// A path without `..`, as it is resolved in the new root, which has no links of the host's.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        if part == Component::ParentDir {
            normal.pop();
        } else {
            normal.push(part);
        }
    }
    normal
}

/// Paths of the new root; those above others come first, since their names are.
#[derive(Debug, Default)]
struct Tree {
    folders: BTreeSet<PathBuf>,
    links: BTreeMap<PathBuf, PathBuf>,
    mounts: BTreeMap<PathBuf, Mount>,
}

impl Tree {
    fn folder(&mut self, path: &Path) {
        let all = path.ancestors().filter(|folder| folder.parent().is_some());
        self.folders.extend(all.map(Path::to_owned));
    }

    fn link(&mut self, path: &Path, to: PathBuf) {
        path.parent().into_iter().for_each(|parent| self.folder(parent));
        self.links.insert(path.to_owned(), to);
    }

    /// The last word on a path counts.
    fn show(&mut self, path: &Path, from: From, attributes: u64) {
        let is_folder = path.is_dir();
        let path = normal(path);
        path.parent().into_iter().for_each(|parent| self.folder(parent));
        self.mounts.insert(path, Mount { from, attributes, is_folder });
    }

    /// Whether a mount brings a path along.
    fn is_brought(&self, path: &Path) -> bool {
        path.ancestors()
            .skip(1)
            .any(|above| self.mounts.contains_key(above) || self.links.contains_key(above))
    }

    fn entries(self) -> io::Result<Vec<Entry>> {
        // What lies in it is made in it.
        let tmp = Path::new("/tmp");
        let mut entries = vec![Entry::Folder(below(tmp)?), Entry::Scratch { at: below(tmp)? }];
        for folder in self.folders.iter().filter(|folder| {
            !self.is_brought(folder)
                && !self.mounts.contains_key(*folder)
                && !self.links.contains_key(*folder)
        }) {
            entries.push(Entry::Folder(below(folder)?));
        }
        for (path, to) in &self.links {
            entries.push(Entry::Link { to: text(to.into())?, at: below(path)? });
        }
        for (path, mount) in self.mounts.iter().filter(|(path, _)| !self.is_brought(path)) {
            entries.push(if mount.is_folder {
                Entry::Folder(below(path)?)
            } else {
                Entry::File(below(path)?)
            });
        }
        for (path, Mount { from, attributes, .. }) in self.mounts {
            entries.push(Entry::Mount { from, at: below(&path)?, attributes });
        }
        Ok(entries)
    }
}

/// A path of the new root as the child names it, which is in that root.
fn below(path: &Path) -> io::Result<CString> {
    let relative: PathBuf = path.components().filter(|part| !matches!(part, Component::RootDir)).collect();
    text(if relative.as_os_str().is_empty() { OsString::from(".") } else { relative.into() })
}

/// The same by Landlock, where there are no namespaces; nothing where the kernel has none either.
pub(super) fn landlock(cell: &Cell) -> io::Result<Option<OwnedFd>> {
    let abi = ABI::V3;
    let refused = |error: landlock::RulesetError| io::Error::other(error.to_string());
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))
        .map_err(refused)?;
    let mut rules = ruleset.create().map_err(refused)?;
    let read = AccessFs::from_read(abi);
    let system = SYSTEM.iter().map(PathBuf::from).chain(own_prefix(&cell.program)).map(|path| (path, read));
    let devices = DEVICES.iter().map(|path| (PathBuf::from(path), AccessFs::from_all(abi)));
    let shown = cell.shown.iter().map(|shown| {
        let access = if shown.access == Access::Read { read } else { AccessFs::from_all(abi) };
        (shown.path.clone(), access)
    });
    let others = ["/etc/resolv.conf", "/proc"].map(|path| (PathBuf::from(path), read));
    for (path, access) in system.chain(devices).chain(others).chain(shown) {
        // What is not there needs no rule.
        let (Ok(fd), Ok(found)) = (PathFd::new(&path), fs::metadata(&path)) else { continue };
        let access = if found.is_dir() { access } else { access & AccessFs::from_file(abi) };
        rules = rules.add_rule(PathBeneath::new(fd, access)).map_err(refused)?;
    }
    Ok(rules.into())
}

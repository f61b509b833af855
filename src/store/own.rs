//! Whose a store is: whoever could change what lies in it could make other users run, remove or kill things, so
//! nothing in it is read before that is ruled out. Folders are made with mode 0700 and files with 0600, whatever
//! the umask.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use super::{Context, Result, StoreError};

const FOLDER: u32 = 0o700;
const FILE: u32 = 0o600;
/// As many links as the kernel follows in one path.
const LINKS: u32 = 40;
const STICKY: u32 = 0o1000;
const GROUP_WRITES: u32 = 0o020;
const OTHERS_WRITE: u32 = 0o002;

/// Opens the way to a store's folder: makes what is missing, and refuses what is not the user's own. Links are
/// followed by hand, since each one and each folder on the way decides where the store is.
pub(super) fn enter(path: &Path) -> Result<()> {
    let absolute = std::path::absolute(path).context("find", path)?;
    let mut ahead: VecDeque<OsString> = parts(&absolute);
    let mut at = PathBuf::from("/");
    let mut links = 0;
    while let Some(part) = ahead.pop_front() {
        if part == ".." {
            at.pop();
            continue;
        }
        let next = at.join(&part);
        let found = match next.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                folder(&next)?;
                next.symlink_metadata().context("look at", &next)?
            }
            found => found.context("look at", &next)?,
        };
        if found.is_symlink() {
            links += 1;
            if links > LINKS {
                return Err(nix::errno::Errno::ELOOP.into()).context("open", path);
            }
            on_the_way(&next, &found)?;
            let target = fs::read_link(&next).context("read", &next)?;
            if target.is_absolute() {
                at = PathBuf::from("/");
            }
            let mut joined = parts(&target);
            joined.extend(ahead);
            ahead = joined;
            continue;
        }
        if !found.is_dir() {
            return Err(io::Error::from(io::ErrorKind::NotADirectory)).context("open", &next);
        }
        if ahead.is_empty() {
            own(&next, &found)?;
        } else {
            on_the_way(&next, &found)?;
        }
        at = next;
    }
    Ok(())
}

fn parts(path: &Path) -> VecDeque<OsString> {
    let named = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    named.collect()
}

/// Refuses a folder or file in the store that is not the user's own; a link is one.
pub(super) fn check(path: &Path) -> Result<()> {
    own(path, &path.symlink_metadata().context("look at", path)?)
}

/// The same of what was looked at already.
pub(super) fn own(path: &Path, found: &Metadata) -> Result<()> {
    let refuse = |reason: String| Err(StoreError::NotOwn { path: path.to_owned(), reason });
    let me = nix::unistd::geteuid().as_raw();
    if found.uid() != me {
        return refuse(format!("belongs to another user (uid {}, and this is uid {me})", found.uid()));
    }
    if !found.is_symlink() && found.mode() & (GROUP_WRITES | OTHERS_WRITE) != 0 {
        return refuse(format!("can be written by other users (mode {:04o})", found.mode() & 0o7777));
    }
    Ok(())
}

/// Refuses a folder or link above the store whose owner could put another store in its place.
fn on_the_way(path: &Path, found: &Metadata) -> Result<()> {
    let refuse = |reason: String| Err(StoreError::NotOwn { path: path.to_owned(), reason });
    let me = nix::unistd::geteuid().as_raw();
    // In a user namespace without root, whoever is not in it looks like this one user; root does too.
    if found.uid() != me && found.uid() != 0 && Some(found.uid()) != user_nobody_knows() {
        return refuse(format!("lies above the store and belongs to another user (uid {})", found.uid()));
    }
    if found.is_symlink() || found.mode() & STICKY != 0 {
        return Ok(());
    }
    let private_group = found.gid() == me && nix::unistd::getegid().as_raw() == me;
    let others = if private_group { OTHERS_WRITE } else { GROUP_WRITES | OTHERS_WRITE };
    if found.mode() & others != 0 {
        let mode = found.mode() & 0o7777;
        return refuse(format!("lies above the store and can be written by other users (mode {mode:04o})"));
    }
    Ok(())
}

/// The user that owns what belongs to nobody of this user namespace, if root of the host is not in it.
fn user_nobody_knows() -> Option<u32> {
    let map = fs::read_to_string("/proc/self/uid_map").ok()?;
    let has_root = |line: &str| line.split_whitespace().nth(1) == Some("0");
    if map.lines().any(has_root) {
        return None;
    }
    fs::read_to_string("/proc/sys/kernel/overflowuid").ok()?.trim().parse().ok()
}

/// Makes a private folder, and those above it that are missing.
pub(super) fn folder(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(above) = path.parent() {
        folder(above)?;
    }
    match DirBuilder::new().mode(FOLDER).create(path) {
        // The umask can only have taken from it.
        Ok(()) => fs::set_permissions(path, Permissions::from_mode(FOLDER)).context("change", path),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error).context("create", path),
    }
}

/// How files of the store are opened that may have to be made.
pub(super) fn options() -> OpenOptions {
    let mut options = File::options();
    options.mode(FILE);
    options
}

/// Writes a private file.
pub(super) fn write(path: &Path, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    options().create(true).write(true).truncate(true).open(path)?.write_all(bytes.as_ref())
}

/// Makes a file private that another program has made.
pub(super) fn private(path: &Path) -> Result<()> {
    fs::set_permissions(path, Permissions::from_mode(FILE)).context("change", path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::store::Store;

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    fn refused(path: &Path) -> String {
        match Store::open(path) {
            Err(error @ StoreError::NotOwn { .. }) => error.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_others_may_write_is_refused_before_it_is_read() {
        for inner in ["", "builds", "tmp", "layers", "blobs/sha256", "records", "facts", "builds/old"] {
            let dir = tempfile::tempdir().unwrap();
            let store = dir.path().join("store");
            drop(Store::open(&store).unwrap());
            let folder = store.join(inner);
            fs::create_dir_all(&folder).unwrap();
            for bits in [0o777, 0o770, 0o702] {
                mode(&folder, bits);
                assert!(refused(&store).contains("written by other users"), "{inner} {bits:o}");
            }
            mode(&folder, 0o700);
            Store::open(&store).unwrap();
        }
    }

    #[test]
    fn a_folder_above_that_others_may_write_is_refused_unless_it_protects_what_is_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let above = dir.path().join("above");
        fs::create_dir(&above).unwrap();
        mode(&above, 0o777);
        assert!(refused(&above.join("store")).contains("lies above the store"));
        assert!(refused(&above.join("a/b/../../store")).contains("lies above the store"));
        symlink(above.join("store"), dir.path().join("link")).unwrap();
        assert!(refused(&dir.path().join("link")).contains("lies above the store"), "through a link as well");
        mode(&above, 0o1777);
        Store::open(above.join("store")).unwrap();
        Store::open(dir.path().join("link")).unwrap();
    }

    #[test]
    fn links_in_a_circle_and_files_are_no_store() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two, file) = (dir.path().join("one"), dir.path().join("two"), dir.path().join("file"));
        symlink(&one, &two).unwrap();
        symlink(&two, &one).unwrap();
        fs::write(&file, "").unwrap();
        for path in [one, file.clone(), file.join("store")] {
            assert!(matches!(Store::open(&path), Err(StoreError::Io { .. })), "{}", path.display());
        }
    }

    #[test]
    #[ignore = "only root can make files of another user: `scripts/test --as-root` runs it"]
    fn as_root_what_belongs_to_another_user_is_refused() {
        let other = Some(nix::unistd::Uid::from_raw(65534));
        for inner in ["..", "", "builds", "builds/old", "tmp"] {
            let dir = tempfile::tempdir().unwrap();
            let store = dir.path().join("above/store");
            drop(Store::open(&store).unwrap());
            let folder = store.join(inner);
            fs::create_dir_all(&folder).unwrap();
            nix::unistd::chown(&folder, other, None).unwrap();
            assert!(refused(&store).contains("another user"), "{inner}");
        }
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("link");
        symlink(dir.path().join("store"), &link).unwrap();
        nix::unistd::fchownat(
            nix::fcntl::AT_FDCWD,
            &link,
            other,
            None,
            nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW,
        )
        .unwrap();
        assert!(refused(&link).contains("another user"), "a link of another user");
    }
}

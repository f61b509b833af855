//! Folders held open: what is done in one is done in it, wherever its path leads meanwhile, and through no link.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata, Permissions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{self as system, AtFlags, CWD, Mode, OFlags, RenameFlags};

use super::umask;

const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
const ITSELF: OFlags = FOLDER.union(OFlags::NOFOLLOW);

/// How many names are tried for a new file before somebody is taken to be in the way on purpose.
const TRIES: u32 = 16;

/// A folder that may belong to somebody who changes what is in it, and its name, at any moment.
#[derive(Debug, Clone)]
pub struct Folder(Arc<OwnedFd>);

impl Folder {
    /// The folder that a path leads to now, links and all; the empty path is the working directory.
    pub fn open(path: &Path) -> io::Result<Self> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        Ok(Self::of(system::open(path, FOLDER, Mode::empty())?))
    }

    /// The folder with this name; a link in its place is refused.
    pub fn open_itself(path: &Path) -> io::Result<Self> {
        Ok(Self::of(system::open(path, ITSELF, Mode::empty())?))
    }

    pub(super) fn of(fd: OwnedFd) -> Self {
        Self(Arc::new(fd))
    }

    /// A folder in this one. No part of the path may be a link, or lead up.
    pub fn below(&self, path: &Path) -> io::Result<Self> {
        let mut at = self.clone();
        for part in path.components() {
            match part {
                Component::CurDir => {}
                Component::Normal(name) => {
                    at = Self::of(system::openat(&*at.0, name, ITSELF, Mode::empty())?);
                }
                _ => return Err(io::ErrorKind::InvalidInput.into()),
            }
        }
        Ok(at)
    }

    /// A regular file in this folder or below, for reading. No part of its path may be a link, or lead up.
    pub fn regular(&self, path: &Path) -> io::Result<File> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let folder = self.below(path.parent().unwrap_or(Path::new("")))?;
        // Opening a pipe would wait for somebody who writes to it.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(system::openat(&*folder.0, name, flags, Mode::empty())?);
        if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is not a regular file")) }
    }

    /// The content of such a file; it may have `limit` bytes.
    pub fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.regular(path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
    }

    /// What is known of something in this folder; of a link, of itself.
    pub fn metadata(&self, name: impl AsRef<OsStr>) -> io::Result<Metadata> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        File::from(system::openat(&*self.0, name.as_ref(), flags, Mode::empty())?).metadata()
    }

    /// Names of what is in it, in any order.
    pub fn names(&self) -> io::Result<Vec<OsString>> {
        let entries = std::fs::read_dir(self.own_path())?;
        entries.map(|entry| Ok(entry?.file_name())).collect()
    }

    /// Where it is now.
    pub fn path(&self) -> io::Result<PathBuf> {
        std::fs::read_link(self.own_path())
    }

    /// A name that leads to it as long as it is open: proc(5).
    fn own_path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.0.as_raw_fd()).into()
    }

    /// A new file in it, for its owner only; nothing may have its name.
    pub fn create_new(&self, name: impl AsRef<OsStr>) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(system::openat(&*self.0, name.as_ref(), flags, Mode::RUSR | Mode::WUSR)?.into())
    }

    /// Brings a file here under a name, in place of whatever has it.
    pub fn bring(&self, from: &Path, name: impl AsRef<OsStr>) -> io::Result<()> {
        Ok(system::renameat(CWD, from, &*self.0, name.as_ref())?)
    }

    /// Gives something in it another name that nothing has.
    pub fn rename(&self, from: impl AsRef<OsStr>, to: impl AsRef<OsStr>) -> io::Result<()> {
        Ok(system::renameat_with(&*self.0, from.as_ref(), &*self.0, to.as_ref(), RenameFlags::NOREPLACE)?)
    }

    /// Removes a file, or a link itself.
    pub fn remove(&self, name: impl AsRef<OsStr>) -> io::Result<()> {
        Ok(system::unlinkat(&*self.0, name.as_ref(), AtFlags::empty())?)
    }

    /// Writes a file as a whole: there is the old one or the new one, whatever happens. What has its name goes, a link
    /// as itself; the mode is that of the file before, or of a new one under the user's umask.
    pub fn write(&self, name: impl AsRef<OsStr>, bytes: &[u8]) -> io::Result<()> {
        let name = name.as_ref();
        let before = self.metadata(name).ok().filter(Metadata::is_file);
        let mut draft = self.draft()?;
        draft.file.write_all(bytes)?;
        match before {
            Some(before) => {
                draft.file.set_permissions(Permissions::from_mode(before.permissions().mode() & 0o777))?;
            }
            None => umask::share(&draft.file, 0o666)?,
        }
        draft.take(name)
    }

    fn draft(&self) -> io::Result<Draft<'_>> {
        let mut last = io::ErrorKind::AlreadyExists.into();
        for _ in 0..TRIES {
            let name = format!(".imgfile-{}", unguessable());
            match self.create_new(&name) {
                Ok(file) => return Ok(Draft { folder: self, name, file, placed: false }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }
}

/// A part of a name that nobody can know before it is there.
#[must_use]
pub fn unguessable() -> String {
    // The keys of each state come from the system's own source of randomness.
    format!("{:016x}", RandomState::new().hash_one(std::process::id()))
}

/// A file that has not got its name yet; gone when dropped before.
struct Draft<'f> {
    folder: &'f Folder,
    name: String,
    file: File,
    placed: bool,
}

impl Draft<'_> {
    fn take(mut self, name: &OsStr) -> io::Result<()> {
        system::renameat(&*self.folder.0, &*self.name, &*self.folder.0, name)?;
        self.placed = true;
        Ok(())
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if !self.placed {
            let _ = self.folder.remove(&self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A folder with a file of somebody's beside it.
    fn world() -> (tempfile::TempDir, Folder) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("out/inner")).unwrap();
        std::fs::write(dir.path().join("victim"), "mine").unwrap();
        std::fs::write(dir.path().join("out/inner/file"), "here").unwrap();
        let folder = Folder::open_itself(&dir.path().join("out")).unwrap();
        (dir, folder)
    }

    #[test]
    fn no_link_is_followed() {
        let (dir, folder) = world();
        let victim = dir.path().join("victim");
        symlink(&victim, dir.path().join("out/link")).unwrap();
        symlink("..", dir.path().join("out/up")).unwrap();
        symlink("out", dir.path().join("other")).unwrap();
        assert!(Folder::open_itself(&dir.path().join("other")).is_err());
        assert!(Folder::open(&dir.path().join("other")).is_ok());
        for path in ["link", "up/victim", "../victim", "inner/../../victim", "/etc/passwd", "inner"] {
            assert!(folder.read(Path::new(path), 99).is_err(), "{path}");
        }
        assert_eq!(folder.read(Path::new("inner/file"), 4).unwrap(), b"here");
        assert_eq!(folder.read(Path::new("inner/file"), 3).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(folder.create_new("link").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        // What is written takes the place of the link itself.
        folder.write("link", b"new").unwrap();
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "mine");
        assert_eq!(folder.read(Path::new("link"), 9).unwrap(), b"new");
        symlink(&victim, dir.path().join("out/again")).unwrap();
        folder.remove("again").unwrap();
        assert!(victim.exists());
        let mut names = folder.names().unwrap();
        names.sort();
        assert_eq!(names, ["inner", "link", "up"], "nothing else is left");
    }

    #[test]
    fn a_folder_that_is_exchanged_is_still_the_one_that_was_opened() {
        let (dir, folder) = world();
        let elsewhere = tempfile::tempdir().unwrap();
        std::fs::rename(dir.path().join("out"), dir.path().join("moved")).unwrap();
        symlink(elsewhere.path(), dir.path().join("out")).unwrap();
        folder.write("file", b"new").unwrap();
        assert!(std::fs::read_dir(elsewhere.path()).unwrap().next().is_none());
        assert_eq!(std::fs::read_to_string(dir.path().join("moved/file")).unwrap(), "new");
        assert_eq!(folder.path().unwrap(), dir.path().canonicalize().unwrap().join("moved"));
    }

    #[test]
    fn a_mode_stays_and_a_name_that_is_taken_is_not_given() {
        let (dir, folder) = world();
        let inner = folder.below(Path::new("inner")).unwrap();
        let path = dir.path().join("out/inner/file");
        std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        inner.write("file", b"new").unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o640);
        inner.write("other", b"").unwrap();
        assert!(inner.rename("file", "other").is_err());
        inner.rename("file", "third").unwrap();
        inner.bring(&dir.path().join("victim"), "other").unwrap();
        assert_eq!(inner.read(Path::new("other"), 9).unwrap(), b"mine");
    }
}

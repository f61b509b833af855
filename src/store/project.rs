//! The project's folder on disk: the compiler's only way to files.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat, openat2, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat};

use super::{Folder, blob};
use crate::check::{FileEntry, FileError, FileKind, Files};
use crate::text::Digest;

/// Room made before a file is read, in bytes at most.
const MOST_AT_ONCE: u64 = 1 << 20;

/// How often a path is resolved anew when the kernel saw folders being renamed meanwhile.
const TRIES: u32 = 8;

/// Opening must not wait: a pipe without a writer would hold up a check.
const READ: OFlag = OFlag::O_RDONLY.union(OFlag::O_NONBLOCK).union(OFlag::O_CLOEXEC);

/// A folder nothing outside of which is read, whatever links inside it say and whoever changes them meanwhile:
/// what is checked and what is read is one open file.
#[derive(Debug, Clone)]
pub struct ProjectFolder {
    /// Without links, so that what links resolve to can be compared with it.
    root: PathBuf,
    /// What may be read: the folder itself, or one above it that says to be the project's root.
    reach: PathBuf,
    /// The folder of `reach`, open.
    folder: Arc<OwnedFd>,
}

impl ProjectFolder {
    /// The project in `folder`, which must exist; the empty path is the working directory.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let root = folder.canonicalize()?;
        let reach = project_root(&root);
        let folder = Arc::new(File::open(&reach)?.into());
        Ok(Self { root, reach, folder })
    }

    /// The folder's own path, absolute and without links.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where a path leads that is not in the project: absolute, or relative to the folder. None if it stays inside.
    #[must_use]
    pub fn outside(&self, path: &str) -> Option<PathBuf> {
        let path = self.root.join(path);
        let real = path.canonicalize().or_else(|_| {
            // Of a file that is not there, where it would be.
            let parent = path.parent().unwrap_or(&path).canonicalize()?;
            Ok::<_, io::Error>(parent.join(path.file_name().unwrap_or_default()))
        });
        let real = real.unwrap_or(path);
        (!real.starts_with(&self.reach)).then_some(real)
    }

    /// Where an open file is, unless it is in the project.
    #[must_use]
    pub fn outside_of(&self, file: &File) -> Option<PathBuf> {
        let real = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap_or_default();
        (!real.starts_with(&self.reach)).then_some(real)
    }

    /// What the system says of a file of the project.
    #[must_use]
    pub fn metadata(&self, path: &str) -> Option<fs::Metadata> {
        File::from(self.open_at(path, OFlag::O_PATH | OFlag::O_CLOEXEC).ok()?).metadata().ok()
    }

    /// Names of a file's extended attributes that this user sees.
    #[must_use]
    pub fn attributes(&self, path: &str) -> Vec<String> {
        let Ok(file) = self.open_at(path, READ) else { return Vec::new() };
        let mut names = Vec::with_capacity(64 * 1024);
        if rustix::fs::flistxattr(&file, rustix::buffer::spare_capacity(&mut names)).is_err() {
            return Vec::new();
        }
        names
            .split(|&byte| byte == 0)
            .filter(|name| !name.is_empty())
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .collect()
    }

    /// The folder, to write in.
    pub fn place(&self) -> io::Result<Folder> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        self.open_at(".", flags).map(Folder::of).map_err(|error| io::Error::other(error.to_string()))
    }

    /// The folder that really holds a file of the project, links undone, and the file's name in it.
    ///
    /// # Errors
    /// If the file is not there, or outside.
    pub fn place_of(&self, path: &str) -> Result<(Folder, OsString), FileError> {
        let file = self.open_at(path, OFlag::O_PATH | OFlag::O_CLOEXEC)?;
        let named = |fd: &OwnedFd| {
            let link = format!("/proc/self/fd/{}", fd.as_raw_fd());
            fs::read_link(link).map_err(|error| FileError::Unreadable(error.to_string()))
        };
        let (real, top) = (named(&file)?, named(&self.folder)?);
        let inside = real.strip_prefix(&top).map_err(|_| FileError::Outside)?;
        let name = inside.file_name().ok_or(FileError::NotFound)?.to_owned();
        let top = self.folder.try_clone().map_err(|error| FileError::Unreadable(error.to_string()))?;
        let folder = Folder::of(top).below(inside.parent().unwrap_or(Path::new("")));
        folder.map(|folder| (folder, name)).map_err(|error| FileError::Unreadable(error.to_string()))
    }

    /// A regular file for reading, and its size.
    pub(crate) fn open_regular(&self, path: &str) -> Result<(File, u64), FileError> {
        let file = self.open_at(path, READ)?;
        let size = match kind(&fstat(&file).map_err(reason)?) {
            FileKind::File { size, .. } => size,
            FileKind::Folder => return Err(FileError::Unreadable("it is a folder".into())),
            _ => return Err(FileError::Unreadable("it is not a regular file".into())),
        };
        Ok((file.into(), size))
    }

    /// Opens what is at a project-relative path; links and `..` that stay inside are followed.
    fn open_at(&self, path: &str, flags: OFlag) -> Result<OwnedFd, FileError> {
        if path.contains('\0') {
            return Err(FileError::Unreadable("its name holds a NUL character".into()));
        }
        let below = self.root.strip_prefix(&self.reach).unwrap_or(Path::new("")).join(path);
        let below = if below.as_os_str().is_empty() { Path::new(".") } else { &below };
        let how = OpenHow::new().flags(flags).resolve(ResolveFlag::RESOLVE_BENEATH);
        for _ in 0..TRIES {
            match openat2(&*self.folder, below, how) {
                Ok(file) => return Ok(file),
                Err(Errno::EAGAIN) => {}
                // It leads out, or a link in it starts at the root and may lead back in. Whether there is
                // something outside is nobody's business inside.
                Err(Errno::EXDEV) => {
                    return self.open_resolved(path, flags).map_err(|error| match error {
                        FileError::NotFound => FileError::Outside,
                        other => other,
                    });
                }
                // The kernel is older than 5.6, or a container does not let us ask.
                Err(Errno::ENOSYS | Errno::EPERM) => return self.open_resolved(path, flags),
                Err(error) => return Err(reason(error)),
            }
        }
        Err(reason(Errno::EAGAIN))
    }

    /// The same in two steps: where the path really leads, and then that place, no part of which may have become
    /// a link in between.
    fn open_resolved(&self, path: &str, flags: OFlag) -> Result<OwnedFd, FileError> {
        let real = self.root.join(path).canonicalize().map_err(|error| match error.raw_os_error() {
            Some(number) => reason(Errno::from_raw(number)),
            None => FileError::Unreadable(error.to_string()),
        })?;
        let inside = real.strip_prefix(&self.reach).map_err(|_| FileError::Outside)?;
        let parts: Vec<_> = inside.components().map(Component::as_os_str).collect();
        let Some((last, above)) = parts.split_last() else {
            return openat(&*self.folder, ".", flags, Mode::empty()).map_err(reason);
        };
        let folder = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
        let mut at = openat(&*self.folder, ".", folder, Mode::empty()).map_err(reason)?;
        for part in above {
            at = openat(&at, *part, folder, Mode::empty()).map_err(reason)?;
        }
        openat(&at, *last, flags | OFlag::O_NOFOLLOW, Mode::empty()).map_err(reason)
    }
}

/// Names of the file in which `root = true` makes a folder the root of a project.
const ROOT_FILES: [&str; 2] = [".imgfile.toml", ".imagefile.toml"];
/// Most that is read of such a file.
const ROOT_FILE_LIMIT: u64 = 1 << 16;

/// The folder of the project that the ImageFiles in `folder` belong to: the nearest, this one or one above it, that
/// says to be the root of the project; else this one. What somebody else has written above is not believed, and nothing
/// above a git repository is asked: what is cloned into a project is a project of its own.
#[must_use]
pub fn project_root(folder: &Path) -> PathBuf {
    let owner = fs::metadata(folder).map(|data| data.uid()).ok();
    let says_so = |above: &&Path| {
        ROOT_FILES.iter().any(|name| {
            // A link is its owner's, whosever file it leads to.
            let flags = nix::libc::O_NONBLOCK | nix::libc::O_NOFOLLOW;
            let opened = OpenOptions::new().read(true).custom_flags(flags).open(above.join(name));
            let Ok(file) = opened else { return false };
            let of_same = file.metadata().is_ok_and(|data| data.is_file() && Some(data.uid()) == owner);
            let mut text = String::new();
            of_same
                && file.take(ROOT_FILE_LIMIT).read_to_string(&mut text).is_ok()
                && text
                    .parse::<toml::Table>()
                    .is_ok_and(|table| table.get("root") == Some(&toml::Value::Boolean(true)))
        })
    };
    let top = |above: &&Path| fs::symlink_metadata(above.join(".git")).is_ok();
    let within = folder.ancestors().find(top).unwrap_or(Path::new("/"));
    let mut above = folder.ancestors().take_while(|above| above.starts_with(within));
    above.find(says_so).unwrap_or(folder).to_owned()
}

fn reason(error: Errno) -> FileError {
    match error {
        Errno::ENOENT | Errno::ENOTDIR => FileError::NotFound,
        error => FileError::Unreadable(io::Error::from(error).to_string()),
    }
}

fn kind(found: &FileStat) -> FileKind {
    match SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT {
        SFlag::S_IFDIR => FileKind::Folder,
        SFlag::S_IFREG => FileKind::File {
            size: u64::try_from(found.st_size).unwrap_or(0),
            executable: found.st_mode & 0o100 != 0,
        },
        _ => FileKind::Other,
    }
}

impl Files for ProjectFolder {
    fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, FileError> {
        let (file, size) = self.open_regular(path)?;
        if size > limit {
            return Err(FileError::TooLarge);
        }
        // The size may be a lie, as in /proc, or change while reading.
        let mut bytes = Vec::with_capacity(usize::try_from(size.min(MOST_AT_ONCE)).unwrap_or(0));
        file.take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|error| FileError::Unreadable(error.to_string()))?;
        if bytes.len() as u64 > limit { Err(FileError::TooLarge) } else { Ok(bytes) }
    }

    fn digest(&self, path: &str, limit: u64) -> Result<(Digest, u64), FileError> {
        let (file, size) = self.open_regular(path)?;
        if size > limit {
            return Err(FileError::TooLarge);
        }
        let mut rest = file.take(limit.saturating_add(1));
        let digest = blob::hash(&mut rest).map_err(|error| FileError::Unreadable(error.to_string()))?;
        match rest.limit() {
            0 => Err(FileError::TooLarge),
            left => Ok((digest, limit + 1 - left)),
        }
    }

    fn kind(&self, path: &str) -> Result<FileKind, FileError> {
        let found = self.open_at(path, OFlag::O_PATH | OFlag::O_CLOEXEC)?;
        Ok(kind(&fstat(&found).map_err(reason)?))
    }

    fn list(&self, path: &str) -> Result<Vec<FileEntry>, FileError> {
        let folder = self.open_at(path, READ | OFlag::O_DIRECTORY)?;
        let mut entries = Vec::new();
        let mut dir =
            Dir::from_fd(folder.try_clone().map_err(|error| FileError::Unreadable(error.to_string()))?)
                .map_err(reason)?;
        for entry in dir.iter() {
            let entry = entry.map_err(reason)?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let found = match fstatat(&folder, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
                Err(Errno::ENOENT) => continue, // removed just now
                found => found.map_err(reason)?,
            };
            let kind = if SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT == SFlag::S_IFLNK {
                let target = readlinkat(&folder, name).map_err(reason)?;
                FileKind::Symlink { target: target.to_string_lossy().into_owned() }
            } else {
                kind(&found)
            };
            let name = name.to_str().map_err(|_| {
                let name = String::from_utf8_lossy(name.to_bytes());
                FileError::Unreadable(format!("the name {name} in it is not UTF-8"))
            })?;
            entries.push(FileEntry { name: name.to_owned(), kind });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use std::fs;

    use super::*;

    fn project() -> (tempfile::TempDir, ProjectFolder) {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("project/site")).unwrap();
        fs::write(folder.path().join("outside"), "private").unwrap();
        fs::write(folder.path().join("project/site/index.html"), "hello").unwrap();
        let project = ProjectFolder::open(&folder.path().join("project")).unwrap();
        (folder, project)
    }

    #[test]
    fn a_root_above_lets_files_beside_the_folder_in() {
        let (folder, _) = project();
        let above = |text: &str| {
            fs::write(folder.path().join(".imgfile.toml"), text).unwrap();
            ProjectFolder::open(&folder.path().join("project")).unwrap().read("../outside", 100)
        };
        assert_eq!(above("mirror = \"https://example.org\"\n"), Err(FileError::Outside));
        assert_eq!(above("root = false\n"), Err(FileError::Outside));
        assert_eq!(above("root = true\n"), Ok(b"private".to_vec()));
        // Whoever lays a link there has written nothing, though the file that it leads to is this user's own.
        fs::rename(folder.path().join(".imgfile.toml"), folder.path().join("mine.toml")).unwrap();
        symlink("mine.toml", folder.path().join(".imgfile.toml")).unwrap();
        let linked = ProjectFolder::open(&folder.path().join("project")).unwrap();
        assert_eq!(linked.read("../outside", 100), Err(FileError::Outside));
        fs::remove_file(folder.path().join(".imgfile.toml")).unwrap();
        // What was cloned into a project is a project of its own.
        fs::create_dir(folder.path().join("project/.git")).unwrap();
        assert_eq!(above("root = true\n"), Err(FileError::Outside));
        fs::remove_dir(folder.path().join("project/.git")).unwrap();
        // The nearest one counts.
        fs::write(folder.path().join("project/.imgfile.toml"), "root = true\n").unwrap();
        assert_eq!(above("root = true\n"), Err(FileError::Outside));
    }

    #[test]
    fn reads_what_is_inside() {
        let (_folder, project) = project();
        assert_eq!(project.read("site/index.html", 5), Ok(b"hello".to_vec()));
        assert_eq!(project.read("site/index.html", 4), Err(FileError::TooLarge));
        assert_eq!(project.read("nothing", 9), Err(FileError::NotFound));
        assert_eq!(project.read("site/index.html/x", 9), Err(FileError::NotFound));
        assert_eq!(project.kind("site"), Ok(FileKind::Folder));
        assert_eq!(project.list("").unwrap()[0].name, "site");
    }

    #[test]
    fn a_digest_is_of_all_that_may_be_read() {
        let (_folder, project) = project();
        assert_eq!(project.digest("site/index.html", 5), Ok((Digest::of("hello"), 5)));
        assert_eq!(project.digest("site/index.html", 4), Err(FileError::TooLarge));
        assert_eq!(project.digest("site", 9), Err(FileError::Unreadable("it is a folder".into())));
    }

    #[test]
    fn nothing_outside_is_read_by_any_way() {
        let (folder, project) = project();
        let root = folder.path();
        symlink("../outside", root.join("project/link")).unwrap();
        symlink(root, root.join("project/up")).unwrap();
        symlink("site", root.join("project/inside")).unwrap();
        // The last two are not there, which nobody learns.
        for path in [
            "../outside",
            "link",
            "up/outside",
            "site/../../outside",
            "/etc/passwd",
            "../nothing",
            "up/no/thing",
        ] {
            assert_eq!(project.read(path, 99), Err(FileError::Outside), "{path}");
            assert_eq!(project.kind(path), Err(FileError::Outside), "{path}");
        }
        assert_eq!(project.list("up"), Err(FileError::Outside));
        assert_eq!(project.read("inside/index.html", 99), Ok(b"hello".to_vec()), "a link that stays inside");
    }

    #[test]
    fn a_path_is_outside_by_where_it_leads() {
        let (folder, project) = project();
        symlink("../outside", folder.path().join("project/link")).unwrap();
        let outside = Some(folder.path().canonicalize().unwrap().join("outside"));
        assert_eq!(project.outside("link"), outside);
        assert_eq!(project.outside("../outside"), outside);
        assert_eq!(project.outside(folder.path().join("outside").to_str().unwrap()), outside);
        for inside in ["site/index.html", "nothing", "site/nothing", "site/../nothing"] {
            assert_eq!(project.outside(inside), None, "{inside}");
        }
        assert!(project.outside("../nothing").is_some() && project.outside("/nowhere/at/all").is_some());
        // What belongs to the project is inside, wherever in it the ImageFile is.
        fs::write(folder.path().join(".imgfile.toml"), "root = true\n").unwrap();
        let project = ProjectFolder::open(&folder.path().join("project")).unwrap();
        assert_eq!((project.outside("../outside"), project.outside("link")), (None, None));
        assert!(project.outside("../../outside").is_some());
    }

    #[test]
    fn a_pipe_holds_nothing_up() {
        let (folder, project) = project();
        nix::unistd::mkfifo(&folder.path().join("project/pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(matches!(project.read("pipe", 9), Err(FileError::Unreadable(_))));
        assert_eq!(project.kind("pipe"), Ok(FileKind::Other));
    }
}

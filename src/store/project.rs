//! The project's folder on disk, behind the compiler's one door to files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};

use crate::check::{FileEntry, FileError, FileKind, Files};

/// Room made before a file is read, in bytes at most.
const MOST_AT_ONCE: u64 = 1 << 20;

/// A folder nothing outside of which is read, whatever links inside it say.
#[derive(Debug, Clone)]
pub struct ProjectFolder {
    /// Without links, so that what links resolve to can be compared with it.
    root: PathBuf,
    /// What may be read: the folder itself, or one above it that says to be the project's root.
    reach: PathBuf,
    /// The same folder, open.
    door: Arc<OwnedFd>,
}

impl ProjectFolder {
    /// The project in `folder`, which must exist; the empty path is the working directory.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let root = folder.canonicalize()?;
        let door = Arc::new(File::open(&root)?.into());
        let reach = reach(&root);
        Ok(Self { root, reach, door })
    }

    /// The folder's own path, absolute and without links.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where a path leads that is not in the folder: absolute, or relative to the folder. None if it stays inside.
    #[must_use]
    pub fn outside(&self, path: &str) -> Option<PathBuf> {
        let path = self.root.join(path);
        let real = path.canonicalize().or_else(|_| {
            // Of a file that is not there, where it would be.
            let parent = path.parent().unwrap_or(&path).canonicalize()?;
            Ok::<_, io::Error>(parent.join(path.file_name().unwrap_or_default()))
        });
        let real = real.unwrap_or(path);
        (!real.starts_with(&self.root)).then_some(real)
    }

    /// What the system says of a file of the project.
    #[must_use]
    pub fn metadata(&self, path: &str) -> Option<fs::Metadata> {
        fs::metadata(self.resolve(path).ok()?).ok()
    }

    /// Names of a file's extended attributes that this user sees.
    #[must_use]
    pub fn attributes(&self, path: &str) -> Vec<String> {
        let Ok(file) = self.open_file(path) else { return Vec::new() };
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

    /// Opens what is at a project-relative path, without waiting: a pipe must not hold up a check.
    fn open_file(&self, path: &str) -> Result<File, FileError> {
        // One call where no link leads up or starts at the root, which is nearly everywhere: a catalogue
        // may have thousands of files.
        let how = OpenHow::new()
            .flags(OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_BENEATH);
        if let Ok(file) = openat2(&*self.door, path, how) {
            return Ok(file.into());
        }
        let real = self.resolve(path)?;
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(nix::libc::O_NONBLOCK);
        options.open(real).map_err(|error| reason(&error))
    }

    /// Whether a path has more `..` than there are folders of the project above it.
    fn climbs_out(&self, path: &str) -> bool {
        let above = self.root.strip_prefix(&self.reach).map_or(0, |below| below.components().count());
        let mut depth = Some(above);
        for part in Path::new(path).components() {
            depth = match part {
                Component::Normal(_) => depth.map(|depth| depth + 1),
                Component::ParentDir => depth.and_then(|depth| depth.checked_sub(1)),
                _ => depth,
            };
        }
        depth.is_none()
    }

    /// Where a project-relative path really is.
    fn resolve(&self, path: &str) -> Result<PathBuf, FileError> {
        if path.contains('\0') {
            return Err(FileError::Unreadable("its name holds a NUL character".into()));
        }
        let real = self.root.join(path).canonicalize().map_err(|error| match reason(&error) {
            // Whether it is there or not is nobody's business inside.
            FileError::NotFound if self.climbs_out(path) => FileError::Outside,
            other => other,
        })?;
        if real.starts_with(&self.reach) { Ok(real) } else { Err(FileError::Outside) }
    }
}

/// Names of the file in which `root = true` makes a folder the root of a project.
const ROOT_FILES: [&str; 2] = [".imgfile.toml", ".imagefile.toml"];
/// Most that is read of such a file.
const ROOT_FILE_LIMIT: u64 = 1 << 16;

/// The nearest folder, this one or one above it, that says to be the root of the project; else this one.
/// What somebody else has written above is not believed.
fn reach(folder: &Path) -> PathBuf {
    let owner = fs::metadata(folder).map(|data| data.uid()).ok();
    let says_so = |above: &&Path| {
        ROOT_FILES.iter().any(|name| {
            let options =
                OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(above.join(name));
            let Ok(file) = options else { return false };
            let of_same = file.metadata().is_ok_and(|data| data.is_file() && Some(data.uid()) == owner);
            let mut text = String::new();
            of_same
                && file.take(ROOT_FILE_LIMIT).read_to_string(&mut text).is_ok()
                && text
                    .parse::<toml::Table>()
                    .is_ok_and(|table| table.get("root") == Some(&toml::Value::Boolean(true)))
        })
    };
    folder.ancestors().find(says_so).unwrap_or(folder).to_owned()
}

fn reason(error: &io::Error) -> FileError {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => FileError::NotFound,
        _ => FileError::Unreadable(error.to_string()),
    }
}

fn kind(metadata: &fs::Metadata) -> FileKind {
    if metadata.is_dir() {
        FileKind::Folder
    } else if metadata.is_file() {
        FileKind::File { size: metadata.len(), executable: metadata.permissions().mode() & 0o100 != 0 }
    } else {
        FileKind::Other
    }
}

impl Files for ProjectFolder {
    fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, FileError> {
        let file = self.open_file(path)?;
        let size = match kind(&file.metadata().map_err(|error| reason(&error))?) {
            FileKind::File { size, .. } if size > limit => return Err(FileError::TooLarge),
            FileKind::File { size, .. } => size,
            FileKind::Folder => return Err(FileError::Unreadable("it is a folder".into())),
            _ => return Err(FileError::Unreadable("it is not a regular file".into())),
        };
        // The size may be a lie, as in /proc, or change while reading.
        let mut bytes = Vec::with_capacity(usize::try_from(size.min(MOST_AT_ONCE)).unwrap_or(0));
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| reason(&error))?;
        if bytes.len() as u64 > limit { Err(FileError::TooLarge) } else { Ok(bytes) }
    }

    fn kind(&self, path: &str) -> Result<FileKind, FileError> {
        Ok(kind(&fs::metadata(self.resolve(path)?).map_err(|error| reason(&error))?))
    }

    fn list(&self, path: &str) -> Result<Vec<FileEntry>, FileError> {
        let real = self.resolve(path)?;
        let mut entries = Vec::new();
        for entry in fs::read_dir(real).map_err(|error| reason(&error))? {
            let entry = entry.map_err(|error| reason(&error))?;
            let name = entry.file_name().into_string().map_err(|name| {
                FileError::Unreadable(format!("the name {} in it is not UTF-8", name.display()))
            })?;
            let metadata = entry.metadata().map_err(|error| reason(&error))?;
            let kind = if metadata.is_symlink() {
                let target = fs::read_link(entry.path()).map_err(|error| reason(&error))?;
                FileKind::Symlink { target: target.to_string_lossy().into_owned() }
            } else {
                kind(&metadata)
            };
            entries.push(FileEntry { name, kind });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

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
    fn nothing_outside_is_read_by_any_way() {
        let (folder, project) = project();
        let root = folder.path();
        symlink("../outside", root.join("project/link")).unwrap();
        symlink(root, root.join("project/up")).unwrap();
        symlink("site", root.join("project/inside")).unwrap();
        for path in ["../outside", "link", "up/outside", "site/../../outside", "/etc/passwd"] {
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
    }

    #[test]
    fn a_pipe_holds_nothing_up() {
        let (folder, project) = project();
        nix::unistd::mkfifo(&folder.path().join("project/pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(matches!(project.read("pipe", 9), Err(FileError::Unreadable(_))));
        assert_eq!(project.kind("pipe"), Ok(FileKind::Other));
    }
}

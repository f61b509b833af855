//! The git repository that a project lies in, read from its own files: git itself would do what the configuration of a
//! stranger's repository says.
//!
//! A project may bring a `.git` along that git has not made. So no link is followed, and what a `.git` file names outside
//! is read only if it names that file in turn, as git's own further working trees and submodules do.

use std::fs::{File, Metadata};
use std::io::Read as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use super::Folder;

/// Longest file of names and numbers, in bytes; a list of packed references of a large repository fits.
const TEXT_LIMIT: u64 = 16 << 20;
/// Longest commit that is read, in bytes.
const COMMIT_LIMIT: u64 = 1 << 20;
/// Of an object in a pack: a commit that is stored whole.
const PACKED_COMMIT: u8 = 1;
/// How often a reference may name another one.
const MOST_REFERENCES: u32 = 5;

/// A repository, and which working tree of it.
#[derive(Debug)]
pub struct Repository {
    /// What belongs to the working tree: `HEAD`, `index`.
    own: Folder,
    /// What all working trees have in common: objects, references.
    common: Folder,
}

/// The commit that a working tree was last brought to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commit {
    /// Seconds since 1970 by its committer's clock.
    pub time: i64,
    /// When git last wrote files of the working tree or compared them with the commit, in nanoseconds since 1970: what
    /// is younger was changed since.
    pub since: i128,
}

impl Repository {
    /// The one that a folder lies in, where there is one that can be read.
    #[must_use]
    pub fn around(folder: &Path) -> Option<Self> {
        let top = folder.ancestors().find(|folder| folder.join(".git").symlink_metadata().is_ok())?;
        let tree = Folder::open(top).ok()?;
        let own = if tree.metadata(".git").ok()?.is_dir() {
            tree.below(Path::new(".git")).ok()?
        } else {
            named(&tree, top)?
        };
        let common = match text(&own, "commondir") {
            Some(path) => {
                let path = own.path().ok()?.join(path.trim_end()).canonicalize().ok()?;
                // That of a folder inside the project is the project's to say, for what is inside as well.
                let inside = own.path().ok()?.starts_with(tree.path().ok()?);
                (!inside || path.starts_with(tree.path().ok()?))
                    .then(|| Folder::open_itself(&path).ok())??
            }
            None => own.clone(),
        };
        Some(Self { own, common })
    }

    /// The id of the commit that is checked out.
    #[must_use]
    pub fn head(&self) -> Option<String> {
        let mut name = text(&self.own, "HEAD")?.trim().to_owned();
        for _ in 0..MOST_REFERENCES {
            let Some(reference) = name.strip_prefix("ref: ") else {
                let is_id =
                    matches!(name.len(), 40 | 64) && name.bytes().all(|byte| byte.is_ascii_hexdigit());
                return is_id.then_some(name);
            };
            let loose = text(&self.own, reference).or_else(|| text(&self.common, reference));
            name = match loose {
                Some(text) => text.trim().to_owned(),
                None => text(&self.common, "packed-refs")?
                    .lines()
                    .find_map(|line| line.split_once(' ').filter(|(_, name)| *name == reference))?
                    .0
                    .to_owned(),
            };
        }
        None
    }

    /// The commit that is checked out.
    #[must_use]
    pub fn commit(&self) -> Option<Commit> {
        let id = self.head()?;
        let commit = self.loose(&id).or_else(|| self.packed(&id))?;
        let logs = self.own.below(Path::new("logs")).and_then(|logs| logs.metadata("HEAD"));
        let marks = [logs, self.own.metadata("index")];
        let since = marks.into_iter().flatten().map(|found| modified(&found)).max()?;
        Some(Commit { time: committed(&commit)?, since })
    }

    fn loose(&self, id: &str) -> Option<Vec<u8>> {
        let (folder, name) = id.split_at(2);
        let path = Path::new("objects").join(folder).join(name);
        let content = inflate(&self.common.read(&path, COMMIT_LIMIT).ok()?)?;
        let start = content.iter().position(|&byte| byte == 0)? + 1;
        content.starts_with(b"commit ").then(|| content[start..].to_vec())
    }

    fn packed(&self, id: &str) -> Option<Vec<u8>> {
        let id: Vec<u8> = (0..id.len() / 2)
            .map(|at| u8::from_str_radix(&id[2 * at..2 * at + 2], 16))
            .collect::<Result<_, _>>()
            .ok()?;
        let packs = self.common.below(Path::new("objects/pack")).ok()?;
        let names = packs.names().ok()?.into_iter().map(PathBuf::from);
        names
            .filter(|name| name.extension() == Some("idx".as_ref()))
            .find_map(|index| in_pack(&packs, &index, &id))
    }
}

/// The folder that a `.git` file names: one in the same tree, or one that names the file in turn.
fn named(tree: &Folder, top: &Path) -> Option<Folder> {
    let text = text(tree, ".git")?;
    let path = top.join(text.strip_prefix("gitdir: ")?.trim_end()).canonicalize().ok()?;
    let folder = Folder::open_itself(&path).ok()?;
    if path.starts_with(tree.path().ok()?) || names_back(&folder, &path, top) { Some(folder) } else { None }
}

/// Whether a repository's folder says that a working tree is one of its own: a further one by the file `gitdir`, a
/// submodule by `core.worktree` (gitrepository-layout(5), git-config(1)).
fn names_back(folder: &Folder, path: &Path, top: &Path) -> bool {
    let is_top = |named: PathBuf| {
        named.canonicalize().is_ok_and(|named| top.canonicalize().is_ok_and(|top| named == top))
    };
    if let Some(file) = text(folder, "gitdir") {
        return path.join(file.trim_end()).parent().is_some_and(|tree| is_top(tree.to_owned()));
    }
    let configuration = text(folder, "config").unwrap_or_default();
    let mut lines = configuration.lines().filter_map(|line| line.split_once('='));
    lines.any(|(key, value)| key.trim() == "worktree" && is_top(path.join(value.trim().trim_matches('"'))))
}

/// The time of a file's content in nanoseconds since 1970.
#[must_use]
pub fn modified(found: &Metadata) -> i128 {
    i128::from(found.mtime()) * 1_000_000_000 + i128::from(found.mtime_nsec())
}

fn text(folder: &Folder, path: &str) -> Option<String> {
    String::from_utf8(folder.read(Path::new(path), TEXT_LIMIT).ok()?).ok()
}

fn inflate(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    flate2::read::ZlibDecoder::new(bytes).take(COMMIT_LIMIT).read_to_end(&mut content).ok()?;
    Some(content)
}

/// A commit of the pack with this index, format 2.
fn in_pack(packs: &Folder, index: &Path, id: &[u8]) -> Option<Vec<u8>> {
    let file = packs.regular(index).ok()?;
    let number = |at: u64| {
        let mut bytes = [0; 4];
        file.read_exact_at(&mut bytes, at).ok()?;
        Some(u32::from_be_bytes(bytes))
    };
    if number(0)? != 0xff74_4f63 || number(4)? != 2 {
        return None;
    }
    let (fan, len) = (u64::from(*id.first()?), id.len() as u64);
    let mut low = if fan == 0 { 0 } else { u64::from(number(8 + 4 * (fan - 1))?) };
    let mut high = u64::from(number(8 + 4 * fan)?);
    let count = u64::from(number(8 + 4 * 255)?);
    let names = 8 + 4 * 256;
    let mut name = vec![0; id.len()];
    while low < high {
        let middle = u64::midpoint(low, high);
        file.read_exact_at(&mut name, names + middle * len).ok()?;
        match name.as_slice().cmp(id) {
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Greater => high = middle,
            std::cmp::Ordering::Equal => {
                let offsets = names + count * (len + 4);
                let offset = number(offsets + 4 * middle)?;
                // Beyond 2 GiB it is the number of an entry of a second table.
                let offset = match offset & 0x8000_0000 {
                    0 => u64::from(offset),
                    _ => {
                        let at = offsets + 4 * count + 8 * u64::from(offset & 0x7fff_ffff);
                        (u64::from(number(at)?) << 32) | u64::from(number(at + 4)?)
                    }
                };
                return at_offset(&packs.regular(&index.with_extension("pack")).ok()?, offset);
            }
        }
    }
    None
}

fn at_offset(pack: &File, offset: u64) -> Option<Vec<u8>> {
    let len = pack.metadata().ok()?.len().checked_sub(offset)?.min(COMMIT_LIMIT);
    let mut bytes = vec![0; usize::try_from(len).ok()?];
    pack.read_exact_at(&mut bytes, offset).ok()?;
    // Type and size, seven bits of the size at a time; commits are hardly ever kept as differences.
    let first = *bytes.first()?;
    let header = bytes.iter().position(|byte| byte & 0x80 == 0)? + 1;
    ((first >> 4) & 7 == PACKED_COMMIT).then(|| inflate(&bytes[header..]))?
}

/// `committer Name <address> SECONDS ZONE`
fn committed(commit: &[u8]) -> Option<i64> {
    let text = String::from_utf8_lossy(commit);
    let header = text.split("\n\n").next()?;
    let line = header.lines().find_map(|line| line.strip_prefix("committer "))?;
    line.rsplit_once("> ")?.1.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::process::Command;

    use super::*;

    fn git(folder: &Path, args: &[&str]) {
        let output = Command::new("git")
            .args(args)
            .current_dir(folder)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .envs([("GIT_AUTHOR_NAME", "a"), ("GIT_AUTHOR_EMAIL", "a"), ("GIT_COMMITTER_NAME", "c > d")])
            .envs([("GIT_COMMITTER_EMAIL", "c"), ("GIT_COMMITTER_DATE", "1700000000 +0200")])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn commit(folder: &Path) -> Option<Commit> {
        Repository::around(folder)?.commit()
    }

    fn head(folder: &Path) -> Option<String> {
        Repository::around(folder)?.head()
    }

    #[test]
    fn the_commit_is_found_wherever_git_keeps_it() {
        let folder = tempfile::tempdir().unwrap();
        let project = folder.path().join("repository/images");
        std::fs::create_dir_all(&project).unwrap();
        assert_eq!(commit(&project), None);
        git(&project, &["init", "-q", ".."]);
        assert_eq!(commit(&project), None, "nothing is committed");
        std::fs::write(project.join("file"), "1").unwrap();
        git(&project, &["add", "."]);
        git(&project, &["commit", "-q", "-m", "one"]);
        let found = commit(&project).unwrap();
        assert_eq!(found.time, 1_700_000_000);
        assert!(modified(&project.join("file").metadata().unwrap()) <= found.since);
        let id = head(&project).unwrap();
        // Objects and references in packs.
        git(&project, &["gc", "-q", "--aggressive"]);
        git(&project, &["pack-refs", "--all"]);
        assert_eq!(commit(&project).unwrap().time, 1_700_000_000);
        assert_eq!(head(&project).as_ref(), Some(&id));
        // A second working tree, and a submodule.
        git(&project, &["worktree", "add", "-q", "--detach", "../../other"]);
        assert_eq!(commit(&folder.path().join("other/images")).unwrap().time, 1_700_000_000);
        let above = folder.path().join("above");
        std::fs::create_dir(&above).unwrap();
        git(&above, &["init", "-q"]);
        git(
            &above,
            &["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "../repository", "sub"],
        );
        assert!(above.join("sub/.git").is_file());
        assert_eq!(head(&above.join("sub")), Some(id));
        // A clone, whose files are as old as it is.
        git(folder.path(), &["clone", "-q", "repository", "clone"]);
        let cloned = commit(&folder.path().join("clone")).unwrap();
        assert!(modified(&folder.path().join("clone/images/file").metadata().unwrap()) <= cloned.since);
    }

    #[test]
    fn what_is_no_repository_has_no_commit() {
        let folder = tempfile::tempdir().unwrap();
        for content in ["", "gitdir: /dev/zero\n", "gitdir: ../..\n", "nonsense"] {
            std::fs::write(folder.path().join(".git"), content).unwrap();
            assert_eq!(head(folder.path()), None, "{content}");
        }
        std::fs::remove_file(folder.path().join(".git")).unwrap();
        std::fs::create_dir(folder.path().join(".git")).unwrap();
        std::fs::write(folder.path().join(".git/HEAD"), "ref: ../../etc/passwd\n").unwrap();
        assert_eq!(head(folder.path()), None);
    }

    #[test]
    fn a_repository_that_a_project_made_up_leads_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let token = "0123456789abcdef".repeat(4);
        write("private/token", &token);
        write("private/HEAD", &token);
        let private = folder.path().join("private");
        // A reference that is a link.
        write("one/.git", "gitdir: fake\n");
        write("one/fake/HEAD", "ref: refs/x\n");
        std::fs::create_dir(folder.path().join("one/fake/refs")).unwrap();
        symlink(private.join("token"), folder.path().join("one/fake/refs/x")).unwrap();
        // A folder outside that does not know of the project, by name, by a link, and as the common one.
        write("two/.git", &format!("gitdir: {}\n", private.display()));
        write("three/.git", "gitdir: fake\n");
        symlink(&private, folder.path().join("three/fake")).unwrap();
        write("four/.git", "gitdir: fake\n");
        write("four/fake/HEAD", "ref: token\n");
        write("four/fake/commondir", "../../private\n");
        std::fs::create_dir(folder.path().join("five")).unwrap();
        symlink(&private, folder.path().join("five/.git")).unwrap();
        for project in ["one", "two", "three", "four", "five"] {
            assert_eq!(head(&folder.path().join(project)), None, "{project}");
        }
        write("six/.git", "gitdir: fake\n");
        write("six/fake/HEAD", &token);
        assert_eq!(head(&folder.path().join("six")), Some(token), "what it brings along is its own");
    }
}

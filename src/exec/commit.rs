//! When the checked-out commit of a git repository was made, read from the repository's own files: git itself would do
//! what the configuration of a stranger's repository says.

use std::fs::{File, Metadata, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Longest file of names and numbers, in bytes; a list of packed references of a large repository fits.
const TEXT_LIMIT: u64 = 16 << 20;
/// Longest commit that is read, in bytes.
const COMMIT_LIMIT: u64 = 1 << 20;
/// Of an object in a pack: a commit that is stored whole.
const PACKED_COMMIT: u8 = 1;

/// The commit that a working tree was last brought to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Commit {
    /// Seconds since 1970 by its committer's clock.
    pub time: i64,
    /// When git last wrote files of the working tree or compared them with the commit, in nanoseconds since 1970: what
    /// is younger was changed since.
    pub since: i128,
}

impl Commit {
    /// Of the repository that `folder` is in, where there is one that can be read.
    pub(super) fn of(folder: &Path) -> Option<Self> {
        let found = folder.ancestors().map(|folder| folder.join(".git")).find(|git| git.exists())?;
        // The one of a further working tree is a file that names the folder.
        let git = if found.is_dir() {
            found
        } else {
            found.parent()?.join(text(&found)?.strip_prefix("gitdir: ")?.trim_end())
        };
        let common = match text(&git.join("commondir")) {
            Some(path) => git.join(path.trim_end()),
            None => git.clone(),
        };
        let id = head(&git, &common)?;
        let commit = loose(&common, &id).or_else(|| packed(&common, &id))?;
        let marks = [git.join("logs/HEAD"), git.join("index")];
        let since =
            marks.iter().filter_map(|path| path.metadata().ok()).map(|found| modified(&found)).max()?;
        Some(Self { time: committed(&commit)?, since })
    }
}

/// The time of a file's content in nanoseconds since 1970.
pub(super) fn modified(found: &Metadata) -> i128 {
    i128::from(found.mtime()) * 1_000_000_000 + i128::from(found.mtime_nsec())
}

/// A regular file, at most `limit` bytes of it.
fn read(path: &Path, limit: u64) -> Option<Vec<u8>> {
    let file = OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path).ok()?;
    let mut bytes = Vec::new();
    let is_file = file.metadata().ok()?.is_file();
    (is_file && file.take(limit).read_to_end(&mut bytes).is_ok()).then_some(bytes)
}

fn text(path: &Path) -> Option<String> {
    String::from_utf8(read(path, TEXT_LIMIT)?).ok()
}

/// The id of the commit that is checked out.
fn head(git: &Path, common: &Path) -> Option<String> {
    let mut name = text(&git.join("HEAD"))?.trim_end().to_owned();
    // A reference may name another one.
    for _ in 0..5 {
        let Some(reference) = name.strip_prefix("ref: ") else {
            let is_id = matches!(name.len(), 40 | 64) && name.bytes().all(|byte| byte.is_ascii_hexdigit());
            return is_id.then_some(name);
        };
        if reference.split('/').any(|part| part == "..") {
            return None;
        }
        let loose = text(&git.join(reference)).or_else(|| text(&common.join(reference)));
        name = match loose {
            Some(text) => text.trim_end().to_owned(),
            None => text(&common.join("packed-refs"))?
                .lines()
                .find_map(|line| line.split_once(' ').filter(|(_, name)| *name == reference))?
                .0
                .to_owned(),
        };
    }
    None
}

fn inflate(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    flate2::read::ZlibDecoder::new(bytes).take(COMMIT_LIMIT).read_to_end(&mut content).ok()?;
    Some(content)
}

fn loose(common: &Path, id: &str) -> Option<Vec<u8>> {
    let (folder, name) = id.split_at(2);
    let content = inflate(&read(&common.join("objects").join(folder).join(name), COMMIT_LIMIT)?)?;
    let start = content.iter().position(|&byte| byte == 0)? + 1;
    content.starts_with(b"commit ").then(|| content[start..].to_vec())
}

fn packed(common: &Path, id: &str) -> Option<Vec<u8>> {
    let id: Vec<u8> = (0..id.len() / 2)
        .map(|at| u8::from_str_radix(&id[2 * at..2 * at + 2], 16))
        .collect::<Result<_, _>>()
        .ok()?;
    let packs = std::fs::read_dir(common.join("objects/pack")).ok()?;
    let paths = packs.flatten().map(|entry| entry.path());
    paths.filter(|path| path.extension() == Some("idx".as_ref())).find_map(|index| in_pack(&index, &id))
}

/// A commit of the pack with this index, format 2.
fn in_pack(index: &Path, id: &[u8]) -> Option<Vec<u8>> {
    let file = regular(index)?;
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
                return at_offset(&index.with_extension("pack"), offset);
            }
        }
    }
    None
}

fn at_offset(pack: &Path, offset: u64) -> Option<Vec<u8>> {
    let file = regular(pack)?;
    let len = file.metadata().ok()?.len().checked_sub(offset)?.min(COMMIT_LIMIT);
    let mut bytes = vec![0; usize::try_from(len).ok()?];
    file.read_exact_at(&mut bytes, offset).ok()?;
    // Type and size, seven bits of the size at a time; commits are hardly ever kept as differences.
    let first = *bytes.first()?;
    let header = bytes.iter().position(|byte| byte & 0x80 == 0)? + 1;
    ((first >> 4) & 7 == PACKED_COMMIT).then(|| inflate(&bytes[header..]))?
}

fn regular(path: &Path) -> Option<File> {
    let file = OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path).ok()?;
    file.metadata().ok()?.is_file().then_some(file)
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

    #[test]
    fn the_time_of_the_commit_is_found_wherever_git_keeps_it() {
        let folder = tempfile::tempdir().unwrap();
        let project = folder.path().join("repository/images");
        std::fs::create_dir_all(&project).unwrap();
        assert_eq!(Commit::of(&project), None);
        git(&project, &["init", "-q", ".."]);
        assert_eq!(Commit::of(&project), None, "nothing is committed");
        std::fs::write(project.join("file"), "1").unwrap();
        git(&project, &["add", "."]);
        git(&project, &["commit", "-q", "-m", "one"]);
        let commit = Commit::of(&project).unwrap();
        assert_eq!(commit.time, 1_700_000_000);
        assert!(modified(&project.join("file").metadata().unwrap()) <= commit.since);
        // Objects and references in packs.
        git(&project, &["gc", "-q", "--aggressive"]);
        git(&project, &["pack-refs", "--all"]);
        assert_eq!(Commit::of(&project).unwrap().time, 1_700_000_000);
        // A second working tree.
        git(&project, &["worktree", "add", "-q", "--detach", "../../other"]);
        assert_eq!(Commit::of(&folder.path().join("other/images")).unwrap().time, 1_700_000_000);
        // A clone, whose files are as old as it is.
        git(folder.path(), &["clone", "-q", "repository", "clone"]);
        let cloned = Commit::of(&folder.path().join("clone")).unwrap();
        assert!(modified(&folder.path().join("clone/images/file").metadata().unwrap()) <= cloned.since);
    }

    #[test]
    fn what_is_no_repository_has_no_commit() {
        let folder = tempfile::tempdir().unwrap();
        for content in ["", "gitdir: /dev/zero\n", "gitdir: ../..\n", "nonsense"] {
            std::fs::write(folder.path().join(".git"), content).unwrap();
            assert_eq!(Commit::of(folder.path()), None, "{content}");
        }
        std::fs::remove_file(folder.path().join(".git")).unwrap();
        std::fs::create_dir(folder.path().join(".git")).unwrap();
        std::fs::write(folder.path().join(".git/HEAD"), "ref: ../../etc/passwd\n").unwrap();
        assert_eq!(Commit::of(folder.path()), None);
    }
}

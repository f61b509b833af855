//! The commit that a project's folder has checked out, read without git: its configuration may name programs, and
//! nothing of a project runs on the host.

use std::path::{Path, PathBuf};

/// Bytes that are read of any of these files.
const LIMIT: u64 = 8 << 20;

/// The commit of the repository that a folder lies in; files may differ from it.
pub(super) fn of(folder: &Path) -> Option<String> {
    let git = folder.ancestors().map(|folder| folder.join(".git")).find(|path| path.exists())?;
    let git = if git.is_file() { linked(&git)? } else { git };
    let head = read(&git.join("HEAD"))?;
    let Some(reference) = head.trim().strip_prefix("ref: ") else { return id(&head) };
    if reference.split('/').any(|part| part == "..") || reference.starts_with('/') {
        return None;
    }
    // A further worktree has its references in the first one's folder.
    let common = read(&git.join("commondir")).map(|common| git.join(common.trim()));
    [Some(git), common].into_iter().flatten().find_map(|git| {
        read(&git.join(reference)).and_then(|text| id(&text)).or_else(|| packed(&git, reference))
    })
}

/// The folder that a `.git` file of a worktree or submodule names.
fn linked(file: &Path) -> Option<PathBuf> {
    let text = read(file)?;
    let path = text.trim().strip_prefix("gitdir: ")?;
    Some(file.parent()?.join(path))
}

fn packed(git: &Path, reference: &str) -> Option<String> {
    let text = read(&git.join("packed-refs"))?;
    text.lines()
        .find_map(|line| line.split_once(' ').filter(|(_, name)| *name == reference))
        .and_then(|(text, _)| id(text))
}

fn id(text: &str) -> Option<String> {
    let text = text.trim();
    let is_id = matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then(|| text.to_owned())
}

fn read(path: &Path) -> Option<String> {
    use std::io::Read;
    if !path.is_file() {
        return None;
    }
    let mut text = String::new();
    std::fs::File::open(path).ok()?.take(LIMIT).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commit_is_found_as_a_loose_a_packed_and_a_detached_head_and_from_a_worktree() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let (one, two) = ("1".repeat(40), "2".repeat(40));
        let project = dir.path().join("repo/images");
        std::fs::create_dir_all(&project).unwrap();
        assert_eq!(of(&project), None);
        write("repo/.git/HEAD", "ref: refs/heads/main\n");
        assert_eq!(of(&project), None, "nothing was committed yet");
        write("repo/.git/packed-refs", &format!("# pack-refs\n{one} refs/heads/main\n"));
        assert_eq!(of(&project), Some(one.clone()));
        write("repo/.git/refs/heads/main", &format!("{two}\n"));
        assert_eq!(of(&project), Some(two.clone()), "a loose reference is newer");
        write("repo/.git/worktrees/other/HEAD", "ref: refs/heads/main\n");
        write("repo/.git/worktrees/other/commondir", "../..\n");
        write("other/.git", "gitdir: ../repo/.git/worktrees/other\n");
        assert_eq!(of(&dir.path().join("other")), Some(two));
        write("repo/.git/HEAD", &one);
        assert_eq!(of(&project), Some(one));
        write("repo/.git/HEAD", "ref: ../../../etc/passwd\n");
        assert_eq!(of(&project), None);
    }
}

//! Files that take the names of others: all of them or none, whatever ends the process in between.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{Context, Result, identity::Identity};

/// One of the files. It is in the journal before anything happens to it; each part can be done or undone again,
/// and nothing is touched that is not what it was when this was planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Swap {
    /// Where the new file is, complete.
    staged: PathBuf,
    target: PathBuf,
    new: Identity,
    /// What has the target's name until then, and where it is meanwhile.
    old: Option<(PathBuf, Identity)>,
}

impl Swap {
    /// `staged` and `target` are in one folder.
    pub(super) fn plan(staged: &Path, target: &Path) -> Result<Self> {
        let new = Identity::at(staged).context("read", staged)?;
        let old = match target.symlink_metadata() {
            Ok(found) if found.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
            Ok(found) => Ok(Some((staged.with_extension("old"), Identity::of(&found)))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        };
        let old = old.context("write", target)?;
        Ok(Self { staged: staged.to_owned(), target: target.to_owned(), new, old })
    }

    /// Does it.
    pub(super) fn run(&self) -> Result<()> {
        self.keep().and_then(|()| self.take())
    }

    fn keep(&self) -> Result<()> {
        let Some((kept, _)) = &self.old else { return Ok(()) };
        // By a second name, where the file system has such: then the first is never without a file.
        let linked = fs::hard_link(&self.target, kept).or_else(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Err(error),
            _ => fs::rename(&self.target, kept),
        });
        linked.context("keep", &self.target)
    }

    fn take(&self) -> Result<()> {
        fs::rename(&self.staged, &self.target).context("write", &self.target)
    }

    /// Brings back what was there before, however much of it was done; false if that was nothing.
    pub(super) fn undo(&self) -> Result<bool> {
        let taken = is(&self.target, &self.new);
        match &self.old {
            Some((kept, old)) if is(kept, old) => {
                let missing = self.target.symlink_metadata().is_err();
                if taken || missing {
                    fs::rename(kept, &self.target).context("write", &self.target)?;
                } else {
                    fs::remove_file(kept).context("remove", kept)?;
                }
            }
            _ if taken => fs::remove_file(&self.target).context("remove", &self.target)?,
            _ => {}
        }
        Ok(taken)
    }

    /// Lets go of what was there before.
    pub(super) fn finish(&self) -> Result<()> {
        match &self.old {
            Some((kept, old)) if is(kept, old) => fs::remove_file(kept).context("remove", kept),
            _ => Ok(()),
        }
    }

    pub(super) fn target(&self) -> &Path {
        &self.target
    }

    pub(super) fn staged(&self) -> &Path {
        &self.staged
    }
}

/// Whether a file is this one, whatever its name was.
fn is(path: &Path, file: &Identity) -> bool {
    Identity::at(path).is_ok_and(|found| file.is_but_renamed(&found))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two new files, the first of which takes the place of another.
    struct Folder {
        dir: tempfile::TempDir,
        swaps: Vec<Swap>,
    }

    impl Folder {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let path = |name: &str| dir.path().join(name);
            fs::write(path("one"), "old").unwrap();
            let swaps = ["one", "two"].map(|name| {
                let staged = path(&format!("{name}.7.part"));
                fs::write(&staged, format!("new {name}")).unwrap();
                Swap::plan(&staged, &path(name)).unwrap()
            });
            Self { dir, swaps: swaps.into() }
        }

        /// Everything that is there.
        fn content(&self) -> Vec<(String, String)> {
            let mut all: Vec<_> = fs::read_dir(self.dir.path())
                .unwrap()
                .map(|entry| {
                    let entry = entry.unwrap();
                    (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap())
                })
                .collect();
            all.sort();
            all
        }

        /// So many parts of the whole.
        fn run(&self, parts: usize) {
            let all = self.swaps.iter().flat_map(|swap| [(swap, true), (swap, false)]);
            for (swap, keep) in all.take(parts) {
                if keep { swap.keep() } else { swap.take() }.unwrap();
            }
        }

        fn undo(&self) {
            for swap in self.swaps.iter().rev() {
                swap.undo().unwrap();
            }
        }
    }

    fn files(all: &[(&str, &str)]) -> Vec<(String, String)> {
        all.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn each_beginning_can_be_undone_and_undone_again() {
        for parts in 0..=4 {
            let folder = Folder::new();
            folder.run(parts);
            folder.undo();
            let staged = |name: &str| Path::new(name).extension().is_some_and(|end| end == "part");
            let found: Vec<_> = folder.content().into_iter().filter(|(name, _)| !staged(name)).collect();
            assert_eq!(found, files(&[("one", "old")]), "after {parts} parts");
            folder.undo();
            assert_eq!(fs::read_to_string(folder.dir.path().join("one")).unwrap(), "old");
        }
    }

    #[test]
    fn what_is_done_can_be_finished_again() {
        let folder = Folder::new();
        folder.run(4);
        for _ in 0..2 {
            for swap in &folder.swaps {
                swap.finish().unwrap();
            }
            assert_eq!(folder.content(), files(&[("one", "new one"), ("two", "new two")]));
        }
    }

    #[test]
    fn without_second_names_a_file_gets_its_own_back() {
        let folder = Folder::new();
        let path = |name: &str| folder.dir.path().join(name);
        fs::rename(path("one"), path("one.7.old")).unwrap();
        folder.undo();
        assert_eq!(fs::read_to_string(path("one")).unwrap(), "old");
    }

    #[test]
    fn what_somebody_else_put_there_since_stays() {
        let folder = Folder::new();
        folder.run(4);
        for name in ["one", "two"] {
            fs::write(folder.dir.path().join(name), "mine").unwrap();
        }
        folder.undo();
        assert_eq!(folder.content(), files(&[("one", "mine"), ("two", "mine")]));
    }

    #[test]
    fn a_folder_is_not_replaced() {
        let folder = Folder::new();
        fs::create_dir(folder.dir.path().join("folder")).unwrap();
        let staged = folder.dir.path().join("one.7.part");
        assert!(Swap::plan(&staged, &folder.dir.path().join("folder")).is_err());
    }
}

//! Which time a copied file bears in the image: one that tells its content apart, so that a web server does not answer
//! "not modified" for what was changed. It is in no key: a file that is copied again because it changed gets its new
//! time with its new content.

use std::fs::Metadata;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::store::git::{Commit, Repository, modified};

/// 1980-01-01, the earliest moment that zip archives (and so Python's wheels) can hold.
pub(super) const EARLIEST: u64 = 315_532_800;

/// Variable with the one time that everything is to bear, in seconds since 1970; see reproducible-builds.org.
const SOURCE_DATE_EPOCH: &str = "SOURCE_DATE_EPOCH";

/// How the files of a project get their times.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    fixed: Option<u64>,
    commit: Option<Commit>,
    now: u64,
}

impl Times {
    /// Of the project in `folder`.
    pub(super) fn of(folder: &Path) -> Self {
        let fixed = Self::fixed_time();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self { fixed, commit: Repository::around(folder).and_then(|repository| repository.commit()), now }
    }

    /// What `SOURCE_DATE_EPOCH` says, if it is set: seconds since 1970.
    #[must_use]
    pub fn fixed_time() -> Option<u64> {
        std::env::var(SOURCE_DATE_EPOCH).ok().and_then(|text| text.parse().ok())
    }

    /// Of what is of no time.
    pub(super) const fn none() -> Self {
        Self { fixed: Some(EARLIEST), commit: None, now: EARLIEST }
    }

    /// Of a file: the time of the commit that it is of, or its own where it was changed since.
    pub(super) fn file(self, found: &Metadata) -> u64 {
        let own = modified(found);
        let time = match (self.fixed, self.commit) {
            (Some(fixed), _) => fixed,
            (None, Some(commit)) if own <= commit.since => u64::try_from(commit.time).unwrap_or(0),
            (None, _) => u64::try_from(own / 1_000_000_000).unwrap_or(0),
        };
        time.max(EARLIEST)
    }

    /// Of an entry of an archive, by the time it has there.
    pub(super) fn entry(self, own: u64) -> u64 {
        self.fixed.unwrap_or(own).max(EARLIEST)
    }

    /// Of a text of the ImageFile or a download, which have no time of their own.
    pub(super) fn text(self) -> u64 {
        self.fixed.unwrap_or(self.now).max(EARLIEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_the_time_of_its_commit_until_it_is_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "").unwrap();
        let found = path.metadata().unwrap();
        let own = u64::try_from(modified(&found) / 1_000_000_000).unwrap();
        let times = |since: i128| Times {
            fixed: None,
            commit: Some(Commit { time: 1_700_000_000, since }),
            now: 1_800_000_000,
        };
        let (clean, changed) = (times(modified(&found)), times(modified(&found) - 1));
        assert_eq!((clean.file(&found), changed.file(&found)), (1_700_000_000, own));
        assert_eq!(Times { commit: None, ..clean }.file(&found), own);
        assert_eq!((clean.text(), clean.entry(1_600_000_000)), (1_800_000_000, 1_600_000_000));
        let fixed = Times { fixed: Some(1_650_000_000), ..clean };
        assert_eq!(
            (fixed.file(&found), fixed.text(), fixed.entry(9)),
            (1_650_000_000, 1_650_000_000, 1_650_000_000)
        );
        assert_eq!(Times { fixed: Some(1), ..clean }.text(), EARLIEST);
    }
}

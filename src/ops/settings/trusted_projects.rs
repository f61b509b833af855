//! Which projects the user trusts: one file a project in the user's configuration folder.
//!
//! A project that is trusted may set what is the user's (the store, mirrors, certificates…), and read what the
//! user looked at when trusting it. The record has the digest of the project's `.imgfile.toml`: another content
//! has to be looked at, and trusted, anew.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs, io,
    os::unix::{ffi::OsStrExt as _, fs::DirBuilderExt as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{config_folder, file::of_project};
use crate::{
    store::{project_root, read_regular},
    text::Digest,
};

/// A record has a path, a digest and a line for each source; what is larger was not written here.
const LIMIT: u64 = 1 << 20;

/// What the user says of a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Trust {
    /// Its settings are those that the user looked at.
    Trusted,
    /// It was trusted, and its settings are others now.
    Changed,
    /// It was never trusted, or is no longer.
    Untrusted,
}

/// What is remembered of a project that the user trusts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The project's folder, absolute and without links.
    pub project: PathBuf,
    /// Of `.imgfile.toml`; a file that is not there counts as an empty one.
    pub settings: Digest,
    /// What its ImageFiles read outside the project, such as `env:TOKEN`.
    #[serde(default)]
    pub sources: BTreeSet<String>,
}

/// The records of one user.
#[derive(Debug, Clone)]
pub struct TrustedProjects {
    folder: PathBuf,
}

impl TrustedProjects {
    /// The records of the user that this environment is of.
    pub fn of_user(env: &impl Fn(&str) -> Option<OsString>) -> Self {
        Self { folder: config_folder(env).join("trusted") }
    }

    /// Whether there is a place for them: without a home folder nothing is remembered.
    #[must_use]
    pub fn have_a_place(&self) -> bool {
        !self.folder.starts_with(super::NOWHERE)
    }

    /// The record of a project, if there is one that can be read.
    #[must_use]
    pub fn record(&self, project: &Path) -> Option<Record> {
        let record = read(&self.path(project))?;
        // The name is a digest of the path; a record that was copied to another name says nothing.
        (record.project == project).then_some(record)
    }

    /// What the user says of the project in the folder `project`, whose settings are `settings`.
    #[must_use]
    pub fn trust(&self, project: &Path, settings: &str) -> Trust {
        match self.record(project) {
            Some(record) if record.settings == Digest::of(settings) => Trust::Trusted,
            Some(_) => Trust::Changed,
            None => Trust::Untrusted,
        }
    }

    /// Remembers a project.
    pub fn add(&self, record: &Record) -> io::Result<()> {
        use std::io::Write as _;
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let text = toml::to_string(record).map_err(io::Error::other)?;
        // Complete or not at all, and for nobody else to read: temporary files have the mode 0600.
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(text.as_bytes())?;
        file.persist(self.path(&record.project)).map_err(|error| error.error)?;
        Ok(())
    }

    /// Forgets a project; says whether it was known.
    pub fn remove(&self, project: &Path) -> io::Result<bool> {
        match fs::remove_file(self.path(project)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// All records, by path.
    pub fn all(&self) -> io::Result<Vec<Record>> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
        let mut records: Vec<Record> = paths.iter().filter_map(|path| read(path)).collect();
        records.sort_by(|a, b| a.project.cmp(&b.project));
        Ok(records)
    }

    fn path(&self, project: &Path) -> PathBuf {
        self.folder.join(format!("{}.toml", Digest::of(project.as_os_str().as_bytes())))
    }
}

fn read(path: &Path) -> Option<Record> {
    let text = String::from_utf8(read_regular(path, LIMIT).ok()?).ok()?;
    toml::from_str(&text).ok()
}

/// Whether the user trusts the project in `folder` as it is now. A project whose settings cannot be read is not
/// trusted.
#[must_use]
pub fn is_trusted(folder: &Path) -> bool {
    let env = |name: &str| std::env::var_os(name);
    let Ok(folder) = folder.canonicalize() else { return false };
    let project = project_root(&folder);
    let Ok(settings) = of_project(&project) else { return false };
    let settings = settings.unwrap_or_default();
    TrustedProjects::of_user(&env).trust(&project, &settings) == Trust::Trusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_is_trusted_as_it_was_looked_at() {
        let home = tempfile::tempdir().unwrap();
        let trusted = TrustedProjects { folder: home.path().join("trusted") };
        let project = Path::new("/src/shop");
        assert_eq!(trusted.trust(project, "store = 's'"), Trust::Untrusted);
        assert!(trusted.all().unwrap().is_empty());

        let record = Record {
            project: project.to_owned(),
            settings: Digest::of("store = 's'"),
            sources: ["env:TOKEN".to_owned()].into(),
        };
        trusted.add(&record).unwrap();
        assert_eq!(trusted.trust(project, "store = 's'"), Trust::Trusted);
        assert_eq!(trusted.trust(project, "store = 't'"), Trust::Changed);
        assert_eq!(trusted.trust(Path::new("/src/other"), "store = 's'"), Trust::Untrusted);
        assert_eq!(trusted.record(project), Some(record.clone()));
        assert_eq!(trusted.all().unwrap(), [record]);

        // What is laid into the place of another project's record is not believed.
        fs::copy(trusted.path(project), trusted.path(Path::new("/src/other"))).unwrap();
        assert_eq!(trusted.trust(Path::new("/src/other"), "store = 's'"), Trust::Untrusted);

        assert!(trusted.remove(project).unwrap());
        assert!(!trusted.remove(project).unwrap());
        assert_eq!(trusted.trust(project, "store = 's'"), Trust::Untrusted);
    }
}

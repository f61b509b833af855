//! What is to be run: an image that was built, or the file of any disk.

use std::path::{Path, PathBuf};

use super::{Class, Diagnostic, DiskFormat, Error, Records, Sources, codes};
use crate::{
    driver::Disks,
    ops::{image, records::here},
    store::records::ArtifactRecord,
};

/// A disk file, and what it is called.
#[derive(Debug, Clone)]
pub(in crate::ops) struct Target {
    /// The image's name; of another disk its file's.
    pub(in crate::ops) name: String,
    /// Absolute, with no link in it.
    pub(in crate::ops) path: PathBuf,
}

impl Target {
    /// What a word means: an image that was built here, else a file. Without one, the image of the project here, if it
    /// has only one.
    pub(in crate::ops) fn find(records: &Records, word: Option<&str>) -> Result<Self, Error> {
        let Some(word) = word else { return Self::of_project(records) };
        let path = Path::new(word);
        match image::find(records, word) {
            Ok(artifact) => Self::of_artifact(&artifact),
            Err(_) if path.is_file() => {
                let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                Self::at(name, path)
            }
            Err(error) => {
                let what = error.to_string();
                let no_image = what.starts_with("there is no image");
                if no_image && path.exists() {
                    let text = format!("`{word}` is no regular file");
                    let help = "a device is copied into one first: `dd if=/dev/sdb of=disk.raw bs=4M`";
                    return Err(nothing(text, help));
                }
                let text =
                    if no_image { format!("there is no image and no disk file `{word}`") } else { what };
                Err(nothing(text, "`imgfile images --all` lists what was built; a disk is named by its path"))
            }
        }
    }

    fn of_project(records: &Records) -> Result<Self, Error> {
        let Some(project) = here() else {
            let message = "there is no ImageFile here, and no image was named";
            return Err(nothing(
                message.into(),
                "go to the project's folder, or name a disk: `imgfile run disk.qcow2`",
            ));
        };
        let mut found: Vec<ArtifactRecord> = Vec::new();
        // The newest first; of an image's several files the first that a machine takes as it is.
        // What was captured in its folder is no image of its ImageFile.
        let is_own = |one: &ArtifactRecord| one.project == project && one.captured.is_none();
        for artifact in records.artifacts()?.into_iter().filter(is_own) {
            let is_there = Path::new(&artifact.path).is_file();
            match found.iter_mut().find(|one| one.image == artifact.image) {
                _ if !is_there => {}
                None => found.push(artifact),
                Some(other) if artifact.build == other.build && is_quick(&artifact) && !is_quick(other) => {
                    *other = artifact;
                }
                Some(_) => {}
            }
        }
        match &found[..] {
            [one] => Self::of_artifact(one),
            [] => Err(nothing(
                "no image of this project was built yet".into(),
                "build it first: `imgfile build`",
            )),
            several => {
                let names: Vec<&str> = several.iter().rev().map(ArtifactRecord::name).collect();
                let message = format!("this project has several images: {}", names.join(", "));
                Err(nothing(message, &format!("name one: `imgfile run {}`", names[0])))
            }
        }
    }

    fn of_artifact(artifact: &ArtifactRecord) -> Result<Self, Error> {
        Self::at(artifact.name().to_owned(), Path::new(&artifact.path))
    }

    fn at(name: String, path: &Path) -> Result<Self, Error> {
        match path.canonicalize() {
            Ok(path) => Ok(Self { name, path }),
            Err(error) => {
                let message = format!("`{}` cannot be opened: {error}", path.display());
                Err(nothing(message, "`imgfile build` makes it anew"))
            }
        }
    }

    /// The file that keeps what the machine writes, absolute: new, or one that was made for this very state of the image.
    pub(super) fn persisted(
        &self,
        disks: &dyn Disks,
        file: &Path,
        format: DiskFormat,
    ) -> Result<PathBuf, Error> {
        let wrong = |reason: &str| changes_of_another(file, &self.name, reason);
        if !format.is_for_machines() {
            return Err(wrong("changes are kept beside a disk in the format qcow2 or raw alone"));
        }
        let absolute = std::path::absolute(file).map_err(|error| wrong(&error.to_string()))?;
        let Ok(found) = absolute.symlink_metadata() else { return Ok(absolute) };
        if !found.is_file() {
            return Err(wrong("it is not a regular file"));
        }
        match disks.stands_on(&absolute) {
            Ok(Some(below)) if below == self.path => {}
            Ok(Some(_)) => return Err(wrong("it belongs to another disk")),
            Ok(None) => return Err(wrong("it was not made by `imgfile run`")),
            Err(error) => return Err(wrong(&error.to_string())),
        }
        let times = found.modified().and_then(|own| Ok((own, self.path.metadata()?.modified()?)));
        match times {
            Ok((own, below)) if own >= below => Ok(absolute),
            Ok(_) => Err(wrong("the image was built anew since")),
            Err(error) => Err(wrong(&error.to_string())),
        }
    }
}

/// Whether a machine takes the file as it is.
fn is_quick(artifact: &ArtifactRecord) -> bool {
    let extension = Path::new(&artifact.path).extension().and_then(|extension| extension.to_str());
    matches!(extension, Some("qcow2" | "raw"))
}

/// A file holds changes, but not those of the image that is to run.
#[must_use]
pub fn changes_of_another(file: &Path, image: &str, reason: &str) -> Error {
    let message = format!("`{}` does not hold changes of `{image}`", file.display());
    let diagnostic = Diagnostic::new(codes::CHANGES_OF_ANOTHER, message)
        .note(reason.to_owned())
        .help("remove it to begin anew, or name another file");
    Error::diagnosed(Class::Files, vec![diagnostic], Sources::default())
}

/// There is nothing to run.
#[must_use]
pub fn nothing(message: String, help: &str) -> Error {
    let diagnostic = Diagnostic::new(codes::NOTHING_TO_RUN, message).help(help);
    Error::diagnosed(Class::Usage, vec![diagnostic], Sources::default())
}

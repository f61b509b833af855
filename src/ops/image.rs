//! One artifact: found, looked at, renamed, removed, exported.

use std::{
    ffi::OsString,
    fmt::Write as _,
    fs::File,
    io,
    path::{Path, PathBuf},
};

use super::{
    error::{Class, Error},
    images::FileState,
    records::here,
};
use crate::{
    driver::{DiskError, DiskFile, DiskForm, Disks, DriverEntry},
    model::{Compression, DiskFormat},
    store::{Folder, Records, Store, digest_of, records::ArtifactRecord, umask},
};

fn usage(text: impl Into<String>) -> Error {
    Error::message(Class::Usage, text)
}

/// The host refused something.
fn host(action: &str, path: &Path, error: &impl std::fmt::Display) -> Error {
    Error::message(Class::Host, format!("cannot {action} {}: {error}", path.display()))
}

/// Those that the project here built.
fn ours<'a>(artifacts: &[&'a ArtifactRecord]) -> Vec<&'a ArtifactRecord> {
    let here = here();
    artifacts.iter().filter(|artifact| here.as_ref() == Some(&artifact.project)).copied().collect()
}

/// The artifact that a word means: its name, its number or the path of its file; of several with one name, the one of the
/// project here.
///
/// # Errors
/// `Usage` if it is none, or may be several.
pub fn find(records: &Records, word: &str) -> Result<ArtifactRecord, Error> {
    let artifacts = records.artifacts()?;
    let path = std::path::absolute(word).unwrap_or_default();
    let mut found: Vec<_> = artifacts
        .iter()
        .filter(|artifact| {
            artifact.name() == word || artifact.id.to_string() == word || Path::new(&artifact.path) == path
        })
        .collect();
    // A number or a path means one; a name may be that of several.
    if let Some(exact) = found.iter().position(|artifact| artifact.name() != word) {
        found = vec![found[exact]];
    }
    match found.as_slice() {
        [artifact] => Ok((*artifact).clone()),
        several if ours(several).len() == 1 => Ok(ours(several)[0].clone()),
        [] => Err(usage(format!("there is no image `{word}`; `imgfile images` lists them"))),
        several => {
            let mut text = format!("several images are named `{word}`; say which by its number:");
            for artifact in several {
                let _ = write!(text, "\n  {}  {}", artifact.id, artifact.path);
            }
            Err(usage(text))
        }
    }
}

/// Reads the file of an artifact.
///
/// # Errors
/// `Failed` unless it is what was built; `Host` if it cannot be read.
pub fn verify(store: &Store, artifact: &ArtifactRecord) -> Result<(), Error> {
    let actual = store.digest_file(Path::new(&artifact.path))?;
    if actual == artifact.sha256 {
        return Ok(());
    }
    let text =
        format!("{} is not what was built: its sha256 is {actual}, not {}", artifact.path, artifact.sha256);
    Err(Error::message(Class::Failed, text))
}

/// The folder of an artifact, and its name in it, if it is still what was built: whatever has come into its place is
/// somebody else's.
fn place_of(artifact: &ArtifactRecord) -> io::Result<Option<(Folder, OsString)>> {
    let path = Path::new(&artifact.path);
    let name = path.file_name().unwrap_or_default().to_owned();
    let found = Folder::open(path.parent().unwrap_or(Path::new(""))).and_then(|folder| {
        let file = folder.regular(Path::new(&name))?;
        Ok((folder, file))
    });
    let (folder, mut file) = match found {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        found => found?,
    };
    if i64::try_from(file.metadata()?.len()) == Ok(artifact.size) && digest_of(&mut file)? == artifact.sha256
    {
        return Ok(Some((folder, name)));
    }
    Err(io::Error::other("it is not what was built; it is yours to move or to remove"))
}

/// Gives an artifact's file another name, in its folder and with its extension; answers the new path.
///
/// # Errors
/// `Usage` if the name is none for a file, or is taken; `Host` if the file is not what was built.
pub fn rename(records: &Records, artifact: &ArtifactRecord, name: &str) -> Result<PathBuf, Error> {
    if name.is_empty() || name.contains('/') || name.starts_with('.') {
        return Err(usage("a name has no `/` and does not begin with a dot"));
    }
    let from = Path::new(&artifact.path);
    let file = match from.extension().and_then(|extension| extension.to_str()) {
        Some(extension) => format!("{name}.{extension}"),
        None => name.to_owned(),
    };
    let to = from.with_file_name(&file);
    let (folder, own) = match place_of(artifact) {
        Ok(Some(place)) => place,
        Ok(None) => return Err(usage(format!("{} is not there any more", artifact.path))),
        Err(error) => return Err(host("rename", from, &error)),
    };
    match folder.rename(&own, &file) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(usage(format!("{} is there already", to.display())));
        }
        Err(error) => return Err(host("rename", from, &error)),
    }
    if let Err(error) = records.moved(artifact.id, &to.to_string_lossy()) {
        // The record and the file stay together.
        let _ = folder.rename(&file, &own);
        return Err(error.into());
    }
    Ok(to)
}

/// What became of the file of an artifact that is forgotten.
#[derive(Debug)]
pub enum Removed {
    /// It was removed.
    File,
    /// It was gone before.
    Record,
    /// It stays, and why.
    Kept(io::Error),
}

/// Removes an artifact: its record, and its file if that is still what was built.
///
/// # Errors
/// `Usage` if it is protected; `Host` if the file cannot be removed.
pub fn remove(records: &Records, artifact: &ArtifactRecord) -> Result<Removed, Error> {
    let name = artifact.name();
    // All of the file is read for it, in vain where the record stays.
    let place = if artifact.protected { Ok(None) } else { place_of(artifact) };
    if !records.remove_artifact(artifact.id)? {
        return Err(usage(format!("`{name}` is protected; `imgfile image unprotect {name}` takes that off")));
    }
    match place {
        Ok(Some((folder, file))) => match folder.remove(file) {
            Ok(()) => Ok(Removed::File),
            Err(error) => Err(host("remove", Path::new(&artifact.path), &error)),
        },
        Ok(None) => Ok(Removed::Record),
        Err(why) => Ok(Removed::Kept(why)),
    }
}

/// An artifact that is what was built, to be copied.
#[derive(Debug)]
pub struct Export<'a> {
    store: &'a Store,
    artifact: &'a ArtifactRecord,
}

impl<'a> Export<'a> {
    /// Reads the artifact.
    ///
    /// # Errors
    /// `Usage` if its file is gone; otherwise those of [`verify`].
    pub fn of(store: &'a Store, artifact: &'a ArtifactRecord) -> Result<Self, Error> {
        if FileState::of(artifact) == FileState::Missing {
            return Err(usage(format!("{} is not there any more", artifact.path)));
        }
        verify(store, artifact)?;
        Ok(Self { store, artifact })
    }

    /// Writes it to a folder or a new file; answers the file's path. Its format is the one that is wanted, else what the
    /// extension of the path says, else its own. A VHD is as large as its disk, or grows with its content if it is
    /// `dynamic`.
    ///
    /// # Errors
    /// `Usage` if the file is there, or no VHD can hold the disk; `Host` if it cannot be written.
    pub async fn write(
        &self,
        to: &Path,
        format: Option<DiskFormat>,
        dynamic: bool,
    ) -> Result<PathBuf, Error> {
        let from = Path::new(&self.artifact.path);
        let own = DiskFormat::of(from).unwrap_or(DiskFormat::Raw);
        let (to, wanted) = if to.is_dir() {
            let wanted = format.unwrap_or(own);
            let extension = if wanted == own {
                from.extension().unwrap_or_default().to_string_lossy().into_owned()
            } else {
                wanted.as_str().to_owned()
            };
            (to.join(self.artifact.name()).with_added_extension(extension), wanted)
        } else {
            (to.to_owned(), format.or_else(|| DiskFormat::of(to)).unwrap_or(own))
        };
        if to.exists() {
            return Err(usage(format!("{} is there already", to.display())));
        }
        let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // Complete or not at all: the name appears by rename. What a crash leaves is in the store's journal.
        let promised = |path: &Path| {
            let path = std::path::absolute(path)?;
            self.store.will_create(&path).map_err(io::Error::other)?;
            File::create_new(path)
        };
        let temp = tempfile::Builder::new()
            .prefix(".imgfile-export-")
            .make_in(folder, promised)
            .map_err(|error| host("write in", folder, &error))?;
        // A VHD may be of the other kind than the one that is wanted.
        if wanted == own && wanted != DiskFormat::Vhd {
            copy(from, temp.as_file()).await.map_err(|error| host("write", &to, &error))?;
        } else {
            convert((from, own), (temp.path(), wanted), dynamic).await?;
        }
        umask::share(temp.as_file(), 0o666).map_err(|error| host("write", &to, &error))?;
        temp.persist_noclobber(&to).map_err(|error| host("write", &to, &error.error))?;
        Ok(to)
    }
}

/// Copies a file on another thread, so that whoever waits can stop to.
async fn copy(from: &Path, to: &File) -> io::Result<()> {
    let (from, to) = (from.to_owned(), to.try_clone()?);
    let copied = tokio::task::spawn_blocking(move || {
        let (mut from, mut to) = (File::open(from)?, to);
        io::copy(&mut from, &mut to).map(drop)
    });
    copied.await.map_err(io::Error::other)?
}

async fn convert(
    (from, own): (&Path, DiskFormat),
    (to, wanted): (&Path, DiskFormat),
    dynamic: bool,
) -> Result<(), Error> {
    let disks = (DriverEntry::usual().disks)();
    let disk = DiskFile { path: from, format: own };
    let compression = match wanted {
        DiskFormat::Qcow2 => Compression::Zstd,
        _ => Compression::None,
    };
    if wanted == DiskFormat::Vhd {
        whole_mebibytes(disks.as_ref(), disk).await?;
    }
    let form = DiskForm { format: wanted, compression, dynamic };
    disks.write(disk, to, form).await.map(drop).map_err(|error| refused_by_disks("convert", from, &error))
}

/// Refuses a disk that no VHD of the same size can hold as Azure takes it.
async fn whole_mebibytes(disks: &dyn Disks, disk: DiskFile<'_>) -> Result<(), Error> {
    let facts = disks.look(disk).await.map_err(|error| refused_by_disks("look at", disk.path, &error))?;
    let size = facts.size;
    if size.is_multiple_of(1 << 20) {
        return Ok(());
    }
    Err(usage(format!(
        "the disk has {size} bytes, which is no whole number of MiB, and Azure takes no other VHD; build it with \
         `output vhd`, or with a `min_storage` in MiB or GiB"
    )))
}

/// A tool said no to a file, or cannot be had.
fn refused_by_disks(action: &str, path: &Path, error: &DiskError) -> Error {
    match error {
        DiskError::Tool { detail, .. } => host(action, path, detail),
        DiskError::Driver(_) => {
            Error::message(Class::Host, format!("{error}; `imgfile doctor` says what it takes"))
        }
        error => host(action, path, error),
    }
}

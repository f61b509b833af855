//! An artifact that leaves the store's care: a copy of its file, in another format if that is wanted.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use super::{
    error::{Class, Error},
    image::{host, usage, verify},
    images::FileState,
};
use crate::{
    driver::{DiskFile, Disks, DriverEntry},
    exec::{BuildError, package},
    model::{DiskFormat, OutputFormat},
    store::{Store, copy_whole, records::ArtifactRecord, umask},
};

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
    /// `Usage` if the file is there, the format cannot hold the disk, or the artifact is a package and another format is
    /// wanted; `Host` if it cannot be written.
    pub async fn write(
        &self,
        to: &Path,
        format: Option<OutputFormat>,
        dynamic: bool,
    ) -> Result<PathBuf, Error> {
        let from = Path::new(&self.artifact.path);
        let own = OutputFormat::of(from).unwrap_or(DiskFormat::Raw.into());
        let (to, wanted) = self.target(to, format, own);
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
        if wanted == own && wanted != DiskFormat::Vhd.into() {
            copy(from, temp.as_file()).await.map_err(|error| host("write", &to, &error))?;
        } else {
            let OutputFormat::Disk(own) = own else {
                let text = format!(
                    "an {own} is exported as it is; another format is made of an artifact that is a disk"
                );
                return Err(usage(text));
            };
            self.convert(own, temp.path(), wanted, dynamic).await?;
        }
        umask::share(temp.as_file(), 0o666).map_err(|error| host("write", &to, &error))?;
        temp.persist_noclobber(&to).map_err(|error| host("write", &to, &error.error))?;
        Ok(to)
    }

    /// The new file and its format.
    fn target(&self, to: &Path, format: Option<OutputFormat>, own: OutputFormat) -> (PathBuf, OutputFormat) {
        if !to.is_dir() {
            return (to.to_owned(), format.or_else(|| OutputFormat::of(to)).unwrap_or(own));
        }
        let wanted = format.unwrap_or(own);
        let file = Path::new(&self.artifact.path).file_name().unwrap_or_default().to_string_lossy();
        let extension = match OutputFormat::split(&file).1 {
            Some(extension) if wanted == own => extension,
            _ => wanted.extension(),
        };
        (to.join(self.artifact.name()).with_added_extension(extension), wanted)
    }

    async fn convert(
        &self,
        own: DiskFormat,
        to: &Path,
        format: OutputFormat,
        dynamic: bool,
    ) -> Result<(), Error> {
        let from = Path::new(&self.artifact.path);
        let disks = (DriverEntry::usual().disks)();
        let disk = DiskFile { path: from, format: own };
        whole_units(disks.as_ref(), disk, format).await?;
        // What a package is made of is the store's; it goes with the folder.
        let work = self.store.begin_build(&format!("export-{}", std::process::id()))?;
        let form = package::Form {
            format,
            compression: format.usual_compression(),
            dynamic,
            appliance: self.artifact.appliance.as_ref(),
            name: self.artifact.name(),
        };
        let written = package::write(disks.as_ref(), disk, to, form, work.path()).await;
        written.map(drop).map_err(|error| refused("convert", from, error))
    }
}

/// Copies a file on another thread, so that whoever waits can stop to.
async fn copy(from: &Path, to: &File) -> io::Result<()> {
    let (from, to) = (from.to_owned(), to.try_clone()?);
    let copied = tokio::task::spawn_blocking(move || copy_whole(&File::open(from)?, &to));
    copied.await.map_err(io::Error::other)?
}

/// Refuses a disk that is no whole number of the units that a format's platform takes.
async fn whole_units(disks: &dyn Disks, disk: DiskFile<'_>, format: OutputFormat) -> Result<(), Error> {
    let unit = format.size_unit();
    if unit == 1 {
        return Ok(());
    }
    let facts = disks.look(disk).await.map_err(|error| refused("look at", disk.path, error.into()))?;
    let size = facts.size;
    if size.is_multiple_of(unit) {
        return Ok(());
    }
    let (unit, platform) = if unit == 1 << 30 { ("GiB", "Compute Engine") } else { ("MiB", "Azure") };
    Err(usage(format!(
        "the disk has {size} bytes, which is no whole number of {unit}, and {platform} takes no other {format}; build it \
         with `output {format}`, or with a `min_storage` in {unit}"
    )))
}

/// A tool said no to a file, or cannot be had.
fn refused(action: &str, path: &Path, error: BuildError) -> Error {
    match error {
        BuildError::HostTool { detail, .. } => host(action, path, &detail),
        BuildError::Machine(error) => {
            Error::message(Class::Host, format!("{error}; `imgfile doctor` says what it takes"))
        }
        error => host(action, path, &error),
    }
}

//! A finished disk in the form in which it leaves: a disk file, which the driver writes, or one in a package, which is
//! put around it here.

mod gce;
mod ova;
mod ovf;

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use super::BuildError;
use crate::{
    driver::{DiskError, DiskFile, DiskForm, Disks, DriverError},
    model::{Compression, DiskFormat, OutputFormat, Package},
    plan::{Appliance, OutputPlan},
    store::room,
};

/// What a disk leaves as.
#[derive(Debug, Clone, Copy)]
pub struct Form<'a> {
    /// A disk file, or a package with one.
    pub format: OutputFormat,
    /// One that the format [holds](OutputFormat::holds).
    pub compression: Compression,
    /// Of a VHD: it grows with its content.
    pub dynamic: bool,
    /// The machine that an OVA describes; other formats have no use for it.
    pub appliance: Option<&'a Appliance>,
    /// What that machine is called.
    pub name: &'a str,
}

impl<'a> Form<'a> {
    /// As a plan has it.
    #[must_use]
    pub fn of(output: &'a OutputPlan) -> Self {
        Self {
            format: output.format,
            compression: output.compression,
            dynamic: output.dynamic,
            appliance: output.appliance.as_ref(),
            name: OutputFormat::split(&output.file).0,
        }
    }
}

/// Writes a disk of ours, with all it stands on, to the file `to`. What goes into a package is written into the folder
/// `scratch` first, where a file of the same name must not be. A remark says that this took longer than it should, and why.
///
/// # Errors
/// Those of the driver's disks, and of files of the host; a half file is to be removed by whoever asked for it.
pub async fn write(
    disks: &dyn Disks,
    disk: DiskFile<'_>,
    to: &Path,
    form: Form<'_>,
    scratch: &Path,
) -> Result<Option<String>, BuildError> {
    let package = match form.format {
        OutputFormat::Disk(format) => {
            let form = DiskForm { format, compression: form.compression, dynamic: form.dynamic };
            return Ok(disks.write(disk, to, form).await?);
        }
        OutputFormat::Packed(package) => package,
    };
    let name = to.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let inner = scratch.join(format!("{name}.disk"));
    let result = packed(disks, disk, to, (package, form), &inner).await;
    let _ = fs::remove_file(&inner);
    result
}

async fn packed(
    disks: &dyn Disks,
    disk: DiskFile<'_>,
    to: &Path,
    (package, form): (Package, Form<'_>),
    inner: &Path,
) -> Result<Option<String>, BuildError> {
    let compression = match package.disk() {
        DiskFormat::Vmdk => Compression::Zlib,
        other => other.usual_compression(),
    };
    let facts = disks.look(disk).await?;
    let remark = disks.write(disk, inner, DiskForm { format: package.disk(), compression, dynamic: false });
    let remark = remark.await?;
    let (path, from) = (to.to_owned(), inner.to_owned());
    match package {
        Package::Ova => {
            let (name, appliance) = (form.name.to_owned(), form.appliance.cloned());
            let pack = move |stop: &AtomicBool| {
                ova::pack(
                    &from,
                    &path,
                    &ovf::Described { name: &name, disk_size: facts.size, appliance },
                    stop,
                )
            };
            blocking(pack, to).await?;
        }
        Package::Gce => {
            let fast = form.compression == Compression::Fast;
            blocking(move |stop| gce::pack(&from, &path, fast, stop), to).await?;
        }
    }
    Ok(remark)
}

/// Does work on another thread, which ends when nobody waits for it any more.
async fn blocking(
    work: impl FnOnce(&AtomicBool) -> io::Result<()> + Send + 'static,
    to: &Path,
) -> Result<(), BuildError> {
    struct Stop(Arc<AtomicBool>);
    impl Drop for Stop {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let stop = Stop(Arc::default());
    let seen = Arc::clone(&stop.0);
    let worked = tokio::task::spawn_blocking(move || work(&seen)).await.map_err(io::Error::other);
    worked.and_then(|result| result).map_err(|source| {
        if room::is_full(&source) {
            return DiskError::from(DriverError::HostFull).into();
        }
        BuildError::Io { action: "write", path: to.to_owned(), source }
    })
}

/// A writer that gives up when nobody waits for what it writes.
struct Stoppable<'a, W> {
    to: W,
    stop: &'a AtomicBool,
}

impl<W: Write> Write for Stoppable<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.stop.load(Ordering::Relaxed) {
            // Not `Interrupted`, which those who copy take for a reason to try again.
            return Err(io::Error::other("stopped"));
        }
        self.to.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// A file to write anew; who asks for a disk may have made it, empty, to hold its name.
fn create(to: &Path) -> io::Result<File> {
    File::options().write(true).create(true).truncate(true).open(to)
}

/// The facts of an entry: those of a file that anybody may read, made at no special time.
fn dated(mut header: tar::Header, size: u64) -> tar::Header {
    header.set_entry_type(tar::EntryType::Regular);
    header.set_size(size);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(super::times::EARLIEST);
    header
}

//! The disk that is captured: whole, of a known format, and held while it is read.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::Failure;
use crate::{
    diagnostic::{Diagnostic, codes},
    driver::{DiskError, DiskFacts, DiskFile, DiskFormat, Disks, FoundFormat, managed::copied_by},
    exec::{BuildError, Reporter, SourceDisk},
    ops::{
        error::{Class, Error},
        inspect::harmless,
        run::Target,
    },
    store::{Store, WorkFolder},
    text::{Digest, Sources},
};

/// A disk as machines take it.
pub(super) struct Source {
    /// The file, or a copy in a format that machines take.
    pub(super) path: PathBuf,
    pub(super) format: DiskFormat,
    /// Bytes of the disk.
    pub(super) size: u64,
    /// Of the file that was named.
    pub(super) sha256: Digest,
    /// What it is called, without its folder.
    pub(super) file: String,
    /// Nobody writes to the file that was named.
    pub(super) held: Arc<SourceDisk>,
}

impl Source {
    /// Opens a disk; a copy of one in another format goes into the folder.
    pub(super) async fn open(
        (store, disks): (&Store, &dyn Disks),
        target: &Target,
        (work, number): (&WorkFolder, usize),
        reporter: &Reporter,
    ) -> Result<Self, Failure> {
        // First: what a machine writes to looks damaged.
        let held = Arc::new(SourceDisk::hold(disks, &target.path)?);
        let (format, size) = whole_disk(disks, &target.path).await?;
        let digesting = async {
            let sha256 = tokio::task::block_in_place(|| store.digest_file(&target.path));
            sha256.map_err(BuildError::from)
        };
        let sha256 = reporter.step(&format!("read {}", target.name), digesting).await?;
        // A copy of a running machine's disk has no file that anybody knows.
        let file = target.path.file_name().unwrap_or_default().to_string_lossy();
        let is_copy = target.path.starts_with(work.path()) || copied_by(&file) == Some(std::process::id());
        let file = if is_copy { target.name.clone() } else { harmless(&file) };
        if format.is_for_machines() {
            return Ok(Self { path: target.path.clone(), format, size, sha256, file, held });
        }
        let copy = work.path().join(format!("given-{number}.qcow2"));
        let from = DiskFile { path: &target.path, format };
        let copied = async { disks.import(from, &copy).await.map_err(BuildError::from) };
        reporter.step(&format!("convert {}", target.name), copied).await?;
        Ok(Self { path: copy, format: DiskFormat::Qcow2, size, sha256, file, held })
    }
}

/// The form of a disk file, and the bytes of its disk. What is only a part of one, is encrypted or is damaged is refused:
/// other files that it names are not opened.
async fn whole_disk(disks: &dyn Disks, path: &Path) -> Result<(DiskFormat, u64), Failure> {
    let refused = |reason: &str| Failure::Told(cannot_capture(path, reason, None));
    let format = match disks.format(path).map_err(|error| refused(&error.to_string()))? {
        FoundFormat::Known(format) => format,
        FoundFormat::Other(name) => return Err(refused(&format!("its format is {name}"))),
    };
    let looked = disks.look(DiskFile { path, format }).await;
    let DiskFacts { size, is_part, encrypted } = looked.map_err(|error| match error {
        DiskError::Tool { detail, .. } => {
            refused(&format!("it is damaged: {}", detail.lines().last().unwrap_or_default()))
        }
        DiskError::Damaged { reason, .. } => refused(&format!("it is damaged: {reason}")),
        error => Failure::Build(error.into()),
    })?;
    if is_part {
        let help = "join it with what it stands on first, by the tools of whoever made it";
        let reason = "it is only a part of a disk: it refers to another file";
        return Err(Failure::Told(cannot_capture(path, reason, Some(help))));
    }
    if encrypted {
        return Err(refused("it is encrypted"));
    }
    Ok((format, size))
}

/// A disk is refused. `reason` may be a stranger's words.
#[must_use]
pub fn cannot_capture(path: &Path, reason: &str, help: Option<&str>) -> Error {
    let message = format!("`{}` cannot be captured", path.display());
    let usual = "a disk can be captured that has a Linux system on a plain partition; `imgfile inspect` tells what is on one";
    let reason: String = reason.chars().filter(|c| !c.is_control()).take(300).collect();
    let diagnostic = Diagnostic::new(codes::CANNOT_CAPTURE, message).note(reason).help(help.unwrap_or(usual));
    Error::diagnosed(Class::Files, vec![diagnostic], Sources::default())
}

/// The image would have the place of the disk that it is made of.
pub(super) fn onto_itself(path: &Path) -> Error {
    let reason = "the image would be written over the disk, which is only read";
    cannot_capture(path, reason, Some("choose another name with `--name`, or another folder with `--out`"))
}

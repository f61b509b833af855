//! The files of disks, as a driver's machines and its tools take them: the trait [`Disks`].
//!
//! Everybody else knows such files by path and [`DiskFormat`] alone. What is inside them, and which program writes
//! them, only a driver knows.

use std::fmt::Debug;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use futures_util::future::BoxFuture;
use thiserror::Error;

use super::{DiskFormat, DriverError};
use crate::model::Compression;

/// What an operation on disk files that takes its time returns.
pub type DiskOp<'a, T> = BoxFuture<'a, Result<T, DiskError>>;

/// Makes, joins, writes and reads the files of disks. No machine is started for any of it.
///
/// When the future of an operation is dropped before its end, its work ends too; what it has written by then is to
/// be removed by whoever asked for it.
pub trait Disks: Debug + Send + Sync {
    /// Makes an overlay of `size` bytes, empty, on a disk that stays as it is. The path of `on` may be relative to the
    /// folder of the overlay, and need not lead anywhere yet. A file that is there is an error.
    fn overlay(&self, overlay: &Path, on: DiskFile<'_>, size: u64) -> Result<(), DiskError>;

    /// The file that an overlay names as the one it stands on; none if `path` is no overlay, or has its content elsewhere.
    fn stands_on(&self, path: &Path) -> io::Result<Option<PathBuf>>;

    /// Makes an overlay stand on `on` directly: what the disks between them held is in it afterwards. Nobody may have it
    /// open.
    fn stand_on<'a>(&'a self, overlay: &'a Path, on: DiskFile<'a>) -> DiskOp<'a, ()>;

    /// Writes a disk of ours, with all it stands on, as one file. A remark says that this took longer than it should, and why.
    fn write<'a>(&'a self, disk: DiskFile<'a>, to: &'a Path, form: DiskForm) -> DiskOp<'a, Option<String>>;

    /// Copies a stranger's disk, one that is whole, as a disk to build upon: nothing of the file is believed.
    fn import<'a>(&'a self, disk: DiskFile<'a>, to: &'a Path) -> DiskOp<'a, ()>;

    /// The format of a file by its own bytes; no file that it names is opened.
    fn format(&self, path: &Path) -> io::Result<FoundFormat>;

    /// Reads what a file says about its disk. The file is opened as what `disk` says it is, and no other with it.
    fn look<'a>(&'a self, disk: DiskFile<'a>) -> DiskOp<'a, DiskFacts>;

    /// What to do with a disk of another format, or one that is not whole, to make a base of it: a sentence for people.
    fn conversion(&self) -> &'static str;

    /// Keeps an emulator from writing to a file as long as what is returned is there; nothing where one writes to it now.
    fn hold(&self, path: &Path) -> io::Result<Option<HeldDisk>>;

    /// Goes through a file, whose tables have to agree with each other, as well as through those it stands on.
    fn check<'a>(&'a self, disk: DiskFile<'a>) -> DiskOp<'a, ()>;
}

/// A file that no emulator writes to as long as this is there.
#[derive(Debug)]
pub struct HeldDisk(#[expect(dead_code, reason = "held for its lock")] pub(super) File);

/// A disk file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskFile<'a> {
    /// Where it is; absolute, or as an overlay is to name it.
    pub path: &'a Path,
    /// What it is opened as; a file is never probed for that.
    pub format: DiskFormat,
}

/// What a disk is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskForm {
    /// Container the disk is put into, such as `DiskFormat::Qcow2`.
    pub format: DiskFormat,
    /// One that the format [holds](DiskFormat::holds).
    pub compression: Compression,
    /// Of a VHD: it grows with its content.
    pub dynamic: bool,
}

impl DiskForm {
    /// A format, packed as it usually is.
    #[must_use]
    pub const fn usual(format: DiskFormat) -> Self {
        Self { format, compression: format.usual_compression(), dynamic: false }
    }
}

/// What a file was found to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoundFormat {
    /// One that imgfile has a name for.
    Known(DiskFormat),
    /// Such as `luks`.
    Other(&'static str),
}

/// What a file says about its disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskFacts {
    /// Bytes of the disk.
    pub size: u64,
    /// It names another file: one it stands on, or one that has its content.
    pub is_part: bool,
    /// Its content is encrypted, so that nothing in it can be read.
    pub encrypted: bool,
}

/// Why nothing came of an operation on disk files.
#[derive(Debug, Error)]
pub enum DiskError {
    /// The driver's own tools cannot be had, or there is no room.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// `action` reads as in "cannot {action} `PATH`".
    #[error("cannot {action} `{}`: {source}", path.display())]
    Io {
        /// What was tried, such as `open`.
        action: &'static str,
        /// The file it was tried on.
        path: PathBuf,
        /// What the operating system answers.
        source: io::Error,
    },
    /// A file is not what it has to be.
    #[error("`{}` is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, such as a table that points past its end.
        reason: String,
    },
    /// A program of the host did not do its work.
    #[error("`{program}` failed: {detail}")]
    Tool {
        /// Its name, such as `qemu-img`.
        program: &'static str,
        /// What it printed, or how it ended.
        detail: String,
    },
}

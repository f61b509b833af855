//! Machines that libvirt has: what is known of one, and copies of its disks while it runs.

use std::path::PathBuf;

use futures_util::future::BoxFuture;
use thiserror::Error;

use super::{live::LiveCopy, virsh::Virsh};

/// A machine, as libvirt names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagedMachine {
    /// Where libvirt is.
    pub virsh: Virsh,
    /// The machine's name, its UUID, or its number.
    pub name: String,
}

/// What is known of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagedFacts {
    /// Its name.
    pub name: String,
    /// Whether it runs; else it is shut off.
    pub runs: bool,
    /// The one that it boots from first.
    pub disks: Vec<ManagedDisk>,
    /// What is left out, each a sentence without a full stop.
    pub skipped: Vec<String>,
}

/// A disk that a machine may write to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagedDisk {
    /// As the machine's description calls it, such as `vda`.
    pub target: String,
    /// The file, or the device.
    pub path: PathBuf,
    /// It is a device of the host.
    pub is_device: bool,
}

/// Why a machine is not captured. It goes on as before, whatever happened.
#[derive(Debug, Error)]
pub enum ManagedError {
    /// libvirt is not there, or does not answer.
    #[error("libvirt is not reached{}: {reason}", at.as_ref().map(|at| format!(" at `{at}`")).unwrap_or_default())]
    NotReached {
        /// The connection, if one was named.
        at: Option<String>,
        /// Why, as a sentence without a full stop.
        reason: String,
        /// `virsh` is not installed.
        is_absent: bool,
    },
    /// libvirt has no such machine.
    #[error("libvirt has no machine `{name}`")]
    Unknown {
        /// As it was asked for.
        name: String,
        /// Those that it has.
        known: Vec<String>,
    },
    /// The machine is in a state in which its disks are not at rest, nor can be copied.
    #[error("the machine `{name}` cannot be captured: {reason}")]
    Unfit {
        /// Its name.
        name: String,
        /// Why, as a sentence without a full stop.
        reason: String,
        /// The way out.
        help: String,
    },
    /// Its agent does not freeze it.
    #[error("the guest agent of `{name}` does not freeze the machine: {reason}")]
    NotFrozen {
        /// The machine's name.
        name: String,
        /// In the words of libvirt.
        reason: String,
    },
    /// libvirt does not copy its disks.
    #[error("the disks of `{name}` cannot be copied: {reason}")]
    NotCopied {
        /// The machine's name.
        name: String,
        /// In the words of libvirt.
        reason: String,
    },
}

/// The disks of a machine as they were at one moment, and what removes the copies that lie in no folder of ours.
#[derive(Debug)]
pub struct ManagedCopy {
    /// The copies, in the order of the machine's disks.
    pub copy: LiveCopy,
    /// Dropped, it removes them.
    pub files: CopiedFiles,
}

/// Files that go when this is dropped.
#[derive(Debug, Default)]
pub struct CopiedFiles(pub Vec<PathBuf>);

impl Drop for CopiedFiles {
    fn drop(&mut self) {
        for file in &self.0 {
            // One that was never made is not there.
            let _ = std::fs::remove_file(file);
        }
    }
}

/// How the names of copies begin; the number of the process and that of the disk follow.
pub const COPY: &str = "imgfile-";

/// What copies are called.
#[must_use]
pub fn copy_name(process: u32, number: usize) -> String {
    format!("{COPY}{process}-{number}.qcow2")
}

/// The process that a copy was made for, if a file's name is that of one.
#[must_use]
pub fn copied_by(file: &str) -> Option<u32> {
    let (process, number) = file.strip_prefix(COPY)?.strip_suffix(".qcow2")?.split_once('-')?;
    number.parse::<usize>().ok()?;
    process.parse().ok()
}

/// What looking at a machine returns.
pub type LookOp<'a> = BoxFuture<'a, Result<ManagedFacts, ManagedError>>;
/// What a copy returns.
pub type CopyOp<'a> = BoxFuture<'a, Result<ManagedCopy, ManagedError>>;

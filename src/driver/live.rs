//! Machines that somebody else runs: their disks can be copied at one moment while they go on.

use std::path::{Path, PathBuf};

use futures_util::future::BoxFuture;
use thiserror::Error;

/// How such a machine is reached, and where copies go.
#[derive(Debug, Clone, Copy)]
pub struct LiveMachine<'a> {
    /// The socket of its emulator's monitor.
    pub monitor: &'a Path,
    /// The socket of the agent in it, which freezes its file systems for the moment of the copy.
    pub guest_agent: Option<&'a Path>,
    /// An empty folder, absolute, to which its emulator writes the copies.
    pub folder: &'a Path,
}

/// The disks of a machine as they were at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveCopy {
    /// What its emulator calls the machine; none where nobody named it.
    pub machine: Option<String>,
    /// In the order in which the emulator has them.
    pub disks: Vec<LiveDisk>,
    /// How many file systems were frozen; none without an agent.
    pub frozen: Option<u64>,
    /// What was left out, each a sentence without a full stop.
    pub skipped: Vec<String>,
}

/// A copied disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveDisk {
    /// As the emulator calls it, such as `virtio0`.
    pub name: String,
    /// The copy, in the format qcow2.
    pub path: PathBuf,
}

/// Why a machine was not copied. It goes on as before, whatever happened.
#[derive(Debug, Error)]
pub enum LiveError {
    /// Nobody answers at the socket as a monitor would.
    #[error("no monitor answers at `{}`: {reason}", socket.display())]
    NoMonitor {
        /// Where it was looked for.
        socket: PathBuf,
        /// Why, as a sentence without a full stop.
        reason: String,
    },
    /// The agent does not freeze the machine.
    #[error("the guest agent at `{}` does not freeze the machine: {reason}", socket.display())]
    NotFrozen {
        /// Where it was looked for.
        socket: PathBuf,
        /// Why, as a sentence without a full stop.
        reason: String,
    },
    /// The machine was not made a template.
    #[error("the machine was not generalized: {reason}")]
    NotGeneralized {
        /// Why, as a sentence without a full stop.
        reason: String,
    },
    /// The emulator does not copy the disks.
    #[error("the disks of the machine cannot be copied: {reason}")]
    NotCopied {
        /// Why, in the emulator's words.
        reason: String,
    },
}

/// A Windows machine that its own `sysprep` is to make a template of.
#[derive(Debug, Clone, Copy)]
pub struct Generalize<'a> {
    /// The socket of its emulator's monitor.
    pub monitor: &'a Path,
    /// The socket of the agent in it.
    pub guest_agent: &'a Path,
    /// The answer file (`unattend.xml`).
    pub answers: &'a str,
}

/// A machine that was made a template and has shut down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generalized {
    /// What its emulator calls the machine; none where nobody named it.
    pub machine: Option<String>,
    /// What the system calls itself, such as `Windows Server 2022 Standard`.
    pub system: String,
    /// Its number, such as `10.0`.
    pub version: String,
    /// Its disks by name, in the order in which the emulator has them.
    pub disks: Vec<(String, PathBuf)>,
    /// The emulator is still there, and holds the disks: they can be copied through its monitor.
    pub is_held: bool,
}

/// What a copy returns.
pub type LiveOp<'a> = BoxFuture<'a, Result<LiveCopy, LiveError>>;

/// What a generalization returns.
pub type GeneralizeOp<'a> = BoxFuture<'a, Result<Generalized, LiveError>>;

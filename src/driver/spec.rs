//! What a machine is made of and what it is asked to do: plain data.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Limits;
use crate::model::{DiskFormat, Firmware};

/// A machine to start.
#[derive(Debug, Clone)]
pub struct MachineSpec {
    /// Processors the guest sees.
    pub cpus: u8,
    /// Memory of the guest, in MiB.
    pub memory_mib: u32,
    /// Whether the agent or the disk's own boot loader comes first.
    pub start: Start,
    /// In order `/dev/vda`, `/dev/vdb`… in the guest; the first is the image's.
    pub disks: Vec<Disk>,
    /// Files laid on a read-only disk of their own, at /run/imgfile/payload in the offline stage.
    pub payload: Vec<PayloadFile>,
    /// What its network card leads to, if it has one.
    pub network: Network,
    /// An existing, private folder of this machine alone: overlays, initramfs, `console.log`.
    pub run_dir: PathBuf,
    /// How long to wait for what has no time limit of its own.
    pub limits: Limits,
}

impl MachineSpec {
    /// Where the console of the machine is written, from when its emulator runs.
    #[must_use]
    pub fn console(&self) -> PathBuf {
        self.run_dir.join("console.log")
    }
}

/// How a machine comes up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// The agent in an initramfs under the build kernel.
    Offline,
    /// The first disk's own boot loader.
    Firmware(Firmware),
}

/// A disk of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// Its file on the host, absolute.
    pub path: PathBuf,
    /// One that [machines take](DiskFormat::is_for_machines).
    pub format: DiskFormat,
    /// What the guest's writes do to the file.
    pub access: DiskAccess,
}

/// What a guest's writes do to the file of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskAccess {
    /// Written, without regard to a crash of the host (a failed build's disk is thrown away).
    Write,
    /// The guest sees a read-only disk.
    Read,
    /// The guest may write; the file does not change and the writes are lost.
    Discard,
}

/// One file of the payload disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayloadFile {
    /// Its name there: 1 to 30 of `a-z 0-9 . _ -`; use an index such as `17.deb`.
    pub name: String,
    /// A regular file of the host, smaller than 4 GiB, that does not change while the machine runs.
    pub path: PathBuf,
}

/// What a machine reaches over the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// No network card at all.
    None,
    /// QEMU's user-mode network: out, not in.
    User,
    /// A network of its own: it gets an address and finds nobody, neither this host nor the world outside.
    Isolated,
}

/// Where a machine is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Agent up, nothing mounted.
    Offline,
    /// The image's root is mounted, nothing of it runs.
    Mounted,
    /// The image's file systems are mounted for reading, as the disk has them.
    Viewed,
    /// The image's own init runs.
    Booted,
}

/// What to mount as the image's root.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MountOptions {
    /// Where the root file system is.
    pub root: RootSource,
    /// Mounts everything read-only; nothing of the image can be changed.
    pub read_only: bool,
}

/// Where the root file system is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum RootSource {
    /// The partition of the first disk that holds a Linux system, found by looking. LVM, LUKS and
    /// md are refused by name.
    #[default]
    Find,
    /// A device by its name in the guest, such as `vda` or `vda1`; any file system the kernel knows.
    Device(String),
    /// An empty tmpfs of so many MiB: fill it by [`put`](super::Machine::put). For making disks from nothing.
    Memory {
        /// Its size limit, in MiB.
        size_mib: u32,
    },
}

/// A command to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exec {
    /// What it executes.
    pub program: Program,
    /// Added to a login-like environment of the user: `HOME USER LOGNAME SHELL PATH LANG=C.UTF-8`
    /// (offline as root also `DEBIAN_FRONTEND=noninteractive`).
    pub env: Vec<(String, String)>,
    /// Must exist; default `/`.
    pub cwd: Option<String>,
    /// Name in the image's passwd; default `root`. Groups as a login would have them.
    pub user: Option<String>,
    /// Whether it reaches what the machine does; a command in the booted system always does.
    pub network: bool,
    /// After this the command and all it started are killed: [`ExecEnd::TimedOut`].
    pub timeout: Duration,
}

impl Exec {
    /// `argv` as root in `/`, with a limit of ten minutes.
    pub fn argv<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> Self {
        Self::program(Program::Argv(argv.into_iter().map(Into::into).collect()))
    }

    /// A script as root in `/`, with a limit of ten minutes.
    pub fn script(name: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        Self::program(Program::Script { name: name.into(), content: content.into() })
    }

    fn program(program: Program) -> Self {
        Self {
            program,
            env: Vec::new(),
            cwd: None,
            user: None,
            network: true,
            timeout: Duration::from_mins(10),
        }
    }
}

/// What a command executes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Program {
    /// The first is looked up in PATH.
    Argv(Vec<String>),
    /// An executable text with a shebang line. It is written to a tmpfs at
    /// /run/imgfile/step/NAME, run and removed; NAME shows up in the script's own `$0`
    /// (characters other than letters, digits, `. _ -` become `_`).
    Script {
        /// What it is called, such as `setup.sh`.
        name: String,
        /// The whole text, its shebang line first.
        content: Vec<u8>,
    },
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecEnd {
    /// Exit status 0 to 255; 127 with a line on the error stream when the program is not there,
    /// 126 when it cannot be executed (a missing interpreter among the reasons).
    Code(i32),
    /// The signal that ended it, by number, such as 9.
    Signal(i32),
    /// It ran longer than [`Exec::timeout`] and was killed.
    TimedOut,
}

impl ExecEnd {
    /// Whether it ended with exit status 0.
    #[must_use]
    pub const fn success(self) -> bool {
        matches!(self, Self::Code(0))
    }
}

/// A piece of a command's output: raw bytes of the guest, not necessarily whole lines or UTF-8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Which stream the command wrote it to.
    pub stream: Stream,
    /// As the guest sent them.
    pub bytes: Vec<u8>,
}

/// A stream of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Its standard output; what a terminal shows.
    Out,
    /// Its error stream.
    Err,
}

/// The size of a terminal, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TerminalSize {
    /// Lines, from the top.
    pub rows: u16,
    /// Characters of a line.
    pub columns: u16,
}

/// What happens at the keyboard's end of a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TerminalInput {
    /// Something was typed.
    Typed(Vec<u8>),
    /// The window has another size now.
    Resized(TerminalSize),
}

/// Options for entering the image's own init.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootOptions {
    /// More units to keep from starting, such as `nginx.service`, beside those the driver masks
    /// anyway (cloud-init, wait-online, gettys, ssh, apt's timers…).
    pub mask: Vec<String>,
    /// From the switch to the agent's word from the booted system.
    pub timeout: Duration,
}

impl Default for BootOptions {
    fn default() -> Self {
        Self { mask: Vec::new(), timeout: Duration::from_mins(10) }
    }
}

/// How much of a machine the host's own processor does, as a user asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AcceleratorChoice {
    /// Hardware virtualisation where a guest really runs under it, else emulation with a word about it.
    #[default]
    Auto,
    /// Hardware virtualisation (KVM) or nothing.
    Kvm,
    /// Emulation.
    Tcg,
}

/// What is known of hardware virtualisation on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AcceleratorState {
    /// Machines run under it.
    Works,
    /// It looks as if; the first machine tries it.
    Untried,
    /// Machines are emulated, since: a sentence without a full stop.
    Emulated(String),
}

impl AcceleratorChoice {
    /// All of them, as `--accel` lists them.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Kvm, Self::Tcg];

    /// As `--accel` takes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Kvm => "kvm",
            Self::Tcg => "tcg",
        }
    }
}

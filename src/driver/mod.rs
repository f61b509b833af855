//! The machines a plan runs on: the traits [`Driver`], [`Machine`] and [`Disks`], and what they speak of.
//!
//! A driver is opened by its entry in [`DRIVERS`], with a build kernel and a folder of the store. [`Driver::start`]
//! takes a [`MachineSpec`], plain data, and answers with a [`Machine`] that passes through three stages ([`Stage`]):
//!
//! 1. *Offline*: the agent is PID 1 in an initramfs of ours under the build kernel, the disks are attached, nothing
//!    of the image runs. [`Machine::inspect`] finds out what is on the first disk.
//! 2. *Mounted*: [`Machine::mount`] makes the image's root file system reachable. From then on operations act inside
//!    it: in a chroot with /proc, /sys, /dev, devpts, /dev/shm, tmpfs on /tmp and /run, a `policy-rc.d` that starts
//!    no service and a host name that resolves; none of it touches the disk. [`Machine::cut`] ends the file of a
//!    layer here.
//!    [`Machine::view`] makes it reachable for reading alone, as the disk has it ([`Stage::Viewed`]).
//! 3. *Booted*: [`Machine::boot`] enters the image's own init under the kernel that its boot loader would start, and
//!    [`Machine::offline`] comes back after an orderly shutdown. [`Start::Firmware`] arrives here at once.
//!
//! Operations come one at a time, each with a time limit. What a command does in the guest is an [`ExecEnd`], never
//! an error; a [`DriverError`] is a fault between host and machine, and most leave the machine fit only to be
//! dropped. Dropping a machine kills it. What a driver cannot do is in its [`Capabilities`], before anything starts.
//!
//! Read this file first, then `spec.rs` (what a machine is made of) and `qemu/mod.rs`. `qemu` is the real driver,
//! `fake` the one that makes the executor testable in milliseconds; `init` has what init systems differ in, `needs`
//! what of the host is used. Not done here: no plan, step or key is known, no layer is kept or reused, no package is
//! chosen, and nothing is fetched; whoever asks has paths and formats, and what is inside a disk file stays the
//! driver's own.

pub mod agent;
pub mod disks;
mod error;
pub mod fake;
pub mod init;
pub mod inspect;
mod instance;
mod iso;
mod kernel;
pub mod live;
pub mod managed;
mod needs;
pub mod qemu;
mod registry;
pub mod seed;
mod spec;
pub mod virsh;

use std::fmt::Debug;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

pub use crate::model::{
    Capabilities, DiskFormat, DiskLayout, FileContent, Firmware, Init, SystemTree, TreeLimits,
};
use crate::text::Digest;
pub use disks::{DiskError, DiskFacts, DiskFile, DiskForm, Disks, FoundFormat, HeldDisk};
pub use error::{DriverError, End};
pub use instance::{Instance, InstanceSpec, Publish};
pub use kernel::BuildKernel;
pub use needs::{HostNeed, NeedKind, is_fedora};
pub use registry::{DRIVERS, DriverEntry, DriverOptions};
pub use spec::{
    AcceleratorChoice, AcceleratorState, BootOptions, Disk, DiskAccess, Exec, ExecEnd, MachineSpec,
    MountOptions, Network, Output, PayloadFile, Program, RootSource, Stage, Start, Stream, TerminalInput,
    TerminalSize,
};

/// What every operation returns.
pub type Op<'a, T> = BoxFuture<'a, Result<T, DriverError>>;

/// Takes the output of a running command, piece by piece, in the order it was read in the guest.
pub type Sink<'a> = &'a mut (dyn FnMut(Output) + Send);

/// Something that can start machines.
pub trait Driver: Debug + Send + Sync {
    /// What there is to say to the user about the machines of this host, in a line.
    fn note(&self) -> Option<&str>;

    /// Whether the host's own processor runs the guests (hardware virtualisation): then a boot costs next to nothing.
    fn is_accelerated(&self) -> bool;

    /// The files of the disks that its machines take.
    fn disks(&self) -> Arc<dyn Disks>;

    /// Starts a machine and waits until its agent answers.
    ///
    /// With [`Start::Offline`] the agent is up and nothing is mounted. With [`Start::Firmware`]
    /// the first disk is booted by its own boot loader over a throw-away overlay (the disk's file
    /// is never written), the agent having been planted in that overlay by an offline boot first;
    /// the machine arrives in [`Stage::Booted`].
    fn start(&self, spec: MachineSpec) -> Op<'_, Box<dyn Machine>>;

    /// What a machine of `spec` would have to be, to the last argument, to go on from what
    /// [`save`](Machine::save) writes of another: two of one answer are of one make, within this boot of the host.
    /// Nothing where this driver saves no machine. The payload does not count: it is no part of a booted system.
    fn make(&self, spec: &MachineSpec) -> Option<Digest>;

    /// Goes on with a machine of the same [`make`](Self::make) that was saved in the folder `from`: it arrives in
    /// [`Stage::Booted`], with a clock that is right and a random generator that is its own. Its disk is laid at the
    /// path of the first disk, in the place of what is there. When this fails, whatever the reason, that file is
    /// worthless, and nothing else has happened.
    fn resume<'a>(&'a self, spec: MachineSpec, from: &'a std::path::Path) -> Op<'a, Box<dyn Machine>>;

    /// Boots the first disk by its own boot loader as anybody would, with no agent in it, and does not wait for
    /// anything. The machine's [`start`](MachineSpec::start) has to be [`Start::Firmware`].
    fn run(&self, spec: InstanceSpec) -> Op<'_, Box<dyn Instance>>;
}

/// A running machine. Dropping it kills it and removes what it left in its run folder except
/// `console.log`.
///
/// Operations come one at a time. Every operation has a time limit of its own (see [`Exec`] and
/// [`MachineSpec`]) after which it fails with [`DriverError::Hang`]. When the future of an operation is
/// dropped before its end, the machine can only be killed; so cancelling a build is dropping it.
pub trait Machine: Debug + Send {
    /// Where the machine is now.
    fn stage(&self) -> Stage;

    /// Looks into the first disk without changing it, and leaves nothing mounted that was not: offline, before
    /// [`mount`](Self::mount), or viewed.
    fn inspect(&mut self) -> Op<'_, inspect::Facts>;

    /// Which init system the image has. Mounted or booted.
    fn init(&mut self) -> Op<'_, Init>;

    /// Mounts the root file system, the image's other file systems named by its fstab that a
    /// change of the system needs (/boot, /boot/efi, /usr, /var), and the chroot environment
    /// with the payload at /run/imgfile/payload. Offline only, once until [`unmount`](Self::unmount).
    fn mount(&mut self, options: MountOptions) -> Op<'_, ()>;

    /// Undoes [`mount`](Self::mount); file systems are clean afterwards.
    fn unmount(&mut self) -> Op<'_, ()>;

    /// Runs a command: in the chroot while offline, in the booted system otherwise. That the
    /// command failed or ran out of time is no fault but an [`ExecEnd`]; all its processes are
    /// gone at the end either way.
    fn exec<'a>(&'a mut self, command: Exec, sink: Sink<'a>) -> Op<'a, ExecEnd>;

    /// Runs a command on a terminal of its own for a person, for as long as it takes (the command's time
    /// limit does not count). What the terminal shows goes to `sink`; the end of `input` hangs up.
    fn shell<'a>(
        &'a mut self,
        command: Exec,
        size: TerminalSize,
        input: tokio::sync::mpsc::Receiver<TerminalInput>,
        sink: Sink<'a>,
    ) -> Op<'a, ExecEnd>;

    /// Extracts a tar stream under `/` of the image: files, folders, symbolic and hard links, modes and times.
    ///
    /// Owners: an entry's user and group *names*, where not empty, are looked up in the image's
    /// own passwd and group (an unknown one is [`DriverError::Refused`]); else the numbers count. A
    /// folder entry whose folder exists changes its mode and owner only when the entry says so in
    /// a name ending in `/` and a mode that is not 0 (so parents may be given as mode 0:
    /// "create if missing").
    fn put(&mut self, tar: Box<dyn Read + Send>) -> Op<'_, ()>;

    /// The content of a regular file of the image, symlinks followed inside the image. A file
    /// longer than `limit` bytes, or absent, is [`DriverError::Refused`].
    fn get<'a>(&'a mut self, path: &'a str, limit: u64) -> Op<'a, Vec<u8>>;

    /// Mounts what [`mount`](Self::mount) does, read-only and as the disk has it: no chroot environment covers anything,
    /// and nothing can be run. A journal is replayed unless the disk is [`DiskAccess::Read`]; with
    /// [`DiskAccess::Discard`] the disk's file stays as it is. Offline, or mounted: then what is mounted becomes read-only,
    /// whatever `root` says. Until [`unmount`](Self::unmount). Answers what else is on the disk.
    fn view(&mut self, root: RootSource) -> Op<'_, DiskLayout>;

    /// All that is on the file systems. Viewed, or mounted: then without what the chroot environment covers.
    fn tree(&mut self, limits: TreeLimits) -> Op<'_, SystemTree>;

    /// What is in each of these files, absolute paths in bytes, symlinks followed inside the image: none of more than
    /// `each` bytes, and no more than `total` together. Viewed or mounted.
    fn read_files<'a>(&'a mut self, paths: &'a [Vec<u8>], each: u64, total: u64) -> Op<'a, Vec<FileContent>>;

    /// The digest of each of these files, absolute paths in bytes, symlinks followed inside the image; none where there is
    /// no regular file that can be read. Viewed or mounted.
    fn digests<'a>(&'a mut self, paths: &'a [Vec<u8>]) -> Op<'a, Vec<Option<Digest>>>;

    /// Grows the root partition and its file system to the end of the disk; returns the file
    /// system's new size in bytes. Offline and mounted. Nothing to do is no fault; a root that is
    /// not the last partition while room lies behind the last one is [`DriverError::Unsupported`].
    fn grow_root(&mut self) -> Op<'_, u64>;

    /// Leaves the offline stage for the image's real init, under the kernel that its own boot loader
    /// would start.
    /// Mounts are handed over, so it may be called right after [`mount`](Self::mount) or before.
    fn boot(&mut self, options: BootOptions) -> Op<'_, ()>;

    /// Writes into the empty folder `to` what [`Driver::resume`] goes on from, disk and memory as one pair, and goes
    /// on; says whether it did, since not every machine can be saved. Booted only.
    fn save<'a>(&'a mut self, to: &'a std::path::Path) -> Op<'a, bool>;

    /// Shuts the booted system down in order and comes back to the offline stage, mounted. A
    /// reboot is this and [`boot`](Self::boot).
    fn offline(&mut self) -> Op<'_, ()>;

    /// Makes `overlay` what the first disk is written to from now on, its file systems being frozen
    /// meanwhile: what was written before stays in the file that was written to so far, which does not
    /// change any more. `overlay` is an empty qcow2 whose backing file is (or will be) that file.
    /// Mounted only.
    fn cut<'a>(&'a mut self, overlay: &'a std::path::Path) -> Op<'a, ()>;

    /// Gives unused blocks of the mounted file systems back to the disk file; returns bytes trimmed.
    fn trim(&mut self) -> Op<'_, u64>;

    /// Unmounts, powers off and waits for the end of the machine.
    fn power_off(self: Box<Self>) -> Op<'static, ()>;

    /// The end of what the machine printed on its console, control characters removed, for messages.
    fn console_tail(&self) -> String;
}

/// Time limits for what has none of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// From the start of the machine to the agent's first word.
    pub start: Duration,
    /// For one operation that should be quick (mount, get, trim…), and for silence within `put`.
    pub operation: Duration,
}

impl Default for Limits {
    /// Generous enough for an emulated machine on a busy host: on two cores that three others used as well, an
    /// artifact took two minutes to come up.
    fn default() -> Self {
        Self { start: Duration::from_mins(10), operation: Duration::from_mins(5) }
    }
}

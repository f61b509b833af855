//! What host and agent say to each other.
//!
//! The host asks, one request at a time, each with a number of its own; the agent answers with any
//! number of [`Reply::Data`] or [`Reply::Output`] and then exactly one [`Reply::Done`] or
//! [`Reply::Failed`]. Requests marked *streamed* are followed by the host's [`Body::Data`]
//! messages and a [`Body::End`]. The agent is all mechanism: what to mount, which kernel to boot
//! and what a disk is, the host decides from what it reads.

use super::wire::{Bytes, Wire, wire};

wire! {
    /// From the host.
    pub struct ToGuest {
        /// The request it belongs to.
        pub id: u32,
        pub body: Body,
    }
}

wire! {
    pub enum Body {
        Ask { request: Request } = 0,
        Data { bytes: Bytes } = 1,
        End = 2,
        /// Kills the command that runs as this request; it then ends as [`Ended::TimedOut`].
        Cancel = 3,
    }
}

wire! {
    /// From the agent.
    pub struct FromGuest {
        pub id: u32,
        pub reply: Reply,
    }
}

wire! {
    pub enum Reply {
        /// The first word of an agent in its epoch.
        Hello { version: u32, place: Place, kernel: String } = 0,
        Data { bytes: Bytes } = 1,
        Output { error: bool, bytes: Bytes } = 2,
        Done { result: Answer } = 3,
        /// `errno` is 0 where the reason is not the kernel's.
        Failed { reason: String, errno: i32 } = 4,
    }
}

wire! {
    /// Where an agent finds itself.
    pub enum Place {
        /// PID 1 of the initramfs; nothing mounted.
        Initramfs = 0,
        /// A service of the booted system.
        Booted = 1,
        /// PID 1 again, after the booted system was shut down; its root is mounted.
        AfterShutdown = 2,
    }
}

wire! {
    pub enum Request {
        /// Streamed: an uncompressed kernel module. One that is loaded already is no error.
        LoadModule { name: String } = 0,
        BlockDevices = 1,
        /// Answered by data: up to `len` bytes, fewer at the end of the device.
        ReadDevice { device: String, offset: u64, len: u32 } = 2,
        /// Streamed.
        WriteDevice { device: String, offset: u64 } = 3,
        /// Tells the kernel of a partition's new place; in bytes.
        ResizePartition { device: String, number: u32, start: u64, len: u64 } = 4,
        /// `target` is a path of the image; `/` is mounted first. `fs_type` tmpfs has no device.
        Mount { device: String, fs_type: String, target: String, options: String, read_only: bool } = 5,
        /// Takes down what [`Request::Mount`] put at `target`.
        Unmount { target: String } = 6,
        /// Brings up the chroot environment over a mounted root; `payload` names a device.
        Enter { payload: Option<String>, resolver: Option<String> } = 7,
        /// Takes the chroot environment down again.
        Leave = 8,
        /// Streamed when `script` is set: its text.
        Exec { command: Command } = 9,
        /// Streamed: a tar archive.
        Put = 10,
        /// Answered by data. With `truncate`, a longer file gives its first `limit` bytes.
        Get { path: String, limit: u64, truncate: bool } = 11,
        List { path: String } = 12,
        /// Grows the mounted file system to the end of its device.
        GrowFs { target: String, device: String } = 13,
        Trim = 14,
        StatFs { target: String } = 15,
        /// Gives the first network card its address.
        Network { address: [u8; 4], prefix: u8, gateway: [u8; 4] } = 16,
        /// Hands the machine to the image's own init; the next word is a Hello in `epoch`.
        /// `masks` are units that are not to start.
        SwitchRoot { epoch: u32, exit_epoch: u32, init: String, resolver: Option<String>, masks: Vec<String> } = 17,
        /// Asks the booted system's init to stop; the next word is a Hello of the exit epoch.
        Shutdown = 18,
        /// Syncs, unmounts all and powers off; there is no answer.
        PowerOff = 19,
        /// Holds the image's file systems still, so that the disk is whole between two writes.
        Freeze = 20,
        Thaw = 21,
    }
}

impl Wire for [u8; 4] {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }

    fn take(input: &mut &[u8]) -> Result<Self, super::wire::Malformed> {
        Ok(u32::take(input)?.to_le_bytes())
    }
}

wire! {
    pub struct Command {
        /// For a script, its arguments.
        pub argv: Vec<String>,
        /// File name for a script's text.
        pub script: Option<String>,
        pub env: Vec<(String, String)>,
        pub cwd: String,
        pub user: String,
        pub timeout_ms: u64,
    }
}

wire! {
    /// What a request came to.
    pub enum Answer {
        Nothing = 0,
        Number { value: u64 } = 1,
        Ended { how: Ended } = 2,
        Devices { devices: Vec<Device> } = 3,
        Entries { entries: Vec<Entry> } = 4,
        Space { size: u64, free: u64 } = 5,
    }
}

wire! {
    pub enum Ended {
        Code { code: i32 } = 0,
        Signal { signal: i32 } = 1,
        TimedOut = 2,
    }
}

wire! {
    /// A disk.
    pub struct Device {
        /// Such as `vda`.
        pub name: String,
        /// Bytes.
        pub size: u64,
        pub read_only: bool,
        pub partitions: Vec<Partition>,
    }
}

wire! {
    pub struct Partition {
        /// Such as `vda1`.
        pub name: String,
        pub number: u32,
        /// Bytes from the start of the disk.
        pub start: u64,
        /// Bytes.
        pub size: u64,
    }
}

wire! {
    /// A directory entry.
    pub struct Entry {
        pub name: String,
        pub kind: Kind,
        /// Bytes, of a regular file.
        pub size: u64,
        /// Target of a symbolic link.
        pub link: Option<String>,
    }
}

wire! {
    pub enum Kind {
        File = 0,
        Directory = 1,
        Symlink = 2,
        Other = 3,
    }
}

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
        /// Kills the command that runs as this request; it then ends as [`Ended::TimedOut`]. Time is
        /// kept by the host: the clock of an emulated guest may run wild.
        Cancel = 3,
        /// The terminal of a [`Request::Terminal`] has another size now.
        Resize { rows: u32, columns: u32 } = 4,
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
        /// The first word of an agent in its epoch. After a shutdown `verb` is what the init was asked for, such
        /// as `reboot`; otherwise it is empty.
        Hello { version: u32, stage: AgentStage, kernel: String, verb: String } = 0,
        Data { bytes: Bytes } = 1,
        Output { error: bool, bytes: Bytes } = 2,
        Done { result: Answer } = 3,
        /// `errno` is 0 where the reason is not the kernel's.
        Failed { reason: String, errno: i32 } = 4,
    }
}

wire! {
    /// Where an agent finds itself.
    pub enum AgentStage {
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
        /// Brings up the chroot environment over a mounted root; `payload` names a device. `links` are what udev
        /// would make below /dev/disk, such as `by-uuid/ABCD-1234`, each with its device.
        Enter { payload: Option<String>, resolver: Option<String>, links: Vec<(String, String)> } = 7,
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
        /// `masks` are units that are not to start, `drop_ins` additions to units by their names,
        /// `generators` those that are not to make units. With `beside`, an init that knows no units: the next agent is a process of its own.
        SwitchRoot {
            epoch: u32,
            exit_epoch: u32,
            init: String,
            resolver: Option<String>,
            masks: Vec<String>,
            drop_ins: Vec<(String, String)>,
            generators: Vec<String>,
            beside: bool,
        } = 17,
        /// Asks the booted system's init to stop; the next word is a Hello of the exit epoch.
        Shutdown = 18,
        /// Syncs, unmounts all and powers off; there is no answer.
        PowerOff = 19,
        /// Holds the image's file systems still, so that the disk is whole between two writes.
        Freeze = 20,
        Thaw = 21,
        /// Removes a regular file of the image if there is nothing in it: a placeholder of an earlier boot.
        RemoveEmpty { path: String } = 22,
        /// Streamed, as long as it lasts: a command on a terminal of this size, what is typed there being
        /// the stream. The end of the stream hangs up.
        Terminal { command: Command, rows: u32, columns: u32 } = 23,
        /// Sets the clock, in seconds and nanoseconds since 1970, and makes the random generator forget what
        /// it shares with other machines: memory that was kept may be resumed more than once.
        Wake { seconds: u64, nanoseconds: u32, seed: Bytes } = 24,
        /// Answered by data: all that is on the image's file systems, a [`super::tree::Node`] after the other, folder by
        /// folder, the nearest to the root first. It ends early after so many of them, or so many bytes.
        Walk { nodes: u64, bytes: u64 } = 25,
        /// Answered by data: a [`super::tree::Content`] for each path, links followed inside the image. None of more than
        /// `each` bytes, and nothing more after `total`.
        ReadFiles { paths: Vec<Bytes>, each: u64, total: u64 } = 26,
        /// Answered by data: a [`super::tree::Sum`] for each path, links followed inside the image.
        Digests { paths: Vec<Bytes> } = 27,
        /// Makes the image's file systems read-only where they are mounted, for good: nothing is to be written any more.
        RemountReadOnly = 28,
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
        /// Without it the command has a network of its own, in which there is only itself.
        pub network: bool,
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
        /// So many nodes were sent; without `whole` there are more, or a folder could not be read.
        Walked { nodes: u64, whole: bool } = 6,
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::frame::{Decoder, encode};
    use super::*;

    fn replies() -> impl Strategy<Value = Reply> {
        let stage = prop_oneof![
            Just(AgentStage::Initramfs),
            Just(AgentStage::Booted),
            Just(AgentStage::AfterShutdown)
        ];
        let bytes = || proptest::collection::vec(any::<u8>(), 0..300).prop_map(Bytes);
        let entry = ("[^\0/]{0,20}", any::<u64>(), proptest::option::of(".{0,20}"))
            .prop_map(|(name, size, link)| Entry { name, kind: Kind::File, size, link });
        prop_oneof![
            (any::<u32>(), stage, ".{0,20}", ".{0,20}")
                .prop_map(|(version, stage, kernel, verb)| Reply::Hello { version, stage, kernel, verb }),
            bytes().prop_map(|bytes| Reply::Data { bytes }),
            (any::<bool>(), bytes()).prop_map(|(error, bytes)| Reply::Output { error, bytes }),
            (".{0,40}", any::<i32>()).prop_map(|(reason, errno)| Reply::Failed { reason, errno }),
            any::<u64>().prop_map(|value| Reply::Done { result: Answer::Number { value } }),
            proptest::collection::vec(entry, 0..5)
                .prop_map(|entries| Reply::Done { result: Answer::Entries { entries } }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(id in any::<u32>(), reply in replies()) {
            let message = FromGuest { id, reply };
            let mut bytes = Vec::new();
            message.put(&mut bytes);
            prop_assert_eq!(FromGuest::read(&bytes), Ok(message));
            // Neither a shorter nor a longer one is the same message.
            prop_assert!(FromGuest::read(&bytes[..bytes.len() - 1]).is_err());
            bytes.push(0);
            prop_assert!(FromGuest::read(&bytes).is_err());
        }

        #[test]
        fn any_bytes_are_taken_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = FromGuest::read(&bytes);
            let _ = ToGuest::read(&bytes);
        }

        /// A guest that damages one byte of a stream loses at most the messages it touched.
        #[test]
        fn a_damaged_stream_is_found_again(replies in proptest::collection::vec(replies(), 2..6), at in any::<prop::sample::Index>(), flip in 1u8..) {
            let mut stream = Vec::new();
            let mut starts = Vec::new();
            for (reply, id) in replies.iter().zip(0..) {
                starts.push(stream.len());
                encode(1, &mut stream, |out| FromGuest { id, reply: reply.clone() }.put(out)).unwrap();
            }
            let at = at.index(stream.len());
            stream[at] ^= flip;
            let damaged = starts.iter().rposition(|&start| start <= at).unwrap();
            let mut decoder = Decoder::default();
            decoder.feed(&stream);
            let mut seen = Vec::new();
            while let Some((epoch, payload)) = decoder.next_frame() {
                if epoch == 1 && let Ok(message) = FromGuest::read(payload) {
                    seen.push(message.id);
                }
            }
            for id in (0..u32::try_from(replies.len()).unwrap()).filter(|&id| id as usize != damaged) {
                prop_assert!(seen.contains(&id), "{id} of {seen:?}, damaged {damaged}");
            }
        }
    }

    #[test]
    fn an_absurd_list_ends_with_the_input() {
        // Reply::Done, Answer::Entries, four billion of them, and nothing.
        let bytes = [0, 0, 0, 0, 3, 4, 0xff, 0xff, 0xff, 0xff];
        assert!(FromGuest::read(&bytes).is_err());
    }
}

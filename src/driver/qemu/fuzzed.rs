//! The readers of what a guest and a stranger's disk say, as functions of plain bytes, for the fuzz targets
//! (`fuzz/src/hostile.rs`). No part of the product calls them, and nothing here is a promise.
//!
//! Each panics where something does not hold that must hold for any input.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::net::UnixStream as StdStream;
use std::time::Duration;

use imgfile_agent::protocol::frame;
use imgfile_agent::protocol::message::{Entry, FromGuest, Kind, Request};
use imgfile_agent::protocol::wire::Wire;
use tokio::net::UnixStream;

use super::super::DriverError;
use super::channel::{Channel, Collected, Patience};
use super::kernels::{self, Tree};
use super::{look, superblock, table};

pub use super::qcow2::fuzzed::disk as disk_file;

/// More than any answer here waits for: a guest whose channel is closed is found out at once.
const NEVER: Duration = Duration::from_hours(1);
/// What the guest may make the host keep of a file that it was asked for, in bytes.
const MOST: u64 = 64 * 1024;

/// All that a guest sends before it closes its channel: `bytes` are pieces, see [`said`].
pub fn guest(bytes: &[u8]) {
    let said = said(bytes);
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    runtime.block_on(async {
        let Ok((ours, mut theirs)) = StdStream::pair() else { return };
        // What does not fit the socket's buffer was not sent; nothing waits for it.
        if theirs.set_nonblocking(true).is_err() || ours.set_nonblocking(true).is_err() {
            return;
        }
        let _ = theirs.write(&said);
        let _ = theirs.shutdown(std::net::Shutdown::Write);
        let Ok(stream) = UnixStream::from_std(ours) else { return };
        let mut channel = Channel::new(stream);
        if channel.hello(1, NEVER).await.is_err() {
            return;
        }
        let mut file = Collected::new(MOST);
        let request = Request::BlockDevices;
        let kept =
            channel.converse(request, None, Patience::Idle(NEVER), &mut |reply| file.take(reply)).await;
        assert!(file.content.len() as u64 <= MOST, "a guest fills the host's memory");
        if kept.is_ok() && channel.hand_over(Request::BlockDevices, 2, NEVER).await.is_ok() {
            let _ = channel.ask(Request::BlockDevices, NEVER).await;
        }
    });
}

/// What a guest sends, from compact pieces: a byte that says what follows, a length in two bytes, and so many
/// bytes. An even first byte makes a frame of them, of the epoch that its other bits say; an odd one sends them
/// as they are. Whatever is a message can be written again, and is the same then.
fn said(mut bytes: &[u8]) -> Vec<u8> {
    let mut said = Vec::new();
    while let [kind, low, high, rest @ ..] = bytes {
        let len = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
        let (piece, left) = rest.split_at(len);
        bytes = left;
        if kind & 1 == 1 {
            said.extend_from_slice(piece);
            continue;
        }
        // A piece is shorter than a frame may be.
        let _ = frame::encode(u32::from(kind >> 1), &mut said, |out| out.extend_from_slice(piece));
        if let Ok(message) = FromGuest::read(piece) {
            let mut again = Vec::new();
            message.put(&mut again);
            assert_eq!(again, piece, "a message that is written in two ways");
        }
    }
    said
}

/// The first bytes of a disk and of its partitions.
pub fn disk(bytes: &[u8]) {
    let _ = superblock::identify(bytes);
    for number in [0, 1, 15, 128, 129, u32::MAX] {
        let _ = table::names(bytes, number);
        for size in [0, 1 << 20, 4 << 30, u64::MAX] {
            if let table::Growth::To { len, writes } = table::grow(bytes, number, size) {
                assert!(len <= size, "a partition of {len} bytes on a disk of {size}");
                for write in writes {
                    let end = write.offset.checked_add(write.bytes.len() as u64);
                    assert!(end.is_some_and(|end| end <= size), "a table that is written behind the disk");
                }
            }
        }
    }
}

/// The texts of an image that say what it is: `/etc/os-release`, cloud-init's configuration, apt's sources; and
/// the configuration of its boot loader, in a tree with two kernels.
pub fn image(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    look::texts(bytes, &text);
    // Which file it is decides the first byte, so that one input can be any of them.
    let (which, rest) = bytes.split_first().map_or((0, bytes), |(first, rest)| (*first, rest));
    let paths = [
        "/boot/loader/entries/one.conf",
        "/boot/loader/loader.conf",
        "/boot/grub/grub.cfg",
        "/boot/grub2/grubenv",
        "/boot/vmlinuz-virt",
    ];
    let mut tree = Files::default();
    tree.file("/boot/vmlinuz-6.1.0-1-amd64", b"").file("/usr/lib/modules/6.1.0-1-amd64/modules.dep", b"");
    tree.file("/boot/vmlinuz-6.12.1", b"").file("/usr/lib/modules/6.12.1/modules.dep", b"");
    // Two files whose texts refer to one another, cut where the input has a NUL.
    for (at, part) in rest.splitn(2, |&byte| byte == 0).enumerate() {
        tree.file(paths[(usize::from(which) + at) % paths.len()], part);
    }
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().build() else { return };
    let found = runtime.block_on(kernels::kernels(&mut tree)).unwrap_or_default();
    for kernel in &found {
        assert!(tree.0.contains_key(&kernel.path), "a kernel where there is none: {kernel:?}");
        assert!(["6.1.0-1-amd64", "6.12.1"].contains(&&*kernel.release), "no modules for {kernel:?}");
    }
}

/// A tree of files by path, without links.
#[derive(Debug, Default)]
struct Files(BTreeMap<String, Vec<u8>>);

impl Files {
    fn file(&mut self, path: &str, content: &[u8]) -> &mut Self {
        self.0.insert(path.to_owned(), content.to_vec());
        self
    }
}

impl Tree for Files {
    async fn list(&mut self, path: &str) -> Result<Vec<Entry>, DriverError> {
        let mut entries: Vec<Entry> = Vec::new();
        for (file, content) in &self.0 {
            let Some(rest) = file.strip_prefix(path).and_then(|rest| rest.strip_prefix('/')) else {
                continue;
            };
            let (name, kind) = match rest.split_once('/') {
                Some((folder, _)) => (folder, Kind::Directory),
                None => (rest, Kind::File),
            };
            if entries.iter().all(|entry| entry.name != name) {
                entries.push(Entry { name: name.to_owned(), kind, size: content.len() as u64, link: None });
            }
        }
        Ok(entries)
    }

    async fn peek(&mut self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, DriverError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(self.0.get(path).map(|content| content[..content.len().min(limit)].to_vec()))
    }
}

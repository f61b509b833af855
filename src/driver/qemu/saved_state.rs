//! Saved states of machines: what QEMU knows of one just after its agent came up and before any driver of a disk was
//! loaded, kept in a file. The next machine of the same make wakes with it in half a second, where an emulated
//! kernel takes three to come so far.
//!
//! Nothing of an image is in it: no disk has been read, no secret sent. What machines woken from one file
//! would share (the time, the state of the random generator) they are told anew as soon as they are awake.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use imgfile_agent::protocol::message::Request;
use sha2::{Digest, Sha256};

use super::super::DriverError;
use super::super::agent;
use super::command::Front;
use super::guest::Guest;
use super::shared::{Accelerator, Host};

/// Drivers that are loaded before the machine is saved, since nearly every one needs them, and none of
/// which looks for a device of its own.
const DRIVERS: &[&str] =
    &["crc32c_intel", "vfat", "nls_cp437", "nls_ascii", "nls_iso8859_1", "nls_utf8", "isofs", "net_failover"];

/// Files that are kept, each some 120 MB: machines differ in memory, disks and network.
const KEPT: usize = 4;
const EXTENSION: &str = "state";
/// Bytes of the disk that are left to those who build: less free, and no memory is kept.
pub(super) const ROOM: u64 = 1 << 30;

/// The place of one machine's memory, there or not.
#[derive(Debug)]
pub(super) struct SavedState {
    path: PathBuf,
    /// Names and paths, in order.
    drivers: Vec<(String, String)>,
}

impl SavedState {
    /// Of a machine under the build kernel, whose parameters are `line`; nothing where booting is as quick, or
    /// where a kernel has seen its disks before anything is loaded.
    pub(super) fn of(host: &Host, machine: &Front<'_>, line: &str) -> Option<Self> {
        if host.accelerator == Accelerator::Kvm || host.kernel.modules().has_built_in("virtio_blk") {
            return None;
        }
        let modules = host.kernel.modules();
        let mut drivers: Vec<(String, String)> = Vec::new();
        for (name, path) in DRIVERS.iter().filter_map(|name| modules.order(name)).flatten() {
            if !drivers.iter().any(|(known, _)| known == name) {
                drivers.push((name.to_owned(), path.to_owned()));
            }
        }
        let mut hash = Sha256::new();
        for part in [host.fingerprint().as_str(), host.kernel.digest(), line] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        hash.update(Sha256::digest(agent::PROGRAM));
        for argument in machine.arguments().iter().chain(drivers.iter().map(|(name, _)| name)) {
            hash.update(argument.as_bytes());
            hash.update([0]);
        }
        let name = format!("{}.{EXTENSION}", hex::encode(&hash.finalize()[..16]));
        Some(Self { path: host.saved_states.join(name), drivers })
    }

    /// Its memory, if it is there; it counts as used.
    pub(super) fn memory(&self) -> Option<Memory> {
        let file = open_own(&self.path, nix::unistd::geteuid().as_raw())?;
        let _ = file.set_modified(SystemTime::now());
        Some(Memory { path: self.path.clone(), file })
    }

    /// The drivers that a machine with this memory has loaded.
    pub(super) fn drivers(&self) -> impl Iterator<Item = String> {
        self.drivers.iter().map(|(name, _)| name.clone())
    }

    /// Keeps the memory of a machine that then goes on. That it cannot be kept is no fault, be it for want of
    /// room or because this QEMU writes no such file (before 8.2).
    pub(super) async fn keep(
        &self,
        host: &Host,
        guest: &mut Guest,
        run_dir: &Path,
    ) -> Result<(), DriverError> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        if !has_room(folder, ROOM) {
            return Ok(());
        }
        for (name, path) in &self.drivers {
            let doing = format!("load the driver `{name}`");
            let content = host
                .kernel
                .module(path)
                .map_err(|source| DriverError::Host { doing: doing.clone(), source })?;
            guest.send(&doing, Request::LoadModule { name: name.clone() }, content).await?;
            guest.loaded.insert(name.clone());
        }
        let draft = run_dir.join("memory");
        let written = guest.migrate("keep a machine's memory", "migrate", &draft).await;
        match written {
            Ok(()) => {
                guest.go_on("go on").await?;
                publish(&draft, &self.path);
            }
            // QEMU's own refusal; the machine has not stopped.
            Err(DriverError::Host { .. }) => {}
            Err(fault) => return Err(fault),
        }
        let _ = fs::remove_file(&draft);
        Ok(())
    }
}

/// A memory that is there, whatever becomes of its name.
#[derive(Debug)]
pub(super) struct Memory {
    path: PathBuf,
    file: File,
}

impl Memory {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it, since nobody wakes with it; one that somebody else has kept in its place meanwhile stays.
    pub(super) fn forget(&self) {
        let named = |held: &fs::Metadata| {
            let named = self.path.symlink_metadata();
            named.is_ok_and(|named| (named.dev(), named.ino()) == (held.dev(), held.ino()))
        };
        if self.file.metadata().is_ok_and(|held| named(&held)) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Opens a memory if nobody but this user can have written it: whoever could would be in the machine, and QEMU
/// believes what it reads there.
fn open_own(path: &Path, user: u32) -> Option<File> {
    // Opening a pipe would wait for its other end.
    let found = path.symlink_metadata().ok()?;
    let own = found.is_file() && found.uid() == user && found.mode() & 0o022 == 0;
    if own { File::open(path).ok() } else { None }
}

/// Whether a memory can be written to a folder, made if absent, without taking the last room from others.
pub(super) fn has_room(folder: &Path, room: u64) -> bool {
    let free = || {
        nix::sys::statvfs::statvfs(folder).map_or(0, |stat| stat.blocks_available() * stat.fragment_size())
    };
    fs::create_dir_all(folder).is_ok() && free() >= room && tempfile::tempfile_in(folder).is_ok()
}

/// Gives a whole memory its name: of several at once the last stays.
fn publish(draft: &Path, path: &Path) {
    let own = fs::set_permissions(draft, Permissions::from_mode(0o600));
    if own.and_then(|()| fs::rename(draft, path)).is_ok() {
        prune(path.parent().unwrap_or(Path::new(".")));
    }
}

/// Removes all but the last used.
fn prune(folder: &Path) {
    let mut all: Vec<(SystemTime, PathBuf)> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == EXTENSION))
        .filter_map(|path| Some((fs::metadata(&path).ok()?.modified().ok()?, path)))
        .collect();
    all.sort();
    let surplus = all.len().saturating_sub(KEPT);
    for (_, path) in &all[..surplus] {
        let _ = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user() -> u32 {
        nix::unistd::geteuid().as_raw()
    }

    fn memory(path: &Path) -> Option<Memory> {
        Some(Memory { path: path.to_owned(), file: open_own(path, user())? })
    }

    #[test]
    fn of_several_that_keep_one_memory_at_once_each_finds_a_whole_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("one.state");
        let whole = |bytes: &[u8]| bytes.len() == 1 << 16 && bytes.iter().all(|byte| *byte == bytes[0]);
        std::thread::scope(|scope| {
            for number in 0..8_u8 {
                let (dir, path) = (dir.path(), &path);
                scope.spawn(move || {
                    let draft = dir.join(format!("memory-{number}"));
                    for round in 0..50 {
                        fs::write(&draft, vec![number; 1 << 16]).unwrap();
                        publish(&draft, path);
                        let found = memory(path);
                        let content = found.as_ref().and_then(|found| fs::read(found.path()).ok());
                        assert!(content.is_none_or(|content| whole(&content)));
                        // Somebody could not wake with it.
                        if let (Some(found), 0) = (found, round % 7) {
                            found.forget();
                        }
                    }
                });
            }
        });
        fs::write(dir.path().join("draft"), vec![9; 1 << 16]).unwrap();
        publish(&dir.path().join("draft"), &path);
        assert!(whole(&fs::read(memory(&path).unwrap().path()).unwrap()));
    }

    #[test]
    fn what_was_kept_in_its_place_meanwhile_is_not_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let (draft, path) = (dir.path().join("draft"), dir.path().join("one.state"));
        let keep = |text: &str| {
            fs::write(&draft, text).unwrap();
            publish(&draft, &path);
        };
        keep("broken");
        let broken = memory(&path).unwrap();
        keep("whole");
        broken.forget();
        assert_eq!(fs::read_to_string(&path).unwrap(), "whole");
        memory(&path).unwrap().forget();
        assert!(!path.exists());
        broken.forget();
    }

    #[test]
    fn nobody_wakes_with_what_others_can_have_written() {
        let dir = tempfile::tempdir().unwrap();
        let (draft, path) = (dir.path().join("draft"), dir.path().join("one.state"));
        fs::write(&draft, "memory").unwrap();
        fs::set_permissions(&draft, Permissions::from_mode(0o666)).unwrap();
        publish(&draft, &path);
        assert!(open_own(&path, user()).is_some(), "it was made private");
        assert!(open_own(&path, user() + 1).is_none(), "of another account");
        for mode in [0o620, 0o602] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert!(open_own(&path, user()).is_none(), "{mode:o}");
        }
        fs::remove_file(&path).unwrap();
        assert!(open_own(&path, user()).is_none());
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(open_own(&path, user()).is_none(), "a pipe");
        // Whatever is there, the next that is kept takes its place.
        fs::write(&draft, "memory").unwrap();
        publish(&draft, &path);
        assert!(open_own(&path, user()).is_some());
    }

    #[test]
    fn the_last_room_is_left_to_others() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("machines");
        assert!(has_room(&folder, 1) && folder.is_dir());
        assert!(!has_room(&folder, u64::MAX));
        assert!(!has_room(Path::new("/proc/self"), 0), "nothing can be written there");
    }

    #[test]
    fn the_last_used_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = |number: u64| dir.path().join(format!("{number}.{EXTENSION}"));
        for number in 0..6 {
            fs::write(path(number), "").unwrap();
            let used = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(100 - number);
            File::options().write(true).open(path(number)).unwrap().set_modified(used).unwrap();
        }
        fs::write(dir.path().join("accelerator"), "").unwrap();
        prune(dir.path());
        assert_eq!(
            (0..6).map(|number| path(number).exists()).collect::<Vec<_>>(),
            [true, true, true, true, false, false]
        );
        assert!(dir.path().join("accelerator").exists());
    }
}

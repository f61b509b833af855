//! Machines asleep: what QEMU knows of one just after its agent came up and before any driver of a disk was
//! loaded, kept in a file. The next machine of the same make wakes with it in half a second, where an emulated
//! kernel takes three to come so far.
//!
//! Nothing of an image is in it: no disk has been read, no secret sent. What machines woken from one file
//! would share (the time, the state of the random generator) they are told anew as soon as they are awake.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use imgfile_agent::protocol::message::Request;
use sha2::{Digest, Sha256};

use super::super::{Accelerator, Fault};
use super::AGENT;
use super::command::Front;
use super::guest::Guest;
use super::start::Host;

/// Drivers that are loaded before the machine falls asleep, since nearly every one needs them, and none of
/// which looks for a device of its own.
const DRIVERS: &[&str] =
    &["crc32c_intel", "vfat", "nls_cp437", "nls_ascii", "nls_iso8859_1", "nls_utf8", "isofs", "net_failover"];

/// Files that are kept, each some 120 MB: machines differ in memory, disks and network.
const KEPT: usize = 4;
const EXTENSION: &str = "asleep";

/// The place of one machine's memory, there or not.
#[derive(Debug)]
pub(super) struct Asleep {
    path: PathBuf,
    /// Names and paths, in order.
    drivers: Vec<(String, String)>,
}

impl Asleep {
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
        hash.update(Sha256::digest(AGENT));
        for argument in machine.arguments().iter().chain(drivers.iter().map(|(name, _)| name)) {
            hash.update(argument.as_bytes());
            hash.update([0]);
        }
        let name = format!("{}.{EXTENSION}", hex::encode(&hash.finalize()[..16]));
        Some(Self { path: host.asleep.join(name), drivers })
    }

    /// Its memory, if it is there; it counts as used.
    pub(super) fn memory(&self) -> Option<&Path> {
        let file = File::open(&self.path).ok()?;
        let _ = file.set_modified(SystemTime::now());
        Some(&self.path)
    }

    /// The drivers that a machine with this memory has loaded.
    pub(super) fn drivers(&self) -> impl Iterator<Item = String> {
        self.drivers.iter().map(|(name, _)| name.clone())
    }

    /// Removes it.
    pub(super) fn forget(&self) {
        let _ = fs::remove_file(&self.path);
    }

    /// Keeps the memory of a machine that then goes on. That it cannot be kept is no fault, be it for want of
    /// room or because this QEMU writes no such file (before 8.2).
    pub(super) async fn keep(&self, host: &Host, guest: &mut Guest, run_dir: &Path) -> Result<(), Fault> {
        for (name, path) in &self.drivers {
            let doing = format!("load the driver `{name}`");
            let content =
                host.kernel.module(path).map_err(|source| Fault::Host { doing: doing.clone(), source })?;
            guest.send(&doing, Request::LoadModule { name: name.clone() }, content).await?;
            guest.loaded.insert(name.clone());
        }
        let doing = "go on";
        let draft = run_dir.join("memory");
        let written = guest.migrate("keep a machine's memory", "migrate", &draft).await;
        match written {
            Ok(()) => {
                guest.execute(doing, "cont", serde_json::json!({})).await?;
                let folder = self.path.parent().unwrap_or(Path::new("."));
                if fs::create_dir_all(folder).and_then(|()| fs::rename(&draft, &self.path)).is_ok() {
                    prune(folder);
                }
            }
            // QEMU's own refusal; the machine has not stopped.
            Err(Fault::Host { .. }) => {}
            Err(fault) => return Err(fault),
        }
        let _ = fs::remove_file(&draft);
        Ok(())
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

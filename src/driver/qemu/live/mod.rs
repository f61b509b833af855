//! The disks of a machine that somebody else runs with QEMU, copied through its monitor at one moment, while the agent in it
//! has its file systems frozen.
//!
//! All is done on a thread of its own, which is waited for when the copy is dropped: whatever happens, the machine is thawed
//! and no job is left in its emulator.

mod agent;
mod lines;
mod monitor;
mod sysprep;

pub(super) use self::sysprep::generalize;

use std::{
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use futures_util::FutureExt as _;
use serde_json::{Value, json};

use self::{agent::Frozen, monitor::Monitor};
use super::{
    super::live::{LiveCopy, LiveDisk, LiveError, LiveMachine, LiveOp},
    worker::on_a_thread,
};

/// Copies the disks of a machine.
pub(super) fn copy(machine: LiveMachine<'_>) -> LiveOp<'_> {
    let (monitor, agent) = (machine.monitor.to_owned(), machine.guest_agent.map(Path::to_owned));
    let folder = machine.folder.to_owned();
    on_a_thread(move |stop| copy_at_once(&monitor, agent.as_deref(), &folder, stop), given_up).boxed()
}

fn given_up(reason: String) -> LiveError {
    LiveError::NotCopied { reason }
}

fn copy_at_once(
    socket: &Path,
    agent: Option<&Path>,
    folder: &Path,
    stop: &AtomicBool,
) -> Result<LiveCopy, LiveError> {
    let mut monitor = Monitor::connect(socket, stop)?;
    monitor.end_orphans()?;
    let name = monitor.execute("query-name", json!({}))?;
    let (disks, skipped) = disks(&monitor.execute("query-block", json!({}))?, folder);
    if disks.is_empty() {
        return Err(LiveError::NotCopied { reason: "it has no disk that it writes to".into() });
    }
    let frozen = agent.map(|socket| Frozen::freeze(socket, stop)).transpose()?;
    let count = frozen.as_ref().map(Frozen::count);
    let begun = monitor.begin_copies(&disks);
    // What is written from now on is not in the copies any more, though it takes a while until they are whole.
    drop(frozen);
    begun?;
    monitor.finish_copies(stop)?;
    let machine = name["name"].as_str().map(str::to_owned);
    let disks = disks.into_iter().map(|disk| LiveDisk { name: disk.name, path: disk.copy }).collect();
    Ok(LiveCopy { machine, disks, frozen: count, skipped })
}

/// A disk that is to be copied.
#[derive(Debug, PartialEq, Eq)]
struct BlockDevice {
    /// As the emulator takes it.
    device: String,
    /// As people call it.
    name: String,
    copy: PathBuf,
}

/// The disks that a machine may write to, and why others are left out.
fn disks(answer: &Value, folder: &Path) -> (Vec<BlockDevice>, Vec<String>) {
    let (mut disks, mut skipped) = (Vec::new(), Vec::new());
    for block in answer.as_array().into_iter().flatten() {
        let inserted = &block["inserted"];
        let word = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(plain);
        let (Some(device), Some(name)) = (
            word(&block["device"]).or_else(|| word(&inserted["node-name"])),
            word(&block["device"]).or_else(|| word(&block["qdev"])).or_else(|| word(&inserted["node-name"])),
        ) else {
            continue;
        };
        if inserted.is_null() {
            continue;
        }
        if inserted["ro"] == json!(true) {
            skipped.push(format!("{name} is left out: the machine only reads it"));
            continue;
        }
        let copy = folder.join(format!("{}.qcow2", disks.len()));
        disks.push(BlockDevice { device, name, copy });
    }
    (disks, skipped)
}

/// A name of the emulator's, which somebody else chose.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests;

//! Machines that libvirt runs with QEMU: found by their descriptions, and copied by libvirt's own backup, which begins for
//! all disks at one moment, while the guest agent has the file systems frozen.
//!
//! All is done on a thread of its own, which is waited for when the copy is dropped: whatever happens, the machine is thawed
//! and no job is left in it.

mod backup;
mod domain;
#[cfg(test)]
mod tests;

use std::{
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
    time::Duration,
};

use futures_util::FutureExt as _;

use self::domain::{Domain, Source};
use super::{
    super::{
        managed::{CopyOp, LookOp, ManagedDisk, ManagedError, ManagedFacts, ManagedMachine},
        virsh::{Virsh, VirshError, is_of_this_host, option, usual_connection},
    },
    worker::on_a_thread,
};

/// For an answer: a connection is made first, and libvirt may have to be started.
const ANSWER: Duration = Duration::from_secs(30);

/// What is known of a machine.
pub(super) fn look(machine: &ManagedMachine) -> LookOp<'_> {
    let machine = machine.clone();
    on_a_thread(move |stop| look_at(&machine, stop).map(|(facts, _)| facts), given_up).boxed()
}

/// Copies the disks of a machine that runs into a folder, or beside the disks where its emulator may not write there.
pub(super) fn copy<'a>(machine: &'a ManagedMachine, folder: &'a Path) -> CopyOp<'a> {
    let (machine, folder) = (machine.clone(), folder.to_owned());
    let copying = move |stop: &AtomicBool| {
        let (facts, domain) = look_at(&machine, stop)?;
        backup::copy(&machine.virsh, &facts, &domain, &folder, stop)
    };
    on_a_thread(copying, given_up).boxed()
}

fn given_up(reason: String) -> ManagedError {
    ManagedError::NotReached { at: None, reason, is_absent: false }
}

fn look_at(machine: &ManagedMachine, stop: &AtomicBool) -> Result<(ManagedFacts, Domain), ManagedError> {
    let virsh = &machine.virsh;
    let at = virsh.connection.clone().or_else(|| usual_connection(|name| std::env::var_os(name)));
    let not_reached = |error: VirshError| ManagedError::NotReached {
        at: at.clone(),
        is_absent: matches!(error, VirshError::Absent(_)),
        reason: error.to_string(),
    };
    let ask = |words: &[&str]| virsh.run(words, ANSWER, Some(stop));
    let uri = ask(&["uri"]).map_err(not_reached)?;
    let uri = uri.trim();
    let unfit = |reason: &str, help: &str| ManagedError::Unfit {
        name: machine.name.clone(),
        reason: reason.to_owned(),
        help: help.to_owned(),
    };
    if !is_of_this_host(uri) {
        let help = "log in there and capture it on its own host: the files of its disks are there";
        return Err(unfit(&format!("`{uri}` is the libvirt of another host"), help));
    }
    let named = option("domain", &machine.name);
    let Ok(xml) = ask(&["dumpxml", &named]) else {
        let known = ask(&["list", "--all", "--name"]).map_err(not_reached)?;
        let known = known.lines().map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
        return Err(ManagedError::Unknown { name: machine.name.clone(), known });
    };
    let mut domain = domain::read(&xml).map_err(|reason| unfit(&reason, "`virsh dumpxml` shows it"))?;
    if !uri.starts_with("qemu") {
        return Err(unfit(
            &format!("`{uri}` runs no machines by QEMU"),
            "name another connection with `--connect`",
        ));
    }
    let state = ask(&["domstate", &named]).map_err(not_reached)?;
    let runs = match state.trim() {
        "running" | "idle" => true,
        "shut off" => false,
        "paused" => {
            let help = format!(
                "let it go on, `virsh resume {0}`, or shut it down, `virsh shutdown {0}`",
                domain.name
            );
            return Err(unfit("it is paused", &help));
        }
        other => {
            return Err(unfit(&format!("it is {other}"), "start it, or shut it down, before it is captured"));
        }
    };
    let saved = |info: &str| {
        info.lines().any(|line| {
            line.split_once(':')
                .is_some_and(|(key, value)| key.trim() == "Managed save" && value.trim() == "yes")
        })
    };
    if !runs && saved(&ask(&["dominfo", &named]).map_err(not_reached)?) {
        let help =
            format!("start it and capture it as it runs, or shut it down: `virsh start {}`", domain.name);
        return Err(unfit(
            "it was saved while it ran, and what it had in memory belongs to its disks",
            &help,
        ));
    }
    let disks = domain.disks.iter_mut().map(|disk| located(virsh, disk, stop));
    let disks = disks
        .collect::<Result<Vec<_>, (String, String)>>()
        .map_err(|(reason, help)| unfit(&reason, &help))?;
    if disks.is_empty() {
        return Err(unfit("it has no disk that it writes to", "`virsh domblklist` shows its disks"));
    }
    if !runs && let Some(device) = disks.iter().find(|disk| disk.is_device) {
        let path = device.path.display();
        let help = format!(
            "start it: a machine that runs is copied; or copy the device first: `dd if={path} of={}.raw bs=4M`",
            device.target
        );
        return Err(unfit(&format!("its disk {} is the device {path}, and no file", device.target), &help));
    }
    let facts =
        ManagedFacts { name: domain.name.clone(), runs, disks, skipped: std::mem::take(&mut domain.skipped) };
    Ok((facts, domain))
}

/// Where a disk is on this host; else why it is not captured, and the way out.
fn located(
    virsh: &Virsh,
    disk: &mut domain::DomainDisk,
    stop: &AtomicBool,
) -> Result<ManagedDisk, (String, String)> {
    let target = disk.target.clone();
    if let Source::Volume { pool, volume } = &disk.source {
        let words = ["vol-path", &option("pool", pool), &option("vol", volume)];
        let path = virsh.run(&words, ANSWER, Some(stop));
        let path = path.map_err(|error| {
            let reason = format!("its disk {target} is a volume of the pool `{pool}`: {error}");
            (reason, format!("`virsh pool-start {pool}` makes a pool's volumes reachable"))
        })?;
        let path = PathBuf::from(path.trim_end_matches('\n'));
        disk.source = if !path.is_absolute() || !path.exists() {
            Source::Other(format!("it is a volume of the pool `{pool}`, and no file here"))
        } else if path.is_file() {
            Source::File(path)
        } else {
            Source::Device(path)
        };
    }
    if let Some(found) = disk.located() {
        return Ok(found);
    }
    let Source::Other(why) = &disk.source else {
        unreachable!("files and devices are located, and volumes were")
    };
    let help = "copy that disk into a file first, with `qemu-img convert`, and capture the file";
    Err((format!("its disk {target} cannot be: {why}"), help.to_owned()))
}

//! libvirt's backup of a machine that runs, as copies of its disks that begin at one moment.

use std::{
    io::Write as _,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use super::{
    super::super::{
        live::{LiveCopy, LiveDisk},
        managed::{CopiedFiles, ManagedCopy, ManagedError, ManagedFacts, copied_by, copy_name},
        virsh::{Virsh, VirshError, option},
    },
    ANSWER,
    domain::Domain,
};

/// To freeze takes as long as it takes to write what is in memory.
const FREEZE: Duration = Duration::from_mins(1);
/// Ctrl-C is to end a command within two seconds: so long may each word take that clears up.
const CLEAR: Duration = Duration::from_millis(900);
/// Between two looks at how far the copies are.
const PAUSE: Duration = Duration::from_millis(200);

/// Copies all disks as they are at one moment.
pub(super) fn copy(
    virsh: &Virsh,
    facts: &ManagedFacts,
    domain: &Domain,
    folder: &Path,
    stop: &AtomicBool,
) -> Result<ManagedCopy, ManagedError> {
    let name = facts.name.as_str();
    let not_copied = |reason: String| ManagedError::NotCopied { name: name.to_owned(), reason };
    let machine = Machine { virsh, named: option("domain", name), name };
    let places = places(facts, domain, folder).map_err(not_copied)?;
    machine.end_orphans(&places);
    let targets: Vec<PathBuf> = places
        .iter()
        .enumerate()
        .map(|(number, place)| place.join(copy_name(std::process::id(), number)))
        .collect();
    let description = description(facts, &targets).map_err(|error| not_copied(error.to_string()))?;
    // From here on they go, whatever happens.
    let files = CopiedFiles(targets.clone());
    let frozen = domain.has_agent.then(|| Frozen::freeze(&machine, stop)).transpose()?;
    let count = frozen.as_ref().map(|frozen| frozen.count);
    let backup = Backup { machine: &machine, is_over: false };
    let description = (option("backupxml", &description.path().to_string_lossy()), description);
    let begun = virsh.run(&["backup-begin", &machine.named, &description.0], ANSWER, Some(stop));
    // What is written from now on is not in the copies any more, though it takes a while until they are whole.
    drop(frozen);
    begun.map_err(|error| not_copied(error.to_string()))?;
    backup.finish(stop)?;
    let disks = facts.disks.iter().zip(targets);
    let disks = disks.map(|(disk, path)| LiveDisk { name: disk.target.clone(), path }).collect();
    let copy =
        LiveCopy { machine: Some(name.to_owned()), disks, frozen: count, skipped: facts.skipped.clone() };
    Ok(ManagedCopy { copy, files })
}

/// The folder that each copy goes to: `folder`, or that of the disk where the emulator is another user's, who may write
/// beside its disks and not there.
fn places(facts: &ManagedFacts, domain: &Domain, folder: &Path) -> Result<Vec<PathBuf>, String> {
    let own = nix::unistd::geteuid().as_raw();
    let Some(user) = domain.user.filter(|user| *user != own && *user != 0) else {
        return Ok(vec![folder.to_owned(); facts.disks.len()]);
    };
    if own != 0 {
        return Err(format!("its emulator runs as the user {user}, whose files are not yours to read"));
    }
    let beside = |path: &Path| path.parent().map(Path::to_owned).filter(|folder| folder.is_dir());
    let usual = facts.disks.iter().filter(|disk| !disk.is_device).find_map(|disk| beside(&disk.path));
    let place = |disk: &super::ManagedDisk| {
        let own = if disk.is_device { None } else { beside(&disk.path) };
        let none = || format!("its disk {} has no folder in which there is room for a copy", disk.target);
        own.or_else(|| usual.clone()).ok_or_else(none)
    };
    facts.disks.iter().map(place).collect()
}

/// What libvirt is asked for, in a file.
fn description(facts: &ManagedFacts, targets: &[PathBuf]) -> std::io::Result<tempfile::NamedTempFile> {
    let disks: String = facts
        .disks
        .iter()
        .zip(targets)
        .map(|(disk, target)| {
            format!(
                "<disk name='{}' type='file' backup='yes'><driver type='qcow2'/><target file='{}'/></disk>",
                escaped(&disk.target),
                escaped(&target.to_string_lossy())
            )
        })
        .collect();
    let mut file = tempfile::Builder::new().prefix("imgfile-backup-").suffix(".xml").tempfile()?;
    write!(file, "<domainbackup mode='push'><disks>{disks}</disks></domainbackup>")?;
    file.flush()?;
    Ok(file)
}

/// A text as the value of an attribute.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('\'', "&apos;").replace('"', "&quot;")
}

/// A machine that is spoken of.
struct Machine<'a> {
    virsh: &'a Virsh,
    /// As commands take it.
    named: String,
    name: &'a str,
}

impl Machine<'_> {
    /// Ends a copy that an imgfile began which was killed, and removes what it left: libvirt goes on with it, for nobody,
    /// and begins no other meanwhile.
    fn end_orphans(&self, places: &[PathBuf]) {
        let is_gone = |process: u32| !Path::new(&format!("/proc/{process}")).exists();
        self.abort(is_gone);
        for entry in places.iter().filter_map(|place| std::fs::read_dir(place).ok()).flatten().flatten() {
            let file = entry.file_name();
            let is_ours = |found: &std::fs::Metadata| found.is_file() && found.nlink() == 1;
            if file.to_str().and_then(copied_by).is_some_and(is_gone)
                && entry.path().symlink_metadata().is_ok_and(|found| is_ours(&found))
            {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }

    /// Whether a job is under way.
    fn is_busy(&self, stop: &AtomicBool) -> Result<bool, VirshError> {
        Ok(job_type(&self.virsh.run(&["domjobinfo", &self.named], ANSWER, Some(stop))?) != "None")
    }

    /// Ends the backup that is under way, if it was begun by such a process: another is somebody else's.
    fn abort(&self, is_by: impl Fn(u32) -> bool) {
        let is_ours = || {
            let told = self.virsh.run(&["backup-dumpxml", &self.named], CLEAR, None).unwrap_or_default();
            told.split(['\'', '"', '/']).filter_map(copied_by).any(&is_by)
        };
        if !is_ours() {
            return;
        }
        let _ = self.virsh.run(&["domjobabort", &self.named], CLEAR, None);
        for _ in 0..4 {
            if !is_ours() {
                break;
            }
            std::thread::sleep(PAUSE);
        }
    }
}

/// What `domjobinfo` says of a job.
fn job_type(told: &str) -> String {
    let line = told.lines().find_map(|line| line.trim().strip_prefix("Job type:"));
    line.unwrap_or("None").trim().to_owned()
}

/// A machine whose file systems are frozen until this is dropped.
struct Frozen<'a> {
    machine: &'a Machine<'a>,
    count: u64,
}

impl<'a> Frozen<'a> {
    fn freeze(machine: &'a Machine<'a>, stop: &AtomicBool) -> Result<Self, ManagedError> {
        // From here on it is thawed: an answer that comes too late has frozen it all the same.
        let mut frozen = Self { machine, count: 0 };
        let said = machine.virsh.run(&["domfsfreeze", &machine.named], FREEZE, Some(stop));
        let said = said.map_err(|error| ManagedError::NotFrozen {
            name: machine.name.to_owned(),
            reason: error.to_string(),
        })?;
        frozen.count = said.split_whitespace().find_map(|word| word.parse().ok()).unwrap_or(0);
        Ok(frozen)
    }
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        let _ = self.machine.virsh.run(&["domfsthaw", &self.machine.named], CLEAR, None);
    }
}

/// A backup that was asked for; dropped before it is over, it is ended.
struct Backup<'a> {
    machine: &'a Machine<'a>,
    is_over: bool,
}

impl Backup<'_> {
    /// Waits until the copies are whole.
    fn finish(mut self, stop: &AtomicBool) -> Result<(), ManagedError> {
        let not_copied =
            |reason: String| ManagedError::NotCopied { name: self.machine.name.to_owned(), reason };
        while self.machine.is_busy(stop).map_err(|error| not_copied(error.to_string()))? {
            if stop.load(Ordering::Relaxed) {
                return Err(not_copied("the copy was given up".into()));
            }
            std::thread::sleep(PAUSE);
        }
        let words = ["domjobinfo", &self.machine.named, "--completed", "--anystats"];
        let told = self.machine.virsh.run(&words, ANSWER, None);
        let ended = job_type(&told.map_err(|error| not_copied(error.to_string()))?);
        if ended != "Completed" {
            let error = "its backup has failed; libvirt's log of the machine may tell why";
            let reason = if ended == "None" { "nobody knows how its backup ended" } else { error };
            self.is_over = true;
            return Err(not_copied(reason.into()));
        }
        self.is_over = true;
        Ok(())
    }
}

impl Drop for Backup<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.machine.abort(|process| process == std::process::id());
        }
    }
}

//! A machine that runs: its disks are copied into the working folder, and what is captured are the copies.

use std::path::{Path, PathBuf};

use super::Failure;
use crate::{
    diagnostic::{Diagnostic, codes},
    driver::{
        DriverEntry,
        live::{LiveCopy, LiveDisk, LiveError, LiveMachine},
    },
    exec::{BuildError, Reporter},
    ops::{
        error::{Class, Error},
        inspect::harmless,
        run::Target,
    },
    store::WorkFolder,
    text::Sources,
};

/// An empty folder for copies.
pub(super) fn folder(work: &WorkFolder) -> Result<PathBuf, BuildError> {
    let folder = work.path().join("copies");
    match std::fs::create_dir(&folder) {
        Ok(()) => Ok(folder),
        Err(source) => Err(BuildError::Io { action: "create", path: folder, source }),
    }
}

/// Copies the disks of a machine; answers the first, which is the one that machines boot from, and the others by name.
/// Where the machine runs `way` says how it would be frozen.
pub(super) async fn copy(
    driver: &DriverEntry,
    (monitor, guest_agent): (&Path, Option<&Path>),
    work: &WorkFolder,
    way: Option<&str>,
    reporter: &Reporter,
) -> Result<(Target, Vec<(String, Target)>), Failure> {
    let folder = folder(work)?;
    let machine = LiveMachine { monitor, guest_agent, folder: &folder };
    let copying = async {
        let copied = (driver.live)(machine).await;
        copied.map_err(|error| BuildError::Diagnosed(not_copied(&error).diagnostics().to_vec()))
    };
    let copied = reporter.step("copy the disks of the machine", copying).await?;
    targets(copied, way, reporter)
}

/// The copies, as what is captured; tells how they were made, and `way`, how they would be better, of a machine that runs.
pub(super) fn targets(
    copied: LiveCopy,
    way: Option<&str>,
    reporter: &Reporter,
) -> Result<(Target, Vec<(String, Target)>), Failure> {
    match (copied.frozen, way) {
        (None, None) => {}
        (None, Some(way)) => reporter.note(format!(
            "warning[{}]: the machine was not frozen while its disks were copied: they are as after a loss of power; {way}",
            codes::COPIED_UNFROZEN
        )),
        (Some(1), _) => reporter.note("1 file system was frozen for the moment of the copy"),
        (Some(count), _) => reporter.note(format!("{count} file systems were frozen for the moment of the copy")),
    }
    copied.skipped.iter().for_each(|skipped| reporter.note(harmless(skipped)));
    let machine = copied.machine.map_or_else(|| "the machine".to_owned(), |name| harmless(&name));
    let target = |disk: LiveDisk| {
        let name = harmless(&disk.name);
        (name.clone(), Target { name: format!("{name} of {machine}"), path: disk.path })
    };
    let mut disks = copied.disks.into_iter().map(target);
    let Some((_, first)) = disks.next() else {
        let error = LiveError::NotCopied { reason: "it has no disk".into() };
        return Err(not_copied(&error).into());
    };
    Ok((first, disks.collect()))
}

/// Why a running machine was not copied, and what to do.
#[must_use]
pub fn not_copied(error: &LiveError) -> Error {
    let (code, help) = match error {
        LiveError::NoMonitor { .. } => (
            codes::NO_MONITOR,
            "its emulator opens one by `-qmp unix:SOCKET,server=on,wait=off`, and speaks with one at a time",
        ),
        LiveError::NotFrozen { .. } => {
            (codes::NOT_FROZEN, "without `--guest-agent` the machine is captured as after a loss of power")
        }
        LiveError::NotGeneralized { .. } => (
            codes::NOT_GENERALIZED,
            "Windows is generalized that runs with a guest agent in it; `imgfile explain E0662` tells where the log of sysprep is",
        ),
        LiveError::NotCopied { .. } => (
            codes::NOT_COPIED,
            "its emulator writes the copies into the store: `--store DIR` names a folder where it may",
        ),
    };
    let diagnostic = Diagnostic::new(code, harmless(&error.to_string())).help(help);
    Error::diagnosed(Class::Files, vec![diagnostic], Sources::default())
}

//! A machine that libvirt has: shut off, its disks are captured where they are; while it runs, as they are copied.

use std::path::PathBuf;

use super::{Failure, live};
use crate::{
    diagnostic::{Diagnostic, codes},
    driver::{
        DriverEntry,
        managed::{CopiedFiles, ManagedDisk, ManagedError, ManagedFacts, ManagedMachine},
    },
    exec::{BuildError, Reporter},
    ops::{
        error::{Class, Error},
        inspect::harmless,
        listener::Listener,
        run::Target,
    },
    store::WorkFolder,
    text::{Sources, nearest},
};

/// What is known of a machine, with the targets that its disks are where it is shut off: the first, and the others by name.
pub(super) struct Found {
    pub(super) name: String,
    pub(super) disks: Option<(Target, Vec<(String, Target)>)>,
}

/// Looks at a machine.
pub(super) async fn look(
    driver: &DriverEntry,
    machine: &ManagedMachine,
    listener: &dyn Listener,
) -> Result<Found, Error> {
    let facts = (driver.look_managed)(machine).await.map_err(|error| not_captured(&error))?;
    let ManagedFacts { name, runs, disks, skipped } = facts;
    let name = harmless(&name);
    if runs {
        return Ok(Found { name, disks: None });
    }
    for reason in &skipped {
        listener.note(&harmless(reason));
    }
    let target = |disk: &ManagedDisk| {
        let called = harmless(&disk.target);
        // What is no file is told of when it is opened.
        let path = disk.path.canonicalize().unwrap_or_else(|_| disk.path.clone());
        (called.clone(), Target { name: format!("{called} of {name}"), path })
    };
    let mut targets = disks.iter().map(target);
    // There is one: a machine without is refused by the driver.
    let first = targets.next().map(|(_, first)| first);
    let disks = first.map(|first| (first, targets.collect()));
    Ok(Found { name, disks })
}

/// Copies the disks of one that runs; answers the first, the others by name, and what removes the copies in the end.
pub(super) async fn copy(
    driver: &DriverEntry,
    machine: &ManagedMachine,
    work: &WorkFolder,
    reporter: &Reporter,
) -> Result<(Target, Vec<(String, Target)>, CopiedFiles), Failure> {
    let folder: PathBuf = live::folder(work)?;
    let copying = async {
        let copied = (driver.copy_managed)(machine, &folder).await;
        copied.map_err(|error| BuildError::Diagnosed(not_captured(&error).diagnostics().to_vec()))
    };
    let copied = reporter.step("copy the disks of the machine", copying).await?;
    let way = "with a guest agent connected in it, libvirt has it frozen";
    let (first, others) = live::targets(copied.copy, Some(way), reporter)?;
    Ok((first, others, copied.files))
}

/// Why a machine of libvirt's was not captured, and what to do.
#[must_use]
pub fn not_captured(error: &ManagedError) -> Error {
    let message = harmless(&error.to_string());
    let (class, diagnostic) = match error {
        ManagedError::NotReached { is_absent, .. } => {
            let help = if *is_absent {
                "it comes with libvirt's clients: install the package `libvirt-clients` (Debian, Ubuntu) or `libvirt-client` (Fedora)"
            } else {
                "`virsh --connect URI list --all` tells whether it answers you; `--connect` names another, such as that of the whole host"
            };
            (Class::Host, Diagnostic::new(codes::NO_LIBVIRT, message).help(help))
        }
        ManagedError::Unknown { name, known } => {
            let known: Vec<String> = known.iter().map(|one| harmless(one)).collect();
            let help = match (nearest(name, known.iter().map(String::as_str)), known.len()) {
                (_, 0) => {
                    "it has none; `--connect` names another libvirt, such as that of the whole host, where you may have asked your own"
                        .to_owned()
                }
                (Some(near), _) => format!("did you mean `{near}`?"),
                (None, _) => format!("it has {}", known.join(", ")),
            };
            let diagnostic = Diagnostic::new(codes::NO_SUCH_MACHINE, message).help(help);
            (Class::Usage, diagnostic)
        }
        ManagedError::Unfit { help, .. } => {
            (Class::Files, Diagnostic::new(codes::MACHINE_UNFIT, message).help(harmless(help)))
        }
        ManagedError::NotFrozen { .. } => (
            Class::Files,
            Diagnostic::new(codes::NOT_FROZEN, message)
                .help("stop the agent in it to capture it as after a loss of power, or shut the machine down"),
        ),
        ManagedError::NotCopied { .. } => (
            Class::Files,
            Diagnostic::new(codes::NOT_COPIED, message)
                .help("one job at a time: `virsh domjobinfo` shows what is under way; the copies need as much room as its disks hold"),
        ),
    };
    Error::diagnosed(class, vec![diagnostic], Sources::default())
}

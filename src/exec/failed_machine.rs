//! What is left of a build that failed, for whoever wants to look at it (`--on-failure keep|shell`).

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::mpsc::Receiver;

use super::BuildError;
use crate::{
    driver::{
        DiskFile, DiskForm, DiskFormat, Disks, DriverError, Exec, ExecEnd, Machine, Output, TerminalInput,
        TerminalSize,
    },
    model::Compression,
    store::{Layer, Store, WorkFolder},
};

/// How long a machine may take to come to rest before its disk is kept as it is.
const REST: Duration = Duration::from_mins(1);
/// Name of a kept disk in its folder.
const KEPT: &str = "failed.qcow2";

/// A machine in which a step or test failed, with all it stands on.
#[derive(Debug)]
pub struct FailedMachine {
    /// Name of the image that was built, as in the ImageFile.
    pub image: String,
    machine: Box<dyn Machine>,
    /// How the command that failed was run: user, environment, folder.
    command: CommandContext,
    disk: PathBuf,
    format: DiskFormat,
    disks: Arc<dyn Disks>,
    /// Layers below the disk.
    held: Vec<Layer>,
    /// Where all of it is.
    work: Option<WorkFolder>,
}

/// How a command is run.
#[derive(Debug, Clone, Default)]
pub(super) struct CommandContext {
    pub user: Option<String>,
    pub env: Vec<(String, String)>,
    pub cwd: Option<String>,
}

/// Takes the first failed machine of a command; the machines of others are dropped.
#[derive(Debug, Default)]
pub struct FailedMachineSlot(Mutex<Option<FailedMachine>>);

impl FailedMachineSlot {
    /// The machine, for whoever looks at it; none if no build failed in one, or it was taken before.
    #[must_use]
    pub fn take(&self) -> Option<FailedMachine> {
        self.lock().take().filter(|failed_machine| failed_machine.work.is_some())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<FailedMachine>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn put(
        &self,
        image: &str,
        machine: Box<dyn Machine>,
        command: CommandContext,
        (disk, format): (PathBuf, DiskFormat),
        disks: Arc<dyn Disks>,
    ) {
        let mut slot = self.lock();
        if slot.is_none() {
            let image = image.to_owned();
            let held = Vec::new();
            *slot = Some(FailedMachine { image, machine, command, disk, format, disks, held, work: None });
        }
    }

    /// The layers that the failed machine's disk stands on.
    pub(super) fn hold(&self, image: &str, held: Vec<Layer>) {
        if let Some(failed_machine) =
            self.lock().as_mut().filter(|failed_machine| failed_machine.image == image)
        {
            failed_machine.held = held;
        }
    }

    /// The folder the failed machine is in; it comes last, and makes the failed machine whole.
    pub(super) fn house(&self, image: &str, work: WorkFolder) {
        if let Some(failed_machine) =
            self.lock().as_mut().filter(|failed_machine| failed_machine.image == image)
        {
            failed_machine.work = Some(work);
        }
    }
}

/// Keeps the picture of a machine that hangs where no sweep removes it, only `gc`. What cannot be kept is not told of.
pub(super) fn with_kept_screen(store: &Store, id: &str, fault: DriverError) -> DriverError {
    let DriverError::Hang { doing, after, console, screen: Some(taken) } = fault else { return fault };
    let keep = || -> Option<PathBuf> {
        let work = store.begin_build(&format!("screen-{id}")).ok()?;
        let name = taken.file_name()?;
        std::fs::copy(&taken, work.path().join(name)).ok()?;
        Some(work.keep().ok()?.join(name))
    };
    let screen = keep();
    DriverError::Hang { doing, after, console, screen }
}

impl FailedMachine {
    /// A shell of the user, and in the folder and environment, of what failed. What the terminal shows goes
    /// to `sink`; the shell ends with the input.
    pub async fn shell(
        &mut self,
        size: TerminalSize,
        term: &str,
        input: Receiver<TerminalInput>,
        sink: &mut (dyn FnMut(Output) + Send),
    ) -> Result<ExecEnd, DriverError> {
        const SHELL: &str = "[ -x /bin/bash ] && exec /bin/bash -i; exec /bin/sh -i";
        let mut exec = Exec::argv(["/bin/sh", "-c", SHELL]);
        exec.user.clone_from(&self.command.user);
        exec.env.clone_from(&self.command.env);
        exec.env.push(("TERM".to_owned(), term.to_owned()));
        exec.cwd.clone_from(&self.command.cwd);
        self.machine.shell(exec, size, input, sink).await
    }

    /// Lets the system come to rest, and keeps its disk: a file of its own that needs nothing else of the
    /// store, which no sweep removes, only `gc`. Returns its path.
    pub async fn keep(self) -> Result<PathBuf, BuildError> {
        let Self { machine, disk, format, disks, held, work, .. } = self;
        // One that hangs is killed by being dropped; its disk then is that of a crashed machine.
        let _ = tokio::time::timeout(REST, machine.power_off()).await;
        let Some(work) = work else {
            return Err(BuildError::InputChanged { path: disk.display().to_string() });
        };
        let kept = work.path().join(KEPT);
        // Somebody waits for it, to look at it once: it is not packed.
        let form = DiskForm { format: DiskFormat::Qcow2, compression: Compression::None, dynamic: false };
        disks.write(DiskFile { path: &disk, format }, &kept, form).await?;
        drop(held);
        let folder = work.keep()?;
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            if entry.file_name() != KEPT {
                let _ = std::fs::remove_file(entry.path()).or_else(|_| std::fs::remove_dir_all(entry.path()));
            }
        }
        Ok(folder.join(KEPT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_outlives_its_machine_until_gc() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path().join("store")).unwrap();
        let taken = root.path().join("screen.png");
        std::fs::write(&taken, "picture").unwrap();
        let hang = |screen| DriverError::Hang {
            doing: "boot".into(),
            after: Duration::from_secs(1),
            console: String::new(),
            screen,
        };
        let kept = with_kept_screen(&store, "1", hang(Some(taken.clone())));
        let DriverError::Hang { screen: Some(kept), .. } = kept else { panic!("{kept:?}") };
        drop(store);
        let store = Store::open(root.path().join("store")).unwrap();
        assert_eq!(std::fs::read_to_string(&kept).unwrap(), "picture");
        store.remove_kept_builds().unwrap();
        assert!(!kept.exists());
        // One that is not there is not named.
        let lost = with_kept_screen(&store, "2", hang(Some(root.path().join("none.png"))));
        assert!(matches!(lost, DriverError::Hang { screen: None, .. }), "{lost:?}");
    }
}

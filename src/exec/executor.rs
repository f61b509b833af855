//! What builds images: what it works with, what it is asked for, and how it starts a machine.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use super::{
    Budget, BuildError, FailedMachineSlot, ParentDisks, ProjectFiles, Reporter, Secrets, SourceDisk,
    describe::DescribeOptions, failed_machine::with_kept_screen, session::StepContext,
};
use crate::{
    driver::{Disk, Driver, DriverError, End, Limits, Machine, MachineSpec, Network, Start},
    model::DiskFormat,
    plan::ImagePlan,
    store::{Base, Store, WorkFolder},
    text::Digest,
};

/// What a build works with.
#[derive(Clone, Copy)]
pub struct Executor<'a> {
    /// Where layers, blobs and working folders are.
    pub store: &'a Arc<Store>,
    /// What starts the machines.
    pub driver: &'a dyn Driver,
    /// The files that steps copy and run.
    pub project: &'a dyn ProjectFiles,
    /// Where what happens is reported.
    pub reporter: &'a Reporter,
    /// What all machines may take together.
    pub budget: &'a Budget,
    /// Where images that others are based on leave their disks.
    pub parent_disks: &'a ParentDisks,
    /// Takes the machine in which a step or test failed; without it, such a machine is killed.
    pub failed_machines: Option<&'a FailedMachineSlot>,
}

impl std::fmt::Debug for Executor<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Executor").field("driver", &self.driver).finish_non_exhaustive()
    }
}

/// What must be on this host before an image's machine starts.
#[derive(Debug, Clone, Default)]
pub struct BuildInputs {
    /// The base's disk, qcow2 or raw; it is never written. Left empty for an image that stands on
    /// another one: its disk comes from there.
    pub base: PathBuf,
    /// What `base` is opened as; it is never probed for that.
    pub base_format: DiskFormat,
    /// Keeps that disk in place, if it is a base of the store.
    pub held: Option<Base>,
    /// Package files and downloads, by digest.
    pub blobs: BTreeMap<Digest, PathBuf>,
    /// Values of the secrets that its steps name; empty if none does.
    pub secrets: Secrets,
    /// The disk of somebody else's that `base` is: no image is made of it if it changes meanwhile.
    pub source: Option<Arc<SourceDisk>>,
}

/// The choices of one `build`.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where artifacts go.
    pub out: PathBuf,
    /// Whether the user named that folder: one that comes with a project may not be a link.
    pub out_given: bool,
    /// Whether files that imgfile did not write may be replaced.
    pub force: bool,
    /// Which tests the artifact passes before it appears.
    pub tests: Tests,
    /// Whether steps done before are reused, and those done now kept.
    pub cache: bool,
    /// What is written beside artifacts that describes them; nothing without it.
    pub describe: Option<Arc<DescribeOptions>>,
}

/// Which tests an artifact is put to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tests {
    /// None.
    None,
    /// Those of the ImageFile, under the first firmware that the base declares.
    #[default]
    Own,
    /// As `All` where what decides how the disk comes up is not as on one that passed all, as `Own` elsewhere.
    Changed,
    /// Those of the ImageFile, under every firmware that the base declares, and the clone test: two instances boot side by
    /// side and are compared.
    All,
}

impl Tests {
    /// Whether any is run on an image: one without tests of its own has nothing to pass unless all are asked for.
    #[must_use]
    pub const fn are_run_on(self, image: &ImagePlan) -> bool {
        match self {
            Self::None => false,
            Self::Own | Self::Changed => !image.tests.is_empty(),
            Self::All => true,
        }
    }
}

/// A finished disk image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Where it is: the file in the output folder, such as `out/web.qcow2`.
    pub path: PathBuf,
    /// Digest of the whole file.
    pub sha256: Digest,
    /// In bytes.
    pub size: u64,
}

impl Executor<'_> {
    /// What the steps and tests of an image are done with.
    pub(super) fn context<'c>(
        &'c self,
        image: &'c ImagePlan,
        reporter: &'c Reporter,
        downloads: &'c BTreeMap<Digest, PathBuf>,
        secrets: &'c Secrets,
    ) -> StepContext<'c> {
        let (store, project, mask) = (self.store, self.project, secrets.mask());
        StepContext { image, store, project, reporter, downloads, secrets, mask }
    }

    pub(super) fn machine(
        &self,
        image: &ImagePlan,
        start: Start,
        disk: Disk,
        run_dir: PathBuf,
    ) -> MachineSpec {
        MachineSpec {
            cpus: self.budget.cpus(image.machine.cpus),
            memory_mib: u32::try_from(image.machine.memory_mib).unwrap_or(u32::MAX),
            start,
            disks: vec![disk],
            payload: Vec::new(),
            network: if image.network { Network::User } else { Network::None },
            run_dir,
            limits: Limits::default(),
        }
    }

    /// Starts a machine, once more if the emulator dies of itself: under emulation of several processors QEMU
    /// loses a race now and then while they come up. Nothing has been done in the machine by then.
    pub(super) async fn start(
        &self,
        context: &StepContext<'_>,
        spec: MachineSpec,
    ) -> Result<Box<dyn Machine>, DriverError> {
        let started = match self.driver.start(spec.clone()).await {
            Err(fault @ DriverError::MachineEnded { end: End::EmulatorDied { .. }, .. }) => {
                context.reporter.note(format!("{fault}; starting it once more"));
                self.driver.start(spec).await
            }
            started => started,
        };
        started.map_err(|fault| with_kept_screen(self.store, &build_id(), fault))
    }
}

pub(super) fn folder(work: &WorkFolder, name: &str) -> Result<PathBuf, BuildError> {
    let path = work.path().join(name);
    std::fs::create_dir(&path).map_err(|source| BuildError::Io {
        action: "create",
        path: path.clone(),
        source,
    })?;
    Ok(path)
}

/// Unique on this machine, sorts by time.
pub(super) fn build_id() -> String {
    // Several images may begin within one tick of the clock.
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    format!("{}-{}-{count}", since.as_millis(), std::process::id())
}

//! One image from its base to the artifact in the output folder.

use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::{
    Budget, BuildError, EventKind, FailedMachineSlot, Outcome, ParentDisks, PlanSummary, ProjectFiles,
    Reporter, Secrets,
    budget::SEALS,
    chain::{self, Again, Chain, FinishedDisk},
    describe::{self, DescribeOptions},
    failed_machine::with_kept_screen,
    finished, gate, hypervisors, inventory, output, package,
    publish::StagedArtifacts,
    session::{Session, StepContext, StepPlace},
};
use crate::{
    describe::Inventory,
    driver::{
        Disk, DiskAccess, DiskFile, Driver, DriverError, End, Limits, Machine, MachineSpec, MountOptions,
        Network, PayloadFile, Start,
    },
    model::{DiskFormat, Firmware},
    plan::{Action, BaseSource, ImagePlan, OutputPlan, Stage, Step, Test, TestCheck},
    store::{Base, Claim, Store, WorkFolder},
    text::Digest,
};

/// The step that looks at the finished disk.
const LOOK: &str = "inspect the disk";

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
    pub standing: &'a ParentDisks,
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
            Self::Own => !image.tests.is_empty(),
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
    /// Builds one image and puts its artifacts into the output folder, all of them or none.
    pub async fn build(
        &self,
        image: &ImagePlan,
        supplies: &BuildInputs,
        options: &Options,
    ) -> Result<Vec<Artifact>, BuildError> {
        let began = std::time::Instant::now();
        let result = self.build_image(image, supplies, options).await;
        let (outcome, message) = match &result {
            Ok(_) => (Outcome::Done, None),
            Err(failure) => (Outcome::Failed, Some(failure.to_string())),
        };
        let elapsed_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.reporter.of_image(&image.image).report(EventKind::Finished { outcome, elapsed_ms, message });
        result
    }

    async fn build_image(
        &self,
        image: &ImagePlan,
        supplies: &BuildInputs,
        options: &Options,
    ) -> Result<Vec<Artifact>, BuildError> {
        let reporter = self.reporter.of_image(&image.image);
        let context = StepContext {
            image,
            store: self.store,
            project: self.project,
            reporter: &reporter,
            downloads: &supplies.blobs,
            secrets: &supplies.secrets,
            mask: supplies.secrets.mask(),
        };
        reporter.report(EventKind::Planned(Box::new(PlanSummary::of(image))));
        reporter.report(EventKind::Started { steps: step_names(image, options) });
        let supplies = &self.with_base(image, supplies)?;
        if options.cache
            && let Some(artifacts) = finished::find(self.store, image, options.tests, &options.out)
            && self.describe_again(image, &artifacts, options)?
        {
            if self.standing.wants(image.key()) {
                // The artifacts are there; the disk they were made of may be gone from the store.
                let work = self.store.begin_build(&build_id())?;
                let disk = self.make_disk(&context, supplies, &work, options).await?;
                self.standing.put(image.key(), disk, work);
            } else {
                image.steps.iter().for_each(|step| reporter.reused(&step.name));
            }
            for test in test_names(image, options.tests) {
                reporter.reused(&test);
            }
            return Ok(artifacts);
        }
        let files = || image.outputs.iter().map(|output| output.file.as_str());
        let described = options.describe.as_deref().map(|describe| describe::names(image, describe));
        let described = described.unwrap_or_default();
        let files = || files().chain(described.iter().map(String::as_str));
        output::check(self.store, options, files())?;
        output::writable(&options.out, files())?;
        super::change::remember(self.store, image)?;
        let work = self.store.begin_build(&build_id())?;
        let built = self.build_in(&context, supplies, options, &work).await;
        match built {
            Ok((artifacts, disk)) => {
                if self.standing.wants(image.key()) {
                    self.standing.put(image.key(), disk, work);
                }
                Ok(artifacts)
            }
            Err(failure) => {
                if let Some(failed_machines) = self.failed_machines {
                    failed_machines.house(&image.image, work);
                }
                Err(failure)
            }
        }
    }

    /// The whole build in its working folder.
    async fn build_in(
        &self,
        context: &StepContext<'_>,
        supplies: &BuildInputs,
        options: &Options,
        work: &WorkFolder,
    ) -> Result<(Vec<Artifact>, FinishedDisk), BuildError> {
        let (image, reporter) = (context.image, context.reporter);
        let disk = self.make_disk(context, supplies, work, options).await?;

        self.pass_gate(context, work, &disk.path).await?;
        for warning in hypervisors::warnings(self.store.facts(), image) {
            reporter.note(warning);
        }
        let sealed = self.seal(context, &disk, work).await?;
        let tested = options.tests.are_run_on(image);
        if tested {
            // Every output holds the same disk; a container the driver cannot boot is represented by
            // the disk it was made from.
            let bootable = sealed
                .iter()
                .find_map(|(output, path)| Some((path.as_path(), output.format.for_machines()?)));
            let booted = bootable.unwrap_or((disk.path.as_path(), DiskFormat::Qcow2));
            self.run_tests(context, work, booted, options.tests).await?;
        }
        let sealed: Vec<PathBuf> = sealed.into_iter().map(|(_, path)| path).collect();
        let mut edition = StagedArtifacts::stage(self.store, work, &sealed, options)?;
        let artifacts = edition.artifacts();
        if let Some(describe) = options.describe.as_deref() {
            let inventory = self.inventory(context, &disk, work).await?;
            if inventory.databases.is_empty() {
                reporter.note(
                    "the image has no package database that can be read: its packages are not described",
                );
            }
            let files = describe::files(self.store, image, (&inventory, tested), &artifacts, describe)?;
            edition.add(&describe::write(work, &files)?)?;
        }
        // Whoever asks looks whether they are really there.
        finished::remember(self.store, image, options.tests, &artifacts)?;
        edition.publish()?;
        if let Some(describe) = options.describe.as_deref() {
            for name in describe::remove_stale(self.store, image, (options, describe)) {
                reporter.note(format!("removed {name}, which described an earlier build"));
            }
        }
        for Artifact { path, sha256, size } in &artifacts {
            let path = path.display().to_string();
            reporter.report(EventKind::Artifact { path, sha256: *sha256, size: *size });
        }
        Ok((artifacts, disk))
    }

    /// Writes every output of an image, side by side.
    async fn seal<'p>(
        &self,
        context: &StepContext<'p>,
        disk: &FinishedDisk,
        work: &WorkFolder,
    ) -> Result<Vec<(&'p OutputPlan, PathBuf)>, BuildError> {
        let (disks, reporter) = (self.driver.disks(), context.reporter);
        let built = DiskFile { path: &disk.path, format: DiskFormat::Qcow2 };
        let seal = |output: &'p OutputPlan| {
            let disks = &disks;
            async move {
                let path = work.path().join(&output.file);
                let _turn = self.budget.seal().await;
                let form = package::Form::of(output);
                let sealing = package::write(disks.as_ref(), built, &path, form, work.path());
                if let Some(remark) = reporter.step(&format!("seal {}", output.file), sealing).await? {
                    reporter.note(remark);
                }
                Ok((output, path))
            }
        };
        // As many as have a turn at once; when one fails the others are dropped, which ends them.
        stream::iter(&context.image.outputs).map(seal).buffered(SEALS as usize).try_collect().await
    }

    /// The supplies with the disk of the image that this one is based on, if it is based on one.
    fn with_base(&self, image: &ImagePlan, supplies: &BuildInputs) -> Result<BuildInputs, BuildError> {
        let mut supplies = supplies.clone();
        if let BaseSource::Image { image: below, key } = &image.base.source {
            let path = self.standing.path(*key);
            supplies.base = path.ok_or_else(|| BuildError::HostTool {
                program: "store",
                detail: format!("the disk of the image `{below}` is not there"),
            })?;
        }
        Ok(supplies)
    }

    /// Runs an image's tests on the artifact that is in the output folder.
    pub async fn test(
        &self,
        image: &ImagePlan,
        secrets: &Secrets,
        out: &Path,
        tests: Tests,
    ) -> Result<(), BuildError> {
        let reporter = self.reporter.of_image(&image.image);
        let context = StepContext {
            image,
            store: self.store,
            project: self.project,
            reporter: &reporter,
            downloads: &BTreeMap::new(),
            secrets,
            mask: secrets.mask(),
        };
        secrets.suffice(image, &[], true)?;
        let found = image.outputs.iter().find_map(|output| {
            let path = out.join(&output.file);
            Some((path, output.format.for_machines()?))
        });
        let Some((path, format)) = found.filter(|(path, _)| path.is_file()) else {
            let path = image.outputs.first().map_or_else(PathBuf::new, |output| out.join(&output.file));
            return Err(BuildError::NotBuilt { path });
        };
        reporter.report(EventKind::Started { steps: test_names(image, tests) });
        let work = self.store.begin_build(&build_id())?;
        self.run_tests(&context, &work, (&path, format), tests).await
    }

    /// Brings the build disk to the state after the last step, from the deepest layer that holds.
    async fn make_disk(
        &self,
        context: &StepContext<'_>,
        supplies: &BuildInputs,
        work: &WorkFolder,
        options: &Options,
    ) -> Result<FinishedDisk, BuildError> {
        let (image, cache) = (context.image, options.cache);
        // Of so many steps it has been told how they ended.
        let mut told = 0;
        for attempt in 0.. {
            let (done, mut layer) = if cache { chain::deepest(self.store, image) } else { (0, None) };
            self.store.take_notes().into_iter().for_each(|note| context.reporter.note(note));
            let mut claim = None;
            if cache && let Some(next) = image.steps.get(done) {
                claim = Some(self.claim(context, next).await?);
                if chain::deepest(self.store, image).0 != done {
                    continue; // whoever had the claim before has done our work
                }
            }
            context.secrets.suffice(image, &image.steps[done..], options.tests != Tests::None)?;
            for step in image.steps.get(told..done).unwrap_or_default() {
                context.reporter.reused(&step.name);
            }
            if let Some(layer) = layer.take_if(|_| done == image.steps.len()) {
                return Ok(FinishedDisk { path: layer.disk.clone(), held: vec![layer], inventory: None });
            }
            let on = (self.store, self.driver.disks());
            let chain = Chain::start(on, work, attempt, image, supplies, layer, claim).await?;
            let described = options.describe.is_some();
            match self.run_steps(context, supplies, work, chain, (done, described)).await? {
                ControlFlow::Continue(disk) => return Ok(disk),
                ControlFlow::Break(left) => {
                    told = told.max(done + left.ran);
                    context.reporter.note(match left.why {
                        Again::Overtaken => "another build has done the next step; going on from its result",
                        Again::Deep => "putting the disk on its base, before it consists of too many files",
                    });
                }
            }
        }
        unreachable!("the loop ends by returning only")
    }

    /// Waits for the right to do a step that nobody has done.
    async fn claim(&self, context: &StepContext<'_>, step: &Step) -> Result<Claim, BuildError> {
        if let Some(claim) = self.store.layers().try_claim(&step.key.0)? {
            return Ok(claim);
        }
        context.reporter.note(format!("another build is doing `{}`; waiting for its result", step.name));
        let (store, key) = (Arc::clone(self.store), step.key.0);
        let waiting = tokio::task::spawn_blocking(move || store.layers().claim(&key));
        Ok(waiting
            .await
            .map_err(|error| BuildError::HostTool { program: "store", detail: error.to_string() })??)
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

    /// Runs the steps from number `done` on.
    async fn run_steps(
        &self,
        context: &StepContext<'_>,
        supplies: &BuildInputs,
        work: &WorkFolder,
        mut chain: Chain<'_>,
        (done, described): (usize, bool),
    ) -> Result<ControlFlow<Left, FinishedDisk>, BuildError> {
        let result = self.run_steps_on(context, supplies, work, &mut chain, (done, described)).await;
        let inventory = match result {
            Ok(ControlFlow::Continue(inventory)) => inventory,
            Ok(ControlFlow::Break(left)) => return Ok(ControlFlow::Break(left)),
            Err(failure) => {
                if let Some(failed_machines) = self.failed_machines {
                    failed_machines.hold(&context.image.image, chain.into_held());
                }
                return Err(failure);
            }
        };
        let (last, kept) = (context.image.steps.last(), chain.is_kept());
        let disk = match last {
            Some(step) => chain.finish(&step.name, step.key)?,
            None => chain.finish("base", context.image.base_key())?,
        };
        if let Some(inventory) = inventory.as_ref().filter(|_| kept) {
            inventory::remember(self.store, context.image, inventory)?;
        }
        Ok(ControlFlow::Continue(FinishedDisk { inventory, ..disk }))
    }

    /// What the finished disk consists of: as its own machine said, or is remembered, or else as it says in a machine
    /// that is started for that.
    async fn inventory(
        &self,
        context: &StepContext<'_>,
        disk: &FinishedDisk,
        work: &WorkFolder,
    ) -> Result<Inventory, BuildError> {
        let image = context.image;
        if let Some(inventory) = disk.inventory.clone().or_else(|| inventory::known(self.store, image)) {
            return Ok(inventory);
        }
        let attached =
            Disk { path: disk.path.clone(), format: DiskFormat::Qcow2, access: DiskAccess::Discard };
        let spec = self.machine(image, Start::Offline, attached, folder(work, "machine-inventory")?);
        let _share = self.budget.take(&image.machine).await;
        let reading = async {
            let mut machine = self.start(context, spec).await?;
            machine.mount(MountOptions::default()).await?;
            let inventory = inventory::read(machine.as_mut(), self.store, image, context.reporter).await?;
            machine.power_off().await?;
            Ok::<_, BuildError>(inventory)
        };
        let inventory = context.reporter.step("read the packages", reading).await?;
        inventory::remember(self.store, image, &inventory)?;
        Ok(inventory)
    }

    /// Writes what describes artifacts that are there, where it is not there or says something else; false where the
    /// store no longer knows what the image consists of.
    fn describe_again(
        &self,
        image: &ImagePlan,
        artifacts: &[Artifact],
        options: &Options,
    ) -> Result<bool, BuildError> {
        let tested = options.tests.are_run_on(image);
        let Some(describe) = options.describe.as_deref() else { return Ok(true) };
        let Some(inventory) = inventory::known(self.store, image) else { return Ok(false) };
        let files = describe::files(self.store, image, (&inventory, tested), artifacts, describe)?;
        describe::renew(self.store, files, (options, describe), || {
            Ok(self.store.begin_build(&build_id())?)
        })?;
        describe::remove_stale(self.store, image, (options, describe));
        Ok(true)
    }

    async fn run_steps_on(
        &self,
        context: &StepContext<'_>,
        supplies: &BuildInputs,
        work: &WorkFolder,
        chain: &mut Chain<'_>,
        (done, described): (usize, bool),
    ) -> Result<ControlFlow<Left, Option<Inventory>>, BuildError> {
        let image = context.image;
        let disk =
            Disk { path: chain.active().to_owned(), format: DiskFormat::Qcow2, access: DiskAccess::Write };
        let mut spec =
            self.machine(image, Start::Offline, disk, folder(work, &format!("machine-{}", chain.attempt()))?);
        spec.payload = payload(&image.steps[done..], supplies)?;
        let _share = self.budget.take(&image.machine).await;
        let console = spec.console();
        let machine = context.reporter.step("start the machine", self.start(context, spec)).await?;
        let mut session = Session::new(machine, context, console);
        match self.steps_in(&mut session, context, chain, &image.steps[done..]).await {
            Ok(ControlFlow::Continue(())) => {}
            Ok(ControlFlow::Break(left)) => return Ok(ControlFlow::Break(left)),
            Err(failure) => {
                self.retain(session, context, (chain.active(), DiskFormat::Qcow2));
                return Err(failure);
            }
        }
        let machine = &mut session.machine;
        context.reporter.step("trim the disk", machine.trim()).await?;
        let looking = async {
            let inventory = if described {
                Some(inventory::read(machine.as_mut(), self.store, image, context.reporter).await?)
            } else {
                None
            };
            gate::inspect(machine.as_mut(), self.store.facts(), image).await?;
            Ok::<_, BuildError>(inventory)
        };
        let inventory = context.reporter.step(LOOK, looking).await?;
        context.reporter.step("power off", session.machine.power_off()).await?;
        Ok(ControlFlow::Continue(inventory))
    }

    /// Leaves the machine in which something failed to whoever wants to look at it.
    fn retain(&self, session: Session<'_>, context: &StepContext<'_>, (disk, format): (&Path, DiskFormat)) {
        if let Some(failed_machines) = self.failed_machines {
            let (machine, command) = session.into_failed_machine();
            let disks = self.driver.disks();
            failed_machines.put(&context.image.image, machine, command, (disk.to_owned(), format), disks);
        }
    }

    /// Steps one after the other; the machine is at rest afterwards.
    async fn steps_in(
        &self,
        session: &mut Session<'_>,
        context: &StepContext<'_>,
        chain: &mut Chain<'_>,
        steps: &[Step],
    ) -> Result<ControlFlow<Left>, BuildError> {
        let mut before: Option<&Step> = None;
        for (ran, step) in steps.iter().enumerate() {
            session.enter(step.stage).await?;
            // A disk cut while the system runs is a crash image: only what was shut down in order, or
            // never ran, is kept.
            if let (Some(before), Stage::Offline) = (before, step.stage)
                && let ControlFlow::Break(why) =
                    chain.cut(session.machine.as_mut(), &before.name, before.key, step.key).await?
            {
                return Ok(ControlFlow::Break(Left { why, ran }));
            }
            context.reporter.step(&step.name, session.run(step)).await?;
            before = Some(step);
        }
        session.enter(Stage::Offline).await?;
        Ok(ControlFlow::Continue(()))
    }

    /// Holds the finished disk to the rules for such.
    async fn pass_gate(
        &self,
        context: &StepContext<'_>,
        work: &WorkFolder,
        disk: &Path,
    ) -> Result<(), BuildError> {
        let (image, facts) = (context.image, self.store.facts());
        let findings = match gate::known(facts, image) {
            Some(findings) => findings,
            // Its last step was done by somebody who did not look.
            None => {
                let path = disk.to_owned();
                let disk = Disk { path, format: DiskFormat::Qcow2, access: DiskAccess::Discard };
                let spec = self.machine(image, Start::Offline, disk, folder(work, "gate")?);
                let _share = self.budget.take(&image.machine).await;
                let looking = async {
                    let mut machine = self.start(context, spec).await?;
                    let findings = gate::inspect(machine.as_mut(), facts, image).await?;
                    machine.power_off().await?;
                    Ok::<_, DriverError>(findings)
                };
                context.reporter.step(LOOK, looking).await?
            }
        };
        gate::judge(&findings, image, &context.mask, context.reporter)
    }

    /// Boots the sealed artifact by its own boot loader in a throw-away overlay, and looks.
    async fn run_tests(
        &self,
        context: &StepContext<'_>,
        work: &WorkFolder,
        (artifact, format): (&Path, DiskFormat),
        wanted: Tests,
    ) -> Result<(), BuildError> {
        let image = context.image;
        let all = wanted == Tests::All;
        for boot in boots(image, all) {
            let tests: Vec<_> = image.tests.iter().filter(|test| test.stage == boot.stage()).collect();
            if tests.is_empty() {
                continue;
            }
            let disk = Disk { path: artifact.to_owned(), format, access: DiskAccess::Discard };
            let spec = self.machine(image, boot.start(), disk, folder(work, &boot.folder())?);
            let _share = self.budget.take(&image.machine).await;
            let console = spec.console();
            let start = self.start(context, spec);
            let machine = super::boot::step(context.reporter, &boot.title(), &console, start).await?;
            let mut session = Session::new(machine, context, console);
            if let Err(failure) = tests_in(&mut session, context, boot, &tests).await {
                self.retain(session, context, (artifact, format));
                return Err(failure);
            }
        }
        if all { self.test_clones(context, work, artifact, format).await } else { Ok(()) }
    }
}

/// As the events name the comparison of two instances.
pub(super) const CLONE_TEST: &str = "test that instances differ";

/// A boot of the artifact for tests.
#[derive(Debug, Clone, Copy)]
enum TestBoot {
    /// Nothing of it runs.
    Offline,
    /// By its own boot loader. Where there are several firmwares to try, they are in the names.
    Booted { firmware: Firmware, is_named: bool },
}

impl TestBoot {
    const fn stage(self) -> Stage {
        match self {
            Self::Offline => Stage::Offline,
            Self::Booted { .. } => Stage::Booted,
        }
    }

    const fn start(self) -> Start {
        match self {
            Self::Offline => Start::Offline,
            Self::Booted { firmware, .. } => Start::Firmware(firmware),
        }
    }

    fn folder(self) -> String {
        match self {
            Self::Offline => "test-offline".to_owned(),
            Self::Booted { firmware, .. } => format!("test-booted-{firmware}"),
        }
    }

    /// As the events name the step.
    fn title(self) -> String {
        match self {
            Self::Offline => "open the artifact".to_owned(),
            Self::Booted { is_named: false, .. } => "boot the artifact".to_owned(),
            Self::Booted { firmware, .. } => format!("boot the artifact by {firmware}"),
        }
    }

    /// As the events name a test in it.
    fn of(self, test: &Test) -> String {
        match self {
            Self::Booted { firmware, is_named: true } => format!("test {} by {firmware}", test.name),
            _ => format!("test {}", test.name),
        }
    }
}

/// The boots that tests need: under the first firmware that the base declares, or under all of them.
fn boots(image: &ImagePlan, all: bool) -> Vec<TestBoot> {
    let mut firmware = image.base.firmware.clone();
    if firmware.is_empty() {
        firmware.push(Firmware::Bios);
    }
    if !all {
        firmware.truncate(1);
    }
    let is_named = firmware.len() > 1;
    let booted = firmware.into_iter().map(|firmware| TestBoot::Booted { firmware, is_named });
    [TestBoot::Offline].into_iter().chain(booted).collect()
}

/// A machine that was left in the middle of its steps.
struct Left {
    why: Again,
    /// So many of them had been done in it.
    ran: usize,
}

/// Tests of one stage, one after the other.
async fn tests_in(
    session: &mut Session<'_>,
    context: &StepContext<'_>,
    boot: TestBoot,
    tests: &[&Test],
) -> Result<(), BuildError> {
    session.enter(boot.stage()).await?;
    for test in tests {
        let title = boot.of(test);
        let place = StepPlace { name: &title, span: test.span };
        let run = async {
            match &test.check {
                TestCheck::Script(script) => session.script(place, script).await,
                TestCheck::UnitsActive { units } => {
                    let script = session.init(place).await?.units_active(units);
                    session.shell(place, &script).await
                }
            }
        };
        context.reporter.step(&title, run).await?;
    }
    Ok(())
}

/// Names in the order in which they are reported.
fn step_names(image: &ImagePlan, options: &Options) -> Vec<String> {
    image.steps.iter().map(|step: &Step| step.name.clone()).chain(test_names(image, options.tests)).collect()
}

/// The tests that are going to run, in order.
fn test_names(image: &ImagePlan, tests: Tests) -> Vec<String> {
    if tests == Tests::None {
        return Vec::new();
    }
    let all = tests == Tests::All;
    let mut names: Vec<String> = boots(image, all)
        .into_iter()
        .flat_map(|boot| {
            let own = image.tests.iter().filter(move |test| test.stage == boot.stage());
            own.map(move |test| boot.of(test))
        })
        .collect();
    if all {
        names.push(CLONE_TEST.to_owned());
    }
    names
}

/// The package files of the plan's transactions, under the names the package step uses.
fn payload(steps: &[Step], supplies: &BuildInputs) -> Result<Vec<PayloadFile>, BuildError> {
    let changes = steps.iter().filter_map(|step| match &step.action {
        Action::Packages(change) => Some(change),
        _ => None,
    });
    changes
        .flat_map(|change| change.install.iter().map(|package| (change.manager, package)))
        .enumerate()
        .map(|(number, (manager, package))| {
            let path = supplies.blobs.get(&package.sha256).cloned().ok_or_else(|| BuildError::HostTool {
                program: "store",
                detail: format!("{} {} is not there", package.name, package.version),
            })?;
            Ok(PayloadFile { name: manager.payload_name(number), path })
        })
        .collect()
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
fn build_id() -> String {
    // Several images may begin within one tick of the clock.
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    format!("{}-{}-{count}", since.as_millis(), std::process::id())
}

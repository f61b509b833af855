//! The steps of an image, through machines, from the deepest layer that is there to the finished disk.

use std::{ops::ControlFlow, path::Path, sync::Arc};

use super::{
    BuildError,
    chain::{self, Again, Chain, FinishedDisk},
    examination::Examination,
    executor::{BuildInputs, Executor, Options, Tests, folder},
    finished_disk::LOOK,
    session::{Session, StepContext},
};
use crate::{
    driver::{self, Disk, DiskAccess, MachineSpec, PayloadFile, Start},
    model::DiskFormat,
    plan::{Action, Stage, Step},
    store::{Claim, WorkFolder},
};

impl Executor<'_> {
    /// Brings the build disk to the state after the last step, from the deepest layer that holds.
    pub(super) async fn make_disk(
        &self,
        context: &StepContext<'_>,
        inputs: &BuildInputs,
        work: &WorkFolder,
        options: &Options,
    ) -> Result<FinishedDisk, BuildError> {
        let (image, cache) = (context.image, options.cache);
        // Steps whose outcome was already reported.
        let mut reported = 0;
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
            for step in image.steps.get(reported..done).unwrap_or_default() {
                context.reporter.reused(&step.name);
            }
            if let Some(layer) = layer.take_if(|_| done == image.steps.len()) {
                return Ok(FinishedDisk { path: layer.disk.clone(), held: vec![layer], seen: None });
            }
            let on = (self.store, self.driver.disks());
            let chain = Chain::start(on, work, attempt, image, inputs, layer, claim).await?;
            match self.run_steps(context, inputs, work, chain, done).await? {
                ControlFlow::Continue(disk) => return Ok(disk),
                ControlFlow::Break(left) => {
                    reported = reported.max(done + left.ran);
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

    /// Runs the steps from number `done` on.
    async fn run_steps(
        &self,
        context: &StepContext<'_>,
        inputs: &BuildInputs,
        work: &WorkFolder,
        mut chain: Chain<'_>,
        done: usize,
    ) -> Result<ControlFlow<Left, FinishedDisk>, BuildError> {
        let seen = match self.run_steps_on(context, inputs, work, &mut chain, done).await {
            Ok(ControlFlow::Continue(seen)) => seen,
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
        if kept {
            seen.remember(self.store, context.image)?;
        }
        Ok(ControlFlow::Continue(FinishedDisk { seen: Some(seen), ..disk }))
    }

    async fn run_steps_on(
        &self,
        context: &StepContext<'_>,
        inputs: &BuildInputs,
        work: &WorkFolder,
        chain: &mut Chain<'_>,
        done: usize,
    ) -> Result<ControlFlow<Left, Examination>, BuildError> {
        let image = context.image;
        let disk =
            Disk { path: chain.active().to_owned(), format: DiskFormat::Qcow2, access: DiskAccess::Write };
        let mut spec =
            self.machine(image, Start::Offline, disk, folder(work, &format!("machine-{}", chain.attempt()))?);
        spec.payload = payload(&image.steps[done..], inputs)?;
        let _share = self.budget.take(&image.machine).await;
        let console = spec.console();
        let mut resumed = None;
        if let Some(boot) = self.savable_boot(image, chain, done, &spec) {
            resumed = self.resumed(context, chain, &boot, &spec).await?;
        }
        let machine = match resumed {
            Some(machine) => machine,
            None => context.reporter.step("start the machine", self.start(context, spec.clone())).await?,
        };
        let mut session = Session::new(machine, context, console);
        match self.steps_in(&mut session, context, chain, (work, &spec), done).await {
            Ok(ControlFlow::Continue(())) => {}
            Ok(ControlFlow::Break(left)) => return Ok(ControlFlow::Break(left)),
            Err(failure) => {
                self.retain(session, context, (chain.active(), DiskFormat::Qcow2));
                return Err(failure);
            }
        }
        let machine = &mut session.machine;
        context.reporter.step("trim the disk", machine.trim()).await?;
        let seen = context.reporter.step(LOOK, self.look(context, machine.as_mut())).await?;
        context.reporter.step("power off", session.machine.power_off()).await?;
        Ok(ControlFlow::Continue(seen))
    }

    /// Leaves the machine in which something failed to whoever wants to look at it.
    pub(super) fn retain(
        &self,
        session: Session<'_>,
        context: &StepContext<'_>,
        (disk, format): (&Path, DiskFormat),
    ) {
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
        (work, spec): (&WorkFolder, &MachineSpec),
        done: usize,
    ) -> Result<ControlFlow<Left>, BuildError> {
        let mut before: Option<&Step> = None;
        for (ran, step) in context.image.steps[done..].iter().enumerate() {
            let boots = step.stage == Stage::Booted && session.machine.stage() != driver::Stage::Booted;
            if !boots {
                session.enter(step.stage).await?;
            }
            // A disk cut while the system runs is a crash image: only what was shut down in order, or
            // never ran, is kept.
            if let Some(before) = before
                && session.machine.stage() == driver::Stage::Mounted
                && let ControlFlow::Break(why) =
                    chain.cut(session.machine.as_mut(), &before.name, before.key, step.key).await?
            {
                return Ok(ControlFlow::Break(Left { why, ran }));
            }
            if boots {
                // Nothing has been written since the layer below was cut.
                let boot = self.savable_boot(context.image, chain, done + ran, spec);
                session.enter(step.stage).await?;
                if let Some(boot) = boot {
                    self.save_boot(context, session.machine.as_mut(), &boot, work).await?;
                }
            }
            context.reporter.step(&step.name, session.run(step)).await?;
            before = Some(step);
        }
        session.enter(Stage::Offline).await?;
        Ok(ControlFlow::Continue(()))
    }
}

/// A machine that was left in the middle of its steps.
struct Left {
    why: Again,
    /// So many of them had been done in it.
    ran: usize,
}

/// The package files of the plan's transactions, under the names the package step uses.
fn payload(steps: &[Step], inputs: &BuildInputs) -> Result<Vec<PayloadFile>, BuildError> {
    let changes = steps.iter().filter_map(|step| match &step.action {
        Action::Packages(change) => Some(change),
        _ => None,
    });
    changes
        .flat_map(|change| change.install.iter().map(|package| (change.manager, package)))
        .enumerate()
        .map(|(number, (manager, package))| {
            let path = inputs.blobs.get(&package.sha256).cloned().ok_or_else(|| BuildError::HostTool {
                program: "store",
                detail: format!("{} {} is not there", package.name, package.version),
            })?;
            Ok(PayloadFile { name: manager.payload_name(number), path })
        })
        .collect()
}

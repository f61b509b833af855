//! One image from its base to the artifact in the output folder.

use std::{path::PathBuf, time::Instant};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::{
    BuildError, EventKind, Outcome, PlanSummary, boot_parts,
    chain::FinishedDisk,
    describe::{self, Described},
    examination::Examination,
    executor::{Artifact, BuildInputs, Executor, Options, Tests, build_id},
    finished, gate, hypervisors, output, package,
    session::StepContext,
    staged::StagedArtifacts,
    test_boots::test_names,
    tested::TestState,
};
use crate::{
    driver::DiskFile,
    model::DiskFormat,
    plan::{BaseSource, ImagePlan, OutputPlan, Step},
    store::{Store, WorkFolder},
};

/// Notes of artifacts how their tests ended: those of a build are there only if they passed.
fn remember_tests(
    store: &Store,
    image: &ImagePlan,
    tests: Tests,
    artifacts: &[Artifact],
) -> Result<(), BuildError> {
    let state = TestState::of_build(tests, image);
    artifacts.iter().try_for_each(|artifact| state.remember(store, &artifact.sha256))
}

impl Executor<'_> {
    /// Builds one image and puts its artifacts into the output folder, all of them or none.
    pub async fn build(
        &self,
        image: &ImagePlan,
        inputs: &BuildInputs,
        options: &Options,
    ) -> Result<Vec<Artifact>, BuildError> {
        let began = Instant::now();
        let result = self.build_image(image, inputs, options).await;
        self.report_end(image, began, &result);
        result
    }

    /// The last event of an image.
    pub(super) fn report_end<T>(&self, image: &ImagePlan, began: Instant, result: &Result<T, BuildError>) {
        let (outcome, message) = match result {
            Ok(_) => (Outcome::Done, None),
            Err(failure) => (Outcome::Failed, Some(failure.to_string())),
        };
        let elapsed_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.reporter.of_image(&image.image).report(EventKind::Finished { outcome, elapsed_ms, message });
    }

    async fn build_image(
        &self,
        image: &ImagePlan,
        inputs: &BuildInputs,
        options: &Options,
    ) -> Result<Vec<Artifact>, BuildError> {
        let reporter = self.reporter.of_image(&image.image);
        let context = self.context(image, &reporter, &inputs.blobs, &inputs.secrets);
        reporter.report(EventKind::Planned(Box::new(PlanSummary::of(image))));
        reporter.report(EventKind::Started { steps: step_names(image, options) });
        let inputs = &self.with_base(image, inputs)?;
        let seen = Examination::known(self.store, image.key());
        let options = &self.with_tests(image, options, seen.as_ref());
        if options.cache
            && let Some(artifacts) = finished::find(self.store, image, options.tests, &options.out)
            && self.describe_again(image, &artifacts, options)?
        {
            if self.parent_disks.wants(image.key()) {
                // The artifacts are there; the disk they were made of may be gone from the store.
                let work = self.store.begin_build(&build_id())?;
                let disk = self.make_disk(&context, inputs, &work, options).await?;
                self.parent_disks.put(image.key(), disk, work);
            } else {
                image.steps.iter().for_each(|step| reporter.reused(&step.name));
            }
            for test in test_names(image, options.tests) {
                reporter.reused(&test);
            }
            remember_tests(self.store, image, options.tests, &artifacts)?;
            return Ok(artifacts);
        }
        let files = || image.outputs.iter().map(|output| output.file.as_str());
        let described = describe::names(image, options);
        let files = || files().chain(described.iter().map(String::as_str));
        output::check(self.store, options, files())?;
        output::writable(&options.out, files())?;
        super::change::remember(self.store, image)?;
        let work = self.store.begin_build(&build_id())?;
        let built = self.build_in(&context, inputs, options, &work).await;
        match built {
            Ok((artifacts, disk)) => {
                if self.parent_disks.wants(image.key()) {
                    self.parent_disks.put(image.key(), disk, work);
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
        inputs: &BuildInputs,
        options: &Options,
        work: &WorkFolder,
    ) -> Result<(Vec<Artifact>, FinishedDisk), BuildError> {
        let (image, reporter) = (context.image, context.reporter);
        let disk = self.make_disk(context, inputs, work, options).await?;

        let seen = self.examination(context, &disk, work).await?;
        let options = &self.with_tests(image, options, Some(&seen));
        let Examination { findings, inventory, boot_parts } = seen;
        gate::judge(&findings, image, &context.mask, reporter)?;
        let advisories = describe::advisories(image, &inventory, options)?;
        for warning in hypervisors::warnings(self.store.facts(), image) {
            reporter.note(warning);
        }
        let sealed = match self.seal_tested(context, &disk, options.tests, work).await {
            Ok(sealed) => sealed,
            Err(failure) => {
                if let Some(failed_machines) = self.failed_machines {
                    failed_machines.hold(&image.image, disk.held);
                }
                return Err(failure);
            }
        };
        if options.tests == Tests::All {
            boot_parts::remember(self.store, image, boot_parts)?;
        }
        if options.describe.is_some() && inventory.databases.is_empty() {
            reporter
                .note("the image has no package database that can be read: its packages are not described");
        }
        let described = Described { inventory: &inventory, advisories: advisories.as_deref() };
        Ok((self.put_out(context, inputs, options, work, sealed, described)?, disk))
    }

    /// The options with what [`Tests::Changed`] means for a disk of which this was seen.
    fn with_tests(&self, image: &ImagePlan, options: &Options, seen: Option<&Examination>) -> Options {
        let tests = match (options.tests, seen) {
            (Tests::Changed, Some(seen)) if boot_parts::passed(self.store, image, seen.boot_parts) => {
                Tests::Own
            }
            (Tests::Changed, Some(_)) => Tests::All,
            (tests, _) => tests,
        };
        Options { tests, ..options.clone() }
    }

    /// Puts sealed files into the output folder with what describes them, all of them or none.
    pub(super) fn put_out(
        &self,
        context: &StepContext<'_>,
        inputs: &BuildInputs,
        options: &Options,
        work: &WorkFolder,
        sealed: Vec<(&OutputPlan, PathBuf)>,
        described: Described<'_>,
    ) -> Result<Vec<Artifact>, BuildError> {
        let (image, reporter) = (context.image, context.reporter);
        inputs.source.as_ref().map_or(Ok(()), |source| source.is_unchanged())?;
        let sealed: Vec<PathBuf> = sealed.into_iter().map(|(_, path)| path).collect();
        let mut staged = StagedArtifacts::stage(self.store, work, &sealed, options)?;
        let artifacts = staged.artifacts();
        let files = describe::files(self.store, image, described, &artifacts, options)?;
        staged.add(&describe::write(work, &files)?)?;
        // Whoever asks looks whether they are really there.
        finished::remember(self.store, image, options.tests, &artifacts)?;
        remember_tests(self.store, image, options.tests, &artifacts)?;
        staged.put_in_place()?;
        for name in describe::remove_stale(self.store, image, options) {
            reporter.note(format!("removed {name}, which described an earlier build"));
        }
        for Artifact { path, sha256, size } in &artifacts {
            let path = path.display().to_string();
            reporter.report(EventKind::Artifact { path, sha256: *sha256, size: *size });
        }
        Ok(artifacts)
    }

    /// Writes every output and boots the disk that they hold meanwhile; what fails first ends the other. With all tests
    /// wanted, the file itself is booted when it is written.
    async fn seal_tested<'p>(
        &self,
        context: &StepContext<'p>,
        disk: &FinishedDisk,
        tests: Tests,
        work: &WorkFolder,
    ) -> Result<Vec<(&'p OutputPlan, PathBuf)>, BuildError> {
        if !tests.are_run_on(context.image) {
            return self.seal(context, disk, work).await;
        }
        let finished = (disk.path.as_path(), DiskFormat::Qcow2);
        if tests != Tests::All {
            let sealing = self.seal(context, disk, work);
            let testing = self.run_tests(context, work, finished, tests);
            return Ok(tokio::try_join!(sealing, testing)?.0);
        }
        let sealed = self.seal(context, disk, work).await?;
        // A file that the driver cannot boot is represented by the disk that it was made from.
        let bootable =
            sealed.iter().find_map(|(output, path)| Some((path.as_path(), output.format.for_machines()?)));
        self.run_tests(context, work, bootable.unwrap_or(finished), tests).await?;
        Ok(sealed)
    }

    /// Writes every output of an image, side by side.
    pub(super) async fn seal<'p>(
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
        // When one fails the others are dropped, which ends them.
        let outputs = &context.image.outputs;
        stream::iter(outputs).map(seal).buffered(outputs.len().max(1)).try_collect().await
    }

    /// The inputs with the disk of the image that this one is based on, if it is based on one.
    fn with_base(&self, image: &ImagePlan, inputs: &BuildInputs) -> Result<BuildInputs, BuildError> {
        let mut inputs = inputs.clone();
        if let BaseSource::Image { image: below, key } = &image.base.source {
            let path = self.parent_disks.path(*key);
            inputs.base = path.ok_or_else(|| BuildError::HostTool {
                program: "store",
                detail: format!("the disk of the image `{below}` is not there"),
            })?;
        }
        Ok(inputs)
    }
}

/// Names in the order in which they are reported.
fn step_names(image: &ImagePlan, options: &Options) -> Vec<String> {
    image.steps.iter().map(|step: &Step| step.name.clone()).chain(test_names(image, options.tests)).collect()
}

//! A finished disk before it is sealed: held to the rules, and read for what is said of it.

use std::path::Path;

use super::{
    Artifact, BuildError,
    chain::FinishedDisk,
    describe,
    executor::{Executor, Options, build_id, folder},
    gate, inventory,
    session::StepContext,
};
use crate::{
    describe::Inventory,
    driver::{Disk, DiskAccess, DriverError, MountOptions, Start},
    model::DiskFormat,
    plan::ImagePlan,
    store::WorkFolder,
};

/// The step that looks at the finished disk.
pub(super) const LOOK: &str = "inspect the disk";

impl Executor<'_> {
    /// What the finished disk consists of: as its own machine said, or is remembered, or else as it says in a machine
    /// that is started for that.
    pub(super) async fn inventory(
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
    pub(super) fn describe_again(
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

    /// Holds the finished disk to the rules for such.
    pub(super) async fn pass_gate(
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
}

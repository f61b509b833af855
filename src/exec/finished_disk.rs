//! A finished disk before it is sealed: held to the rules, and read for what is said of it.

use super::{
    Artifact, BuildError, boot_parts,
    chain::FinishedDisk,
    describe::{self, Described},
    examination::Examination,
    executor::{Executor, Options, build_id, folder},
    inventory,
    look::{DiskView, look},
    session::StepContext,
};
use crate::{
    driver::{Disk, DiskAccess, DriverError, Machine, RootSource, Start},
    model::DiskFormat,
    plan::{BaseSource, ImagePlan},
    store::WorkFolder,
};

/// The step that looks at the finished disk.
pub(super) const LOOK: &str = "inspect the disk";

impl Executor<'_> {
    /// Looks at the finished disk, the first of a machine that is offline or mounted; nothing is written to it any more.
    pub(super) async fn look(
        &self,
        context: &StepContext<'_>,
        machine: &mut dyn Machine,
    ) -> Result<Examination, DriverError> {
        let image = context.image;
        let DiskView { findings, tree, .. } = look(machine, RootSource::Find).await?;
        let below = match &image.base.source {
            BaseSource::Image { key, .. } => Examination::known(self.store, *key),
            _ => None,
        };
        let below = below.as_ref().map(|below| &below.inventory);
        let inventory = inventory::read(machine, image, below, context.reporter).await?;
        Ok(Examination { findings, inventory, boot_parts: boot_parts::digest(&tree) })
    }

    /// What was seen of the finished disk: by its own machine, or before, or else now, in a machine that is started for that.
    pub(super) async fn examination(
        &self,
        context: &StepContext<'_>,
        disk: &FinishedDisk,
        work: &WorkFolder,
    ) -> Result<Examination, BuildError> {
        let image = context.image;
        if let Some(seen) = disk.seen.clone().or_else(|| Examination::known(self.store, image.key())) {
            return Ok(seen);
        }
        let attached =
            Disk { path: disk.path.clone(), format: DiskFormat::Qcow2, access: DiskAccess::Discard };
        let spec = self.machine(image, Start::Offline, attached, folder(work, "machine-look")?);
        let _share = self.budget.take(&image.machine).await;
        let looking = async {
            let mut machine = self.start(context, spec).await?;
            let seen = self.look(context, machine.as_mut()).await?;
            machine.power_off().await?;
            Ok::<_, DriverError>(seen)
        };
        let seen = context.reporter.step(LOOK, looking).await?;
        // Without a machine of its own it is a layer of the store.
        seen.remember(self.store, image)?;
        Ok(seen)
    }

    /// Writes what describes artifacts that are there, where it is not there or says something else; false where the
    /// store no longer knows what the image consists of.
    pub(super) fn describe_again(
        &self,
        image: &ImagePlan,
        artifacts: &[Artifact],
        options: &Options,
    ) -> Result<bool, BuildError> {
        if options.describe.is_none() {
            return Ok(true);
        }
        let Some(seen) = Examination::known(self.store, image.key()) else { return Ok(false) };
        let advisories = describe::advisories(image, &seen.inventory, options)?;
        let described = Described { inventory: &seen.inventory, advisories: advisories.as_deref() };
        let files = describe::files(self.store, image, described, artifacts, options)?;
        describe::renew(self.store, files, options, || Ok(self.store.begin_build(&build_id())?))?;
        describe::remove_stale(self.store, image, options);
        Ok(true)
    }
}

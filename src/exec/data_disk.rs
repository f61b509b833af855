//! A disk with data alone, as an artifact: it has no system that could be cleaned, would have to start, or has packages.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::{
    BuildError, EventKind, PlanSummary,
    chain::FinishedDisk,
    describe::Described,
    executor::{Artifact, BuildInputs, Executor, Options, build_id},
};
use crate::{describe::Inventory, driver::DiskFile, plan::ImagePlan};

impl Executor<'_> {
    /// Writes a disk that holds data alone, as it is, and puts it into the output folder: nothing of it is looked
    /// at.
    pub async fn write_data_disk(
        &self,
        image: &ImagePlan,
        inputs: &BuildInputs,
        options: &Options,
    ) -> Result<Vec<Artifact>, BuildError> {
        let began = Instant::now();
        let reporter = self.reporter.of_image(&image.image);
        reporter.report(EventKind::Planned(Box::new(PlanSummary::of(image))));
        reporter.report(EventKind::Started { steps: Vec::new() });
        let result = self.write_data_disk_in(image, inputs, options).await;
        self.report_end(image, began, &result);
        result
    }

    async fn write_data_disk_in(
        &self,
        image: &ImagePlan,
        inputs: &BuildInputs,
        options: &Options,
    ) -> Result<Vec<Artifact>, BuildError> {
        let reporter = self.reporter.of_image(&image.image);
        let context = self.context(image, &reporter, &inputs.blobs, &inputs.secrets);
        let work = self.store.begin_build(&build_id())?;
        let path = work.path().join("disk.qcow2");
        let given = DiskFile { path: &inputs.base, format: inputs.base_format };
        self.driver.disks().overlay(&path, given, image.disk_size)?;
        let disk = FinishedDisk { path, held: Vec::new(), seen: None };
        let sealed = self.seal(&context, &disk, &work).await?;
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let finished = since.map_or(0, |since| since.as_secs());
        let inventory = Inventory { finished, ..Inventory::default() };
        let described = Described { inventory: &inventory, advisories: None };
        self.put_out(&context, inputs, options, &work, sealed, described)
    }
}

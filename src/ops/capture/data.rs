//! Disks beside the system's, with data alone: images of their own, as they are, of which it is noted where the system mounts
//! them.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use super::{Failure, mounts::Entry, source::Source, system::spec};
use crate::{
    driver::{Driver, DriverError, RootSource},
    exec::{BuildError, BuildInputs},
    model::{Arch, DiskLayout, OutputFormat},
    plan::{BasePlan, BaseSource, Gate, ImagePlan, MachinePlan, OsPlan, OutputPlan},
    store::WorkFolder,
};

/// Volumes that a disk may have, the likeliest first: one of them has to be looked at to see them all.
const VOLUMES: [&str; 6] = ["vda1", "vda", "vda2", "vda3", "vda4", "vda5"];

/// A disk with data.
pub(super) struct DataDisk {
    pub(super) source: Source,
    /// Of its image.
    pub(super) name: String,
    pub(super) file: String,
    /// None where nothing on it can be mounted here, such as LVM.
    layout: Option<DiskLayout>,
}

impl DataDisk {
    /// Looks at the volumes of a disk; nothing of it is believed but their names.
    pub(super) async fn look(
        source: Source,
        (name, file): (String, String),
        driver: &dyn Driver,
        work: &WorkFolder,
    ) -> Result<Self, Failure> {
        let layout = layout(driver, &source, &work.path().join(format!("look-{name}"))).await?;
        Ok(Self { source, name, file, layout })
    }

    /// Where the system mounts what is on it: the places, and what its fstab calls each.
    pub(super) fn mounts<'e>(&self, entries: &'e [Entry]) -> Vec<&'e Entry> {
        let layout = self.layout.iter();
        layout.flat_map(|layout| entries.iter().filter(|entry| entry.is_on(layout))).collect()
    }

    /// The disk as it is, with labels that say where it belongs.
    pub(super) fn plan(&self, of: &str, format: OutputFormat, entries: &[Entry]) -> ImagePlan {
        let mut labels = BTreeMap::from([("data-of".to_owned(), of.to_owned())]);
        for (number, entry) in self.mounts(entries).into_iter().enumerate() {
            let number = if number == 0 { String::new() } else { format!("-{}", number + 1) };
            labels.insert(format!("mount{number}"), format!("{} on {}", entry.spec, entry.target));
        }
        as_it_is((self.name.clone(), self.file.clone()), &self.source, format, labels)
    }

    pub(super) fn inputs(&self) -> BuildInputs {
        BuildInputs {
            base: self.source.path.clone(),
            base_format: self.source.format,
            source: Some(Arc::clone(&self.source.held)),
            ..BuildInputs::default()
        }
    }
}

/// A disk that becomes an image of its own, in a file, with nothing done to it.
pub(super) fn as_it_is(
    (image, file): (String, String),
    source: &Source,
    format: OutputFormat,
    labels: BTreeMap<String, String>,
) -> ImagePlan {
    ImagePlan {
        image,
        description: None,
        labels,
        os: OsPlan { distro: "none".to_owned(), version: String::new() },
        arch: Arch::default(),
        base: BasePlan {
            name: source.file.clone(),
            source: BaseSource::Captured { disk: source.file.clone(), sha256: source.sha256 },
            virtual_size: source.size,
            firmware: Vec::new(),
        },
        disk_size: source.size.next_multiple_of(format.size_unit().max(1)),
        machine: MachinePlan { cpus: 1, memory_mib: 512 },
        network: false,
        user: "root".to_owned(),
        secrets: Vec::new(),
        steps: Vec::new(),
        tests: Vec::new(),
        gate: Gate::default(),
        outputs: vec![OutputPlan {
            file,
            format,
            compression: format.usual_compression(),
            dynamic: false,
            appliance: None,
        }],
    }
}

/// The volumes of a disk, in a machine that mounts one of them for reading.
async fn layout(
    driver: &dyn Driver,
    source: &Source,
    folder: &Path,
) -> Result<Option<DiskLayout>, BuildError> {
    let mut machine = driver.start(spec(source, folder)?).await?;
    for volume in VOLUMES {
        match machine.view(RootSource::Device(volume.to_owned())).await {
            Ok(layout) => {
                machine.power_off().await?;
                return Ok(Some(layout));
            }
            Err(
                DriverError::Refused { .. } | DriverError::Unsupported { .. } | DriverError::Windows { .. },
            ) => {}
            Err(fault) => return Err(fault.into()),
        }
    }
    Ok(None)
}

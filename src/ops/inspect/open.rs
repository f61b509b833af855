//! A disk in a machine that looks at it: in a throw-away overlay, whatever the format of its file.

use std::path::Path;

use crate::{
    driver::{
        Disk, DiskAccess, DiskFile, DiskFormat, Disks, Driver, Limits, Machine, MachineSpec, Network, Start,
    },
    exec::{BuildError, Reporter, instance},
    ops::run::Target,
};

/// Memory of the machine, in MiB: file systems and a list of their files.
const MEMORY_MIB: u32 = 512;

/// A disk that can be looked at.
pub(in crate::ops) struct OpenedDisk {
    pub(in crate::ops) machine: Box<dyn Machine>,
    /// Format of its file.
    pub(in crate::ops) format: DiskFormat,
    /// Bytes of the disk.
    pub(in crate::ops) size: u64,
}

/// Starts a machine with a disk, not viewed yet; `folder` is made for it.
pub(in crate::ops) async fn open(
    target: &Target,
    (driver, disks): (&dyn Driver, &dyn Disks),
    folder: &Path,
    reporter: &Reporter,
) -> Result<OpenedDisk, BuildError> {
    let (format, size) = instance::whole_disk(disks, &target.path).await?;
    let create = |source| BuildError::Io { action: "create", path: folder.to_owned(), source };
    std::fs::create_dir(folder).map_err(create)?;
    let (path, own) = if format.is_for_machines() {
        (target.path.clone(), format)
    } else {
        let copy = folder.join("disk.qcow2");
        let file = DiskFile { path: &target.path, format };
        let copied = async { disks.import(file, &copy).await.map_err(BuildError::from) };
        reporter.step(&format!("convert {}", target.name), copied).await?;
        (copy, DiskFormat::Qcow2)
    };
    let spec = MachineSpec {
        cpus: 1,
        memory_mib: MEMORY_MIB,
        start: Start::Offline,
        disks: vec![Disk { path, format: own, access: DiskAccess::Discard }],
        payload: Vec::new(),
        network: Network::None,
        run_dir: folder.to_owned(),
        limits: Limits::default(),
    };
    Ok(OpenedDisk { machine: driver.start(spec).await?, format, size })
}

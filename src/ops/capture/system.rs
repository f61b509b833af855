//! What is found on a disk before anything is done to a copy of it: by a machine that reads an overlay, and runs nothing.

use std::path::Path;

use super::{Failure, source::Source, texts::Texts};
use crate::{
    diagnostic::{Diagnostic, codes},
    driver::{
        Capabilities, Disk, DiskAccess, Driver, DriverError, Limits, MachineSpec, Network, RootSource, Start,
        inspect::Facts,
    },
    exec::{BuildError, Reporter},
    model::{Arch, CleanupPreset, DiskLayout, SystemTree, TreeLimits},
    ops::{
        capture::source::cannot_capture,
        error::{Class, Error},
        inspect::{OtherSystem, other_systems},
        run::Target,
    },
    store::WorkFolder,
    text::Sources,
};

/// Memory of the machine, in MiB: file systems and a list of their files.
const MEMORY_MIB: u32 = 512;

/// A system that is captured.
pub(super) struct CapturedSystem {
    pub(super) facts: Facts,
    pub(super) layout: DiskLayout,
    pub(super) tree: SystemTree,
    /// What its files say of it.
    pub(super) texts: Texts,
    /// On the same disk.
    pub(super) others: Vec<OtherSystem>,
}

/// Looks into a disk. A journal is replayed in the overlay alone.
pub(super) async fn look(
    driver: &dyn Driver,
    source: &Source,
    work: &WorkFolder,
) -> Result<CapturedSystem, BuildError> {
    let mut machine = driver.start(spec(source, &work.path().join("look"))?).await?;
    let layout = machine.view(RootSource::Find).await?;
    let tree = machine.tree(TreeLimits::default()).await?;
    let facts = machine.inspect().await?;
    let texts = Texts::read(machine.as_mut(), &tree, &facts).await?;
    let others = other_systems(machine.as_mut(), &layout).await?;
    machine.power_off().await?;
    Ok::<_, DriverError>(CapturedSystem { facts, layout, tree, texts, others }).map_err(BuildError::from)
}

/// A machine that reads a disk; its folder is made.
pub(super) fn spec(source: &Source, run_dir: &Path) -> Result<MachineSpec, BuildError> {
    let create = |source| BuildError::Io { action: "create", path: run_dir.to_owned(), source };
    std::fs::create_dir(run_dir).map_err(create)?;
    Ok(MachineSpec {
        cpus: 1,
        memory_mib: MEMORY_MIB,
        start: Start::Offline,
        disks: vec![Disk { path: source.path.clone(), format: source.format, access: DiskAccess::Discard }],
        payload: Vec::new(),
        network: Network::None,
        run_dir: run_dir.to_owned(),
        limits: Limits::default(),
    })
}

impl CapturedSystem {
    pub(super) fn arch(&self) -> Option<Arch> {
        self.facts.arch.parse().ok()
    }

    /// Refuses what no image can be made of.
    pub(super) fn is_fit(
        &self,
        driver: &Capabilities,
        target: &Target,
        preset: CleanupPreset,
        reporter: &Reporter,
    ) -> Result<(), Failure> {
        if self.arch().is_none_or(|arch| !driver.archs.contains(&arch)) {
            let reason = format!("its system is for {}, on which no machine here runs", self.facts.arch);
            return Err(cannot_capture(&target.path, &reason, None).into());
        }
        match &self.others[..] {
            [] => Ok(()),
            others if preset == CleanupPreset::None => {
                for other in others {
                    reporter.note(format!("{} on {} is captured as it is, too", other.title, other.volume));
                }
                Ok(())
            }
            others => Err(several_systems(&target.name, others).into()),
        }
    }
}

/// Only one of a disk's systems would be cleaned.
#[must_use]
pub fn several_systems(name: &str, others: &[OtherSystem]) -> Error {
    let message = format!("`{name}` holds several systems, of which clean-up would clear one");
    let mut diagnostic = Diagnostic::new(codes::SEVERAL_SYSTEMS, message);
    for other in others {
        diagnostic = diagnostic.note(format!("{} is on {}", other.title, other.volume));
    }
    let diagnostic = diagnostic.help("`--preset none` captures the disk as it is");
    Error::diagnosed(Class::Files, vec![diagnostic], Sources::default())
}

//! The drivers there are, by name. Adding one is a folder and a line of [`DRIVERS`].

use std::path::Path;
use std::sync::Arc;

use super::{
    AcceleratorChoice, AcceleratorState, BuildKernel, Disks, Driver, DriverError, HostNeed, NeedKind, Op,
    live::{Generalize, GeneralizeOp, LiveMachine, LiveOp},
    managed::{CopyOp, LookOp, ManagedMachine},
    qemu,
};
use crate::model::Capabilities;

/// A driver that can be chosen by its name, and what is known of it before anything is started.
#[derive(Debug, Clone, Copy)]
pub struct DriverEntry {
    /// What its machines and disks can do, its own name included.
    pub capabilities: &'static Capabilities,
    /// The files of the disks that its machines take.
    pub disks: fn() -> Arc<dyn Disks>,
    /// What of the host it works with. Programs are asked for before anything is fetched; some files only certain
    /// images need.
    pub needs: &'static [HostNeed],
    /// What is known, in the folder that a driver is opened with, of how fast its machines are.
    pub accelerator: fn(machines: &Path) -> AcceleratorState,
    /// A command that boots a disk for somebody to look at, without changing it.
    pub boot: fn(disk: &str) -> String,
    /// Copies the disks of a machine that somebody else runs with it.
    pub live: for<'a> fn(LiveMachine<'a>) -> LiveOp<'a>,
    /// Has Windows in such a machine made a template, which ends with the machine shut down.
    pub generalize: for<'a> fn(Generalize<'a>) -> GeneralizeOp<'a>,
    /// Says what is known of a machine that libvirt runs with it.
    pub look_managed: for<'a> fn(&'a ManagedMachine) -> LookOp<'a>,
    /// Copies the disks of such a machine while it runs, into an empty folder or beside the disks.
    pub copy_managed: for<'a> fn(&'a ManagedMachine, &'a Path) -> CopyOp<'a>,
    /// Opens it on this host: looks for its programs and tries the accelerator.
    pub open: for<'a> fn(DriverOptions<'a>) -> Op<'a, Box<dyn Driver>>,
}

/// What a driver is opened with.
#[derive(Debug)]
pub struct DriverOptions<'a> {
    /// What machines start under, whatever the image.
    pub kernel: BuildKernel,
    /// What the user asks for by `--accel`.
    pub accelerator: AcceleratorChoice,
    /// A folder of the store for what a driver keeps between commands.
    pub machines: &'a Path,
    /// Guests reach private networks too.
    pub private_network: bool,
}

/// All of them; the first is taken unless somebody names another.
pub static DRIVERS: &[DriverEntry] = &[qemu::ENTRY];

/// Disk files as the first driver has them, for one that has no format of its own.
#[must_use]
pub fn usual_disks() -> Arc<dyn Disks> {
    (DRIVERS[0].disks)()
}

impl DriverEntry {
    /// As `--driver` takes it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.capabilities.driver
    }

    /// Says which of its programs this host lacks.
    pub fn installed(&self) -> Result<(), DriverError> {
        let mut programs = self.needs.iter().filter(|need| matches!(need.kind, NeedKind::Program { .. }));
        programs.try_for_each(|program| program.found().map(drop))
    }

    /// The driver of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        DRIVERS.iter().find(|entry| entry.name() == name)
    }

    /// The driver that is taken unless somebody names another.
    #[must_use]
    pub fn usual() -> &'static Self {
        &DRIVERS[0]
    }
}

/// Drivers have different names.
impl PartialEq for DriverEntry {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for DriverEntry {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drivers_have_names_of_their_own_and_are_found_by_them() {
        for entry in DRIVERS {
            assert_eq!(DriverEntry::named(entry.name()), Some(entry));
            assert!(std::ptr::eq(DriverEntry::named(entry.name()).unwrap(), entry), "{}", entry.name());
        }
        assert_eq!(DriverEntry::named("no such driver"), None);
    }
}

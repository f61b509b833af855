//! What a driver can do.

use super::{Arch, DiskFormat, Firmware};

/// What a driver can do on any host. It is known before a machine runs, so that what an image asks for and its driver
/// cannot do is told at the statement that asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// The driver's name.
    pub driver: &'static str,
    /// Of the machines it runs.
    pub archs: &'static [Arch],
    /// That its machines boot disks with.
    pub firmware: &'static [Firmware],
    /// That it writes disks in.
    pub formats: &'static [DiskFormat],
    /// Whether scripts and tests run in the really booted system; all it does otherwise is change a disk.
    pub boots: bool,
}

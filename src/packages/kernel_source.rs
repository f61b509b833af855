//! Where the kernel comes from that builds run under.

use std::fmt::Debug;
use std::io::{self, Read};

use super::archive::Archive;
use super::mirrors::Mirrors;
use super::model::Selected;
use super::pool::Pool;
use crate::model::Arch;

/// A distribution whose kernel for virtual machines serves as the build kernel, whatever the image has.
pub trait KernelSource: Debug + Sync {
    /// The archives that have it.
    fn archives(&self, mirrors: &Mirrors) -> Vec<Archive>;

    /// The newest one.
    fn newest(&self, pool: &dyn Pool, arch: Arch) -> Option<Selected>;

    /// Which packages these are, in messages.
    fn named(&self, arch: Arch) -> String;

    /// Reads the files that its package brings, as an archive of tar's.
    ///
    /// # Errors
    ///
    /// The file is no package, or what `read` says.
    fn data(&self, file: &mut dyn Read, read: ReadData<'_>) -> io::Result<()>;
}

/// Reads an archive of tar's.
pub type ReadData<'r> = &'r mut dyn FnMut(Box<dyn Read + '_>) -> io::Result<()>;

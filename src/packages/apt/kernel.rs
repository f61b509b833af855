//! Debian's kernel for virtual machines.

use std::io::{self, Read};

use super::{Archive, KernelSource, Mirrors, Pool, ReadData, Selected, package_file};
use crate::model::Arch;

/// The release it is taken from: the one most bases have, so that they boot the very kernel that runs already and need
/// no second machine.
const SUITE: &str = "trixie";

/// Debian's.
#[derive(Debug)]
pub struct DebianKernel;

/// What the names of its packages end with.
fn end(arch: Arch) -> String {
    format!("-cloud-{}", arch.debian())
}

impl KernelSource for DebianKernel {
    fn archives(&self, mirrors: &Mirrors) -> Vec<Archive> {
        mirrors.suites(SUITE)
    }

    /// Such as `linux-image-6.12.48+deb13-cloud-amd64`.
    fn newest(&self, pool: &dyn Pool, arch: Arch) -> Option<Selected> {
        let end = end(arch);
        let is_image = |name: &&str| {
            let version = name.strip_prefix("linux-image-").and_then(|name| name.strip_suffix(&end));
            version.is_some_and(|version| version.starts_with(|first: char| first.is_ascii_digit()))
        };
        let versions = |name| pool.versions(name).into_iter().map(move |version| (name, version));
        let found = pool.names().filter(is_image).flat_map(versions);
        let found = found.filter_map(|(name, version)| pool.find(name, &version));
        found.max_by(|a, b| a.version.cmp(&b.version))
    }

    fn named(&self, arch: Arch) -> String {
        format!("linux-image-…{} of Debian 13", end(arch))
    }

    fn data(&self, file: &mut dyn Read, read: ReadData<'_>) -> io::Result<()> {
        package_file::data(file, |data| read(data))
    }
}

//! What the machines of a driver share.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::super::BuildKernel;
use super::super::kernel::Modules;
use super::image_kernel::Kept;
use crate::cell::Outside;

/// What machines run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Accelerator {
    Kvm,
    Tcg,
}

/// What of the host every machine of a driver shares.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) qemu: PathBuf,
    pub(super) qemu_img: PathBuf,
    pub(super) accelerator: Accelerator,
    pub(super) kernel: BuildKernel,
    /// Where the memory of machines is kept that have only just come up.
    pub(super) saved_states: PathBuf,
    /// What guests with a network reach.
    pub(super) outside: Outside,
}

impl Host {
    /// This boot of the host, its CPU and its QEMU: what was found out under them, or made, holds for no other.
    pub(super) fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_default());
        hash.update(self.qemu.as_os_str().as_encoded_bytes());
        if let Ok(found) = fs::metadata(&self.qemu) {
            use std::os::unix::fs::MetadataExt;
            hash.update(format!("{} {} {}", found.len(), found.mtime(), found.ino()));
        }
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let telling = |line: &&str| line.starts_with("flags") || line.starts_with("model name");
        cpu.lines().filter(telling).take(2).for_each(|line| hash.update(line));
        hex::encode(&hash.finalize()[..8])
    }
}

/// The kernel that a machine runs under.
#[derive(Debug, Clone)]
pub(super) enum RunningKernel {
    Build,
    Image(Arc<Kept>),
}

impl RunningKernel {
    pub(super) fn modules<'a>(&'a self, host: &'a Host) -> &'a Modules {
        match self {
            Self::Build => host.kernel.modules(),
            Self::Image(kept) => &kept.modules,
        }
    }
}

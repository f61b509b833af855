//! What an inspection boot finds in a disk: [`Facts`], plain data that can be cached by the disk's digest.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use crate::model::Init;
use crate::packages::SystemFiles;

/// What a disk is, found by looking into it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// /etc/os-release, unquoted: `ID`, `VERSION_ID`, `VERSION_CODENAME`…
    pub os_release: BTreeMap<String, String>,
    /// Of the system's own programs, in the language's spelling: `x86_64`, `aarch64`, `i386`…
    pub arch: String,
    /// The root file system, and where it is.
    pub root: RootFs,
    /// The one that its boot loader would start, then the others, newest first.
    pub kernels: Vec<Kernel>,
    /// Which init system it boots with.
    pub init: Init,
    /// `system_info.default_user.name` of cloud-init, if it names one.
    pub default_user: Option<DefaultUser>,
    /// What package managers read, as it is.
    pub files: SystemFiles,
    /// Names of the unit files under the system's unit folders (`nginx.service`…), sorted.
    pub units: Vec<String>,
    /// Boot loaders that were found.
    pub firmware: Vec<super::Firmware>,
}

/// The root file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFs {
    /// In the guest, such as `vda1`.
    pub device: String,
    /// `ext4`, `xfs`, `btrfs`.
    pub fs_type: String,
    /// Bytes, of the file system.
    pub size: u64,
    /// Bytes that root may still write.
    pub free: u64,
    /// Whether room behind it can be given to it.
    pub last_partition: bool,
}

/// A kernel of the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kernel {
    /// As `uname -r` says it, such as `6.12.48+deb13-cloud-amd64`.
    pub release: String,
    /// Path of its image in the system, such as `/boot/vmlinuz-6.12.48+deb13-cloud-amd64`.
    pub path: String,
}

/// The account scripts run as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefaultUser {
    /// Such as `debian`.
    pub name: String,
    /// Whether /etc/passwd has it already (cloud images make it on first boot only).
    pub exists: bool,
}

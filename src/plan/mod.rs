//! The plan: plain data, complete, serialisable. A person can read it, and a driver needs nothing else.

mod archives;
pub mod cleanup;
mod compile;
mod gate;
mod graph;
mod key;
mod locked;
mod pipeline;
mod step;
mod storage;
mod tree;
mod walk;

use std::{collections::BTreeMap, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Arch, Compression, Firmware, OutputFormat};
use crate::text::Digest;

pub use compile::{Inputs, base_key, compile, planned};
pub use gate::Gate;
pub use graph::{Circle, Graph};
pub use key::{Conditions, Key, KeyPart, parts as key_parts};
pub use locked::{ChosenPackages, is_current, locked_image, requested};
pub use pipeline::{Pipeline, PipelineJob};
pub use step::{
    AccountStep, Action, AppStep, CopyFrom, CopyStep, GroupStep, InlineFile, PackageChange, PlannedPackage,
    RunAs, ScriptStep, SecretPlan, SecretSource, Stage, Step, Test, TestCheck, UnitState, WantedUnit,
};
pub use storage::growth;
pub use tree::{EntryKind, Tree, TreeEntry};
pub use walk::{WalkError, Walker};

/// Version of the plan's wire form.
pub const PLAN_FORMAT: u32 = 1;

/// What building a project does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// The format of plans that the program writes.
    pub format: u32,
    /// In an order in which each image's base comes before it.
    pub images: Vec<ImagePlan>,
}

/// What building one image does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ImagePlan {
    /// Its name in the ImageFile, such as `web`.
    pub image: String,
    /// `description`; `None` if the ImageFile has none.
    pub description: Option<String>,
    /// `label KEY = VALUE`, by key.
    pub labels: BTreeMap<String, String>,
    /// The system that it holds at its end.
    pub os: OsPlan,
    /// What its system is built for; the host's does not matter.
    pub arch: Arch,
    /// The disk that its first step stands on.
    pub base: BasePlan,
    /// Virtual size of the build disk and of the artifact, in bytes.
    pub disk_size: u64,
    /// What the steps run in.
    pub machine: MachinePlan,
    /// Whether booted steps and offline scripts may reach the network.
    pub network: bool,
    /// The account that runs scripts and tests.
    pub user: String,
    /// Where the values of secrets come from; the values are nowhere in the plan.
    pub secrets: Vec<SecretPlan>,
    /// In the order in which they run.
    pub steps: Vec<Step>,
    /// What the finished artifact must pass, in the order in which they run.
    pub tests: Vec<Test>,
    /// What is asked of the finished disk.
    #[serde(default)]
    pub gate: Gate,
    /// Files to write; at least one.
    pub outputs: Vec<OutputPlan>,
}

/// The system of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OsPlan {
    /// In lower case, such as `debian`.
    pub distro: String,
    /// `VERSION_ID` of its os-release, such as `13`.
    pub version: String,
}

impl ImagePlan {
    /// What the first step stands on.
    #[must_use]
    pub fn base_key(&self) -> Key {
        base_key(&self.base)
    }

    /// A machine as the image was built and tested in: what an OVA of it describes. Where the base boots either way it is
    /// BIOS, with which machines come everywhere unless told otherwise.
    #[must_use]
    pub fn appliance(&self) -> Appliance {
        let bios = self.base.firmware.is_empty() || self.base.firmware.contains(&Firmware::Bios);
        Appliance {
            os: format!("{} {}", self.os.distro, self.os.version),
            arch: self.arch,
            cpus: self.machine.cpus,
            memory_mib: self.machine.memory_mib,
            firmware: if bios { Firmware::Bios } else { Firmware::Uefi },
        }
    }

    /// Paths in the image of what copies and applications write; one that ends in `/` stands for all below it.
    #[must_use]
    pub fn written_paths(&self) -> Vec<String> {
        self.steps.iter().flat_map(Step::written_paths).collect()
    }

    /// The step whose copy or application wrote a path of the image.
    #[must_use]
    pub fn writer(&self, path: &str) -> Option<&Step> {
        let wrote = |step: &&Step| {
            let is_it = |own: &String| own == path || (own.ends_with('/') && path.starts_with(own.as_str()));
            step.written_paths().iter().any(is_it)
        };
        self.steps.iter().rev().find(wrote)
    }

    /// Names the finished disk: its state after the last step. Images based on this one stand on it.
    #[must_use]
    pub fn key(&self) -> Key {
        self.steps.last().map_or_else(|| self.base_key(), |step| step.key)
    }
}

/// The pinned base.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BasePlan {
    /// Catalogue name; for files, downloads and other images the path, URL or name as written.
    pub name: String,
    /// What its disk is made of, by digests.
    pub source: BaseSource,
    /// In bytes.
    pub virtual_size: u64,
    /// `bios`, `uefi`: each boots the artifact and is tested.
    pub firmware: Vec<Firmware>,
}

/// What exactly a base is, by where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum BaseSource {
    /// Made on this machine from these packages; named by recipe and exact package set.
    Bootstrap {
        /// Such as `trixie`.
        suite: String,
        /// Of everything but the packages that decides how the disk is made.
        recipe: Digest,
        /// All that are installed, by name.
        packages: Arc<[PlannedPackage]>,
    },
    /// A disk of this machine.
    File {
        /// Absolute, or relative to the project's folder.
        path: String,
        /// Of the whole file.
        sha256: Digest,
    },
    /// A pinned download.
    Url {
        /// As the ImageFile or the catalogue writes it.
        url: String,
        /// Of the downloaded file.
        sha256: Digest,
    },
    /// The disk of a machine that is captured as it is.
    Captured {
        /// The disk's file, without its folder; of a machine that runs, what its emulator calls the disk.
        disk: String,
        /// Of the whole file.
        sha256: Digest,
    },
    /// Another image of the plan: the disk its artifacts are made of, under the key it has there.
    Image {
        /// Its name in the ImageFile.
        image: String,
        /// Of its last step.
        key: Key,
    },
}

/// The build machine; never part of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MachinePlan {
    /// Virtual processors; 2 unless `machine` says.
    pub cpus: u32,
    /// In MiB; 2048 unless `machine` says.
    pub memory_mib: u64,
}

/// One file that is made of the finished disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OutputPlan {
    /// File name in the output folder.
    pub file: String,
    /// What the file's extension says too.
    pub format: OutputFormat,
    /// The format's usual one unless `output` says.
    pub compression: Compression,
    /// A VHD that grows with its content.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dynamic: bool,
    /// Of an OVA: the machine that it describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub appliance: Option<Appliance>,
}

/// The machine that a package such as an OVA describes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Appliance {
    /// Distribution and version, such as `debian 13`.
    pub os: String,
    /// Of its processors.
    pub arch: Arch,
    /// Virtual processors.
    pub cpus: u32,
    /// In MiB.
    pub memory_mib: u64,
    /// What starts its disk.
    pub firmware: Firmware,
}

/// What is cleared before sealing, item by item; the plan shows each item's commands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cleanup {
    /// As the ImageFile writes it: `cloud`, `identity`, `minimal` or `none`.
    pub preset: String,
    /// Paths and patterns that stay, whatever the items say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keep: Vec<String>,
    /// In the order in which they are cleared.
    pub items: Vec<CleanupItem>,
}

/// One item of a clean-up, with its commands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CleanupItem {
    /// The name `keep` and `remove` of the `cleanup` statement use, such as `machine-id`.
    pub name: String,
    /// `/bin/sh -e` in a chroot, as root, behind a few functions: `gone PATH…` and `empty FOLDER…` remove what no
    /// `copy` and no application put there.
    pub script: String,
}

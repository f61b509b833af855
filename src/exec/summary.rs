//! What a record of a build keeps of its plan: enough to tell what was made, without scripts and files.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    model::Arch,
    plan::{Action, Appliance, BaseSource, ImagePlan, KeyPart},
    text::Digest,
};

/// An image's plan in the words of its record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlanSummary {
    /// Distribution and version, such as `debian 13`.
    pub os: String,
    /// Architecture of the image.
    pub arch: Arch,
    /// Name of the base, such as `debian-13`; of a disk or another image, as the ImageFile names it.
    pub base: String,
    /// Virtual size of the disk in bytes.
    pub disk_size: u64,
    /// Key of the state after the last step: two plans with one key make the same image.
    pub key: String,
    /// The image's `description`.
    #[serde(default)]
    pub description: Option<String>,
    /// The image of the project that it is based on.
    #[serde(default)]
    pub parent: Option<String>,
    /// The disk that it was captured from; none for an image that is built.
    #[serde(default)]
    pub captured: Option<String>,
    /// The machine that a package of it, such as an OVA, describes; none in records of older versions.
    #[serde(default)]
    pub appliance: Option<Appliance>,
    /// The image's `label` statements, by key.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// What the build installs beyond the base.
    #[serde(default)]
    pub packages: Vec<PackageSummary>,
    /// File names of the artifacts.
    #[serde(default)]
    pub outputs: Vec<String>,
    /// What the first step stands on; none in records of older versions.
    #[serde(default)]
    pub base_key: Option<Digest>,
    /// What decided the reuse of each step, in order.
    #[serde(default)]
    pub steps: Vec<StepSummary>,
}

/// A step's key and what it was made of, beside the key of the step before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StepSummary {
    /// As the plan names it, such as `script announce`.
    pub name: String,
    /// What its result is kept under.
    pub key: Digest,
    /// What it was made of, each with its digest.
    pub parts: Vec<KeyPart>,
}

/// One installed package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PackageSummary {
    /// Such as `nginx`.
    pub name: String,
    /// As the package manager has it, such as `1.26.3-3`.
    pub version: String,
    /// Size of the package file in bytes.
    pub size: u64,
    /// There only because another package needs it.
    pub auto: bool,
}

impl PlanSummary {
    /// What a record keeps of this plan.
    #[must_use]
    pub fn of(plan: &ImagePlan) -> Self {
        let packages = plan.steps.iter().flat_map(|step| match &step.action {
            Action::Packages(change) => &*change.install,
            _ => &[],
        });
        Self {
            os: format!("{} {}", plan.os.distro, plan.os.version),
            arch: plan.arch,
            base: plan.base.name.clone(),
            disk_size: plan.disk_size,
            key: plan.steps.last().map_or_else(|| plan.base_key(), |step| step.key).0.to_string(),
            description: plan.description.clone(),
            parent: match &plan.base.source {
                BaseSource::Image { image, .. } => Some(image.clone()),
                _ => None,
            },
            captured: match &plan.base.source {
                BaseSource::Captured { disk, .. } => Some(disk.clone()),
                _ => None,
            },
            appliance: Some(plan.appliance()),
            labels: plan.labels.clone(),
            packages: packages
                .map(|package| PackageSummary {
                    name: package.name.clone(),
                    version: package.version.clone(),
                    size: package.size,
                    auto: package.auto,
                })
                .collect(),
            outputs: plan.outputs.iter().map(|output| output.file.clone()).collect(),
            base_key: Some(plan.base_key().0),
            steps: plan
                .steps
                .iter()
                .map(|step| StepSummary {
                    name: step.name.clone(),
                    key: step.key.0,
                    parts: step.parts.clone(),
                })
                .collect(),
        }
    }
}

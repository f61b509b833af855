//! What a record of a build keeps of its plan: enough to tell what was made, without scripts and files.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    model::Arch,
    plan::{Action, ImagePlan, KeyPart},
    text::Digest,
};

/// An image's plan in the words of its record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlanSummary {
    /// Distribution and version, such as `debian 13`.
    pub os: String,
    pub arch: Arch,
    pub base: String,
    /// Virtual size of the disk in bytes.
    pub disk_size: u64,
    /// Key of the state after the last step: two plans with one key make the same image.
    pub key: String,
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
    pub name: String,
    pub key: Digest,
    pub parts: Vec<KeyPart>,
}

/// One installed package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PackageSummary {
    pub name: String,
    pub version: String,
    /// Size of the package file in bytes.
    pub size: u64,
    /// There only because another package needs it.
    pub auto: bool,
}

impl PlanSummary {
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

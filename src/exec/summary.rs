//! What a record of a build keeps of its plan: enough to tell what was made, without scripts and files.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::plan::{Action, ImagePlan};

/// An image's plan in the words of its record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlanSummary {
    /// Distribution and version, such as `debian 13`.
    pub os: String,
    pub arch: String,
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
            Action::Packages(change) => change.install.as_slice(),
            _ => &[],
        });
        Self {
            os: format!("{} {}", plan.os.distro, plan.os.version),
            arch: plan.arch.clone(),
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
        }
    }
}

//! What is asked of a disk before it becomes an image.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::check::ImageSpec;
use crate::hygiene::{Rule, Severity};
use crate::model::CleanupPreset;
use crate::text::Span;

/// Which rules for finished disks count for an image. Part of no step's key: the disk is the same whatever is allowed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Gate {
    /// How the disk is cleaned: it says which rules count.
    pub preset: CleanupPreset,
    /// Numbers of rules that the disk may break, such as `H0011`, in order.
    pub allow: Vec<String>,
    /// The `cleanup` statement, or the image's name; no part of the wire form.
    #[serde(skip)]
    pub span: Option<Span>,
}

impl Gate {
    pub(super) fn of(spec: &ImageSpec) -> Self {
        let mut allow: Vec<String> = spec.cleanup.allow.iter().map(|rule| rule.value.id.to_owned()).collect();
        allow.sort();
        allow.dedup();
        Self { preset: spec.cleanup.preset, allow, span: Some(spec.cleanup.span.unwrap_or(spec.name.span)) }
    }

    /// How bad it is if the disk breaks a rule; nothing if it may.
    #[must_use]
    pub fn severity(&self, rule: &Rule) -> Option<Severity> {
        let counts = rule.is_of(self.preset) && !self.allow.iter().any(|id| id == rule.id);
        counts.then_some(rule.severity)
    }
}

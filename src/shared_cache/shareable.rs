//! What may be shared: everything that does not stand on a secret.

use std::collections::BTreeMap;

use crate::plan::{Action, BaseSource, ImagePlan, Key};

/// How many of each image's steps may be shared, from the first on; images come after those that they are based on. A
/// step that is given a secret may not, nor what comes after it, nor any of an image that is based on such a one.
#[must_use]
pub fn shareable<'a>(plans: impl IntoIterator<Item = &'a ImagePlan>) -> Vec<usize> {
    let mut whole: BTreeMap<Key, bool> = BTreeMap::new();
    plans
        .into_iter()
        .map(|plan| {
            let below = match &plan.base.source {
                // One that is not known may stand on anything.
                BaseSource::Image { key, .. } => whole.get(key).copied().unwrap_or(false),
                // Somebody's machine, with all that is on it.
                BaseSource::Captured { .. } => false,
                _ => true,
            };
            let secret = plan.steps.iter().position(
                |step| matches!(&step.action, Action::Script(script) if !script.secrets.is_empty()),
            );
            let count = if below { secret.unwrap_or(plan.steps.len()) } else { 0 };
            whole.insert(plan.key(), below && secret.is_none());
            count
        })
        .collect()
}

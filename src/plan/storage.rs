//! Whether the disk holds what goes on it, once packages and copies are known.

use super::{Action, CopyFrom, ImagePlan, Inputs, Step};
use crate::diagnostic::Diagnostic;
use crate::resolve::{DiskWish, StorageNeed};

/// A copy below this has no row of its own.
const WORTH_A_ROW: u64 = 1 << 20;

/// Bytes that an image's packages, which grow it by `packages_grow`, and its copies put on what it is based on.
/// Applications are not among them: an image based on this one has them too, and counts them.
#[must_use]
pub fn growth(plan: &ImagePlan, packages_grow: u64) -> u64 {
    plan.steps.iter().filter_map(|step| copied(&step.action)).fold(packages_grow, u64::saturating_add)
}

/// Holds the sum of all that is known against the disk.
pub(super) fn check(inputs: Inputs<'_>, steps: &[Step]) -> Option<Diagnostic> {
    let (spec, mut need) = (inputs.spec, StorageNeed::new(inputs.resolution));
    let below = format!("packages and copies of {}", inputs.base.name);
    need.add_below(below, inputs.base_grown, Some(spec.base.span));
    let installed = inputs.packages.install.len();
    let first = spec.packages.first().map(|package| package.span);
    need.add(format!("packages ({installed})"), inputs.packages_grow, first);
    let copies = steps.iter().filter_map(|step| Some((step, copied(&step.action)?)));
    let (large, small): (Vec<_>, Vec<_>) = copies.partition(|(_, bytes)| *bytes >= WORTH_A_ROW);
    for (step, bytes) in large {
        need.add(step.name.clone(), bytes, step.span);
    }
    need.add("smaller copies", small.iter().map(|(_, bytes)| bytes).sum(), None);
    need.check(match &spec.min_storage {
        Some(size) => DiskWish::Asked(size.value.bytes(), size.span),
        None => DiskWish::OfBase(inputs.base.virtual_size, spec.base.span),
    })
}

/// Bytes that a copy puts on the disk; of a download nothing is known before it is there.
fn copied(action: &Action) -> Option<u64> {
    match action {
        Action::Copy(copy) => match &copy.from {
            CopyFrom::Tree(tree) => Some(tree.size()),
            CopyFrom::Text { content } => Some(content.len() as u64),
            CopyFrom::Download { .. } => None,
        },
        _ => None,
    }
}

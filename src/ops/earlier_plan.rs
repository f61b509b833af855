//! The plan that an earlier build of an image had, to tell what changed since.

use super::error::Error;
use crate::{
    exec::PlanSummary,
    store::{
        Records,
        records::{BuildSummary, ImageRecord},
    },
};

/// Builds that are looked at for it, newest first.
pub(super) const LOOKED_AT: u32 = 50;

/// What an earlier build planned for an image.
#[derive(Debug)]
pub(super) struct EarlierPlan {
    /// The build's number.
    pub build: i64,
    /// When it began, in milliseconds since 1970.
    pub began_ms: i64,
    pub plan: PlanSummary,
}

/// The plan of the first of these builds that recorded one of the image, and for which `counts`.
pub(super) fn earlier_plan(
    records: &Records,
    builds: &[BuildSummary],
    image: &str,
    counts: impl Fn(&ImageRecord) -> bool,
) -> Result<Option<EarlierPlan>, Error> {
    for build in builds {
        let Some(record) = records.build(build.id)? else { continue };
        let found = record.details.iter().find(|one| one.name == image && counts(one));
        if let Some(plan) = found.and_then(recorded) {
            return Ok(Some(EarlierPlan { build: build.id, began_ms: build.began_ms, plan }));
        }
    }
    Ok(None)
}

/// The plan of a record, if it says what the keys of its steps were made of.
pub(super) fn recorded(image: &ImageRecord) -> Option<PlanSummary> {
    let plan = serde_json::from_value::<PlanSummary>(image.plan.clone()?).ok()?;
    // One that was captured says nothing of what its namesake is built of.
    (plan.base_key.is_some() && plan.captured.is_none()).then_some(plan)
}

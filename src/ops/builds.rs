//! The record of one build, and what a report shows beside it.

use std::path::Path;

use super::{
    earlier_plan::{EarlierPlan, LOOKED_AT, earlier_plan, recorded},
    error::{Class, Error},
    records::{self, here},
};
use crate::{
    exec::{PlanSummary, change, change::Change},
    report::{Beside, progress::size},
    store::{
        Records, Store,
        records::{BuildRecord, BuildSummary},
    },
};

/// Bytes of a log that a report takes in.
const LONGEST_LOG: usize = 16 << 20;

/// The record of a build of the project here: the one named, or the newest. Another project's only with `all`, or where
/// there is no project.
///
/// # Errors
/// `Usage` if there is no such build.
pub fn record(records: &Records, build: Option<i64>, all: bool) -> Result<BuildRecord, Error> {
    let here = if all { None } else { here() };
    let id = match (build, all) {
        (Some(id), _) => id,
        (None, true) => records.builds(None, 1)?.first().map_or(0, |newest| newest.id),
        (None, false) => records::build(records, None)?.0,
    };
    records::build(records, Some(id))?;
    let record = records.build(id)?.ok_or_else(|| Error::already_reported(Class::Usage))?;
    if here.as_ref().is_some_and(|here| *here != record.summary.project) {
        let text = format!(
            "build {id} is of another project, {}; `--all` shows it all the same",
            record.summary.project
        );
        return Err(Error::message(Class::Usage, text));
    }
    Ok(record)
}

/// What a report shows beside the record: the log, and why steps ran.
pub fn beside(store: &Store, records: &Records, record: &BuildRecord) -> Result<Beside, Error> {
    let mut beside = Beside { log: log_of(&records.log(record.summary.id)), ..Beside::default() };
    let older: Vec<BuildSummary> = records
        .builds(Some(&record.summary.project), u32::MAX)?
        .into_iter()
        .filter(|build| build.id < record.summary.id)
        .take(LOOKED_AT as usize)
        .collect();
    for image in &record.details {
        let Some(now) = recorded(image) else { continue };
        // One that was refused before its first step is an earlier build, too.
        let before = earlier_plan(records, &older, &image.name, |_| true)?;
        for (at, step) in now.steps.iter().enumerate() {
            let reason = match &before {
                None => "no earlier build of this image is recorded".to_owned(),
                Some(EarlierPlan { build, plan: before, .. }) => {
                    let change = change::since(before, &now, at, store.facts());
                    format!("{} (since build {build})", in_words(&change, &now, at))
                }
            };
            beside.reasons.insert((image.name.clone(), step.name.clone()), reason);
        }
    }
    Ok(beside)
}

fn in_words(change: &Change, now: &PlanSummary, target: usize) -> String {
    let named = |at: usize| match now.steps.get(at) {
        Some(step) if at != target => format!("`{}` before it", step.name),
        _ => "it".to_owned(),
    };
    match change {
        Change::None => "nothing changed, but no state after it was kept".to_owned(),
        Change::Base => "the base is another one, or has other packages".to_owned(),
        Change::New { at } => format!("{} is new at its place", named(*at)),
        Change::Gone { name, .. } => format!("the step `{name}` before it is gone"),
        Change::Step { at, parts } => {
            let parts: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
            format!("{} changed: {}", named(*at), parts.join(", "))
        }
    }
}

/// All of a log; of one that is very long its end, as that is where a failure is.
fn log_of(path: &Path) -> Option<String> {
    let bytes = std::fs::read(path).ok()?;
    let cut = bytes.len().saturating_sub(LONGEST_LOG);
    let text = String::from_utf8_lossy(&bytes[cut..]).into_owned();
    Some(if cut == 0 { text } else { format!("(the first {} are left out)\n{text}", size(cut as u64)) })
}

//! Why a step's result is reused, or what changed so that it is not.

use std::sync::Arc;

use super::{
    earlier_plan::{EarlierPlan, LOOKED_AT, earlier_plan},
    error::{Class, Error},
    listener::Listener,
    workspace::{Workspace, WorkspaceOptions},
};
use crate::{
    exec::{PlanSummary, change, change::Change},
    plan::{ImagePlan, Step},
    store::Store,
    text::{Sources, nearest},
};

/// What becomes of a step in the next build, and what changed since an earlier one.
#[derive(Debug)]
pub struct StepFate {
    /// The plan of the image as it is now.
    pub plan: ImagePlan,
    /// Number of the step in the plan.
    pub step: usize,
    /// Number of the deepest step from this one on whose state is kept; none: the next build runs it.
    pub kept: Option<usize>,
    /// None: no earlier build of the image is recorded.
    pub since: Option<Since>,
    /// The files that the spans of the plan's steps point into.
    pub sources: Sources,
}

/// What changed since an earlier build.
#[derive(Debug)]
pub struct Since {
    /// Its number.
    pub build: i64,
    /// When it began, in milliseconds since 1970.
    pub began_ms: i64,
    /// The first difference between that build's plan and this one.
    pub change: Change,
}

/// The fate of the step `what` of the image that `options` name; `absent` says that the name is nothing else. Nothing is
/// downloaded for it.
pub(super) async fn step_fate(
    options: WorkspaceOptions,
    listener: Arc<dyn Listener>,
    (image, what): (&str, &str),
    absent: impl FnOnce() -> String,
) -> Result<StepFate, Error> {
    let options = WorkspaceOptions { image: Some(image.to_owned()), offline: true, ..options };
    let workspace = Workspace::open(options, listener).await?;
    let mut prepared = workspace.prepare_all().await?;
    workspace.with_secrets(&mut prepared)?;
    let plan = prepared.into_iter().map(|one| one.plan).find(|plan| plan.image == image);
    let plan = plan.ok_or_else(|| Error::already_reported(Class::Files))?;
    let Some(step) = find(&plan.steps, what) else {
        return Err(Error::message(Class::Usage, unknown(what, &plan, absent())));
    };
    let kept = kept(&workspace.store, &plan, step);
    let since = earlier(&workspace, &plan.image)?.map(|EarlierPlan { build, began_ms, plan: before }| {
        let change = change::since(&before, &PlanSummary::of(&plan), step, workspace.store.facts());
        Since { build, began_ms, change }
    });
    Ok(StepFate { plan, step, kept, since, sources: workspace.project.sources })
}

/// The step of this name; the word in front (`script`, `copy`, …) may be left out.
fn find(steps: &[Step], name: &str) -> Option<usize> {
    let bare = |step: &Step| step.name.split_once(' ').is_some_and(|(_, rest)| rest == name);
    steps.iter().position(|step| step.name == name).or_else(|| steps.iter().position(bare))
}

fn unknown(name: &str, plan: &ImagePlan, absent: String) -> String {
    if plan.tests.iter().any(|test| test.name == name) {
        return format!(
            "`{name}` is a test: it runs whenever the artifact is another one, or with `imgfile test`"
        );
    }
    let names = plan.steps.iter().map(|step| step.name.as_str());
    let near = nearest(name, names.clone().chain(names.filter_map(|name| Some(name.split_once(' ')?.1))));
    match near {
        Some(near) if !absent.contains("did you mean") => {
            format!("{absent}, and no step has this name; did you mean `{near}`?")
        }
        _ => format!("{absent}; no step has this name either, `imgfile plan` lists them"),
    }
}

/// The deepest step from `target` on whose state is kept.
fn kept(store: &Store, plan: &ImagePlan, target: usize) -> Option<usize> {
    (target..plan.steps.len()).rev().find(|&at| store.layers().get(&plan.steps[at].key.0).is_some())
}

/// The newest build of this project that came to a step of the image and recorded what its keys were made of. One that
/// was refused before, say for want of a secret's value, tells nothing of its results.
fn earlier(workspace: &Workspace, image: &str) -> Result<Option<EarlierPlan>, Error> {
    let records = workspace.store.records()?;
    let project = workspace.project.files.root().to_string_lossy().into_owned();
    let builds = records.builds(Some(&project), LOOKED_AT)?;
    earlier_plan(&records, &builds, image, |one| !one.steps.is_empty())
}

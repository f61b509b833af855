//! `imgfile why STEP`: why a step's result is reused, or what changed so that it is not.

use std::fmt::Write as _;

use super::{
    Exit,
    file_args::FileArgs,
    recorded::refused,
    workspace::{Outcome, Workspace, WorkspaceOptions},
};
use crate::{
    exec::{PlanSummary, change, change::Change},
    plan::{ImagePlan, Step},
    report::local,
    store::Store,
    text::nearest,
};

/// Builds that are looked at for an earlier plan of the image, newest first.
const LOOKED_AT: u32 = 50;

/// What there is to say about the step `what` of `image`; `absent` says that the name is nothing else.
pub(super) fn explain(
    (file, what): (&FileArgs, &str),
    image: &str,
    absent: impl FnOnce() -> String,
) -> Result<String, Exit> {
    let choices = WorkspaceOptions {
        file: file.clone(),
        image: Some(image.to_owned()),
        // A question is no reason to download anything.
        offline: true,
        ..WorkspaceOptions::default()
    };
    let mut text = Err(Exit::Files);
    super::block_on(async {
        let told = async {
            let workspace = Workspace::open(&choices).await?;
            let mut prepared = workspace.prepare_all(&choices).await?;
            workspace.with_secrets(&mut prepared).map_err(|failure| workspace.failed(failure))?;
            let plan = prepared.into_iter().map(|one| one.plan).find(|plan| plan.image == image);
            let plan = plan.ok_or(Exit::Files)?;
            let Some(target) = find(&plan.steps, what) else {
                super::complain(&unknown(what, &plan, absent()));
                return Err(Exit::Usage);
            };
            told(&workspace, &plan, target)
        };
        text = told.await;
        Exit::Done
    });
    text
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

fn told(workspace: &Workspace, plan: &ImagePlan, target: usize) -> Outcome<String> {
    let step = &plan.steps[target];
    let mut out = format!("{}{}\n", step.name, place(workspace, step));
    let kept = kept(&workspace.store, plan, target);
    match kept {
        Some(at) if at == target => out.push_str("  its result is kept: the next build reuses it\n"),
        Some(at) => {
            let _ = writeln!(
                out,
                "  the state after `{}` is kept: the next build starts there and does not come to this step",
                plan.steps[at].name
            );
        }
        None => out.push_str("  the next build runs it\n"),
    }
    let Some((build, when, before)) = earlier(workspace, &plan.image)? else {
        out.push_str("  no earlier build of this image is recorded\n");
        return Ok(out);
    };
    let now = PlanSummary::of(plan);
    let ago = format!("build {build} ({when})");
    match change::since(&before, &now, target, workspace.store.facts()) {
        Change::None if kept.is_some() => {
            let _ = writeln!(out, "  nothing it depends on has changed since {ago}");
        }
        Change::None => {
            let _ = writeln!(
                out,
                "  nothing it depends on has changed since {ago}, but no state after it is kept: it failed, was \
                 run with `--no-cache`, or made room for others"
            );
        }
        Change::Base => {
            let _ = writeln!(out, "  since {ago} the base is another one, or has other packages");
        }
        Change::New { at } => {
            let _ = writeln!(out, "  since {ago} {} is new at its place", named(workspace, plan, at, target));
        }
        Change::Gone { name, .. } => {
            let _ = writeln!(out, "  since {ago} the step `{name}` before it is gone");
        }
        Change::Step { at, parts } => {
            let _ = writeln!(out, "  since {ago} {} changed:", named(workspace, plan, at, target));
            for part in parts {
                let _ = writeln!(out, "    {}", part.name);
                for detail in part.details {
                    let _ = writeln!(out, "      {detail}");
                }
            }
        }
    }
    Ok(out)
}

/// The step itself, or one before it with its place.
fn named(workspace: &Workspace, plan: &ImagePlan, at: usize, target: usize) -> String {
    let step = &plan.steps[at];
    if at == target { "it".to_owned() } else { format!("`{}`{}", step.name, place(workspace, step)) }
}

/// Where a step's statement is, in parentheses; nothing for steps of no statement.
fn place(workspace: &Workspace, step: &Step) -> String {
    let sources = &workspace.project.sources;
    step.span.map_or_else(String::new, |span| {
        format!(" ({}:{})", sources.get(span.source).name, sources.line_col(span).line + 1)
    })
}

/// The deepest step from `target` on whose state is kept.
fn kept(store: &Store, plan: &ImagePlan, target: usize) -> Option<usize> {
    (target..plan.steps.len()).rev().find(|&at| store.layers().get(&plan.steps[at].key.0).is_some())
}

/// The newest build of this project that came to a step of the image and recorded what its keys were made of:
/// number, time, plan. One that was refused before, say for want of a secret's value, tells nothing of its results.
fn earlier(workspace: &Workspace, image: &str) -> Outcome<Option<(i64, String, PlanSummary)>> {
    let records = workspace.store.records().map_err(refused)?;
    let project = workspace.project.files.root().to_string_lossy().into_owned();
    for build in records.builds(Some(&project), LOOKED_AT).map_err(refused)? {
        let Some(record) = records.build(build.id).map_err(refused)? else { continue };
        let reached = record.details.into_iter().find(|one| one.name == image && !one.steps.is_empty());
        let recorded = reached.and_then(|one| one.plan);
        let plan = recorded.and_then(|plan| serde_json::from_value::<PlanSummary>(plan).ok());
        if let Some(plan) = plan.filter(|plan| plan.base_key.is_some()) {
            return Ok(Some((build.id, local(build.began_ms), plan)));
        }
    }
    Ok(None)
}

//! `imgfile why`: what was chosen, because of what, and why nothing else.

use std::fmt::Write as _;
use std::sync::Arc;

use super::{CommandResult, Exit, failed, file_args::FileArgs, listener::OnScreen};
use crate::{
    exec::change::Change,
    ops::{self, StepFate, Why, WorkspaceOptions, resolved::Resolved},
    plan::Step,
    report::local,
    resolve::{PassedOver, Reason, Resolution, VersionChoice},
    text::Sources,
};

/// Explain why the base or an application was chosen, or why a step runs again.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// `base`, the name of an application, or a step as `plan` names it.
    #[arg(add = clap_complete::ArgValueCompleter::new(super::candidates::whys))]
    pub what: String,
    #[command(flatten)]
    pub file: FileArgs,
    /// The image, if the ImageFile has several.
    #[arg(long, value_name = "NAME", add = clap_complete::ArgValueCompleter::new(super::candidates::images))]
    pub image: Option<String>,
}

pub(super) fn run(args: Args) -> Exit {
    super::block_on(async { explain(args).await.err().unwrap_or(Exit::Done) })
}

async fn explain(args: Args) -> CommandResult<()> {
    let options = WorkspaceOptions { image: args.image, ..args.file.options() };
    let why = ops::why(options, &args.what, Arc::new(OnScreen::default())).await.map_err(failed)?;
    super::print(&match &why {
        Why::Base { resolved, image, others } => {
            base(&resolved.images.images[image], others, &resolved.project.sources)
        }
        Why::App { resolved, image, name, versions } => application(resolved, image, name, versions),
        Why::Step(fate) => step(fate),
    });
    Ok(())
}

fn base(resolution: &Resolution, others: &[PassedOver], sources: &Sources) -> String {
    let base = &resolution.base;
    let mut out = format!("{} {}: {}\n", base.name, base.version, base.because);
    for other in others {
        let _ = writeln!(out, "\n{} {} ({})", other.name, other.version, other.tier);
        for reason in &other.reasons {
            let _ = writeln!(out, "  {}", told(reason, sources));
        }
    }
    out
}

/// A reason with the place of the statement that it comes from.
fn told(reason: &Reason, sources: &Sources) -> String {
    match reason.span {
        Some(span) => {
            let line = sources.line_col(span).line + 1;
            format!("{} ({}:{line})", reason.text, sources.get(span.source).name)
        }
        None => reason.text.clone(),
    }
}

fn application(resolved: &Resolved, image: &str, name: &str, versions: &[VersionChoice]) -> String {
    let resolution = &resolved.images.images[image];
    let (Some(app), Some(image)) =
        (resolution.apps.iter().find(|app| app.name == name), resolved.project.checked.spec.image(image))
    else {
        return String::new();
    };
    let mut out = format!("{} {}\n", app.name, app.version);
    let sources = &resolved.project.sources;
    if let Some(span) = app.span {
        let line = sources.line_col(span).line + 1;
        let who = if app.inherited { "the base image has it" } else { "the ImageFile asks for it" };
        let _ = writeln!(out, "  {who} ({}:{line})", sources.get(span.source).name);
    }
    for by in &app.needed_by {
        let _ = writeln!(out, "  `{by}` requires it");
    }
    let _ = writeln!(out, "  defined in the catalogue `{}`", app.layer);
    for hidden in resolved.catalog.hidden_apps(&app.name) {
        let layer = &resolved.catalog.layers()[hidden.layer];
        let _ = writeln!(
            out,
            "  which hides the definition of `{layer}` ({})",
            resolved.catalog.place(hidden.name.span)
        );
    }
    let origin = |given: bool| match (given, app.inherited) {
        (true, _) => "",
        (false, true) => " (of the base image)",
        (false, false) => " (default)",
    };
    for (name, value) in &app.options {
        let given = image
            .apps
            .iter()
            .filter(|one| one.name.value == app.name)
            .any(|one| one.options.iter().any(|option| option.key.value == *name));
        let _ = writeln!(out, "  {name} = {value}{}", origin(given));
    }
    let _ = writeln!(out, "\nversions");
    for choice in versions {
        let mark = if choice.chosen { "*" } else { " " };
        let _ = writeln!(out, "{mark} {}: {}", choice.version, choice.reason);
    }
    out
}

/// A step, in sentences.
fn step(fate: &StepFate) -> String {
    let (plan, target) = (&fate.plan, fate.step);
    let step = &plan.steps[target];
    let mut out = format!("{}{}\n", step.name, place(fate, step));
    match fate.kept {
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
    let Some(since) = &fate.since else {
        out.push_str("  no earlier build of this image is recorded\n");
        return out;
    };
    let ago = format!("build {} ({})", since.build, local(since.began_ms));
    match &since.change {
        Change::None if fate.kept.is_some() => {
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
            let _ = writeln!(out, "  since {ago} {} is new at its place", named(fate, *at));
        }
        Change::Gone { name, .. } => {
            let _ = writeln!(out, "  since {ago} the step `{name}` before it is gone");
        }
        Change::Step { at, parts } => {
            let _ = writeln!(out, "  since {ago} {} changed:", named(fate, *at));
            for part in parts {
                let _ = writeln!(out, "    {}", part.name);
                for detail in &part.details {
                    let _ = writeln!(out, "      {detail}");
                }
            }
        }
    }
    out
}

/// The step itself, or one before it with its place.
fn named(fate: &StepFate, at: usize) -> String {
    let step = &fate.plan.steps[at];
    if at == fate.step { "it".to_owned() } else { format!("`{}`{}", step.name, place(fate, step)) }
}

/// Where a step's statement is, in parentheses; nothing for steps of no statement.
fn place(fate: &StepFate, step: &Step) -> String {
    let sources = &fate.sources;
    step.span.map_or_else(String::new, |span| {
        format!(" ({}:{})", sources.get(span.source).name, sources.line_col(span).line + 1)
    })
}

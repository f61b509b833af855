//! `imgfile why`: what was chosen, because of what, and why nothing else.

use std::fmt::Write as _;

use super::Exit;
use super::file_args::FileArgs;
use super::resolving::{self, Resolved};
use crate::catalog::Catalog;
use crate::check::ImageSpec;
use crate::resolve::{
    PassedOver, Preferences, Reason, Resolution, ResolvedApp, passed_over, version_choices,
};
use crate::text::{Sources, nearest};

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

/// Runs the command.
#[must_use]
pub fn run(args: &Args) -> Exit {
    match explain(args) {
        Ok(text) => {
            super::print(&text);
            Exit::Done
        }
        Err(exit) => exit,
    }
}

fn explain(args: &Args) -> Result<String, Exit> {
    let resolved = resolving::open(&args.file)?;
    let image = resolved.image(args.image.as_deref())?;
    let Some(resolution) = resolved.images.images.get(&image.name.value) else { return Err(Exit::Files) };
    let preferences = resolved.preferences(&image.name.value, None);
    if args.what == "base" {
        let wanted = resolved.wanted(image);
        let others = passed_over(&wanted, &resolved.catalog, &preferences, resolution);
        return Ok(base(resolution, &others, &resolved.project.sources));
    }
    let Some(app) = resolution.apps.iter().find(|app| app.name == args.what) else {
        let absent = || absent(&args.what, image, resolution, &resolved.catalog);
        return super::why_step::explain((&args.file, &args.what), &image.name.value, absent);
    };
    Ok(application(app, image, resolution, &resolved, &preferences))
}

fn absent(name: &str, image: &ImageSpec, resolution: &Resolution, catalog: &Catalog) -> String {
    let chosen = resolution.apps.iter().map(|app| app.name.as_str());
    let mut text = format!("`{name}` is not in the image `{}`", image.name.value);
    if image.packages.iter().any(|package| package.name == name) {
        return format!(
            "`{name}` is a package that the image `{}` asks for, not an application; `imgfile plan` shows its version",
            image.name.value
        );
    }
    if catalog.app(name).is_some() {
        text.push_str(", nor is it required by what is");
    } else if let Some(near) = nearest(name, chosen.chain(["base"])) {
        let _ = write!(text, "; did you mean `{near}`?");
    }
    text
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

fn application(
    app: &ResolvedApp,
    image: &ImageSpec,
    resolution: &Resolution,
    resolved: &Resolved,
    preferences: &Preferences,
) -> String {
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
    let wanted = resolved.wanted(image);
    for choice in version_choices(&wanted, &resolved.catalog, preferences, resolution, &app.name) {
        let mark = if choice.chosen { "*" } else { " " };
        let _ = writeln!(out, "{mark} {}: {}", choice.version, choice.reason);
    }
    out
}

//! A plan as text for people, and as JSON.

use std::fmt::Write as _;

use crate::{
    check::Size,
    plan::{Action, BaseSource, CopyFrom, ImagePlan, Plan, RunAs, ScriptStep, Stage, Step, WantedUnit},
};

/// What a build will do, one line a step.
#[must_use]
pub fn plan(plan: &Plan) -> String {
    let images: Vec<String> = plan.images.iter().map(image).collect();
    images.join("\n")
}

/// The whole plan.
#[must_use]
pub fn plan_json(plan: &Plan) -> String {
    // Plain data with text keys always has a JSON form.
    serde_json::to_string_pretty(plan).unwrap_or_default() + "\n"
}

fn image(image: &ImagePlan) -> String {
    let mut text = format!("image \"{}\"\n", image.image);
    let base = match &image.base.source {
        BaseSource::Bootstrap { packages, .. } => format!("bootstrapped from {} packages", packages.len()),
        BaseSource::File { path, sha256 } => format!("{path}, sha256 {}", sha256.short()),
        BaseSource::Url { url, sha256 } => format!("{url}, sha256 {}", sha256.short()),
        BaseSource::Captured { disk, sha256 } => format!("captured from {disk}, sha256 {}", sha256.short()),
        BaseSource::Image { image, .. } => format!("the image \"{image}\""),
    };
    let _ = writeln!(text, "  base     {} ({base})", image.base.name);
    let _ = writeln!(text, "  disk     {}", Size(image.disk_size));
    let _ = writeln!(text, "  user     {}", image.user);
    let width = image.steps.iter().map(|step| step.name.chars().count()).max().unwrap_or(0).min(48);
    let _ = writeln!(text, "  steps");
    for step in &image.steps {
        let stage = match step.stage {
            Stage::Offline => "offline",
            Stage::Booted => "booted ",
        };
        let _ = writeln!(text, "    {stage}  {:width$}  {}", step.name, detail(step));
    }
    if !image.tests.is_empty() {
        let _ = writeln!(text, "  tests");
        for test in &image.tests {
            let _ = writeln!(text, "    {}", test.name);
        }
    }
    for output in &image.outputs {
        let _ = writeln!(text, "  output   {}", output.file);
    }
    text
}

/// What is worth knowing about a step beyond its name.
fn detail(step: &Step) -> String {
    match &step.action {
        Action::Grow { disk_size } => format!("to {}", Size(*disk_size)),
        Action::Packages(change) => {
            let bytes = change.install.iter().map(|package| package.size).sum::<u64>();
            let mut text = format!(
                "{} to install, {}.{} MB",
                change.install.len(),
                bytes / 1_000_000,
                bytes / 100_000 % 10
            );
            if !change.remove.is_empty() {
                let _ = write!(text, "; {} to remove", change.remove.len());
            }
            text
        }
        Action::App(app) => format!("{} with {} files", app.version, app.files.len()),
        Action::DefaultUser { temporary: true, .. } => "taken away at the end".to_owned(),
        Action::DefaultUser { .. } | Action::Account(_) | Action::Group(_) | Action::Reboot => String::new(),
        Action::Copy(copy) => match &copy.from {
            CopyFrom::Tree(tree) => format!("{} entries, {} bytes", tree.entries.len(), tree.size()),
            CopyFrom::Text { content } => format!("{} bytes", content.len()),
            CopyFrom::Download { checksum, .. } => checksum.short(),
        },
        Action::Script(script) => script_detail(script),
        Action::Services { units } => {
            let words = units.iter().map(|unit| {
                let state = match unit.state {
                    WantedUnit::Enabled => "enabled",
                    WantedUnit::Disabled => "disabled",
                    WantedUnit::Masked => "masked",
                };
                format!("{} {state}", unit.unit)
            });
            words.collect::<Vec<_>>().join(", ")
        }
        Action::KernelArgs { args } => args.join(" "),
        Action::Cleanup(cleanup) => {
            cleanup.items.iter().map(|item| item.name.as_str()).collect::<Vec<_>>().join(", ")
        }
    }
}

fn script_detail(script: &ScriptStep) -> String {
    let user = match &script.user {
        RunAs::Default => "as the default user",
        RunAs::Root => "as root",
        RunAs::Named(name) => return format!("as {name}, at most {} s", script.timeout_secs),
    };
    format!("{user}, at most {} s", script.timeout_secs)
}

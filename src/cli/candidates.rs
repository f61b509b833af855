//! What completes the names in a command: images, steps, codes, applications. Asked by a shell while somebody
//! types, so nothing is downloaded, nothing is complained of, and what cannot be read completes nothing.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::Path;

use clap_complete::CompletionCandidate;

use crate::diagnostic::codes_with_titles;
use crate::hygiene::RULES;
use crate::ops::{self, Silent, project, records::here, resolved::built_in, settings::Flags};
use crate::store::{
    Records,
    records::{ArtifactRecord, State},
};

fn beginning<S: Into<String>>(
    current: &OsStr,
    all: impl IntoIterator<Item = (S, String)>,
) -> Vec<CompletionCandidate> {
    let current = current.to_string_lossy().into_owned();
    all.into_iter()
        .map(|(name, about)| (name.into(), about))
        .filter(|(name, _)| name.starts_with(&current))
        .map(|(name, about)| CompletionCandidate::new(name).help((!about.is_empty()).then(|| about.into())))
        .collect()
}

/// The records of the store, by the settings that hold here.
fn records() -> Option<Records> {
    Some(ops::records::open(&Flags::default(), &Silent).ok()?.1)
}

/// Images of the ImageFile here.
pub(super) fn images(current: &OsStr) -> Vec<CompletionCandidate> {
    let project = project::find(Path::new(".")).and_then(|file| project::open(&file, &[]));
    let images = project.map(|project| project.checked.spec.images).unwrap_or_default();
    beginning(current, images.into_iter().map(|image| (image.name.value, String::new())))
}

/// Artifacts that were built here: their names and tags.
pub(super) fn artifacts(current: &OsStr) -> Vec<CompletionCandidate> {
    let names = known().into_iter().flat_map(|artifact| {
        let names = std::iter::once(artifact.name().to_owned()).chain(artifact.tags.iter().cloned());
        names.map(|name| (name, artifact.path.clone())).collect::<Vec<_>>()
    });
    beginning(current, names)
}

/// Tags of this project's artifacts.
pub(super) fn tags(current: &OsStr) -> Vec<CompletionCandidate> {
    let here = here();
    let ours = known().into_iter().filter(|artifact| here.as_ref() == Some(&artifact.project));
    let tags = ours.flat_map(|artifact| {
        let (path, tags) = (artifact.path, artifact.tags);
        tags.into_iter().map(move |tag| (tag, path.clone()))
    });
    beginning(current, tags)
}

/// Names that artifacts have in their ImageFiles.
pub(super) fn templates(current: &OsStr) -> Vec<CompletionCandidate> {
    let names: BTreeSet<String> = known().into_iter().map(|artifact| artifact.image).collect();
    beginning(current, names.into_iter().map(|name| (name, String::new())))
}

fn known() -> Vec<ArtifactRecord> {
    records().and_then(|records| records.artifacts().ok()).unwrap_or_default()
}

/// Builds of this project.
pub(super) fn builds(current: &OsStr) -> Vec<CompletionCandidate> {
    let found = || {
        let records = records()?;
        let builds = records.builds(here().as_deref(), 20).ok()?.into_iter();
        let about = |images: &[String], state: State| format!("{state}: {}", images.join(", "));
        Some(
            builds.map(|build| (build.id.to_string(), about(&build.images, build.state))).collect::<Vec<_>>(),
        )
    };
    beginning(current, found().unwrap_or_default())
}

/// What `why` explains: `base`, applications, and the steps of the newest build here.
pub(super) fn whys(current: &OsStr) -> Vec<CompletionCandidate> {
    let steps = || {
        let records = records()?;
        let newest = records.builds(here().as_deref(), 1).ok()?.first()?.id;
        let record = records.build(newest).ok()??;
        // What a build does beside its steps, such as to start a machine, has no reasons of its own.
        let plans = record.details.into_iter().filter_map(|image| image.plan);
        let names = plans.flat_map(|plan| {
            let steps = plan["steps"].as_array().cloned().unwrap_or_default();
            steps.into_iter().filter_map(|step| Some(step["name"].as_str()?.to_owned())).collect::<Vec<_>>()
        });
        let names: BTreeSet<String> = names.collect();
        Some(names.into_iter().map(|name| (name, "a step".to_owned())).collect::<Vec<_>>())
    };
    let base = ("base".to_owned(), "why this base was chosen".to_owned());
    beginning(current, std::iter::once(base).chain(steps().unwrap_or_default()))
}

/// Targets of the user's configuration.
pub(super) fn targets(current: &OsStr) -> Vec<CompletionCandidate> {
    let settings = ops::records::settings(&Flags::default(), &Silent);
    let targets = settings.map(|settings| settings.targets).unwrap_or_default();
    beginning(current, targets.into_iter().map(|target| (target.name, target.driver.about.to_owned())))
}

/// Codes of diagnostics, and numbers of rules.
pub(super) fn codes(current: &OsStr) -> Vec<CompletionCandidate> {
    let upper = current.to_string_lossy().to_ascii_uppercase();
    let codes = codes_with_titles().map(|(code, title)| (code.as_str(), title.to_owned()));
    let rules = RULES.iter().map(|rule| (rule.id, rule.title.to_owned()));
    beginning(OsStr::new(&upper), codes.chain(rules))
}

/// Numbers of rules for finished disks.
pub(super) fn rules(current: &OsStr) -> Vec<CompletionCandidate> {
    let upper = current.to_string_lossy().to_ascii_uppercase();
    beginning(OsStr::new(&upper), RULES.iter().map(|rule| (rule.id, rule.title.to_owned())))
}

/// Applications of the built-in catalogue.
pub(super) fn apps(current: &OsStr) -> Vec<CompletionCandidate> {
    let catalog = built_in();
    beginning(current, catalog.apps().map(|app| (app.name.value.clone(), app.summary.clone())))
}

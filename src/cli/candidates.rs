//! What completes the names in a command: images, steps, codes, applications. Asked by a shell while somebody
//! types, so nothing is downloaded, nothing is complained of, and what cannot be read completes nothing.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::Path;

use clap_complete::CompletionCandidate;

use super::settings::{Flags, Settings, Surroundings};
use super::{project, recorded};
use crate::catalog::{Catalog, builtin};
use crate::check::check;
use crate::diagnostic::codes_with_titles;
use crate::store::{ProjectFolder, Records, Store, records::State};
use crate::text::Sources;

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
    let around = Surroundings { project: Some(Path::new(".")), env: |name: &str| std::env::var_os(name) };
    let settings = Settings::load(&Flags::default(), &around, &mut Sources::default()).ok()?;
    Store::open(settings.store.value).ok()?.records().ok()
}

/// Images of the ImageFile here.
pub(super) fn images(current: &OsStr) -> Vec<CompletionCandidate> {
    let found = || {
        let file = project::find(Path::new(".")).ok()?;
        let files = ProjectFolder::open(Path::new(".")).ok()?;
        let checked = check(file.to_str()?, &mut Sources::default(), &files, &[]);
        Some(
            checked
                .spec
                .images
                .iter()
                .map(|image| (image.name.value.clone(), String::new()))
                .collect::<Vec<_>>(),
        )
    };
    beginning(current, found().unwrap_or_default())
}

/// Artifacts that were built here.
pub(super) fn artifacts(current: &OsStr) -> Vec<CompletionCandidate> {
    let found = || {
        let records = records()?;
        let artifacts = records.artifacts().ok()?.into_iter();
        Some(
            artifacts.map(|artifact| (artifact.name().to_owned(), artifact.path.clone())).collect::<Vec<_>>(),
        )
    };
    beginning(current, found().unwrap_or_default())
}

/// Builds of this project.
pub(super) fn builds(current: &OsStr) -> Vec<CompletionCandidate> {
    let found = || {
        let records = records()?;
        let builds = records.builds(recorded::here().as_deref(), 20).ok()?.into_iter();
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
        let newest = records.builds(recorded::here().as_deref(), 1).ok()?.first()?.id;
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

/// Codes of diagnostics.
pub(super) fn codes(current: &OsStr) -> Vec<CompletionCandidate> {
    let upper = current.to_string_lossy().to_ascii_uppercase();
    beginning(OsStr::new(&upper), codes_with_titles().map(|(code, title)| (code.as_str(), title.to_owned())))
}

/// Applications of the built-in catalogue.
pub(super) fn apps(current: &OsStr) -> Vec<CompletionCandidate> {
    let mut sources = Sources::default();
    let layer = builtin(&mut sources);
    let (catalog, _) = Catalog::load(&[layer], &sources);
    beginning(current, catalog.apps().map(|app| (app.name.value.clone(), app.summary.clone())))
}

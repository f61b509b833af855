//! What of the catalogue the images of a project need: a mistake in the rest is no reason not to build.

use std::collections::BTreeSet;

use crate::catalog::{AppDef, Catalog};
use crate::check::Spec;
use crate::diagnostic::{Diagnostic, codes};
use crate::text::Span;

/// The mistakes of the catalogue, each a warning where no image of the project needs what is wrong.
#[must_use]
pub fn of_catalogue(mistakes: Vec<Diagnostic>, spec: &Spec, catalog: &Catalog) -> Vec<Diagnostic> {
    let needed = apps(spec, catalog);
    mistakes.into_iter().map(|mistake| judge(mistake, catalog, &needed)).collect()
}

/// What resolving found, but for what follows from a mistake of the catalogue that is among `found`.
#[must_use]
pub fn of_resolution(
    resolved: Vec<Diagnostic>,
    found: &[Diagnostic],
    spec: &Spec,
    catalog: &Catalog,
) -> Vec<Diagnostic> {
    let hopeless = hopeless(found, spec, catalog);
    let follows = |one: &Diagnostic| {
        one.code == codes::NO_SOLUTION && one.labels.iter().any(|label| hopeless.contains(&label.span))
    };
    resolved.into_iter().filter(|one| !follows(one)).collect()
}

/// The applications that images or profiles name, and all that these may require.
fn apps(spec: &Spec, catalog: &Catalog) -> BTreeSet<String> {
    let named = spec.images.iter().chain(&spec.unused_profiles).flat_map(|image| &image.apps);
    required(named.map(|app| app.name.value.clone()).collect(), catalog)
}

fn required(mut open: Vec<String>, catalog: &Catalog) -> BTreeSet<String> {
    let mut needed = BTreeSet::new();
    while let Some(name) = open.pop() {
        let of_versions = |def: &AppDef| -> Vec<String> {
            let requires =
                def.requires.iter().chain(def.versions.iter().flat_map(|version| &version.requires));
            requires.map(|require| require.name.clone()).collect()
        };
        if needed.contains(&name) {
            continue;
        }
        open.extend(catalog.app(&name).map(of_versions).unwrap_or_default());
        open.extend(catalog.providers(&name).iter().cloned());
        needed.insert(name);
    }
    needed
}

/// Names in `app` statements of what can never be installed, as `found` already says.
fn hopeless(found: &[Diagnostic], spec: &Spec, catalog: &Catalog) -> BTreeSet<Span> {
    let wrong: Vec<&Diagnostic> = found
        .iter()
        .filter(|one| matches!(one.code, codes::CATALOG_DANGLING | codes::CATALOG_CYCLE))
        .collect();
    if wrong.is_empty() {
        return BTreeSet::new();
    }
    let broken =
        |name: &String| catalog.app(name).is_some_and(|app| wrong.iter().any(|one| concerns(one, app)));
    let apps = spec.images.iter().flat_map(|image| &image.apps);
    apps.filter(|app| required(vec![app.name.value.clone()], catalog).iter().any(broken))
        .map(|app| app.name.span)
        .collect()
}

/// Whether a mistake lies in the file of an application.
fn concerns(mistake: &Diagnostic, app: &AppDef) -> bool {
    mistake.labels.iter().any(|label| label.span.source == app.name.span.source)
}

/// A requirement that nothing satisfies, or a circle of them, is a warning where no image needs it.
fn judge(mistake: Diagnostic, catalog: &Catalog, needed: &BTreeSet<String>) -> Diagnostic {
    if !matches!(mistake.code, codes::CATALOG_DANGLING | codes::CATALOG_CYCLE) {
        return mistake;
    }
    let mut concerned = catalog.apps().filter(|app| concerns(&mistake, app)).peekable();
    if concerned.peek().is_none() || concerned.any(|app| needed.contains(&app.name.value)) {
        return mistake;
    }
    let code = mistake.code;
    let warning =
        Diagnostic { code: codes::CATALOG_UNNEEDED, severity: codes::CATALOG_UNNEEDED.severity(), ..mistake };
    warning.note(format!("no image of this project needs it; where one does, this is an error ({code})"))
}

//! Why an application is in an image in the version it is, and why not in another.

use super::{Preferences, Requirement, Resolution, Version, Wanted, WantedApp, resolve};
use crate::catalog::Catalog;
use crate::text::Spanned;

/// A version of an application as seen by one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionChoice {
    /// One of the catalogue entry's.
    pub version: Version,
    /// Whether the resolution has this one.
    pub chosen: bool,
    /// In words: why it was chosen, or what stands in the way.
    pub reason: String,
}

/// Every version of an application that `resolution` chose one of, newest first.
#[must_use]
pub fn version_choices(
    wanted: &Wanted,
    catalog: &Catalog,
    preferences: &Preferences,
    resolution: &Resolution,
    app: &str,
) -> Vec<VersionChoice> {
    let chosen = resolution.apps.iter().find(|one| one.name == app);
    let (Some(def), Some(chosen)) = (catalog.app(app), chosen) else { return Vec::new() };
    let statement = wanted.apps.iter().find(|one| one.name.value == app);
    let requirement = statement.and_then(|one| one.requirement.as_ref());
    let newest = def.versions.iter().rev().map(|version| &version.version.value);
    newest
        .map(|version| {
            let is_chosen = *version == chosen.version;
            let inherited = statement.is_some_and(|one| one.inherited.is_some());
            let reason = match requirement {
                _ if inherited && is_chosen => "the base image has it".to_owned(),
                _ if inherited => format!("the base image has {}", chosen.version),
                _ if is_chosen => because(preferences, chosen, def.versions.last().map(|v| &v.version.value)),
                Some(wanted) if !wanted.value.matches(version) => {
                    format!("the ImageFile asks for `{app} {}`", wanted.value)
                }
                _ => obstacle(wanted, catalog, app, version)
                    .unwrap_or_else(|| less_welcome(preferences, app, version, &chosen.version)),
            };
            VersionChoice { version: version.clone(), chosen: is_chosen, reason }
        })
        .collect()
}

fn because(preferences: &Preferences, chosen: &super::ResolvedApp, newest: Option<&Version>) -> String {
    if preferences.apps.get(&chosen.name) == Some(&chosen.version) {
        "the lock holds it, and it still fits".to_owned()
    } else if newest == Some(&chosen.version) {
        "the newest in the catalogue".to_owned()
    } else {
        "the newest that fits".to_owned()
    }
}

fn less_welcome(preferences: &Preferences, app: &str, version: &Version, chosen: &Version) -> String {
    if preferences.apps.get(app) == Some(chosen) {
        format!("possible, but the lock holds {chosen}")
    } else if version < chosen {
        format!("possible, but {chosen} is newer")
    } else {
        "possible, but only on a less suitable base or with older versions of others".to_owned()
    }
}

/// Solves with exactly this version; what is said if that fails.
fn obstacle(wanted: &Wanted, catalog: &Catalog, app: &str, version: &Version) -> Option<String> {
    let mut changed = wanted.clone();
    let exactly = Some(Spanned::new(Requirement::exactly(version.clone()), wanted.image.span));
    match changed.apps.iter_mut().find(|one| one.name.value == app) {
        Some(statement) => statement.requirement = exactly,
        None => changed.apps.push(WantedApp {
            doubtful: false,
            span: wanted.image.span,
            name: Spanned::new(app.to_owned(), wanted.image.span),
            requirement: exactly,
            options: Vec::new(),
            inherited: None,
        }),
    }
    let errors = resolve(&changed, catalog, &Preferences::default()).err()?;
    errors.into_iter().next().map(|error| error.message)
}

//! Whether the packages of an image are the versions that the catalogue speaks of.

use crate::{
    check::ImageSpec,
    diagnostic::{Diagnostic, codes},
    packages::{InstalledPackage, VersionWanted},
    resolve::{Resolution, ResolvedApp},
};

/// An application's version is that of the package its entry names with `version_of`: what its scripts
/// and options were written for. `installed` is what the image has in the end.
///
/// # Errors
///
/// Every application whose package is of another version, or is not there.
pub fn check(
    spec: &ImageSpec,
    resolution: &Resolution,
    installed: &[InstalledPackage],
) -> Result<(), Vec<Diagnostic>> {
    let wrong: Vec<_> = resolution.own_apps().filter_map(|app| mismatch(spec, app, installed)).collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

fn mismatch(spec: &ImageSpec, app: &ResolvedApp, installed: &[InstalledPackage]) -> Option<Diagnostic> {
    let carrier = app.version_of.as_ref()?;
    let span = app.span.unwrap_or(spec.name.span);
    let entry = format!("the entry is of the catalogue `{}`", app.layer);
    let Some(package) = installed.iter().find(|package| package.name == *carrier) else {
        let message = format!("`{} {}` comes without its package `{carrier}`", app.name, app.version);
        return Some(
            Diagnostic::new(codes::PACKAGE_VERSION, message)
                .label(span, format!("its version is that of `{carrier}`, which is not installed"))
                .note(entry)
                .help("name the package in the entry's `packages`, or correct its `version_of`"),
        );
    };
    if VersionWanted::upstream(&app.version).takes(&package.version) {
        return None;
    }
    let message =
        format!("the package `{carrier}` is version {}, not {} {}", package.version, app.name, app.version);
    Some(
        Diagnostic::new(codes::PACKAGE_VERSION, message)
            .label(span, format!("{} is what the catalogue promises", app.version))
            .note(entry)
            .help(format!(
                "use an archive that has {} {}, or bring the entry's `versions` up to date",
                app.name, app.version
            )),
    )
}

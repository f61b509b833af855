//! Whether the packages of an image are the versions that the catalogue speaks of.

use crate::{
    check::ImageSpec,
    diagnostic::{Diagnostic, codes},
    packages::{InstalledPackage, Version},
    resolve::{Requirement, Resolution, ResolvedApp},
    text,
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
    if fits(&app.version, &package.version) {
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

/// Whether a package's version, without epoch and revision, is the catalogue's version or one more
/// exact: 1.26.3-3 is 1.26.
fn fits(wanted: &text::Version, package: &Version) -> bool {
    let text = package.as_str();
    let text = text.split_once(':').map_or(text, |(_, rest)| rest);
    let upstream: String = text.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    let parts: Vec<&str> = upstream.split('.').filter(|part| !part.is_empty()).take(4).collect();
    let Ok(upstream) = parts.join(".").parse::<text::Version>() else { return false };
    wanted.as_str().parse::<Requirement>().is_ok_and(|requirement| requirement.matches(&upstream))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_what_the_catalogue_says_by_its_upstream_version() {
        let fits = |wanted: &str, package: &str| {
            fits(&wanted.parse().unwrap(), &package.parse::<Version>().unwrap())
        };
        for (wanted, package) in [
            ("1.26", "1.26.3-3+deb13u1"),
            ("9.20", "1:9.20.11-4"),
            ("20", "20.19.2+dfsg-1"),
            ("8.2504", "8.2504.0-1"),
            ("1", "1~rc2-1"),
            ("3.13", "3.13.5-1"),
            ("1.26.3", "1.26.3-1"),
            ("0.36", "0.36.2-9"),
            ("1.1", "1.1.0.2.7-1"),
        ] {
            assert!(fits(wanted, package), "{wanted} {package}");
        }
        for (wanted, package) in
            [("1.26", "1.27.0-1"), ("1.2", "1.26-1"), ("2", "1:1.9-1"), ("1.26.3", "1.26-1"), ("1", "trixie")]
        {
            assert!(!fits(wanted, package), "{wanted} {package}");
        }
    }
}

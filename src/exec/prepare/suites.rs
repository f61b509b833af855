//! Suites and components that `archive` statements name and no archive has.

use crate::{
    check::{ArchiveSource, ImageSpec},
    diagnostic::{Diagnostic, codes},
    packages::{DEBIAN, Manager},
    store::{archive::ArchiveError, fetch::FetchError},
};

/// What a release of Debian has beside itself: `dists/` of its archive.
const OWN_SUITES: [&str; 3] = ["backports", "proposed-updates", "updates"];

/// What to say of a failure whose cause is a word of the image's: `release` is the main suite of its base, such as
/// `trixie`.
#[must_use]
pub fn unknown(
    error: &ArchiveError,
    spec: &ImageSpec,
    release: (Manager, Option<&str>),
) -> Option<Diagnostic> {
    unknown_suite(error, spec, release).or_else(|| unknown_component(error, spec))
}

/// The server has no index where a suite that a statement names would have it.
fn unknown_suite(
    error: &ArchiveError,
    spec: &ImageSpec,
    (manager, release): (Manager, Option<&str>),
) -> Option<Diagnostic> {
    let ArchiveError::Fetch(FetchError::Gone { url, .. }) = error else { return None };
    let (of, suite, folder) = spec.archives.iter().find_map(|archive| match &archive.source {
        ArchiveSource::Own { suites, .. } => suites.iter().find_map(|suite| {
            let folder = format!("/dists/{}/", manager.own_suite(release?, &suite.value));
            url.contains(&folder).then_some((DEBIAN, suite, folder))
        }),
        ArchiveSource::Other(other) => {
            // One that ends in `/` is a folder, without `dists`: sources.list(5).
            let suite = other.suite.value.trim_start_matches("./");
            let folder = match suite {
                "" | "/" => "/".to_owned(),
                _ if suite.ends_with('/') => format!("/{suite}"),
                _ => format!("/dists/{suite}/"),
            };
            url.strip_prefix(other.address()).is_some_and(|rest| rest.starts_with(&folder)).then_some((
                other.url.value.as_str(),
                &other.suite,
                folder,
            ))
        }
    })?;
    let message = if of == DEBIAN {
        format!(
            "Debian's archive has no suite `{}`",
            folder.trim_start_matches("/dists/").trim_end_matches('/')
        )
    } else {
        format!("`{of}` has no suite `{}`", suite.value)
    };
    let diagnostic = Diagnostic::new(codes::SUITE_UNKNOWN, message)
        .label(suite.span, "the server has nothing there")
        .note(error.to_string());
    // What is written nearly as one of Debian's was told before.
    Some(if of == DEBIAN {
        diagnostic.help(format!(
            "beside the release itself, which is there already, these are `{}`",
            OWN_SUITES.join("`, `")
        ))
    } else {
        diagnostic.help("whoever publishes the archive says what its address and suites are")
    })
}

/// The index of an archive that a statement names says nothing of a component.
fn unknown_component(error: &ArchiveError, spec: &ImageSpec) -> Option<Diagnostic> {
    let ArchiveError::NoComponent { url, component, .. } = error else { return None };
    let written = spec.archives.iter().find_map(|archive| match &archive.source {
        ArchiveSource::Other(other) if other.address() == url => {
            other.components.iter().find(|one| one.value == *component)
        }
        _ => None,
    })?;
    Some(
        Diagnostic::new(codes::SUITE_UNKNOWN, error.to_string())
            .label(written.span, "nothing of this name there")
            .help("whoever publishes the archive says what its components are"),
    )
}

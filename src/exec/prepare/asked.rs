//! The archives that an image's `archive` statements add to those of its base.

use std::sync::Arc;

use super::{Keys, errors, suites};
use crate::{
    check::{ArchiveSource, ArchiveSpec, ImageSpec, OtherArchive},
    diagnostic::{Diagnostic, codes},
    exec::BuildError,
    front,
    packages::{Archive, DEBIAN, Manager},
    resolve::Resolution,
    store::archive::ArchiveError,
    text::Spanned,
};

/// The archives beyond `base`, in the order written.
pub(super) fn archives(
    manager: Manager,
    spec: &ImageSpec,
    base: &[(Archive, Keys)],
) -> Result<Vec<(Archive, Keys)>, BuildError> {
    let mut all = Vec::new();
    for archive in &spec.archives {
        match &archive.source {
            ArchiveSource::Own { components, suites } => {
                let Some((main, keys)) = main_archive(base) else {
                    let message = "the base has no archive of Debian that there could be more of";
                    return Err(BuildError::Diagnosed(vec![
                        Diagnostic::new(codes::NO_MIRROR, message)
                            .label(archive.span, "asked for here")
                            .help("name the archive by its address, `archive \"https://…\" { … }`"),
                    ]));
                };
                let more: Vec<String> = words(components);
                if !more.is_empty() {
                    let own = base.iter().filter(|(own, _)| own.name.starts_with(DEBIAN));
                    all.extend(own.map(|(own, keys)| {
                        (Archive { components: more.clone(), ..own.clone() }, keys.clone())
                    }));
                }
                let components: Vec<String> = main.components.iter().chain(&more).cloned().collect();
                all.extend(suites.iter().map(|suite| {
                    let suite = manager.own_suite(&main.suite, &suite.value);
                    (Archive { suite, components: components.clone(), ..main.clone() }, keys.clone())
                }));
            }
            ArchiveSource::Other(other) => all.push((of_address(other), keys(other)?)),
        }
    }
    Ok(all)
}

fn of_address(other: &OtherArchive) -> Archive {
    let url = other.address().to_owned();
    Archive {
        name: url.clone(),
        url,
        suite: other.suite.value.clone(),
        components: words(&other.components),
        priority: other.priority.as_ref().and_then(|priority| u16::try_from(priority.value).ok()),
    }
}

fn keys(other: &OtherArchive) -> Result<Keys, BuildError> {
    let keys = front::archive_keys(other).map_err(|wrong| BuildError::Diagnosed(vec![wrong]))?;
    Ok(Keys::Own(Arc::new(keys)))
}

fn words(of: &[Spanned<String>]) -> Vec<String> {
    of.iter().map(|one| one.value.clone()).collect()
}

/// Why an archive cannot be used, at the statement or application that names it.
pub(super) fn failure(
    error: &ArchiveError,
    spec: &ImageSpec,
    (manager, base): (Manager, &[(Archive, Keys)]),
    resolution: &Resolution,
) -> BuildError {
    let release = main_archive(base).map(|(own, _)| own.suite.as_str());
    if let Some(unknown) = suites::unknown(error, spec, (manager, release)) {
        return BuildError::Diagnosed(vec![unknown]);
    }
    let of_archive = |archive: &&ArchiveSpec| match &archive.source {
        ArchiveSource::Other(other) => error.url().is_some_and(|url| url.starts_with(other.address())),
        ArchiveSource::Own { .. } => false,
    };
    match (errors::archive(error, Some(resolution)), spec.archives.iter().find(of_archive)) {
        (BuildError::Diagnosed(found), Some(archive)) => {
            let label = |one: Diagnostic| one.label(archive.span, "this archive");
            BuildError::Diagnosed(found.into_iter().map(label).collect())
        }
        (failure, _) => failure,
    }
}

/// The release that a base is of.
fn main_archive(base: &[(Archive, Keys)]) -> Option<&(Archive, Keys)> {
    base.iter().find(|(own, _)| own.name == DEBIAN && !own.suite.contains('-'))
}

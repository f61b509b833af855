//! The archives that an image's `archive` statements add to those of its base.

use std::sync::Arc;

use super::{Keys, trouble};
use crate::{
    check::{ArchiveSource, ImageSpec, OtherArchive},
    diagnostic::{Diagnostic, codes},
    exec::Failure,
    packages::{Archive, DEBIAN, Keyring},
    plan::own_suite,
    text::Spanned,
};

/// The archives beyond `base`, in the order written.
pub(super) fn archives(spec: &ImageSpec, base: &[(Archive, Keys)]) -> Result<Vec<(Archive, Keys)>, Failure> {
    let mut all = Vec::new();
    for archive in &spec.archives {
        match &archive.source {
            ArchiveSource::Own { components, suites } => {
                let main = base.iter().find(|(own, _)| own.name == DEBIAN && !own.suite.contains('-'));
                let Some((main, keys)) = main else {
                    let message = "the base has no archive of Debian that there could be more of";
                    return Err(Failure::Diagnosed(vec![
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
                    let suite = own_suite(&main.suite, &suite.value);
                    (Archive { suite, components: components.clone(), ..main.clone() }, keys.clone())
                }));
            }
            ArchiveSource::Other(other) => all.push((of_address(other), keys(other)?)),
        }
    }
    Ok(all)
}

fn of_address(other: &OtherArchive) -> Archive {
    let url = other.url.value.trim_end_matches('/').to_owned();
    Archive {
        name: url.clone(),
        url,
        suite: other.suite.value.clone(),
        components: words(&other.components),
        priority: other.priority.as_ref().and_then(|priority| u16::try_from(priority.value).ok()),
    }
}

fn keys(other: &OtherArchive) -> Result<Keys, Failure> {
    let content = &other.key.content;
    let keys = match &other.fingerprint {
        Some(fingerprint) => Keyring::pinned(content, &fingerprint.value),
        None => Keyring::read(content),
    };
    keys.map(|keys| Keys::Own(Arc::new(keys)))
        .map_err(|error| at(trouble::keyring(&error, None), other.key.span, "this key"))
}

fn words(of: &[Spanned<String>]) -> Vec<String> {
    of.iter().map(|one| one.value.clone()).collect()
}

/// A failure at its place in the ImageFile.
pub(super) fn at(failure: Failure, span: crate::text::Span, label: &str) -> Failure {
    match failure {
        Failure::Diagnosed(found) => {
            Failure::Diagnosed(found.into_iter().map(|one| one.label(span, label)).collect())
        }
        other => other,
    }
}

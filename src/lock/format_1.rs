//! Format 1 of the lock, which said of each image all that it is made of: still read, no longer written.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_saphyr::Spanned as YamlSpanned;

use super::limits::options;
use super::lock_text::LockText;
use super::reference::is_name;
use super::{Lock, package_places};
use crate::diagnostic::{Diagnostic, codes};
use crate::text::{SourceId, Sources, Span};

/// As much of a lock as is needed to find one package that stands there twice.
#[derive(Deserialize)]
struct Names {
    #[serde(default)]
    images: BTreeMap<String, ImageNames>,
}

#[derive(Deserialize)]
struct ImageNames {
    #[serde(default)]
    packages: Vec<PackageName>,
}

#[derive(Deserialize)]
struct PackageName {
    name: YamlSpanned<String>,
    arch: String,
}

/// Merging two branches that each added a package leaves it there twice.
pub fn doubles(place: LockText<'_>) -> Vec<Diagnostic> {
    let Ok(names) = serde_saphyr::from_str_with_options::<Names>(place.text, options()) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (image, packages) in names.images {
        let mut seen: BTreeMap<(String, String), Span> = BTreeMap::new();
        for package in packages.packages {
            let span = place.span(&package.name.referenced);
            if let Some(first) = seen.insert((package.name.value.clone(), package.arch), span) {
                let message = format!("image \"{image}\" has the package `{}` twice", package.name.value);
                found.push(
                    Diagnostic::new(codes::LOCK_DOUBLE, message)
                        .label(span, "here again")
                        .label(first, "first here")
                        .help("remove one of the lines, or run `imgfile lock --update`"),
                );
            }
        }
    }
    found
}

/// A name that no package can have.
pub fn nameless(lock: &Lock, source: SourceId, sources: &Sources) -> Option<Diagnostic> {
    let sets = lock.images.iter().flat_map(|(image, locked)| {
        [(image, true, locked.base.packages()), (image, false, &*locked.packages)]
    });
    let mut packages =
        sets.flat_map(|(image, of_base, set)| set.iter().map(move |one| (image, of_base, one)));
    let (image, of_base, package) =
        packages.find(|(_, _, one)| !is_name(&one.name) || !is_name(&one.arch))?;
    let message = format!("`{}` ({}) is no package's name", package.name, package.arch);
    let diagnostic = Diagnostic::new(codes::LOCK_UNREADABLE, message)
        .help("restore it from version control, or write it anew with `imgfile lock --update`");
    Some(match package_places(source, sources).find(image, of_base, package) {
        Some(span) => diagnostic.label(span, "here"),
        None => diagnostic,
    })
}

//! Where in its text a lock names a package: for messages about one.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_saphyr::Spanned as YamlSpanned;

use super::read::{Place, options};
use crate::text::{SourceId, Sources, Span};

/// The places of all packages of a lock.
#[derive(Debug, Clone, Default)]
pub struct PackagePlaces(BTreeMap<(String, bool, String, String), Span>);

impl PackagePlaces {
    /// Where an image has a package, or the base of the image.
    #[must_use]
    pub fn find(&self, image: &str, of_base: bool, name: &str, arch: &str) -> Option<Span> {
        self.0.get(&(image.to_owned(), of_base, name.to_owned(), arch.to_owned())).copied()
    }
}

/// As much of a lock as is needed.
#[derive(Deserialize)]
struct Names {
    #[serde(default)]
    images: BTreeMap<String, Image>,
}

#[derive(Deserialize)]
struct Image {
    base: Option<Base>,
    #[serde(default)]
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Base {
    source: Source,
}

#[derive(Deserialize)]
struct Source {
    bootstrap: Option<Set>,
}

#[derive(Deserialize)]
struct Set {
    #[serde(default)]
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: YamlSpanned<String>,
    arch: String,
}

/// Finds every package of a lock; nothing in one that cannot be read.
#[must_use]
pub fn package_places(source: SourceId, sources: &Sources) -> PackagePlaces {
    let place = Place { text: &sources.get(source).text, source };
    let Ok(names) = serde_saphyr::from_str_with_options::<Names>(place.text, options()) else {
        return PackagePlaces::default();
    };
    let mut found = BTreeMap::new();
    for (image, of) in names.images {
        let base = of.base.and_then(|base| base.source.bootstrap).map(|set| set.packages).unwrap_or_default();
        for (of_base, packages) in [(true, base), (false, of.packages)] {
            for package in packages {
                let span = place.span(&package.name.referenced);
                found.insert((image.clone(), of_base, package.name.value, package.arch), span);
            }
        }
    }
    PackagePlaces(found)
}

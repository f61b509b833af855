//! Where in its text a lock names a package: for messages about one.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_saphyr::Spanned as YamlSpanned;

use super::limits::options;
use super::lock_text::LockText;
use super::tagged::ByManager;
use crate::packages::Selected;
use crate::text::{Digest, SourceId, Sources, Span};

/// The places of all packages of a lock.
#[derive(Debug, Clone, Default)]
pub struct PackagePlaces {
    /// Format 1: by image, whether the base is made of it, name and architecture.
    of_images: BTreeMap<(String, bool, String, String), Span>,
    /// Format 2, which has each package once.
    of_file: BTreeMap<(String, String, Digest), Span>,
}

impl PackagePlaces {
    /// Where an image has a package, or the base of the image.
    #[must_use]
    pub fn find(&self, image: &str, of_base: bool, package: &Selected) -> Option<Span> {
        let (name, arch) = (package.name.clone(), package.arch.clone());
        let of_file = self.of_file.get(&(name.clone(), arch.clone(), package.sha256));
        of_file.or_else(|| self.of_images.get(&(image.to_owned(), of_base, name, arch))).copied()
    }
}

/// As much of a lock of format 1 as is needed.
#[derive(Deserialize)]
struct Format1 {
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

/// And of one of format 2.
#[derive(Deserialize)]
struct Format2 {
    packages: ByManager<Vec<Package>>,
}

#[derive(Deserialize)]
struct Package {
    name: YamlSpanned<String>,
    arch: String,
    sha256: Option<Digest>,
}

/// Finds every package of a lock; nothing in one that cannot be read.
#[must_use]
pub fn package_places(source: SourceId, sources: &Sources) -> PackagePlaces {
    let place = LockText { text: &sources.get(source).text, source };
    let mut places = PackagePlaces::default();
    if let Ok(lock) = serde_saphyr::from_str_with_options::<Format2>(place.text, options()) {
        places.of_file = lock
            .packages
            .known
            .into_iter()
            .flat_map(|(_, packages)| packages)
            .filter_map(|package| {
                let span = place.span(&package.name.referenced);
                Some(((package.name.value, package.arch, package.sha256?), span))
            })
            .collect();
        return places;
    }
    let Ok(lock) = serde_saphyr::from_str_with_options::<Format1>(place.text, options()) else {
        return places;
    };
    for (image, of) in lock.images {
        let base = of.base.and_then(|base| base.source.bootstrap).map(|set| set.packages).unwrap_or_default();
        for (of_base, packages) in [(true, base), (false, of.packages)] {
            for package in packages {
                let span = place.span(&package.name.referenced);
                let key = (image.clone(), of_base, package.name.value, package.arch);
                places.of_images.insert(key, span);
            }
        }
    }
    places
}

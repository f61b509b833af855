//! Where a package is that the image's archives do not have: components and suites of the distribution
//! that the image does not use, and packages that took its place.

use super::unsolved::{Elsewhere, PackageLocation};
use crate::{
    packages::{Archive, DEBIAN, Keyring, Pool, SolveError},
    store::archive::Indexes,
    text::DEBIAN_COMPONENTS,
};

/// Looks for every package that is unknown. What cannot be had is not looked into: this is about help.
pub(super) async fn look(
    indexes: &Indexes<'_>,
    arch: &str,
    archives: &[(Archive, &Keyring)],
    pool: &dyn Pool,
    error: &SolveError,
) -> Elsewhere {
    let unknown = error.all().iter().filter_map(|one| match one {
        SolveError::Unknown { name, .. } => Some(name.clone()),
        _ => None,
    });
    let mut unknown: Vec<String> = unknown.collect();
    let mut found = Elsewhere::new();
    unknown.retain(|name| match pool.took_the_place_of(name) {
        Some(other) => {
            found.insert(name.clone(), PackageLocation::Renamed(other));
            false
        }
        None => true,
    });
    let release = archives.iter().find(|(archive, _)| archive.name == DEBIAN && !archive.suite.contains('-'));
    let Some((main, keys)) = release else { return found };
    let in_components =
        DEBIAN_COMPONENTS.into_iter().filter(|name| !main.components.iter().any(|own| own == name));
    let mut places: Vec<(Archive, PackageLocation)> = in_components
        .map(|component| {
            let archive = Archive { components: vec![component.to_owned()], ..main.clone() };
            (archive, PackageLocation::Component(component.to_owned()))
        })
        .collect();
    let suite = indexes.manager.own_suite(&main.suite, "backports");
    if archives.iter().all(|(archive, _)| archive.suite != suite) {
        let components = vec!["main".to_owned()];
        places.push((
            Archive { suite: suite.clone(), components, ..main.clone() },
            PackageLocation::Suite(suite),
        ));
    }
    for (archive, place) in places {
        if unknown.is_empty() {
            break;
        }
        let Ok(other) = indexes.load(arch, &[(archive, *keys)]).await else { continue };
        unknown.retain(|name| {
            let has = !other.versions(name).is_empty();
            if has {
                found.insert(name.clone(), place.clone());
            }
            !has
        });
    }
    found
}

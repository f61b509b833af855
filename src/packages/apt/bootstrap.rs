//! What a system made from nothing consists of.

use std::sync::Arc;

use super::solve::solve;
use super::universe::{Priority, Universe};
use super::{InstalledPackage, Request, Selected, SolveError, Upgrade, Want, after};

/// The packages of a fresh system: the essential ones, everything of priority `required`, apt,
/// and what the recipe includes, each with all it depends on.
///
/// The essential set is solved first and the rest on top of it, which is how a bootstrap runs:
/// what the essential packages settle (which `awk`, which `init`) is settled for the rest. The
/// marks are those apt would leave: the first set is nobody's dependency, of the rest only what
/// was named is asked for.
pub fn bootstrap_set(universe: &Universe, include: &[Want]) -> Result<Vec<Selected>, SolveError> {
    let named = |filter: &dyn Fn(super::universe::PkgId) -> bool| {
        let ids = (0..universe.packages.len())
            .map(|id| super::universe::PkgId(u32::try_from(id).unwrap_or(u32::MAX)));
        let mut names: Vec<_> = ids
            .filter(|id| !universe.package(*id).versions.is_empty() && filter(*id))
            .map(|id| Want { name: universe.name(id).to_owned(), version: None })
            .collect();
        names.sort();
        names
    };
    let essential = named(&|id| universe.package(id).essential);
    let mut rest = named(&|id| {
        let data = universe.package(id);
        let newest = data.versions.first().map(|version| universe.data(*version).priority);
        !data.essential && (newest == Some(Priority::Required) || universe.name(id) == "apt")
    });
    rest.extend_from_slice(include);

    let request = |install| Request { install, upgrade: Upgrade::No, ..Request::default() };
    let mut first = solve(universe, &[], &request(essential))?;
    for package in Arc::make_mut(&mut first.install) {
        package.auto = false;
    }
    let installed: Vec<InstalledPackage> = after(&[], &first);
    let second = solve(universe, &installed, &request(rest))?;
    let mut all: Vec<Selected> = first
        .install
        .iter()
        .filter(|package| !second.install.iter().any(|new| new.name == package.name))
        .chain(&*second.install)
        .cloned()
        .collect();
    // Whoever bootstraps has an order of its own for these.
    for package in &mut all {
        package.stage = 0;
    }
    all.sort();
    Ok(all)
}

//! In how many goes dpkg has to be called.
//!
//! One `dpkg --install` unpacks all files it is given and configures them afterwards, in the order
//! of their dependencies. That fails for a package with a `Pre-Depends` on another of the same
//! call: it may be unpacked only when that one is configured. Such a package belongs to a later
//! stage; everything the earlier one needs in order to be configured belongs to the same stage as
//! it, or an earlier one.

use std::collections::BTreeMap;

use super::super::relation::Kind;
use super::super::universe::{PkgId, VerId};
use super::state::{State, Which};

/// More stages than any real chain of `Pre-Depends` has: an end for circular ones.
const MOST: u16 = 32;

/// The stage of each version to install; the first is 0.
pub(super) fn stages(state: &State<'_>, install: &[(PkgId, VerId)]) -> BTreeMap<PkgId, u16> {
    let mut stages: BTreeMap<PkgId, u16> = install.iter().map(|(pkg, _)| (*pkg, 0)).collect();
    let mut edges = Vec::new();
    for &(pkg, version) in install {
        for dependency in state.dependencies(version).iter() {
            let later = match dependency.kind {
                Kind::PreDepends => 1,
                Kind::Depends => 0,
                _ => continue,
            };
            // What is configured already serves, even while its next version is being unpacked.
            if state.holds(version, dependency, Which::Current) {
                continue;
            }
            let serving = dependency
                .alternatives
                .iter()
                .flat_map(|one| state.targets(version, dependency.kind, one, Which::Install))
                .map(|target| state.pkg(target))
                .find(|target| stages.contains_key(target));
            edges.extend(serving.map(|target| (pkg, target, later)));
        }
    }
    loop {
        let mut changed = false;
        for &(pkg, target, later) in &edges {
            let least = (stages[&target] + later).min(MOST);
            if stages[&pkg] < least {
                stages.insert(pkg, least);
                changed = true;
            }
        }
        if !changed {
            return stages;
        }
    }
}

//! Why a request cannot be met, down to the relation at the end of the chain.

use std::collections::BTreeSet;

use super::super::Unmet;
use super::super::relation::{Kind, Op};
use super::super::universe::{Dependency, PkgId, VerId};
use super::state::{State, Which};

/// The relations at fault for every wanted package that cannot be had.
pub(super) fn unmet(state: &State<'_>, wanted: &[PkgId]) -> Vec<Unmet> {
    let mut found = Vec::new();
    for &root in wanted {
        let mut seen = BTreeSet::new();
        if let Some(version) = state[root].install.or(state[root].candidate) {
            follow(state, root, version, &mut seen, &mut found);
        }
    }
    // What breaks without being wanted: an installed package that a wanted one pushes aside.
    if found.is_empty() {
        for pkg in state.ids().filter(|pkg| state.broken(*pkg)) {
            if let Some(version) = state[pkg].install {
                report_broken(state, pkg, version, &mut found);
            }
        }
    }
    found
}

/// The relations that do not hold in the system as it is.
pub(super) fn lacking(state: &State<'_>) -> Vec<Unmet> {
    let mut found = Vec::new();
    for pkg in state.ids() {
        let Some(version) = state[pkg].current else { continue };
        for dependency in state.dependencies(version).iter().filter(|one| one.kind.is_critical()) {
            if !state.holds(version, dependency, Which::Current) {
                found.push(describe(state, pkg, version, dependency));
            }
        }
    }
    found
}

/// Walks down from a version to the relations at the end. A worklist, not recursion: chains may be
/// as long as an archive makes them.
fn follow(
    state: &State<'_>,
    root: PkgId,
    version: VerId,
    seen: &mut BTreeSet<VerId>,
    found: &mut Vec<Unmet>,
) {
    let mut open = vec![version];
    while let Some(version) = open.pop() {
        if !seen.insert(version) {
            continue;
        }
        for dependency in state.dependencies(version).iter().filter(|one| one.kind.is_critical()) {
            let holds = state.holds(version, dependency, Which::Install);
            // What serves may itself lack something; so may what would.
            let which = if holds { Which::Install } else { Which::Candidate };
            let mut next: Vec<VerId> = dependency
                .alternatives
                .iter()
                .filter(|_| !dependency.kind.is_negative())
                .flat_map(|one| state.targets(version, dependency.kind, one, which))
                .collect();
            if !holds {
                next.retain(|next| !state.sound(*next, Which::Install));
                next.truncate(1);
                if next.is_empty() {
                    found.push(describe(state, root, version, dependency));
                }
            }
            open.append(&mut next);
        }
    }
}

fn report_broken(state: &State<'_>, pkg: PkgId, version: VerId, found: &mut Vec<Unmet>) {
    for dependency in state.dependencies(version).iter().filter(|one| one.kind.is_critical()) {
        if !state.holds(version, dependency, Which::Install) {
            found.push(describe(state, pkg, version, dependency));
        }
    }
}

fn describe(state: &State<'_>, root: PkgId, version: VerId, dependency: &Dependency) -> Unmet {
    let mut available = BTreeSet::new();
    for one in &dependency.alternatives {
        let data = state.universe.package(one.target);
        let owners = data.providers.iter().map(|provider| provider.owner);
        for other in data.versions.iter().copied().chain(owners) {
            let chosen = state[state.pkg(other)].install == Some(other);
            // What a conflict names is of interest where it is really there.
            if !dependency.kind.is_negative() || chosen {
                let name = state.universe.name(state.pkg(other));
                available.insert(format!("{name} {}", state.universe.version_str(other)));
            }
        }
    }
    Unmet {
        wanted: state.universe.name(root).to_owned(),
        package: state.universe.name(state.pkg(version)).to_owned(),
        version: state.universe.version(version),
        relation: format!("{}: {}", field(dependency.kind), alternatives(state, dependency)),
        available: available.into_iter().take(5).collect(),
    }
}

fn field(kind: Kind) -> &'static str {
    match kind {
        Kind::PreDepends => "Pre-Depends",
        Kind::Depends => "Depends",
        Kind::Conflicts => "Conflicts",
        Kind::Breaks => "Breaks",
        Kind::Recommends => "Recommends",
    }
}

fn alternatives(state: &State<'_>, dependency: &Dependency) -> String {
    let one = |relation: &super::super::universe::Relation| {
        let name = state.universe.name(relation.target);
        let sign = match relation.op {
            Op::Any => return name.to_owned(),
            Op::Less => "<<",
            Op::LessEqual => "<=",
            Op::Equal => "=",
            Op::GreaterEqual => ">=",
            Op::Greater => ">>",
        };
        format!("{name} ({sign} {})", relation.version)
    };
    dependency.alternatives.iter().map(one).collect::<Vec<_>>().join(" | ")
}

//! What apt does when marking left something broken: its scored problem resolver.
//!
//! Every package gets a score from its priority and from what depends on it; from the highest to
//! the lowest, each broken package either gives way or makes the other give way. The rules and
//! numbers are apt's, so that the outcome is, too.

use std::collections::BTreeSet;

use super::super::relation::Kind;
use super::super::universe::{Dependency, PkgId, Priority, Relation, VerId};
use super::mark::By;
use super::state::{State, Which};

/// Rounds after which apt gives up.
const ROUNDS: u32 = 20;

/// The resolver's own notes about each package.
pub(super) struct Repair {
    scores: Vec<i64>,
    pre_installed: Vec<bool>,
    upgrade_tried: Vec<bool>,
    /// Packages the user wants gone.
    unwanted: Vec<PkgId>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum OrOutcome {
    Remove,
    Keep,
}

impl Repair {
    /// Tries to make everything whole; `pull_in` lets broken packages be completed by upgrades.
    /// Gives whether nothing is broken at the end.
    pub fn run(state: &mut State<'_>, unwanted: &[PkgId], pull_in: bool) -> bool {
        let count = state.ids().count();
        let mut this = Self {
            scores: Vec::new(),
            pre_installed: vec![false; count],
            upgrade_tried: vec![false; count],
            unwanted: unwanted.to_vec(),
        };
        if state.broken_count() == 0 {
            return true;
        }
        this.prepare(state, pull_in);
        this.score(state);
        let mut order: Vec<PkgId> = state.ids().collect();
        order.sort_by_key(|pkg| std::cmp::Reverse(this.scores[pkg.0 as usize]));
        for round in 0..ROUNDS {
            let mut changed = false;
            for &pkg in &order {
                changed |= this.investigate(state, pkg, round, pull_in);
            }
            if !changed {
                break;
            }
        }
        for pkg in state.ids() {
            if state[pkg].installs() && state.is_new(pkg) && !this.pre_installed[pkg.0 as usize] {
                state[pkg].auto = true;
            }
        }
        state.broken_count() == 0
    }

    fn prepare(&mut self, state: &mut State<'_>, pull_in: bool) {
        loop {
            let mut again = false;
            for pkg in state.ids() {
                let installs = state[pkg].installs();
                self.pre_installed[pkg.0 as usize] = installs;
                if !installs && pull_in && state.broken(pkg) {
                    state.mark_install(pkg, false, 0, By::Solver);
                    again |= state[pkg].installs();
                }
            }
            if !again {
                return;
            }
        }
    }

    fn score(&mut self, state: &State<'_>) {
        let mut scores = vec![0i64; state.ids().count()];
        let present: Vec<(PkgId, VerId)> =
            state.ids().filter_map(|pkg| Some((pkg, state[pkg].install?))).collect();
        for &(pkg, version) in &present {
            let data = state.universe.package(pkg);
            let mut own = if data.essential || data.important { 100 } else { 0 };
            own += match state.universe.data(version).priority {
                Priority::Unset => 0,
                Priority::Required => 3,
                Priority::Important => 2,
                Priority::Standard => 1,
                Priority::Optional => -1,
                Priority::Extra => -2,
            };
            if state[pkg].current.is_some() && state[pkg].candidate.is_some() {
                own += 1;
            }
            scores[pkg.0 as usize] += own;
            for dependency in state.dependencies(version).iter() {
                let weight = if dependency.kind.is_negative() { -1 } else { 1 };
                for one in &dependency.alternatives {
                    let targets = state.targets(version, dependency.kind, one, Which::Install);
                    let mut targets: BTreeSet<PkgId> =
                        targets.into_iter().map(|target| state.pkg(target)).collect();
                    if one.version.is_empty() && !(dependency.kind.is_negative() && one.target == pkg) {
                        targets.insert(one.target);
                    }
                    for target in targets {
                        scores[target.0 as usize] += weight;
                    }
                }
            }
        }
        // One level of inheritance: what carries important packages is important.
        let own = scores.clone();
        for &(parent, version) in &present {
            let inherited = own[parent.0 as usize];
            if inherited <= 0 {
                continue;
            }
            for dependency in state.dependencies(version).iter().filter(|one| !one.kind.is_negative()) {
                for one in &dependency.alternatives {
                    if state[one.target].install.is_some() {
                        scores[one.target.0 as usize] += inherited;
                    }
                }
            }
        }
        for pkg in state.ids() {
            let transfer = (scores[pkg.0 as usize] - own[pkg.0 as usize]).abs();
            if transfer == 0 {
                continue;
            }
            let owners: BTreeSet<PkgId> = state
                .universe
                .package(pkg)
                .providers
                .iter()
                .filter(|provider| state[state.pkg(provider.owner)].install == Some(provider.owner))
                .map(|provider| state.pkg(provider.owner))
                .collect();
            for owner in owners {
                scores[owner.0 as usize] += transfer;
            }
        }
        for pkg in state.ids() {
            let data = state.universe.package(pkg);
            if state[pkg].protected {
                scores[pkg.0 as usize] += 10_000;
            }
            if data.essential || data.important {
                scores[pkg.0 as usize] += 5_000;
            }
        }
        self.scores = scores;
    }

    /// Looks at one package and changes what is needed to make it whole, or to be rid of it.
    fn investigate(&mut self, state: &mut State<'_>, pkg: PkgId, round: u32, pull_in: bool) -> bool {
        if !state.broken(pkg) {
            return false;
        }
        let Some(version) = state[pkg].install else { return false };
        let mut changed = false;
        let mut kill: Vec<(PkgId, Dependency)> = Vec::new();
        'dependencies: for dependency in state.dependencies(version).iter() {
            if !dependency.kind.is_critical() || state.holds(version, dependency, Which::Install) {
                continue;
            }
            let in_or = dependency.alternatives.len() > 1;
            let marked_to_kill = kill.len();
            let mut outcome = OrOutcome::Remove;
            for one in &dependency.alternatives {
                if state.holds(version, dependency, Which::Install) {
                    continue 'dependencies;
                }
                let targets = all_targets(state, version, dependency.kind, one);
                if targets.is_empty()
                    && !state[pkg].protected
                    && !dependency.kind.is_negative()
                    && !state.broken_now(pkg)
                {
                    if in_or {
                        continue;
                    }
                    state.mark_keep(pkg, 0);
                    changed = true;
                    break 'dependencies;
                }
                let mut done = false;
                for &target in &targets {
                    let other = state.pkg(target);
                    if dependency.kind.is_negative() && state[other].install != Some(target) {
                        continue;
                    }
                    let give_way = self.scores[pkg.0 as usize] <= self.scores[other.0 as usize]
                        || !dependency.kind.is_negative()
                            && !state.met(version, dependency.kind, one, Which::Current);
                    if give_way {
                        if state[pkg].protected {
                            if self.upgrade(state, other) {
                                let limit = self.scores[pkg.0 as usize];
                                let score = &mut self.scores[other.0 as usize];
                                *score = (*score).min(limit);
                                break;
                            }
                            continue;
                        }
                        self.give_way(state, pkg, other, one, in_or, round, pull_in, &mut outcome);
                        changed = true;
                        done = true;
                        break;
                    }
                    if dependency.kind == Kind::Breaks && state.holds(version, dependency, Which::Candidate) {
                        state.mark_install(other, false, 0, By::Solver);
                        continue;
                    }
                    if state[other].protected && !state[other].deletes() {
                        continue;
                    }
                    kill.push((other, dependency.clone()));
                    if !dependency.kind.is_negative() {
                        break;
                    }
                }
                if targets.is_empty() && !dependency.kind.is_negative() && !state[pkg].protected {
                    let installs = state[pkg].installs();
                    state.mark_keep(pkg, 0);
                    if !state.broken(pkg) {
                        outcome = OrOutcome::Keep;
                        if in_or && installs {
                            state.mark_install(pkg, false, 0, By::Solver);
                        }
                    } else if !in_or {
                        state.mark_delete(pkg, 0, By::Solver);
                    }
                    changed = true;
                    done = true;
                }
                if done && !in_or {
                    break 'dependencies;
                }
            }
            // An or-group of which nothing came.
            if in_or && kill.len() == marked_to_kill && !state.holds(version, dependency, Which::Install) {
                match outcome {
                    OrOutcome::Remove if state[pkg].protected => {}
                    OrOutcome::Remove => {
                        state.mark_delete(pkg, 0, By::Solver);
                        changed = true;
                    }
                    OrOutcome::Keep => {
                        state.mark_keep(pkg, 0);
                        changed = true;
                    }
                }
            }
        }
        self.apply(state, pkg, kill, round) || changed
    }

    #[allow(clippy::too_many_arguments, reason = "one decision of the resolver, all of it context")]
    fn give_way(
        &mut self,
        state: &mut State<'_>,
        pkg: PkgId,
        other: PkgId,
        relation: &Relation,
        in_or: bool,
        round: u32,
        pull_in: bool,
        outcome: &mut OrOutcome,
    ) {
        let installs = state[pkg].installs();
        state.mark_keep(pkg, 0);
        if !state.broken(pkg) {
            *outcome = OrOutcome::Keep;
            if in_or && installs {
                state.mark_install(pkg, false, 0, By::Solver);
            }
            return;
        }
        if pull_in && self.upgrade(state, pkg) {
            return;
        }
        let target = relation.target;
        if !in_or {
            state.mark_delete(pkg, 0, By::Solver);
            if round > 1 {
                self.scores[pkg.0 as usize] = self.scores[pkg.0 as usize].max(self.scores[other.0 as usize]);
            }
        } else if state.is_new(target)
            && !state[target].deletes()
            && !self.unwanted.contains(&target)
            && state[target].candidate.is_some()
        {
            // Another way to serve the group, not tried before, is better than losing the package.
            let before = state.broken_count();
            state.mark_install(target, true, 1, By::Solver);
            *outcome = OrOutcome::Keep;
            if state.broken(target) || state.broken_count() > before {
                state.mark_delete(target, 1, By::Solver);
                *outcome = OrOutcome::Remove;
            }
        }
    }

    /// Brings an installed package to its candidate, together with what that needs.
    fn upgrade(&mut self, state: &mut State<'_>, pkg: PkgId) -> bool {
        if self.upgrade_tried[pkg.0 as usize] || !state.upgradable(pkg) || state[pkg].protected {
            return false;
        }
        self.upgrade_tried[pkg.0 as usize] = true;
        let kept = !state[pkg].installs() && !state[pkg].deletes();
        if !state.mark_install(pkg, false, 0, By::Solver) {
            return false;
        }
        let Some(version) = state[pkg].install else { return false };
        let mut failed = false;
        for dependency in state.dependencies(version).iter().filter(|one| one.kind.is_critical()) {
            for one in &dependency.alternatives {
                if state.holds(version, dependency, Which::Install) {
                    break;
                }
                let target = smart_target(state, pkg, one);
                if state[target].protected {
                    failed = true;
                } else if state.met(version, dependency.kind, one, Which::Candidate)
                    != dependency.kind.is_negative()
                {
                    failed = !self.upgrade(state, target);
                    if !failed {
                        break;
                    }
                } else if dependency.kind.is_negative() {
                    // The next round deals with conflicts.
                    break;
                } else {
                    failed = true;
                }
            }
            if failed {
                break;
            }
        }
        if failed {
            if kept {
                state.mark_keep(pkg, 0);
            } else {
                state.mark_delete(pkg, 0, By::Solver);
            }
        }
        !failed
    }

    fn apply(
        &mut self,
        state: &mut State<'_>,
        pkg: PkgId,
        kill: Vec<(PkgId, Dependency)>,
        round: u32,
    ) -> bool {
        let mut changed = false;
        let Some(version) = state[pkg].install else { return false };
        for (other, dependency) in kill {
            let found = if state.holds(version, &dependency, Which::Current) {
                state.mark_keep(other, 0)
            } else {
                dependency.kind.is_negative() && state.mark_delete(other, 0, By::Solver)
            };
            if !found || round > 1 {
                let score = self.scores[pkg.0 as usize];
                if score > self.scores[other.0 as usize] {
                    self.scores[other.0 as usize] = score;
                    changed = true;
                }
            }
            changed |= found;
        }
        changed
    }
}

/// Every version, chosen or not, that answers to an alternative.
fn all_targets(state: &State<'_>, parent: VerId, kind: Kind, relation: &Relation) -> Vec<VerId> {
    let parent = state.pkg(parent);
    let data = state.universe.package(relation.target);
    let own =
        data.versions.iter().copied().filter(|_| !(kind.is_negative() && relation.target == parent)).filter(
            |version| relation.op.holds(Some(state.universe.version_str(*version)), &relation.version),
        );
    let provided = data
        .providers
        .iter()
        .rev()
        .filter(|provider| !(kind.is_negative() && state.pkg(provider.owner) == parent))
        .filter(|provider| relation.op.holds(provider.version.as_deref(), &relation.version))
        .map(|provider| provider.owner);
    own.chain(provided).collect()
}

/// The package behind a name: itself, or for a purely virtual one its first provider.
fn smart_target(state: &State<'_>, parent: PkgId, relation: &Relation) -> PkgId {
    let data = state.universe.package(relation.target);
    if !data.versions.is_empty() {
        return relation.target;
    }
    data.providers
        .iter()
        .rev()
        .map(|provider| state.pkg(provider.owner))
        .find(|owner| *owner != parent)
        .unwrap_or(relation.target)
}

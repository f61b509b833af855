//! apt's greedy way to a set of packages: mark one for installation, and with it all it needs.
//!
//! The rules are those of apt's dependency cache (2.6 and 3.0 agree on them): of the alternatives
//! of a dependency the first that can be marked wins, what is installed before what is new;
//! within one alternative providers are sorted by [`compare_providers`]. A mark that cannot be
//! completed is taken back where nobody insisted on the package. What a failed mark already
//! pulled in is *not* taken back, in apt as here.

use std::cmp::Ordering;

use super::super::relation::Kind;
use super::super::universe::{Dependency, MultiArch, PkgId, VerId};
use super::state::{Mode, State, Which};

/// Chains longer than this are given up; the deepest in Debian is under a hundred.
const MAX_DEPTH: u32 = 600;

/// Who wants a change: a person is always right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    User,
    Solver,
}

impl State<'_> {
    fn may_change(&self, mode: Mode, pkg: PkgId, depth: u32, by: By) -> bool {
        if depth > MAX_DEPTH || self.universe.package(pkg).versions.is_empty() {
            return false;
        }
        let state = &self[pkg];
        if by == By::User || state.mode == mode {
            return true;
        }
        let data = self.universe.package(pkg);
        !(state.protected
            || mode != Mode::Keep && state.hold
            || mode == Mode::Delete && (data.essential || data.important))
    }

    /// Leaves the package as it is on the disk.
    pub fn mark_keep(&mut self, pkg: PkgId, depth: u32) -> bool {
        if !self.may_change(Mode::Keep, pkg, depth, By::Solver) {
            return false;
        }
        let state = &mut self[pkg];
        if state.mode != Mode::Keep {
            state.mode = Mode::Keep;
            state.install = state.current;
        }
        true
    }

    fn may_delete(&self, pkg: PkgId, by: By) -> bool {
        let state = &self[pkg];
        by == By::User || state.current.is_some() || state.install.is_none() || state.auto
    }

    /// Takes the package off the disk, or off the list of new ones.
    pub fn mark_delete(&mut self, pkg: PkgId, depth: u32, by: By) -> bool {
        if !self.may_change(Mode::Delete, pkg, depth, by) {
            return false;
        }
        if self[pkg].mode == Mode::Delete || self[pkg].install.is_none() {
            return true;
        }
        if !self.may_delete(pkg, by) {
            return false;
        }
        let state = &mut self[pkg];
        state.mode = if state.current.is_none() { Mode::Keep } else { Mode::Delete };
        state.install = None;
        true
    }

    fn set_install(&mut self, pkg: PkgId, by: By) {
        let state = &mut self[pkg];
        if state.protected && state.install == state.candidate {
            return;
        }
        state.install = state.candidate;
        state.mode = if state.candidate == state.current { Mode::Keep } else { Mode::Install };
        match by {
            By::User => state.auto = false,
            By::Solver if state.current.is_none() => state.auto = true,
            By::Solver => {}
        }
    }

    fn discard_candidate(&mut self, pkg: PkgId) {
        self[pkg].candidate = self[pkg].install;
    }

    fn discard_install(&mut self, pkg: PkgId) {
        let state = &mut self[pkg];
        state.install = state.current;
        state.mode = Mode::Keep;
        state.candidate = state.install;
    }

    /// A candidate with a dependency that nothing serves is no candidate.
    fn satisfiable(&mut self, pkg: PkgId, candidate: VerId) -> bool {
        if Some(candidate) == self[pkg].current {
            return true;
        }
        let hopeless = self.dependencies(candidate).iter().any(|dependency| {
            dependency.kind.is_critical()
                && !dependency.kind.is_negative()
                && !self.holds(candidate, dependency, Which::Install)
                && !self.holds(candidate, dependency, Which::Candidate)
        });
        if hopeless && !self[pkg].protected {
            let state = &mut self[pkg];
            state.candidate = state.current;
            if state.mode != Mode::Delete {
                state.mode = Mode::Keep;
            }
        }
        !hopeless
    }

    /// Marks the candidate version for installation; with `follow`, also what it needs.
    pub fn mark_install(&mut self, pkg: PkgId, follow: bool, depth: u32, by: By) -> bool {
        let state = self[pkg];
        let kept_on_purpose = state.protected
            && state.mode == Mode::Keep
            && state.candidate.is_some()
            && state.candidate == state.current;
        if !kept_on_purpose && !self.may_change(Mode::Install, pkg, depth, by) {
            return false;
        }
        let Some(candidate) = state.candidate else { return false };
        if !state.protected && !self.broken(pkg) {
            if state.candidate == state.current {
                return state.install.is_some() || self.mark_keep(pkg, depth + 1);
            }
            if state.installs() {
                return true;
            }
        }
        if follow && !self.satisfiable(pkg, candidate) {
            return false;
        }
        if !follow {
            self.set_install(pkg, by);
            return true;
        }
        self.mark_with_dependencies(pkg, candidate, depth, by)
    }

    fn mark_with_dependencies(&mut self, pkg: PkgId, candidate: VerId, depth: u32, by: By) -> bool {
        if by == By::User {
            self.set_install(pkg, by);
        }
        let insist = self[pkg].protected;
        let fail_early = !insist && by == By::Solver;
        let mut failed = false;
        let (wanted, unwanted) = self.collect(candidate, insist);
        let mut plan = Plan {
            candidate,
            depth,
            insist,
            stop_early: fail_early,
            upgrade: Vec::new(),
            remove: Vec::new(),
        };
        if !self.clear_the_way(&mut plan, &unwanted) {
            if fail_early {
                return false;
            }
            failed = true;
        }
        self.collect_dependents(pkg, &mut plan);
        if by == By::Solver {
            self.set_install(pkg, by);
        }

        // While its dependencies are worked out, nothing may change its mode.
        self[pkg].protected = true;
        let completed = self.upgrade_siblings(pkg, candidate, depth)
            && self.upgrade_or_remove(&plan, fail_early, &mut failed)
            && (self.install_dependencies(&plan, &wanted) || !fail_early && set(&mut failed))
            && self.remove_delayed(&plan, fail_early, &mut failed);
        self[pkg].protected = insist;
        if !completed {
            self.discard_install(pkg);
            return false;
        }
        !failed
    }

    /// Dependencies that do not hold yet, positive and negative; all of them when the package is
    /// insisted on, since what serves them must then stay too.
    fn collect(&self, version: VerId, insist: bool) -> (Vec<Dependency>, Vec<Dependency>) {
        // What is there already was installed with as much as it was to have.
        let recommends = self.recommends && self[self.pkg(version)].current.is_none();
        self.dependencies(version)
            .iter()
            .filter(|dependency| dependency.kind != Kind::Recommends || recommends)
            .filter(|dependency| insist || !self.holds_somehow(version, dependency))
            .cloned()
            .partition(|dependency| !dependency.kind.is_negative())
    }

    fn holds_somehow(&self, version: VerId, dependency: &Dependency) -> bool {
        self.holds(version, dependency, Which::Install)
    }

    /// Every version that could serve (or, negative, stands in the way), best first.
    fn solutions(&self, parent: VerId, dependency: &Dependency, which: Which) -> Vec<VerId> {
        let (mut there, mut new) = (Vec::new(), Vec::new());
        for alternative in &dependency.alternatives {
            let mut targets = self.targets(parent, dependency.kind, alternative, which);
            targets.sort_by(|a, b| self.compare_providers(alternative.target, *a, *b));
            for version in targets {
                let list = if self[self.pkg(version)].current.is_some() { &mut there } else { &mut new };
                list.push(version);
            }
        }
        there.append(&mut new);
        there.dedup();
        if !dependency.kind.is_negative() {
            there.retain(|version| {
                let state = &self[self.pkg(*version)];
                !(state.protected && (state.deletes() || state.mode == Mode::Keep && state.current.is_none()))
            });
        }
        there
    }

    /// What stands in the way of `plan.candidate` is kept at, or brought to, a version that does
    /// not, or else removed.
    fn clear_the_way(&mut self, plan: &mut Plan, unwanted: &[Dependency]) -> bool {
        let mut failed = false;
        let mut bad_candidates = Vec::new();
        for dependency in unwanted {
            for version in self.solutions(plan.candidate, dependency, Which::Candidate) {
                let pkg = self.pkg(version);
                if self[pkg].candidate != Some(version) {
                    continue;
                }
                if self[pkg].current == Some(version) {
                    failed |= !self.remove_unless_upgradable(pkg, plan);
                } else if self[pkg].installs() && !self.mark_keep(pkg, plan.depth) {
                    failed = true;
                } else if plan.insist {
                    self.discard_candidate(pkg);
                    if self[pkg].current.is_none() {
                        self[pkg].protected = true;
                    }
                } else {
                    bad_candidates.push(pkg);
                }
                if failed && plan.stop_early {
                    return false;
                }
            }
            for version in self.solutions(plan.candidate, dependency, Which::Current) {
                let pkg = self.pkg(version);
                let state = &self[pkg];
                if state.candidate != Some(version)
                    && state.candidate.is_some()
                    && !bad_candidates.contains(&pkg)
                {
                    plan.upgrade.push(pkg);
                } else if state.candidate != state.current {
                    failed |= !self.remove_unless_upgradable(pkg, plan);
                }
                if failed && plan.stop_early {
                    return false;
                }
            }
        }
        !failed
    }

    fn remove_unless_upgradable(&mut self, pkg: PkgId, plan: &mut Plan) -> bool {
        if !plan.insist {
            if self[pkg].deletes() {
                return true;
            }
            if !self.may_change(Mode::Delete, pkg, plan.depth, By::Solver)
                || !self.may_delete(pkg, By::Solver)
            {
                return false;
            }
            plan.remove.push(pkg);
            return true;
        }
        if !self[pkg].deletes() && !self.mark_delete(pkg, plan.depth + 1, By::Solver) {
            return false;
        }
        self.discard_candidate(pkg);
        self[pkg].protected = true;
        true
    }

    /// Installed packages that fitted the version on the disk and do not fit the new one.
    fn collect_dependents(&mut self, pkg: PkgId, plan: &mut Plan) {
        let Some(current) = self[pkg].current else { return };
        for parent in self.dependents(pkg) {
            if self[parent].installs()
                || self[parent].deletes()
                || plan.remove.contains(&parent)
                || plan.upgrade.contains(&parent)
            {
                continue;
            }
            let Some(version) = self[parent].current else { continue };
            let left_behind = self.dependencies(version).iter().any(|dependency| {
                !dependency.kind.is_negative()
                    && dependency.kind.is_critical()
                    && dependency.alternatives.iter().any(|one| {
                        let fits =
                            |version| one.op.holds(Some(self.universe.version_str(version)), &one.version);
                        one.target == pkg && fits(current) && !fits(plan.candidate)
                    })
            });
            if left_behind {
                plan.upgrade.push(parent);
            }
        }
    }

    /// Installed binaries of one source move together.
    fn upgrade_siblings(&mut self, pkg: PkgId, candidate: VerId, depth: u32) -> bool {
        let source = self.universe.source(candidate);
        let siblings: Vec<_> = self
            .installed
            .iter()
            .copied()
            .filter(|other| {
                let state = &self[*other];
                *other != pkg
                    && state.candidate != state.current
                    && !(state.installs() && state.install == state.candidate)
                    && state.candidate.is_some_and(|version| self.universe.source(version) == source)
            })
            .collect();
        for follow in [false, true] {
            for sibling in &siblings {
                self.mark_install(*sibling, follow, depth + 1, By::Solver);
            }
        }
        true
    }

    fn upgrade_or_remove(&mut self, plan: &Plan, fail_early: bool, failed: &mut bool) -> bool {
        for &pkg in &plan.upgrade {
            if self[pkg].installs() || self.mark_install(pkg, true, plan.depth + 1, By::Solver) {
                continue;
            }
            if !self.mark_delete(pkg, plan.depth + 1, By::Solver) {
                *failed = true;
                if plan.stop_early {
                    return false;
                }
            } else if plan.insist {
                self[pkg].protected = true;
            }
        }
        !(*failed && fail_early)
    }

    fn install_dependencies(&mut self, plan: &Plan, wanted: &[Dependency]) -> bool {
        let mut failed = false;
        for dependency in wanted {
            let critical = dependency.kind.is_critical();
            if self.holds(plan.candidate, dependency, Which::Install) {
                if critical && plan.insist && !self.insist_on_only(plan, dependency) {
                    failed = true;
                }
                continue;
            }
            let solutions = self.solutions(plan.candidate, dependency, Which::Candidate);
            let only = solutions.len() == 1;
            let served = solutions.into_iter().any(|version| {
                let pkg = self.pkg(version);
                if self[pkg].candidate != Some(version) {
                    return false;
                }
                if critical && plan.insist && only {
                    if !self.mark_install(pkg, false, plan.depth + 1, By::Solver) {
                        return false;
                    }
                    self[pkg].protected = true;
                }
                self.mark_install(pkg, true, plan.depth + 1, By::Solver)
            });
            // Nobody insists on a recommendation.
            if !served && critical {
                failed = true;
                if plan.stop_early {
                    break;
                }
            }
        }
        !failed
    }

    /// A dependency of a package insisted on that only one package serves insists on that one.
    fn insist_on_only(&mut self, plan: &Plan, dependency: &Dependency) -> bool {
        let mut serving = Vec::new();
        for which in [Which::Candidate, Which::Current] {
            for one in &dependency.alternatives {
                serving.extend(self.targets(plan.candidate, dependency.kind, one, which));
            }
        }
        serving.sort_unstable();
        serving.dedup();
        serving.retain(|version| {
            let state = &self[self.pkg(*version)];
            !(state.protected && (state.deletes() || state.mode == Mode::Keep && state.current.is_none()))
        });
        let [only] = serving[..] else { return true };
        let pkg = self.pkg(only);
        if self[pkg].protected {
            return true;
        }
        self[pkg].protected = true;
        self.mark_install(pkg, true, plan.depth + 1, By::Solver)
    }

    fn remove_delayed(&mut self, plan: &Plan, fail_early: bool, failed: &mut bool) -> bool {
        for &pkg in &plan.remove {
            if !self.mark_delete(pkg, plan.depth, By::Solver) {
                if fail_early {
                    return false;
                }
                *failed = true;
            }
        }
        true
    }

    /// Which of two versions that serve one name apt prefers.
    fn compare_providers(&self, target: PkgId, a: VerId, b: VerId) -> Ordering {
        let rank = |version: VerId| {
            let data = self.universe.data(version);
            let (pkg, state) = (self.universe.package(data.pkg), &self[data.pkg]);
            let same = data.multi_arch == MultiArch::Same && state.current.is_some();
            (
                state.protected,
                same,
                state.current,
                data.pkg == target,
                pkg.essential,
                pkg.important,
                data.priority,
            )
        };
        let (a_rank, b_rank) = (rank(a), rank(b));
        b_rank
            .0
            .cmp(&a_rank.0)
            .then_with(|| b_rank.1.cmp(&a_rank.1))
            .then_with(|| b_rank.2.is_some().cmp(&a_rank.2.is_some()))
            .then_with(|| b_rank.3.cmp(&a_rank.3))
            .then_with(|| b_rank.4.cmp(&a_rank.4))
            .then_with(|| b_rank.5.cmp(&a_rank.5))
            .then_with(|| a_rank.6.cmp(&b_rank.6))
            .then_with(|| self.pkg(b).cmp(&self.pkg(a)))
    }
}

/// What marking one package drags along.
struct Plan {
    candidate: VerId,
    depth: u32,
    /// The package was asked for, or is the only one that serves one that was.
    insist: bool,
    stop_early: bool,
    upgrade: Vec<PkgId>,
    remove: Vec<PkgId>,
}

/// Notes a failure that does not end the marking.
fn set(failed: &mut bool) -> bool {
    *failed = true;
    true
}

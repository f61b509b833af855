//! The solve itself, by `PubGrub`.
//!
//! Everything that can clash becomes a package of the solver with numbered versions. Statements of
//! the ImageFile are packages of their own, so that a failed solve tells which of them it needed. A
//! claim is a package whose versions are the applications that may hold it; an exclusion is a
//! package that the one side needs in version 0 and the other in version 1.

use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::ops::Bound;
use std::rc::Rc;
use std::sync::Arc;

use pubgrub::{
    Dependencies, DependencyConstraints, DependencyProvider, DerivationTree, External,
    PackageResolutionStatistics, PubGrubError, Ranges,
};

use super::core::{Core, Fact};
use super::pigeonhole::pigeonhole;
use super::problem::{Problem, Statement, matching};
use crate::catalog::Require;

/// Decisions that all solves for one image may take together, explaining included.
const BUDGET: u32 = 12_000;

/// Conflicts of more statements, where counting shows them, are not searched for smaller ones.
const MOST_SEARCHED: usize = 6;

/// A package of the solver; what is in parentheses are numbers of the problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Package {
    Root,
    Statement(Statement),
    Base,
    App(usize),
    /// A name that several applications provide; its versions are their places in the list.
    Provided(usize),
    /// Its versions are the applications that may hold it.
    Claim(usize),
    /// A required name that nobody answers to.
    Nobody,
    Exclusion(usize),
}

impl fmt::Display for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

type Set = Ranges<u32>;

/// What was chosen, by number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chosen {
    /// A place in [`Problem::candidates`].
    pub base: usize,
    /// Application to version.
    pub apps: BTreeMap<usize, usize>,
}

pub(super) enum Solved {
    Chosen(Chosen),
    Impossible(Core),
    /// The budget is used up.
    GaveUp,
}

#[derive(Debug, thiserror::Error)]
#[error("the work budget is used up")]
struct Exhausted;

/// Solves a problem, several times with other statements, within one budget.
pub(super) struct Solver<'p, 'a> {
    problem: &'p Problem<'a>,
    left: Rc<Cell<u32>>,
}

impl<'p, 'a> Solver<'p, 'a> {
    pub fn new(problem: &'p Problem<'a>) -> Self {
        Self { problem, left: Rc::new(Cell::new(BUDGET)) }
    }

    /// For another form of the problem, on the same budget.
    pub fn within<'q, 'b>(problem: &'q Problem<'b>, other: &Solver<'_, '_>) -> Solver<'q, 'b> {
        Solver { problem, left: Rc::clone(&other.left) }
    }

    /// Satisfies `statements` and whatever they entail, or says why not.
    pub fn solve(&self, statements: &[Statement]) -> Solved {
        if let Some(core) = pigeonhole(self.problem, statements) {
            return Solved::Impossible(core);
        }
        let provider = Provider { problem: self.problem, statements, left: &self.left };
        match pubgrub::resolve(&provider, Package::Root, 0u32) {
            Ok(solution) => {
                let number = |version: &u32| *version as usize;
                let mut apps = BTreeMap::new();
                let mut base = None;
                for (package, version) in solution.iter() {
                    match package {
                        Package::App(app) => _ = apps.insert(*app, number(version)),
                        Package::Base => base = Some(number(version)),
                        _ => {}
                    }
                }
                // The root always needs a base.
                base.map_or(Solved::GaveUp, |base| Solved::Chosen(Chosen { base, apps }))
            }
            Err(PubGrubError::NoSolution(tree)) => Solved::Impossible(core(tree)),
            Err(_) => Solved::GaveUp,
        }
    }

    /// Whether `statements` can be satisfied; `None` if that took too much work.
    pub fn is_possible(&self, statements: &[Statement]) -> Option<bool> {
        match self.solve(statements) {
            Solved::Chosen(_) => Some(true),
            Solved::Impossible(_) => Some(false),
            Solved::GaveUp => None,
        }
    }

    /// Shrinks the statements of a failed solve until none can be left out.
    pub fn minimal(&self, core: Core) -> Option<Core> {
        let mut core = core;
        // No smaller set fails by counting, and to find one that fails otherwise is not worth a search for
        // each of so many.
        if core.counted.is_some() && core.statements.len() > MOST_SEARCHED {
            return Some(core);
        }
        let order: Vec<_> = core.statements.iter().rev().copied().collect();
        for statement in order {
            if !core.statements.contains(&statement) {
                continue;
            }
            let rest: Vec<_> = core.statements.iter().copied().filter(|other| *other != statement).collect();
            match self.solve(&rest) {
                Solved::Chosen(_) => {}
                Solved::Impossible(smaller) => core = smaller,
                Solved::GaveUp => return None,
            }
        }
        Some(core)
    }
}

struct Provider<'p, 'a> {
    problem: &'p Problem<'a>,
    statements: &'p [Statement],
    left: &'p Cell<u32>,
}

impl Provider<'_, '_> {
    /// How many versions a package has.
    fn versions(&self, package: &Package) -> usize {
        match package {
            Package::Root | Package::Statement(_) => 1,
            Package::Base => self.problem.candidates.len(),
            Package::App(app) => self.problem.items[*app].def.versions.len(),
            Package::Provided(name) => self.problem.provided[*name].1.len(),
            Package::Nobody => 0,
            Package::Claim(_) => self.problem.items.len(),
            Package::Exclusion(_) => 2,
        }
    }

    /// What a requirement comes to.
    fn require(&self, require: &Require) -> (Package, Set) {
        let named = self.problem.by_name.get(require.name.as_str()).copied();
        // A version is only ever that of the application itself, not of what it provides.
        let provided = self.problem.provided(&require.name).filter(|_| require.requirement.is_any());
        match (provided, named) {
            (Some(provided), _) => (Package::Provided(provided), Ranges::full()),
            (None, Some(app)) => {
                let def = self.problem.items[app].def;
                (Package::App(app), runs(&matching(def, Some(&require.requirement)), def.versions.len()))
            }
            (None, None) => (Package::Nobody, Ranges::full()),
        }
    }

    fn needs(&self, package: &Package, version: usize) -> Needs {
        let mut needs = Needs::default();
        match package {
            Package::Root => {
                needs.add(Package::Base, Ranges::full());
                for statement in self.statements {
                    needs.add(Package::Statement(*statement), Ranges::full());
                }
            }
            Package::Statement(Statement::App(index)) => {
                if let Some(app) = self.problem.item_of(*index) {
                    let def = self.problem.items[app].def;
                    let numbers = self.problem.acceptable(*index, def);
                    needs.add(Package::App(app), runs(&numbers, def.versions.len()));
                }
            }
            Package::Statement(statement) => {
                needs.add(Package::Base, self.bases(|candidate| self.problem.accepts(*statement, candidate)));
            }
            Package::Provided(name) => {
                if let Some(&app) = self.problem.provided[*name].1.get(version) {
                    needs.add(Package::App(app), Ranges::full());
                }
            }
            Package::App(app) => self.app_needs(*app, version, &mut needs),
            Package::Base | Package::Claim(_) | Package::Exclusion(_) | Package::Nobody => {}
        }
        needs
    }

    fn app_needs(&self, app: usize, version: usize, needs: &mut Needs) {
        let item = &self.problem.items[app];
        let chosen = &item.def.versions[version];
        let bases = self.bases(|candidate| self.problem.runs_on(chosen, candidate));
        if bases != Ranges::full() {
            needs.add(Package::Base, bases);
        }
        for require in item.def.requires.iter().chain(&chosen.requires) {
            let (package, set) = self.require(require);
            needs.add(package, set);
        }
        for claim in &item.claims {
            needs.add(Package::Claim(claim.number), Ranges::singleton(number(app)));
        }
        for &index in &self.problem.exclusions_of[app] {
            let exclusion = &self.problem.exclusions[index];
            if exclusion.by == app {
                needs.add(Package::Exclusion(index), Ranges::singleton(0u32));
            } else {
                let conflict = &self.problem.items[exclusion.by].def.conflicts[exclusion.entry];
                if conflict.requirement.matches(&chosen.version.value) {
                    needs.add(Package::Exclusion(index), Ranges::singleton(1u32));
                }
            }
        }
    }

    fn bases(&self, fits: impl Fn(&super::problem::Candidate<'_>) -> bool) -> Set {
        let all = &self.problem.candidates;
        let numbers: Vec<usize> = (0..all.len()).filter(|&index| fits(&all[index])).collect();
        runs(&numbers, all.len())
    }

    /// The version to keep if it can be kept: the lock's.
    fn locked(&self, package: &Package) -> Option<u32> {
        let Package::App(app) = package else { return None };
        let def = self.problem.items[*app].def;
        let version = self.problem.preferences.apps.get(&def.name.value)?;
        def.versions.iter().position(|known| known.version.value == *version).map(number)
    }
}

/// The needs of one version: a package named twice needs both.
#[derive(Default)]
struct Needs(BTreeMap<Package, Set>);

impl Needs {
    fn add(&mut self, package: Package, set: Set) {
        self.0.entry(package).and_modify(|known| *known = known.intersection(&set)).or_insert(set);
    }
}

impl DependencyProvider for Provider<'_, '_> {
    type P = Package;
    type V = u32;
    type VS = Set;
    type Priority = (u8, u32, Reverse<Package>);
    type M = String;
    type Err = Exhausted;

    /// The base first, since it rules most out; then what needs no choosing; then what clashed most.
    fn prioritize(
        &self,
        package: &Package,
        _: &Set,
        conflicts: &PackageResolutionStatistics,
    ) -> Self::Priority {
        let class = match package {
            Package::Root => 5,
            Package::Statement(_) => 4,
            Package::Claim(_) | Package::Exclusion(_) | Package::Nobody => 3,
            Package::Base => 2,
            Package::App(_) => 1,
            Package::Provided(_) => 0,
        };
        (class, conflicts.conflict_count(), Reverse(*package))
    }

    fn choose_version(&self, package: &Package, range: &Set) -> Result<Option<u32>, Exhausted> {
        if let Some(locked) = self.locked(package).filter(|locked| range.contains(locked)) {
            return Ok(Some(locked));
        }
        Ok(highest(range, number(self.versions(package))))
    }

    fn get_dependencies(
        &self,
        package: &Package,
        version: &u32,
    ) -> Result<Dependencies<Package, Set, String>, Exhausted> {
        let needs = self.needs(package, *version as usize);
        Ok(Dependencies::Available(DependencyConstraints::from_iter(needs.0)))
    }

    fn should_cancel(&self) -> Result<(), Exhausted> {
        self.left.set(self.left.get().checked_sub(1).ok_or(Exhausted)?);
        Ok(())
    }
}

/// The highest number below `end` in a set. Looked up, not tried one by one: a claim has as many versions as
/// there are applications.
fn highest(set: &Set, end: u32) -> Option<u32> {
    let below = |bound: &Bound<u32>| match bound {
        Bound::Included(last) => end.min(last.saturating_add(1)),
        Bound::Excluded(behind) => end.min(*behind),
        Bound::Unbounded => end,
    };
    let ranges: Vec<_> = set.iter().collect();
    let mut last = ranges.into_iter().rev().filter_map(|(_, upper)| below(upper).checked_sub(1));
    last.find(|number| set.contains(number))
}

/// Numbers as ranges, open at the ends of what there is: the wider, the more the solver learns.
fn runs(numbers: &[usize], all: usize) -> Set {
    let mut set = Ranges::empty();
    let mut at = 0;
    while at < numbers.len() {
        let first = numbers[at];
        while at + 1 < numbers.len() && numbers[at + 1] == numbers[at] + 1 {
            at += 1;
        }
        let last = numbers[at];
        set = set.union(&match (first == 0, last + 1 == all) {
            (true, true) => Ranges::full(),
            (true, false) => Ranges::strictly_lower_than(number(last + 1)),
            (false, true) => Ranges::higher_than(number(first)),
            (false, false) => Ranges::between(number(first), number(last + 1)),
        });
        at += 1;
    }
    set
}

fn number(index: usize) -> u32 {
    // Catalogues are bounded far below.
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// The statements and facts at the leaves of a proof.
fn core(tree: DerivationTree<Package, Set, String>) -> Core {
    let mut found = Core::default();
    let mut facts = BTreeSet::new();
    let mut seen = HashSet::new();
    // Proofs share parts and can be deep: walked once each, with a stack of their own.
    let root = Arc::new(tree);
    let mut stack = vec![Arc::clone(&root)];
    let mut keep = Vec::new();
    while let Some(node) = stack.pop() {
        if !seen.insert(Arc::as_ptr(&node)) {
            continue;
        }
        match &*node {
            DerivationTree::External(External::FromDependencyOf(package, _, other, _)) => {
                if let Package::Statement(statement) = package {
                    found.statements.insert(*statement);
                }
                facts.extend(fact(package, other));
            }
            DerivationTree::External(_) => {}
            DerivationTree::Derived(derived) => {
                stack.push(Arc::clone(&derived.cause1));
                stack.push(Arc::clone(&derived.cause2));
            }
        }
        keep.push(node);
    }
    drop(root);
    // From the root down: what a node lets go of still has an owner here, so no drop runs deep.
    keep.into_iter().for_each(drop);
    found.facts = facts.into_iter().collect();
    found
}

fn fact(package: &Package, other: &Package) -> Option<Fact> {
    let Package::App(app) = package else { return None };
    Some(match other {
        Package::App(other) => Fact::Requires(*app, *other),
        Package::Provided(name) => Fact::RequiresProvided(*app, *name),
        Package::Base => Fact::RunsOn(*app),
        Package::Claim(text) => Fact::Claims(*app, *text),
        Package::Exclusion(index) => Fact::Excludes(*index),
        Package::Root | Package::Statement(_) | Package::Nobody => return None,
    })
}

//! What each package is, would like to be, and is going to be; whether its relations hold.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::super::relation::Kind;
use super::super::universe::{Dependency, PkgId, Relation, Universe, VerId};

/// What is going to happen to a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Mode {
    #[default]
    Keep,
    Install,
    Delete,
}

/// Which of a package's versions a question is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// What is on the disk.
    Current,
    /// What will be there afterwards.
    Install,
    /// What the archives would give.
    Candidate,
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PkgState {
    pub current: Option<VerId>,
    pub install: Option<VerId>,
    pub candidate: Option<VerId>,
    pub mode: Mode,
    pub auto: bool,
    /// The decision about it stands: it was asked for, or follows from what was asked for.
    pub protected: bool,
    pub hold: bool,
}

impl PkgState {
    pub fn get(&self, which: Which) -> Option<VerId> {
        match which {
            Which::Current => self.current,
            Which::Install => self.install,
            Which::Candidate => self.candidate,
        }
    }

    pub fn installs(&self) -> bool {
        self.mode == Mode::Install
    }

    pub fn deletes(&self) -> bool {
        self.mode == Mode::Delete
    }
}

/// The table the rules in `mark` and `repair` work on.
#[derive(Debug)]
pub(super) struct State<'u> {
    pub universe: &'u Universe,
    packages: Vec<PkgState>,
    dependencies: RefCell<HashMap<VerId, Rc<[Dependency]>>>,
    /// Installed packages, and for each name which of them have relations to it.
    pub installed: Vec<PkgId>,
    reverse: Option<HashMap<PkgId, Vec<PkgId>>>,
    /// What is new takes its recommendations along.
    pub recommends: bool,
}

impl<'u> State<'u> {
    /// `installed` holds the current versions with their auto and hold marks.
    pub fn new(universe: &'u Universe, installed: &[(VerId, bool, bool)]) -> Self {
        let mut packages = vec![PkgState::default(); universe.packages.len()];
        for (version, auto, hold) in installed {
            let state = &mut packages[universe.data(*version).pkg.0 as usize];
            (state.current, state.install, state.auto, state.hold) =
                (Some(*version), Some(*version), *auto, *hold);
        }
        let mut ids: Vec<_> = installed.iter().map(|(version, ..)| universe.data(*version).pkg).collect();
        ids.sort_unstable();
        let mut this = Self {
            universe,
            packages,
            dependencies: RefCell::default(),
            installed: ids,
            reverse: None,
            recommends: false,
        };
        for id in 0..this.packages.len() {
            this.packages[id].candidate = this.candidate(PkgId(u32::try_from(id).unwrap_or(u32::MAX)));
        }
        this
    }

    /// apt's policy: the best pin, then the newest; never older than what is installed.
    fn candidate(&self, pkg: PkgId) -> Option<VerId> {
        let current = self[pkg].current;
        let mut best: Option<(u16, VerId)> = None;
        for &version in &self.universe.package(pkg).versions {
            let pin = self.universe.data(version).pin;
            if best.is_none_or(|(best, _)| pin > best) {
                best = Some((pin, version));
            }
            // Versions come newest first: what follows is older than what is installed.
            if Some(version) == current {
                break;
            }
        }
        best.map(|(_, version)| version)
    }

    pub fn ids(&self) -> impl Iterator<Item = PkgId> + use<> {
        (0..u32::try_from(self.packages.len()).unwrap_or(u32::MAX)).map(PkgId)
    }

    pub fn dependencies(&self, version: VerId) -> Rc<[Dependency]> {
        let mut cache = self.dependencies.borrow_mut();
        Rc::clone(cache.entry(version).or_insert_with(|| self.universe.dependencies(version).into()))
    }

    pub fn pkg(&self, version: VerId) -> PkgId {
        self.universe.data(version).pkg
    }

    /// Installed packages whose current version has a relation to `target`.
    pub fn dependents(&mut self, target: PkgId) -> Vec<PkgId> {
        let reverse = self.reverse.take().unwrap_or_else(|| {
            let mut reverse: HashMap<PkgId, Vec<PkgId>> = HashMap::new();
            for &parent in &self.installed {
                let Some(current) = self[parent].current else { continue };
                for dependency in self.dependencies(current).iter() {
                    for alternative in &dependency.alternatives {
                        let parents = reverse.entry(alternative.target).or_default();
                        if parents.last() != Some(&parent) {
                            parents.push(parent);
                        }
                    }
                }
            }
            reverse
        });
        let found = reverse.get(&target).cloned().unwrap_or_default();
        self.reverse = Some(reverse);
        found
    }

    /// Versions that answer to one alternative: the named package's own, then its providers'.
    /// A negative relation never means the package that has it.
    pub fn targets(&self, parent: VerId, kind: Kind, relation: &Relation, which: Which) -> Vec<VerId> {
        let mut found = Vec::new();
        self.visit_targets(parent, kind, relation, which, &mut |version| {
            found.push(version);
            false
        });
        found
    }

    fn visit_targets(
        &self,
        parent: VerId,
        kind: Kind,
        relation: &Relation,
        which: Which,
        visit: &mut dyn FnMut(VerId) -> bool,
    ) -> bool {
        let parent = self.pkg(parent);
        let not_meant = |pkg| kind.is_negative() && pkg == parent;
        if !not_meant(relation.target)
            && let Some(version) = self[relation.target].get(which)
            && relation.op.holds(Some(self.universe.version_str(version)), &relation.version)
            && visit(version)
        {
            return true;
        }
        for provider in self.universe.package(relation.target).providers.iter().rev() {
            let owner = self.pkg(provider.owner);
            if self[owner].get(which) == Some(provider.owner)
                && !not_meant(owner)
                && relation.op.holds(provider.version.as_deref(), &relation.version)
                && visit(provider.owner)
            {
                return true;
            }
        }
        false
    }

    /// Whether one alternative is there.
    pub fn met(&self, parent: VerId, kind: Kind, relation: &Relation, which: Which) -> bool {
        self.visit_targets(parent, kind, relation, which, &mut |_| true)
    }

    /// Whether a dependency holds.
    pub fn holds(&self, parent: VerId, dependency: &Dependency, which: Which) -> bool {
        let met = dependency.alternatives.iter().any(|one| self.met(parent, dependency.kind, one, which));
        met != dependency.kind.is_negative()
    }

    /// Whether the version's critical relations all hold in a state of the whole system.
    pub fn sound(&self, version: VerId, which: Which) -> bool {
        self.dependencies(version)
            .iter()
            .filter(|dependency| dependency.kind.is_critical())
            .all(|dependency| self.holds(version, dependency, which))
    }

    /// Whether the package will be there with something missing.
    pub fn broken(&self, pkg: PkgId) -> bool {
        self[pkg].install.is_some_and(|version| !self.sound(version, Which::Install))
    }

    /// Whether the package is there now with something missing.
    pub fn broken_now(&self, pkg: PkgId) -> bool {
        self[pkg].current.is_some_and(|version| !self.sound(version, Which::Current))
    }

    pub fn broken_count(&self) -> usize {
        self.ids().filter(|pkg| self.broken(*pkg)).count()
    }

    /// Neither installed nor asked about before.
    pub fn is_new(&self, pkg: PkgId) -> bool {
        self[pkg].current.is_none()
    }

    /// A newer version than the installed one is to be had.
    pub fn upgradable(&self, pkg: PkgId) -> bool {
        let state = &self[pkg];
        state.candidate.is_some() && state.candidate != state.current
    }
}

impl std::ops::Index<PkgId> for State<'_> {
    type Output = PkgState;

    fn index(&self, pkg: PkgId) -> &PkgState {
        &self.packages[pkg.0 as usize]
    }
}

impl std::ops::IndexMut<PkgId> for State<'_> {
    fn index_mut(&mut self, pkg: PkgId) -> &mut PkgState {
        &mut self.packages[pkg.0 as usize]
    }
}

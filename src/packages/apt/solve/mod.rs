//! The exact packages for a request: what the image's own apt would choose.
//!
//! The solver follows apt's own rules step by step (`state`, `mark`, `repair`) instead of stating
//! the problem to a general solver: a general one finds *a* valid set, often a smaller one, and
//! "which of the valid sets" is the whole question here. What comes out is checked afterwards
//! independently of how it was found: every relation of every package holds.

mod explain;
mod mark;
mod repair;
mod stages;
mod state;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeSet;

use self::mark::By;
use self::repair::Repair;
use self::state::{Mode, State};
use super::installed::overlay;
use super::universe::{PkgId, Universe, VerId};
use super::{InstalledPackage, NotRemovable, Request, Selected, Solution, SolveError, Unmet, Upgrade, Want};

/// Chooses the packages that `apt-get install --no-install-recommends` would install or upgrade
/// for `request` on a system that has `installed`.
pub fn solve(
    universe: &Universe,
    installed: &[InstalledPackage],
    request: &Request,
) -> Result<Solution, SolveError> {
    let (universe, current) = overlay(universe, installed);
    let solution = Solve::new(universe, current).run(request);
    match &solution {
        Ok(found) => {
            tracing::debug!(install = found.install.len(), remove = ?found.remove, "packages chosen");
        }
        Err(error) => tracing::debug!(?error, "no packages can be chosen"),
    }
    solution
}

/// What packages that a lock names lack of what they need. Only of systems whose packages the archives have in just
/// these versions: of others nobody can tell what they need or provide. What a disk that was looked into (its packages
/// have control data) has of itself is as its makers left it.
#[must_use]
pub fn lacking(universe: &Universe, installed: &[InstalledPackage]) -> Vec<Unmet> {
    let known = |one: &InstalledPackage| {
        !one.control.is_empty() || universe.versions(&one.name).any(|version| version == one.version)
    };
    if !installed.iter().all(known) {
        return Vec::new();
    }
    let locked: BTreeSet<&str> =
        installed.iter().filter(|one| one.control.is_empty()).map(|one| &*one.name).collect();
    let (universe, current) = overlay(universe, installed);
    let mut found = explain::lacking(&State::new(&universe, &current));
    found.retain(|unmet| locked.contains(&*unmet.package));
    found
}

struct Solve<'u> {
    universe: Cow<'u, Universe>,
    current: Vec<(VerId, bool, bool)>,
}

impl<'u> Solve<'u> {
    fn new(universe: Cow<'u, Universe>, current: Vec<(VerId, bool, bool)>) -> Self {
        Self { universe, current }
    }

    fn run(&self, request: &Request) -> Result<Solution, SolveError> {
        self.run_once(request).map_err(|error| self.with_culprits(error, request))
    }

    fn run_once(&self, request: &Request) -> Result<Solution, SolveError> {
        let mut state = State::new(&self.universe, &self.current);
        if request.upgrade == Upgrade::All {
            upgrade_all(&mut state);
        }
        let (removals, mut wrong) = self.removals(&mut state, request);
        let (mut wanted, mut recommending) = (Vec::new(), Vec::new());
        for want in &request.install {
            let (pkg, version) = match self.target(&state, want) {
                Ok(found) => found,
                Err(error) => {
                    if !wrong.contains(&error) {
                        wrong.push(error);
                    }
                    continue;
                }
            };
            state[pkg].candidate = Some(version);
            state[pkg].protected = true;
            state.mark_install(pkg, false, 0, By::User);
            if !wanted.contains(&pkg) {
                wanted.push(pkg);
            }
            if request.recommending.contains(&want.name) {
                recommending.push(pkg);
            }
        }
        if let Some(error) = SolveError::of(wrong) {
            return Err(error);
        }
        for &pkg in &wanted {
            state.recommends = recommending.contains(&pkg);
            state.mark_install(pkg, true, 0, By::User);
        }
        state.recommends = false;
        if !Repair::run(&mut state, &removals, true) {
            return Err(SolveError::Unsatisfiable { unmet: explain::unmet(&state, &wanted) });
        }
        self.answer(&state, &wanted, &removals)
    }

    /// Names those of several wanted packages that push the base's own away.
    fn with_culprits(&self, error: SolveError, request: &Request) -> SolveError {
        let SolveError::WouldRemove { names, .. } = error else { return error };
        let alone = |want: &&Want| {
            let request = Request { install: vec![(*want).clone()], ..request.clone() };
            matches!(self.run_once(&request), Err(SolveError::WouldRemove { names: gone, .. }) if gone.iter().any(|one| names.contains(one)))
        };
        let because = request.install.iter().filter(alone).map(|want| want.name.clone()).collect();
        SolveError::WouldRemove { names, because }
    }

    fn target(&self, state: &State<'_>, want: &Want) -> Result<(PkgId, VerId), SolveError> {
        let unknown = || {
            let nearest = self.nearest(&want.name);
            SolveError::Unknown { name: want.name.clone(), nearest }
        };
        let pkg = self.universe.id(&want.name).ok_or_else(unknown)?;
        let data = self.universe.package(pkg);
        if let Some(wanted) = &want.version {
            if data.versions.is_empty() {
                return Err(unknown());
            }
            let takes = |version: &VerId| wanted.takes(&self.universe.version(*version));
            // What apt would take, if that will do; else the newest of the archive that is preferred.
            let candidate = state[pkg].candidate.filter(takes);
            let others = data.versions.iter().copied().filter(takes);
            let best = others.rev().max_by_key(|version| self.universe.data(*version).pin);
            match candidate.or(best) {
                Some(version) => return Ok((pkg, version)),
                None if wanted.is_preference() => {}
                None => {
                    return Err(SolveError::NoVersion {
                        name: want.name.clone(),
                        wanted: wanted.clone(),
                        available: self.universe.versions(&want.name).collect(),
                    });
                }
            }
        }
        if let Some(candidate) = state[pkg].candidate {
            return Ok((pkg, candidate));
        }
        let providers: BTreeSet<PkgId> = data
            .providers
            .iter()
            .map(|provider| (provider.owner, state.pkg(provider.owner)))
            .filter(|(owner, pkg)| state[*pkg].candidate == Some(*owner))
            .map(|(_, pkg)| pkg)
            .collect();
        match (providers.len(), providers.first()) {
            (0, _) | (_, None) => Err(unknown()),
            (1, Some(only)) => state[*only].candidate.map(|version| (*only, version)).ok_or_else(unknown),
            _ => Err(SolveError::Virtual {
                name: want.name.clone(),
                providers: providers.iter().map(|pkg| self.universe.name(*pkg).to_owned()).collect(),
            }),
        }
    }

    /// A name that could be meant. Among a distribution's sixty thousand names one is always somewhat
    /// like another: only slips of a letter or two count.
    fn nearest(&self, name: &str) -> Option<String> {
        let near = crate::text::nearest(name, self.universe.names())?;
        (crate::text::distance(name, near) <= 2).then(|| near.to_owned())
    }

    fn removals(&self, state: &mut State<'_>, request: &Request) -> (Vec<PkgId>, Vec<SolveError>) {
        let (mut removals, mut wrong) = (Vec::new(), Vec::new());
        for name in &request.remove {
            let mut refuse = |because| wrong.push(SolveError::CannotRemove { name: name.clone(), because });
            let there = self.universe.id(name).filter(|pkg| state[*pkg].current.is_some());
            let Some(pkg) = there else {
                refuse(NotRemovable::NotInstalled);
                continue;
            };
            let data = self.universe.package(pkg);
            if data.essential || data.important {
                refuse(NotRemovable::Essential);
                continue;
            }
            state[pkg].protected = true;
            state.mark_delete(pkg, 0, By::User);
            removals.push(pkg);
        }
        (removals, wrong)
    }

    fn answer(
        &self,
        state: &State<'_>,
        wanted: &[PkgId],
        removals: &[PkgId],
    ) -> Result<Solution, SolveError> {
        let name = |pkg: PkgId| self.universe.name(pkg).to_owned();
        let gone: Vec<PkgId> =
            state.installed.iter().copied().filter(|pkg| state[*pkg].install.is_none()).collect();
        let mut unasked: Vec<String> =
            gone.iter().filter(|pkg| !removals.contains(pkg)).map(|pkg| name(*pkg)).collect();
        if !unasked.is_empty() {
            unasked.sort();
            return Err(SolveError::WouldRemove { names: unasked, because: Vec::new() });
        }
        let chosen: Vec<(PkgId, VerId)> = state
            .ids()
            .filter(|pkg| state[*pkg].mode == Mode::Install)
            .filter_map(|pkg| Some((pkg, state[pkg].install?)))
            .collect();
        let stages = stages::stages(state, &chosen);
        let mut install: Vec<Selected> = chosen
            .into_iter()
            .map(|(pkg, version)| Selected {
                stage: stages[&pkg],
                ..self.universe.selected(version, state[pkg].auto)
            })
            .collect();
        install.sort();
        let was_auto = |pkg: &PkgId| {
            self.current.iter().any(|(version, auto, _)| *auto && self.universe.data(*version).pkg == *pkg)
        };
        let mut now_manual: Vec<_> =
            wanted.iter().filter(|pkg| was_auto(pkg)).map(|pkg| name(*pkg)).collect();
        now_manual.sort();
        let mut remove: Vec<_> = gone.into_iter().map(name).collect();
        remove.sort();
        Ok(Solution { install: install.into(), remove, now_manual })
    }
}

/// `apt-get upgrade --with-new-pkgs`: all installed packages go to their candidate, new ones come
/// along where needed, none goes. What cannot be had on these terms is kept back, as apt keeps it.
fn upgrade_all(state: &mut State<'_>) {
    for follow in [false, true] {
        for pkg in state.installed.clone() {
            if !state[pkg].hold && (!follow || state[pkg].installs()) {
                state.mark_install(pkg, follow, 0, By::Solver);
            }
        }
    }
    for pkg in state.installed.clone() {
        if state[pkg].deletes() {
            state.mark_keep(pkg, 0);
        }
    }
    // Keeping one back may break another that counted on it: until nothing changes.
    loop {
        let broken: Vec<PkgId> =
            state.ids().filter(|pkg| state[*pkg].installs() && state.broken(*pkg)).collect();
        let keeps_back = broken.into_iter().map(|pkg| state.mark_keep(pkg, 0)).filter(|kept| *kept).count();
        if keeps_back > 0 {
            continue;
        }
        // An installed package that a newly chosen one breaks: that one gives way.
        let culprits: Vec<PkgId> = state.ids().filter(|pkg| state[*pkg].installs()).collect();
        let before = state.broken_count();
        if before == 0 {
            return;
        }
        let helped = culprits.into_iter().any(|pkg| {
            let saved = state[pkg];
            state.mark_keep(pkg, 0);
            let helps = state.broken_count() < before;
            if !helps {
                state[pkg] = saved;
            }
            helps
        });
        if !helped {
            return;
        }
    }
}

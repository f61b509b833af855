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
use super::{InstalledPackage, Request, Selected, Solution, Upgrade, Version, Want};

pub use self::explain::Unmet;

/// Why there is no solution. Names are as in the request, so that the caller finds their spans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SolveError {
    /// No archive has a package of that name.
    Unknown {
        name: String,
        /// A real name close to it.
        nearest: Option<String>,
    },
    /// Only other packages provide the name, and there is more than one of them.
    Virtual { name: String, providers: Vec<String> },
    /// The archives have the package, but not in that version; newest first.
    NoVersion { name: String, wanted: Version, available: Vec<Version> },
    /// A package to remove is not there, or the distribution does not work without it.
    CannotRemove { name: String, because: NotRemovable },
    /// Packages of the base would have to go, and nobody asked for that.
    WouldRemove { names: Vec<String> },
    /// Something asked for cannot be installed with the rest.
    Unsatisfiable { unmet: Vec<Unmet> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotRemovable {
    Essential,
    NotInstalled,
}

/// Chooses the packages that `apt-get install --no-install-recommends` would install or upgrade
/// for `request` on a system that has `installed`.
pub fn solve(
    universe: &Universe,
    installed: &[InstalledPackage],
    request: &Request,
) -> Result<Solution, SolveError> {
    let (universe, current) = overlay(universe, installed);
    Solve::new(universe, current).run(request)
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
        let mut state = State::new(&self.universe, &self.current);
        if request.upgrade == Upgrade::All {
            upgrade_all(&mut state);
        }
        let removals = self.removals(&mut state, request)?;
        let mut wanted = Vec::new();
        for want in &request.install {
            let (pkg, version) = self.target(&state, want)?;
            state[pkg].candidate = Some(version);
            state[pkg].protected = true;
            state.mark_install(pkg, false, 0, By::User);
            if !wanted.contains(&pkg) {
                wanted.push(pkg);
            }
        }
        for &pkg in &wanted {
            state.mark_install(pkg, true, 0, By::User);
        }
        if !Repair::run(&mut state, &removals, true) {
            return Err(SolveError::Unsatisfiable { unmet: explain::unmet(&state, &wanted) });
        }
        self.answer(&state, &wanted, &removals)
    }

    fn target(&self, state: &State<'_>, want: &Want) -> Result<(PkgId, VerId), SolveError> {
        let unknown = || {
            let nearest = crate::text::nearest(&want.name, self.universe.names()).map(str::to_owned);
            SolveError::Unknown { name: want.name.clone(), nearest }
        };
        let pkg = self.universe.id(&want.name).ok_or_else(unknown)?;
        let data = self.universe.package(pkg);
        if let Some(wanted) = &want.version {
            let exact = data.versions.iter().find(|version| self.universe.version(**version) == *wanted);
            if data.versions.is_empty() {
                return Err(unknown());
            }
            return exact.map(|version| (pkg, *version)).ok_or_else(|| SolveError::NoVersion {
                name: want.name.clone(),
                wanted: wanted.clone(),
                available: self.universe.versions(&want.name).collect(),
            });
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

    fn removals(&self, state: &mut State<'_>, request: &Request) -> Result<Vec<PkgId>, SolveError> {
        let mut removals = Vec::new();
        for name in &request.remove {
            let refuse = |because| SolveError::CannotRemove { name: name.clone(), because };
            let pkg = self.universe.id(name).ok_or_else(|| refuse(NotRemovable::NotInstalled))?;
            if state[pkg].current.is_none() {
                return Err(refuse(NotRemovable::NotInstalled));
            }
            let data = self.universe.package(pkg);
            if data.essential || data.important {
                return Err(refuse(NotRemovable::Essential));
            }
            state[pkg].protected = true;
            state.mark_delete(pkg, 0, By::User);
            removals.push(pkg);
        }
        Ok(removals)
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
            return Err(SolveError::WouldRemove { names: unasked });
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
        Ok(Solution { install, remove, now_manual })
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

//! The exact packages of an image: out of the lock, or chosen now.

use std::collections::BTreeSet;

use crate::{
    check::ImageSpec,
    lock::{LockedImage, LockedSource},
    packages::{
        InstalledPackage, Request, Selected, Solution, SolveError, Universe, Upgrade, VersionWanted, Want,
        after, bootstrap_set, extended_states, growth, solve,
    },
    resolve::Resolution,
};

/// Everything that decides which packages an image has.
#[derive(Debug, Clone)]
pub struct Pins {
    pub base: BasePins,
    pub solution: Solution,
    /// Bytes that the solution takes on the disk, beyond what it replaces.
    pub grow: u64,
    /// What apt's `extended_states` holds once they are installed.
    pub extended_states: String,
    /// Packages that are there for the scripts, and then go with what came only for them: by name.
    pub temporary: Vec<String>,
    /// What apt's `extended_states` holds then.
    pub final_states: String,
}

/// The packages of the base.
#[derive(Debug, Clone)]
pub enum BasePins {
    /// A bootstrapped base is this set.
    Set(Vec<Selected>),
    /// A disk that was looked into has these.
    Found(Vec<InstalledPackage>),
}

impl BasePins {
    /// The set as dpkg will know it.
    fn installed(&self) -> Vec<InstalledPackage> {
        match self {
            Self::Set(set) => after(&[], &Solution { install: set.clone(), ..Solution::default() }),
            Self::Found(installed) => installed.clone(),
        }
    }
}

impl Pins {
    /// What the lock says. `found` is for bases that the lock names by digest only.
    #[must_use]
    pub fn of_lock(locked: &LockedImage, found: Option<Vec<InstalledPackage>>, native: &str) -> Self {
        let base = match (&locked.base.source, found) {
            (LockedSource::Bootstrap { packages, .. }, _) => BasePins::Set(packages.clone()),
            (_, found) => BasePins::Found(found.unwrap_or_default()),
        };
        let solution = Solution {
            install: locked.packages.clone(),
            remove: locked.removed.clone(),
            now_manual: locked.now_manual.clone(),
        };
        Self::with(base, solution, locked.temporary.clone(), native)
    }

    /// Nothing changes: what the base has, with the marks it has.
    #[must_use]
    pub fn none(installed: Vec<InstalledPackage>, native: &str) -> Self {
        Self::with(BasePins::Found(installed), Solution::default(), Vec::new(), native)
    }

    /// What the image has in the end, as dpkg will know it.
    #[must_use]
    pub fn installed(&self) -> Vec<InstalledPackage> {
        let mut installed = after(&self.base.installed(), &self.solution);
        installed.retain(|package| !self.temporary.contains(&package.name));
        installed
    }

    /// All packages that are installed, with whether the base is made of them.
    pub fn packages(&self) -> impl Iterator<Item = (bool, &Selected)> {
        let base = match &self.base {
            BasePins::Set(set) => &set[..],
            BasePins::Found(_) => &[],
        };
        base.iter().map(|one| (true, one)).chain(self.solution.install.iter().map(|one| (false, one)))
    }

    /// As [`packages`](Self::packages), to be completed.
    pub fn packages_mut(&mut self) -> impl Iterator<Item = &mut Selected> {
        let base = match &mut self.base {
            BasePins::Set(set) => &mut set[..],
            BasePins::Found(_) => &mut [],
        };
        base.iter_mut().chain(&mut self.solution.install)
    }

    /// Chooses now: the base from what its own archives have, the rest also from those that
    /// applications bring.
    pub fn choose(
        own: &Universe,
        universe: &Universe,
        base: Wish<'_>,
        spec: &ImageSpec,
        resolution: &Resolution,
    ) -> Result<Self, SolveError> {
        let base = match base {
            Wish::Bootstrap { include } => {
                let include: Vec<Want> =
                    include.iter().map(|name| want(name, None)).collect::<Result<_, _>>()?;
                BasePins::Set(bootstrap_set(own, &include)?)
            }
            Wish::Found(installed) => BasePins::Found(installed),
        };
        let installed = base.installed();
        let solution = solve(universe, &installed, &request(spec, resolution, &installed, true)?)?;
        let mut temporary = Vec::new();
        if spec.packages.iter().any(|package| !package.keep) {
            let rest = solve(universe, &installed, &request(spec, resolution, &installed, false)?)?;
            let names = |packages: Vec<InstalledPackage>| -> BTreeSet<String> {
                packages.into_iter().map(|package| package.name).collect()
            };
            let (all, staying) = (names(after(&installed, &solution)), names(after(&installed, &rest)));
            temporary = all.difference(&staying).cloned().collect();
        }
        Ok(Self::with(base, solution, temporary, universe.arch()))
    }

    fn with(base: BasePins, solution: Solution, temporary: Vec<String>, native: &str) -> Self {
        let installed = base.installed();
        let mut in_the_end = after(&installed, &solution);
        let states = extended_states(&in_the_end, native);
        in_the_end.retain(|package| !temporary.contains(&package.name));
        let final_states = extended_states(&in_the_end, native);
        let grow = growth(&installed, &solution);
        Self { grow, base, solution, extended_states: states, temporary, final_states }
    }
}

/// What the base is to be.
#[derive(Debug)]
pub enum Wish<'a> {
    /// Made from an archive, with these packages named.
    Bootstrap { include: &'a [String] },
    /// There already, with these packages.
    Found(Vec<InstalledPackage>),
}

/// The image's own packages first, as written, then those of its applications; `temporary` are those that
/// do not stay.
fn request(
    spec: &ImageSpec,
    resolution: &Resolution,
    installed: &[InstalledPackage],
    temporary: bool,
) -> Result<Request, SolveError> {
    let asked = || spec.packages.iter().filter(move |package| package.keep || temporary);
    let written = asked().map(|package| want(&package.name, package.version.as_deref()));
    let apps = resolution.own_apps().flat_map(|app| {
        app.packages.iter().map(move |package| match &app.version_of {
            // What the catalogue promises, as people pin it by apt's preferences.
            Some(carrier) if *carrier == package.name && package.version.is_none() => {
                let version = Some(VersionWanted::upstream(&app.version));
                Ok(Want { name: package.name.clone(), version })
            }
            _ => want(&package.name, package.version.as_deref()),
        })
    });
    let removed = spec.removed_packages.iter().map(|package| &package.name);
    let there = |name: &&String| installed.iter().any(|package| package.name == **name);
    let replaced = resolution.own_apps().flat_map(|app| &app.replaces).filter(there);
    Ok(Request {
        install: written.chain(apps).collect::<Result<_, _>>()?,
        remove: removed.chain(replaced).cloned().collect(),
        recommending: asked()
            .filter(|package| package.recommends)
            .map(|package| package.name.clone())
            .collect(),
        upgrade: if spec.base.upgrade { Upgrade::All } else { Upgrade::No },
    })
}

/// A text that is no version is no package's version either.
fn want(name: &str, version: Option<&str>) -> Result<Want, SolveError> {
    let parsed = version.map(str::parse::<VersionWanted>).transpose();
    let version = parsed.map_err(|_| SolveError::Unknown {
        name: format!("{name}={}", version.unwrap_or_default()),
        nearest: None,
    })?;
    Ok(Want { name: name.to_owned(), version })
}

//! The exact packages of an image: out of the lock, or chosen now.

use std::{collections::BTreeSet, sync::Arc};

use super::answers::place_of;
use crate::{
    check::ImageSpec,
    lock::{LockedImage, LockedSource},
    packages::{
        InstalledPackage, Manager, Pool, Request, Selected, Solution, SolveError, Upgrade, VersionWanted,
        Want, after,
    },
    plan::{PlannedPackage, planned},
    resolve::Resolution,
};

/// Everything that decides which packages an image has.
#[derive(Debug, Clone)]
pub struct Pins {
    /// Whose packages they are.
    pub manager: Manager,
    /// Packages of the base.
    pub base: BasePins,
    /// What is installed on top of it, and what of it is removed.
    pub solution: Solution,
    /// Bytes that the solution takes on the disk, beyond what it replaces.
    pub grow: u64,
    /// What the manager's file of marks holds once they are installed.
    pub marks: Arc<str>,
    /// Packages that are there for the scripts, and then go with what came only for them: by name.
    pub temporary: Vec<String>,
    /// What its file of marks holds then.
    pub final_states: Arc<str>,
    /// What the image has in the end, as the manager will know it.
    pub installed: Arc<[InstalledPackage]>,
    /// The packages of a base that is made of them, and those on top of it, as the plan has them.
    pub planned: (Arc<[PlannedPackage]>, Arc<[PlannedPackage]>),
}

/// The packages of the base.
#[derive(Debug, Clone)]
pub enum BasePins {
    /// A bootstrapped base is this set.
    Set(Arc<[Selected]>),
    /// A disk that was looked into has these.
    Found(Arc<[InstalledPackage]>),
}

impl BasePins {
    /// The set as the manager will know it.
    fn installed(&self) -> Arc<[InstalledPackage]> {
        match self {
            Self::Set(set) => {
                after(&[], &Solution { install: Arc::clone(set), ..Solution::default() }).into()
            }
            Self::Found(installed) => Arc::clone(installed),
        }
    }
}

impl Pins {
    /// What the lock says, for a system with this manager and this architecture, as the manager calls it. `found` is for
    /// bases that the lock names by digest only.
    #[must_use]
    pub fn of_lock(
        locked: &LockedImage,
        found: Option<Arc<[InstalledPackage]>>,
        system: (Manager, &str),
    ) -> Self {
        let base = match (&locked.base.source, found) {
            (LockedSource::Bootstrap { packages, .. }, _) => BasePins::Set(Arc::clone(packages)),
            (_, found) => BasePins::Found(found.unwrap_or_default()),
        };
        let solution = Solution {
            install: Arc::clone(&locked.packages),
            remove: locked.removed.clone(),
            now_manual: locked.now_manual.clone(),
        };
        Self::with(base, solution, locked.temporary.clone(), system)
    }

    /// Nothing changes: what the base has, with the marks it has.
    #[must_use]
    pub fn none(installed: Arc<[InstalledPackage]>, system: (Manager, &str)) -> Self {
        Self::with(BasePins::Found(installed), Solution::default(), Vec::new(), system)
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
            BasePins::Set(set) => Arc::make_mut(set),
            BasePins::Found(_) => &mut [],
        };
        base.iter_mut().chain(Arc::make_mut(&mut self.solution.install))
    }

    /// Chooses now: the base from what its own archives have, the rest also from those that
    /// applications bring.
    pub fn choose(
        (manager, own, pool): (Manager, &dyn Pool, &dyn Pool),
        base: &PackageRequest<'_>,
        spec: &ImageSpec,
        resolution: &Resolution,
    ) -> Result<Self, SolveError> {
        let base = match base {
            PackageRequest::Bootstrap { include } => {
                let include: Vec<Want> =
                    include.iter().map(|name| want(name, None)).collect::<Result<_, _>>()?;
                BasePins::Set(own.fresh_system(&include)?.into())
            }
            PackageRequest::Found(installed) => BasePins::Found(Arc::clone(installed)),
        };
        let installed = base.installed();
        let solution = pool.solve(&installed, &request(spec, resolution, &installed, true)?)?;
        let mut temporary = Vec::new();
        if spec.packages.iter().any(|package| !package.keep) {
            let rest = pool.solve(&installed, &request(spec, resolution, &installed, false)?)?;
            let names = |packages: Vec<InstalledPackage>| -> BTreeSet<String> {
                packages.into_iter().map(|package| package.name).collect()
            };
            let (all, staying) = (names(after(&installed, &solution)), names(after(&installed, &rest)));
            temporary = all.difference(&staying).cloned().collect();
        }
        Ok(Self::with(base, solution, temporary, (manager, pool.arch())))
    }

    fn with(
        base: BasePins,
        solution: Solution,
        temporary: Vec<String>,
        (manager, native): (Manager, &str),
    ) -> Self {
        let installed = base.installed();
        let mut in_the_end = after(&installed, &solution);
        let states = manager.marked(&in_the_end, native);
        in_the_end.retain(|package| !temporary.contains(&package.name));
        let final_states = manager.marked(&in_the_end, native);
        let grow = manager.growth(&installed, &solution);
        let planned_base = match &base {
            BasePins::Set(set) => set.iter().map(planned).collect(),
            BasePins::Found(_) => Arc::default(),
        };
        let planned = (planned_base, solution.install.iter().map(planned).collect());
        Self {
            manager,
            grow,
            base,
            solution,
            marks: states.into(),
            temporary,
            final_states: final_states.into(),
            installed: in_the_end.into(),
            planned,
        }
    }
}

/// What the base is to be.
#[derive(Debug)]
pub enum PackageRequest<'a> {
    /// Made from an archive, with these packages named.
    Bootstrap {
        /// Packages that the recipe names beside the essential ones, such as `openssh-server`.
        include: &'a [String],
    },
    /// There already, with these packages.
    Found(Arc<[InstalledPackage]>),
}

impl PackageRequest<'_> {
    /// What is asked. A system is told by where it lies: an answer about it keeps it there.
    pub(super) fn question(&self) -> String {
        match self {
            Self::Bootstrap { include } => format!("bootstrap {include:?}"),
            Self::Found(installed) => format!("found {:?}", place_of(installed)),
        }
    }
}

/// All of an image that decides which packages are chosen for it: two that say the same have the same. It is what
/// [`request`] reads.
pub(super) fn question(spec: &ImageSpec, resolution: &Resolution) -> String {
    use std::fmt::Write as _;
    let mut text = format!("upgrade {}\n", spec.base.upgrade);
    for package in &spec.packages {
        let (name, version) = (&package.name, &package.version);
        let _ = writeln!(text, "package {name} {version:?} {} {}", package.keep, package.recommends);
    }
    for package in &spec.removed_packages {
        let _ = writeln!(text, "remove {}", package.name);
    }
    for app in resolution.own_apps() {
        let (packages, replaces, archives) = (&app.packages, &app.replaces, &app.repositories);
        let _ =
            writeln!(text, "app {} {:?} {packages:?} {replaces:?} {archives:?}", app.version, app.version_of);
    }
    text
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
            // What the catalogue promises, as people pin it by the manager's preferences.
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

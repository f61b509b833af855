//! The way from an image's wishes to its resolution, or to what is wrong with them.

use std::collections::{BTreeMap, BTreeSet};

use super::core::Core;
use super::problem::{Candidate, Problem, Statement};
use super::render::{Rendered, render};
use super::solve::{Chosen, Solved, Solver};
use super::{
    BaseOrigin, DiskWish, Preferences, Resolution, ResolvedApp, ResolvedBase, StorageNeed, Wanted, WantedBase,
};
use super::{bases, explain};
use crate::catalog::{BUILT_IN, Catalog, Os};
use crate::diagnostic::{Diagnostic, codes};
use crate::text::{Requirement, Version};

/// Most clashes told in one run.
const MOST_CLASHES: usize = 10;

/// Chooses a base and versions of applications, and renders what they will run.
///
/// Deterministic: the newest acceptable base and versions, but those of `preferences` where they are
/// still acceptable. The diagnostics tell every mistake and every clash, each with the statements that
/// it takes and changes that were solved again before they are offered.
pub fn resolve(
    wanted: &Wanted,
    catalog: &Catalog,
    preferences: &Preferences,
) -> Result<Resolution, Vec<Diagnostic>> {
    let mut mistakes = Vec::new();
    let problem = Problem::new(wanted, catalog, preferences, &mut mistakes);
    let solver = Solver::new(&problem);
    let (chosen, cores) = search(&problem, &solver, &mut mistakes);
    for core in &cores.found {
        mistakes.push(explain::explain(&problem, &solver, core, &cores.solvable));
    }
    let Some(chosen) = chosen else { return Err(sorted(mistakes)) };
    let resolution = build(&problem, &chosen, &mut mistakes);
    if let Some(size) = wanted.min_storage {
        mistakes.extend(StorageNeed::new(&resolution).check(DiskWish::Asked(size.value, size.span)));
    }
    if mistakes.is_empty() { Ok(resolution) } else { Err(sorted(mistakes)) }
}

/// Looks up what an image names: applications, their versions and options, the base. Nothing is chosen.
#[must_use]
pub fn look_up(wanted: &Wanted, catalog: &Catalog) -> Vec<Diagnostic> {
    let mut mistakes = Vec::new();
    Problem::new(wanted, catalog, &Preferences::default(), &mut mistakes);
    sorted(mistakes)
}

fn sorted(mut mistakes: Vec<Diagnostic>) -> Vec<Diagnostic> {
    mistakes.sort_by_key(Diagnostic::span);
    mistakes
}

/// Every clash found, and the statements that are left once each lost an application to it.
#[derive(Debug, Default)]
struct Clashes {
    found: Vec<Core>,
    solvable: Vec<Statement>,
}

/// Solves; where that fails, takes an application of the clash out and solves on, so that one run
/// tells all clashes.
fn search(
    problem: &Problem<'_>,
    solver: &Solver<'_, '_>,
    mistakes: &mut Vec<Diagnostic>,
) -> (Option<Chosen>, Clashes) {
    let mut clashes = Clashes { found: Vec::new(), solvable: problem.statements.clone() };
    loop {
        let core = match solver.solve(&clashes.solvable) {
            Solved::Chosen(chosen) => return (Some(chosen), clashes),
            Solved::Impossible(core) => solver.minimal(core),
            Solved::GaveUp => None,
        };
        let Some(core) = core else {
            if clashes.found.is_empty() {
                mistakes.push(gave_up(problem));
            }
            return (None, clashes);
        };
        let last = core.statements.iter().rev().find(|one| matches!(one, Statement::App(_))).copied();
        clashes.found.push(core);
        match last {
            Some(last) if clashes.found.len() < MOST_CLASHES => {
                clashes.solvable.retain(|statement| *statement != last);
            }
            _ => return (None, clashes),
        }
    }
}

fn gave_up(problem: &Problem<'_>) -> Diagnostic {
    Diagnostic::new(codes::SOLVE_BUDGET, "no solution was found within the work allowed")
        .label(problem.wanted.image.span, "its applications have more combinations than can be tried")
        .help("ask for exact versions, such as `app nginx =1.26`, or name the base")
}

fn build(problem: &Problem<'_>, chosen: &Chosen, mistakes: &mut Vec<Diagnostic>) -> Resolution {
    let candidate = &problem.candidates[chosen.base];
    let os = system(problem, candidate);
    let requires = edges(problem, chosen);
    let order = order(problem, chosen, &requires, mistakes);
    let mut needed_by: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (by, needs) in &requires {
        for app in needs {
            needed_by.entry(*app).or_default().push(*by);
        }
    }
    let name = |app: &usize| problem.items[*app].def.name.value.clone();
    let apps = order
        .iter()
        .map(|&app| {
            let item = &problem.items[app];
            let version = &item.def.versions[chosen.apps[&app]];
            let wanted = problem.wanted.apps.iter().find(|wanted| wanted.name.value == item.def.name.value);
            let rendered = render(item, version, &os, problem.wanted.arch.value, wanted, mistakes);
            let Rendered { packages, repositories, files, install, verify } = rendered;
            let named = version.packages.as_ref().unwrap_or(&item.def.packages);
            ResolvedApp {
                name: item.def.name.value.clone(),
                version: version.version.value.clone(),
                span: wanted.map(|wanted| wanted.name.span),
                inherited: wanted.is_some_and(|wanted| wanted.inherited.is_some()),
                needed_by: needed_by.get(&app).into_iter().flatten().map(name).collect(),
                options: item.options.clone(),
                requires: requires[&app].iter().map(name).collect(),
                packages,
                replaces: named.remove.iter().map(|name| name.value.clone()).collect(),
                version_of: named.version_of.as_ref().map(|name| name.value.clone()),
                repositories,
                files,
                install,
                verify,
                claims: item.claims.iter().map(|claim| claim.text.clone()).collect(),
                storage: item.def.storage.map_or(0, |storage| storage.value),
                definition: item.def.digest,
                layer: problem.catalog.layers()[item.def.layer].clone(),
            }
        })
        .collect();
    Resolution { arch: problem.wanted.arch.value, base: base(problem, candidate, &os), apps, os }
}

/// The system of the chosen base; for a base nobody has looked into, what the ImageFile says of it.
fn system(problem: &Problem<'_>, candidate: &Candidate<'_>) -> Os {
    if let Some(def) = candidate.def {
        return def.os.clone();
    }
    if let WantedBase::Given { facts: Some(facts), .. } = &problem.wanted.base {
        return facts.os.clone();
    }
    let unknown = Version::from_parts(&[0]);
    Os {
        kind: "linux".to_owned(),
        distro: candidate.distro.unwrap_or_default().to_owned(),
        version: candidate.version.cloned().unwrap_or(unknown),
        codename: None,
    }
}

fn base(problem: &Problem<'_>, candidate: &Candidate<'_>, os: &Os) -> ResolvedBase {
    let wanted = problem.wanted;
    let firmware = match wanted.firmware {
        Some(firmware) => vec![firmware.value],
        None => candidate.firmware.to_vec(),
    };
    if let Some(def) = candidate.def {
        return ResolvedBase {
            name: def.name.value.clone(),
            version: def.version.value.clone(),
            origin: BaseOrigin::Catalog {
                tier: def.tier,
                source: def.source.clone(),
                definition: def.digest,
                built_in: def.layer == BUILT_IN,
            },
            firmware,
            virtual_size: Some(def.virtual_size.value),
            used: def.used,
            user: Some(def.user.value.clone()),
            because: bases::because(problem, def),
        };
    }
    let (name, facts) = match &wanted.base {
        WantedBase::Given { name, facts } => (name.value.clone(), facts.as_ref()),
        WantedBase::Auto | WantedBase::Unknown | WantedBase::Named { .. } => (String::new(), None),
    };
    ResolvedBase {
        name,
        version: os.version.clone(),
        origin: BaseOrigin::Given,
        firmware,
        virtual_size: facts.and_then(|facts| facts.virtual_size),
        used: facts.and_then(|facts| facts.used),
        user: facts.and_then(|facts| facts.user.clone()),
        because: "the ImageFile names it".to_owned(),
    }
}

/// For each chosen application the chosen ones that it needs.
fn edges(problem: &Problem<'_>, chosen: &Chosen) -> BTreeMap<usize, Vec<usize>> {
    let needs = |(&app, &version): (&usize, &usize)| {
        let def = problem.items[app].def;
        let mut needs = Vec::new();
        for require in def.requires.iter().chain(&def.versions[version].requires) {
            let named = problem.by_name.get(require.name.as_str());
            let provided = problem.catalog.providers(&require.name).iter();
            let provided = provided.filter(|_| require.requirement.is_any());
            let all = named.into_iter().chain(provided.filter_map(|name| problem.by_name.get(name.as_str())));
            for &other in all {
                let fits = chosen.apps.get(&other).is_some_and(|&version| {
                    require.requirement == Requirement::any()
                        || require
                            .requirement
                            .matches(&problem.items[other].def.versions[version].version.value)
                });
                if fits && other != app && !needs.contains(&other) {
                    needs.push(other);
                }
            }
        }
        (app, needs)
    };
    chosen.apps.iter().map(needs).collect()
}

/// Dependencies first, otherwise in the order of the ImageFile.
fn order(
    problem: &Problem<'_>,
    chosen: &Chosen,
    edges: &BTreeMap<usize, Vec<usize>>,
    mistakes: &mut Vec<Diagnostic>,
) -> Vec<usize> {
    let wanted = (0..problem.wanted.apps.len()).filter_map(|index| problem.item_of(index));
    let roots: Vec<usize> = wanted.chain(chosen.apps.keys().copied()).collect();
    let mut order: Vec<usize> = Vec::new();
    let mut done: BTreeSet<usize> = BTreeSet::new();
    for root in roots {
        // Depth first with a stack of its own: a chain may be as long as the catalogue.
        let mut path: Vec<(usize, usize)> = Vec::new();
        if chosen.apps.contains_key(&root) && !done.contains(&root) {
            path.push((root, 0));
        }
        while let Some((app, next)) = path.last_mut() {
            let app = *app;
            let Some(&need) = edges[&app].get(*next) else {
                order.push(app);
                done.insert(app);
                path.pop();
                continue;
            };
            *next += 1;
            if let Some(start) = path.iter().position(|(open, _)| *open == need) {
                mistakes.extend(circle(problem, &path[start..]));
            } else if !done.contains(&need) {
                path.push((need, 0));
            }
        }
    }
    order
}

/// A circle that only certain versions make, or that goes by way of what is provided. The others were told
/// when the catalogue was read.
fn circle(problem: &Problem<'_>, path: &[(usize, usize)]) -> Option<Diagnostic> {
    let def = |app: usize| problem.items[app].def;
    let next = path.iter().cycle().skip(1);
    let told = path.iter().zip(next).all(|((app, _), (next, _))| {
        let name = &def(*next).name.value;
        def(*app).requires.iter().any(|require| require.name == *name)
    });
    if told {
        return None;
    }
    let names: Vec<_> = path.iter().map(|(app, _)| format!("`{}`", def(*app).name.value)).collect();
    let message = format!("{} require each other in a circle", names.join(", "));
    Some(path.iter().fold(Diagnostic::new(codes::CATALOG_CYCLE, message), |diagnostic, (app, _)| {
        diagnostic.label(def(*app).name.span, "part of the circle")
    }))
}

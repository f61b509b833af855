//! Why a base was chosen, and why the others were not.

use super::names;
use super::problem::{Candidate, Problem, Statement};
use super::solve::{Solved, Solver};
use super::{BaseOrigin, PassedOver, Preferences, Reason, Resolution, Wanted, WantedBase};
use crate::catalog::{BaseDef, Catalog, Tier};
use crate::text::Version;

/// A catalogue base as seen by one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseChoice {
    /// The name of its catalogue entry, such as `debian-13`.
    pub name: String,
    /// Of the catalogue entry, not of the system in it.
    pub version: Version,
    /// Whether the image could be built on it.
    pub possible: bool,
    /// Why not; empty if it is possible.
    pub reasons: Vec<Reason>,
}

/// Every base of the catalogue with whether the image could be built on it: `bases --image`.
#[must_use]
pub fn base_choices(wanted: &Wanted, catalog: &Catalog, preferences: &Preferences) -> Vec<BaseChoice> {
    let problem = Problem::new(wanted, catalog, preferences, &mut Vec::new());
    let solver = Solver::new(&problem);
    let choice = |(index, def): (usize, &BaseDef)| {
        let reasons = obstacles(&problem, &solver, index);
        BaseChoice {
            name: def.name.value.clone(),
            version: def.version.value.clone(),
            possible: reasons.is_empty(),
            reasons,
        }
    };
    in_catalogue_order(&problem).into_iter().map(choice).collect()
}

/// The candidates from the catalogue with their numbers, best first.
fn in_catalogue_order<'a>(problem: &Problem<'a>) -> Vec<(usize, &'a BaseDef)> {
    let numbered = problem.candidates.iter().enumerate().rev();
    numbered.filter_map(|(index, candidate)| Some((index, candidate.def?))).collect()
}

/// Every catalogue base but the one `chosen` stands on, each with at least one reason, best first. To find
/// them is as much work again as the choice was for each of them, so `why base` alone asks.
#[must_use]
pub fn passed_over(
    wanted: &Wanted,
    catalog: &Catalog,
    preferences: &Preferences,
    chosen: &Resolution,
) -> Vec<PassedOver> {
    let problem = Problem::new(wanted, catalog, preferences, &mut Vec::new());
    let solver = Solver::new(&problem);
    let from_catalogue = matches!(chosen.base.origin, BaseOrigin::Catalog { .. });
    let is_chosen = |def: &BaseDef| {
        from_catalogue && def.name.value == chosen.base.name && def.version.value == chosen.base.version
    };
    let (best, others): (Vec<_>, Vec<_>) =
        in_catalogue_order(&problem).into_iter().partition(|(_, def)| is_chosen(def));
    others
        .into_iter()
        .map(|(index, def)| {
            let mut reasons = obstacles(&problem, &solver, index);
            let possible = reasons.is_empty();
            if let (true, Some((_, best))) = (possible, best.first()) {
                reasons.push(Reason { text: less_welcome(&problem, def, best), span: None });
            }
            PassedOver {
                name: def.name.value.clone(),
                version: def.version.value.clone(),
                tier: def.tier,
                possible,
                reasons,
            }
        })
        .collect()
}

/// What stands in the way of building on a candidate.
fn obstacles(problem: &Problem<'_>, solver: &Solver<'_, '_>, index: usize) -> Vec<Reason> {
    let candidate = &problem.candidates[index];
    let mut reasons: Vec<Reason> = Vec::new();
    for &statement in &problem.statements {
        let reason = match statement {
            Statement::App(app) => unsupported(problem, app, candidate),
            _ if problem.accepts(statement, candidate) => None,
            _ => Some(mismatch(problem, statement, candidate)),
        };
        reasons.extend(reason.map(|text| Reason { text, span: problem.place(statement) }));
    }
    if reasons.is_empty() {
        reasons.extend(entangled(problem, solver, candidate));
    }
    reasons
}

fn mismatch(problem: &Problem<'_>, statement: Statement, candidate: &Candidate<'_>) -> String {
    let system = system(candidate);
    match statement {
        Statement::Os => format!("it holds {system}, the image is {}", names::os(problem)),
        Statement::Arch => {
            format!("it is for {}, the image is for {}", candidate.arch, problem.wanted.arch.value)
        }
        Statement::Firmware => {
            let firmware = problem.wanted.firmware.map_or("", |firmware| firmware.value.as_str());
            format!("it does not boot with {firmware}")
        }
        Statement::Base | Statement::Choice | Statement::App(_) => match &problem.wanted.base {
            WantedBase::Named { name, .. } | WantedBase::Given { name, .. }
                if statement == Statement::Base =>
            {
                format!("the ImageFile names `{}`", name.value)
            }
            _ => "another one was chosen with `--base`".to_owned(),
        },
    }
}

fn unsupported(problem: &Problem<'_>, app: usize, candidate: &Candidate<'_>) -> Option<String> {
    let def = problem.items[problem.item_of(app)?].def;
    let runs = |version: &usize| problem.runs_on(&def.versions[*version], candidate);
    (!problem.acceptable(app, def).iter().any(runs))
        .then(|| format!("{} does not run on {}", names::app(problem, app), system(candidate)))
}

/// The applications are supported one by one, but not together with what they require.
fn entangled(problem: &Problem<'_>, solver: &Solver<'_, '_>, candidate: &Candidate<'_>) -> Option<Reason> {
    // Only the statements about applications matter: the candidate fits all others.
    let only = problem.with_only(candidate);
    let apart = Solver::within(&only, solver);
    match apart.solve(&only.statements) {
        Solved::Chosen(_) => None,
        Solved::GaveUp => {
            Some(Reason { text: "whether it can be used took too long to find out".to_owned(), span: None })
        }
        Solved::Impossible(core) => {
            let core = apart.minimal(core)?;
            let apps = core.statements.iter().filter_map(|statement| match statement {
                Statement::App(app) => Some(names::app(problem, *app)),
                _ => None,
            });
            let apps: Vec<_> = apps.collect();
            let text =
                format!("with what they require, {} cannot be had on {}", apps.join(", "), system(candidate));
            let first = core.statements.iter().find(|one| matches!(one, Statement::App(_)));
            Some(Reason { text, span: first.and_then(|one| problem.place(*one)) })
        }
    }
}

fn system(candidate: &Candidate<'_>) -> String {
    match (candidate.distro, candidate.version) {
        (Some(distro), Some(version)) => format!("{distro} {version}"),
        (Some(distro), None) => distro.to_owned(),
        _ => "an unknown system".to_owned(),
    }
}

fn is_locked(problem: &Problem<'_>, def: &BaseDef) -> bool {
    problem
        .preferences
        .base
        .as_ref()
        .is_some_and(|(name, version)| *name == def.name.value && *version == def.version.value)
}

/// Possible, and yet another one is better.
fn less_welcome(problem: &Problem<'_>, def: &BaseDef, best: &BaseDef) -> String {
    let name = &best.name.value;
    if is_locked(problem, best) {
        format!("possible, but the lock holds `{name}`")
    } else if best.tier > def.tier {
        format!("possible, but it is only {}, and `{name}` is {}", def.tier, best.tier)
    } else if best.os.version > def.os.version {
        format!("possible, but `{name}` holds a newer system")
    } else if best.version.value > def.version.value {
        format!("possible, but version {} of `{name}` is newer", best.version.value)
    } else {
        format!("possible, but `{name}` comes first by name")
    }
}

/// Why the chosen base is the one.
pub(super) fn because(problem: &Problem<'_>, def: &BaseDef) -> String {
    let wanted = problem.wanted;
    if problem.preferences.only_base.is_some() {
        "it was chosen with `--base`".to_owned()
    } else if matches!(wanted.base, WantedBase::Named { .. }) {
        "the ImageFile names it".to_owned()
    } else if is_locked(problem, def) {
        "the lock holds it, and it still fits".to_owned()
    } else {
        let tier = match def.tier {
            Tier::Proven => "proven",
            Tier::Listed => "listed",
        };
        format!("it is the best fit: {tier}, with {} {}", def.os.distro, def.os.version)
    }
}

//! More demands than resources: found by counting, before any search.
//!
//! Search that learns from its mistakes needs exponential time to see that eleven applications, each of
//! which must hold one of ten claims, do not fit. Counting sees it at once: whoever must be in the image,
//! and what each of them must hold one of, is matched against what only one can hold. Where the matching
//! leaves one over, the applications it could not do without are the conflict (Hall's theorem), and each
//! smaller set of them fits.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::core::{Core, Counted, Fact};
use super::problem::{Problem, Statement};

/// Something that must be in the image, and the resources of which it must hold one at least.
struct Demand {
    because: Statement,
    /// What is needed to see that it must be there, and what it can hold.
    facts: Vec<Fact>,
    resources: BTreeSet<usize>,
}

/// What only one application can hold: a claim, or a name within a group that exclude each other.
#[derive(Debug, Clone, Default)]
struct Resources {
    /// By application.
    of: BTreeMap<usize, Vec<(usize, Fact)>>,
    count: usize,
}

/// A conflict that counting shows, if there is one.
pub(super) fn pigeonhole(problem: &Problem<'_>, statements: &[Statement]) -> Option<Core> {
    let resources = Resources::of(problem);
    if resources.count == 0 {
        return None;
    }
    let demands = demands(problem, statements, &resources);
    let over = unmatched(&demands, resources.count)?;
    let taken: BTreeSet<usize> =
        over.iter().flat_map(|demand| demands[*demand].resources.iter().copied()).collect();
    Some(Core {
        statements: over.iter().map(|demand| demands[*demand].because).collect(),
        facts: over
            .iter()
            .flat_map(|demand| demands[*demand].facts.iter().cloned())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect(),
        counted: Some(Counted { demands: over.len(), resources: taken.len() }),
    })
}

impl Resources {
    fn of(problem: &Problem<'_>) -> Self {
        let mut resources = Self { of: BTreeMap::new(), count: problem.claims.len() };
        for (app, item) in problem.items.iter().enumerate() {
            let claims = item.claims.iter().map(|claim| (claim.number, Fact::Claims(app, claim.number)));
            resources.of.entry(app).or_default().extend(claims);
        }
        resources.add_rivals(problem);
        resources
    }

    /// Groups of applications that all exclude each other whatever their versions.
    fn add_rivals(&mut self, problem: &Problem<'_>) {
        let mut rivals: BTreeMap<usize, BTreeMap<usize, usize>> = BTreeMap::new();
        for (index, exclusion) in problem.exclusions.iter().enumerate() {
            let conflict = &problem.items[exclusion.by].def.conflicts[exclusion.entry];
            if conflict.requirement.is_any() {
                rivals.entry(exclusion.by).or_default().insert(exclusion.target, index);
                rivals.entry(exclusion.target).or_default().insert(exclusion.by, index);
            }
        }
        let mut grouped: BTreeSet<usize> = BTreeSet::new();
        for (&app, of) in &rivals {
            if grouped.contains(&app) {
                continue;
            }
            let mut group = vec![app];
            for &other in of.keys() {
                let all = group.iter().all(|one| rivals[one].contains_key(&other));
                if all && !grouped.contains(&other) {
                    group.push(other);
                }
            }
            if group.len() < 2 {
                continue;
            }
            for &one in &group {
                grouped.insert(one);
                let against = group.iter().find(|other| **other != one).map(|other| rivals[&one][other]);
                let fact = against.map(|index| (self.count, Fact::Excludes(index)));
                self.of.entry(one).or_default().extend(fact);
            }
            self.count += 1;
        }
    }

    fn held_by(&self, app: usize) -> &[(usize, Fact)] {
        self.of.get(&app).map_or(&[], Vec::as_slice)
    }
}

/// Who must be in the image whatever is chosen, and what each must hold one of.
fn demands(problem: &Problem<'_>, statements: &[Statement], resources: &Resources) -> Vec<Demand> {
    let mut forced: BTreeMap<usize, (Statement, Vec<Fact>)> = BTreeMap::new();
    let mut groups: BTreeMap<usize, (Statement, Vec<Fact>)> = BTreeMap::new();
    let mut queue: VecDeque<(usize, Statement, Vec<Fact>)> = VecDeque::new();
    for &statement in statements {
        if let Statement::App(index) = statement {
            queue.extend(problem.item_of(index).map(|app| (app, statement, Vec::new())));
        }
    }
    while let Some((app, because, facts)) = queue.pop_front() {
        if forced.contains_key(&app) {
            continue;
        }
        let def = problem.items[app].def;
        // What only some versions need is left to the search.
        let only = def.versions.first().filter(|_| def.versions.len() == 1);
        for require in def.requires.iter().chain(only.into_iter().flat_map(|version| &version.requires)) {
            let with = |fact: Fact| facts.iter().cloned().chain([fact]).collect::<Vec<_>>();
            let provided = problem.provided(&require.name).filter(|_| require.requirement.is_any());
            match (provided, problem.by_name.get(require.name.as_str())) {
                (Some(name), _) => {
                    let fact = Fact::RequiresProvided(app, name);
                    groups.entry(name).or_insert_with(|| (because, with(fact)));
                }
                (None, Some(&other)) => queue.push_back((other, because, with(Fact::Requires(app, other)))),
                (None, None) => {}
            }
        }
        forced.insert(app, (because, facts));
    }
    let mut demands: Vec<Demand> = Vec::new();
    let mut spoken_for: BTreeSet<usize> = forced.keys().copied().collect();
    for (name, (because, facts)) in groups {
        let providers = &problem.provided[name].1;
        // One application can serve two names, and hold nothing: then there is nothing to count.
        let apart =
            providers.iter().all(|app| !spoken_for.contains(app) && !resources.held_by(*app).is_empty());
        if apart {
            spoken_for.extend(providers.iter().copied());
            demands.push(Demand::of(because, facts, providers, resources));
        }
    }
    for (app, (because, facts)) in forced {
        if !resources.held_by(app).is_empty() {
            demands.push(Demand::of(because, facts, &[app], resources));
        }
    }
    demands
}

impl Demand {
    fn of(because: Statement, mut facts: Vec<Fact>, apps: &[usize], resources: &Resources) -> Self {
        let held = || apps.iter().flat_map(|app| resources.held_by(*app));
        facts.extend(held().map(|(_, fact)| fact.clone()));
        Self { because, facts, resources: held().map(|(resource, _)| *resource).collect() }
    }
}

/// Demands of which one stays unmatched, if there are any, none of them needlessly: by alternating paths
/// from one that cannot be filled.
fn unmatched(demands: &[Demand], resources: usize) -> Option<Vec<usize>> {
    let mut holder: Vec<Option<usize>> = vec![None; resources];
    for start in 0..demands.len() {
        // Which demand a resource was met from.
        let mut from: BTreeMap<usize, usize> = BTreeMap::new();
        let mut met = BTreeSet::from([start]);
        let mut queue = VecDeque::from([start]);
        let mut free = None;
        'search: while let Some(demand) = queue.pop_front() {
            for &resource in &demands[demand].resources {
                if from.contains_key(&resource) {
                    continue;
                }
                from.insert(resource, demand);
                match holder[resource] {
                    None => {
                        free = Some(resource);
                        break 'search;
                    }
                    Some(other) if met.insert(other) => queue.push_back(other),
                    Some(_) => {}
                }
            }
        }
        let Some(mut resource) = free else { return Some(met.into_iter().collect()) };
        // Each moves on to the resource it was met from, back to the start.
        loop {
            let demand = from[&resource];
            let before = holder.iter().position(|held| *held == Some(demand));
            holder[resource] = Some(demand);
            match before {
                Some(before) if demand != start => resource = before,
                _ => break,
            }
        }
    }
    None
}

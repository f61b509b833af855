//! Too many for too few places: found by counting, before any search.
//!
//! Search that learns from its mistakes needs exponential time to see that eleven applications, each of
//! which must hold one of ten claims, do not fit. Counting sees it at once: whoever must be in the image,
//! and what each of them must hold one of, is matched against what only one can hold. Where the matching
//! leaves one over, the applications it could not do without are the conflict (Hall's theorem), and each
//! smaller set of them fits.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::core::{Core, Crowd, Fact};
use super::problem::{Problem, Statement};

/// Something that must be in the image, and the places of which it must hold one at least.
struct Seat {
    because: Statement,
    /// What is needed to see that it must be there, and what it can hold.
    facts: Vec<Fact>,
    places: BTreeSet<usize>,
}

/// What only one application can hold: a claim, or a name within a group that exclude each other.
#[derive(Debug, Clone, Default)]
struct Places {
    /// By application.
    of: BTreeMap<usize, Vec<(usize, Fact)>>,
    count: usize,
}

/// A conflict that counting shows, if there is one.
pub(super) fn pigeonhole(problem: &Problem<'_>, statements: &[Statement]) -> Option<Core> {
    let places = Places::of(problem);
    if places.count == 0 {
        return None;
    }
    let seats = seats(problem, statements, &places);
    let over = unseated(&seats, places.count)?;
    let taken: BTreeSet<usize> = over.iter().flat_map(|seat| seats[*seat].places.iter().copied()).collect();
    Some(Core {
        statements: over.iter().map(|seat| seats[*seat].because).collect(),
        facts: over
            .iter()
            .flat_map(|seat| seats[*seat].facts.iter().cloned())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect(),
        crowd: Some(Crowd { seats: over.len(), places: taken.len() }),
    })
}

impl Places {
    fn of(problem: &Problem<'_>) -> Self {
        let mut places = Self { of: BTreeMap::new(), count: problem.claims.len() };
        for (app, item) in problem.items.iter().enumerate() {
            let claims = item.claims.iter().map(|claim| (claim.number, Fact::Claims(app, claim.number)));
            places.of.entry(app).or_default().extend(claims);
        }
        places.add_rivals(problem);
        places
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
fn seats(problem: &Problem<'_>, statements: &[Statement], places: &Places) -> Vec<Seat> {
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
    let mut seats: Vec<Seat> = Vec::new();
    let mut counted: BTreeSet<usize> = forced.keys().copied().collect();
    for (name, (because, facts)) in groups {
        let providers = &problem.provided[name].1;
        // One application can serve two names, and hold nothing: then there is nothing to count.
        let apart = providers.iter().all(|app| !counted.contains(app) && !places.held_by(*app).is_empty());
        if apart {
            counted.extend(providers.iter().copied());
            seats.push(Seat::of(because, facts, providers, places));
        }
    }
    for (app, (because, facts)) in forced {
        if !places.held_by(app).is_empty() {
            seats.push(Seat::of(because, facts, &[app], places));
        }
    }
    seats
}

impl Seat {
    fn of(because: Statement, mut facts: Vec<Fact>, apps: &[usize], places: &Places) -> Self {
        let held = || apps.iter().flat_map(|app| places.held_by(*app));
        facts.extend(held().map(|(_, fact)| fact.clone()));
        Self { because, facts, places: held().map(|(place, _)| *place).collect() }
    }
}

/// Seats of which one must stay empty, if there are any, none of them needlessly: by alternating paths
/// from one that cannot be filled.
fn unseated(seats: &[Seat], places: usize) -> Option<Vec<usize>> {
    let mut holder: Vec<Option<usize>> = vec![None; places];
    for start in 0..seats.len() {
        // Which seat a place was met from.
        let mut from: BTreeMap<usize, usize> = BTreeMap::new();
        let mut met = BTreeSet::from([start]);
        let mut queue = VecDeque::from([start]);
        let mut free = None;
        'search: while let Some(seat) = queue.pop_front() {
            for &place in &seats[seat].places {
                if from.contains_key(&place) {
                    continue;
                }
                from.insert(place, seat);
                match holder[place] {
                    None => {
                        free = Some(place);
                        break 'search;
                    }
                    Some(other) if met.insert(other) => queue.push_back(other),
                    Some(_) => {}
                }
            }
        }
        let Some(mut place) = free else { return Some(met.into_iter().collect()) };
        // Each moves on to the place it was met from, back to the start.
        loop {
            let seat = from[&place];
            let before = holder.iter().position(|held| *held == Some(seat));
            holder[place] = Some(seat);
            match before {
                Some(before) if seat != start => place = before,
                _ => break,
            }
        }
    }
    None
}

//! The solver against one that tries everything, on random small catalogues.

use std::collections::BTreeSet;

use super::{BASES, parse};
use crate::catalog::{AppDef, Catalog, Layer};
use crate::diagnostic::Diagnostic;
use crate::resolve::problem::{Problem, Statement};
use crate::resolve::solve::{Solved, Solver};
use crate::resolve::{Preferences, Wanted};
use crate::text::{Requirement, SourceId, Sources};

/// A generator whose sequence is fixed by its seed (`SplitMix64`): a failure names its case.
pub(super) struct Random(pub u64);

impl Random {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }

    pub fn one_in(&mut self, limit: u64) -> bool {
        self.below(limit) == 0
    }
}

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
const REQUIREMENTS: [&str; 6] = ["", " 1", " 2", " <3", " >=2", " !=2"];

/// A catalogue of up to five applications with up to three versions, as YAML.
fn catalogue(random: &mut Random) -> Vec<String> {
    let count = 2 + usize::try_from(random.below(4)).unwrap();
    let names = &NAMES[..count];
    let pick = |random: &mut Random| names[usize::try_from(random.below(names.len() as u64)).unwrap()];
    let require = |random: &mut Random, of: &str| {
        if random.one_in(4) {
            return "p".to_owned();
        }
        let requirement = REQUIREMENTS[usize::try_from(random.below(6)).unwrap()];
        let target = pick(random);
        if target == of { "p".to_owned() } else { format!("\"{target}{requirement}\"") }
    };
    names
        .iter()
        .map(|name| {
            let mut versions = Vec::new();
            for version in 1..=1 + random.below(3) {
                let os = match random.below(6) {
                    0 => "os: [debian 12], ",
                    1 => "os: [debian 13], ",
                    2 => "os: [debian], ",
                    _ => "",
                };
                let firmware = if random.one_in(12) { "firmware: [bios], " } else { "" };
                let requires = if random.one_in(2) { require(random, name) } else { String::new() };
                versions.push(format!("{{version: {version}, {os}{firmware}requires: [{requires}]}}"));
            }
            let conflicts = if random.one_in(3) {
                let target = if random.one_in(3) { "p" } else { pick(random) };
                let requirement =
                    if target == "p" { "" } else { REQUIREMENTS[usize::try_from(random.below(6)).unwrap()] };
                format!("\"{target}{requirement}\"")
            } else {
                String::new()
            };
            let claims = if random.one_in(3) { "x" } else { "" };
            // Somebody always provides it, so that requiring it makes sense.
            let provides = if *name == "a" || random.one_in(3) { "p" } else { "" };
            let requires = if random.one_in(4) { require(random, name) } else { String::new() };
            format!(
                "schema: imgfile/app/v1\nname: {name}\nsummary: s\nversions: [{}]\nrequires: [{requires}]\n\
                 conflicts: [{conflicts}]\nclaims: [{claims}]\nprovides: [{provides}]\n",
                versions.join(", ")
            )
        })
        .collect()
}

fn image(random: &mut Random) -> String {
    let mut text = String::new();
    text.push_str(match random.below(6) {
        0 => "os linux debian 12\n",
        1 => "os linux debian 13\n",
        2 => "os linux debian\n",
        _ => "",
    });
    if random.one_in(6) {
        text.push_str("base debian-12\n");
    }
    if random.one_in(6) {
        text.push_str(if random.one_in(2) { "firmware uefi\n" } else { "firmware bios\n" });
    }
    for name in NAMES {
        if random.one_in(2) {
            let requirement = REQUIREMENTS[usize::try_from(random.below(6)).unwrap()].replace(", ", ",");
            text.push_str(&format!("app {name}{requirement}\n"));
        }
    }
    text
}

/// Whether a choice of one version (or none) for each application holds on a candidate: the rules of
/// the language, written down once more and without any search.
fn holds(
    problem: &Problem<'_>,
    statements: &[Statement],
    candidate: usize,
    choice: &[Option<usize>],
) -> bool {
    let candidate = &problem.candidates[candidate];
    let chosen = || choice.iter().enumerate().filter_map(|(app, version)| Some((app, (*version)?)));
    let def = |app: usize| problem.items[app].def;
    let version = |app: usize, version: usize| &def(app).versions[version].version.value;
    // Whether an application in a version answers to a name with a requirement.
    let answers = |app: usize, number: usize, name: &str, requirement: &Requirement| {
        (def(app).name.value == name && requirement.matches(version(app, number)))
            || (requirement.is_any() && provides(def(app), name))
    };
    let wanted = statements.iter().all(|statement| match statement {
        Statement::App(index) => {
            let app = &problem.wanted.apps[*index];
            let requirement = app.requirement.as_ref().map(|r| r.value.clone()).unwrap_or_default();
            chosen().any(|(one, number)| {
                def(one).name.value == app.name.value && requirement.matches(version(one, number))
            })
        }
        other => problem.accepts(*other, candidate),
    });
    let runs = || chosen().all(|(app, number)| problem.runs_on(&def(app).versions[number], candidate));
    let required = || {
        chosen().all(|(app, number)| {
            let all = def(app).requires.iter().chain(&def(app).versions[number].requires);
            all.into_iter().all(|require| {
                chosen().any(|(one, number)| answers(one, number, &require.name, &require.requirement))
            })
        })
    };
    let peaceful = || {
        chosen().all(|(app, _)| {
            def(app).conflicts.iter().all(|conflict| {
                chosen().all(|(one, number)| {
                    one == app || !answers(one, number, &conflict.name, &conflict.requirement)
                })
            })
        })
    };
    let exclusive = || {
        let claims: Vec<&str> = chosen()
            .flat_map(|(app, _)| &problem.items[app].claims)
            .map(|claim| claim.text.as_str())
            .collect();
        claims.iter().collect::<BTreeSet<_>>().len() == claims.len()
    };
    wanted && runs() && peaceful() && exclusive() && required()
}

fn provides(def: &AppDef, name: &str) -> bool {
    def.provides.iter().any(|provided| provided.value == name)
}

/// Tries every candidate with every choice.
fn exists(problem: &Problem<'_>, statements: &[Statement]) -> bool {
    let sizes: Vec<usize> = problem.items.iter().map(|item| item.def.versions.len() + 1).collect();
    let all: usize = sizes.iter().product();
    let apart = |statement: &&Statement| !matches!(statement, Statement::App(_));
    let accepted = |candidate: &usize| {
        let candidate = &problem.candidates[*candidate];
        statements.iter().filter(apart).all(|statement| problem.accepts(*statement, candidate))
    };
    (0..problem.candidates.len()).filter(accepted).any(|candidate| {
        (0..all).any(|mut number| {
            let choice: Vec<Option<usize>> = sizes
                .iter()
                .map(|size| {
                    let digit = number % size;
                    number /= size;
                    digit.checked_sub(1)
                })
                .collect();
            holds(problem, statements, candidate, &choice)
        })
    })
}

/// A random catalogue that has no mistakes, and an image.
fn case(seed: u64) -> Option<(Catalog, Wanted)> {
    let mut random = Random(seed);
    let mut sources = Sources::default();
    let text = image(&mut random);
    let id = sources.add("ImageFile", text.clone());
    let wanted = parse(id, &text);
    assert_eq!(id, SourceId(0));
    let mut files: Vec<SourceId> = BASES.iter().map(|(name, text)| sources.add(*name, *text)).collect();
    let apps = catalogue(&mut random);
    files.extend(
        apps.iter().enumerate().map(|(index, text)| sources.add(format!("apps/{index}.yaml"), text.clone())),
    );
    let (catalog, mistakes) = Catalog::load(&[Layer { name: "catalog".to_owned(), files }], &sources);
    // Circles and what nothing satisfies stay in: the solver must be right about them as well.
    let other = |mistake: &&Diagnostic| !matches!(mistake.code.as_str(), "E0338" | "E0339");
    assert_eq!(mistakes.iter().find(other), None, "{apps:#?}");
    (!wanted.apps.is_empty()).then_some((catalog, wanted))
}

/// Solves one case both ways; says whether it has a solution.
fn compare(seed: u64) -> Option<bool> {
    let (catalog, wanted) = case(seed)?;
    let preferences = Preferences::default();
    let problem = Problem::new(&wanted, &catalog, &preferences, &mut Vec::new());
    let solver = Solver::new(&problem);
    match solver.solve(&problem.statements) {
        Solved::Chosen(chosen) => {
            let choice: Vec<_> = (0..problem.items.len()).map(|app| chosen.apps.get(&app).copied()).collect();
            assert!(holds(&problem, &problem.statements, chosen.base, &choice), "case {seed} is not valid");
            Some(true)
        }
        Solved::Impossible(core) => {
            assert!(!exists(&problem, &problem.statements), "case {seed} has a solution");
            let core = solver.minimal(core).expect("small cases stay within the budget");
            let statements: Vec<_> = core.statements.iter().copied().collect();
            assert!(!exists(&problem, &statements), "case {seed}: {statements:?} is no conflict");
            for left_out in &statements {
                let rest: Vec<_> = statements.iter().copied().filter(|one| one != left_out).collect();
                assert!(exists(&problem, &rest), "case {seed}: {statements:?} is not minimal");
            }
            Some(false)
        }
        Solved::GaveUp => panic!("case {seed} took too long"),
    }
}

#[test]
fn same_verdict_valid_solutions_minimal_conflicts() {
    const CASES: u64 = 10_000;
    // Seeds whose image names no application are no cases; there are enough of the others.
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let verdicts: Vec<bool> = std::thread::scope(|scope| {
        let share = |thread: u64| (0..CASES * 11 / 10).filter(move |seed| seed % threads == thread);
        let all: Vec<_> = (0..threads)
            .map(|thread| scope.spawn(move || share(thread).filter_map(compare).collect::<Vec<_>>()))
            .collect();
        all.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let solved = verdicts.iter().filter(|solved| **solved).count();
    assert!(verdicts.len() as u64 >= CASES, "{} cases", verdicts.len());
    assert!(solved > 2_000 && verdicts.len() - solved > 2_000, "both verdicts are tested: {solved} solved");
}

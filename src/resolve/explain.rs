//! Why there is no solution, with the places on both sides.

use std::collections::{BTreeMap, VecDeque};

use super::core::{Core, Fact};
use super::names;
use super::problem::{Problem, Statement};
use super::propose::proposals;
use super::solve::Solver;
use crate::diagnostic::{Diagnostic, codes};
use crate::text::{Span, Spanned};

/// Most catalogue lines that are quoted with one message.
const MOST_FACTS: usize = 6;

/// One message for one minimal set of statements that cannot all hold. `solvable` are statements
/// that can all hold, one of the set left out.
pub(super) fn explain(
    problem: &Problem<'_>,
    solver: &Solver<'_, '_>,
    core: &Core,
    solvable: &[Statement],
) -> Diagnostic {
    let apps: Vec<usize> = core
        .statements
        .iter()
        .filter_map(|statement| match statement {
            Statement::App(index) => Some(*index),
            _ => None,
        })
        .collect();
    let rest: Vec<Statement> =
        core.statements.iter().copied().filter(|one| !matches!(one, Statement::App(_))).collect();
    if let Some(diagnostic) = no_such_base_version(problem, &rest).filter(|_| apps.is_empty()) {
        return diagnostic;
    }
    // Of many, no two are to blame.
    let clash = clash(problem, core).filter(|_| core.counted.is_none() || apps.len() <= 2);
    let diagnostic = match (apps.as_slice(), clash) {
        ([], _) => no_base(problem, &rest),
        (_, Some(clash)) => apps_clash(problem, &apps, &rest, &clash),
        ([app], None) => unsupported(problem, core, *app, &rest),
        (apps, None) => tangle(problem, core, apps, &rest),
    };
    let diagnostic = match core.counted {
        Some(counted) if apps.len() > 2 => diagnostic.note(format!(
            "they must hold {} things of which only one can hold each, and there are {}",
            counted.demands, counted.resources
        )),
        _ => diagnostic,
    };
    proposals(problem, solver, core, solvable).into_iter().fold(diagnostic, |diagnostic, proposal| {
        let diagnostic = diagnostic.help(proposal.help);
        match proposal.fix {
            Some((title, span, text)) => {
                diagnostic.fix(crate::diagnostic::Applicability::Maybe, title, span, text)
            }
            None => diagnostic,
        }
    })
}

/// A base whose entry has no version that fits: its number is not the system's.
fn no_such_base_version(problem: &Problem<'_>, rest: &[Statement]) -> Option<Diagnostic> {
    let super::WantedBase::Named { name, requirement: Some(requirement) } = &problem.wanted.base else {
        return None;
    };
    let known: Vec<_> = problem.catalog.bases().filter(|def| def.name.value == name.value).collect();
    let fits = known.iter().any(|def| requirement.value.matches(&def.version.value));
    if rest != [Statement::Base] || known.is_empty() || fits {
        return None;
    }
    let versions: Vec<String> = known.iter().map(|def| def.version.value.to_string()).collect();
    let message = format!("no version of the base `{}` is `{}`", name.value, requirement.value);
    Some(
        Diagnostic::new(codes::BASE_MISMATCH, message)
            .label(requirement.span, "no version fits this")
            .note(format!(
                "its entry in the catalogue is of version {}; which version of a system it holds is said by `os`",
                versions.join(", ")
            ))
            .fix(
                crate::diagnostic::Applicability::Maybe,
                format!("write `base {}`", name.value),
                name.span.to(requirement.span),
                name.value.clone(),
            ),
    )
}

/// No base at all, whatever the applications.
fn no_base(problem: &Problem<'_>, rest: &[Statement]) -> Diagnostic {
    if let super::WantedBase::Given { name, facts: Some(facts) } = &problem.wanted.base {
        return another_system(problem, rest, name, facts);
    }
    let fixed = rest.iter().any(|one| matches!(one, Statement::Base | Statement::Choice));
    let said: Vec<_> = rest.iter().map(|one| names::image(problem, *one)).collect();
    let (code, message) = if fixed {
        let bases = rest.iter().filter(|one| matches!(one, Statement::Base | Statement::Choice));
        let base: Vec<_> = bases.map(|one| base_name(problem, *one)).collect();
        let message = match base.as_slice() {
            [named, chosen] => format!("the image names the base `{named}`, and `{chosen}` was chosen"),
            _ => format!("the base `{}` does not fit the image", base.concat()),
        };
        (codes::BASE_MISMATCH, message)
    } else if rest == [Statement::Os] {
        (codes::NO_BASE, format!("the catalogue has no base with {}", names::os(problem)))
    } else {
        (codes::NO_BASE, "the catalogue has no base that fits the image".to_owned())
    };
    let mut diagnostic = Diagnostic::new(code, message);
    let mut placed: Vec<_> = rest.iter().zip(said).collect();
    // What the message is about comes first.
    placed.sort_by_key(|(one, _)| !matches!(one, Statement::Base | Statement::Choice));
    for (statement, text) in placed {
        let span = problem.place(*statement).unwrap_or(problem.wanted.image.span);
        diagnostic = diagnostic.label(span, text);
    }
    if let (Some(os), false) = (&problem.wanted.os, fixed) {
        let mut known: Vec<String> = problem
            .catalog
            .bases()
            .filter(|def| def.os.distro == os.distro.value)
            .map(|def| format!("{} {}", def.os.distro, def.os.version))
            .collect();
        known.dedup();
        diagnostic = diagnostic.note(if known.is_empty() {
            format!("no base in the catalogue holds {}", os.distro.value)
        } else {
            format!("there are bases with {}", known.join(", "))
        });
    }
    for base in rest.iter().filter(|one| matches!(one, Statement::Base | Statement::Choice)) {
        let name = base_name(problem, *base);
        if let Some(def) = problem.catalog.bases().find(|def| def.name.value == name) {
            diagnostic = diagnostic.note(format!(
                "`{name}` holds {} {} for {} ({})",
                def.os.distro,
                def.os.version,
                def.arch.value,
                problem.catalog.place(def.name.span)
            ));
        }
    }
    diagnostic
}

/// A look into the base found something else than the ImageFile says. The disk is what it is, so the
/// statement that is wrong about it comes first.
fn another_system(
    problem: &Problem<'_>,
    rest: &[Statement],
    name: &Spanned<String>,
    facts: &super::BaseFacts,
) -> Diagnostic {
    let is_named = facts.os.distro != "linux";
    let holds = match (&facts.os.distro, facts.os.version.to_string()) {
        _ if !is_named => "a system that does not name itself".to_owned(),
        (distro, version) if version == "0" => distro.clone(),
        (distro, version) => format!("{distro} {version}"),
    };
    let is_about = |statement: &&Statement| !matches!(statement, Statement::Base | Statement::Choice);
    let wanted = names::os(problem);
    // Another version of the same distribution is among the proposals.
    let same = problem.wanted.os.as_ref().is_some_and(|os| os.distro.value == facts.os.distro);
    let (message, help) = match rest.iter().find(is_about) {
        Some(Statement::Os) => (
            format!("the base `{}` holds {holds}, not {wanted}", name.value),
            match (is_named, same) {
                (true, true) => None,
                (true, false) => Some(format!("write `os linux {holds}`, or give a disk with {wanted}")),
                (false, _) => Some("its /etc/os-release has no `ID`: add `ID` and `VERSION_ID`".to_owned()),
            },
        ),
        Some(Statement::Arch) => {
            let arch = &problem.wanted.arch.value;
            (format!("the base `{}` is for {}, not {arch}", name.value, facts.arch), None)
        }
        _ => (format!("the base `{}` does not fit the image", name.value), None),
    };
    let mut diagnostic = Diagnostic::new(codes::BASE_MISMATCH, message);
    for statement in rest.iter().filter(is_about) {
        let span = problem.place(*statement).unwrap_or(problem.wanted.image.span);
        diagnostic = diagnostic.label(span, names::image(problem, *statement));
    }
    diagnostic = diagnostic.label(name.span, format!("this disk holds {holds} for {}", facts.arch));
    match help {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    }
}

fn base_name(problem: &Problem<'_>, statement: Statement) -> String {
    use super::WantedBase;
    match (statement, &problem.wanted.base) {
        (Statement::Base, WantedBase::Named { name, .. } | WantedBase::Given { name, .. }) => {
            name.value.clone()
        }
        _ => problem.preferences.only_base.clone().unwrap_or_default(),
    }
}

/// Two applications that exclude each other, by number.
struct Clash {
    sides: [usize; 2],
    kind: ClashKind,
}

enum ClashKind {
    Claim(String),
    Exclusion(usize),
}

fn clash(problem: &Problem<'_>, core: &Core) -> Option<Clash> {
    let mut holders: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for fact in &core.facts {
        match fact {
            Fact::Claims(app, claim) => holders.entry(*claim).or_default().push(*app),
            Fact::Excludes(index) => {
                let exclusion = &problem.exclusions[*index];
                let sides = [exclusion.by, exclusion.target];
                return Some(Clash { sides, kind: ClashKind::Exclusion(*index) });
            }
            _ => {}
        }
    }
    let (claim, holders) = holders.into_iter().find(|(_, holders)| holders.len() > 1)?;
    let text = problem.claims[claim].clone();
    Some(Clash { sides: [holders[0], holders[1]], kind: ClashKind::Claim(text) })
}

/// The shortest way from a wanted application to another by what they require, both included.
fn way(problem: &Problem<'_>, from: usize, to: usize) -> Option<Vec<usize>> {
    let mut before: BTreeMap<usize, usize> = BTreeMap::from([(from, from)]);
    let mut queue = VecDeque::from([from]);
    while let Some(app) = queue.pop_front() {
        if app == to {
            let mut way = vec![to];
            while way.last() != Some(&from) {
                way.push(before[way.last()?]);
            }
            way.reverse();
            return Some(way);
        }
        let def = problem.items[app].def;
        for require in def.requires.iter().chain(def.versions.iter().flat_map(|version| &version.requires)) {
            let provided = problem.catalog.providers(&require.name).iter().map(String::as_str);
            for name in provided.chain([require.name.as_str()]) {
                if let Some(&next) = problem.by_name.get(name)
                    && !before.contains_key(&next)
                {
                    before.insert(next, app);
                    queue.push_back(next);
                }
            }
        }
    }
    None
}

fn apps_clash(problem: &Problem<'_>, apps: &[usize], rest: &[Statement], clash: &Clash) -> Diagnostic {
    let name = |app: usize| problem.items[app].def.name.value.as_str();
    // The side that is written first is told first; a side nobody wrote comes by way of one that was.
    let place = |side: usize| apps.iter().position(|app| problem.item_of(*app) == Some(side));
    let mut sides = clash.sides;
    sides.sort_by_key(|side| place(*side).unwrap_or(usize::MAX));
    let mut told: Vec<(Span, String)> = Vec::new();
    let mut reached = [false; 2];
    for &app in apps {
        let Some(item) = problem.item_of(app) else { continue };
        let span = problem.wanted.apps[app].name.span;
        // Each statement tells the side that it brings; the nearest one, if it brings both.
        let ways = sides.iter().enumerate().filter(|(side, _)| !reached[*side]);
        let ways = ways.filter_map(|(side, target)| Some((side, way(problem, item, *target)?)));
        let Some((side, way)) = ways.min_by_key(|(_, way)| way.len()) else {
            told.push((span, "is part of this".to_owned()));
            continue;
        };
        reached[side] = true;
        let action =
            action(problem, clash, sides[side], told.iter().any(|(_, text)| text.contains("claims")));
        let text = match way.as_slice() {
            [_] | [] => action,
            [_, last] => format!("requires `{}`, which {action}", name(*last)),
            [.., last] => format!("requires, by way of others, `{}`, which {action}", name(*last)),
        };
        told.push((span, by_the_base(problem, app, text)));
    }
    // One statement alone can bring both sides.
    if let ([app], Some(missing)) = (apps, reached.iter().position(|reached| !reached)) {
        let action = action(problem, clash, sides[missing], true);
        let span = problem.wanted.apps[*app].name.span;
        told.push((span, format!("requires `{}` too, which {action}", name(sides[missing]))));
    }
    let message = format!("`{}` and `{}` cannot be in one image", name(sides[0]), name(sides[1]));
    let mut diagnostic = Diagnostic::new(codes::APPS_CLASH, message);
    for (span, text) in told {
        diagnostic = diagnostic.label(span, text);
    }
    for statement in rest {
        if let Some(span) = problem.place(*statement) {
            diagnostic = diagnostic.label(span, names::image(problem, *statement));
        }
    }
    diagnostic.note(reason(problem, clash, sides))
}

/// The statement that brings an application with the base image says so.
fn by_the_base(problem: &Problem<'_>, app: usize, text: String) -> String {
    let app = &problem.wanted.apps[app];
    if app.inherited.is_some() { format!("brings `{}`, which {text}", app.name.value) } else { text }
}

/// What a side does: "claims tcp/80", "conflicts with `nginx`".
fn action(problem: &Problem<'_>, clash: &Clash, side: usize, again: bool) -> String {
    match &clash.kind {
        ClashKind::Claim(text) if again => format!("claims {text} as well"),
        ClashKind::Claim(text) => format!("claims {text}"),
        ClashKind::Exclusion(index) => {
            let exclusion = &problem.exclusions[*index];
            let name = |app: usize| &problem.items[app].def.name.value;
            if exclusion.by == side {
                format!("conflicts with `{}`", name(exclusion.target))
            } else {
                format!("conflicts with `{}`", name(exclusion.by))
            }
        }
    }
}

/// The catalogue's own reason, with the line that gives it.
fn reason(problem: &Problem<'_>, clash: &Clash, sides: [usize; 2]) -> String {
    match &clash.kind {
        ClashKind::Exclusion(index) => {
            let exclusion = &problem.exclusions[*index];
            let conflict = &problem.items[exclusion.by].def.conflicts[exclusion.entry];
            let place = problem.catalog.place(conflict.span);
            match &conflict.because {
                Some(because) => format!("{because} ({place})"),
                None => format!("`{}` says so ({place})", problem.items[exclusion.by].def.name.value),
            }
        }
        ClashKind::Claim(text) => {
            let claims = sides.map(|side| {
                problem.items[side]
                    .claims
                    .iter()
                    .find(|claim| claim.text == *text)
                    .map(|claim| &claim.template)
            });
            let place = claims[1].map(|template| problem.catalog.place(template.span())).unwrap_or_default();
            let told = claims.iter().flatten().any(|template| !template.is_constant());
            let unless = if told { " unless told otherwise" } else { "" };
            match text.split_once('/') {
                Some(("tcp", port)) => format!("both listen on port {port}{unless} ({place})"),
                Some(("udp", port)) => format!("both listen on UDP port {port}{unless} ({place})"),
                _ => format!("only one can have {text}; both claim it{unless} ({place})"),
            }
        }
    }
}

/// One application that does not go with what the image is.
fn unsupported(problem: &Problem<'_>, core: &Core, app: usize, rest: &[Statement]) -> Diagnostic {
    let wanted = &problem.wanted.apps[app];
    let item = problem.item_of(app);
    let direct = core.facts.iter().all(|fact| matches!(fact, Fact::RunsOn(one) if Some(*one) == item));
    let on = match rest {
        [] => "anything".to_owned(),
        [Statement::Os] => names::os(problem),
        [Statement::Arch] => problem.wanted.arch.value.to_string(),
        [Statement::Base | Statement::Choice] => format!("the base `{}`", base_name(problem, rest[0])),
        _ => "this image".to_owned(),
    };
    let verb = if direct { "does not run on" } else { "cannot be had on" };
    let message = format!("{} {verb} {on}", names::app(problem, app));
    let code = if rest.is_empty() { codes::NO_SOLUTION } else { codes::APP_UNSUPPORTED };
    let span = wanted
        .requirement
        .as_ref()
        .map_or(wanted.name.span, |wanted_version| wanted.name.span.to(wanted_version.span));
    let mut diagnostic = Diagnostic::new(code, message);
    diagnostic = diagnostic
        .label(span, if direct { runs_on(problem, app) } else { "because of what it requires".to_owned() });
    for statement in rest {
        let place = problem.place(*statement).unwrap_or(problem.wanted.image.span);
        diagnostic = diagnostic.label(place, names::image(problem, *statement));
    }
    if direct {
        diagnostic.note(support(problem, item.unwrap_or(0)))
    } else {
        with_facts(problem, core, diagnostic)
    }
}

/// "runs on debian 12": the systems of the acceptable versions.
fn runs_on(problem: &Problem<'_>, app: usize) -> String {
    let Some(item) = problem.item_of(app) else { return String::new() };
    let def = problem.items[item].def;
    let mut systems: Vec<String> = Vec::new();
    for version in problem.acceptable(app, def) {
        let version = &def.versions[version];
        let parts = version.os.iter().map(|os| system(&os.distro, os.requirement.as_str()));
        let parts = parts.chain(version.arch.iter().map(|arch| arch.value.to_string()));
        for part in parts.chain(version.firmware.iter().map(|firmware| firmware.value.as_str().to_owned())) {
            if !systems.contains(&part) {
                systems.push(part);
            }
        }
    }
    format!("runs on {}", systems.join(", "))
}

fn system(distro: &str, requirement: &str) -> String {
    if requirement.is_empty() { distro.to_owned() } else { format!("{distro} {requirement}") }
}

/// Which version runs where, newest first, with the catalogue's line.
fn support(problem: &Problem<'_>, item: usize) -> String {
    let def = problem.items[item].def;
    let versions = def.versions.iter().rev().take(MOST_FACTS).map(|version| {
        let systems: Vec<_> =
            version.os.iter().map(|os| system(&os.distro, os.requirement.as_str())).collect();
        let systems = if systems.is_empty() { "every system".to_owned() } else { systems.join(", ") };
        format!("{} {} runs on {systems}", def.name.value, version.version.value)
    });
    let place = problem.catalog.place(def.versions[0].version.span);
    format!("{} ({place})", versions.collect::<Vec<_>>().join("; "))
}

/// Several applications that need what cannot be had together.
fn tangle(problem: &Problem<'_>, core: &Core, apps: &[usize], rest: &[Statement]) -> Diagnostic {
    let names: Vec<_> = apps.iter().map(|app| names::app(problem, *app)).collect();
    let message = match names.as_slice() {
        [head @ .., last] if !head.is_empty() => {
            format!("{} and {last} cannot be had together", head.join(", "))
        }
        _ => format!("{} cannot be had", names.join(", ")),
    };
    let mut diagnostic = Diagnostic::new(codes::NO_SOLUTION, message);
    for &app in apps {
        let span = problem.wanted.apps[app].name.span;
        diagnostic = diagnostic.label(span, by_the_base(problem, app, need(problem, core, app)));
    }
    for statement in rest {
        let place = problem.place(*statement).unwrap_or(problem.wanted.image.span);
        diagnostic = diagnostic.label(place, names::image(problem, *statement));
    }
    with_facts(problem, core, diagnostic)
}

/// What an application contributes to a clash, in a few words.
fn need(problem: &Problem<'_>, core: &Core, app: usize) -> String {
    let item = problem.item_of(app);
    let name = |other: usize| problem.items[other].def.name.value.as_str();
    let needs = core.facts.iter().find_map(|fact| match fact {
        Fact::Requires(by, other) if Some(*by) == item => Some(format!("requires `{}`", name(*other))),
        Fact::RequiresProvided(by, provided) if Some(*by) == item => {
            Some(format!("requires `{}`", problem.provided[*provided].0))
        }
        _ => None,
    });
    let runs = core.facts.iter().any(|fact| matches!(fact, Fact::RunsOn(by) if Some(*by) == item));
    match (needs, runs) {
        (Some(needs), _) => needs,
        (None, true) => runs_on(problem, app),
        (None, false) => format!("asks for {}", names::app(problem, app)),
    }
}

/// Labels the catalogue lines that the proof used.
fn with_facts(problem: &Problem<'_>, core: &Core, mut diagnostic: Diagnostic) -> Diagnostic {
    let mut left = MOST_FACTS;
    for fact in &core.facts {
        if left == 0 {
            break;
        }
        let (by, target) = match fact {
            Fact::Requires(by, other) => (*by, problem.items[*other].def.name.value.clone()),
            Fact::RequiresProvided(by, provided) => (*by, problem.provided[*provided].0.to_owned()),
            Fact::RunsOn(by) => {
                diagnostic = diagnostic.note(support(problem, *by));
                left -= 1;
                continue;
            }
            Fact::Claims(..) | Fact::Excludes(_) => continue,
        };
        let def = problem.items[by].def;
        let all = def.requires.iter().chain(def.versions.iter().flat_map(|version| &version.requires));
        if let Some(require) = all.into_iter().find(|require| require.name == target) {
            let wanted = system(&require.name, require.requirement.as_str());
            diagnostic = diagnostic.label(require.span, format!("`{}` requires `{wanted}`", def.name.value));
            left -= 1;
        }
    }
    diagnostic
}

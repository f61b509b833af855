//! Changes that would work: each is solved before it is offered.

use super::core::{Core, Fact};
use super::names;
use super::problem::{Problem, Statement};
use super::solve::{Chosen, Solved, Solver};
use super::{OptionInput, Wanted, WantedApp, WantedBase, WantedOption};
use crate::catalog::{AppDef, OptionDef, OptionKind, OptionValue};
use crate::text::{Span, Spanned};

/// Most changes offered with one message.
const MOST: usize = 3;

/// A change, in words and, where it is simple, as an edit.
pub(super) struct Proposal {
    pub help: String,
    /// Title, place, new text.
    pub fix: Option<(String, Span, String)>,
}

/// Changes that let the clashing statements of `core` hold together, and with `solvable`.
pub(super) fn proposals(
    problem: &Problem<'_>,
    solver: &Solver<'_, '_>,
    core: &Core,
    solvable: &[Statement],
) -> Vec<Proposal> {
    let mut statements: Vec<Statement> = solvable.to_vec();
    statements.extend(core.statements.iter().filter(|one| !solvable.contains(one)));
    statements.sort_unstable();
    let attempt = Attempt { problem, solver, statements };
    let mut found = Vec::new();
    found.extend(attempt.other_option(core));
    found.extend(core.statements.iter().filter_map(|statement| attempt.loosen(*statement)).take(MOST));
    if found.is_empty() {
        let out = core.statements.iter().rev().filter(|one| matches!(one, Statement::App(_)));
        found.extend(out.filter_map(|one| attempt.leave_out(*one)).take(MOST));
    }
    found.truncate(MOST);
    found
}

struct Attempt<'p, 'a> {
    problem: &'p Problem<'a>,
    /// Whose budget is used.
    solver: &'p Solver<'p, 'a>,
    statements: Vec<Statement>,
}

impl Attempt<'_, '_> {
    /// Solves changed wishes.
    fn solve<T>(&self, changed: &Wanted, look: impl FnOnce(&Problem<'_>, &Chosen) -> T) -> Option<T> {
        let mut mistakes = Vec::new();
        let problem = Problem::new(changed, self.problem.catalog, self.problem.preferences, &mut mistakes);
        match Solver::within(&problem, self.solver).solve(&self.statements) {
            Solved::Chosen(chosen) => Some(look(&problem, &chosen)),
            Solved::Impossible(_) | Solved::GaveUp => None,
        }
    }

    /// Another value for the option that a claim hangs on; the later application gives way.
    fn other_option(&self, core: &Core) -> Option<Proposal> {
        let claims: Vec<(usize, &str)> = core
            .facts
            .iter()
            .filter_map(|fact| match fact {
                Fact::Claims(app, claim) => Some((*app, self.problem.claims[*claim].as_str())),
                _ => None,
            })
            .collect();
        let wanted = self.problem.wanted;
        // What the base image brings is set up already.
        let own = wanted.apps.iter().enumerate().rev().filter(|(_, app)| app.inherited.is_none());
        for (index, app) in own {
            let Some(item) = self.problem.item_of(index) else { continue };
            let texts = claims.iter().filter(|(by, _)| *by == item).map(|(_, text)| *text);
            for text in texts {
                let def = self.problem.items[item].def;
                let templates = self.problem.items[item].claims.iter().filter(|claim| claim.text == text);
                for claim in templates {
                    let options = def.options.iter().filter(|option| {
                        let name = &option.name.value;
                        claim.template.text().contains(&format!("{{{{ {name} }}}}"))
                    });
                    for option in options {
                        if let Some(proposal) = self.other_value(index, app, def, option) {
                            return Some(proposal);
                        }
                    }
                }
            }
        }
        None
    }

    fn other_value(
        &self,
        index: usize,
        app: &WantedApp,
        def: &AppDef,
        option: &OptionDef,
    ) -> Option<Proposal> {
        let item = self.problem.item_of(index)?;
        let Some(OptionValue::Integer(now)) = self.problem.items[item].options.get(&option.name.value) else {
            return None;
        };
        let what = if option.kind == OptionKind::Port { "port" } else { &option.name.value };
        // 80 becomes 8080, as everybody does it; then the next ones up.
        let values = [now + 8000, now + 1, now + 2, now + 8001, now + 10_000];
        let fitting = values.into_iter().filter(|value| option.kind.read(&value.to_string()).is_ok());
        for value in fitting {
            let mut changed = self.problem.wanted.clone();
            let options = &mut changed.apps[index].options;
            options.retain(|given| given.name.value != option.name.value);
            options.push(WantedOption {
                name: Spanned::new(option.name.value.clone(), app.name.span),
                value: Spanned::new(OptionInput::Scalar(value.to_string()), app.name.span),
            });
            if self.solve(&changed, |_, _| ()).is_some() {
                let text = format!("{} = {value}", option.name.value);
                return Some(Proposal {
                    help: format!("give one another {what}: `app {} {{ {text} }}`", def.name.value),
                    fix: insertion(app, &option.name.value, &value.to_string())
                        .map(|(span, edit)| (format!("write `{text}`"), span, edit)),
                });
            }
        }
        None
    }

    /// Takes a version or a name back that a statement asks for.
    fn loosen(&self, statement: Statement) -> Option<Proposal> {
        let mut changed = self.problem.wanted.clone();
        match statement {
            Statement::App(index) if changed.apps[index].inherited.is_some() => None,
            Statement::App(index) => {
                let requirement = changed.apps[index].requirement.take()?;
                let item = self.problem.item_of(index)?;
                let name = &self.problem.wanted.apps[index].name.value;
                let version = self.solve(&changed, |problem, chosen| {
                    let version = chosen.apps.get(&problem.item_of(index).unwrap_or(item))?;
                    Some(problem.items[item].def.versions[*version].version.value.to_string())
                })??;
                Some(Proposal {
                    help: format!("ask for another version: `app {name} {version}`"),
                    fix: Some((format!("write `{version}`"), requirement.span, version)),
                })
            }
            Statement::Os => {
                let os = changed.os.as_mut()?;
                let requirement = os.requirement.take()?;
                let distro = os.distro.value.clone();
                let version = self.solve(&changed, |problem, chosen| {
                    problem.candidates[chosen.base].version.map(ToString::to_string)
                })??;
                Some(Proposal {
                    help: format!("use another version of the system: `os linux {distro} {version}`"),
                    fix: Some((format!("write `{version}`"), requirement.span, version)),
                })
            }
            Statement::Base if matches!(self.problem.wanted.base, WantedBase::Named { .. }) => {
                changed.base = WantedBase::Auto;
                let name = self.solve(&changed, |problem, chosen| {
                    problem.candidates[chosen.base].def.map(|def| def.name.value.clone())
                })??;
                Some(Proposal { help: format!("use another base: `base {name}`"), fix: None })
            }
            _ => None,
        }
    }

    fn leave_out(&self, statement: Statement) -> Option<Proposal> {
        let Statement::App(index) = statement else { return None };
        if self.problem.wanted.apps[index].inherited.is_some() {
            return None;
        }
        let rest: Vec<_> = self.statements.iter().copied().filter(|one| *one != statement).collect();
        (self.solver.is_possible(&rest) == Some(true))
            .then(|| Proposal { help: format!("leave out {}", names::app(self.problem, index)), fix: None })
    }
}

/// Where an option's value goes: in place of the one given, behind the others, or in a new block.
fn insertion(app: &WantedApp, name: &str, value: &str) -> Option<(Span, String)> {
    if let Some(given) = app.options.iter().find(|given| given.name.value == name) {
        return Some((given.value.span, value.to_owned()));
    }
    let head = app.requirement.as_ref().map_or(app.name.span, |requirement| requirement.span);
    match app.options.last() {
        Some(last) => Some((last.value.span.after(), format!(", {name} = {value}"))),
        // An empty block would need its brace found; nobody writes one.
        None => (app.span.end == head.end).then(|| (head.after(), format!(" {{ {name} = {value} }}"))),
    }
}

//! Profiles: the statements of an image, those of the profiles it uses among them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

use super::Checker;
use super::operands::enumerate;
use super::shown::short;
use crate::diagnostic::{Applicability, Diagnostic, codes};
use crate::syntax::keywords::{Place, STATEMENTS};
use crate::syntax::{Item, Keyword, Statement};
use crate::text::{Span, nearest};

/// Most statements that profiles may bring into the images of a project together: each use copies them.
pub(super) const MOST_BROUGHT: usize = 200_000;

/// Most places that are pointed at on the way round a circle.
pub(super) const MOST_ON_THE_WAY: usize = 20;

/// A profile of the project.
#[derive(Debug)]
pub(super) struct Profile<'s> {
    pub name: Span,
    pub statement: &'s Statement,
}

pub(super) type Profiles<'s> = BTreeMap<String, Profile<'s>>;

/// A statement of an image, with the `use` that brought it, if one did.
#[derive(Debug, Clone)]
pub(super) struct Placed<'s> {
    pub statement: &'s Statement,
    /// The name in the `use`, in the image itself.
    pub used: Option<Span>,
    /// What that `use`, or one on the way, gives to params.
    pub given: Option<Rc<BTreeMap<String, String>>>,
}

/// Statements of one image or profile, and what may be missing among them.
#[derive(Debug, Default)]
pub(super) struct Flat<'s> {
    pub statements: Vec<Placed<'s>>,
    /// Something was not understood, so that nothing can be said to be missing.
    pub doubtful: bool,
    /// What was not understood may have said which base is meant.
    pub perhaps_base: bool,
    /// Profiles on the way, and where each is used.
    pub through: Vec<(String, Span)>,
    /// What each of these gives to params, those above it included.
    pub given: Vec<Option<Rc<BTreeMap<String, String>>>>,
    pub seen: HashMap<String, Seen>,
    pub direct: HashSet<String>,
}

/// A profile that an image uses.
#[derive(Debug)]
pub(super) struct Seen {
    /// The first `use`.
    pub first: Span,
    /// Its statements are being read.
    pub open: bool,
}

impl Flat<'_> {
    /// The statements of the profile that was entered last were read.
    fn leave(&mut self) {
        self.given.pop();
        let seen = self.through.pop().and_then(|(name, _)| self.seen.get_mut(&name));
        if let Some(seen) = seen {
            seen.open = false;
        }
    }
}

impl Checker<'_> {
    /// The statements of a block in order, those of used profiles in the place of `use`.
    pub(super) fn flatten<'s>(&mut self, items: &'s [Item], profiles: &Profiles<'s>, out: &mut Flat<'s>) {
        // Profiles that are read, with a stack of their own: they may use one another as deep as a file is long.
        let mut open = vec![items.iter()];
        while let Some(inner) = open.last_mut() {
            let Some(item) = inner.next() else {
                open.pop();
                out.leave();
                continue;
            };
            let written = match item {
                Item::Statement(written) => written,
                Item::Bad(_) | Item::StrayClose(_) => {
                    out.doubtful = true;
                    out.perhaps_base = true;
                    continue;
                }
                Item::Comment(_) | Item::SlashComment(_) => continue,
            };
            let keyword = self.keyword_of(written).filter(|keyword| keyword.info().place == Place::Image);
            let Some(keyword) = keyword else {
                out.doubtful = true;
                out.perhaps_base |= perhaps_base(self.slice(written.keyword));
                continue;
            };
            if keyword == Keyword::Use {
                open.extend(self.flatten_use(written, profiles, out).map(<[Item]>::iter));
            } else {
                let used = out.through.first().map(|(_, span)| *span);
                match used {
                    Some(used) if !self.has_room_for_one(used) => out.doubtful = true,
                    _ => {
                        let given = out.given.last().cloned().flatten();
                        out.statements.push(Placed { statement: written, used, given });
                    }
                }
            }
        }
    }

    /// Whether a profile may bring another statement; it is said once if not.
    fn has_room_for_one(&mut self, used: Span) -> bool {
        self.growth.brought += 1;
        if self.growth.brought == MOST_BROUGHT + 1 {
            self.report(
                Diagnostic::new(
                    codes::PROJECT_GROWS,
                    format!(
                        "profiles bring more than {MOST_BROUGHT} statements into the images of this project"
                    ),
                )
                .label(used, "no room for all of this one")
                .help("let images that share that much stand on one: `base image \"common\"`"),
            );
        }
        self.growth.brought <= MOST_BROUGHT
    }

    /// What a profile that is used says, if that is to be read now.
    fn flatten_use<'s>(
        &mut self,
        statement: &'s Statement,
        profiles: &Profiles<'s>,
        out: &mut Flat<'s>,
    ) -> Option<&'s [Item]> {
        let before = self.errors();
        // Values may be made of what the profile on the way was given.
        self.current.scope.given = out.given.last().cloned().flatten();
        let (name, given) = self.statement_scope(statement, |checker, operands| {
            let name = checker.scalar(operands, "the name of a profile");
            let given = checker.options(operands);
            (name, checker.values_of_use(&given))
        });
        let around = self.current.scope.given.take();
        let failed = self.errors() > before;
        let Some(name) = name.filter(|_| !failed) else {
            out.doubtful = true;
            out.perhaps_base = true;
            return None;
        };
        let (name, span) = (name.value, name.span);
        if out.seen.get(&name).is_some_and(|seen| seen.open) {
            let mut diagnostic =
                Diagnostic::new(codes::INCLUDE_CYCLE, format!("the profile `{}` uses itself", short(&name)))
                    .label(span, "this closes the circle");
            let way = out.through.iter().rev().take(MOST_ON_THE_WAY).take_while(|(known, _)| *known != name);
            for (_, on_the_way) in way.collect::<Vec<_>>().into_iter().rev() {
                diagnostic = diagnostic.label(*on_the_way, "on the way");
            }
            self.report(diagnostic.help("remove one of these `use`"));
            return None;
        }
        let Some(profile) = profiles.get(&name) else {
            out.doubtful = true;
            out.perhaps_base = true;
            self.unknown_profile(&name, span, profiles);
            return None;
        };
        self.names.used_profiles.insert(name.clone());
        if let Some(Seen { first, .. }) = out.seen.get(&name) {
            // Twice in one block is a slip; twice by way of others is the same statements once.
            if first.source == span.source && out.through.is_empty() && out.direct.contains(&name) {
                let first = *first;
                self.twice(&format!("the profile `{}` is used", short(&name)), span, first);
            }
            return None;
        }
        if out.through.is_empty() {
            out.direct.insert(name.clone());
        }
        let body = profile.statement.body.as_ref();
        out.seen.insert(name.clone(), Seen { first: span, open: body.is_some() });
        let body = body?;
        out.through.push((name, span));
        out.given.push(match (around, given) {
            (Some(around), Some(given)) => {
                let mut all = (*around).clone();
                all.extend(given.iter().map(|(name, value)| (name.clone(), value.clone())));
                Some(Rc::new(all))
            }
            (around, given) => given.or(around),
        });
        Some(&body.items)
    }

    fn unknown_profile(&mut self, name: &str, span: Span, profiles: &Profiles<'_>) {
        if self.recovery.names_doubtful || !self.recovery.unknown_names.insert(format!("use {name}")) {
            return;
        }
        let names = || profiles.keys().map(String::as_str);
        let near = self.names.suggester.nearest(name, names());
        self.names.used_profiles.extend(near.map(str::to_owned));
        let diagnostic =
            Diagnostic::new(codes::UNKNOWN_PROFILE, format!("there is no profile `{}`", short(name)))
                .label(span, "not declared");
        self.report(match near {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")).fix(
                Applicability::Maybe,
                format!("write `{near}`"),
                span,
                near,
            ),
            None if profiles.is_empty() => {
                diagnostic.help(format!("declare one: `profile {} {{ … }}`", short(name)))
            }
            None => diagnostic.help(format!("profiles are {}", enumerate(names()))),
        });
    }
}

/// Whether a statement that does not exist may be a `base`, or bring one: misspelt beyond recognition, or
/// with its first word lost.
fn perhaps_base(keyword: &str) -> bool {
    let names = STATEMENTS.iter().map(|info| info.keyword.as_str());
    let rest_of_base = ["auto", "file", "url", "image", "from", "source"].contains(&keyword);
    rest_of_base || nearest(keyword, names).is_none_or(|near| matches!(near, "base" | "use" | "image"))
}

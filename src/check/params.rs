//! `param NAME [TYPE] [= VALUE]`, `--set`, and the names known in an image.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::load::GivenParam;
use super::operands::{Operands, Text};
use super::shown::short;
use super::{Checker, Settings};
use crate::diagnostic::{Applicability, Diagnostic, Label, codes};
use crate::syntax::Statement;
use crate::text::{Span, Version, nearest};

/// A declared param.
#[derive(Debug)]
pub(super) struct Param {
    pub name: Span,
    /// Absent: something is wrong with it, which has been said.
    pub value: Option<String>,
    /// Absent if it is not understood.
    kind: Option<Type>,
    pub used: bool,
}

/// What `${image}` and its like stand for.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    pub image: Option<String>,
    pub arch: Option<String>,
    /// Known if `os` names one version.
    pub os_version: Option<String>,
    /// The `os` statement.
    pub os: Option<Span>,
    /// Something was not understood that may be the `os` statement, which has been said.
    pub os_doubtful: bool,
    /// Values that the `use` gives which brought the statement being read.
    pub given: Option<Rc<BTreeMap<String, String>>>,
}

/// What params may put into the texts of a project together, in bytes: params that are made of params double
/// with each line.
const MOST_PUT_IN: usize = 16 << 20;

const PREDEFINED: [&str; 3] = ["image", "arch", "os.version"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    String,
    Integer,
    Boolean,
    Size,
    Duration,
    Version,
}

const TYPES: [(&str, Type); 6] = [
    ("string", Type::String),
    ("integer", Type::Integer),
    ("boolean", Type::Boolean),
    ("size", Type::Size),
    ("duration", Type::Duration),
    ("version", Type::Version),
];

/// Whether a word is a type of param.
pub(super) fn is_type(word: &str) -> bool {
    TYPES.iter().any(|(name, _)| *name == word)
}

impl Type {
    fn holds(self, text: &str) -> bool {
        match self {
            Self::String => true,
            Self::Integer => text.strip_prefix('-').unwrap_or(text).parse::<u64>().is_ok(),
            Self::Boolean => matches!(text, "true" | "false"),
            Self::Size => super::Size::parse(text).is_some(),
            Self::Duration => super::parse_duration(text).is_some(),
            Self::Version => text.parse::<Version>().is_ok(),
        }
    }

    /// What follows the name in a declaration with a value.
    const fn example(self) -> &'static str {
        match self {
            Self::String => " = \"…\"",
            Self::Integer => " integer = 8080",
            Self::Boolean => " boolean = true",
            Self::Size => " size = 8GiB",
            Self::Duration => " duration = 10m",
            Self::Version => " version = 1.26",
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::String => "a string",
            Self::Integer => "an integer, such as `8080`",
            Self::Boolean => "`true` or `false`",
            Self::Size => "a size, such as `8GiB`",
            Self::Duration => "a duration, such as `10m`",
            Self::Version => "a version, such as `1.26`",
        }
    }
}

impl Checker<'_> {
    /// Reads the declarations in the order written; a value may use params declared before it.
    /// What an `include` gives wins over the declaration, and a setting over both.
    pub(super) fn params<'s>(
        &mut self,
        statements: impl Iterator<Item = &'s Statement>,
        set: &Settings,
        given: &[GivenParam],
    ) {
        let statements: Vec<&Statement> = statements.collect();
        let names = statements.iter().filter_map(|statement| statement.operands.first());
        self.names.declared = names.map(|name| self.slice(name.span).to_owned()).collect();
        for statement in statements {
            let before = self.errors();
            self.statement_scope(statement, |checker, operands| checker.declare(operands, set, given));
            self.recovery.names_doubtful |= self.errors() > before;
        }
        self.given_params(given);
        for (name, _) in set {
            if !self.names.params.contains_key(name) {
                let known: Vec<&str> = self.names.params.keys().map(String::as_str).collect();
                let diagnostic = Diagnostic::new(
                    codes::UNKNOWN_SETTING,
                    format!("`--set {}` names no param of this file", short(name)),
                );
                let diagnostic = match (nearest(name, known.iter().copied()), known.is_empty()) {
                    (Some(near), _) => diagnostic.help(format!("did you mean `{near}`?")),
                    (None, true) => diagnostic.help("the file declares no `param`"),
                    (None, false) => diagnostic
                        .help(format!("params are {}", super::operands::enumerate(known.iter().copied()))),
                };
                self.report(diagnostic.of_call());
            }
        }
    }

    /// What is wrong with what the `include` statements give.
    fn given_params(&mut self, given: &[GivenParam]) {
        for (at, one) in given.iter().enumerate() {
            let name = &one.name.value;
            if let Some(first) =
                given[..at].iter().find(|other| other.name.value == *name && other.file == one.file)
            {
                if first.value.value != one.value.value {
                    self.twice(
                        &format!("the param `{}` is given a value", short(name)),
                        one.name.span,
                        first.name.span,
                    );
                }
                continue;
            }
            let declared = self.names.params.get(name).map(|param| param.name.source);
            let there = declared.is_some_and(|source| self.input.sources.get(source).name == one.file);
            if there || self.recovery.names_doubtful {
                continue;
            }
            let file = &one.file;
            let known: Vec<String> = self
                .names
                .params
                .iter()
                .filter(|(_, param)| self.input.sources.get(param.name.source).name == *file)
                .map(|(name, _)| name.clone())
                .collect();
            let diagnostic = Diagnostic::new(
                codes::UNKNOWN_PARAM,
                format!("`{}` declares no param `{}`", short(file), short(name)),
            )
            .label(one.name.span, "not declared there");
            self.report(match nearest(name, known.iter().map(String::as_str)) {
                Some(near) => diagnostic.help(format!("did you mean `{near}`?")).fix(
                    Applicability::Maybe,
                    format!("write `{near}`"),
                    one.name.span,
                    near,
                ),
                None if known.is_empty() => diagnostic.help("it declares none"),
                None => diagnostic.help(format!(
                    "its params are {}",
                    super::operands::enumerate(known.iter().map(String::as_str))
                )),
            });
        }
    }

    fn declare(&mut self, operands: &mut Operands<'_>, set: &Settings, given: &[GivenParam]) -> Option<()> {
        let name = self.scalar(operands, "a name")?;
        let name = self.name(
            name,
            "a name",
            super::names::is_identifier,
            "letters, digits, `_`, `-` and `.`, a letter or digit first",
        )?;
        let (name, span) = (name.value, name.span);
        let kind = match operands.peek() {
            Some(operand) if operand.kind == crate::syntax::OperandKind::Word => {
                let text = self.scalar(operands, "a type")?;
                Some(self.choice(&text, "a type of param", &TYPES))
            }
            _ => None,
        };
        let mut written = None;
        if operands.peek().is_some() {
            self.equals(operands);
            written = self.scalar(operands, "a value, such as `\"2026.11\"`");
            self.finish(operands);
        }
        let kind = match kind {
            Some(kind) => kind.map(|kind| kind.value),
            None => Some(Type::String),
        };
        let failed = operands.failed;
        let file = self.input.sources.get(span.source).name.clone();
        let given = given.iter().find(|one| one.name.value == name && one.file == file);
        let written = given.map(|one| one.value.clone()).or(written);
        let value = self.param_value(&name, span, kind, written, failed, set);
        if PREDEFINED.contains(&name.as_str()) {
            self.report(
                Diagnostic::new(codes::DUPLICATE_NAME, format!("`{name}` is predefined"))
                    .label(span, "this name is taken")
                    .help(format!("`${{{name}}}` stands for the image's own; choose another name")),
            );
        } else if let Some(first) = self.names.params.get(&name) {
            let first = first.name;
            self.twice(&format!("the param `{name}` is declared"), span, first);
        } else {
            self.names.params.insert(name, Param { name: span, value, kind, used: false });
        }
        Some(())
    }

    fn param_value(
        &mut self,
        name: &str,
        span: Span,
        kind: Option<Type>,
        written: Option<Text>,
        failed: bool,
        set: &Settings,
    ) -> Option<String> {
        if let Some((_, value)) = set.iter().rev().find(|(key, _)| key == name) {
            let kind = kind?;
            if kind.holds(value) {
                return Some(value.clone());
            }
            self.report(
                Diagnostic::new(
                    codes::PARAM_VALUE,
                    format!("`--set {name}={}` is not {}", short(value), kind.words()),
                )
                .label(span, format!("this param takes {}", kind.words()))
                .of_call(),
            );
            return None;
        }
        let Some(written) = written else {
            if !failed {
                self.report(
                    Diagnostic::new(codes::PARAM_VALUE, format!("the param `{name}` has no value"))
                        .label(span, "declared without one")
                        .help(format!(
                            "set it with `--set {name}=…`, or give it one here: `param {name}{}`",
                            kind.unwrap_or(Type::String).example()
                        )),
                );
            }
            return None;
        };
        let kind = kind?;
        if kind.holds(&written.value) {
            return Some(written.value);
        }
        // With an error before it, this may not be the value that was meant.
        if failed {
            return None;
        }
        self.misfit(
            codes::PARAM_VALUE,
            written.span,
            &written.value,
            kind.words(),
            &format!("the param is declared to be {}", kind.words()),
        );
        None
    }

    /// The value of `${name}` at `span`.
    pub(super) fn param(&mut self, name: &str, span: Span) -> Option<String> {
        if let Some(value) = self.current.scope.given.as_ref().and_then(|given| given.get(name)).cloned() {
            if let Some(param) = self.names.params.get_mut(name) {
                param.used = true;
            }
            return self.has_room(value.len(), span).then_some(value);
        }
        if let Some(param) = self.names.params.get_mut(name) {
            param.used = true;
            let len = param.value.as_ref()?.len();
            return if self.has_room(len, span) { self.names.params[name].value.clone() } else { None };
        }
        let predefined = match name {
            "image" => Some((
                &self.current.scope.image,
                "it is the name of the image, so it is known in images only",
            )),
            "arch" => Some((
                &self.current.scope.arch,
                "it is the architecture of the image, so it is known in images only",
            )),
            "os.version" if self.current.scope.os.is_none() => Some((
                &self.current.scope.os_version,
                "it is the version of the image's system, so it is known in images only",
            )),
            "os.version" => Some((
                &self.current.scope.os_version,
                "it is known where `os` names one version, such as `os linux debian 13`",
            )),
            _ => None,
        };
        if let Some((value, why)) = predefined {
            if value.is_some() || name == "os.version" && self.current.scope.os_doubtful {
                return value.clone();
            }
            let mut diagnostic =
                Diagnostic::new(codes::UNKNOWN_PARAM, format!("`${{{name}}}` is not known here"))
                    .label(span, "has no value here")
                    .note(why);
            if let Some(os) = self.current.scope.os.filter(|_| name == "os.version") {
                diagnostic = diagnostic.label(os, "names no single version");
            }
            self.report(diagnostic);
            return None;
        }
        let known = self.names.params.keys().map(String::as_str).chain(PREDEFINED);
        let near = self.names.suggester.nearest(name, known).map(str::to_owned);
        if self.recovery.names_doubtful || !self.recovery.unknown_names.insert(name.to_owned()) {
            return None;
        }
        if self.names.declared.contains(name) {
            self.report(
                Diagnostic::new(
                    codes::UNKNOWN_PARAM,
                    format!("the param `{}` is not known yet", short(name)),
                )
                .label(span, "used above its declaration")
                .help("a value may use the params that are declared above it: move the declaration up"),
            );
            return None;
        }
        // The one that was meant is not unused as well.
        if let Some(meant) = near.as_ref().and_then(|near| self.names.params.get_mut(near)) {
            meant.used = true;
        }
        let diagnostic =
            Diagnostic::new(codes::UNKNOWN_PARAM, format!("there is no param `{}`", short(name)))
                .label(span, "not declared");
        self.report(match near {
            Some(near) => diagnostic.help(format!("did you mean `${{{near}}}`?")).fix(
                Applicability::Maybe,
                format!("write `${{{near}}}`"),
                span,
                format!("${{{near}}}"),
            ),
            None if !super::names::is_identifier(name) => diagnostic.help(
                "a param's name is letters, digits, `.`, `_`, `-` and `+`; a literal `${` is written `$${`",
            ),
            None => diagnostic.help(format!(
                "declare it with `param {} = \"…\"`; a literal `${{` is written `$${{`",
                short(name)
            )),
        });
        None
    }

    /// The values that a `use` gives to params, each checked against the param's type.
    pub(super) fn values_of_use(
        &mut self,
        given: &super::operands::OptionValues<'_>,
    ) -> Option<Rc<BTreeMap<String, String>>> {
        if given.entries.is_empty() {
            return None;
        }
        let mut values = BTreeMap::new();
        for (name, entry) in &given.entries {
            let Some(kind) = self.names.params.get(name).map(|param| param.kind) else {
                // Reports it, with the nearest name.
                self.param(name, entry.key.span);
                continue;
            };
            let value = entry.value.as_ref().and_then(|value| self.scalar_value(value, "a value"));
            let (Some(value), Some(kind)) = (value, kind) else { continue };
            if kind.holds(&value.value) {
                values.insert(name.clone(), value.value);
            } else {
                let help = format!("the param is declared to be {}", kind.words());
                self.misfit(codes::PARAM_VALUE, value.span, &value.value, kind.words(), &help);
            }
        }
        Some(Rc::new(values))
    }

    /// Whether so many more bytes may be put into texts; it is said once if not.
    fn has_room(&mut self, len: usize, span: Span) -> bool {
        self.growth.put_in = self.growth.put_in.saturating_add(len);
        if self.growth.put_in <= MOST_PUT_IN {
            return true;
        }
        if self.recovery.suppressed == 0 && !std::mem::replace(&mut self.growth.put_in_told, true) {
            self.report(
                Diagnostic::new(
                    codes::PROJECT_GROWS,
                    "params put more than 16 MiB into the texts of this project",
                )
                .label(span, "no room for this one")
                .note("each use of a param counts, in other params and in each image that uses a profile too")
                .help("put long text into a file, and have it copied: `copy \"motd\" to \"/etc/motd\"`"),
            );
        }
        false
    }

    /// Params that nothing reads.
    pub(super) fn unused_params(&mut self) {
        let unused: Vec<(String, Span)> = self
            .names
            .params
            .iter()
            .filter(|(_, param)| !param.used)
            .map(|(name, param)| (name.clone(), param.name))
            .collect();
        // A param that is asked for under another name is one defect, told where it is asked for.
        let asked = self.found.out.iter_mut().find(|found| found.code == codes::UNKNOWN_PARAM);
        if let (Some(asked), [(name, span), ..]) = (asked, &unused[..]) {
            asked.labels.push(Label { span: *span, text: format!("`{name}` is declared, and never used") });
            return;
        }
        for (name, span) in unused {
            self.report(
                Diagnostic::new(codes::UNUSED_PARAM, format!("the param `{name}` is never used"))
                    .label(span, "nothing reads it")
                    .help(format!("use it as `${{{name}}}`, or remove it")),
            );
        }
    }
}

pub(super) type Params = BTreeMap<String, Param>;

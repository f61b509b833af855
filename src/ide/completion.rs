//! What could be written at a place.

use super::Analysis;
use super::analysis::{as_statement, join, unquote};
use super::names::{PREDEFINED, params, profiles};
use super::proposal::{Completion, CompletionKind};
use super::tree::{Place, place, token_at};
use crate::catalog::{AppDef, OptionDef, OptionKind};
use crate::check::{FileKind, Files};
use crate::syntax::keywords::{self, OptionSet, PathKind, Role, STATEMENTS, Times, ValueKind, Word};
use crate::syntax::{Keyword, Operand, OperandKind, Options, Statement};
use crate::text::{SourceId, Span};

/// Most entries of a folder that are offered.
const MAX_PATHS: usize = 500;

/// The proposals at a byte offset of one of the project's ImageFiles or catalogue files, best first.
#[must_use]
pub fn complete(analysis: &Analysis, files: &dyn Files, source: SourceId, offset: u32) -> Vec<Completion> {
    let Some(unit) = analysis.unit(source) else { return super::yaml::complete(analysis, source, offset) };
    let file = analysis.sources.get(source);
    let mut list = List {
        analysis,
        files,
        file: &file.name,
        token: token_at(unit, offset),
        offset,
        out: Vec::new(),
        source,
    };
    if list.param() {
        return list.out;
    }
    match place(unit, &file.text, offset) {
        Place::Keyword { block } => list.statements(block),
        Place::Operand { block, statement, index } => list.operand(block, statement, index),
        Place::Key { statement, outer: None, options, .. } => list.keys(statement, options),
        Place::Value { block, statement, outer: None, entry } => {
            let key = analysis.sources.slice(entry.key.span);
            list.value(block, statement, key);
        }
        Place::Key { .. } | Place::Value { .. } | Place::Outside => {}
    }
    list.out
}

struct List<'a> {
    analysis: &'a Analysis,
    files: &'a dyn Files,
    /// The project path of the file being edited.
    file: &'a str,
    /// The text token that touches the cursor.
    token: Option<&'a Operand>,
    offset: u32,
    source: SourceId,
    out: Vec<Completion>,
}

impl List<'_> {
    fn add(&mut self, kind: CompletionKind, label: &str, detail: impl Into<String>) -> &mut Completion {
        let replace = self.token.map_or(self.here(), |token| token.span);
        let quoted = self.token.is_some_and(|token| token.kind == OperandKind::String);
        self.out.push(Completion {
            label: label.to_owned(),
            kind,
            replace,
            insert: if quoted { format!("\"{label}\"") } else { label.to_owned() },
            detail: detail.into(),
            documentation: String::new(),
        });
        let last = self.out.len() - 1;
        &mut self.out[last]
    }

    /// Like `add`, for what is written in quotes.
    fn add_quoted(&mut self, kind: CompletionKind, label: &str, detail: impl Into<String>) {
        let entry = self.add(kind, label, detail);
        entry.insert = format!("\"{label}\"");
    }

    fn here(&self) -> Span {
        Span::new(self.source, self.offset, self.offset)
    }

    fn words(&mut self, words: &[Word]) {
        for (word, about) in words {
            self.add(CompletionKind::Value, word, *about);
        }
    }

    /// Behind an open `${`, in a string or bare: only names of params will do.
    fn param(&mut self) -> bool {
        let Some(token) = self.token else { return false };
        let before = Span { end: self.offset, ..token.span };
        let before = self.analysis.sources.slice(before);
        let Some(open) = before.rfind("${").filter(|&open| !before[..open].ends_with('$')) else {
            return self.dollar(token, before);
        };
        let typed = &before[open + 2..];
        if typed.contains('}') {
            return false;
        }
        let start = self.offset - u32::try_from(typed.len()).unwrap_or(0);
        let after = self.analysis.sources.slice(Span { start: self.offset, ..token.span });
        let name = after.len()
            - after.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "._-".contains(c)).len();
        let end = self.offset + u32::try_from(name).unwrap_or(0);
        let closed = after[name..].starts_with('}');
        self.params(Span::new(self.source, start, end), "", if closed { "" } else { "}" });
        true
    }

    /// Behind a lone `$`.
    fn dollar(&mut self, token: &Operand, before: &str) -> bool {
        if !before.ends_with('$') || before.ends_with("$$") || token.kind == OperandKind::Single {
            return false;
        }
        self.params(self.here(), "{", "}");
        true
    }

    fn params(&mut self, replace: Span, open: &str, close: &str) {
        let declared = params(self.analysis).map(|(name, statement)| {
            let value =
                statement.operands.last().map_or("", |operand| self.analysis.sources.slice(operand.span));
            (name.to_owned(), format!("param, {value}"))
        });
        let known = PREDEFINED.iter().map(|(name, about)| ((*name).to_owned(), (*about).to_owned()));
        let all: Vec<_> = declared.chain(known).collect();
        for (name, detail) in all {
            let entry = self.add(CompletionKind::Param, &name, detail);
            entry.insert = format!("{open}{name}{close}");
            entry.replace = replace;
        }
    }

    fn statements(&mut self, block: Option<&Statement>) {
        let wanted = if block.is_some() { keywords::Place::Image } else { keywords::Place::Top };
        let siblings = block.and_then(|block| block.body.as_ref()).map_or(&[][..], |body| &body.items);
        // The word being written is no token of `texts`: it is the keyword of a statement.
        let items =
            block.map_or(self.analysis.unit(self.source).map_or(&[][..], |unit| &unit.items), |_| siblings);
        let current = items
            .iter()
            .filter_map(as_statement)
            .map(|statement| statement.keyword)
            .find(|keyword| keyword.touches(self.offset) && !keyword.is_empty());
        let replace = current.unwrap_or(self.here());
        for info in STATEMENTS.iter().filter(|info| info.place == wanted) {
            let given = siblings.iter().filter_map(as_statement).any(|statement| {
                Some(statement.keyword) != current && self.analysis.keyword(statement) == Some(info.keyword)
            });
            if info.times == Times::Once && given {
                continue;
            }
            let entry = self.add(CompletionKind::Statement, info.keyword.as_str(), info.summary);
            entry.replace = replace;
            entry.documentation = format!("```imagefile\n{}\n```", info.example);
        }
    }

    fn operand(&mut self, block: Option<&Statement>, statement: &Statement, index: usize) {
        let Some(info) = self.analysis.operand_info(statement, index) else { return };
        let nth =
            |n: usize| statement.operands.get(n).map(|operand| self.analysis.sources.slice(operand.span));
        let first = nth(0);
        // Words of the language are never in quotes.
        if self.token.is_none_or(|token| token.kind != OperandKind::String) {
            self.words(info.words);
        }
        match info.role {
            Role::App => self.apps(block),
            Role::AppVersion => self.versions_of(first),
            Role::Distribution => self.distributions(),
            Role::OsVersion => self.systems(nth(1)),
            Role::Base => self.bases(),
            Role::Image => self.images(block),
            Role::BaseVersion => {
                let named = |base: &&crate::catalog::BaseDef| Some(base.name.value.as_str()) == first;
                let versions: Vec<_> = self
                    .analysis
                    .catalog
                    .bases()
                    .filter(named)
                    .map(|base| base.version.value.to_string())
                    .collect();
                for version in versions {
                    self.add(CompletionKind::Version, &version, "");
                }
            }
            Role::Profile => self.profiles(),
            Role::Path(PathKind::Source | PathKind::Machine) => self.paths(|_| true),
            Role::Path(PathKind::ImageFile) => self.paths(|name| name.ends_with(".imagefile")),
            Role::Path(PathKind::Folder) => self.paths(|_| false),
            Role::Account => self.named_in(block, Keyword::Account),
            Role::Value
            | Role::Size
            | Role::OsType
            | Role::ParamName
            | Role::ProfileName
            | Role::Name
            | Role::Url => {}
        }
    }

    fn keys(&mut self, statement: &Statement, options: &Options) {
        let Some(keyword) = self.analysis.keyword(statement) else { return };
        let slice = |span| self.analysis.sources.slice(span);
        let given: Vec<&str> = options
            .entries()
            .filter(|entry| !entry.key.span.touches(self.offset))
            .map(|entry| slice(entry.key.span))
            .collect();
        let equals =
            options.entries().any(|entry| entry.key.span.touches(self.offset) && !entry.eq.is_empty());
        let suffix = if equals { "" } else { " = " };
        let own = match keyword.info().options {
            OptionSet::Of(options) => options,
            OptionSet::OfApp => return self.keys_of_app(statement, &given, suffix),
            OptionSet::Params => return self.keys_of_params(keyword, &given, suffix),
        };
        let nth = |at: usize| Some(slice(statement.operands.get(at)?.span));
        for option in own.iter().filter(|option| !given.contains(&option.name) && option.fits(nth)) {
            let entry = self.add(CompletionKind::Option, option.name, option.about);
            entry.insert = format!("{}{suffix}", option.name);
        }
    }

    fn keys_of_app(&mut self, statement: &Statement, given: &[&str], suffix: &str) {
        let Some(app) = statement
            .operands
            .first()
            .and_then(|name| self.analysis.catalog.app(unquote(self.analysis.sources.slice(name.span))))
        else {
            return;
        };
        for option in app.options.iter().filter(|option| !given.contains(&option.name.value.as_str())) {
            let entry = self.add(CompletionKind::Option, &option.name.value, about_option(option));
            entry.insert = format!("{}{suffix}", option.name.value);
            entry.documentation = option.summary.clone().unwrap_or_default();
        }
    }

    /// Values for the params of what is brought in.
    fn keys_of_params(&mut self, keyword: Keyword, given: &[&str], suffix: &str) {
        let others = params(self.analysis).filter(|(name, param)| {
            !given.contains(name) && (keyword == Keyword::Use || param.span.source != self.source)
        });
        let names: Vec<String> = others.map(|(name, _)| name.to_owned()).collect();
        for name in names {
            let entry = self.add(CompletionKind::Option, &name, "param");
            entry.insert = format!("{name}{suffix}");
        }
    }

    fn value(&mut self, block: Option<&Statement>, statement: &Statement, key: &str) {
        if self.analysis.keyword(statement) == Some(Keyword::App) {
            return self.option_values(statement, key);
        }
        let Some(option) = self.analysis.option_info(statement, key) else { return };
        self.words(option.words);
        match option.value {
            ValueKind::Secrets => self.named_in(block, Keyword::Secret),
            ValueKind::Sources => self.paths(|_| true),
            ValueKind::Account => {
                self.add(CompletionKind::Name, "root", "");
                self.named_in(block, Keyword::Account);
            }
            _ => {}
        }
    }

    fn option_values(&mut self, statement: &Statement, key: &str) {
        let name = statement.operands.first().map(|name| unquote(self.analysis.sources.slice(name.span)));
        let app = name.and_then(|name| self.analysis.catalog.app(name));
        let Some(option) = app.and_then(|app| app.options.iter().find(|option| option.name.value == key))
        else {
            return;
        };
        match &option.kind {
            OptionKind::Boolean => self.words(&[("true", ""), ("false", "")]),
            OptionKind::Enum(words) => {
                for word in words {
                    self.add(CompletionKind::Value, word, "");
                }
            }
            _ => {
                if let Some(default) = &option.default {
                    self.add(CompletionKind::Value, &default.to_string(), "the default");
                }
            }
        }
    }

    fn apps(&mut self, block: Option<&Statement>) {
        let taken = |app: &AppDef| {
            let mut names = self.names_in(block, Keyword::App);
            names.any(|(name, span)| name == app.name.value && !span.touches(self.offset))
        };
        let apps: Vec<&AppDef> = self.analysis.catalog.apps().filter(|app| !taken(app)).collect();
        for app in apps {
            let versions: Vec<_> =
                app.versions.iter().rev().map(|version| version.version.value.to_string()).collect();
            let entry = self.add(CompletionKind::App, &app.name.value, app.summary.clone());
            entry.documentation = format!("versions {}", versions.join(", "));
        }
    }

    fn versions_of(&mut self, app: Option<&str>) {
        let Some(app) = app.and_then(|name| self.analysis.catalog.app(unquote(name))) else { return };
        for version in app.versions.iter().rev() {
            let systems: Vec<_> = version
                .os
                .iter()
                .map(|os| format!("{} {}", os.distro, os.requirement).trim().to_owned())
                .collect();
            let detail = if systems.is_empty() { "every system".to_owned() } else { systems.join(", ") };
            self.add(CompletionKind::Version, &format!("^{}", version.version.value), detail);
        }
    }

    fn distributions(&mut self) {
        let mut names: Vec<String> =
            self.analysis.catalog.bases().map(|base| base.os.distro.clone()).collect();
        names.sort();
        names.dedup();
        for name in names {
            self.add(CompletionKind::Value, &name, "");
        }
    }

    fn systems(&mut self, distribution: Option<&str>) {
        let mut seen = Vec::new();
        for base in self.analysis.catalog.bases().filter(|base| Some(base.os.distro.as_str()) == distribution)
        {
            let version = base.os.version.to_string();
            if !seen.contains(&version) {
                self.add(CompletionKind::Version, &version, base.os.codename.clone().unwrap_or_default());
                seen.push(version);
            }
        }
    }

    fn bases(&mut self) {
        for base in self.analysis.catalog.bases() {
            let detail = format!("{} {}, {}", base.os.distro, base.os.version, base.tier);
            let entry = self.add(CompletionKind::Base, &base.name.value, detail);
            entry.documentation.clone_from(&base.summary);
        }
    }

    fn images(&mut self, block: Option<&Statement>) {
        let own = block
            .and_then(|block| block.operands.first())
            .map(|name| unquote(self.analysis.sources.slice(name.span)));
        for image in self.analysis.spec.images.iter().filter(|image| Some(image.name.value.as_str()) != own) {
            self.add_quoted(CompletionKind::Name, &image.name.value, "image of this project");
        }
    }

    fn profiles(&mut self) {
        let names: Vec<_> = profiles(self.analysis).map(|(name, _)| name.to_owned()).collect();
        for name in names {
            self.add(CompletionKind::Profile, &name, "profile");
        }
    }

    /// The names in the statements `keyword NAME …` beside the cursor.
    fn names_in<'b>(
        &'b self,
        block: Option<&'b Statement>,
        keyword: Keyword,
    ) -> impl Iterator<Item = (&'b str, Span)> {
        block
            .and_then(|block| block.body.as_ref())
            .into_iter()
            .flat_map(|body| body.items.iter().filter_map(as_statement))
            .filter(move |statement| self.analysis.keyword(statement) == Some(keyword))
            .filter_map(|statement| statement.operands.first())
            .map(|operand| (unquote(self.analysis.sources.slice(operand.span)), operand.span))
    }

    fn named_in(&mut self, block: Option<&Statement>, keyword: Keyword) {
        let names: Vec<String> = self.names_in(block, keyword).map(|(name, _)| name.to_owned()).collect();
        for name in names {
            self.add(CompletionKind::Name, &name, keyword.as_str());
        }
    }

    /// Files that `wanted` takes by name, and all folders, at the path written so far.
    fn paths(&mut self, wanted: impl Fn(&str) -> bool) {
        let token = self.token.filter(|token| token.kind == OperandKind::String);
        let typed =
            token.map_or("", |token| self.analysis.sources.slice(Span { end: self.offset, ..token.span }));
        let typed = typed.strip_prefix('"').unwrap_or(typed);
        let folder = typed.rfind('/').map_or("", |slash| &typed[..=slash]);
        let Some(path) = join(self.file, folder) else { return };
        let Ok(entries) = self.files.list(&path) else { return };
        for entry in entries.into_iter().filter(|entry| !entry.name.starts_with('.')).take(MAX_PATHS) {
            let full = if path.is_empty() { entry.name.clone() } else { format!("{path}/{}", entry.name) };
            if full == self.file || entry.name.contains(['"', '\\', '\n', '$']) {
                continue;
            }
            // What a link leads to decides; one that leads outside is not offered.
            let Ok(kind) = self.files.kind(&full) else { continue };
            match kind {
                FileKind::Folder => {
                    self.add_quoted(CompletionKind::Folder, &format!("{folder}{}/", entry.name), "");
                }
                FileKind::File { .. } if wanted(&entry.name) => {
                    self.add_quoted(CompletionKind::File, &format!("{folder}{}", entry.name), "");
                }
                _ => {}
            }
        }
    }
}

/// "a port, default 80"
pub(super) fn about_option(option: &OptionDef) -> String {
    match &option.default {
        Some(default) => format!("{}, default `{default}`", option.kind.words()),
        None => format!("{}, must be given", option.kind.words()),
    }
}

//! One project at one moment: its sources, its meaning and everything wrong with it.

use std::collections::BTreeMap;

use crate::check::{Files, Spec};
use crate::driver::DriverEntry;
use crate::front::{self, FrontCache, Project};
use crate::syntax::keywords::{OperandInfo, OptionInfo};
use crate::syntax::{Ast, Item, Keyword, OperandKind, Statement};
use crate::text::{SourceId, Sources};

/// What is known of a project.
pub type Analysis = Project;

/// Compiles the ImageFile at `entry` of a project. `shelf` keeps the catalogue for the next time; who
/// knows that a catalogue file or the lock changed empties it.
pub fn analyse(entry: &str, files: &dyn Files, shelf: &mut Option<FrontCache>) -> Analysis {
    let mut project = front::compile_with(entry, files, &[], shelf);
    project.hold_to(DriverEntry::usual().capabilities);
    project
}

/// Checks the catalogue in `folder` alone, for definitions that no ImageFile is around of.
pub fn analyse_catalog(folder: &str, files: &dyn Files) -> Analysis {
    let shelf = FrontCache::load(vec![folder.to_owned()], "ImageFile", files);
    Analysis {
        sources: shelf.sources().clone(),
        units: Vec::new(),
        spec: Spec::default(),
        catalog: shelf.catalog().clone(),
        resolutions: BTreeMap::new(),
        lock: None,
        // What is wrong with the folder itself has no place in a file.
        diagnostics: shelf.mistakes_in_files().cloned().collect(),
        builtin: shelf.builtin(),
    }
}

/// The project path that an `include` names.
pub(super) fn include_path(statement: &Statement, file: &str, sources: &Sources) -> Option<String> {
    let operand = statement.operands.first()?;
    (operand.kind == OperandKind::String).then(|| join(file, unquote(sources.slice(operand.span))))?
}

pub(super) const fn as_statement(item: &Item) -> Option<&Statement> {
    match item {
        Item::Statement(statement) => Some(statement),
        _ => None,
    }
}

/// The text between quotes, the closing one perhaps missing.
pub(super) fn unquote(text: &str) -> &str {
    let inner = text.strip_prefix('"').unwrap_or(text);
    inner.strip_suffix('"').unwrap_or(inner)
}

/// `path`, written in the file at `file`, from the project's folder on; `None` if it leaves it.
pub(super) fn join(file: &str, path: &str) -> Option<String> {
    if path.starts_with('/') {
        return None;
    }
    let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop()?,
            _ => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

impl Analysis {
    /// The source at a project path.
    #[must_use]
    pub fn source(&self, path: &str) -> Option<SourceId> {
        self.sources
            .iter()
            .find(|(id, source)| !self.is_builtin(*id) && source.name == path)
            .map(|(id, _)| id)
    }

    /// The tree of one of the project's ImageFiles.
    #[must_use]
    pub fn unit(&self, source: SourceId) -> Option<&Ast> {
        self.units.iter().find(|unit| unit.source == source)
    }

    /// The statements at the top level of every ImageFile.
    pub(super) fn top_statements(&self) -> impl Iterator<Item = &Statement> {
        self.units.iter().flat_map(|unit| &unit.items).filter_map(as_statement)
    }

    /// The statements inside of every `image` and `profile`.
    pub(super) fn inner_statements(&self) -> impl Iterator<Item = &Statement> {
        self.top_statements()
            .filter_map(|statement| statement.body.as_ref())
            .flat_map(|body| body.items.iter().filter_map(as_statement))
    }

    pub(super) fn keyword(&self, statement: &Statement) -> Option<Keyword> {
        Keyword::of(self.sources.slice(statement.keyword))
    }

    /// What the table says of an operand of a statement.
    pub(super) fn operand_info(&self, statement: &Statement, index: usize) -> Option<&'static OperandInfo> {
        let nth = |at: usize| Some(self.sources.slice(statement.operands.get(at)?.span));
        self.keyword(statement)?.info().operand(index, nth)
    }

    /// What the table says of an option of a statement.
    pub(super) fn option_info(&self, statement: &Statement, name: &str) -> Option<&'static OptionInfo> {
        self.keyword(statement)?.info().option(name)
    }
}

//! One project at one moment: its sources, its meaning and everything wrong with it.

use std::collections::BTreeMap;

use crate::catalog::{self, Catalog};
use crate::check::{self, Files, Spec};
use crate::diagnostic::{Diagnostic, Label};
use crate::resolve::{Preferences, resolve_project};
use crate::syntax::{self, Ast, Item, OperandKind, Statement};
use crate::text::{SourceId, Sources, Span, Spanned};

/// Marks the places of `catalog "DIR"` in what is kept on the shelf: each check has its own.
const LATER: SourceId = SourceId(u32::MAX);

/// A loaded catalogue, kept between analyses until a catalogue file changes.
#[derive(Debug, Clone)]
pub struct Shelf {
    /// The folders of `catalog "DIR"` that it was loaded with.
    folders: Vec<String>,
    /// The catalogue's files, which come first in the sources of each analysis.
    sources: Sources,
    catalog: Catalog,
    mistakes: Vec<Diagnostic>,
    builtin: u32,
}

impl Shelf {
    fn load(folders: Vec<String>, files: &dyn Files) -> Self {
        let mut sources = Sources::default();
        let named: Vec<_> = folders
            .iter()
            .zip(0u32..)
            .map(|(folder, at)| Spanned::new(folder.clone(), Span::new(LATER, at, at)))
            .collect();
        let (catalog, mistakes) = catalog::load_project(&named, &mut sources, files);
        let builtin = catalog::builtin(&mut Sources::default()).files.len();
        Self { folders, sources, catalog, mistakes, builtin: u32::try_from(builtin).unwrap_or(u32::MAX) }
    }

    /// The mistakes, those about a folder placed at the statement that names it.
    fn mistakes(&self, named: &[Spanned<String>]) -> impl Iterator<Item = Diagnostic> {
        self.mistakes.iter().filter_map(|mistake| {
            let labels = mistake.labels.iter().map(|label| {
                let span = match label.span {
                    Span { source: LATER, start, .. } => named.get(start as usize)?.span,
                    span => span,
                };
                Some(Label { span, ..label.clone() })
            });
            Some(Diagnostic { labels: labels.collect::<Option<_>>()?, ..mistake.clone() })
        })
    }
}

/// What is known of a project.
#[derive(Debug)]
pub struct Analysis {
    pub sources: Sources,
    pub spec: Spec,
    pub catalog: Catalog,
    /// Sorted by place.
    pub diagnostics: Vec<Diagnostic>,
    /// The ImageFile and what it includes, the ImageFile first; empty if it cannot be read.
    pub units: Vec<Ast>,
    /// How many of the sources, the first ones, are compiled in and lie in no folder.
    pub builtin: u32,
}

/// Checks and resolves the ImageFile at `entry` of a project. `shelf` keeps the catalogue for the
/// next time; who knows that a catalogue file changed empties it.
pub fn analyse(entry: &str, files: &dyn Files, shelf: &mut Option<Shelf>) -> Analysis {
    let mut kept = shelf.take().unwrap_or_else(|| Shelf::load(Vec::new(), files));
    let mut sources = kept.sources.clone();
    let mut checked = check::check(entry, &mut sources, files, &[]);
    let folders: Vec<String> = checked.spec.catalogs.iter().map(|folder| folder.value.clone()).collect();
    if folders != kept.folders {
        kept = Shelf::load(folders, files);
        sources = kept.sources.clone();
        checked = check::check(entry, &mut sources, files, &[]);
    }
    let mut diagnostics = checked.diagnostics;
    diagnostics.extend(kept.mistakes(&checked.spec.catalogs));
    let resolved = resolve_project(&checked.spec, &kept.catalog, |_| Preferences::default(), |_| None);
    diagnostics.extend(resolved.diagnostics);
    diagnostics.sort_by_key(Diagnostic::span);
    let units = units(entry, &sources);
    let (catalog, builtin) = (kept.catalog.clone(), kept.builtin);
    *shelf = Some(kept);
    Analysis { sources, spec: checked.spec, catalog, diagnostics, units, builtin }
}

/// Checks the catalogue in `folder` alone, for definitions that no ImageFile is around of.
pub fn analyse_catalog(folder: &str, files: &dyn Files) -> Analysis {
    let Shelf { sources, catalog, mistakes, builtin, .. } = Shelf::load(vec![folder.to_owned()], files);
    // What is wrong with the folder itself has no place in a file.
    let in_files = |mistake: &Diagnostic| mistake.labels.iter().all(|label| label.span.source != LATER);
    let diagnostics = mistakes.into_iter().filter(in_files).collect();
    Analysis { sources, spec: Spec::default(), catalog, diagnostics, units: Vec::new(), builtin }
}

/// The trees of the entry and of what it includes, from the sources that a check has read.
fn units(entry: &str, sources: &Sources) -> Vec<Ast> {
    let by_name: BTreeMap<&str, SourceId> =
        sources.iter().map(|(id, source)| (source.name.as_str(), id)).collect();
    let mut units: Vec<Ast> = Vec::new();
    let mut wanted = vec![entry.to_owned()];
    while let Some(path) = wanted.pop() {
        let Some(&id) = by_name.get(path.as_str()) else { continue };
        if units.iter().any(|unit| unit.source == id) {
            continue;
        }
        let source = sources.get(id);
        let unit = syntax::parse(id, &source.text);
        wanted.extend(
            unit.items
                .iter()
                .filter_map(as_statement)
                .filter(|statement| sources.slice(statement.keyword) == "include")
                .filter_map(|statement| include_path(statement, &path, sources)),
        );
        units.push(unit);
    }
    units
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

    /// Whether a source is compiled in, so that no file holds it.
    #[must_use]
    pub const fn is_builtin(&self, source: SourceId) -> bool {
        source.0 < self.builtin
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

    pub(super) fn keyword(&self, statement: &Statement) -> &str {
        self.sources.slice(statement.keyword)
    }
}

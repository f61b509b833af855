//! Paths and addresses in a file that an editor can open.

use super::Analysis;
use super::analysis::{as_statement, unquote};
use super::names::bare;
use crate::check::{Files, normalise};
use crate::syntax::{Operand, OperandKind, Statement};
use crate::text::{SourceId, Span};

/// A text that leads somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Without its quotes.
    pub span: Span,
    pub to: LinkTarget,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkTarget {
    /// A file or folder that is there, by its project path.
    Path(String),
    Url(String),
}

/// The links of one of the project's ImageFiles, in order: paths of the project where something is, and URLs.
#[must_use]
pub fn links(analysis: &Analysis, files: &dyn Files, source: SourceId) -> Vec<Link> {
    let Some(unit) = analysis.unit(source) else { return Vec::new() };
    let mut finder = Finder { analysis, files, folder: folder(analysis, source), out: Vec::new() };
    for statement in unit.items.iter().filter_map(as_statement) {
        finder.statement(statement);
        for inner in statement.body.iter().flat_map(|body| body.items.iter().filter_map(as_statement)) {
            finder.statement(inner);
        }
    }
    finder.out
}

fn folder(analysis: &Analysis, source: SourceId) -> &str {
    analysis.sources.get(source).name.rsplit_once('/').map_or("", |(folder, _)| folder)
}

struct Finder<'a> {
    analysis: &'a Analysis,
    files: &'a dyn Files,
    /// The folder of the file, from which its paths start.
    folder: &'a str,
    out: Vec<Link>,
}

impl Finder<'_> {
    fn statement(&mut self, statement: &Statement) {
        let word = |index: usize| {
            let operand = statement.operands.get(index).filter(|operand| operand.kind == OperandKind::Word);
            operand.map(|operand| self.analysis.sources.slice(operand.span))
        };
        let first = word(0);
        let (path, url) = match self.analysis.keyword(statement) {
            "copy" if first == Some("url") => (None, Some(1)),
            "include" | "catalog" | "script" | "preseed" | "copy" => (Some(0), None),
            "test" => (Some(1), None),
            "base" if first == Some("file") => (Some(1), None),
            "base" if first == Some("url") => (None, Some(1)),
            "archive" => (None, Some(0)),
            "secret" if word(2) == Some("file") => (Some(3), None),
            _ => (None, None),
        };
        let operands = &statement.operands;
        path.and_then(|index| operands.get(index)).into_iter().for_each(|operand| self.paths(operand));
        url.and_then(|index| operands.get(index)).into_iter().for_each(|operand| self.url(operand));
        for operand in operands {
            let OperandKind::Options(options) = &operand.kind else { continue };
            for entry in options.entries() {
                let key = (self.analysis.keyword(statement), self.analysis.sources.slice(entry.key.span));
                if matches!(key, ("script" | "test", "with") | ("archive", "key")) {
                    entry.value.iter().for_each(|value| self.paths(value));
                }
            }
        }
    }

    /// The text of a string that stands for itself: nothing put in, nothing escaped.
    fn text(&self, operand: &Operand) -> Option<&str> {
        let text = unquote(self.analysis.sources.slice(operand.span));
        let plain = operand.kind == OperandKind::String && !text.contains(['\\', '$']) && !text.is_empty();
        plain.then_some(text)
    }

    /// A string or a list of them.
    fn paths(&mut self, operand: &Operand) {
        if let OperandKind::List(list) = &operand.kind {
            list.elements().for_each(|element| self.path(element));
        } else {
            self.path(operand);
        }
    }

    fn path(&mut self, operand: &Operand) {
        let Some(path) = self.text(operand).and_then(|text| normalise(self.folder, text)) else { return };
        // What leaves the project, by a link too, is as if it were not there.
        if !path.is_empty() && self.files.kind(&path).is_ok() {
            self.out.push(Link { span: bare(self.analysis, operand), to: LinkTarget::Path(path) });
        }
    }

    fn url(&mut self, operand: &Operand) {
        let Some(text) = self.text(operand) else { return };
        if text.starts_with("https://") || text.starts_with("http://") {
            let to = LinkTarget::Url(text.to_owned());
            self.out.push(Link { span: bare(self.analysis, operand), to });
        }
    }
}

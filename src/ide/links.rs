//! Paths and addresses in a file that an editor can open.

use super::Analysis;
use super::analysis::{as_statement, unquote};
use super::names::bare;
use crate::check::{Files, normalise};
use crate::syntax::keywords::{Role, ValueKind};
use crate::syntax::{Operand, OperandKind, Statement};
use crate::text::{SourceId, Span};

/// A text that leads somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Without its quotes.
    pub span: Span,
    /// Where it leads.
    pub to: LinkTarget,
}

/// Where a link leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkTarget {
    /// A file or folder that is there, by its project path.
    Path(String),
    /// An address as written, such as `https://nginx.org/keys/nginx_signing.key`.
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
        for (index, operand) in statement.operands.iter().enumerate() {
            match self.analysis.operand_info(statement, index).map(|info| info.role) {
                Some(Role::Path(_)) => self.paths(operand),
                Some(Role::Url) => self.url(operand),
                _ => {}
            }
            let OperandKind::Options(options) = &operand.kind else { continue };
            for entry in options.entries() {
                let key = self.analysis.sources.slice(entry.key.span);
                let value = self.analysis.option_info(statement, key).map(|option| option.value);
                if matches!(value, Some(ValueKind::Sources | ValueKind::FileOrText)) {
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

//! From a name to what it names.

use super::analysis::{include_path, join, unquote};
use super::names::{bare, declaration, symbol_at};
use super::tree::{Place, place};
use super::{Analysis, Symbol};
use crate::syntax::keywords::{PathKind, Role, ValueKind};
use crate::syntax::{Keyword, Operand, OperandKind, Statement};
use crate::text::{SourceId, Span};

/// What a name leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A place in one of the analysis's sources.
    Place(Span),
    /// A file of the project that the analysis did not read as a text, by its project path.
    File(String),
}

/// Where the thing at `offset` is declared, and the place of the name that was asked about.
#[must_use]
pub fn definition(analysis: &Analysis, source: SourceId, offset: u32) -> Option<(Span, Target)> {
    if let Some(symbol) = symbol_at(analysis, source, offset) {
        return Some((symbol.span, Target::Place(declaration(analysis, &symbol.value)?)));
    }
    let unit = analysis.unit(source)?;
    let file = analysis.sources.get(source);
    match place(unit, &file.text, offset) {
        Place::Operand { statement, index, .. } => {
            let operand = touched(statement, offset)?;
            let target = of_operand(analysis, statement, operand, index, &file.name)?;
            Some((bare(analysis, operand), target))
        }
        Place::Key { statement, outer: None, options, .. }
            if analysis.keyword(statement) == Some(Keyword::App) =>
        {
            let entry = options.entries().find(|entry| entry.key.span.touches(offset))?;
            let app =
                analysis.catalog.app(unquote(analysis.sources.slice(statement.operands.first()?.span)))?;
            let option = app
                .options
                .iter()
                .find(|option| option.name.value == analysis.sources.slice(entry.key.span))?;
            Some((entry.key.span, Target::Place(option.name.span)))
        }
        Place::Value { statement, entry, .. } => {
            let key = analysis.sources.slice(entry.key.span);
            let value = leaf(entry.value.as_ref()?, offset)?;
            let text = unquote(analysis.sources.slice(value.span));
            let target = match analysis.option_info(statement, key)?.value {
                ValueKind::Sources => path_target(analysis, &file.name, text)?,
                ValueKind::Secrets => Target::Place(named(analysis, Keyword::Secret, text)?),
                _ => return None,
            };
            Some((bare(analysis, value), target))
        }
        _ => None,
    }
}

fn of_operand(
    analysis: &Analysis,
    statement: &Statement,
    operand: &Operand,
    index: usize,
    file: &str,
) -> Option<Target> {
    let text = unquote(analysis.sources.slice(operand.span));
    let info = analysis.operand_info(statement, index)?;
    match info.role {
        Role::Path(PathKind::ImageFile) => {
            let path = include_path(statement, file, &analysis.sources)?;
            path_target(analysis, "", &path)
        }
        Role::Profile => Some(Target::Place(declaration(analysis, &Symbol::Profile(text.to_owned()))?)),
        Role::App => Some(Target::Place(analysis.catalog.app(text)?.name.span)),
        Role::Base if operand.kind == OperandKind::Word => {
            Some(Target::Place(analysis.catalog.bases().find(|base| base.name.value == text)?.name.span))
        }
        Role::Image => Some(Target::Place(analysis.spec.image(text)?.name.span)),
        // A word in its place may be another form of the statement, such as `copy url`.
        Role::Path(PathKind::Source) if operand.kind == OperandKind::String || info.words.is_empty() => {
            path_target(analysis, file, text)
        }
        Role::Account => Some(Target::Place(named(analysis, Keyword::Account, text)?)),
        _ => None,
    }
}

/// A path written in `file`: a text that the analysis has read, or any other file.
fn path_target(analysis: &Analysis, file: &str, text: &str) -> Option<Target> {
    let path = join(file, text)?;
    Some(match analysis.source(&path) {
        Some(source) => Target::Place(Span::new(source, 0, 0)),
        None => Target::File(path),
    })
}

/// The name in the statement `keyword NAME …` of any image or profile.
fn named(analysis: &Analysis, keyword: Keyword, name: &str) -> Option<Span> {
    analysis
        .inner_statements()
        .filter(|statement| analysis.keyword(statement) == Some(keyword))
        .filter_map(|statement| statement.operands.first())
        .map(|operand| bare(analysis, operand))
        .find(|span| analysis.sources.slice(*span) == name)
}

fn touched(statement: &Statement, offset: u32) -> Option<&Operand> {
    statement
        .operands
        .iter()
        .rev()
        .find(|operand| operand.span.touches(offset))
        .and_then(|operand| leaf(operand, offset))
}

/// The element of a list that the offset touches, or the operand itself.
fn leaf(operand: &Operand, offset: u32) -> Option<&Operand> {
    match &operand.kind {
        OperandKind::List(list) => list.elements().find(|element| element.span.touches(offset)),
        OperandKind::Word | OperandKind::String => Some(operand),
        _ => None,
    }
}

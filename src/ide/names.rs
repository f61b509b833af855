//! Params and profiles: where they are declared and used, and renaming them.

use super::Analysis;
use super::analysis::{as_statement, unquote};
use super::tree;
use crate::diagnostic::Edit;
use crate::syntax::{Keyword, Operand, OperandKind, OptionItem, Statement};
use crate::text::{SourceId, Span, Spanned};

/// A name that the user chose and that has uses elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Symbol {
    /// A `param`, without the braces of its uses, such as `port`.
    Param(String),
    /// A `profile`, such as `hardened`.
    Profile(String),
}

impl Symbol {
    /// The name alone.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Param(name) | Self::Profile(name) => name,
        }
    }
}

/// Why a name cannot be changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenameError {
    /// It is declared nowhere in this project.
    #[error("only params and profiles of this project can be renamed")]
    NotASymbol,
    /// The name, old or new, is of a param that imgfile itself sets, such as `image`.
    #[error("`{0}` is predefined")]
    Predefined(String),
    /// The new name has a form that no name may have.
    #[error("`{0}` is not a name: letters, digits, `_`, `-` and `.`, a letter or digit first")]
    NotAName(String),
    /// Another param or profile has the new name already.
    #[error("`{0}` is taken")]
    Taken(String),
}

/// Names that params cannot have, with what they stand for.
pub(super) const PREDEFINED: [(&str, &str); 3] = [
    ("image", "the name of the image"),
    ("arch", "the architecture of the image"),
    ("os.version", "the version in `os`, where it names one"),
];

/// The param or profile at a place, with the place of its name there.
#[must_use]
pub fn symbol_at(analysis: &Analysis, source: SourceId, offset: u32) -> Option<Spanned<Symbol>> {
    let mut found = None;
    occurrences(analysis, &mut |occurrence| {
        if occurrence.span.source == source && occurrence.span.touches(offset) {
            found = Some(Spanned::new(occurrence.symbol(), occurrence.span));
        }
    });
    found
}

/// Where a symbol is declared.
pub(super) fn declaration(analysis: &Analysis, symbol: &Symbol) -> Option<Span> {
    let mut found = None;
    occurrences(analysis, &mut |occurrence| {
        if occurrence.declares && occurrence.is(symbol) && found.is_none() {
            found = Some(occurrence.span);
        }
    });
    found
}

/// Every place of a symbol's name, sorted; the declaration among them if asked for.
#[must_use]
pub fn references(analysis: &Analysis, symbol: &Symbol, with_declaration: bool) -> Vec<Span> {
    let mut spans = Vec::new();
    occurrences(analysis, &mut |occurrence| {
        if occurrence.is(symbol) && (with_declaration || !occurrence.declares) {
            spans.push(occurrence.span);
        }
    });
    spans.sort();
    spans
}

/// The edits that give a symbol another name everywhere in the project.
pub fn rename(analysis: &Analysis, symbol: &Symbol, name: &str) -> Result<Vec<Edit>, RenameError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+');
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(fits) || name.len() > 255 {
        return Err(RenameError::NotAName(name.to_owned()));
    }
    let is_param = matches!(symbol, Symbol::Param(_));
    if is_param && PREDEFINED.iter().any(|(known, _)| [name, symbol.name()].contains(known)) {
        let known = if PREDEFINED.iter().any(|(known, _)| *known == name) { name } else { symbol.name() };
        return Err(RenameError::Predefined(known.to_owned()));
    }
    let other = if is_param { Symbol::Param(name.to_owned()) } else { Symbol::Profile(name.to_owned()) };
    if declaration(analysis, symbol).is_none() {
        return Err(RenameError::NotASymbol);
    }
    if other != *symbol && declaration(analysis, &other).is_some() {
        return Err(RenameError::Taken(name.to_owned()));
    }
    let edit = |span| Edit { span, text: name.to_owned() };
    Ok(references(analysis, symbol, true).into_iter().map(edit).collect())
}

/// The declared params with the spans of name and value.
pub(super) fn params(analysis: &Analysis) -> impl Iterator<Item = (&str, &Statement)> {
    analysis
        .top_statements()
        .filter(|statement| analysis.keyword(statement) == Some(Keyword::Param))
        .filter_map(|statement| {
            let name = statement.operands.first().filter(|operand| is_name(operand))?;
            Some((unquote(analysis.sources.slice(name.span)), statement))
        })
}

/// The profiles of the project with their names.
pub(super) fn profiles(analysis: &Analysis) -> impl Iterator<Item = (&str, &Statement)> {
    analysis
        .top_statements()
        .filter(|statement| analysis.keyword(statement) == Some(Keyword::Profile))
        .filter_map(|statement| {
            let name = statement.operands.first().filter(|operand| is_name(operand))?;
            Some((unquote(analysis.sources.slice(name.span)), statement))
        })
}

struct Occurrence<'a> {
    name: &'a str,
    param: bool,
    declares: bool,
    /// The name alone, without quotes and `${ }`.
    span: Span,
}

impl Occurrence<'_> {
    fn symbol(&self) -> Symbol {
        if self.param { Symbol::Param(self.name.to_owned()) } else { Symbol::Profile(self.name.to_owned()) }
    }

    fn is(&self, symbol: &Symbol) -> bool {
        self.name == symbol.name() && self.param == matches!(symbol, Symbol::Param(_))
    }
}

fn occurrences<'a>(analysis: &'a Analysis, visit: &mut dyn FnMut(Occurrence<'a>)) {
    for unit in &analysis.units {
        tree::texts(&unit.items, &mut |operand| {
            for (span, name) in params_in(analysis.sources.slice(operand.span), operand) {
                visit(Occurrence { name, param: true, declares: false, span });
            }
        });
        for statement in unit.items.iter().filter_map(as_statement) {
            let name = |statement: &Statement| {
                let operand = statement.operands.first().filter(|operand| is_name(operand))?;
                let span = bare(analysis, operand);
                Some((analysis.sources.slice(span), span))
            };
            let keyword = analysis.keyword(statement);
            if matches!(keyword, Some(Keyword::Param | Keyword::Profile))
                && let Some((name, span)) = name(statement)
            {
                visit(Occurrence { name, param: keyword == Some(Keyword::Param), declares: true, span });
            }
            if keyword == Some(Keyword::Include) {
                given_params(analysis, statement, visit);
            }
            let inner = statement.body.iter().flat_map(|body| body.items.iter().filter_map(as_statement));
            for used in inner.filter(|inner| analysis.keyword(inner) == Some(Keyword::Use)) {
                if let Some((name, span)) = name(used) {
                    visit(Occurrence { name, param: false, declares: false, span });
                }
                given_params(analysis, used, visit);
            }
        }
    }
}

/// The params that `include` and `use` give values to: the keys of their options.
fn given_params<'a>(analysis: &'a Analysis, statement: &'a Statement, visit: &mut dyn FnMut(Occurrence<'a>)) {
    let options = statement.operands.iter().filter_map(|operand| match &operand.kind {
        OperandKind::Options(options) => Some(options),
        _ => None,
    });
    for item in options.flat_map(|options| &options.items) {
        if let OptionItem::Entry(entry) = item {
            let span = bare(analysis, &entry.key);
            visit(Occurrence { name: analysis.sources.slice(span), param: true, declares: false, span });
        }
    }
}

const fn is_name(operand: &Operand) -> bool {
    matches!(operand.kind, OperandKind::Word | OperandKind::String)
}

/// The place of an operand without its quotes.
pub(super) fn bare(analysis: &Analysis, operand: &Operand) -> Span {
    let text = analysis.sources.slice(operand.span);
    let inner = unquote(text);
    let start = operand.span.start + u32::from(text.starts_with('"') && operand.kind == OperandKind::String);
    Span { start, end: start + u32::try_from(inner.len()).unwrap_or(0), ..operand.span }
}

/// The names in the `${name}` of a token, with their places. `$${` is a literal `${`.
pub(super) fn params_in<'t>(text: &'t str, operand: &Operand) -> Vec<(Span, &'t str)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(next) = text[at..].find("${").map(|next| at + next) {
        let escaped = text[..next].ends_with('$');
        let start = next + 2;
        let end = text[start..].find(['}', '"', '{']).map_or(text.len(), |end| start + end);
        if !escaped {
            let place = |offset: usize| operand.span.start + u32::try_from(offset).unwrap_or(0);
            found.push((Span { start: place(start), end: place(end), ..operand.span }, &text[start..end]));
        }
        at = end;
    }
    found
}

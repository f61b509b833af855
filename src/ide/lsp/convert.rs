//! Our plain types in the words of the protocol.

use gen_lsp_types as lsp;

use super::position::{Encoding, Lines};
use crate::diagnostic::{Diagnostic, Edit, Severity, codes};
use crate::ide::{Completion, CompletionKind, Fold, FoldKind, Outline, OutlineKind, Token, TokenKind};
use crate::text::{SourceId, Sources, Span};

/// Positions for the sources of one analysis; the lines of a source are counted once.
pub(super) struct Places<'a> {
    sources: &'a Sources,
    encoding: Encoding,
    lines: std::cell::RefCell<std::collections::BTreeMap<SourceId, std::rc::Rc<Lines<'a>>>>,
}

impl<'a> Places<'a> {
    pub fn new(sources: &'a Sources, encoding: Encoding) -> Self {
        Self { sources, encoding, lines: std::cell::RefCell::default() }
    }

    pub fn lines(&self, source: SourceId) -> std::rc::Rc<Lines<'a>> {
        let mut lines = self.lines.borrow_mut();
        let entry = lines
            .entry(source)
            .or_insert_with(|| std::rc::Rc::new(Lines::new(&self.sources.get(source).text, self.encoding)));
        std::rc::Rc::clone(entry)
    }

    pub fn range(&self, span: Span) -> lsp::Range {
        self.lines(span.source).range(span)
    }

    pub fn edit(&self, edit: &Edit) -> lsp::TextEdit {
        lsp::TextEdit { range: self.range(edit.span), new_text: edit.text.clone() }
    }
}

/// A diagnostic at `span`, its main place; `uri` names the file of a source.
pub(super) fn diagnostic(
    diagnostic: &Diagnostic,
    span: Span,
    places: &Places<'_>,
    uri: impl Fn(SourceId) -> Option<String>,
) -> lsp::Diagnostic {
    let mut message = diagnostic.message.clone();
    let label = diagnostic.labels.first().filter(|label| !label.text.is_empty());
    let lines = label
        .map(|label| label.text.clone())
        .into_iter()
        .chain(diagnostic.notes.iter().map(|note| format!("note: {note}")))
        .chain(diagnostic.helps.iter().map(|help| format!("help: {help}")));
    for line in lines {
        message.push('\n');
        message.push_str(&line);
    }
    let related: Vec<_> = diagnostic
        .labels
        .iter()
        .skip(1)
        .filter_map(|label| {
            let location =
                lsp::Location { uri: uri(label.span.source)?.into(), range: places.range(label.span) };
            Some(lsp::DiagnosticRelatedInformation { location, message: label.text.clone() })
        })
        .collect();
    let unused = [codes::UNUSED_PARAM, codes::UNUSED_PROFILE].contains(&diagnostic.code);
    lsp::Diagnostic {
        range: places.range(span),
        severity: Some(match diagnostic.severity {
            Severity::Error => lsp::DiagnosticSeverity::Error,
            Severity::Warning => lsp::DiagnosticSeverity::Warning,
        }),
        code: Some(diagnostic.code.as_str().to_owned().into()),
        source: Some("imgfile".to_owned()),
        message: message.into(),
        tags: unused.then(|| vec![lsp::DiagnosticTag::Unnecessary]),
        related_information: (!related.is_empty()).then_some(related),
        ..lsp::Diagnostic::default()
    }
}

/// A proposal; `rank` keeps our order in clients that sort.
pub(super) fn completion(completion: Completion, rank: usize, places: &Places<'_>) -> lsp::CompletionItem {
    use lsp::CompletionItemKind as Kind;
    let edit = lsp::TextEdit { range: places.range(completion.replace), new_text: completion.insert.clone() };
    let markdown = |value| lsp::MarkupContent { kind: lsp::MarkupKind::Markdown, value };
    lsp::CompletionItem {
        kind: Some(match completion.kind {
            CompletionKind::Statement => Kind::Keyword,
            CompletionKind::App | CompletionKind::Base => Kind::Module,
            CompletionKind::Version => Kind::Constant,
            CompletionKind::Option => Kind::Property,
            CompletionKind::Value => Kind::EnumMember,
            CompletionKind::Param => Kind::Variable,
            CompletionKind::Profile => Kind::Interface,
            CompletionKind::Name => Kind::Reference,
            CompletionKind::File => Kind::File,
            CompletionKind::Folder => Kind::Folder,
        }),
        detail: (!completion.detail.is_empty()).then_some(completion.detail),
        documentation: (!completion.documentation.is_empty())
            .then(|| markdown(completion.documentation).into()),
        sort_text: Some(format!("{rank:04}")),
        // What is typed may start with the quote that is part of the replaced text.
        filter_text: Some(completion.insert.trim_end_matches(" = ").to_owned()),
        text_edit: Some(edit.into()),
        label: completion.label,
        ..lsp::CompletionItem::default()
    }
}

pub(super) const fn symbol_kind(kind: OutlineKind) -> lsp::SymbolKind {
    use lsp::SymbolKind as Kind;
    match kind {
        OutlineKind::Image => Kind::Class,
        OutlineKind::Profile => Kind::Interface,
        OutlineKind::Param => Kind::Variable,
        OutlineKind::File => Kind::File,
        OutlineKind::App => Kind::Package,
        OutlineKind::Step => Kind::Function,
        OutlineKind::Test => Kind::Event,
        OutlineKind::Account => Kind::Object,
        OutlineKind::Other => Kind::Property,
    }
}

pub(super) fn symbol(outline: Outline, lines: &Lines<'_>) -> lsp::DocumentSymbol {
    let children: Vec<_> = outline.children.into_iter().map(|child| symbol(child, lines)).collect();
    #[allow(deprecated, reason = "the type's own deprecated member must be left empty")]
    lsp::DocumentSymbol {
        name: outline.name,
        detail: Some(outline.detail),
        kind: symbol_kind(outline.kind),
        tags: None,
        deprecated: None,
        range: lines.range(outline.span),
        selection_range: lines.range(outline.name_span),
        children: (!children.is_empty()).then_some(children),
    }
}

pub(super) fn fold(fold: &Fold) -> lsp::FoldingRange {
    lsp::FoldingRange {
        start_line: fold.start,
        end_line: fold.end,
        kind: (fold.kind == FoldKind::Comment).then_some(lsp::FoldingRangeKind::Comment),
        ..lsp::FoldingRange::default()
    }
}

/// The names of token types, in the order of [`token_type`].
pub(super) const TOKEN_TYPES: [&str; 10] = [
    "keyword",
    "class",
    "interface",
    "parameter",
    "property",
    "variable",
    "string",
    "number",
    "enumMember",
    "operator",
];

/// The number of a token's type; comments and plain words are left to the client's own grammar.
const fn token_type(kind: TokenKind) -> Option<u32> {
    Some(match kind {
        TokenKind::Keyword | TokenKind::Modifier => 0,
        TokenKind::Class => 1,
        TokenKind::Profile => 2,
        TokenKind::Param => 3,
        TokenKind::Property => 4,
        TokenKind::Variable => 5,
        TokenKind::String => 6,
        TokenKind::Number => 7,
        TokenKind::Word => 8,
        TokenKind::Operator => 9,
        TokenKind::Comment => return None,
    })
}

/// Tokens as differences, each from the one before it.
pub(super) fn semantic_tokens(tokens: &[Token], lines: &Lines<'_>) -> Vec<lsp::SemanticToken> {
    let (mut line, mut column) = (0, 0);
    tokens
        .iter()
        .filter_map(|token| {
            let token_type = token_type(token.kind)?;
            let range = lines.range(token.span);
            let length =
                range.end.character.checked_sub(range.start.character).filter(|length| *length > 0)?;
            let delta_line = range.start.line - line;
            let delta_start = range.start.character - if delta_line == 0 { column } else { 0 };
            (line, column) = (range.start.line, range.start.character);
            Some(lsp::SemanticToken {
                delta_line,
                delta_start,
                length,
                token_type,
                token_modifiers_bitset: 0,
            })
        })
        .collect()
}

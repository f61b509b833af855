//! Reading a statement's operands one after the other, with words for what was expected.

use std::collections::HashMap;

use super::Checker;
use super::shown::short;
use super::value::{Piece, decode};
use crate::diagnostic::{Applicability, Code, Diagnostic, codes};
use crate::syntax::keywords::{OptionInfo, OptionSet, ValueKind, When};
use crate::syntax::{Entry, Heredoc, Keyword, List, Operand, OperandKind, Options, Statement};
use crate::text::{Requirement, Span, Spanned, nearest, suite, suites, without_suites};

/// A scalar as the user wrote it, params put in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text {
    pub value: String,
    pub span: Span,
    /// In quotes, so never a name that may stand bare only.
    pub quoted: bool,
    /// A param took part in it.
    pub param: bool,
}

impl Text {
    pub(super) fn spanned(self) -> Spanned<String> {
        Spanned::new(self.value, self.span)
    }
}

/// The operands of one statement that were not read yet.
#[derive(Debug)]
pub(super) struct Operands<'s> {
    pub statement: &'s Statement,
    rest: &'s [Operand],
    /// To be passed over: it has been said to stand there twice.
    repeated: Option<&'s Operand>,
    /// The last one read, or the keyword.
    last: Span,
    /// Something was wrong and has been said.
    pub failed: bool,
    /// Errors known when this statement was begun.
    errors_before: usize,
}

impl<'s> Operands<'s> {
    pub(super) fn new(statement: &'s Statement, repeated: Option<&'s Operand>, errors_before: usize) -> Self {
        let (rest, last) = (&*statement.operands, statement.keyword);
        let mut operands = Self { statement, rest, repeated, last, failed: false, errors_before };
        operands.pass_over();
        operands
    }

    fn pass_over(&mut self) {
        if let [first, rest @ ..] = self.rest
            && self.repeated.is_some_and(|repeated| std::ptr::eq(repeated, first))
        {
            (self.rest, self.last) = (rest, first.span);
        }
    }

    pub(super) fn peek(&self) -> Option<&'s Operand> {
        self.rest.first()
    }

    pub(super) fn peek_second(&self) -> Option<&'s Operand> {
        self.rest.get(1)
    }

    pub(super) fn next(&mut self) -> Option<&'s Operand> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        self.last = first.span;
        self.pass_over();
        Some(first)
    }

    /// Where a missing operand belongs.
    pub(super) const fn gap(&self) -> Span {
        self.last.after()
    }
}

impl Checker<'_> {
    pub(super) fn slice(&self, span: Span) -> &str {
        self.input.sources.slice(span)
    }

    /// `expected` reads like "a size, such as `8GiB`"; reports a missing or mismatched operand.
    fn expected(&mut self, operands: &mut Operands<'_>, expected: &str) {
        if std::mem::replace(&mut operands.failed, true) || self.errors() > operands.errors_before {
            return;
        }
        let keyword = short(self.slice(operands.statement.keyword));
        let diagnostic = match operands.peek() {
            // Options come last, so what is missing belongs before them.
            None => Diagnostic::new(codes::MISSING_OPERAND, format!("`{keyword}` needs {expected}"))
                .label(operands.gap(), "missing here"),
            Some(Operand { kind: OperandKind::Options(_), .. }) => {
                Diagnostic::new(codes::MISSING_OPERAND, format!("`{keyword}` needs {expected}"))
                    .label(operands.gap(), "missing here")
            }
            Some(operand) => {
                let found = self.found(operand);
                Diagnostic::new(codes::UNEXPECTED, format!("expected {expected}, found {found}"))
                    .label(operand.span, format!("`{keyword}` needs {expected} here"))
            }
        };
        let diagnostic = match Keyword::of(&keyword).map(Keyword::info) {
            Some(info) => diagnostic.help(format!("for example `{}`", info.example)),
            None => diagnostic,
        };
        self.report(diagnostic);
    }

    fn found(&self, operand: &Operand) -> String {
        match &operand.kind {
            OperandKind::Options(_) => "options in `{ }`".into(),
            OperandKind::List(_) => "a list".into(),
            OperandKind::Heredoc(_) => "a heredoc".into(),
            _ => format!("`{}`", short(self.slice(operand.span))),
        }
    }

    /// A scalar operand of any looks.
    pub(super) fn scalar(&mut self, operands: &mut Operands<'_>, expected: &str) -> Option<Text> {
        match operands.peek() {
            Some(operand) if is_scalar(operand) => {
                operands.next();
                let text = self.text(operand);
                operands.failed |= text.is_none();
                text
            }
            _ => {
                self.expected(operands, expected);
                None
            }
        }
    }

    /// The next word if it is exactly `word`.
    pub(super) fn accept(&self, operands: &mut Operands<'_>, word: &str) -> bool {
        let found = operands
            .peek()
            .is_some_and(|operand| operand.kind == OperandKind::Word && self.slice(operand.span) == word);
        if found {
            operands.next();
        }
        found
    }

    /// The word that must come next, such as the `to` of `copy`.
    pub(super) fn require(&mut self, operands: &mut Operands<'_>, word: &str) -> bool {
        if self.accept(operands, word) {
            return true;
        }
        // A slip in the word itself is no reason to misread all that follows.
        if let Some(operand) = operands.peek().filter(|operand| operand.kind == OperandKind::Word) {
            let written = self.slice(operand.span).to_owned();
            if nearest(&written, [word]).is_some() {
                operands.next();
                operands.failed = true;
                self.report(
                    Diagnostic::new(
                        codes::UNEXPECTED,
                        format!("expected `{word}`, found `{}`", short(&written)),
                    )
                    .label(operand.span, format!("write `{word}`"))
                    .fix(
                        Applicability::Safe,
                        format!("write `{word}`"),
                        operand.span,
                        word,
                    ),
                );
                return false;
            }
        }
        self.expected(operands, &format!("`{word}`"));
        false
    }

    /// The `=` behind a name the user chose.
    pub(super) fn equals(&mut self, operands: &mut Operands<'_>) {
        match operands.peek() {
            Some(Operand { kind: OperandKind::Eq, .. }) => {
                operands.next();
            }
            Some(operand) if is_scalar(operand) => {
                if operands.failed || self.errors() > operands.errors_before {
                    operands.failed = true;
                    return;
                }
                operands.failed = true;
                let keyword = self.slice(operands.statement.keyword).to_owned();
                let gap = operands.gap();
                self.report(
                    Diagnostic::new(codes::EQUALS_SIGN, format!("an `=` is missing in this `{keyword}`"))
                        .label(gap, "an `=` belongs here")
                        .help("an `=` follows a name that you chose: of a param, a variable or a label")
                        .fix(Applicability::Safe, "insert `=`", gap, " ="),
                );
            }
            _ => self.expected(operands, "`=` and a value"),
        }
    }

    /// An `=` where the language has none: said once, then passed over.
    pub(super) fn no_equals(&mut self, operands: &mut Operands<'_>) {
        if let Some(operand) = operands.peek().filter(|operand| operand.kind == OperandKind::Eq) {
            operands.next();
            if operands.failed {
                return;
            }
            operands.failed = true;
            let keyword = self.slice(operands.statement.keyword).to_owned();
            // Without it two words would be one.
            let parts = operands.statement.keyword.end == operand.span.start
                && operands.peek().is_some_and(|next| next.span.start == operand.span.end);
            let diagnostic = Diagnostic::new(codes::EQUALS_SIGN, format!("`{keyword}` takes no `=`"))
                .label(operand.span, "remove this")
                .fix(Applicability::Safe, "remove `=`", operand.span, if parts { " " } else { "" });
            let diagnostic = match Keyword::of(&keyword).map(Keyword::info) {
                Some(info) => diagnostic.help(format!("write it like `{}`", info.example)),
                None => diagnostic,
            };
            self.report(diagnostic);
        }
    }

    pub(super) fn list<'s>(
        &mut self,
        operands: &mut Operands<'s>,
        expected: &str,
    ) -> Option<(&'s List, Span)> {
        if let Some(Operand { kind: OperandKind::List(list), span }) = operands.peek() {
            operands.next();
            return Some((list, *span));
        }
        self.expected(operands, expected);
        None
    }

    pub(super) fn accept_heredoc<'s>(operands: &mut Operands<'s>) -> Option<&'s Heredoc> {
        let Some(Operand { kind: OperandKind::Heredoc(heredoc), .. }) = operands.peek() else { return None };
        operands.next();
        Some(heredoc)
    }

    /// A version requirement if one comes next; it may be made of several tokens.
    pub(super) fn requirement(
        &mut self,
        operands: &mut Operands<'_>,
        what: &str,
    ) -> Option<Spanned<Requirement>> {
        self.requirement_of(operands, what, None)
    }

    /// [`Self::requirement`] on a distribution, whose releases have names.
    pub(super) fn requirement_of(
        &mut self,
        operands: &mut Operands<'_>,
        what: &str,
        distribution: Option<&str>,
    ) -> Option<Spanned<Requirement>> {
        let first = operands.peek()?;
        if !matches!(
            first.kind,
            OperandKind::Word | OperandKind::String | OperandKind::Param | OperandKind::Eq
        ) {
            return None;
        }
        let (text, span) = if matches!(first.kind, OperandKind::String | OperandKind::Param) {
            operands.next();
            let Some(text) = self.text(first) else {
                operands.failed = true;
                return None;
            };
            (text.value, text.span)
        } else {
            let mut span = first.span;
            while let Some(operand) = operands.peek() {
                // Blanks end a requirement unless a comma or an operator joins what they part.
                let joined = span == first.span && operand.span == first.span
                    || operand.span.start == span.end
                    || operand.kind == OperandKind::Comma
                    || self.slice(span).ends_with([',', '=', '<', '>', '^', '~']);
                if !joined
                    || !matches!(operand.kind, OperandKind::Word | OperandKind::Eq | OperandKind::Comma)
                {
                    break;
                }
                span = span.to(operand.span);
                operands.next();
            }
            (self.slice(span).to_owned(), span)
        };
        let versions = distribution.map(|name| without_suites(name, &text));
        if let Some(name) = distribution {
            self.moving_suite(name, &text, span);
        }
        match versions.as_ref().unwrap_or(&text).parse::<Requirement>() {
            Ok(requirement) => Some(Spanned::new(requirement, span)),
            Err(error) => {
                operands.failed = true;
                self.report(
                    Diagnostic::new(codes::NOT_A_VERSION, format!("`{}` is not a version requirement", short(&text)))
                        .label(span, format!("which version of {what} will do"))
                        .note(error.to_string())
                        .help(match distribution.map(|name| enumerate(suites(name))).filter(|_| text.starts_with(char::is_alphabetic)) {
                            Some(names) if !names.is_empty() => format!("releases are known by their numbers, and by the names {names}"),
                            _ => "write `13` for 13 and every 13.x, `=1.26.3` for exactly that, `^1.2`, `~1.2` or `>=1.2,<1.5`".to_owned(),
                        }),
                );
                None
            }
        }
    }

    /// `stable` and the like are taken for what they are today.
    fn moving_suite(&mut self, distribution: &str, written: &str, span: Span) {
        let Some(suite) = suite(distribution, written).filter(|suite| suite.moves) else { return };
        let version = suite.version;
        self.report(
            Diagnostic::new(
                codes::MOVING_SUITE,
                format!(
                    "`{}` is {distribution} {version} until the next release, and another then",
                    short(written)
                ),
            )
            .label(span, format!("taken for {version}"))
            .help(format!("write `{version}`"))
            .fix(Applicability::Maybe, format!("write `{version}`"), span, version),
        );
    }

    /// The options in braces, if there are any, and nothing after them: those that the table has for the statement.
    pub(super) fn options<'s>(&mut self, operands: &mut Operands<'s>) -> OptionValues<'s> {
        let keyword = Keyword::of(self.slice(operands.statement.keyword));
        let known = match keyword.map(|keyword| keyword.info().options) {
            Some(OptionSet::Of(options)) => Known::All(options),
            Some(OptionSet::OfApp | OptionSet::Params) | None => Known::Any,
        };
        self.known_options(operands, known)
    }

    /// The same of a statement that has other options in each of its forms.
    pub(super) fn options_of<'s>(&mut self, operands: &mut Operands<'s>, form: When) -> OptionValues<'s> {
        let keyword = Keyword::of(self.slice(operands.statement.keyword));
        let options = keyword.map_or(&[][..], |keyword| keyword.info().options());
        self.known_options(operands, Known::OfForm(options, form))
    }

    fn known_options<'s>(&mut self, operands: &mut Operands<'s>, known: Known) -> OptionValues<'s> {
        let mut given = OptionValues { entries: Vec::new(), known };
        if let Some(Operand { kind: OperandKind::Options(options), .. }) = operands.peek() {
            operands.next();
            let keyword = self.slice(operands.statement.keyword).to_owned();
            given = self.given(options, &keyword, known);
        }
        self.finish(operands);
        given
    }

    /// Sorts options by key; unknown and repeated ones are reported.
    pub(super) fn given<'s>(&mut self, options: &'s Options, owner: &str, known: Known) -> OptionValues<'s> {
        let mut given = OptionValues { entries: Vec::new(), known };
        let mut seen: HashMap<String, Span> = HashMap::new();
        for entry in options.entries() {
            let key = self.slice(entry.key.span).trim_matches('"').to_owned();
            if let Some(&first) = seen.get(&key) {
                self.report(
                    Diagnostic::new(
                        codes::DUPLICATE_NAME,
                        format!("the option `{}` is given twice", short(&key)),
                    )
                    .label(entry.key.span, "given again")
                    .label(first, "first given here"),
                );
                continue;
            }
            if !known.has(&key) {
                let near = nearest(&key, known.names());
                let diagnostic =
                    Diagnostic::new(codes::UNKNOWN_KEY, format!("`{owner}` has no option `{}`", short(&key)))
                        .label(entry.key.span, "not an option of this statement");
                self.report(match near {
                    Some(near) => diagnostic.help(format!("did you mean `{near}`?")).fix(
                        Applicability::Maybe,
                        format!("write `{near}`"),
                        entry.key.span,
                        near,
                    ),
                    None => diagnostic.help(format!("its options are {}", enumerate(known.names()))),
                });
                continue;
            }
            seen.insert(key.clone(), entry.key.span);
            given.entries.push((key, entry));
        }
        given
    }

    /// Says so if operands are left over.
    pub(super) fn finish(&mut self, operands: &mut Operands<'_>) {
        // After a mistake the rest of the line may well be shifted by a word.
        if operands.failed || self.errors() > operands.errors_before {
            return;
        }
        self.no_equals(operands);
        if operands.failed {
            return;
        }
        let Some(first) = operands.peek() else { return };
        operands.failed = true;
        let keyword = short(self.slice(operands.statement.keyword));
        let glued = first.span.start == operands.last.end && is_scalar(first);
        let last = operands.rest.last().map_or(first.span, |last| last.span);
        let found = self.found(first);
        if glued && self.slice(first.span) == ":" {
            self.report(
                Diagnostic::new(codes::UNEXPECTED, "no `:` stands here")
                    .label(first.span, "not needed")
                    .help("remove it")
                    .fix(Applicability::Safe, "remove `:`", first.span, ""),
            );
            return;
        }
        if glued && operands.last != operands.statement.keyword {
            let whole = operands.last.to(first.span);
            let written = self.slice(whole).to_owned();
            self.report(
                Diagnostic::new(codes::NEEDS_QUOTES, format!("`{}` needs quotes", short(&written)))
                    .label(whole, "more than one word")
                    .fix(
                        Applicability::Maybe,
                        "put it in quotes",
                        whole,
                        format!("\"{}\"", written.replace('"', "")),
                    ),
            );
            return;
        }
        let diagnostic =
            Diagnostic::new(codes::UNEXPECTED, format!("`{keyword}` takes no more than this, found {found}"))
                .label(first.span.to(last), "not expected here");
        let diagnostic = match Keyword::of(&keyword).map(Keyword::info) {
            Some(info) => diagnostic.help(format!("write it like `{}`", info.example)),
            None => diagnostic,
        };
        self.report(diagnostic);
    }

    /// The value of a scalar: quotes and escapes undone, params put in.
    pub(super) fn text(&mut self, operand: &Operand) -> Option<Text> {
        let span = operand.span;
        let written = self.slice(span).to_owned();
        match operand.kind {
            OperandKind::Word => Some(Text { value: written, span, quoted: false, param: false }),
            OperandKind::Param => {
                let name = written.trim_start_matches("${").trim_end_matches('}');
                let value = self.param(name, span)?;
                Some(Text { value, span, quoted: false, param: true })
            }
            OperandKind::String => {
                let inner = written.strip_prefix('"')?;
                let inner = inner.strip_suffix('"').unwrap_or(inner);
                let (mut value, mut param, mut whole) = (String::with_capacity(inner.len()), false, true);
                decode(inner, |piece| match piece {
                    Piece::Text(text) => value.push_str(text),
                    Piece::Char(c) => value.push(c),
                    Piece::Param { at, len, name } => {
                        param = true;
                        let start = span.start + 1 + u32::try_from(at).unwrap_or(0);
                        let place = Span { start, end: start + u32::try_from(len).unwrap_or(0), ..span };
                        match self.param(name, place) {
                            Some(text) => value.push_str(&text),
                            None => whole = false,
                        }
                    }
                    Piece::BadEscape { .. } | Piece::Unclosed { .. } => {}
                });
                whole.then_some(Text { value, span, quoted: true, param })
            }
            _ => None,
        }
    }

    /// Reports a value that does not fit its place.
    pub(super) fn misfit(&mut self, code: Code, span: Span, written: &str, what: &str, help: &str) {
        self.report(
            Diagnostic::new(code, format!("`{}` is not {what}", short(written)))
                .label(span, format!("expected {what}"))
                .help(help),
        );
    }
}

/// The options that may be given.
#[derive(Debug, Clone, Copy)]
pub(super) enum Known {
    /// Names that others choose: of params, variables, options of applications.
    Any,
    All(&'static [OptionInfo]),
    /// Those of one form of the statement.
    OfForm(&'static [OptionInfo], When),
}

impl Known {
    fn options(self) -> impl Iterator<Item = &'static OptionInfo> {
        let (options, form) = match self {
            Self::Any => (&[][..], None),
            Self::All(options) => (options, None),
            Self::OfForm(options, form) => (options, Some(form)),
        };
        options
            .iter()
            .filter(move |option| option.when == When::Always || form.is_none_or(|form| option.when == form))
    }

    fn names(self) -> impl Iterator<Item = &'static str> {
        self.options().map(|option| option.name)
    }

    fn has(self, name: &str) -> bool {
        matches!(self, Self::Any) || self.names().any(|known| known == name)
    }

    fn kind_of(self, name: &str) -> Option<ValueKind> {
        self.options().find(|option| option.name == name).map(|option| option.value)
    }
}

/// Options by key.
#[derive(Debug)]
pub(super) struct OptionValues<'s> {
    pub entries: Vec<(String, &'s Entry)>,
    known: Known,
}

impl<'s> OptionValues<'s> {
    pub(super) fn value(&self, key: &str) -> Option<&'s Operand> {
        self.entry(key)?.value.as_ref()
    }

    /// The same, read as what the table says that it is.
    pub(super) fn value_of_kind(&self, key: &str, kind: ValueKind) -> Option<&'s Operand> {
        debug_assert_eq!(self.known.kind_of(key), Some(kind), "the table says otherwise of `{key}`");
        self.value(key)
    }

    pub(super) fn entry(&self, key: &str) -> Option<&'s Entry> {
        debug_assert!(self.known.has(key), "the table has no option `{key}` for this statement");
        self.entries.iter().find(|(name, _)| name == key).map(|(_, entry)| *entry)
    }
}

pub(super) const fn is_scalar(operand: &Operand) -> bool {
    matches!(operand.kind, OperandKind::Word | OperandKind::String | OperandKind::Param)
}

/// Most names that are listed for somebody to choose from.
const MOST_LISTED: usize = 30;

/// `a`, `b` and `c`; of very many the first.
pub(super) fn enumerate<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    let mut names = names.into_iter();
    let mut listed: Vec<String> =
        names.by_ref().take(MOST_LISTED).map(|name| format!("`{}`", short(name))).collect();
    if names.next().is_some() {
        listed.push("others".to_owned());
    }
    match listed.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

//! The one way to lay out an ImageFile.
//!
//! Two blanks a level, one statement a line, one blank line at most between two. Comments stay
//! where they are, options and lists stay on one line or on many as they were written, heredocs
//! with `-` move with their statement. What is broken is left exactly as it is.

mod tokens;
mod whole;

use std::borrow::Cow;

use super::ast::{
    Ast, Body, Entry, Heredoc, Item, List, Open, Operand, OperandKind, OptionItem, Options, Statement,
};
use super::keywords::{Form, Quoting};
use super::{Keyword, parse};
use crate::text::Span;
use tokens::tokens;
use whole::is_whole;

const INDENT: &str = "  ";

/// Lays out `text`, whose tree is `ast`. Formatting the result again changes nothing.
#[must_use]
pub fn format(ast: &Ast, text: &str) -> String {
    // A file has one kind of line end: that of Windows only if all of its lines have it.
    let (lines, windows) = (text.matches('\n').count(), text.matches("\r\n").count());
    if windows == 0 {
        return laid_out(ast, text);
    }
    let (before, last) = text.rsplit_once('\n').unwrap_or(("", text));
    let mut unix = String::with_capacity(text.len());
    for line in before.split('\n') {
        unix.push_str(line.trim_end_matches('\r'));
        unix.push('\n');
    }
    unix.push_str(last);
    let out = laid_out(&parse(ast.source, &unix), &unix);
    if windows == lines { out.replace('\n', "\r\n") } else { out }
}

fn laid_out(ast: &Ast, text: &str) -> String {
    let mut printer = Printer { text, out: String::with_capacity(text.len()) };
    if let Some(bom) = ast.bom {
        printer.out.push_str(printer.slice(bom));
    }
    printer.items(&ast.items, 0, ast.bom.map_or(0, |bom| bom.end), true);
    let out = printer.out;
    // Whatever the layout does, it must not change what the file says.
    if tokens(ast, text) == tokens(&parse(ast.source, &out), &out) { out } else { text.to_owned() }
}

struct Printer<'a> {
    text: &'a str,
    out: String,
}

impl<'a> Printer<'a> {
    fn slice(&self, span: Span) -> &'a str {
        &self.text[span.start as usize..span.end as usize]
    }

    fn newlines(&self, from: u32, to: u32) -> usize {
        self.text.get(from as usize..to as usize).map_or(0, |between| between.matches('\n').count())
    }

    fn indent(&mut self, level: usize) {
        for _ in 0..level {
            self.out.push_str(INDENT);
        }
    }

    /// Items of one level, each on a line of its own; `end` is where what stands before them ends.
    fn items(&mut self, items: &[Item], level: usize, mut end: u32, mut first: bool) {
        for item in items {
            let span = item.span();
            let gap = self.newlines(end, span.start);
            let trailing = matches!(item, Item::Comment(_)) && gap == 0 && !(first && level == 0);
            if trailing {
                while self.out.ends_with('\n') {
                    self.out.pop();
                }
                self.out.push_str("  ");
                self.out.push_str(self.slice(span).trim_end());
                self.out.push('\n');
                end = span.end;
                continue;
            }
            if self.slice(span).trim_end_matches('\r').is_empty() {
                continue;
            }
            if gap > 1 && !first {
                self.out.push('\n');
            }
            match item {
                Item::Statement(statement) if is_whole(statement, self.text) => {
                    self.statement(statement, level);
                }
                Item::Comment(_) => {
                    self.indent(level);
                    self.out.push_str(self.slice(span).trim_end());
                    self.out.push('\n');
                }
                _ => self.verbatim(span),
            }
            first = false;
            end = span.end;
        }
    }

    /// A broken region: its lines as they are, indentation included.
    fn verbatim(&mut self, span: Span) {
        let start = span.start as usize;
        let line = self.text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        // A byte order mark was printed already and is no part of the first line's indentation.
        let indent = self.text[line..start].trim_start_matches('\u{FEFF}');
        if indent.chars().all(|c| c == ' ' || c == '\t') {
            self.out.push_str(indent);
        }
        // With the newline, a carriage return at the end is a line end and would be less of them each time.
        self.out.push_str(self.slice(span).trim_end_matches('\r'));
        self.out.push('\n');
    }

    fn statement(&mut self, statement: &Statement, level: usize) {
        self.indent(level);
        let written = self.slice(statement.keyword);
        self.out.push_str(written);
        let keyword = Keyword::of(written);
        let mut last = statement.keyword;
        let mut heredoc = None;
        for (at, operand) in statement.operands.iter().enumerate() {
            if operand.span.start > last.end || self.spaced(keyword, operand, last) {
                self.out.push(' ');
            }
            match &operand.kind {
                OperandKind::Heredoc(found) => {
                    self.out.push_str(self.slice(found.marker));
                    heredoc = Some(&**found);
                }
                OperandKind::List(list) => self.list(list, operand.span, level),
                OperandKind::Options(options) => self.options(options, operand.span, level),
                _ => {
                    let word = self.slice(operand.span);
                    // `copy copy "site/"`: the word is one too many, and no path.
                    let quoting = if word == written { Quoting::Kept } else { quoting(keyword, at, word) };
                    self.out.push_str(&with_quotes(quoting, operand, word));
                }
            }
            last = operand.span;
        }
        match (heredoc, &statement.body) {
            (Some(heredoc), _) => self.heredoc(heredoc, level),
            (None, Some(body)) => self.body(body, level),
            (None, None) => {}
        }
        self.out.push('\n');
    }

    /// Whether a blank belongs before `operand` although none is written.
    fn spaced(&self, keyword: Option<Keyword>, operand: &Operand, last: Span) -> bool {
        let block =
            matches!(operand.kind, OperandKind::List(_) | OperandKind::Options(_) | OperandKind::Heredoc(_));
        let pair = keyword.is_some_and(|keyword| keyword.info().form == Form::Pair);
        let around_eq = pair && (operand.kind == OperandKind::Eq || self.slice(last) == "=");
        // Quotes may come off a string or onto a word, so it never touches what is beside it.
        let string = operand.kind == OperandKind::String && self.slice(last) != "=";
        let closed = |text: &str| text.ends_with([']', '}', '"']);
        let after_block = closed(self.slice(last)) || closed(&self.out);
        block || around_eq || string || after_block && operand.kind != OperandKind::Comma
    }

    fn body(&mut self, body: &Body, level: usize) {
        self.out.push_str(" {\n");
        let open = match body.open {
            Open::Here(open) => open.end,
            _ => body.span.start,
        };
        self.items(&body.items, level + 1, open, true);
        self.indent(level);
        self.out.push('}');
    }

    fn list(&mut self, list: &List, span: Span, level: usize) {
        if !self.slice(span).contains('\n') {
            let elements: Vec<&str> = list.elements().map(|element| self.slice(element.span)).collect();
            self.out.push('[');
            self.out.push_str(&elements.join(", "));
            self.out.push(']');
            return;
        }
        self.out.push_str("[\n");
        let mut end = span.start + 1;
        let mut first = true;
        for item in &list.items {
            let gap = self.newlines(end, item.span.start);
            match item.kind {
                OperandKind::Comma => {}
                OperandKind::Comment if gap == 0 => {
                    self.out.pop();
                    self.out.push_str("  ");
                    self.out.push_str(self.slice(item.span).trim_end());
                    self.out.push('\n');
                }
                _ => {
                    if gap > 1 && !first {
                        self.out.push('\n');
                    }
                    self.indent(level + 1);
                    self.out.push_str(self.slice(item.span).trim_end());
                    if item.kind != OperandKind::Comment {
                        self.out.push(',');
                    }
                    self.out.push('\n');
                    first = false;
                }
            }
            end = item.span.end;
        }
        self.indent(level);
        self.out.push(']');
    }

    fn options(&mut self, options: &Options, span: Span, level: usize) {
        let entries: Vec<&Entry> = options.entries().collect();
        if options.items.is_empty() {
            self.out.push_str("{}");
            return;
        }
        if !self.slice(span).contains('\n') {
            self.out.push_str("{ ");
            for (at, entry) in entries.iter().enumerate() {
                if at > 0 {
                    self.out.push_str(", ");
                }
                self.entry(entry, 0, level);
            }
            self.out.push_str(" }");
            return;
        }
        self.out.push_str("{\n");
        let mut end = span.start + 1;
        let mut first = true;
        for (at, item) in options.items.iter().enumerate() {
            let span = item.span();
            let gap = self.newlines(end, span.start);
            match item {
                OptionItem::Comma(_) => {
                    end = span.end;
                    continue;
                }
                OptionItem::Comment(_) if gap == 0 => {
                    self.out.pop();
                    self.out.push_str("  ");
                    self.out.push_str(self.slice(span).trim_end());
                    self.out.push('\n');
                    end = span.end;
                    continue;
                }
                _ if gap > 1 && !first => self.out.push('\n'),
                _ => {}
            }
            self.indent(level + 1);
            match item {
                OptionItem::Entry(entry) => {
                    let width = self.key_width(&options.items, at);
                    self.entry(entry, width, level + 1);
                }
                _ => self.out.push_str(self.slice(span).trim_end()),
            }
            self.out.push('\n');
            first = false;
            end = span.end;
        }
        self.indent(level);
        self.out.push('}');
    }

    /// The longest key among the entries that follow one another without a gap around `at`.
    fn key_width(&self, items: &[OptionItem], at: usize) -> usize {
        let pairs: Vec<(usize, &Entry)> = items
            .iter()
            .enumerate()
            .filter_map(|(at, item)| match item {
                OptionItem::Entry(entry) => Some((at, entry)),
                _ => None,
            })
            .collect();
        let Some(here) = pairs.iter().position(|(place, _)| *place == at) else { return 0 };
        let joined = |a: usize, b: usize| {
            let (one, two) = (pairs[a].1, pairs[b].1);
            let between = &items[pairs[a].0 + 1..pairs[b].0];
            let own_line = between.iter().any(|item| matches!(item, OptionItem::Comment(span) if self.newlines(one.span.end, span.start) > 0));
            self.newlines(one.span.end, two.span.start) <= 1
                && !own_line
                && !self.slice(one.span).contains('\n')
                && !self.slice(two.span).contains('\n')
        };
        let (mut from, mut to) = (here, here);
        while from > 0 && joined(from - 1, from) {
            from -= 1;
        }
        while to + 1 < pairs.len() && joined(to, to + 1) {
            to += 1;
        }
        pairs[from..=to].iter().map(|(_, entry)| self.key(entry).chars().count()).max().unwrap_or(0)
    }

    /// A key without quotes, which it never needs where it is a word.
    fn key(&self, entry: &Entry) -> &'a str {
        let written = self.slice(entry.key.span);
        match entry.key.kind {
            OperandKind::String => written
                .strip_prefix('"')
                .and_then(|rest| rest.strip_suffix('"'))
                .filter(|inner| is_word(inner))
                .unwrap_or(written),
            _ => written,
        }
    }

    fn entry(&mut self, entry: &Entry, width: usize, level: usize) {
        let key = self.key(entry);
        self.out.push_str(key);
        for _ in key.chars().count()..width {
            self.out.push(' ');
        }
        self.out.push_str(" = ");
        let Some(value) = &entry.value else { return };
        match &value.kind {
            OperandKind::List(list) => self.list(list, value.span, level),
            OperandKind::Options(options) => self.options(options, value.span, level),
            _ => self.out.push_str(self.slice(value.span)),
        }
    }

    fn heredoc(&mut self, heredoc: &Heredoc, level: usize) {
        if let Some(comment) = heredoc.comment {
            self.out.push_str("  ");
            self.out.push_str(self.slice(comment).trim_end());
        }
        self.out.push('\n');
        let body = self.slice(heredoc.body);
        let indent = |line: &str| line.len() - line.trim_start_matches([' ', '\t']).len();
        let strip = body.lines().filter(|line| !line.trim().is_empty()).map(indent).min();
        match (heredoc.flavour, strip) {
            (Some('-'), Some(strip)) => {
                for line in body.lines() {
                    let rest = &line[strip.min(indent(line))..];
                    if !rest.is_empty() {
                        self.indent(level + 1);
                        self.out.push_str(rest);
                    }
                    self.out.push('\n');
                }
            }
            _ => {
                for line in body.lines() {
                    self.out.push_str(line);
                    self.out.push('\n');
                }
            }
        }
        self.indent(level);
        self.out.push_str(self.slice(heredoc.tag));
    }
}

/// What the table says of the quotes of an operand. A fixed word of the language is never quoted.
fn quoting(keyword: Option<Keyword>, at: usize, word: &str) -> Quoting {
    let operands = keyword.map_or(&[][..], |keyword| keyword.info().operands);
    let operand = operands.iter().find(|operand| operand.at == at && operand.quoting != Quoting::Kept);
    match operand {
        Some(operand) if operand.quoting == Quoting::Bare => Quoting::Bare,
        Some(operand) if operand.words.iter().all(|(fixed, _)| *fixed != word) => Quoting::Quoted,
        _ => Quoting::Kept,
    }
}

/// Quotes off identifiers and onto paths and texts.
fn with_quotes<'t>(quoting: Quoting, operand: &Operand, written: &'t str) -> Cow<'t, str> {
    let inner = written.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match (quoting, &operand.kind, inner) {
        (Quoting::Bare, OperandKind::String, Some(inner)) if is_word(inner) => inner.into(),
        (Quoting::Quoted, OperandKind::Word, _) if is_word(&written.replace('/', "")) => {
            format!("\"{written}\"").into()
        }
        _ => written.into(),
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}

#[cfg(test)]
mod tests;

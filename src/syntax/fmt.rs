//! The one way to lay out an ImageFile.
//!
//! Two blanks a level, one statement a line, one blank line at most between two. Comments stay
//! where they are, options and lists stay on one line or on many as they were written, heredocs
//! with `-` move with their statement. What is broken is left exactly as it is.

use std::borrow::Cow;

use super::ast::{
    Ast, Body, Entry, Heredoc, Item, List, Open, Operand, OperandKind, OptionItem, Options, Statement,
};
use super::keywords::{Form, Quoting};
use super::{Keyword, parse};
use crate::text::Span;

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

/// Whether every token of the statement is complete, so that it can be printed anew.
fn is_whole(statement: &Statement, text: &str) -> bool {
    let slice = |span: Span| &text[span.start as usize..span.end as usize];
    let body = statement.body.as_ref().is_none_or(|body| {
        matches!(body.open, Open::Here(_)) && body.close.is_some() && body.extra_open.is_empty()
    });
    let heredoc = statement.heredoc().is_none_or(|heredoc| {
        heredoc.end.is_some()
            && !heredoc.quoted
            && heredoc.flavour != Some('~')
            && !slice(heredoc.body).contains('\r')
    });
    let lone_heredoc = statement.heredoc().is_none() || statement.body.is_none();
    // Two words that touch, such as `x"y"`, are a mistake, and another one if something parts them.
    let is_word = |operand: &Operand| {
        matches!(
            operand.kind,
            OperandKind::Word | OperandKind::String | OperandKind::Single | OperandKind::Param
        )
    };
    let touch = statement
        .operands
        .windows(2)
        .any(|two| two[0].span.end == two[1].span.start && is_word(&two[0]) && is_word(&two[1]));
    body && heredoc
        && lone_heredoc
        && !touch
        && statement.operands.iter().all(|operand| is_whole_operand(operand, &slice))
}

fn is_whole_operand<'t>(operand: &Operand, slice: &impl Fn(Span) -> &'t str) -> bool {
    match &operand.kind {
        OperandKind::Word
        | OperandKind::Eq
        | OperandKind::Comma
        | OperandKind::Comment
        | OperandKind::Heredoc(_) => true,
        OperandKind::String => {
            let written = slice(operand.span);
            let inner = written.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            inner.is_some_and(|inner| inner.bytes().rev().take_while(|&b| b == b'\\').count() % 2 == 0)
        }
        OperandKind::Param => slice(operand.span).ends_with('}'),
        OperandKind::Single | OperandKind::Junk | OperandKind::SlashComment => false,
        OperandKind::List(list) => {
            let mut separated = true;
            list.close.is_some()
                && list.items.iter().all(|item| match item.kind {
                    OperandKind::Comment => true,
                    OperandKind::Comma => !std::mem::replace(&mut separated, true),
                    OperandKind::Eq => false,
                    _ => std::mem::replace(&mut separated, false) && is_whole_operand(item, slice),
                })
        }
        OperandKind::Options(options) => {
            options.close.is_some()
                && !options.lost_open
                && options.extra_open.is_empty()
                && options.items.iter().all(|item| match item {
                    OptionItem::Entry(entry) => {
                        entry.eq.len() == 1
                            && is_whole_operand(&entry.key, slice)
                            && entry.value.as_ref().is_some_and(|value| is_whole_operand(value, slice))
                    }
                    OptionItem::Comma(_) | OptionItem::Comment(_) => true,
                    OptionItem::Stray(_) => false,
                })
        }
    }
}

/// What a file says, without its layout: to compare before and after.
fn tokens(ast: &Ast, text: &str) -> Vec<String> {
    let mut out = Vec::new();
    item_tokens(&ast.items, text, &mut out);
    out
}

fn item_tokens(items: &[Item], text: &str, out: &mut Vec<String>) {
    let slice = |span: Span| text[span.start as usize..span.end as usize].trim_end().to_owned();
    for item in items {
        match item {
            Item::Comment(span) | Item::SlashComment(span) | Item::StrayClose(span) => out.push(slice(*span)),
            Item::Statement(statement) | Item::Bad(statement) => {
                out.push(slice(statement.keyword));
                for operand in &statement.operands {
                    operand_tokens(operand, text, out);
                }
                if let Some(body) = &statement.body {
                    out.push("{".to_owned());
                    item_tokens(&body.items, text, out);
                    out.push("}".to_owned());
                }
            }
        }
    }
}

fn operand_tokens(operand: &Operand, text: &str, out: &mut Vec<String>) {
    let slice =
        |span: Span| text[span.start as usize..span.end as usize].trim_end().trim_matches('"').to_owned();
    match &operand.kind {
        OperandKind::List(list) => {
            out.push("[".to_owned());
            for item in list.items.iter().filter(|item| item.kind != OperandKind::Comma) {
                operand_tokens(item, text, out);
            }
            out.push("]".to_owned());
        }
        OperandKind::Options(options) => {
            out.push("{".to_owned());
            for item in &options.items {
                match item {
                    OptionItem::Comma(_) => {}
                    OptionItem::Comment(span) | OptionItem::Stray(span) => out.push(slice(*span)),
                    OptionItem::Entry(entry) => {
                        out.push(slice(entry.key.span));
                        out.extend(entry.eq.iter().map(|span| slice(*span)));
                        if let Some(value) = &entry.value {
                            operand_tokens(value, text, out);
                        }
                    }
                }
            }
            out.push("}".to_owned());
        }
        OperandKind::Heredoc(heredoc) => {
            out.push(slice(heredoc.marker));
            out.extend(heredoc.comment.map(slice));
            let body = &text[heredoc.body.start as usize..heredoc.body.end as usize];
            let indent = |line: &str| line.len() - line.trim_start_matches([' ', '\t']).len();
            let strip = match heredoc.flavour {
                Some(_) => body.lines().filter(|line| !line.trim().is_empty()).map(indent).min().unwrap_or(0),
                None => 0,
            };
            out.extend(body.lines().map(|line| line[strip.min(indent(line))..].to_owned()));
        }
        _ => out.push(slice(operand.span)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::SourceId;

    fn formatted(text: &str) -> String {
        format(&parse(SourceId(0), text), text)
    }

    /// Formats, compares, and formats again.
    #[track_caller]
    fn case(before: &str, after: &str) {
        let once = formatted(before);
        assert_eq!(once, after);
        assert_eq!(formatted(&once), after, "formatting again changes it");
    }

    /// The same for statements of an image.
    #[track_caller]
    fn inside(before: &str, after: &str) {
        let indented: String = after
            .lines()
            .map(|line| if line.is_empty() { "\n".to_owned() } else { format!("  {line}\n") })
            .collect();
        case(&format!("image \"a\" {{\n{before}\n}}\n"), &format!("image \"a\" {{\n{indented}}}\n"));
    }

    #[test]
    fn layout() {
        case("image   \"a\"{\nos   linux debian 13 }\n", "image \"a\" {\n  os linux debian 13\n}\n");
        case("param x=1\nenv A=\"b\"", "param x = 1\nenv A = \"b\"\n");
        case(
            "\n\n# top\n\n\n\nimage \"a\" {\n\n  reboot\n\n\n  reboot\n\n}\n\n",
            "# top\n\nimage \"a\" {\n  reboot\n\n  reboot\n}\n",
        );
        inside(
            "app nginx >=1.2, <1.5{port=80 workers=auto}",
            "app nginx >=1.2, <1.5 { port = 80, workers = auto }\n",
        );
        inside(
            "app \"nginx\" {\n port=80, workers=auto # both\n\n # next\n a = [1,\n2]\n}\n",
            "app nginx {\n  port    = 80\n  workers = auto  # both\n\n  # next\n  a = [\n    1,\n    2,\n  ]\n}\n",
        );
        inside(
            "packages [\n\"a\", # one\n# two\n\"b\"]{}",
            "packages [\n  \"a\",  # one\n  # two\n  \"b\",\n] {}\n",
        );
        inside("packages [ \"a\" ,\"b\", ]  # why", "packages [\"a\", \"b\"]  # why\n");
        inside("script provision.sh", "script \"provision.sh\"\n");
    }

    #[test]
    fn heredocs_move_with_their_statement() {
        case(
            "image \"a\" {\nscript <<-SH {name=\"x\"}  # why\n        #!/bin/sh\n          indented\n\n      SH\n}\n",
            "image \"a\" {\n  script <<-SH { name = \"x\" }  # why\n    #!/bin/sh\n      indented\n\n  SH\n}\n",
        );
        case("copy <<EOF to \"/x\"\n  as it is\n   EOF\n", "copy <<EOF to \"/x\"\n  as it is\nEOF\n");
    }

    #[test]
    fn a_string_touches_nothing() {
        let table = [
            ("include\"a.imagefile\"\n", "include \"a.imagefile\"\n"),
            ("app\"nginx\"\n", "app nginx\n"),
            // Two words that touch are a mistake, and stay one.
            ("include use\"a\"\n", "include use\"a\"\n"),
            ("include use${a}\n", "include use${a}\n"),
            ("env A = x\"y\"\n", "env A = x\"y\"\n"),
            ("description=\"a\"\n", "description=\"a\"\n"),
        ];
        for (written, expected) in table {
            assert_eq!(formatted(written), expected);
            assert_eq!(formatted(expected), expected);
        }
    }

    #[test]
    fn a_file_has_one_kind_of_line_end() {
        let unix = "image \"a\" {\n  script <<-SH\n    #!/bin/sh -e\n    true\n  SH\n}\n";
        let windows = unix.replace('\n', "\r\n");
        case(&windows.replace("  ", "    "), &windows);
        case(&windows, &windows);
        case(&windows.replacen("\r\n", "\n", 1), unix);
        case(&unix.replacen('\n', "\r\r\n", 1), unix);
    }

    #[test]
    fn broken_regions_stay_untouched() {
        case(
            "image \"a\" {\n    packages   [\"a\" \"b\"]\n  os   linux\n}\n",
            "image \"a\" {\n    packages   [\"a\" \"b\"]\n  os linux\n}\n",
        );
        case("image \"a\" {\n  os    linux\n", "image \"a\" {\n  os    linux\n");
        case("image \"a\" {\n  app   x { port   80 }\n}\n", "image \"a\" {\n  app   x { port   80 }\n}\n");
    }

    #[test]
    fn a_byte_order_mark_stays_and_indents_nothing() {
        case("\u{FEFF}\n  [SH", "\u{FEFF}  [SH\n");
        case("\u{FEFF}# note\n\n\nparam  x=1", "\u{FEFF}# note\n\nparam x = 1\n");
    }
}

//! Where a cursor is in a YAML text, as far as indentation and brackets tell.

use std::ops::Range;

/// One step from the document to a place in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    /// An element of a list.
    Item,
}

/// A place where something may be written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Context {
    /// Of the mapping for a key, of the value itself else.
    pub path: Vec<Step>,
    pub part: Part,
    /// What is written there already.
    pub replace: Range<usize>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    Key {
        /// The other keys of the mapping.
        siblings: Vec<String>,
        /// Whether a `:` follows already.
        colon: bool,
    },
    Value,
    /// Behind a dash: a value, or the first key of a mapping.
    Element,
}

/// Works out what stands at a byte offset; `None` in comments, in blocks of text, and where nothing fits.
pub(super) fn context(text: &str, offset: usize) -> Option<Context> {
    let before = text.get(..offset)?;
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let lines = lines(text);
    let row = lines.iter().rposition(|line| line.start <= start)?;
    let end = (lines[row].start + lines[row].text.len()).max(offset);
    if is_commented(&text[start..offset]) {
        return None;
    }
    // The part of the line before the cursor decides what it continues.
    let here = Line { start, text: &text[start..offset] };
    let marks = here.marks();
    let (path, brackets) = path(&lines[..row], &here, &marks)?;
    if let Some(at) = brackets {
        return in_brackets(text, at, offset, path);
    }
    let value = marks.last().map(|mark| start + mark.end);
    match (value, marks.last().map(|mark| &mark.kind)) {
        (Some(at), _) if text[at..offset].trim_start().starts_with(['{', '[']) => {
            in_brackets(text, at, offset, path)
        }
        (Some(at), Some(Kind::Key(_))) => {
            let written = &text[at..offset];
            let starts = written.starts_with(' ') && !written.trim_start().starts_with(['|', '>']);
            let replace = scalar(text, at, offset, end);
            starts.then_some(Context { path, part: Part::Value, replace })
        }
        (Some(at), Some(Kind::Item)) => {
            let replace = scalar(text, at, offset, end);
            let colon = text[replace.end..end].starts_with(':');
            let siblings = siblings(&lines, row, here.content_column(&marks), true);
            let part = if colon { Part::Key { siblings, colon } } else { Part::Element };
            text[at..offset].starts_with(' ').then_some(Context { path, part, replace })
        }
        _ => {
            let column = here.content_column(&marks);
            let replace = scalar(text, start, offset, end);
            if text[replace.start..offset].contains(' ') {
                return None;
            }
            let colon = text[replace.end..end].starts_with(':');
            let siblings = siblings(&lines, row, column, false);
            Some(Context { path, part: Part::Key { siblings, colon }, replace })
        }
    }
}

/// The steps to the cursor by the lines above it, and where the brackets open that it is in, if those started on
/// a line above. `None` in a block of text.
fn path(above: &[Line<'_>], here: &Line<'_>, marks: &[Mark]) -> Option<(Vec<Step>, Option<usize>)> {
    let mut path: Vec<Step> = marks.iter().rev().map(Mark::step).collect();
    let mut column = marks.first().map_or_else(|| here.content_start(), |mark| mark.column);
    let mut is_item = matches!(marks.first(), Some(Mark { kind: Kind::Item, .. }));
    let mut brackets = None;
    for line in above.iter().rev().filter(|line| !line.is_blank()) {
        for mark in line.marks().iter().rev() {
            // The dashes of a list may stand right below its key.
            let is_key = matches!(mark.kind, Kind::Key(_));
            if mark.column > column || mark.column == column && !(is_key && is_item) {
                continue;
            }
            let rest = line.text[mark.end..].trim_start();
            if is_key && rest.starts_with(['|', '>']) {
                return None;
            }
            if rest.starts_with(['{', '[']) && is_open(rest) {
                // What lies between is inside of these brackets, whatever it looks like.
                brackets = Some(line.start + mark.end);
                path.clear();
            }
            path.push(mark.step());
            column = mark.column;
            is_item = !is_key;
        }
    }
    path.reverse();
    Some((path, brackets))
}

/// Whether more brackets open on a line than close.
fn is_open(line: &str) -> bool {
    let count = |brackets: [char; 2]| line.matches(brackets).count();
    count(['{', '[']) > count(['}', ']'])
}

/// The keys beside the one on `row`, at the same column and in the same mapping.
fn siblings(lines: &[Line<'_>], row: usize, column: usize, first: bool) -> Vec<String> {
    let mut found = Vec::new();
    let mut take = |line: &Line<'_>| -> bool {
        if line.is_blank() {
            return true;
        }
        let marks = line.marks();
        if line.content_start() > column {
            return true;
        }
        let own = marks.iter().find(|mark| mark.column == column);
        if let Some(Mark { kind: Kind::Key(key), .. }) = own {
            found.push(key.clone());
        }
        // A dash before the key starts the mapping; anything further left is outside.
        line.content_start() == column && own.is_some()
    };
    if !first {
        let _ = lines[..row].iter().rev().all(&mut take);
    }
    let below = lines.get(row + 1..).unwrap_or_default();
    let _ = below.iter().all(|line| {
        let starts_another = !line.is_blank() && line.content_start() < column;
        !starts_another && take(line)
    });
    found
}

/// Within brackets that open at `at` or behind it, as the value of what `path` leads to.
fn in_brackets(text: &str, at: usize, offset: usize, mut path: Vec<Step>) -> Option<Context> {
    struct Open {
        list: bool,
        key: Option<String>,
        keys: Vec<String>,
        /// Where the piece that is being written starts.
        piece: usize,
        in_value: bool,
    }
    let mut open: Vec<Open> = Vec::new();
    let mut quote: Option<char> = None;
    for (index, c) in text[at..offset].char_indices().map(|(index, c)| (at + index, c)) {
        if let Some(mark) = quote {
            if c == mark {
                quote = None;
            }
            continue;
        }
        match c {
            '"' | '\'' => quote = Some(c),
            '{' | '[' => open.push(Open {
                list: c == '[',
                key: None,
                keys: Vec::new(),
                piece: index + 1,
                in_value: false,
            }),
            '}' | ']' => _ = open.pop(),
            ',' => {
                if let Some(top) = open.last_mut() {
                    top.key = None;
                    top.piece = index + 1;
                    top.in_value = false;
                }
            }
            ':' => {
                if let Some(top) = open.last_mut().filter(|top| !top.list && !top.in_value) {
                    let key = text[top.piece..index].trim().trim_matches(['"', '\'']).to_owned();
                    top.keys.push(key.clone());
                    top.key = Some(key);
                    top.piece = index + 1;
                    top.in_value = true;
                }
            }
            _ => {}
        }
    }
    for level in &open {
        if level.list {
            path.push(Step::Item);
        } else if let Some(key) = &level.key {
            path.push(Step::Key(key.clone()));
        }
    }
    let top = open.last()?;
    let end = text[offset..].find('\n').map_or(text.len(), |newline| offset + newline);
    let replace = scalar(text, top.piece, offset, end);
    if top.list || top.in_value {
        return Some(Context { path, part: Part::Value, replace });
    }
    let rest = &text[replace.end..end];
    let after = rest.split(['}', '{']).next().unwrap_or_default();
    let later = after.split(',').skip(1).filter_map(|piece| piece.split_once(':'));
    let siblings = top.keys.iter().cloned().chain(later.map(|(key, _)| key.trim().to_owned())).collect();
    Some(Context { path, part: Part::Key { siblings, colon: rest.starts_with(':') }, replace })
}

/// What is written between `from` and the cursor, and the rest of the word there; without an opening quote.
fn scalar(text: &str, from: usize, offset: usize, end: usize) -> Range<usize> {
    let written = &text[from..offset];
    let blank = written.len() - written.trim_start().len();
    let quote = usize::from(written[blank..].starts_with(['"', '\'']));
    let fits = |c: &char| c.is_alphanumeric() || "._/+-".contains(*c);
    let after: usize = text[offset..end].chars().take_while(fits).map(char::len_utf8).sum();
    from + blank + quote..offset + after
}

/// Whether a `#` before the cursor starts a comment.
fn is_commented(before: &str) -> bool {
    before.trim_start().starts_with('#') || before.contains(" #")
}

#[derive(Debug, Clone, Copy)]
struct Line<'a> {
    /// In the text, in bytes.
    start: usize,
    /// Without its end.
    text: &'a str,
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Key(String),
    Item,
}

/// A `- ` or `key:` at the start of a line.
#[derive(Debug, PartialEq, Eq)]
struct Mark {
    column: usize,
    /// Behind the dash or colon.
    end: usize,
    kind: Kind,
}

impl Mark {
    fn step(&self) -> Step {
        match &self.kind {
            Kind::Key(key) => Step::Key(key.clone()),
            Kind::Item => Step::Item,
        }
    }
}

fn lines(text: &str) -> Vec<Line<'_>> {
    let mut start = 0;
    let mut lines = Vec::new();
    for line in text.split('\n') {
        lines.push(Line { start, text: line.strip_suffix('\r').unwrap_or(line) });
        start += line.len() + 1;
    }
    lines
}

impl Line<'_> {
    fn is_blank(&self) -> bool {
        let text = self.text.trim_start();
        text.is_empty() || text.starts_with('#')
    }

    fn content_start(&self) -> usize {
        self.text.len() - self.text.trim_start_matches(' ').len()
    }

    /// The dashes and the key that the line starts with.
    fn marks(&self) -> Vec<Mark> {
        let mut marks = Vec::new();
        let mut at = self.content_start();
        while let Some(rest) = self.text[at..].strip_prefix('-') {
            if !rest.is_empty() && !rest.starts_with(' ') {
                return marks;
            }
            marks.push(Mark { column: at, end: at + 1, kind: Kind::Item });
            at += 1 + rest.len() - rest.trim_start_matches(' ').len();
        }
        let rest = &self.text[at..];
        if rest.starts_with(['{', '[', '#', '|', '>']) {
            return marks;
        }
        // A colon ends a key if a blank or the line's end follows.
        let colon = rest.match_indices(':').map(|(index, _)| index).find(|index| {
            let after = &rest[index + 1..];
            after.is_empty() || after.starts_with(' ')
        });
        if let Some(colon) = colon {
            let key = rest[..colon].trim().trim_matches(['"', '\'']).to_owned();
            marks.push(Mark { column: at, end: at + colon + 1, kind: Kind::Key(key) });
        }
        marks
    }

    /// The column of a key that would stand here: behind the dashes.
    fn content_column(&self, marks: &[Mark]) -> usize {
        match marks.last() {
            Some(Mark { kind: Kind::Key(_), column, .. }) => *column,
            Some(mark) => {
                let rest = &self.text[mark.end..];
                mark.end + rest.len() - rest.trim_start_matches(' ').len()
            }
            None => self.content_start(),
        }
    }
}

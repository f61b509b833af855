//! Which line of a script is at fault: the place where a shell gives up is often far behind it.
//!
//! A quote that lacks its partner turns all that follows inside out, and a block without its end takes
//! in the ends of others. Both show by how people write: quotes do not begin or end inside words, and
//! the end of a block stands where its beginning is indented to.

use super::syntax::{Kind, Open, Parser, Wrong};
use super::word::is_break;

/// What is wrong with a script's syntax, by byte ranges in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::check) struct ShellFault {
    pub message: String,
    /// The place to look at first.
    pub label: Label,
    /// What else is part of it.
    pub others: Vec<Label>,
    /// Nothing in the script keeps the shell from seeing it as it was read here.
    pub sure: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::check) struct Label {
    pub start: usize,
    pub end: usize,
    pub text: String,
}

/// Works out what is at fault. The parser is as it was when it stopped.
pub(super) fn blame(parser: &Parser<'_>, wrong: &Wrong) -> ShellFault {
    let text = parser.text;
    let at_end = wrong.at >= text.len();
    let innermost = parser.open.last().copied();
    let quote = misplaced_quote(parser, wrong.at);
    let sure = is_sure(parser, wrong.at);
    if let Some(open) = innermost.filter(|open| !open.kind.is_block() && at_end) {
        let shown = shown(text, open.start, open.start + open.length);
        let mut fault = ShellFault {
            message: format!("nothing closes this `{shown}`"),
            label: Label {
                start: open.start,
                end: open.start + open.length,
                text: format!("a `{}` is missing", open.kind.closer()),
            },
            others: Vec::new(),
            sure,
        };
        if let Some((start, _)) = quote.filter(|(start, _)| *start != open.start) {
            let label = Label { start, end: start + 1, text: "perhaps this quote lacks its partner".into() };
            fault.others.push(std::mem::replace(&mut fault.label, label));
        }
        return fault;
    }
    let found = if at_end { None } else { Some(shown(text, wrong.at, wrong.end)) };
    let message = match (&found, wrong.wanted, innermost) {
        (None, _, Some(open)) => {
            format!("nothing closes this `{}`", shown(text, open.start, open.start + open.length))
        }
        (None, wanted, None) => format!("the script ends where {} has to follow", thing(wanted)),
        (Some(found), Some(wanted), _) if wanted.starts_with(|c: char| c != 'a' || wanted == "and") => {
            format!("expected `{wanted}`, found `{found}`")
        }
        (Some(found), Some(wanted), _) => format!("expected {wanted}, found `{found}`"),
        (Some(found), None, _) => format!("`{found}` cannot stand here"),
    };
    let mut labels = Vec::new();
    if let Some((start, _)) = quote {
        labels.push(Label { start, end: start + 1, text: "perhaps this quote lacks its partner".into() });
    }
    if let Some((open, gap)) = lacks_its_end(parser, wrong) {
        labels.push(Label {
            start: gap,
            end: gap + 1,
            text: format!("a `{}` seems to be missing here", open.kind.closer()),
        });
        labels.push(Label { start: open.start, end: open.start + open.length, text: "for this".into() });
    } else if let Some(extra) = doubled_end(parser) {
        labels.push(Label { start: extra.0, end: extra.1, text: "perhaps one too many".into() });
    }
    if !at_end {
        let gap = gap(text, parser.last_end, wrong.at);
        if let Some(gap) = gap {
            labels.push(Label { start: gap, end: gap + 1, text: missing(wrong) });
        }
        let text = if labels.is_empty() && wrong.wanted.is_some() {
            missing(wrong)
        } else {
            "found here".to_owned()
        };
        labels.push(Label { start: wrong.at, end: wrong.end.min(parser.text.len()), text });
        if found.as_deref() == Some(")")
            && let Some(line) = line_that_ends_in(parser.text, wrong.at)
        {
            labels.push(Label { start: line.0, end: line.1, text: "is a `case` missing here?".into() });
        }
    }
    if let Some(open) = innermost.filter(|open| !labels.iter().any(|label| label.start == open.start)) {
        labels.push(Label {
            start: open.start,
            end: open.start + open.length,
            text: format!("is open since here, and ends with `{}`", open.kind.closer()),
        });
    }
    if labels.is_empty() {
        let end = parser.last_end.min(text.len());
        labels.push(Label { start: end.saturating_sub(1), end, text: "the script ends here".into() });
    }
    let label = labels.remove(0);
    ShellFault { message, label, others: labels, sure }
}

/// Whether a shell is sure to come across what is wrong: it reads a script command by command, so that
/// one which ends it may hide the rest; aliases and extended globs change what is read; and shells other
/// than bash lack some of its reserved words.
fn is_sure(parser: &Parser<'_>, at: usize) -> bool {
    let before = String::from_utf8_lossy(&parser.text[..at.min(parser.text.len())]);
    let ends = before.lines().any(|line| {
        // Quotes do not keep a shell from seeing a word: pip's wrappers begin with `'''exec'`.
        let first = line.split([' ', ';', '\t']).next().unwrap_or_default().replace(['\'', '"'], "");
        matches!(&*first, "exit" | "exec" | "return")
    });
    let other = parser.posix
        && before
            .split(|c: char| c.is_whitespace() || c == ';')
            .any(|word| matches!(word, "[[" | "select" | "function" | "coproc" | "time"));
    !ends && !other && !parser.extglob && !before.contains("expand_aliases")
}

fn missing(wrong: &Wrong) -> String {
    match wrong.wanted {
        Some(wanted) if wanted.starts_with("a ") || wanted.starts_with("an ") => {
            format!("{wanted} is missing here")
        }
        Some(wanted) => format!("a `{wanted}` is missing here"),
        None => "something is missing between here and there".to_owned(),
    }
}

fn thing(wanted: Option<&'static str>) -> String {
    match wanted {
        Some(wanted) if wanted.starts_with("a ") || wanted.starts_with("an ") => wanted.to_owned(),
        Some(wanted) => format!("`{wanted}`"),
        None => "a command".to_owned(),
    }
}

/// The text of a range, on one line.
fn shown(text: &[u8], start: usize, end: usize) -> String {
    let end = end.min(text.len()).min(start + 40);
    let shown = String::from_utf8_lossy(text.get(start..end).unwrap_or_default()).into_owned();
    match shown.as_str() {
        "\n" => "end of the line".to_owned(),
        _ => shown,
    }
}

/// The first quotes over several lines that begin or end inside a word: behind them inside and outside
/// have changed places.
fn misplaced_quote(parser: &Parser<'_>, before: usize) -> Option<(usize, usize)> {
    let text = parser.text;
    let word = |byte: Option<&u8>| {
        byte.is_some_and(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'/' | b'$' | b'.' | b'\\')
        })
    };
    let mut quotes: Vec<(usize, usize)> = parser.quotes.clone();
    quotes.extend(
        parser
            .open
            .iter()
            .filter(|open| matches!(open.kind, Kind::Single | Kind::Double | Kind::Backtick))
            .map(|open| (open.start, text.len())),
    );
    quotes.sort_unstable();
    quotes.into_iter().filter(|(start, _)| *start < before).find(|&(start, end)| {
        text.get(start..end).is_some_and(|inside| inside.contains(&b'\n'))
            && (word(text.get(end + 1)) || start > 0 && word(text.get(start - 1)) && text[start - 1] != b'$')
    })
}

/// A block whose end seems to be missing, and where it would have stood: one that is open or was ended
/// by a word that is indented less, behind which a line is not indented as its inside is.
fn lacks_its_end(parser: &Parser<'_>, wrong: &Wrong) -> Option<(Open, usize)> {
    let text = parser.text;
    let suspect = |open: &Open, closer: usize| {
        let own = indentation(text, open.start)?;
        let end = indentation(text, closer)?;
        (first_on_line(text, closer) && end < own).then_some(*open)
    };
    let ended = parser.closed.iter().find_map(|(open, closer)| suspect(open, *closer));
    let open = ended.or_else(|| {
        let at_end = wrong.at >= text.len();
        parser
            .open
            .iter()
            .rev()
            .filter(|open| open.kind.is_block())
            .find(|open| {
                at_end
                    || first_on_line(text, wrong.at)
                        && indentation(text, wrong.at)
                            .zip(indentation(text, open.start))
                            .is_some_and(|(a, b)| a < b)
            })
            .copied()
            .or_else(|| parser.open.iter().rev().find(|open| open.kind.is_block() && at_end).copied())
    })?;
    let own = indentation(text, open.start)?;
    let limit = wrong.at.min(text.len());
    let mut at = line_end(text, open.start) + 1;
    let mut last_inside = line_end(text, open.start);
    while at < limit {
        let end = line_end(text, at);
        let line = &text[at..end];
        let content = line.iter().position(|byte| !matches!(byte, b' ' | b'\t'));
        if let Some(content) = content
            && line[content] != b'#'
        {
            let continues = ["else", "elif", "then", "do", "{", ";;", "in"]
                .iter()
                .any(|word| line[content..].starts_with(word.as_bytes()));
            if content <= own && !continues {
                let behind = gap(text, last_inside, at + content);
                return Some((open, behind.unwrap_or(at + content)));
            }
            last_inside = end;
        }
        at = end + 1;
    }
    let behind = gap(text, last_inside, limit);
    Some((open, behind.unwrap_or_else(|| last_inside.saturating_sub(1))))
}

/// The second of two equal words on a line of which both end something.
fn doubled_end(parser: &Parser<'_>) -> Option<(usize, usize)> {
    let text = parser.text;
    parser.closed.iter().find_map(|(open, closer)| {
        let word = open.kind.closer().as_bytes();
        let start = line_start(text, *closer);
        let before = text[start..*closer].trim_ascii_end();
        let before = before.strip_suffix(b";").unwrap_or(before).trim_ascii_end();
        let twice = before.ends_with(word) && before.trim_ascii_start() == word;
        (twice && line_start(text, open.start) != start).then(|| (*closer, closer + word.len()))
    })
}

/// Where something is missing between two tokens on different lines: a line that is blank and yet has
/// blanks, where a word may have stood, else the end of the first.
fn gap(text: &[u8], from: usize, to: usize) -> Option<usize> {
    let between = text.get(from..to)?;
    if !between.contains(&b'\n') {
        return None;
    }
    let mut at = from;
    for line in between.split(|byte| *byte == b'\n') {
        let own_line = at > from && at + line.len() < to;
        if own_line && line.trim_ascii().is_empty() {
            return Some(at);
        }
        at += line.len() + 1;
    }
    Some(from.saturating_sub(1))
}

/// The last word `in` at the end of a line above, where a `case` would have ended its first line.
fn line_that_ends_in(text: &[u8], before: usize) -> Option<(usize, usize)> {
    let mut end = line_start(text, before);
    for _ in 0..3 {
        end = end.checked_sub(1)?;
        let start = line_start(text, end);
        let line = text[start..end].trim_ascii();
        if line.ends_with(b" in") {
            return Some((start, end));
        }
        end = start;
    }
    None
}

fn line_start(text: &[u8], at: usize) -> usize {
    text[..at.min(text.len())].iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1)
}

fn line_end(text: &[u8], at: usize) -> usize {
    let at = at.min(text.len());
    text[at..].iter().position(|byte| *byte == b'\n').map_or(text.len(), |length| at + length)
}

/// How far the line of a place is indented.
fn indentation(text: &[u8], at: usize) -> Option<usize> {
    let start = line_start(text, at);
    text.get(start..)?.iter().position(|byte| !matches!(byte, b' ' | b'\t'))
}

fn first_on_line(text: &[u8], at: usize) -> bool {
    let start = line_start(text, at);
    text.get(start..at).is_some_and(|before| before.iter().all(|byte| is_break(*byte)))
}

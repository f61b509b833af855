//! What must hold for any input. Each function takes any bytes, and panics where something does not
//! hold: `cargo fuzz run NAME` looks for such bytes, `tests/lang/corpus.rs` repeats those that were kept.

mod client;
mod hostile;
mod session;

use std::cell::RefCell;

use imgfile::check::{Checked, Files as _, MemoryFiles, check as check_files};
use imgfile::diagnostic::Diagnostic;
use imgfile::ide::{FrontCache, analyse};
use imgfile::report;
use imgfile::syntax::{self, Item, Operand, OperandKind, OptionItem, Statement};
use imgfile::text::{SourceId, Sources, Span};

pub use hostile::{disk, guest, image, index, lock};
pub use session::lsp;

/// Longer inputs cost time and find nothing new; those have tests of their own.
const MOST: usize = 16 << 10;

fn text_of(data: &[u8]) -> Option<String> {
    (data.len() <= MOST).then(|| String::from_utf8_lossy(data).into_owned())
}

/// Parsing is total: every span of the tree lies on whole characters of the text, in its parent, and
/// items follow each other.
pub fn parse(data: &[u8]) {
    let Some(text) = text_of(data) else { return };
    let ast = syntax::parse(SourceId(0), &text);
    let whole = Span::new(SourceId(0), 0, text.len().try_into().expect("inputs are small"));
    items(&ast.items, whole, &text);
}

fn within(span: Span, outer: Span, text: &str) {
    assert!(outer.start <= span.start && span.end <= outer.end, "{span:?} lies outside of {outer:?}");
    assert!(text.get(span.start as usize..span.end as usize).is_some(), "{span:?} cuts a character");
}

fn items(items: &[Item], outer: Span, text: &str) {
    let mut end = outer.start;
    for item in items {
        let span = item.span();
        within(span, outer, text);
        assert!(span.start >= end, "{span:?} starts before the item above it has ended");
        if let Item::Statement(one) | Item::Bad(one) = item {
            statement(one, text);
            // A comment may stand in the middle of a statement, behind a heredoc's marker.
            end = span.start;
        } else {
            end = span.end;
        }
    }
}

fn statement(statement: &Statement, text: &str) {
    within(statement.keyword, statement.span, text);
    for one in &statement.operands {
        within(one.span, statement.span, text);
        operand(one, text);
    }
    if let Some(body) = &statement.body {
        within(body.span, statement.span, text);
        items(&body.items, body.span, text);
    }
}

fn operand(one: &Operand, text: &str) {
    match &one.kind {
        OperandKind::List(list) => {
            for item in &list.items {
                within(item.span, one.span, text);
                operand(item, text);
            }
        }
        OperandKind::Options(options) => {
            for item in &options.items {
                within(item.span(), one.span, text);
                if let OptionItem::Entry(entry) = item {
                    within(entry.key.span, entry.span, text);
                    if let Some(value) = &entry.value {
                        within(value.span, entry.span, text);
                        operand(value, text);
                    }
                }
            }
        }
        OperandKind::Heredoc(heredoc) => {
            let whole = Span::new(one.span.source, 0, text.len().try_into().expect("inputs are small"));
            within(heredoc.body, whole, text);
        }
        _ => {}
    }
}

/// The input is an ImageFile and, after zero bytes, an included file, a script and a catalogue file.
fn project(data: &[u8]) -> MemoryFiles {
    let names = ["ImageFile", "part.imagefile", "run.sh", "catalog/apps/own.yaml"];
    let files = MemoryFiles::new().with("site/index.html", "hello");
    data.splitn(names.len(), |byte| *byte == 0)
        .zip(names)
        .fold(files, |files, (bytes, name)| files.with(name, bytes))
}

thread_local! {
    /// The built-in catalogue, which is the same for every input.
    static SHELF: RefCell<Option<FrontCache>> = const { RefCell::new(None) };
}

/// Checking and resolving answers for anything, every finding points at text, every renderer writes
/// what its readers can read, and a repaired file is one that can be checked again.
pub fn check(data: &[u8]) {
    if data.len() > MOST {
        return;
    }
    let files = project(data);
    let analysis = if files.kind("catalog").is_ok() {
        analyse("ImageFile", &files, &mut None)
    } else {
        SHELF.with_borrow_mut(|shelf| analyse("ImageFile", &files, shelf))
    };
    rendered(&analysis.diagnostics, &analysis.sources);
    for (_, text) in report::fixed(&analysis.diagnostics, &analysis.sources) {
        let mut sources = Sources::default();
        check_files("ImageFile", &mut sources, &MemoryFiles::new().with("ImageFile", text), &[]);
    }
}

fn rendered(found: &[Diagnostic], sources: &Sources) {
    for diagnostic in found {
        assert!(!diagnostic.message.is_empty());
        for label in &diagnostic.labels {
            let _ = sources.slice(label.span);
        }
    }
    let shown = report::human(found, sources, false);
    assert_eq!(shown.is_empty(), found.is_empty());
    let every = || std::iter::once((found, sources));
    for written in [report::json(every()), report::sarif(every())] {
        let read: Result<serde_json::Value, _> = serde_json::from_str(&written);
        assert!(read.is_ok(), "{written}");
    }
    let lines = report::github(every());
    assert!(lines.lines().all(|line| line.starts_with("::")), "{lines}");
}

/// Formatting settles at once, and changes nothing of what a file means.
pub fn fmt(data: &[u8]) {
    let Some(text) = text_of(data) else { return };
    let format = |text: &str| syntax::format(&syntax::parse(SourceId(0), text), text);
    let once = format(&text);
    assert_eq!(format(&once), once, "formatting again changes it");
    let (before, after) = (checked(&text), checked(&once));
    let codes = |checked: &Checked| -> Vec<&str> {
        let mut codes: Vec<_> = checked.diagnostics.iter().map(|found| found.code.as_str()).collect();
        codes.sort_unstable();
        codes
    };
    if !before.has_errors() {
        assert_eq!(codes(&before), codes(&after), "formatting changed what is wrong:\n{text}\n{once}");
    }
}

fn checked(text: &str) -> Checked {
    check_files("ImageFile", &mut Sources::default(), &MemoryFiles::new().with("ImageFile", text), &[])
}

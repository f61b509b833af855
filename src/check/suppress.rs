//! The last step of a check: doubles out, silenced warnings out, the rest in order.

use std::collections::{HashMap, HashSet};

use crate::diagnostic::{Code, Diagnostic, codes};
use crate::text::{SourceId, Sources, Span};

/// Most findings of one check: nobody reads more, and a file of rubbish could have a million.
const LIMIT: usize = 1_000;

/// Doubles out, silenced warnings out, the rest in order of place. Settling again changes nothing.
#[must_use]
pub fn finished(mut found: Vec<Diagnostic>, sources: &Sources) -> Vec<Diagnostic> {
    let mut seen = HashSet::new();
    // What is unused or unset may be named where something was not understood.
    let absences = [codes::UNUSED_PARAM, codes::UNUSED_PROFILE, codes::UNUSED_SECRET, codes::UNSET_VARIABLE];
    if found.iter().any(hides_a_use) {
        found.retain(|diagnostic| !absences.contains(&diagnostic.code));
    }
    let mut suppressions = Suppressions { sources, lines: HashMap::new() };
    found.retain(|diagnostic| {
        let double = !seen.insert((diagnostic.code, diagnostic.span(), diagnostic.message.clone()));
        !double && (diagnostic.is_error() || !suppressions.covers(diagnostic))
    });
    let place = |diagnostic: &Diagnostic| diagnostic.span().map(|span| (span.source, span.start, span.end));
    if found.len() > LIMIT {
        // Errors must not become none by being cut off.
        found.sort_by_key(|diagnostic| (!diagnostic.is_error(), place(diagnostic)));
        found.truncate(LIMIT);
        if let Some(last) = found.last_mut() {
            last.notes.push(format!("there is more: only {LIMIT} findings are shown"));
        }
    }
    found.sort_by_key(place);
    found
}

/// Whether behind this defect there may be a use of a param, profile, secret or variable that cannot be
/// seen: broken or missing text, a name that may be meant to be it, a file that was not read, a value that
/// may have been one, or that is missing for it.
fn hides_a_use(diagnostic: &Diagnostic) -> bool {
    const HIDE: [Code; 17] = [
        codes::UNKNOWN_KEY,
        codes::NOT_A_SIZE,
        codes::NOT_A_DURATION,
        codes::NOT_A_MODE,
        codes::NOT_A_VERSION,
        codes::NOT_A_NUMBER,
        codes::NOT_A_CHOICE,
        codes::NOT_FOUND,
        codes::UNKNOWN_PARAM,
        codes::PARAM_VALUE,
        codes::UNKNOWN_PROFILE,
        codes::UNKNOWN_SECRET,
        codes::BAD_OPTION,
        // The statement is left out, with the secrets it asks for.
        codes::NO_SHEBANG,
        codes::SHEBANG_ARGUMENTS,
        codes::SHEBANG_COMMENT,
        codes::SCRIPT_ENCODING,
    ];
    diagnostic.code.as_str().starts_with("E01") || HIDE.contains(&diagnostic.code)
}

/// The codes that comments name, line by line. Each line is looked at once: it may be as long as a file, and
/// have thousands of warnings.
struct Suppressions<'s> {
    sources: &'s Sources,
    lines: HashMap<(SourceId, u32), HashSet<&'s str>>,
}

impl Suppressions<'_> {
    /// A warning is silenced by a comment that names its code, on a line it points at.
    fn covers(&mut self, diagnostic: &Diagnostic) -> bool {
        let code = diagnostic.code.as_str();
        diagnostic.labels.iter().any(|label| {
            let line = (label.span.source, self.sources.line_col(label.span).line);
            let named = self.lines.entry(line).or_insert_with(|| {
                let line = line_of(label.span, self.sources);
                let comments: Vec<&str> = if line.trim_start().starts_with("#!") {
                    below_shebang(label.span, self.sources)
                } else {
                    comment(line).into_iter().collect()
                };
                let words =
                    comments.into_iter().flat_map(|text| text.split(|c: char| !c.is_ascii_alphanumeric()));
                words.filter(|word| word.len() == code.len()).collect()
            });
            named.contains(code)
        })
    }
}

/// The lines of comments right below a shebang, which has no room for one: its interpreter would get it.
fn below_shebang(span: Span, sources: &Sources) -> Vec<&str> {
    let source = sources.get(span.source);
    let start = source.lines().line_start(source.lines().line_col(span.start).line + 1);
    let rest = start.and_then(|start| source.text.get(start as usize..)).unwrap_or_default();
    rest.lines().map_while(|line| line.trim_start().strip_prefix('#')).collect()
}

/// What follows the `#` of a line that stands in no quotes, in an ImageFile as in a shell script.
fn comment(line: &str) -> Option<&str> {
    let mut quote = None;
    let mut chars = line.char_indices();
    while let Some((at, c)) = chars.next() {
        match (quote, c) {
            (None, '#') => return line.get(at + 1..),
            (None, '"' | '\'') => quote = Some(c),
            (Some('"'), '\\') => _ = chars.next(),
            (Some(open), _) if open == c => quote = None,
            _ => {}
        }
    }
    None
}

fn line_of(span: Span, sources: &Sources) -> &str {
    let source = sources.get(span.source);
    let line = source.lines().line_col(span.start).line;
    let start = source.lines().line_start(line).unwrap_or(0) as usize;
    let end = source.lines().line_start(line + 1).map_or(source.text.len(), |next| next as usize);
    &source.text[start..end]
}

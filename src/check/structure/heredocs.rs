//! Heredocs: their markers, and where they end.

use super::Walk;
use crate::diagnostic::{Applicability, Diagnostic, codes};
use crate::syntax::Heredoc;
use crate::text::Span;

impl Walk<'_> {
    pub(super) fn heredoc(&mut self, heredoc: &Heredoc) {
        let tag = self.slice(heredoc.tag).to_owned();
        let written = self.slice(heredoc.marker).to_owned();
        if heredoc.quoted || heredoc.flavour == Some('~') {
            let dash = if heredoc.flavour.is_some() { "-" } else { "" };
            let fixed = format!("<<{dash}{tag}");
            let why = if heredoc.quoted {
                "a heredoc's tag is not quoted, since heredocs are never interpolated"
            } else {
                "`<<~` is not known; `<<-` strips the common indentation"
            };
            self.report(
                Diagnostic::new(codes::HEREDOC_MARKER, why)
                    .label(heredoc.marker, format!("write `{fixed}`"))
                    .fix(Applicability::Safe, format!("write `{fixed}`"), heredoc.marker, fixed),
            );
        }
        if heredoc.end.is_none() {
            self.out.swallowed = true;
            self.report(
                Diagnostic::new(
                    codes::HEREDOC_NOT_CLOSED,
                    format!("this heredoc has no line with `{tag}` alone"),
                )
                .label(heredoc.marker, format!("`{written}` ends at a line that holds only `{tag}`"))
                .help(format!("write `{tag}` on a line of its own below the text")),
            );
            return;
        }
        if let Some((opening, end)) = inner_use(self.slice(heredoc.body), &tag) {
            let at = |(start, len): (usize, usize)| {
                let start = heredoc.body.start + u32::try_from(start).unwrap_or(0);
                Span { start, end: start + u32::try_from(len).unwrap_or(0), ..heredoc.body }
            };
            self.report(
                Diagnostic::new(
                    codes::HEREDOC_TAG_INSIDE,
                    format!("the tag `{tag}` is used again inside its own heredoc"),
                )
                .label(at(opening), "used again here")
                .label(at(end), "so the outer heredoc would end here")
                .label(heredoc.marker, "the outer heredoc starts here")
                .help(format!("give the outer one another tag, such as `<<-{tag}_OUTER`")),
            );
        }
    }
}

/// Where a heredoc's body opens another with the same tag and where that one ends: offset and
/// length each.
fn inner_use(body: &str, tag: &str) -> Option<((usize, usize), (usize, usize))> {
    let mut opening = None;
    let mut offset = 0;
    for line in body.split_inclusive('\n') {
        if let Some(opening) = opening {
            if line.trim() == tag {
                let lead = line.len() - line.trim_start().len();
                return Some((opening, (offset + lead, tag.len())));
            }
        } else if let Some((at, len)) = marker_of(line, tag) {
            opening = Some((offset + at, len));
        }
        offset += line.len();
    }
    None
}

fn marker_of(line: &str, tag: &str) -> Option<(usize, usize)> {
    line.match_indices("<<").find_map(|(at, _)| {
        let rest = &line[at + 2..];
        let name = rest.trim_start_matches(['-', '~']).trim_start_matches(['"', '\'', '\\']);
        let after = name.strip_prefix(tag)?;
        let ends = !after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        ends.then(|| (at, 2 + rest.len() - name.len() + tag.len()))
    })
}

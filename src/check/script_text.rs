//! A script's text by itself, and where its lines stand.

use crate::syntax::Heredoc;
use crate::text::{Source, SourceId, Span};

/// A script's text, and how its offsets map to the file it stands in.
#[derive(Debug, Clone)]
pub(super) struct ScriptText {
    pub content: String,
    pub source: SourceId,
    /// Of each line: offset in the content, and in the source behind the stripped indentation.
    lines: Vec<(u32, u32)>,
}

impl ScriptText {
    /// A heredoc's text: line ends normalised, and with `<<-` the common indentation stripped.
    pub(super) fn of_heredoc(heredoc: &Heredoc, source: &Source) -> Self {
        let body = &source.text[heredoc.body.start as usize..heredoc.body.end as usize];
        let blank = |line: &str| line.trim().is_empty();
        let indent = |line: &str| line.len() - line.trim_start_matches([' ', '\t']).len();
        let strip = match heredoc.flavour {
            Some(_) => body.lines().filter(|line| !blank(line)).map(indent).min().unwrap_or(0),
            None => 0,
        };
        let (mut content, mut lines) = (String::with_capacity(body.len()), Vec::new());
        let mut offset = heredoc.body.start as usize;
        for line in body.split_inclusive('\n') {
            let stripped = strip.min(indent(line));
            lines.push((to_u32(content.len()), to_u32(offset + stripped)));
            let text = line[stripped..].trim_end_matches('\n');
            content.push_str(text.strip_suffix('\r').unwrap_or(text));
            content.push('\n');
            offset += line.len();
        }
        Self { content, source: heredoc.body.source, lines }
    }

    pub(super) fn of_file(source: SourceId, text: &str) -> Self {
        let lines = text.split_inclusive('\n').scan(0, |offset, line| {
            let start = to_u32(*offset);
            *offset += line.len();
            Some((start, start))
        });
        Self { content: text.to_owned(), source, lines: lines.collect() }
    }

    /// The place in the source of a range of the content; a range over several lines ends at its
    /// first.
    pub(super) fn span(&self, start: usize, end: usize) -> Span {
        let at = self.lines.partition_point(|(line, _)| *line as usize <= start).saturating_sub(1);
        let (line, place) = self.lines.get(at).copied().unwrap_or_default();
        let rest = self.content.get(start..end).unwrap_or_default();
        let len = rest.find('\n').unwrap_or(rest.len());
        let start = place + to_u32(start) - line;
        Span::new(self.source, start, start + to_u32(len))
    }
}

pub(super) fn to_u32(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

/// Whether a program is one of the shells whose grammar is known.
pub(super) fn is_shell(program: &str) -> bool {
    matches!(program, "sh" | "bash" | "dash" | "ksh")
}

//! The files a compilation looks at, held once and named by [`SourceId`].

use std::sync::{Arc, OnceLock};

use miette::{MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

use super::{LineCol, LineIndex, SourceId, Span};

/// One text with the name shown to the user.
#[derive(Debug, Clone)]
pub struct Source {
    /// Path as the user would write it, relative to the project; never absolute to this machine
    /// unless the user wrote it so.
    pub name: String,
    /// The whole content.
    pub text: String,
    /// Made when somebody asks: of most files of a catalogue nobody does.
    lines: OnceLock<LineIndex>,
}

impl Source {
    /// Where the lines start; counted at the first call.
    #[must_use]
    pub fn lines(&self) -> &LineIndex {
        self.lines.get_or_init(|| LineIndex::new(&self.text))
    }
}

impl SourceCode for Source {
    /// From the span's start, or that of the first line before it that is asked for, to the end of the last line.
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let end = span.offset().checked_add(span.len()).filter(|end| *end <= self.text.len());
        let end = end.ok_or(MietteError::OutOfBounds)?;
        let place = |offset: usize| self.lines().line_col(u32::try_from(offset).unwrap_or(u32::MAX));
        let start_of = |line: usize| {
            let start = u32::try_from(line).ok().and_then(|line| self.lines().line_start(line));
            start.map_or(self.text.len(), |start| start as usize)
        };
        let (first, last) = (place(span.offset()), place(end.saturating_sub(1).max(span.offset())));
        let (line, column, from) = if before == 0 {
            let line_start = self.text.as_bytes().get(start_of(first.line as usize)..span.offset());
            let column = String::from_utf8_lossy(line_start.unwrap_or_default()).chars().count();
            (first.line as usize, column, span.offset())
        } else {
            let line = (first.line as usize).saturating_sub(before);
            (line, 0, start_of(line))
        };
        let behind = (last.line as usize + 1).saturating_add(after);
        let to = start_of(behind);
        let lines = behind.min(self.lines().lines()) - line;
        Ok(Box::new(MietteSpanContents::new_named(
            self.name.clone(),
            &self.text.as_bytes()[from..to],
            (from, to - from).into(),
            line,
            column,
            lines,
        )))
    }
}

/// Every text that diagnostics may point into: ImageFiles, includes, scripts, catalogue files.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Shared by clones: an editor compiles after each keystroke, over the same catalogue.
    files: Vec<Arc<Source>>,
}

impl Sources {
    /// Takes a text in and names it.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> SourceId {
        let id = SourceId(u32::try_from(self.files.len()).unwrap_or(u32::MAX));
        let source = Source { name: name.into(), text: text.into(), lines: OnceLock::new() };
        self.files.push(Arc::new(source));
        id
    }

    /// Puts a folder before every name but the first `skip`, for a project that is not in the current
    /// folder; `images/web` before `../common.imagefile` is `images/common.imagefile`.
    pub fn prefix_names(&mut self, folder: &str, skip: u32) {
        for file in self.files.iter_mut().skip(skip as usize) {
            let file = Arc::make_mut(file);
            let (mut folder, mut name) = (folder.trim_end_matches('/'), file.name.as_str());
            while let Some(rest) = name.strip_prefix("../") {
                let (above, last) = folder.rsplit_once('/').unwrap_or(("", folder));
                if matches!(last, "" | "." | "..") || above.is_empty() && folder.starts_with('/') {
                    break;
                }
                (folder, name) = (above, rest);
            }
            file.name = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
        }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u32 {
        u32::try_from(self.files.len()).unwrap_or(u32::MAX)
    }

    /// The file of `id`; an id from another `Sources` is a defect of the caller and panics.
    #[must_use]
    pub fn get(&self, id: SourceId) -> &Source {
        &self.files[id.0 as usize]
    }

    /// The same file, to be kept.
    #[must_use]
    pub(crate) fn share(&self, id: SourceId) -> Arc<Source> {
        Arc::clone(&self.files[id.0 as usize])
    }

    /// The text under a span.
    #[must_use]
    pub fn slice(&self, span: Span) -> &str {
        &self.get(span.source).text[span.start as usize..span.end as usize]
    }

    /// Where a span starts.
    #[must_use]
    pub fn line_col(&self, span: Span) -> LineCol {
        self.get(span.source).lines().line_col(span.start)
    }

    /// All files with their ids, in the order they were added.
    pub fn iter(&self) -> impl Iterator<Item = (SourceId, &Source)> {
        self.files.iter().zip(0u32..).map(|(file, id)| (SourceId(id), &**file))
    }
}

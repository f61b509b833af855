//! Byte offsets to lines and columns, once per file.

/// A place as people and editors count it; both numbers start at 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineCol {
    /// Lines end at `
    /// `; a `\r` before it belongs to the line.
    pub line: u32,
    /// In bytes of UTF-8 from the start of the line.
    pub col: u32,
}

/// Where each line of a text starts.
#[derive(Debug, Clone)]
pub struct LineIndex {
    starts: Vec<u32>,
}

impl LineIndex {
    /// Indexes `text`; offsets beyond 4 GiB are not representable, inputs are bounded long before.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let newlines = text.bytes().zip(1u32..).filter(|(byte, _)| *byte == b'\n').map(|(_, next)| next);
        Self { starts: std::iter::once(0).chain(newlines).collect() }
    }

    /// Line and column of a byte offset.
    #[must_use]
    pub fn line_col(&self, offset: u32) -> LineCol {
        let line = self.starts.partition_point(|&start| start <= offset) - 1;
        LineCol { line: u32::try_from(line).unwrap_or(u32::MAX), col: offset - self.starts[line] }
    }

    /// Byte offset at which `line` starts, if there is such a line.
    #[must_use]
    pub fn line_start(&self, line: u32) -> Option<u32> {
        self.starts.get(line as usize).copied()
    }

    /// Number of lines, counting the one after a final newline.
    #[must_use]
    pub fn lines(&self) -> usize {
        self.starts.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_offset_has_a_line() {
        let index = LineIndex::new("ab\n\ncd");
        let place = |offset| (index.line_col(offset).line, index.line_col(offset).col);
        assert_eq!(
            [place(0), place(2), place(3), place(4), place(6)],
            [(0, 0), (0, 2), (1, 0), (2, 0), (2, 2)]
        );
        assert_eq!(index.lines(), 3);
    }
}

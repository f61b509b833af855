//! The difference between two texts as edits of whole lines.

use std::ops::Range;

use similar::{DiffTag, TextDiff};

/// What to put where, in byte ranges of `old`, to make it `new`: few edits, in order, apart.
#[must_use]
pub fn line_edits(old: &str, new: &str) -> Vec<(Range<usize>, String)> {
    if old == new {
        return Vec::new();
    }
    // Cut here: to the library a `\r` alone ends a line too.
    let lines = |text| -> Vec<&str> { str::split_inclusive(text, '\n').collect() };
    let (old_lines, new_lines) = (lines(old), lines(new));
    let diff = TextDiff::from_slices(&old_lines, &new_lines);
    let ends = |lines: &[&str]| -> Vec<usize> {
        let end = |at: &mut usize, line: &&str| {
            *at += line.len();
            Some(*at)
        };
        std::iter::once(0).chain(lines.iter().scan(0, end)).collect()
    };
    let (old_ends, new_ends) = (ends(&old_lines), ends(&new_lines));
    let changed = diff.ops().iter().filter(|op| op.tag() != DiffTag::Equal);
    changed
        .map(|op| {
            let (from, to) = (op.old_range(), op.new_range());
            (old_ends[from.start]..old_ends[from.end], new[new_ends[to.start]..new_ends[to.end]].to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::line_edits;

    #[test]
    fn only_what_changed() {
        assert_eq!(line_edits("a\nb\nc\n", "a\n  b\nc\n"), [(2..4, "  b\n".to_owned())]);
        assert_eq!(line_edits("a", "a\n"), [(0..1, "a\n".to_owned())]);
        assert_eq!(line_edits("a\n", "a\n"), []);
        assert_eq!(line_edits("a\rb\n c", "a\rb\nc"), [(4..6, "c".to_owned())]);
    }

    proptest! {
        #[test]
        fn the_edits_make_the_new_text(old in "[ab \r\n]{0,30}", new in "[ab \r\n]{0,30}") {
            let mut text = old.clone();
            for (range, with) in line_edits(&old, &new).into_iter().rev() {
                text.replace_range(range, &with);
            }
            prop_assert_eq!(text, new);
        }
    }
}

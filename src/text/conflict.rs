//! Markers that an unresolved merge leaves in a text.

use std::ops::Range;

/// The places of one conflict's markers, each a whole line without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// `<<<<<<< ours`
    pub start: Range<usize>,
    /// `=======`
    pub middle: Range<usize>,
    /// `>>>>>>> theirs`
    pub end: Range<usize>,
}

/// The conflicts of a text, in order. A marker alone is none: it may be an underline, or a quotation.
#[must_use]
pub fn conflicts(text: &str) -> Vec<Conflict> {
    let mut found = Vec::new();
    let (mut start, mut middle) = (None, None);
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let marker = line.trim_end();
        let place = at..at + marker.len();
        at += line.len();
        if is_marker(marker, '<') {
            (start, middle) = (Some(place), None);
        } else if marker == "=======" && start.is_some() {
            middle = Some(place);
        } else if is_marker(marker, '>')
            && let (Some(start), Some(middle)) = (start.take(), middle.take())
        {
            found.push(Conflict { start, middle, end: place });
        }
    }
    found
}

/// Seven times the sign, then nothing or a blank and a name.
fn is_marker(line: &str, sign: char) -> bool {
    let rest = line.trim_start_matches(sign);
    line.len() - rest.len() == 7 && (rest.is_empty() || rest.starts_with(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_markers_make_a_conflict() {
        let text = "a\n<<<<<<< HEAD\nb\n||||||| base\nc\n=======\r\nd\n>>>>>>> topic\ne\n";
        let places: Vec<(&str, &str, &str)> = conflicts(text)
            .into_iter()
            .map(|one| (&text[one.start], &text[one.middle], &text[one.end]))
            .collect();
        assert_eq!(places, [("<<<<<<< HEAD", "=======", ">>>>>>> topic")]);
    }

    #[test]
    fn markers_alone_are_none() {
        assert_eq!(conflicts("Title\n=======\n>>>>>>> quoted\n<<<<<<< x\n=======\n"), []);
        assert_eq!(conflicts("<<<<<<<< x\n=======\n>>>>>>>> y\n"), []);
    }
}

//! Versions of applications, bases and systems, and their order.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One to four numeric parts and an optional `-suffix`: `13`, `24.04`, `1.26.3`, `2.0-rc1`.
///
/// Missing parts are 0, so `1.26` and `1.26.0` are the same version, shown as written. A version
/// with a suffix sorts before the same version without it; suffixes compare naturally (`rc9` before
/// `rc10`).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version {
    parts: [u64; Self::PARTS],
    /// How many of the parts were written.
    written: u8,
    suffix: Option<String>,
    /// As written: `24.04` must not come back as `24.4`.
    text: String,
}

/// Why a text is not a version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// No number at all: an empty text, or one that begins with its suffix.
    #[error("a version has one to four numbers, such as `1.26.3`")]
    Empty,
    /// This part is none: the `x` of `1.x`.
    #[error("`{0}` is not a number; a version has one to four numbers, such as `1.26.3`")]
    NotANumber(String),
    /// So many numbers; [`Version::PARTS`] is the most.
    #[error("a version has at most four numbers, this one has {0}")]
    TooManyParts(usize),
    /// This number has too many digits.
    #[error("the number `{0}` is too large for a version")]
    TooLarge(String),
    /// What follows the numbers: the `rc_1` of `1.2-rc_1`.
    #[error("the suffix `{0}` may only hold letters, digits, dots, `+` and `-`, and not be empty")]
    BadSuffix(String),
}

impl Version {
    /// Most numeric parts a version can have.
    pub const PARTS: usize = 4;
    /// Longest number of digits in a part: every part fits a `u64` with room for one more.
    const DIGITS: usize = 18;

    /// A version of plain numbers; parts beyond the fourth are dropped.
    #[must_use]
    pub fn from_parts(parts: &[u64]) -> Self {
        let shown = &parts[..parts.len().clamp(0, Self::PARTS)];
        let mut all = [0; Self::PARTS];
        all[..shown.len()].copy_from_slice(shown);
        let text = if shown.is_empty() { "0".to_owned() } else { join(shown) };
        Self { parts: all, written: u8::try_from(shown.len().max(1)).unwrap_or(1), suffix: None, text }
    }

    /// The four parts, missing ones 0.
    #[must_use]
    pub const fn parts(&self) -> [u64; Self::PARTS] {
        self.parts
    }

    /// How many parts were written: 2 for `1.26`.
    #[must_use]
    pub const fn written(&self) -> usize {
        self.written as usize
    }

    /// The text behind the `-`, if there is one.
    #[must_use]
    pub fn suffix(&self) -> Option<&str> {
        self.suffix.as_deref()
    }

    /// The version as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first version, suffixed ones of the next included, that no longer shares the first
    /// `keep` parts: for `1.26.3` and 2 it lies before every `1.27-…`.
    #[must_use]
    pub(crate) fn end_of_prefix(&self, keep: usize) -> Self {
        let keep = keep.clamp(1, Self::PARTS);
        let mut parts = [0; Self::PARTS];
        parts[..keep].copy_from_slice(&self.parts[..keep]);
        parts[keep - 1] += 1;
        // The empty suffix, which no text parses to, sorts before every other.
        Self { parts, written: self.written, suffix: Some(String::new()), text: join(&parts[..keep]) }
    }
}

fn join(parts: &[u64]) -> String {
    parts.iter().map(u64::to_string).collect::<Vec<_>>().join(".")
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        if let Some((parts, written)) = plain(text) {
            return Ok(Self { parts, written, suffix: None, text: text.to_owned() });
        }
        let (numbers, suffix) = match text.split_once('-') {
            Some((numbers, suffix)) => (numbers, Some(suffix)),
            None => (text, None),
        };
        if numbers.is_empty() {
            return Err(VersionError::Empty);
        }
        let count = numbers.split('.').count();
        if count > Self::PARTS {
            return Err(VersionError::TooManyParts(count));
        }
        let mut parts = [0; Self::PARTS];
        for (part, slot) in numbers.split('.').zip(&mut parts) {
            if part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit()) {
                return Err(VersionError::NotANumber(part.to_owned()));
            }
            if part.trim_start_matches('0').len() > Self::DIGITS {
                return Err(VersionError::TooLarge(part.to_owned()));
            }
            *slot = part.parse().map_err(|_| VersionError::TooLarge(part.to_owned()))?;
        }
        if let Some(suffix) = suffix {
            let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'+' | b'-');
            if suffix.is_empty() || !suffix.bytes().all(fits) {
                return Err(VersionError::BadSuffix(suffix.to_owned()));
            }
        }
        Ok(Self {
            parts,
            written: u8::try_from(count).unwrap_or(1),
            suffix: suffix.map(str::to_owned),
            text: text.to_owned(),
        })
    }
}

/// The parts of a version of a few plain numbers, and how many they are, in one pass: a large catalogue has a
/// hundred thousand of them. `None` for everything else, wrong or not.
fn plain(text: &str) -> Option<([u64; Version::PARTS], u8)> {
    let mut parts = [0; Version::PARTS];
    let (mut part, mut digits) = (0, 0);
    for byte in text.bytes() {
        match byte {
            b'0'..=b'9' if digits < Version::DIGITS => {
                parts[part] = parts[part] * 10 + u64::from(byte - b'0');
                digits += 1;
            }
            b'.' if digits > 0 && part + 1 < Version::PARTS => (part, digits) = (part + 1, 0),
            _ => return None,
        }
    }
    (digits > 0).then_some((parts, u8::try_from(part + 1).unwrap_or(1)))
}

impl TryFrom<String> for Version {
    type Error = VersionError;

    fn try_from(text: String) -> Result<Self, VersionError> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.text
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.parts == other.parts && self.suffix == other.suffix
    }
}

impl Eq for Version {}

impl Hash for Version {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts.hash(state);
        self.suffix.hash(state);
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.parts.cmp(&other.parts).then_with(|| match (&self.suffix, &other.suffix) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(a), Some(b)) => natural(a, b).then_with(|| a.cmp(b)),
        })
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Compares runs of digits as numbers and everything else by bytes.
fn natural(mut a: &str, mut b: &str) -> Ordering {
    loop {
        if a.is_empty() || b.is_empty() {
            return a.len().cmp(&b.len());
        }
        let (run_a, rest_a) = first_run(a);
        let (run_b, rest_b) = first_run(b);
        let order = if run_a.as_bytes()[0].is_ascii_digit() && run_b.as_bytes()[0].is_ascii_digit() {
            let (x, y) = (run_a.trim_start_matches('0'), run_b.trim_start_matches('0'));
            x.len().cmp(&y.len()).then_with(|| x.cmp(y))
        } else {
            run_a.cmp(run_b)
        };
        if order != Ordering::Equal {
            return order;
        }
        (a, b) = (rest_a, rest_b);
    }
}

/// Splits off the longest run of digits, or of anything else; `text` is not empty.
fn first_run(text: &str) -> (&str, &str) {
    let digit = text.as_bytes()[0].is_ascii_digit();
    let end = text.bytes().position(|b| b.is_ascii_digit() != digit).unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Version, VersionError};

    fn v(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn the_order_of_the_language() {
        let sorted =
            ["0", "0.9", "1-rc1", "1-rc9", "1-rc10", "1", "1.0.0.1", "1.2", "1.10", "24.04", "24.10"];
        for (i, a) in sorted.iter().enumerate() {
            for (j, b) in sorted.iter().enumerate() {
                assert_eq!(v(a).cmp(&v(b)), i.cmp(&j), "{a} against {b}");
            }
        }
    }

    #[test]
    fn missing_parts_are_zero_and_the_text_is_kept() {
        assert_eq!(v("1.26"), v("1.26.0.0"));
        assert_eq!(v("24.04").to_string(), "24.04");
        assert_eq!(v("24.04").parts(), [24, 4, 0, 0]);
    }

    #[test]
    fn what_is_no_version() {
        let error = |text: &str| text.parse::<Version>().unwrap_err();
        assert_eq!(error(""), VersionError::Empty);
        assert_eq!(error("-rc1"), VersionError::Empty);
        assert_eq!(error("1.x"), VersionError::NotANumber("x".to_owned()));
        assert_eq!(error("1."), VersionError::NotANumber(String::new()));
        assert_eq!(error("1.2.3.4.5"), VersionError::TooManyParts(5));
        assert_eq!(error("1-"), VersionError::BadSuffix(String::new()));
        assert_eq!(error("1-a b"), VersionError::BadSuffix("a b".to_owned()));
        assert!(matches!(error("99999999999999999999"), VersionError::TooLarge(_)));
    }

    proptest! {
        #[test]
        fn any_text_is_a_version_or_an_error(text in "\\PC{0,20}") {
            if let Ok(version) = text.parse::<Version>() {
                prop_assert_eq!(version.to_string(), text);
            }
        }

        #[test]
        fn the_order_is_total(a in text(), b in text(), c in text()) {
            let (a, b, c) = (v(&a), v(&b), v(&c));
            prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
            prop_assert_eq!(a == b, a.cmp(&b).is_eq());
            if a <= b && b <= c {
                prop_assert!(a <= c);
            }
        }
    }

    fn text() -> impl Strategy<Value = String> {
        "[0-3](\\.[0-3]){0,3}(-(rc)?[0-9a-b]{1,2})?"
    }
}

//! Which versions of a package a request takes.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use super::version::{Version, VersionError};
use crate::text;
use crate::text::Requirement;

/// What is asked of a package's version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionWanted {
    /// As written.
    text: String,
    tests: Vec<Test>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Test {
    /// The same version, whatever its text.
    Same(Version),
    /// With `*` for any text and `?` for any character, as package managers take them.
    Like(String),
    /// In the distribution's own order.
    Order(Order, Version),
    /// The upstream version is one of a catalogue's. This is a preference: where nothing has it, what
    /// the manager would take is taken, for the caller to complain of.
    Upstream(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Order {
    Less,
    LessEqual,
    GreaterEqual,
    Greater,
    Not,
}

impl VersionWanted {
    /// The newest package whose upstream version is this one or one more exact.
    #[must_use]
    pub fn upstream(version: &text::Version) -> Self {
        Self { text: version.to_string(), tests: vec![Test::Upstream(version.as_str().to_owned())] }
    }

    /// Whether a version will do.
    #[must_use]
    pub fn takes(&self, version: &Version) -> bool {
        self.tests.iter().all(|test| match test {
            Test::Same(wanted) => version == wanted,
            Test::Like(pattern) => like(pattern.as_bytes(), version.as_str().as_bytes()),
            Test::Order(order, other) => {
                let found = version.cmp(other);
                match order {
                    Order::Less => found == Ordering::Less,
                    Order::LessEqual => found != Ordering::Greater,
                    Order::GreaterEqual => found != Ordering::Less,
                    Order::Greater => found == Ordering::Greater,
                    Order::Not => found != Ordering::Equal,
                }
            }
            Test::Upstream(wanted) => is_upstream(wanted, version),
        })
    }

    /// Whether something else will do where nothing is as wanted.
    pub(crate) fn is_preference(&self) -> bool {
        matches!(self.tests[..], [Test::Upstream(_)])
    }
}

impl fmt::Display for VersionWanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for VersionWanted {
    type Err = VersionError;

    /// An exact version, a pattern, or comparisons joined by commas: `1.7-1`, `5:27.*`, `>= 17.2, < 18`.
    fn from_str(text: &str) -> Result<Self, VersionError> {
        let tests: Vec<Test> = text.split(',').map(|part| test(part.trim())).collect::<Result<_, _>>()?;
        Ok(Self { text: text.trim().to_owned(), tests })
    }
}

fn test(text: &str) -> Result<Test, VersionError> {
    const ORDERS: [(&str, Order); 5] = [
        ("<=", Order::LessEqual),
        (">=", Order::GreaterEqual),
        ("!=", Order::Not),
        ("<", Order::Less),
        (">", Order::Greater),
    ];
    for (sign, order) in ORDERS {
        if let Some(version) = text.strip_prefix(sign) {
            return Ok(Test::Order(order, version.trim().parse()?));
        }
    }
    let text = text.strip_prefix('=').unwrap_or(text).trim();
    if text.contains(['*', '?']) {
        // What a version may hold may stand in a pattern.
        let sample: String = text.chars().map(|c| if matches!(c, '*' | '?') { '0' } else { c }).collect();
        let sample = sample.split_once(':').map_or(&*sample, |(_, rest)| rest);
        sample.parse::<Version>()?;
        return Ok(Test::Like(text.to_owned()));
    }
    Ok(Test::Same(text.parse()?))
}

/// A star goes back to its last place when what follows does not fit: linear for one star, and no more
/// than the product of both lengths for many.
fn like(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut in_text) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while in_text < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, in_text));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[in_text] => {
                at += 1;
                in_text += 1;
            }
            _ => match &mut star {
                Some((place, from)) => {
                    *from += 1;
                    (at, in_text) = (*place + 1, *from);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

/// Whether a package's version, without epoch and revision, is the catalogue's version or one more
/// exact: 1.26.3-3 is 1.26.
fn is_upstream(wanted: &str, package: &Version) -> bool {
    let text = package.as_str();
    let text = text.split_once(':').map_or(text, |(_, rest)| rest);
    let upstream: String = text.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    let parts: Vec<&str> = upstream.split('.').filter(|part| !part.is_empty()).take(4).collect();
    let Ok(upstream) = parts.join(".").parse::<text::Version>() else { return false };
    wanted.parse::<Requirement>().is_ok_and(|requirement| requirement.matches(&upstream))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn versions_patterns_and_comparisons() {
        for (wanted, taken, not) in [
            ("1.7-1", &["1.7-1", "0:1.7-1"][..], &["1.7-2"][..]),
            ("=1.7-1", &["1.7-1"], &["1.7-2"]),
            ("5:27.*", &["5:27.0.1-1~debian.13~trixie"], &["5:26.1-1", "27.0.1-1"]),
            ("*+deb13*", &["1.0-1+deb13u2"], &["1.0-1"]),
            ("1.?-1", &["1.7-1"], &["1.10-1"]),
            (">= 17.2", &["17.2-1", "18~beta", "1:0"], &["17.1-9", "17.2~rc1"]),
            (">= 17.2, < 18~", &["17.9-1"], &["18~beta-1", "18-1"]),
            ("!= 2", &["1", "3"], &["2"]),
            ("> 1", &["1.0.1"], &["1", "0"]),
            ("<= 1", &["1", "1~rc"], &["1.1"]),
        ] {
            let parsed: VersionWanted = wanted.parse().unwrap();
            assert_eq!(parsed.to_string(), wanted);
            for one in taken {
                assert!(parsed.takes(&version(one)), "{wanted} {one}");
            }
            for one in not {
                assert!(!parsed.takes(&version(one)), "{wanted} {one}");
            }
        }
        for nonsense in ["", ">=", "1 2", ">= *", "a_b*", "1,"] {
            assert!(nonsense.parse::<VersionWanted>().is_err(), "{nonsense}");
        }
    }

    #[test]
    fn a_package_is_what_the_catalogue_says_by_its_upstream_version() {
        let fits = |wanted: &str, package: &str| {
            VersionWanted::upstream(&wanted.parse().unwrap()).takes(&version(package))
        };
        for (wanted, package) in [
            ("1.26", "1.26.3-3+deb13u1"),
            ("9.20", "1:9.20.11-4"),
            ("20", "20.19.2+dfsg-1"),
            ("8.2504", "8.2504.0-1"),
            ("1", "1~rc2-1"),
            ("3.13", "3.13.5-1"),
            ("1.26.3", "1.26.3-1"),
            ("0.36", "0.36.2-9"),
            ("1.1", "1.1.0.2.7-1"),
        ] {
            assert!(fits(wanted, package), "{wanted} {package}");
        }
        for (wanted, package) in
            [("1.26", "1.27.0-1"), ("1.2", "1.26-1"), ("2", "1:1.9-1"), ("1.26.3", "1.26-1"), ("1", "trixie")]
        {
            assert!(!fits(wanted, package), "{wanted} {package}");
        }
    }
}

//! Version requirements: `^1.26`, `16`, `>=1.2, <3`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Version, VersionError};

/// Comparisons joined by commas; all must hold. The default holds for every version.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Requirement {
    comparators: Vec<Comparator>,
    text: String,
}

/// One comparison of a [`Requirement`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Comparator {
    /// `^` of `^1.2`; [`Op::Prefix`] where no operator is written.
    pub op: Op,
    /// `1.2` of `^1.2`.
    pub version: Version,
}

/// How a version is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Op {
    /// `16`: 16 and every 16.x.
    Prefix,
    /// `=1.26.3`: exactly that, missing parts being 0.
    Exact,
    /// `^1.2`: from 1.2 below 2.
    Caret,
    /// `~1.2`: from 1.2 below 1.3.
    Tilde,
    /// `!=1.2`: anything but exactly that.
    Not,
    /// `<1.2`
    Less,
    /// `<=1.2`
    LessEqual,
    /// `>1.2`
    Greater,
    /// `>=1.2`
    GreaterEqual,
}

/// Longest first, so that `<=` is not read as `<`.
const OPERATORS: [(&str, Op); 8] = [
    ("!=", Op::Not),
    ("<=", Op::LessEqual),
    (">=", Op::GreaterEqual),
    ("=", Op::Exact),
    ("^", Op::Caret),
    ("~", Op::Tilde),
    ("<", Op::Less),
    (">", Op::Greater),
];

/// Why a text is not a requirement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequirementError {
    /// Nothing but blanks is written.
    #[error("a requirement is missing, such as `^1.26` or `>=1.2, <3`")]
    Empty,
    /// What stands behind an operator, or alone, is no version: `>=x`, `1.2,`.
    #[error(transparent)]
    Version(#[from] VersionError),
}

impl Comparator {
    /// Whether `version` passes. Upper ends that the operator implies (`^1.2` ends below 2) also
    /// shut out the suffixed versions just below them: `2-rc1` is not wanted by who asks for 1.x.
    #[must_use]
    pub fn matches(&self, version: &Version) -> bool {
        match self.op {
            Op::Exact => version == &self.version,
            Op::Not => version != &self.version,
            Op::Less => version < &self.version,
            Op::LessEqual => version <= &self.version,
            Op::Greater => version > &self.version,
            Op::GreaterEqual => version >= &self.version,
            Op::Prefix | Op::Caret | Op::Tilde => {
                version >= &self.version && self.end().is_some_and(|end| version < &end)
            }
        }
    }

    /// The upper end, exclusive, that the operator implies; `None` for the plain comparisons.
    #[must_use]
    pub(crate) fn end(&self) -> Option<Version> {
        match self.op {
            Op::Prefix if self.version.suffix().is_some() => Some(self.version.end_of_prefix(Version::PARTS)),
            Op::Prefix => Some(self.version.end_of_prefix(self.version.written())),
            Op::Caret => Some(self.version.end_of_prefix(1)),
            Op::Tilde => Some(self.version.end_of_prefix(self.version.written().min(2))),
            _ => None,
        }
    }
}

impl Requirement {
    /// Holds for every version.
    #[must_use]
    pub fn any() -> Self {
        Self::default()
    }

    /// Holds for exactly this version, written `=1.26.3`.
    #[must_use]
    pub fn exactly(version: Version) -> Self {
        let text = format!("={version}");
        Self { comparators: vec![Comparator { op: Op::Exact, version }], text }
    }

    /// Whether every comparison holds.
    #[must_use]
    pub fn matches(&self, version: &Version) -> bool {
        self.comparators.iter().all(|comparator| comparator.matches(version))
    }

    /// The comparisons; none if every version will do.
    #[must_use]
    pub fn comparators(&self) -> &[Comparator] {
        &self.comparators
    }

    /// Whether every version will do.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.comparators.is_empty()
    }

    /// The one version that a requirement such as `13` or `=1.26.3` names.
    #[must_use]
    pub fn named(&self) -> Option<&Version> {
        match self.comparators.as_slice() {
            [one] if matches!(one.op, Op::Prefix | Op::Exact) => Some(&one.version),
            _ => None,
        }
    }

    /// The requirement as it was written; empty if every version will do.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for Requirement {
    type Err = RequirementError;

    fn from_str(text: &str) -> Result<Self, RequirementError> {
        if text.trim().is_empty() {
            return Err(RequirementError::Empty);
        }
        let comparators = text
            .split(',')
            .map(|one| {
                let one = one.trim();
                let (op, version) = OPERATORS
                    .iter()
                    .find_map(|(sign, op)| one.strip_prefix(sign).map(|rest| (*op, rest.trim_start())))
                    .unwrap_or((Op::Prefix, one));
                Ok(Comparator { op, version: version.parse()? })
            })
            .collect::<Result<_, RequirementError>>()?;
        Ok(Self { comparators, text: text.trim().to_owned() })
    }
}

impl TryFrom<String> for Requirement {
    type Error = RequirementError;

    fn try_from(text: String) -> Result<Self, RequirementError> {
        if text.is_empty() { Ok(Self::any()) } else { text.parse() }
    }
}

impl From<Requirement> for String {
    fn from(requirement: Requirement) -> Self {
        requirement.text
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Requirement {
    fn eq(&self, other: &Self) -> bool {
        self.comparators == other.comparators
    }
}

impl Eq for Requirement {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Requirement, RequirementError, Version};

    fn holds(requirement: &str, version: &str) -> bool {
        requirement.parse::<Requirement>().unwrap().matches(&version.parse().unwrap())
    }

    #[test]
    fn each_operator_at_its_borders() {
        let table: &[(&str, &[&str], &[&str])] = &[
            ("16", &["16", "16.0.0.1", "16.4", "16.4-rc1"], &["15.9", "16-rc1", "17-rc1", "17"]),
            ("1.26", &["1.26", "1.26.3"], &["1.25.9", "1.27", "1.27-rc1", "2"]),
            ("2.0-rc1", &["2.0-rc1", "2.0-rc2", "2.0"], &["2.0-beta", "2.0.1"]),
            ("=1.26.3", &["1.26.3", "1.26.3.0"], &["1.26", "1.26.3.1", "1.26.3-1"]),
            ("=1.26", &["1.26", "1.26.0"], &["1.26.3"]),
            ("^1.2", &["1.2", "1.2.1", "1.99"], &["1.1.9", "1.2-rc1", "2", "2-rc1"]),
            ("^0.2", &["0.2", "0.9"], &["0.1", "1"]),
            ("~1.2", &["1.2", "1.2.9"], &["1.1", "1.3", "1.3-rc1"]),
            ("~1.2.3", &["1.2.3", "1.2.9"], &["1.2.2", "1.3"]),
            ("~1", &["1", "1.9"], &["0.9", "2"]),
            ("!=1.2", &["1.2.1", "1.2-rc1", "1"], &["1.2", "1.2.0"]),
            ("<1.2", &["1.1.9", "1.2-rc1"], &["1.2", "1.3"]),
            ("<=1.2", &["1.2", "1.1"], &["1.2.0.1"]),
            (">1.2", &["1.2.0.1", "2"], &["1.2", "1.2-rc1"]),
            (">=1.2", &["1.2", "3"], &["1.2-rc1", "1.1"]),
            (">=1.2, <3, != 2", &["1.2", "2.1"], &["2", "3", "1"]),
        ];
        for (requirement, good, bad) in table {
            for version in *good {
                assert!(holds(requirement, version), "{requirement} takes {version}");
            }
            for version in *bad {
                assert!(!holds(requirement, version), "{requirement} refuses {version}");
            }
        }
    }

    #[test]
    fn what_is_no_requirement() {
        assert_eq!("".parse::<Requirement>(), Err(RequirementError::Empty));
        for text in [",", "^", "1,", "^^1", "latest", "1 2", "=>1"] {
            assert!(text.parse::<Requirement>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn commas_mean_and(a in one(), b in one(), version in "[0-3](\\.[0-3]){0,3}(-r[0-3])?") {
            prop_assert_eq!(
                holds(&format!("{a}, {b}"), &version),
                holds(&a, &version) && holds(&b, &version)
            );
        }

        #[test]
        fn tilde_is_narrower_than_caret(base in "[0-3](\\.[0-3]){0,3}", version in "[0-3](\\.[0-3]){0,3}") {
            let (tilde, caret) = (format!("~{base}"), format!("^{base}"));
            prop_assert!(!holds(&tilde, &version) || holds(&caret, &version));
        }

        #[test]
        fn any_text_is_a_requirement_or_an_error(text in "\\PC{0,20}") {
            if let Ok(requirement) = text.parse::<Requirement>() {
                prop_assert_eq!(requirement.to_string(), text.trim());
                let again: Requirement = requirement.to_string().parse().unwrap();
                prop_assert_eq!(again, requirement);
            }
        }

        #[test]
        fn comparisons_split_the_versions(base in "[0-3](\\.[0-3]){0,2}", version in "[0-3](\\.[0-3]){0,2}(-r[0-3])?") {
            let version: Version = version.parse().unwrap();
            let take = |op: &str| format!("{op}{base}").parse::<Requirement>().unwrap().matches(&version);
            prop_assert_eq!(take("<"), !take(">="));
            prop_assert_eq!(take(">"), !take("<="));
            prop_assert_eq!(take("="), !take("!="));
        }
    }

    fn one() -> impl Strategy<Value = String> {
        "(=|!=|<|<=|>|>=|\\^|~|)[0-3](\\.[0-3]){0,3}"
    }
}

//! Package versions, in Debian's order (deb-version(7)), which is that of every package manager known here.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// `[epoch:]upstream[-revision]`, ordered as `dpkg --compare-versions` orders.
///
/// Equality is of the order, not of the text: `1.0` and `1.00` are the same version.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version(Box<str>);

/// Why a text is no package version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// There is no text, or none behind the epoch.
    #[error("a package version is not empty")]
    Empty,
    /// What stands before the first `:` is no number of at most nine digits.
    #[error("the epoch before `:` is a number")]
    Epoch,
    /// Neither a letter, a digit nor one of `.+-:~`.
    #[error("`{0}` cannot stand in a package version")]
    Character(char),
}

impl Version {
    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Without the check: for fields of signed indexes, where the archive's own word counts.
    pub(crate) fn trusted(text: &str) -> Self {
        Self(text.into())
    }
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        if text.is_empty() {
            return Err(VersionError::Empty);
        }
        let (epoch, rest) = text.split_once(':').map_or(("0", text), |(epoch, rest)| (epoch, rest));
        if epoch.is_empty() || epoch.len() > 9 || !epoch.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(VersionError::Epoch);
        }
        if rest.is_empty() {
            return Err(VersionError::Empty);
        }
        match rest.chars().find(|c| !(c.is_ascii_alphanumeric() || ".+-:~".contains(*c))) {
            Some(odd) => Err(VersionError::Character(odd)),
            None => Ok(Self(text.into())),
        }
    }
}

impl TryFrom<String> for Version {
    type Error = VersionError;

    fn try_from(text: String) -> Result<Self, VersionError> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.0.into()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Version({})", self.0)
    }
}

impl schemars::JsonSchema for Version {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PackageVersion".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "description": "a Debian package version, such as `1:2.3-4`" })
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

impl std::hash::Hash for Version {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        // Texts of equal versions may differ in leading zeros and a zero epoch or revision only,
        // so the digest leaves every zero out.
        for byte in self.0.bytes().filter(|byte| !matches!(byte, b'0' | b':' | b'-')) {
            state.write_u8(byte);
        }
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(&self.0, &other.0)
    }
}

/// The order of two version texts, whatever they hold.
pub(crate) fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (Parts::of(a), Parts::of(b));
    a.epoch
        .cmp(&b.epoch)
        .then_with(|| compare_part(a.upstream.as_bytes(), b.upstream.as_bytes()))
        .then_with(|| compare_part(a.revision.as_bytes(), b.revision.as_bytes()))
}

struct Parts<'a> {
    epoch: u64,
    upstream: &'a str,
    revision: &'a str,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Self {
        let (epoch, rest) = match text.split_once(':') {
            Some((epoch, rest)) => (epoch.parse().unwrap_or(0), rest),
            None => (0, text),
        };
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
        Self { epoch, upstream, revision }
    }
}

/// Alternates between a run of non-digits, in which `~` sorts before the end and letters before
/// all else, and a number.
fn compare_part(mut a: &[u8], mut b: &[u8]) -> Ordering {
    fn weight(byte: Option<&u8>) -> i32 {
        match byte {
            None => 0,
            Some(b'~') => -1,
            Some(byte) if byte.is_ascii_digit() => 0,
            Some(byte) if byte.is_ascii_alphabetic() => i32::from(*byte),
            Some(byte) => i32::from(*byte) + 256,
        }
    }
    fn digits(text: &[u8]) -> (&[u8], &[u8]) {
        let text = &text[text.iter().take_while(|byte| **byte == b'0').count()..];
        text.split_at(text.iter().take_while(|byte| byte.is_ascii_digit()).count())
    }
    loop {
        while a.first().is_some_and(|byte| !byte.is_ascii_digit())
            || b.first().is_some_and(|byte| !byte.is_ascii_digit())
        {
            match weight(a.first()).cmp(&weight(b.first())) {
                Ordering::Equal => {}
                unequal => return unequal,
            }
            a = a.get(1..).unwrap_or_default();
            b = b.get(1..).unwrap_or_default();
        }
        let (number_a, rest_a) = digits(a);
        let (number_b, rest_b) = digits(b);
        match number_a.len().cmp(&number_b.len()).then_with(|| number_a.cmp(number_b)) {
            Ordering::Equal if rest_a.is_empty() && rest_b.is_empty() => return Ordering::Equal,
            Ordering::Equal => (a, b) = (rest_a, rest_b),
            unequal => return unequal,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering::{self, Equal, Greater, Less};

    use super::{Version, VersionError, compare};

    #[test]
    fn versions_sort_as_the_manual_says() {
        let table: &[(&str, Ordering, &str)] = &[
            ("1.0", Equal, "1.0"),
            ("1.0", Equal, "1.00"),
            ("0:1.0", Equal, "1.0"),
            ("1.0-0", Equal, "1.0"),
            ("1.0", Less, "1.0-1"),
            ("1.2.3", Less, "1.10"),
            ("1:0.1", Greater, "9.9"),
            ("1.0~rc1", Less, "1.0"),
            ("1.0~~", Less, "1.0~"),
            ("1.0~rc1-1", Greater, "1.0~beta-9"),
            ("1.0a", Less, "1.0+"),
            ("1.0+b1", Greater, "1.0"),
            ("1.0-1+b1", Greater, "1.0-1"),
            ("1.0-1~deb12u1", Less, "1.0-1"),
            ("2-1-1", Greater, "2-1"),
            ("99999999999999999999999", Less, "100000000000000000000000"),
            ("1.0.", Greater, "1.0"),
            ("a", Greater, "1"),
        ];
        for (a, order, b) in table {
            assert_eq!(compare(a, b), *order, "{a} against {b}");
            assert_eq!(compare(b, a), order.reverse(), "{b} against {a}");
        }
    }

    #[test]
    fn what_is_no_version() {
        assert_eq!("".parse::<Version>(), Err(VersionError::Empty));
        assert_eq!("1:".parse::<Version>(), Err(VersionError::Empty));
        assert_eq!("x:1".parse::<Version>(), Err(VersionError::Epoch));
        assert_eq!("1 2".parse::<Version>(), Err(VersionError::Character(' ')));
        assert!("1:2.3~rc1+dfsg-4+b1".parse::<Version>().is_ok());
    }
}

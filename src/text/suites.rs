//! Names that distributions give to their releases.

/// What a release's name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suite {
    /// As the distribution numbers the release: `13`, `24.04`.
    pub version: &'static str,
    /// The next release takes the name over: `stable`.
    pub moves: bool,
}

/// What Debian's archive is divided into since Debian 12: Debian Policy, 2.2.
pub const DEBIAN_COMPONENTS: [&str; 4] = ["main", "contrib", "non-free", "non-free-firmware"];

const DEBIAN: &[(&str, &str)] = &[
    ("jessie", "8"),
    ("stretch", "9"),
    ("buster", "10"),
    ("bullseye", "11"),
    ("bookworm", "12"),
    ("trixie", "13"),
    ("forky", "14"),
    ("duke", "15"),
];

/// As of Debian 13; who writes one is warned.
const DEBIAN_MOVING: &[(&str, &str)] = &[("stable", "13"), ("oldstable", "12"), ("oldoldstable", "11")];

const UBUNTU: &[(&str, &str)] = &[
    ("trusty", "14.04"),
    ("xenial", "16.04"),
    ("bionic", "18.04"),
    ("focal", "20.04"),
    ("jammy", "22.04"),
    ("noble", "24.04"),
    ("oracular", "24.10"),
    ("plucky", "25.04"),
    ("questing", "25.10"),
    ("resolute", "26.04"),
];

fn names(
    distribution: &str,
) -> (&'static [(&'static str, &'static str)], &'static [(&'static str, &'static str)]) {
    match distribution {
        "debian" => (DEBIAN, DEBIAN_MOVING),
        "ubuntu" => (UBUNTU, &[]),
        _ => (&[], &[]),
    }
}

/// The version that a distribution calls `name`.
#[must_use]
pub fn suite(distribution: &str, name: &str) -> Option<Suite> {
    let (fixed, moving) = names(distribution);
    let find = |table: &'static [(&'static str, &'static str)]| {
        table.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, version)| *version)
    };
    find(fixed)
        .map(|version| Suite { version, moves: false })
        .or_else(|| find(moving).map(|version| Suite { version, moves: true }))
}

/// The release names of a distribution, the newest last.
pub fn suites(distribution: &str) -> impl Iterator<Item = &'static str> {
    names(distribution).0.iter().map(|(name, _)| *name)
}

/// A requirement in which each name of a release is replaced by its version: `>=bookworm,<forky`. Names
/// that are not known stay, for the requirement's own message.
#[must_use]
pub fn without_suites(distribution: &str, requirement: &str) -> String {
    let mut result = String::with_capacity(requirement.len());
    let mut rest = requirement;
    while let Some(first) = rest.chars().next() {
        let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let length =
            if word(first) { rest.find(|c| !word(c)).unwrap_or(rest.len()) } else { first.len_utf8() };
        let (part, behind) = rest.split_at(length);
        result.push_str(suite(distribution, part).map_or(part, |suite| suite.version));
        rest = behind;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_for_versions() {
        assert_eq!(without_suites("debian", ">=bookworm, <forky"), ">=12, <14");
        assert_eq!(without_suites("debian", "Trixie"), "13");
        assert_eq!(without_suites("ubuntu", "noble"), "24.04");
        assert_eq!(without_suites("ubuntu", "trixie"), "trixie");
        assert_eq!(without_suites("debian", "=13.1-beta"), "=13.1-beta");
        assert!(suite("debian", "stable").is_some_and(|suite| suite.moves));
    }
}

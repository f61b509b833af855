//! Dependency fields: `a (>= 1) | b:any, c`.

use std::cmp::Ordering;

use super::super::version::compare;

/// Which field a relation stands in. The order is the one in which apt works through them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    PreDepends,
    Depends,
    Conflicts,
    Breaks,
    Recommends,
}

impl Kind {
    /// Whether the field names what must *not* be there.
    #[must_use]
    pub fn is_negative(self) -> bool {
        matches!(self, Self::Conflicts | Self::Breaks)
    }

    /// Whether a package is broken when the relation does not hold.
    #[must_use]
    pub fn is_critical(self) -> bool {
        self != Self::Recommends
    }
}

/// A comparison of versions; [`Op::Any`] holds for every version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Op {
    Any,
    Less,
    LessEqual,
    Equal,
    GreaterEqual,
    Greater,
}

impl Op {
    /// Whether `version OP wanted` holds. A provided name without a version satisfies [`Op::Any`]
    /// alone.
    #[must_use]
    pub fn holds(self, version: Option<&str>, wanted: &str) -> bool {
        let Some(version) = version else { return self == Self::Any };
        match self {
            Self::Any => true,
            Self::Less => compare(version, wanted) == Ordering::Less,
            Self::LessEqual => compare(version, wanted) != Ordering::Greater,
            Self::Equal => compare(version, wanted) == Ordering::Equal,
            Self::GreaterEqual => compare(version, wanted) != Ordering::Less,
            Self::Greater => compare(version, wanted) == Ordering::Greater,
        }
    }

    fn parse(text: &str) -> Self {
        match text {
            "<<" => Self::Less,
            // The single signs are an old form that means the inclusive comparison.
            "<=" | "<" => Self::LessEqual,
            "=" => Self::Equal,
            ">=" | ">" => Self::GreaterEqual,
            ">>" => Self::Greater,
            _ => Self::Any,
        }
    }
}

/// One alternative, borrowed from the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alternative<'a> {
    /// With its qualifier, if any: `python3:any`.
    pub name: &'a str,
    pub op: Op,
    /// Empty for [`Op::Any`].
    pub version: &'a str,
}

impl<'a> Alternative<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let text = text.trim();
        // Build profiles and architecture lists do not occur in binary packages; they are cut off.
        let name_end = text.find(|c: char| c.is_whitespace() || "([<".contains(c)).unwrap_or(text.len());
        let (name, rest) = text.split_at(name_end);
        if name.is_empty() {
            return None;
        }
        let constraint = rest.trim_start().strip_prefix('(').and_then(|rest| rest.split_once(')'));
        let Some((constraint, _)) = constraint else { return Some(Self { name, op: Op::Any, version: "" }) };
        let constraint = constraint.trim();
        let op_end = constraint.find(|c: char| !"<>=".contains(c)).unwrap_or(constraint.len());
        let (op, version) = constraint.split_at(op_end);
        Some(Self { name, op: Op::parse(op), version: version.trim() })
    }
}

/// The groups of a field, each with its alternatives in order.
pub fn groups(field: &str) -> impl Iterator<Item = impl Iterator<Item = Alternative<'_>>> {
    field
        .split(',')
        .filter(|group| !group.trim().is_empty())
        .map(|group| group.split('|').filter_map(Alternative::parse))
}

#[cfg(test)]
mod tests {
    use super::{Alternative, Op, groups};

    #[test]
    fn a_field_is_groups_of_alternatives() {
        let field = "debconf (>= 0.5) | debconf-2.0, python3:any,\n libc6 (<<2.40), ,x [amd64] <!nodoc>";
        let parsed: Vec<Vec<_>> = groups(field).map(Iterator::collect).collect();
        let plain = |name| Alternative { name, op: Op::Any, version: "" };
        assert_eq!(
            parsed,
            [
                vec![
                    Alternative { name: "debconf", op: Op::GreaterEqual, version: "0.5" },
                    plain("debconf-2.0")
                ],
                vec![plain("python3:any")],
                vec![Alternative { name: "libc6", op: Op::Less, version: "2.40" }],
                vec![plain("x")],
            ]
        );
    }

    #[test]
    fn an_unversioned_provide_satisfies_no_comparison() {
        assert!(Op::Any.holds(None, ""));
        assert!(!Op::GreaterEqual.holds(None, "1"));
        assert!(Op::Greater.holds(Some("2"), "1"));
        assert!(!Op::Greater.holds(Some("1"), "1"));
    }
}

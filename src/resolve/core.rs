//! Why no choice is possible: what a proof came down to.

use std::collections::BTreeSet;

use super::problem::Statement;

/// Why there is no choice.
#[derive(Debug, Clone, Default)]
pub(super) struct Core {
    /// Statements that cannot all hold.
    pub statements: BTreeSet<Statement>,
    /// What the solver used to find out, catalogue facts included.
    pub facts: Vec<Fact>,
    /// Counting alone shows it.
    pub crowd: Option<Crowd>,
}

/// More that must be there than there is room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Crowd {
    /// How many must be there, each holding a place that nobody else can hold.
    pub seats: usize,
    /// How many places there are for them.
    pub places: usize,
}

/// A fact of the catalogue that a proof used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fact {
    /// Versions of the first application need the second.
    Requires(usize, usize),
    /// Versions of an application need something that several provide.
    RequiresProvided(usize, usize),
    /// Versions of an application run on some bases only.
    RunsOn(usize),
    /// An application claims something.
    Claims(usize, usize),
    Excludes(usize),
}

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
    pub counted: Option<Counted>,
}

/// More that must be there than there are things to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counted {
    /// How many must be there, each holding a thing that only one can hold.
    pub demands: usize,
    /// How many things there are for them to hold.
    pub resources: usize,
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

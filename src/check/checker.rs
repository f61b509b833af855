//! What a check knows while it goes on, and how it says what it finds.

use std::collections::{HashMap, HashSet};

use super::operands::Operands;
use super::{Files, MOST, params, script, suggest};
use crate::diagnostic::Diagnostic;
use crate::syntax::{Keyword, Statement};
use crate::text::{SourceId, Sources, Span};

/// The state of one check.
pub(super) struct Checker<'a> {
    pub input: Input<'a>,
    pub found: Findings,
    pub recovery: Recovery,
    pub names: Names,
    pub growth: Growth,
    pub current: CurrentImage,
}

/// What is read.
pub(super) struct Input<'a> {
    pub sources: &'a mut Sources,
    pub files: &'a dyn Files,
    /// The folder of each ImageFile.
    pub folders: HashMap<SourceId, String>,
    pub script_sources: HashMap<String, (SourceId, Vec<u8>)>,
}

/// What is wrong.
#[derive(Default)]
pub(super) struct Findings {
    pub out: Vec<Diagnostic>,
    /// How many errors there were, kept or not.
    pub errors: usize,
}

/// What was not understood, so that nothing is said of what only follows from it.
#[derive(Default)]
pub(super) struct Recovery {
    /// Above 0: what is found now follows from something already reported.
    pub suppressed: u32,
    /// Statements about which something was said that makes their meaning doubtful.
    pub broken: HashSet<Span>,
    /// A heredoc without an end took in the rest of a file.
    pub swallowed: bool,
    /// A declaration was not understood: names may be missing for that reason.
    pub names_doubtful: bool,
    /// Unknown statements, each with the statement before it that may be the cause.
    pub deferred: Vec<(Option<Span>, Diagnostic)>,
    /// Names of params and profiles that were asked for and are not there.
    pub unknown_names: HashSet<String>,
}

/// The names that a project makes up.
#[derive(Default)]
pub(super) struct Names {
    pub params: params::Params,
    /// Names of all params that are declared anywhere.
    pub declared: HashSet<String>,
    pub used_profiles: HashSet<String>,
    pub suggester: suggest::Suggester,
}

/// What a few lines can make much of, counted against bounds.
#[derive(Default)]
pub(super) struct Growth {
    /// Statements that profiles have brought into images.
    pub brought: usize,
    /// Bytes that params have put into texts.
    pub put_in: usize,
    /// It has been said that this is too much.
    pub put_in_told: bool,
}

/// The image that is being read.
#[derive(Default)]
pub(super) struct CurrentImage {
    pub scope: params::Scope,
    /// Names that must be unique in it: by statement and name, with the `use` that brought them.
    pub claimed: HashMap<(Keyword, String), (Span, Option<Span>)>,
    /// Scripts to look into when it is complete.
    pub pending: Vec<script::Pending>,
    /// Its scripts so far, which number those without a name.
    pub script_count: usize,
}

impl<'a> Checker<'a> {
    pub(super) fn new(sources: &'a mut Sources, files: &'a dyn Files) -> Self {
        Self {
            input: Input { sources, files, folders: HashMap::new(), script_sources: HashMap::new() },
            found: Findings::default(),
            recovery: Recovery::default(),
            names: Names::default(),
            growth: Growth::default(),
            current: CurrentImage::default(),
        }
    }
}

impl Checker<'_> {
    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        if self.recovery.suppressed == 0 {
            self.found.errors += usize::from(diagnostic.is_error());
            if self.found.out.len() < MOST {
                self.found.out.push(diagnostic);
            }
        }
    }

    /// Errors so far, to see whether reading something added any.
    pub(super) const fn errors(&self) -> usize {
        self.found.errors
    }

    /// Reads a statement's operands; in silence if its tokens are broken.
    pub(super) fn statement_scope<'s, T>(
        &mut self,
        statement: &'s Statement,
        read: impl FnOnce(&mut Self, &mut Operands<'s>) -> T,
    ) -> T {
        let silent = u32::from(self.recovery.broken.contains(&statement.span));
        self.recovery.suppressed += silent;
        let repeated = self.repeated_token(statement);
        let result = read(self, &mut Operands::new(statement, repeated, self.found.errors));
        self.recovery.suppressed -= silent;
        result
    }

    /// The keyword of a statement, if it is written right.
    pub(super) fn keyword_of(&self, statement: &Statement) -> Option<Keyword> {
        Keyword::of(self.slice(statement.keyword))
    }
}

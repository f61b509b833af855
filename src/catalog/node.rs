//! What YAML comes to: values as a tree, each with its place.

use std::borrow::Cow;

use crate::text::Span;

/// Deepest nesting of lists and mappings; the format itself needs five.
pub(super) const MAX_DEPTH: usize = 16;

/// A value and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node<'a> {
    pub span: Span,
    pub kind: Kind<'a>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    /// Nothing was written, or `~` or `null`.
    Nothing,
    Scalar(Scalar<'a>),
    List(Vec<Node<'a>>),
    /// In the order written; keys may repeat.
    Map(Vec<(Key<'a>, Node<'a>)>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scalar<'a> {
    pub text: Cow<'a, str>,
    pub lines: Lines,
}

/// Where the lines of a text start in the source, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lines {
    /// Quoting or folding changed the text.
    Changed,
    /// The source holds its one line, or all of them without indentation, from here on.
    From(u32),
    At(Vec<u32>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key<'a> {
    pub text: Cow<'a, str>,
    pub span: Span,
}

impl Lines {
    /// One place a line, as far as they are known.
    pub(super) fn into_starts(self) -> Vec<u32> {
        match self {
            Self::Changed => Vec::new(),
            Self::From(start) => vec![start],
            Self::At(starts) => starts,
        }
    }
}

impl Kind<'_> {
    /// For messages: "a list", "a mapping".
    pub(super) const fn words(&self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Scalar(_) => "a single value",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

/// Where in `source` the lines of a literal block start: it holds them as they are, behind a common
/// indentation.
pub(super) fn literal_starts(source: &str, text: &str, span: Span) -> Vec<u32> {
    let mut starts = Vec::new();
    let at = span.start as usize;
    let mut at = source[..at].rfind('\n').map_or(0, |newline| newline + 1);
    for line in text.split('\n') {
        let rest = &source[at..];
        let written = rest.split('\n').next().unwrap_or("");
        let Some(indent) = written.trim_end_matches('\r').len().checked_sub(line.len()) else { break };
        starts.push(u32::try_from(at + indent).unwrap_or(0));
        at += (written.len() + 1).min(rest.len());
    }
    starts
}

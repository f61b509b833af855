//! Typed reading of a YAML tree: each mistake is one diagnostic, and reading goes on behind it.

use std::borrow::Cow;

use super::Template;
use super::node::{Key, Kind, Node};
use crate::check::Size;
use crate::diagnostic::{Applicability, Diagnostic, codes};
use crate::text::{Requirement, Span, Spanned, Version, nearest, without_suites};

/// Where mistakes go.
pub(super) type Mistakes = Vec<Diagnostic>;

/// The entries of a mapping, taken out key by key.
pub(super) struct Fields<'a> {
    pub span: Span,
    /// For messages: "an application".
    what: &'static str,
    entries: Vec<(Key<'a>, Node<'a>)>,
}

impl<'a> Fields<'a> {
    /// Opens a mapping that may hold the `known` keys.
    pub(super) fn open(
        node: Node<'a>,
        what: &'static str,
        known: &[&str],
        mistakes: &mut Mistakes,
    ) -> Option<Self> {
        let span = node.span;
        let Kind::Map(all) = node.kind else {
            mistakes.push(wrong(&node, &format!("{what} is a mapping of keys to values")));
            return None;
        };
        let mut entries: Vec<(Key<'_>, Node<'_>)> = Vec::with_capacity(all.len());
        for (key, value) in all {
            if !known.contains(&&*key.text) {
                mistakes.push(unknown_key(&key, what, known));
            } else if let Some((first, _)) = entries.iter().find(|(other, _)| other.text == key.text) {
                mistakes.push(twice(&format!("the key `{}`", key.text), first.span, key.span));
            } else {
                entries.push((key, value));
            }
        }
        Some(Self { span, what, entries })
    }

    /// The value of `key`, if something was written for it.
    pub(super) fn take(&mut self, key: &str) -> Option<Node<'a>> {
        let at = self.entries.iter().position(|(known, _)| known.text == key)?;
        let (_, node) = self.entries.swap_remove(at);
        (!matches!(node.kind, Kind::Nothing)).then_some(node)
    }

    /// Like [`take`](Self::take), and a mistake if there is none.
    pub(super) fn need(&mut self, key: &str, mistakes: &mut Mistakes) -> Option<Node<'a>> {
        let at = self.entries.iter().find(|(known, _)| known.text == key).map(|(known, _)| known.span);
        let found = self.take(key);
        if found.is_none() {
            let place = at.unwrap_or(Span::new(self.span.source, self.span.start, self.span.start));
            mistakes.push(
                Diagnostic::new(
                    codes::CATALOG_MISSING_KEY,
                    format!("{} needs a value for `{key}`", self.what),
                )
                .label(place, "missing here"),
            );
        }
        found
    }
}

fn unknown_key(key: &Key<'_>, what: &str, known: &[&str]) -> Diagnostic {
    let mut diagnostic =
        Diagnostic::new(codes::CATALOG_UNKNOWN_KEY, format!("{what} has no key `{}`", key.text))
            .label(key.span, "unknown key");
    if let Some(near) = nearest(&key.text, known.iter().copied()) {
        diagnostic = diagnostic.help(format!("did you mean `{near}`?")).fix(
            Applicability::Maybe,
            format!("write `{near}`"),
            key.span,
            near,
        );
    } else {
        diagnostic = diagnostic.help(format!("the keys are {}", known.join(", ")));
    }
    diagnostic
}

/// "… is written twice", with both places.
pub(super) fn twice(what: &str, first: Span, second: Span) -> Diagnostic {
    Diagnostic::new(codes::CATALOG_DUPLICATE, format!("{what} is written twice"))
        .label(second, "again here")
        .label(first, "first here")
}

/// A value of the wrong kind: `expected` is a whole sentence without its full stop.
fn wrong(node: &Node<'_>, expected: &str) -> Diagnostic {
    Diagnostic::new(codes::CATALOG_VALUE, expected).label(node.span, format!("this is {}", node.kind.words()))
}

/// A value that does not read as what it must be.
fn bad(span: Span, message: impl Into<String>, label: &str) -> Diagnostic {
    Diagnostic::new(codes::CATALOG_VALUE, message).label(span, label)
}

/// A single value as text, to be kept.
pub(super) fn text(node: Node<'_>, mistakes: &mut Mistakes) -> Option<Spanned<String>> {
    written(node, mistakes).map(|text| text.map(Cow::into_owned))
}

/// A single value as text, to be read.
fn written<'a>(node: Node<'a>, mistakes: &mut Mistakes) -> Option<Spanned<Cow<'a, str>>> {
    let span = node.span;
    if let Kind::Scalar(scalar) = node.kind {
        return Some(Spanned::new(scalar.text, span));
    }
    mistakes.push(wrong(&node, "expected a text"));
    None
}

pub(super) fn template(node: Node<'_>, mistakes: &mut Mistakes) -> Option<Template> {
    let span = node.span;
    if let Kind::Scalar(scalar) = node.kind {
        return Some(Template::new(scalar.text, span, scalar.lines.into_starts()));
    }
    mistakes.push(wrong(&node, "expected a text"));
    None
}

/// The items of a list.
pub(super) fn list<'a>(node: Node<'a>, mistakes: &mut Mistakes) -> Vec<Node<'a>> {
    if let Kind::List(items) = node.kind {
        return items;
    }
    mistakes.push(wrong(&node, "expected a list, such as `[a, b]`"));
    Vec::new()
}

/// The items of an optional list, each read by `read`; what does not read is left out.
pub(super) fn each<T>(
    node: Option<Node<'_>>,
    mistakes: &mut Mistakes,
    mut read: impl FnMut(Node<'_>, &mut Mistakes) -> Option<T>,
) -> Vec<T> {
    let Some(node) = node else { return Vec::new() };
    list(node, mistakes).into_iter().filter_map(|item| read(item, mistakes)).collect()
}

/// The entries of a mapping whose keys the author chose; a key must not repeat.
pub(super) fn entries<'a>(node: Node<'a>, mistakes: &mut Mistakes) -> Vec<(Key<'a>, Node<'a>)> {
    let Kind::Map(all) = node.kind else {
        mistakes.push(wrong(&node, "expected a mapping of names to values"));
        return Vec::new();
    };
    let mut kept: Vec<(Key<'_>, Node<'_>)> = Vec::with_capacity(all.len());
    for (key, value) in all {
        if let Some((first, _)) = kept.iter().find(|(other, _)| other.text == key.text) {
            mistakes.push(twice(&format!("`{}`", key.text), first.span, key.span));
        } else {
            kept.push((key, value));
        }
    }
    kept
}

/// Longest name of an application or base.
const MAX_NAME: usize = 64;

/// A name of the catalogue: nothing in it may look like a path.
pub(super) fn name(node: Node<'_>, mistakes: &mut Mistakes) -> Option<Spanned<String>> {
    let name = text(node, mistakes)?;
    match check_name(&name.value) {
        Ok(()) => Some(name),
        Err(reason) => {
            mistakes.push(
                Diagnostic::new(
                    codes::CATALOG_NAME,
                    format!("{:?} is not a name of the catalogue", name.value),
                )
                .label(name.span, reason),
            );
            None
        }
    }
}

/// Whether a text is a name of the catalogue, and if not, why.
pub(super) fn check_name(name: &str) -> Result<(), &'static str> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '+' | '_' | '-');
    if name.is_empty() {
        Err("a name has at least one letter")
    } else if name.len() > MAX_NAME {
        Err("a name has at most 64 letters")
    } else if name.contains(['/', '\\']) || name.starts_with('.') {
        Err("a name is not a path")
    } else if !name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit()) {
        Err("a name starts with a small letter or digit")
    } else if !name.chars().all(fits) {
        Err("a name holds small letters, digits, `.`, `+`, `_` and `-`")
    } else {
        Ok(())
    }
}

pub(super) fn version(node: Node<'_>, mistakes: &mut Mistakes) -> Option<Spanned<Version>> {
    let text = written(node, mistakes)?;
    match text.value.parse() {
        Ok(version) => Some(Spanned::new(version, text.span)),
        Err(error) => {
            mistakes.push(bad(text.span, format!("`{}` is not a version", text.value), &error.to_string()));
            None
        }
    }
}

/// `DISTRO` or `DISTRO REQ`, as in `os`: releases have names as well as versions.
pub(super) fn system(node: Node<'_>, mistakes: &mut Mistakes) -> Option<(String, Requirement, Span)> {
    name_and(node, mistakes, without_suites)
}

/// `NAME` or `NAME REQ`, as in `requires` and `conflicts`.
pub(super) fn name_and_requirement(
    node: Node<'_>,
    mistakes: &mut Mistakes,
) -> Option<(String, Requirement, Span)> {
    name_and(node, mistakes, |_, written| written.to_owned())
}

fn name_and(
    node: Node<'_>,
    mistakes: &mut Mistakes,
    meant: impl Fn(&str, &str) -> String,
) -> Option<(String, Requirement, Span)> {
    let text = written(node, mistakes)?;
    let trimmed = text.value.trim();
    let (name, requirement) = trimmed.split_once([' ', '\t']).unwrap_or((trimmed, ""));
    if let Err(reason) = check_name(name) {
        mistakes.push(
            Diagnostic::new(codes::CATALOG_NAME, format!("{name:?} is not a name of the catalogue"))
                .label(text.span, reason),
        );
        return None;
    }
    match requirement.trim() {
        "" => Some((name.to_owned(), Requirement::any(), text.span)),
        requirement => match meant(name, requirement).parse() {
            Ok(requirement) => Some((name.to_owned(), requirement, text.span)),
            Err(error) => {
                mistakes.push(bad(
                    text.span,
                    format!("`{requirement}` is not a requirement"),
                    &error.to_string(),
                ));
                None
            }
        },
    }
}

/// Bytes.
pub(super) fn size(node: Node<'_>, mistakes: &mut Mistakes) -> Option<Spanned<u64>> {
    let text = written(node, mistakes)?;
    let size = Size::parse(&text.value);
    if size.is_none() {
        mistakes.push(bad(text.span, format!("`{}` is not a size", text.value), "such as `12MiB` or `4GB`"));
    }
    size.map(|size| Spanned::new(size.bytes(), text.span))
}

pub(super) fn boolean(node: Node<'_>, mistakes: &mut Mistakes) -> Option<bool> {
    let text = written(node, mistakes)?;
    match &*text.value {
        "true" => Some(true),
        "false" => Some(false),
        other => {
            mistakes.push(bad(
                text.span,
                format!("`{other}` is neither `true` nor `false`"),
                "expected one of the two",
            ));
            None
        }
    }
}

pub(super) fn integer(node: Node<'_>, mistakes: &mut Mistakes) -> Option<i64> {
    let text = written(node, mistakes)?;
    let number = text.value.parse().ok();
    if number.is_none() {
        mistakes.push(bad(text.span, format!("`{}` is not a whole number", text.value), "expected a number"));
    }
    number
}

/// Permission bits, in octal with the leading 0.
pub(super) fn mode(node: Node<'_>, mistakes: &mut Mistakes) -> Option<u32> {
    let text = written(node, mistakes)?;
    let digits = text.value.strip_prefix('0').filter(|rest| (3..=4).contains(&rest.len()));
    let mode = digits.and_then(|digits| u32::from_str_radix(digits, 8).ok());
    if mode.is_none() {
        mistakes.push(bad(
            text.span,
            format!("`{}` is not a mode", text.value),
            "octal with its leading 0, such as `0644`",
        ));
    }
    mode
}

/// One of some words, given with what they stand for.
pub(super) fn word<T: Copy>(
    node: Node<'_>,
    words: &[(&str, T)],
    mistakes: &mut Mistakes,
) -> Option<Spanned<T>> {
    let text = written(node, mistakes)?;
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == text.value) {
        return Some(Spanned::new(*value, text.span));
    }
    let known: Vec<_> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
    mistakes.push(bad(
        text.span,
        format!("`{}` is none of the words possible here", text.value),
        &format!("expected {}", known.join(", ")),
    ));
    None
}

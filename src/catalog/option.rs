//! Options of applications: their declaration, and reading a value by it.

use std::fmt::Write as _;

use super::fields::{self, Fields, Mistakes};
use super::node::{Key, Kind, Node};
use super::{OptionDef, OptionKind, OptionValue};
use crate::check::{Size, parse_duration};
use crate::diagnostic::{Diagnostic, codes};
use crate::text::{Span, Spanned};

/// Longest text an option takes, in bytes.
const MAX_TEXT: usize = 4096;
/// Most items a list option takes.
const MAX_ITEMS: usize = 256;
/// Names that templates have already.
pub(super) const PREDEFINED: [&str; 4] = ["name", "version", "arch", "os"];

impl OptionKind {
    /// Reads a single value as written, or says what it should be.
    pub fn read(&self, text: &str) -> Result<OptionValue, String> {
        let whole = |min: i64, max: i64| match text.parse::<i64>() {
            Ok(value) if (min..=max).contains(&value) => Ok(OptionValue::Integer(value)),
            _ if (min, max) == (i64::MIN, i64::MAX) => Err("expected a whole number".to_owned()),
            _ => Err(format!("expected a whole number from {min} to {max}")),
        };
        match self {
            Self::String => plain(text).map(OptionValue::Text),
            Self::Word => {
                let fits = |c: char| c.is_ascii_alphanumeric() || "._:/@+-".contains(c);
                if text.is_empty() || text.len() > MAX_TEXT || !text.chars().all(fits) {
                    return Err("expected letters, digits and `._:/@+-`".to_owned());
                }
                Ok(OptionValue::Text(text.to_owned()))
            }
            Self::Integer { min, max } => whole(*min, *max),
            Self::Port => whole(1, 65_535).map_err(|_| "expected a port, 1 to 65535".to_owned()),
            Self::Boolean => match text {
                "true" => Ok(OptionValue::Boolean(true)),
                "false" => Ok(OptionValue::Boolean(false)),
                _ => Err("expected `true` or `false`".to_owned()),
            },
            Self::Size => Size::parse(text)
                .and_then(|size| i64::try_from(size.bytes()).ok())
                .map(OptionValue::Integer)
                .ok_or_else(|| "expected a size, such as `512MiB`".to_owned()),
            Self::Duration => parse_duration(text)
                .and_then(|duration| i64::try_from(duration.as_secs()).ok())
                .map(OptionValue::Integer)
                .ok_or_else(|| "expected a duration, such as `90s` or `10m`".to_owned()),
            Self::Enum(words) if words.iter().any(|word| word == text) => {
                Ok(OptionValue::Text(text.to_owned()))
            }
            Self::Enum(words) => {
                let mut message = "expected one of ".to_owned();
                for (index, word) in words.iter().enumerate() {
                    let _ = write!(message, "{}`{word}`", if index == 0 { "" } else { ", " });
                }
                Err(message)
            }
            Self::List => Err("expected a list, such as `[\"a\", \"b\"]`".to_owned()),
        }
    }

    /// Reads a list of texts, or says what it should be; the number is the item at fault.
    pub fn read_list<'a>(
        &self,
        items: impl IntoIterator<Item = &'a str>,
    ) -> Result<OptionValue, (Option<usize>, String)> {
        if *self != Self::List {
            return Err((None, format!("expected {}, not a list", self.words())));
        }
        let mut values = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            if index >= MAX_ITEMS {
                return Err((Some(index), format!("expected at most {MAX_ITEMS} items")));
            }
            values.push(plain(item).map_err(|message| (Some(index), message))?);
        }
        Ok(OptionValue::List(values))
    }

    /// For messages and listings: "a port", "a whole number from 1 to 9".
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::String => "a text".to_owned(),
            Self::Word => "a word".to_owned(),
            Self::Integer { min: i64::MIN, max: i64::MAX } => "a whole number".to_owned(),
            Self::Integer { min, max } => format!("a whole number from {min} to {max}"),
            Self::Port => "a port".to_owned(),
            Self::Boolean => "`true` or `false`".to_owned(),
            Self::Size => "a size".to_owned(),
            Self::Duration => "a duration".to_owned(),
            Self::Enum(words) => {
                words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" or ")
            }
            Self::List => "a list".to_owned(),
        }
    }
}

fn plain(text: &str) -> Result<String, String> {
    if text.len() > MAX_TEXT {
        return Err(format!("expected at most {MAX_TEXT} bytes"));
    }
    if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
        return Err("expected a text without control characters".to_owned());
    }
    Ok(text.to_owned())
}

pub(super) const KEYS: [&str; 7] = ["type", "default", "required", "min", "max", "values", "summary"];

/// `port: { type: port, default: 80 }`
pub(super) fn declaration(key: Key<'_>, node: Node<'_>, mistakes: &mut Mistakes) -> Option<OptionDef> {
    if let Err(reason) = check_name(&key.text) {
        mistakes.push(
            Diagnostic::new(codes::CATALOG_NAME, format!("{:?} cannot name an option", key.text))
                .label(key.span, reason),
        );
        return None;
    }
    let mut fields = Fields::open(node, "an option", &KEYS, mistakes)?;
    let kind = kind(&mut fields, mistakes)?;
    let summary = fields.take("summary").and_then(|node| fields::text(node, mistakes));
    let required = fields.take("required").and_then(|node| {
        let span = node.span;
        fields::boolean(node, mistakes).map(|required| (required, span))
    });
    let default = match fields.take("default") {
        // A wrong one was told; the option is there all the same.
        Some(node) => match value(&kind, node, mistakes) {
            Some(value) => Some(value),
            None => {
                return Some(OptionDef {
                    name: Spanned::new(key.text.into_owned(), key.span),
                    kind,
                    summary: summary.map(|summary| summary.value),
                    default: Some(OptionValue::Text(String::new())),
                });
            }
        },
        None => None,
    };
    let lacks_default = default.is_none() && !required.is_some_and(|(required, _)| required);
    match (&default, required) {
        (Some(_), Some((true, span))) => mistakes.push(
            Diagnostic::new(codes::CATALOG_VALUE, "a required option cannot have a default")
                .label(span, "one of the two has to go"),
        ),
        (None, None | Some((false, _))) => mistakes.push(
            Diagnostic::new(codes::CATALOG_MISSING_KEY, format!("the option `{}` has no default", key.text))
                .label(key.span, "needs `default` or `required: true`"),
        ),
        _ => {}
    }
    Some(OptionDef {
        name: Spanned::new(key.text.into_owned(), key.span),
        kind,
        summary: summary.map(|summary| summary.value),
        // That there is none was told; no ImageFile is to blame for it.
        default: if lacks_default { Some(OptionValue::Text(String::new())) } else { default },
    })
}

fn check_name(name: &str) -> Result<(), &'static str> {
    if PREDEFINED.contains(&name) {
        Err("templates use this name already")
    } else if !name.starts_with(|c: char| c.is_ascii_lowercase())
        || !name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        || name.len() > 64
    {
        Err("an option's name is a word of small letters, digits and `_`")
    } else {
        Ok(())
    }
}

fn kind(fields: &mut Fields, mistakes: &mut Mistakes) -> Option<OptionKind> {
    const KINDS: [(&str, u8); 9] = [
        ("string", 0),
        ("word", 1),
        ("integer", 2),
        ("port", 3),
        ("boolean", 4),
        ("size", 5),
        ("duration", 6),
        ("enum", 7),
        ("list", 8),
    ];
    let named = fields::word(fields.need("type", mistakes)?, &KINDS, mistakes)?;
    let min = fields.take("min");
    let max = fields.take("max");
    let values = fields.take("values");
    let mut refuse = |node: &Option<Node<'_>>, key: &str, of: &str| {
        if let Some(node) = node {
            mistakes.push(
                Diagnostic::new(codes::CATALOG_VALUE, format!("only the type `{of}` has `{key}`"))
                    .label(node.span, "has no meaning here"),
            );
        }
    };
    if named.value != 2 {
        refuse(&min, "min", "integer");
        refuse(&max, "max", "integer");
    }
    if named.value != 7 {
        refuse(&values, "values", "enum");
    }
    Some(match named.value {
        0 => OptionKind::String,
        1 => OptionKind::Word,
        2 => integer(min, max, named.span, mistakes),
        3 => OptionKind::Port,
        4 => OptionKind::Boolean,
        5 => OptionKind::Size,
        6 => OptionKind::Duration,
        7 => {
            let words = fields::each(values, mistakes, fields::text);
            if words.is_empty() {
                mistakes.push(
                    Diagnostic::new(codes::CATALOG_MISSING_KEY, "an `enum` needs its `values`")
                        .label(named.span, "values missing"),
                );
            }
            OptionKind::Enum(words.into_iter().map(|word| word.value).collect())
        }
        _ => OptionKind::List,
    })
}

fn integer(min: Option<Node<'_>>, max: Option<Node<'_>>, span: Span, mistakes: &mut Mistakes) -> OptionKind {
    let min = min.and_then(|node| fields::integer(node, mistakes)).unwrap_or(i64::MIN);
    let max = max.and_then(|node| fields::integer(node, mistakes)).unwrap_or(i64::MAX);
    if min > max {
        mistakes.push(
            Diagnostic::new(codes::CATALOG_VALUE, format!("no number is from {min} to {max}"))
                .label(span, "`min` is above `max`"),
        );
        // Nothing else is held against it.
        return OptionKind::Integer { min: i64::MIN, max: i64::MAX };
    }
    OptionKind::Integer { min, max }
}

/// The default, read by the option's own type.
fn value(kind: &OptionKind, node: Node<'_>, mistakes: &mut Mistakes) -> Option<OptionValue> {
    let span = node.span;
    let result = match node.kind {
        Kind::Scalar(scalar) => kind.read(&scalar.text),
        Kind::List(items) => {
            let texts: Vec<_> = items.into_iter().filter_map(|item| fields::text(item, mistakes)).collect();
            kind.read_list(texts.iter().map(|text| text.value.as_str())).map_err(|(_, message)| message)
        }
        _ => Err(format!("expected {}", kind.words())),
    };
    match result {
        Ok(value) => Some(value),
        Err(message) => {
            mistakes.push(
                Diagnostic::new(codes::CATALOG_VALUE, "the default does not fit the option's own type")
                    .label(span, message),
            );
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{OptionKind, OptionValue};

    #[test]
    fn each_type_reads_what_it_should() {
        let words = OptionKind::Enum(vec!["on".to_owned(), "off".to_owned()]);
        let small = OptionKind::Integer { min: 1, max: 9 };
        let text = |text: &str| Some(OptionValue::Text(text.to_owned()));
        let number = |number| Some(OptionValue::Integer(number));
        let table = [
            (&OptionKind::String, "a b", text("a b")),
            (&OptionKind::String, "a\u{7}", None),
            (&OptionKind::Word, "a/b:c", text("a/b:c")),
            (&OptionKind::Word, "a b", None),
            (&OptionKind::Word, "$(x)", None),
            (&small, "9", number(9)),
            (&small, "10", None),
            (&OptionKind::Port, "65535", number(65535)),
            (&OptionKind::Port, "0", None),
            (&OptionKind::Boolean, "true", Some(OptionValue::Boolean(true))),
            (&OptionKind::Boolean, "yes", None),
            (&OptionKind::Size, "512MiB", number(512 << 20)),
            (&OptionKind::Size, "512", None),
            (&OptionKind::Duration, "10m", number(600)),
            (&words, "on", text("on")),
            (&words, "maybe", None),
            (&OptionKind::List, "a", None),
        ];
        for (kind, written, value) in table {
            assert_eq!(kind.read(written).ok(), value, "{kind:?} {written}");
        }
        assert!(OptionKind::List.read_list(["a", "b"]).is_ok());
        assert_eq!(OptionKind::List.read_list(["a", "\u{0}"]).unwrap_err().0, Some(1));
        assert!(OptionKind::Port.read_list(["80"]).is_err());
    }
}

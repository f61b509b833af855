//! Values whose type their place decides: sizes, durations, modes, numbers, choices, lists.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::operands::{OptionValues, Text, enumerate, is_scalar};
use super::shown::short;
use super::{Checker, Size, parse_duration};
use crate::diagnostic::{Applicability, Diagnostic, codes};
use crate::syntax::keywords::ValueKind;
use crate::syntax::{Operand, OperandKind};
use crate::text::{Checksum, Digest, Span, Spanned, nearest};

/// What a number without a unit is likely to mean: other tools count in bytes, in mebibytes, and in gibibytes.
fn meant_by(number: u64) -> String {
    match number {
        0..256 => format!("{number}GiB"),
        256..1_000_000 => Size(number << 20).to_string(),
        _ => Size(number).to_string(),
    }
}

impl Checker<'_> {
    /// A scalar where an option's value must be one.
    pub(super) fn scalar_value(&mut self, operand: &Operand, what: &str) -> Option<Text> {
        if is_scalar(operand) {
            return self.text(operand);
        }
        self.wrong_kind(operand, what);
        None
    }

    fn wrong_kind(&mut self, operand: &Operand, what: &str) {
        let found = match operand.kind {
            OperandKind::List(_) => "a list",
            OperandKind::Options(_) => "options in `{ }`",
            // The shape check has said what is wrong with it.
            OperandKind::Single | OperandKind::Junk | OperandKind::SlashComment => return,
            _ => "a single value",
        };
        self.report(
            Diagnostic::new(codes::WRONG_KIND, format!("expected {what}, found {found}"))
                .label(operand.span, format!("this must be {what}")),
        );
    }

    pub(super) fn text_option(
        &mut self,
        given: &OptionValues<'_>,
        key: &str,
        what: &str,
    ) -> Option<Spanned<String>> {
        Some(self.scalar_value(given.value(key)?, what)?.spanned())
    }

    pub(super) fn boolean_option(&mut self, given: &OptionValues<'_>, key: &str) -> Option<Spanned<bool>> {
        let text = self.scalar_value(given.value_of_kind(key, ValueKind::Boolean)?, "`true` or `false`")?;
        self.boolean(&text)
    }

    pub(super) fn boolean(&mut self, text: &Text) -> Option<Spanned<bool>> {
        let value = match text.value.as_str() {
            "true" => true,
            "false" => false,
            other => {
                let meant = match other {
                    "yes" | "on" | "1" | "True" | "TRUE" | "enabled" => Some("true"),
                    "no" | "off" | "0" | "False" | "FALSE" | "disabled" => Some("false"),
                    _ => None,
                };
                let diagnostic = Diagnostic::new(
                    codes::NOT_A_CHOICE,
                    format!("`{}` is neither `true` nor `false`", short(other)),
                )
                .label(text.span, "expected `true` or `false`");
                self.report(match meant {
                    Some(meant) => diagnostic.help(format!("write `{meant}`")).fix(
                        Applicability::Safe,
                        format!("write `{meant}`"),
                        text.span,
                        meant,
                    ),
                    None => diagnostic.help("write `true` or `false`"),
                });
                return None;
            }
        };
        Some(Spanned::new(value, text.span))
    }

    pub(super) fn size(&mut self, text: &Text) -> Option<Spanned<Size>> {
        if let Some(size) = Size::parse(&text.value) {
            return Some(Spanned::new(size, text.span));
        }
        let written = &text.value;
        let digits = written.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = written[digits.len()..].to_ascii_lowercase();
        let bare = digits.parse::<u64>().ok().filter(|_| unit.is_empty()).map(meant_by);
        let meant = match unit.as_str() {
            "g" | "gi" | "gib" | "gig" | "gigs" => Some("GiB"),
            "gb" => Some("GB"),
            "m" | "mi" | "mib" | "megs" => Some("MiB"),
            "mb" => Some("MB"),
            "k" | "ki" | "kib" => Some("KiB"),
            "t" | "ti" | "tib" => Some("TiB"),
            "tb" => Some("TB"),
            _ => None,
        }
        .filter(|_| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
        .map(|unit| format!("{digits}{unit}"))
        .filter(|meant| Size::parse(meant).is_some())
        .or(bare);
        let diagnostic = Diagnostic::new(codes::NOT_A_SIZE, format!("`{}` is not a size", short(written)))
            .label(text.span, "expected a size, such as `8GiB` or `20GB`");
        self.report(match meant {
            Some(meant) => diagnostic.help(format!("write `{meant}`")).fix(
                Applicability::Maybe,
                format!("write `{meant}`"),
                text.span,
                &meant,
            ),
            None => diagnostic.help(
                "a size is a whole number and a unit: `KiB`, `MiB`, `GiB`, `TiB`, or `kB`, `MB`, `GB`, `TB`",
            ),
        });
        None
    }

    pub(super) fn size_option(&mut self, given: &OptionValues<'_>, key: &str) -> Option<Spanned<Size>> {
        let text = self.scalar_value(given.value_of_kind(key, ValueKind::Size)?, "a size, such as `2GiB`")?;
        self.size(&text)
    }

    pub(super) fn duration(&mut self, text: &Text) -> Option<Spanned<Duration>> {
        match parse_duration(&text.value) {
            Some(duration) => Some(Spanned::new(duration, text.span)),
            None => {
                let diagnostic = Diagnostic::new(
                    codes::NOT_A_DURATION,
                    format!("`{}` is not a duration", short(&text.value)),
                )
                .label(text.span, "expected a duration, such as `90s`, `10m` or `1h`");
                let bare = !text.value.is_empty() && text.value.bytes().all(|b| b.is_ascii_digit());
                let seconds = format!("{}s", text.value);
                self.report(if bare && parse_duration(&seconds).is_some() {
                    diagnostic.help(format!("a duration has a unit: `{seconds}` for seconds")).fix(
                        Applicability::Maybe,
                        format!("write `{seconds}`"),
                        text.span,
                        &seconds,
                    )
                } else {
                    diagnostic.help("a duration is a whole number and `s`, `m` or `h`")
                });
                None
            }
        }
    }

    pub(super) fn duration_option(
        &mut self,
        given: &OptionValues<'_>,
        key: &str,
    ) -> Option<Spanned<Duration>> {
        let text =
            self.scalar_value(given.value_of_kind(key, ValueKind::Duration)?, "a duration, such as `10m`")?;
        self.duration(&text)
    }

    /// An octal mode with its leading 0, up to `07777`.
    pub(super) fn mode_option(&mut self, given: &OptionValues<'_>, key: &str) -> Option<Spanned<u32>> {
        let text = self.scalar_value(given.value_of_kind(key, ValueKind::Mode)?, "a mode, such as `0644`")?;
        let octal = |digits: &str| {
            let fine = (3..=4).contains(&digits.len()) && digits.bytes().all(|b| (b'0'..=b'7').contains(&b));
            fine.then(|| u32::from_str_radix(digits, 8).ok()).flatten()
        };
        if let Some(mode) = text.value.strip_prefix('0').and_then(octal) {
            return Some(Spanned::new(mode, text.span));
        }
        let diagnostic =
            Diagnostic::new(codes::NOT_A_MODE, format!("`{}` is not a mode", short(&text.value)))
                .label(text.span, "expected an octal mode with its leading 0, such as `0644`");
        let bare = text.value.strip_prefix("0o").unwrap_or(&text.value);
        self.report(if octal(bare).is_some() {
            diagnostic.help(format!("write `0{bare}`")).fix(
                Applicability::Safe,
                format!("write `0{bare}`"),
                text.span,
                format!("0{bare}"),
            )
        } else {
            diagnostic.help("write `0644`, `0755` or the like")
        });
        None
    }

    pub(super) fn integer_option(
        &mut self,
        given: &OptionValues<'_>,
        key: &str,
        range: RangeInclusive<u32>,
    ) -> Option<Spanned<u32>> {
        let text = self.scalar_value(given.value_of_kind(key, ValueKind::Integer)?, "a whole number")?;
        self.integer(&text, range)
    }

    pub(super) fn integer(&mut self, text: &Text, range: RangeInclusive<u32>) -> Option<Spanned<u32>> {
        let value =
            text.value.bytes().all(|b| b.is_ascii_digit()).then(|| text.value.parse::<u64>().ok()).flatten();
        if let Some(value) =
            value.and_then(|value| u32::try_from(value).ok()).filter(|value| range.contains(value))
        {
            return Some(Spanned::new(value, text.span));
        }
        let bounds = if *range.end() == u32::MAX {
            format!("a whole number from {}", range.start())
        } else {
            format!("a whole number from {} to {}", range.start(), range.end())
        };
        let problem = if value.is_some() { "out of range" } else { "not a whole number" };
        self.report(
            Diagnostic::new(codes::NOT_A_NUMBER, format!("`{}` is {problem}", short(&text.value)))
                .label(text.span, format!("expected {bounds}")),
        );
        None
    }

    /// One of a fixed set of words.
    pub(super) fn choice<T: Copy>(
        &mut self,
        text: &Text,
        what: &str,
        choices: &[(&'static str, T)],
    ) -> Option<Spanned<T>> {
        if let Some((_, value)) = choices.iter().find(|(name, _)| *name == text.value) {
            return Some(Spanned::new(*value, text.span));
        }
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        let diagnostic =
            Diagnostic::new(codes::NOT_A_CHOICE, format!("`{}` is not {what}", short(&text.value)))
                .label(text.span, format!("expected {what}"));
        self.report(match nearest(&text.value, names.iter().copied()) {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")).fix(
                Applicability::Maybe,
                format!("write `{near}`"),
                text.span,
                near,
            ),
            None => diagnostic.help(format!("known are {}", enumerate(names.iter().copied()))),
        });
        None
    }

    /// 64 hexadecimal digits.
    pub(super) fn digest(&mut self, text: &Text) -> Option<Spanned<Digest>> {
        if let Ok(digest) = text.value.parse() {
            return Some(Spanned::new(digest, text.span));
        }
        let diagnostic = Diagnostic::new(
            codes::NOT_A_DIGEST,
            format!("`{}` is not a sha256", short(&text.value)),
        )
        .label(text.span, format!("{} characters, of which a sha256 has 64", text.value.chars().count()));
        self.report(match text.value.strip_prefix("sha256:") {
            Some(rest) if rest.parse::<Digest>().is_ok() => diagnostic.help("leave out `sha256:`").fix(
                Applicability::Safe,
                "leave out `sha256:`",
                text.span,
                format!("\"{rest}\""),
            ),
            _ => diagnostic.help("a sha256 is 64 hexadecimal digits, as `sha256sum FILE` prints them"),
        });
        None
    }

    /// As [`digest`](Self::digest), of the other kind.
    pub(super) fn sha512(&mut self, text: &Text) -> Option<Spanned<Checksum>> {
        match Checksum::parse(&text.value) {
            Some(sum @ Checksum::Sha512(_)) => return Some(Spanned::new(sum, text.span)),
            _ => self.report(
                Diagnostic::new(codes::NOT_A_DIGEST, format!("`{}` is not a sha512", short(&text.value)))
                    .label(
                        text.span,
                        format!("{} characters, of which a sha512 has 128", text.value.chars().count()),
                    )
                    .help("a sha512 is 128 hexadecimal digits, as `sha512sum FILE` prints them"),
            ),
        }
        None
    }

    /// An `http` or `https` address.
    pub(super) fn url(&mut self, text: Text) -> Option<Spanned<String>> {
        let rest = text.value.strip_prefix("https://").or_else(|| text.value.strip_prefix("http://"));
        let host = rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
        let clean = !text.value.contains(|c: char| c.is_whitespace() || c.is_control());
        if clean && host.is_some_and(|host| !host.is_empty()) {
            return Some(text.spanned());
        }
        self.misfit(
            codes::NOT_A_URL,
            text.span,
            &text.value,
            "a web address",
            "write it whole, such as `https://example.org/disk.qcow2`",
        );
        None
    }

    /// A list of scalars; each element that is none is reported.
    pub(super) fn texts_option(&mut self, given: &OptionValues<'_>, key: &str, what: &str) -> Vec<Text> {
        let Some(operand) = given.value(key) else { return Vec::new() };
        match &operand.kind {
            OperandKind::List(list) => {
                list.elements().filter_map(|element| self.scalar_value(element, what)).collect()
            }
            _ if is_scalar(operand) => {
                let written = self.slice(operand.span).to_owned();
                self.report(
                    Diagnostic::new(codes::WRONG_KIND, format!("`{key}` takes a list"))
                        .label(operand.span, "a single value")
                        .help(format!("write `[{}]`", short(&written)))
                        .fix(Applicability::Safe, "make it a list", operand.span, format!("[{written}]")),
                );
                Vec::new()
            }
            _ => {
                self.wrong_kind(operand, "a list");
                Vec::new()
            }
        }
    }

    /// An absolute path in the image, without `..`.
    pub(super) fn image_path(&mut self, text: Text) -> Option<Spanned<String>> {
        let (span, value) = (text.span, &text.value);
        if !value.starts_with('/') {
            let help = if value.starts_with('~') {
                "name the home folder, such as `/home/deploy/…`"
            } else {
                "a path in the image starts with `/`"
            };
            self.misfit(codes::BAD_PATH, span, value, "an absolute path", help);
            return None;
        }
        if value.split('/').any(|part| part == "..") {
            self.misfit(codes::BAD_PATH, span, value, "a plain path", "write the path without `..`");
            return None;
        }
        if value.contains(char::is_control) {
            self.misfit(codes::BAD_PATH, span, value, "a path", "a path has no control characters");
            return None;
        }
        Some(text.spanned())
    }

    /// An account, group, secret or variable name made of `allowed` characters.
    pub(super) fn name(
        &mut self,
        text: Text,
        what: &str,
        fine: impl Fn(&str) -> bool,
        rule: &str,
    ) -> Option<Spanned<String>> {
        if fine(&text.value) {
            return Some(text.spanned());
        }
        self.report(
            Diagnostic::new(codes::BAD_NAME, format!("`{}` is not {what}", short(&text.value)))
                .label(text.span, format!("expected {what}"))
                .help(rule),
        );
        None
    }

    pub(super) fn account_name(&mut self, text: Text) -> Option<Spanned<String>> {
        self.name(
            text,
            "an account name",
            super::names::is_account,
            "lower-case letters, digits, `_` and `-`, a letter first, at most 32",
        )
    }

    pub(super) fn variable_name(&mut self, text: Text) -> Option<Spanned<String>> {
        self.name(
            text,
            "a variable name",
            super::names::is_variable,
            "letters, digits and `_`, not starting with a digit",
        )
    }

    /// Reports the second of two things that may be given once.
    pub(super) fn twice(&mut self, what: &str, again: Span, first: Span) {
        self.report(
            Diagnostic::new(codes::DUPLICATE_NAME, format!("{what} twice"))
                .label(again, "given again")
                .label(first, "first given here"),
        );
    }
}

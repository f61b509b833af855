//! `publish`: what is asked of a target. Whether there is such a target is known to the user's configuration alone, which
//! no check looks at: what is found is the same for everybody.

use std::collections::HashSet;

use super::operands::{Known, Operands, OptionValues, Text, is_scalar};
use super::shown::short;
use super::{Checker, ImageSpec, KeyValue, MinDisk, PublishSpec, Visibility};
use crate::diagnostic::{Diagnostic, codes};
use crate::model::OutputFormat;
use crate::syntax::OperandKind;
use crate::text::Spanned;

impl Checker<'_> {
    pub(super) fn publish(&mut self, image: &mut ImageSpec, operands: &mut Operands<'_>) -> Option<()> {
        self.require(operands, "to").then_some(())?;
        let target = self.scalar(operands, "the name of a target in quotes, such as `\"prod\"`")?;
        let target = self.name(
            target,
            "a target's name",
            super::names::is_identifier,
            "letters, digits, `_`, `-` and `.`, a letter or digit first",
        );
        let given = self.options(operands);
        let name = given.value("name").and_then(|operand| {
            let text = self.scalar_value(operand, "a name in quotes")?;
            self.published_name(text.spanned())
        });
        let format = given.value("format").and_then(|operand| {
            let text = self.scalar_value(operand, "a format, such as `qcow2`")?;
            let formats = OutputFormat::ALL.map(|format| (format.as_str(), format));
            self.choice(&text, "a format of image files", &formats)
        });
        let regions = self.words_option(&given, "regions", "the name of a region");
        let share = self.words_option(&given, "share", "the id of a project");
        let tags = self.words_option(&given, "tags", "a tag");
        let protect = self.boolean_option(&given, "protect").is_some_and(|value| value.value);
        let visibility = given.value("visibility").and_then(|operand| {
            let text = self.scalar_value(operand, "`private`, `shared`, `community` or `public`")?;
            self.choice(&text, "a visibility", &Visibility::ALL.map(|one| (one.as_str(), one)))
        });
        if let (Some(seen), Some(first)) = (&visibility, share.first())
            && seen.value != Visibility::Shared
        {
            self.report(
                Diagnostic::new(
                    codes::OPTION_CONFLICT,
                    format!("an image that is `{}` is not shared with single projects", seen.value.as_str()),
                )
                .label(first.span, "shared with this project")
                .label(seen.span, "the visibility")
                .help("leave `visibility` out, or write `visibility = shared`"),
            );
        }
        let min_disk = self.min_disk(&given);
        let properties = self.properties(&given);
        let span = operands.statement.span;
        let publish = PublishSpec {
            span,
            target: target?,
            name,
            format,
            regions,
            share,
            protect,
            visibility,
            min_disk,
            properties,
            tags,
        };
        self.published_once(image, &publish);
        image.publishes.push(publish);
        Some(())
    }

    /// Two statements that ask for one name at one place would be in each other's way.
    fn published_once(&mut self, image: &ImageSpec, publish: &PublishSpec) {
        let value = |name: &Option<Spanned<String>>| name.as_ref().map(|name| name.value.clone());
        let regions = |one: &PublishSpec| -> HashSet<String> {
            one.regions.iter().map(|region| region.value.clone()).collect()
        };
        let twin = image.publishes.iter().find(|other| {
            let same_region = regions(other).is_empty() && regions(publish).is_empty()
                || !regions(other).is_disjoint(&regions(publish));
            other.target.value == publish.target.value
                && value(&other.name) == value(&publish.name)
                && same_region
        });
        if let Some(other) = twin {
            let target = short(&publish.target.value).clone();
            self.report(
                Diagnostic::new(
                    codes::GIVEN_TWICE,
                    format!("the image is published twice to `{target}` under one name"),
                )
                .label(publish.span, "given again")
                .label(other.span, "first given here")
                .help("remove one of them, or give one another `name`"),
            );
        }
    }

    fn published_name(&mut self, name: Spanned<String>) -> Option<Spanned<String>> {
        let problem = if name.value.is_empty() {
            "is empty"
        } else if name.value.len() > 255 {
            "is longer than 255 bytes"
        } else if name.value.contains(char::is_control) {
            "has control characters"
        } else {
            return Some(name);
        };
        self.report(
            Diagnostic::new(codes::BAD_NAME, format!("the name of a published image {problem}"))
                .label(name.span, "not a name")
                .help("1 to 255 bytes of UTF-8 without control characters"),
        );
        None
    }

    /// A list of words, each once and none of them empty.
    fn words_option(&mut self, given: &OptionValues<'_>, key: &str, what: &str) -> Vec<Spanned<String>> {
        let mut words: Vec<Spanned<String>> = Vec::new();
        for text in self.texts_option(given, key, what) {
            if text.value.is_empty() || text.value.len() > 255 || text.value.contains(char::is_control) {
                self.report(
                    Diagnostic::new(codes::BAD_NAME, format!("`{}` is not {what}", short(&text.value)))
                        .label(text.span, "1 to 255 bytes without control characters"),
                );
            } else if words.iter().all(|known| known.value != text.value) {
                words.push(text.spanned());
            }
        }
        words
    }

    fn min_disk(&mut self, given: &OptionValues<'_>) -> MinDisk {
        let read = |checker: &mut Self| {
            let operand = given.value("min_disk")?;
            let text = checker.scalar_value(operand, "`auto` or a size, such as `10GiB`")?;
            if text.value == "auto" {
                return Some(MinDisk::Auto);
            }
            checker.size(&text).map(|size| MinDisk::Size(size.value))
        };
        read(self).unwrap_or_default()
    }

    fn properties(&mut self, given: &OptionValues<'_>) -> Vec<KeyValue> {
        let Some(operand) = given.value("properties") else { return Vec::new() };
        let OperandKind::Options(pairs) = &operand.kind else {
            if is_scalar(operand) || matches!(operand.kind, OperandKind::List(_)) {
                self.report(
                    Diagnostic::new(codes::WRONG_KIND, "`properties` takes names and values in braces")
                        .label(operand.span, "not in braces")
                        .help("write `properties = { hw_disk_bus = \"virtio\" }`"),
                );
            }
            return Vec::new();
        };
        let pairs = self.given(pairs, "properties", Known::Any);
        let mut found = Vec::new();
        for (key, entry) in pairs.entries {
            let key = Text { value: key, span: entry.key.span, quoted: false, param: false };
            let key = self.name(
                key,
                "a property's name",
                is_property,
                "letters, digits, `_`, `-`, `.` and `:`, a letter first",
            );
            let value = entry.value.as_ref().and_then(|value| self.scalar_value(value, "a text in quotes"));
            let (Some(key), Some(value)) = (key, value) else { continue };
            found.push(KeyValue { key, value: value.spanned() });
        }
        found
    }
}

/// What services take for the name of a property.
fn is_property(name: &str) -> bool {
    name.len() <= 255
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b':'))
}

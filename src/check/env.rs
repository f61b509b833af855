//! `env` and `label`: names with values.

use super::contents::Claim;
use super::operands::{Operands, Text};
use super::profiles::Placed;
use super::shown::short;
use super::{Checker, ImageSpec, KeyValue};
use crate::diagnostic::{Applicability, Diagnostic, codes};
use crate::syntax::{Keyword, Operand, OperandKind, OptionItem};
use crate::text::{Span, Spanned};

impl Checker<'_> {
    fn key_value(&mut self, operands: &mut Operands<'_>, what: &str) -> Option<(Text, Text)> {
        self.one_each(operands)?;
        let key = self.scalar(operands, what)?;
        let name = key.value.trim_end_matches(':');
        if !key.quoted
            && !name.is_empty()
            && name.len() < key.value.len()
            && operands.peek().is_some_and(|value| value.kind != OperandKind::Eq)
        {
            // As YAML has it; the colon is a character of the word.
            operands.failed = true;
            let colon = Span { start: key.span.end - 1, ..key.span };
            self.report(
                Diagnostic::new(
                    codes::EQUALS_SIGN,
                    format!("an `=` is missing between `{name}` and its value"),
                )
                .label(colon, "an `=` belongs here, in place of the colon")
                .fix(Applicability::Safe, "replace `:` by `=`", colon, " ="),
            );
            return None;
        }
        self.equals(operands);
        let value = self.scalar(operands, "a value")?;
        self.finish(operands);
        Some((key, value))
    }

    /// Several pairs in a block, as HCL and YAML have them: each is a statement here.
    fn one_each(&mut self, operands: &mut Operands<'_>) -> Option<()> {
        // `env = {`, too.
        let equals = operands.peek().filter(|first| first.kind == OperandKind::Eq);
        let block = if equals.is_some() { operands.peek_second() } else { operands.peek() };
        let Some(Operand { kind: OperandKind::Options(options), span }) = block else { return Some(()) };
        operands.failed = true;
        let keyword = self.slice(operands.statement.keyword).to_owned();
        let pairs: Vec<String> = options
            .entries()
            .filter_map(|entry| {
                let value = entry.value.as_ref()?;
                Some(format!("{keyword} {} = {}", self.slice(entry.key.span), self.slice(value.span)))
            })
            .collect();
        let shown =
            pairs.first().map_or_else(|| format!("{keyword} NAME = \"…\""), |pair| short(pair).clone());
        let mut diagnostic =
            Diagnostic::new(codes::UNEXPECTED, format!("each `{keyword}` is a statement of its own"))
                .label(*span, "a block of them is not known")
                .help(format!("write `{shown}`, one on a line"));
        // What is not a pair would be lost.
        if pairs.len() == options.items.iter().filter(|item| !matches!(item, OptionItem::Comma(_))).count() {
            let place = operands.statement.keyword.to(*span);
            let indent = self.indentation(operands.statement.keyword);
            diagnostic = diagnostic.fix(
                Applicability::Safe,
                "write each on a line of its own",
                place,
                pairs.join(&format!("\n{indent}")),
            );
        }
        self.report(diagnostic);
        None
    }

    pub(super) fn env(
        &mut self,
        image: &mut ImageSpec,
        operands: &mut Operands<'_>,
        placed: &Placed<'_>,
    ) -> Option<()> {
        let (key, value) = self.key_value(operands, "a name and a value, such as `RELEASE = \"2026.11\"`")?;
        let key = self.env_key(key)?;
        if value.value.contains('\0') {
            self.misfit(
                codes::BAD_NAME,
                value.span,
                &key.value,
                "a value that a process can be given",
                "no variable holds a NUL character",
            );
            return None;
        }
        match self.claim(Keyword::Env, &key.value, key.span, placed) {
            Claim::Refused => return None,
            Claim::Replaces => image.env.retain(|known| known.key.value != key.value),
            Claim::Fresh => {}
        }
        self.env_as_written(&key.value, &value);
        image.env.push(KeyValue { key, value: value.spanned() });
        Some(())
    }

    /// A value that some other tool would have put a variable into, or a search path on which nothing of
    /// the system is found.
    pub(super) fn env_as_written(&mut self, key: &str, value: &Text) {
        const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        const KNOWN: [&str; 8] =
            ["PATH", "HOME", "USER", "PWD", "SHELL", "LANG", "HOSTNAME", "LD_LIBRARY_PATH"];
        let text = &value.value;
        let variable = text.match_indices('$').find_map(|(at, _)| {
            let rest = &text[at + 1..];
            let inner = rest.strip_prefix('{').unwrap_or(rest);
            let name =
                &inner[..inner.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(inner.len())];
            (name == key || KNOWN.contains(&name)).then(|| {
                let braces = if inner.len() < rest.len() { 2 } else { 0 };
                (name, &text[at..(at + 1 + name.len() + braces).min(text.len())])
            })
        });
        if let Some((name, written)) = variable {
            let diagnostic = Diagnostic::new(
                codes::VARIABLE_AS_WRITTEN,
                format!("`{written}` is not replaced: `env` takes the text as written"),
            )
            .label(value.span, format!("`{}` holds a `$`", short(key)));
            let diagnostic = if name == "PATH" && key == "PATH" {
                let meant = text.replacen(written, PATH, 1);
                diagnostic
                    .note("no script would find `ls` any more")
                    .help(format!("write `\"{meant}\"`"))
                    .fix(
                        Applicability::Maybe,
                        "write the usual folders out",
                        value.span,
                        format!("\"{meant}\""),
                    )
            } else {
                diagnostic.help("write the value out, or set it in the script: `export NAME=…`")
            };
            self.report(diagnostic);
        } else if key == "PATH"
            && !text.split(':').any(|folder| matches!(folder, "/usr/bin" | "/bin" | "/usr/bin/" | "/bin/"))
        {
            self.report(
                Diagnostic::new(
                    codes::VARIABLE_AS_WRITTEN,
                    "this `PATH` leaves out the system's own folders",
                )
                .label(value.span, "no script would find `ls` any more")
                .help(format!("add them: `\"{}:{PATH}\"`", short(text))),
            );
        }
    }

    pub(super) fn env_key(&mut self, key: Text) -> Option<Spanned<String>> {
        let key = self.variable_name(key)?;
        // The second is what the first was called.
        if let Some(prefix) =
            ["IMGFILE_", "IMAGEFILE_"].into_iter().find(|prefix| key.value.starts_with(prefix))
        {
            let name = short(&key.value);
            let message = format!("names that start with `{prefix}` are set by the build, `{name}` too");
            self.report(Diagnostic::new(codes::BAD_NAME, message).label(key.span, "this name is taken"));
            return None;
        }
        Some(key)
    }

    pub(super) fn label(
        &mut self,
        image: &mut ImageSpec,
        operands: &mut Operands<'_>,
        placed: &Placed<'_>,
    ) -> Option<()> {
        let (key, value) = self.key_value(operands, "a name and a value, such as `team = \"web\"`")?;
        let key = self.name(
            key,
            "a label's name",
            super::names::is_identifier,
            "letters, digits, `.`, `_`, `-` and `+`, a letter or digit first",
        )?;
        match self.claim(Keyword::Label, &key.value, key.span, placed) {
            Claim::Refused => return None,
            Claim::Replaces => image.labels.retain(|known| known.key.value != key.value),
            Claim::Fresh => {}
        }
        image.labels.push(KeyValue { key, value: value.spanned() });
        Some(())
    }
}

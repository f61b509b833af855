//! Templates of the catalogue: minijinja, strict, without anything that could run away.
//!
//! A catalogue may come with a repository that nobody trusts yet, and `check` renders. So a
//! template has fuel and a bounded output, no includes, macros or assignments (with which a text
//! can double itself), and only the filters listed here.

use std::io::{self, Write};
use std::ops::Range;
use std::sync::LazyLock;

use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, Value, filters, syntax::SyntaxConfig};

use crate::text::Span;

/// Longest template, in bytes.
pub const MAX_TEMPLATE: usize = 64 * 1024;
/// Longest text a template may render to, in bytes.
pub const MAX_RENDERED: usize = 1024 * 1024;
/// Longest `{{ … }}` or `{% … %}`, in bytes: what keeps the template parser from running deep.
const MAX_TAG: usize = 1000;
/// Instructions a template may run.
const FUEL: u64 = 200_000;

/// A text of a catalogue file with `{{ … }}` in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    text: String,
    /// The whole YAML value.
    span: Span,
    /// Where in the source each line of the text starts; empty if quoting changed the text.
    line_starts: Vec<u32>,
}

/// Why a template cannot be rendered, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateError {
    /// In plain words.
    pub message: String,
    /// The smallest place known.
    pub span: Span,
}

impl Template {
    /// Takes a text in; `line_starts` are the byte offsets in the source at which its lines start,
    /// if the source holds the text as it is.
    #[must_use]
    pub fn new(text: impl Into<String>, span: Span, line_starts: Vec<u32>) -> Self {
        Self { text: text.into(), span, line_starts }
    }

    /// As written in the catalogue.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The whole YAML value.
    #[must_use]
    pub const fn span(&self) -> Span {
        self.span
    }

    /// Whether there is anything to render.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        !self.text.contains("{{") && !self.text.contains("{%") && !self.text.contains("{#")
    }

    /// Looks for mistakes that show without values: syntax, and names that are none of `known`.
    pub fn check(&self, known: impl Fn(&str) -> bool) -> Result<(), TemplateError> {
        if self.is_constant() {
            return Ok(());
        }
        let template = self.parse()?;
        let mut unknown: Vec<String> =
            template.undeclared_variables(false).into_iter().filter(|name| !known(name)).collect();
        unknown.sort_by_key(|name| self.find_word(name).start);
        match unknown.first() {
            Some(name) => Err(TemplateError {
                message: format!("`{name}` is not an option of this application, nor predefined"),
                span: self.place(self.find_word(name)),
            }),
            None => Ok(()),
        }
    }

    /// Renders with `context`; every name must be defined.
    pub fn render(&self, context: &Value) -> Result<String, TemplateError> {
        if self.is_constant() {
            return Ok(self.text.clone());
        }
        let template = self.parse()?;
        let mut out = Bounded(Vec::new());
        template.render_captured_to(context.clone(), &mut out).map_err(|error| self.explain(&error))?;
        // A template only ever writes whole characters.
        Ok(String::from_utf8_lossy(&out.0).into_owned())
    }

    /// The place in the catalogue file of a range of bytes of the template's text.
    #[must_use]
    pub fn place(&self, range: Range<usize>) -> Span {
        let before = self.text.get(..range.start).unwrap_or(&self.text);
        let line = before.matches('\n').count();
        let column = before.len() - before.rfind('\n').map_or(0, |at| at + 1);
        let Some(&start) = self.line_starts.get(line) else { return self.span };
        let length = self.text.get(range).map_or(0, |text| text.split('\n').next().unwrap_or("").len());
        let start = start + u32::try_from(column).unwrap_or(0);
        Span::new(self.span.source, start, start + u32::try_from(length).unwrap_or(0))
    }

    fn parse(&self) -> Result<minijinja::Template<'_, '_>, TemplateError> {
        let refuse = |message, range| Err(TemplateError { message, span: self.place(range) });
        if self.text.len() > MAX_TEMPLATE {
            return refuse(format!("a template has at most {MAX_TEMPLATE} bytes"), 0..0);
        }
        if let Some(at) = long_tag(&self.text) {
            return refuse(format!("a tag has at most {MAX_TAG} bytes"), at..at + 2);
        }
        if let Some((at, word)) = assignment(&self.text) {
            return refuse(format!("`{word}` cannot be used in catalogue templates"), at..at + word.len());
        }
        // An array's length in a shell: `${#list[@]}`.
        if let Some(at) = self.text.find("${#") {
            let message = "`{#` starts a comment of the template; write `${{ '{#' }}` for a shell's `${#`";
            return refuse(message.to_owned(), at..at + 3);
        }
        ENVIRONMENT.template_from_str(&self.text).map_err(|error| self.explain(&error))
    }

    fn explain(&self, error: &Error) -> TemplateError {
        let range =
            error.range().filter(|range| !range.is_empty()).or_else(|| self.line_range(error.line()?));
        let detail = error.detail().unwrap_or("");
        let named = range.clone().and_then(|range| self.text.get(range)).unwrap_or("");
        let message = match error.kind() {
            ErrorKind::UndefinedError if named.is_empty() => "an undefined value is used".to_owned(),
            ErrorKind::UndefinedError => format!("`{named}` is undefined"),
            ErrorKind::OutOfFuel => "the template runs too long".to_owned(),
            ErrorKind::WriteFailure => format!("the template renders to more than {MAX_RENDERED} bytes"),
            ErrorKind::SyntaxError => format!("not a valid template: {detail}"),
            kind if detail.is_empty() => kind.to_string(),
            _ => detail.to_owned(),
        };
        TemplateError { message, span: range.map_or(self.span, |range| self.place(range)) }
    }

    fn line_range(&self, line: usize) -> Option<Range<usize>> {
        let text = self.text.split('\n').nth(line.checked_sub(1)?)?;
        let start = text.as_ptr() as usize - self.text.as_ptr() as usize;
        let indent = text.len() - text.trim_start().len();
        Some(start + indent..start + text.trim_end().len().max(indent))
    }

    /// The first place where `name` stands as a word of its own.
    fn find_word(&self, name: &str) -> Range<usize> {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let inside = |at: usize| self.text[..at].rfind("{{").max(self.text[..at].rfind("{%")).is_some();
        self.text
            .match_indices(name)
            .map(|(at, _)| at..at + name.len())
            .find(|range| {
                inside(range.start)
                    && !self.text[..range.start].ends_with(is_word)
                    && !self.text[range.end..].starts_with(is_word)
            })
            .unwrap_or(0..self.text.len())
    }
}

/// A block that assigns, if the text has one: with assignments a text can double itself.
fn assignment(text: &str) -> Option<(usize, &'static str)> {
    text.match_indices("{%").find_map(|(at, _)| {
        let inside = text[at + 2..].trim_start_matches(['-', '+']).trim_start();
        let word = ["set", "with", "macro", "call"].into_iter().find(|word| {
            inside.strip_prefix(word).is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric()))
        })?;
        Some((text.len() - inside.len(), word))
    })
}

/// Where a tag starts that does not end within [`MAX_TAG`] bytes.
fn long_tag(text: &str) -> Option<usize> {
    let opens = text.match_indices('{').filter(|(at, _)| text[at + 1..].starts_with(['{', '%']));
    opens.map(|(at, _)| at).find(|&at| {
        let close = if text[at + 1..].starts_with('{') { "}}" } else { "%}" };
        text[at..].find(close).unwrap_or(text.len() - at) > MAX_TAG
    })
}

/// A sink that refuses to grow past [`MAX_RENDERED`].
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_RENDERED {
            return Err(io::Error::other("too much output"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(64);
    environment.set_debug(true);
    environment.set_syntax(whitespace_as_written());
    environment.add_filter("lower", filters::lower);
    environment.add_filter("upper", filters::upper);
    environment.add_filter("trim", filters::trim);
    environment.add_filter("int", filters::int);
    environment.add_filter("length", filters::length);
    environment.add_filter("join", filters::join);
    environment.add_filter("sh", |text: &str| shell_quote(text));
    environment
});

/// A block tag alone on its line leaves no line behind; everything else stays as written.
fn whitespace_as_written() -> SyntaxConfig {
    SyntaxConfig::builder()
        .keep_trailing_newline(true)
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()
        .unwrap_or_default()
}

/// Quotes a text so that a POSIX shell takes it as one word.
#[must_use]
pub fn shell_quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use minijinja::context;

    use super::{Template, shell_quote};
    use crate::text::{SourceId, Span};

    fn template(text: &str) -> Template {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1));
        let starts = starts.map(|at| u32::try_from(at).unwrap()).collect();
        Template::new(text, Span::new(SourceId(0), 0, u32::try_from(text.len()).unwrap()), starts)
    }

    fn blamed(text: &str, span: Span) -> &str {
        &text[span.start as usize..span.end as usize]
    }

    #[test]
    fn a_template_renders_with_its_options() {
        let text = "listen {{ port }};\n{% for h in hosts %}\nhost {{ h|sh }}\n{% endfor %}\n";
        let out = template(text).render(&context!(port => 80, hosts => ["a", "b'c"])).unwrap();
        assert_eq!(out, "listen 80;\nhost 'a'\nhost 'b'\\''c'\n");
        assert_eq!(shell_quote(""), "''");
    }

    #[test]
    fn mistakes_are_found_before_rendering_and_at_their_word() {
        let known = |name: &str| name == "port";
        let table = [
            ("a\nlisten {{ prot }};\n", "prot", "`prot` is not an option"),
            ("{% set x = 1 %}", "set", "`set` cannot be used"),
            ("a\n{%- with y = port %}{% endwith %}", "with", "`with` cannot be used"),
            ("x\n{{ port|reverse }", "", "not a valid template"),
        ];
        for (text, word, message) in table {
            let error = template(text).check(known).unwrap_err();
            assert!(error.message.starts_with(message), "{text}: {}", error.message);
            if !word.is_empty() {
                assert_eq!(blamed(text, error.span), word, "{text}");
            }
        }
        assert!(template("{{ port }}").check(known).is_ok());
    }

    #[test]
    fn nothing_runs_away() {
        let table = [
            "{% for a in range(100000) %}{% for b in range(100000) %}x{% endfor %}{% endfor %}",
            "{% for a in l %}{% for a in l %}{% for a in l %}{{ s }}{% endfor %}{% endfor %}{% endfor %}",
            "{{ s * 100000000 }}",
            "{{ s|replace('a', 'aaaaaaaa') }}",
            "{% include 'x' %}",
        ];
        let values: Vec<u32> = (0..100).collect();
        for text in table {
            assert!(template(text).render(&context!(l => &values, s => "a".repeat(100))).is_err(), "{text}");
        }
        let deep = format!("{}1{}", "{{ (".repeat(20_000), ") }}".repeat(20_000));
        assert!(template(&deep).render(&context!()).is_err());
        let nested = format!("{{{{ {}1{} }}}}", "(".repeat(20_000), ")".repeat(20_000));
        assert!(template(&nested).render(&context!()).is_err());
        let blocks = format!("{}{}", "{% if 1 %}".repeat(3000), "{% endif %}".repeat(3000));
        assert!(template(&blocks).render(&context!()).is_err());
        let negated = format!("{{{{ {}1 }}}}", "not ".repeat(20_000));
        assert!(template(&negated).render(&context!()).is_err());
    }
}

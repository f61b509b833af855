//! Where packages come from beside the base's own archives, and answers to what they ask: `archive`,
//! `preseed`.

use super::operands::{Operands, Text};
use super::profiles::Placed;
use super::script_text::ScriptText;
use super::shown::short;
use super::{ArchiveKey, ArchiveSource, ArchiveSpec, Checker, FileKind, ImageSpec, OtherArchive};
use crate::diagnostic::{Applicability, Diagnostic, codes};
use crate::model::PACKAGE_MANAGERS;
use crate::syntax::keywords::When;
use crate::text::{DEBIAN_COMPONENTS, Span, Spanned, nearest};

/// A keyring, at most.
const KEY_LIMIT: u64 = 4 << 20;
/// Answers for package configuration, at most.
const PRESEED_LIMIT: u64 = 1 << 20;
const BLOCK: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";

impl Checker<'_> {
    pub(super) fn archive(
        &mut self,
        image: &mut ImageSpec,
        operands: &mut Operands<'_>,
        placed: &Placed<'_>,
    ) -> Option<()> {
        let span = placed.statement.span;
        let of = self.scalar(operands, "`debian`, or an archive's web address in quotes")?;
        let own = !of.quoted && !of.value.contains("://");
        if own && of.value != "debian" {
            self.misfit(
                codes::NOT_A_URL,
                of.span,
                &of.value,
                "`debian` or an archive's web address",
                "write `archive debian { components = [\"contrib\"] }`, or the address in quotes",
            );
            operands.failed = true;
            return None;
        }
        if own {
            let given = self.options_of(operands, When::NoAddress);
            let components = self.texts_option(&given, "components", "a component, such as `contrib`");
            let components: Vec<_> = components
                .iter()
                .filter_map(|text| {
                    self.choice(text, "a component of Debian", &DEBIAN_COMPONENTS.map(|name| (name, name)))
                })
                .collect();
            let components = components.into_iter().map(|one| one.map(str::to_owned)).collect();
            let suites = self.names_option(&given, "suites", "a suite, such as `backports`");
            let suites: Vec<_> = suites.into_iter().filter(|suite| self.is_suite(suite)).collect();
            let keep = self.boolean_option(&given, "keep").is_none_or(|keep| keep.value);
            if given.entries.is_empty() {
                self.report(
                    Diagnostic::new(codes::MISSING_OPERAND, "`archive debian` adds nothing")
                        .label(of.span, "its main component is there already")
                        .help("for example `archive debian { components = [\"contrib\"], suites = [\"backports\"] }`"),
                );
            }
            let source = ArchiveSource::Own { components, suites };
            image.archives.push(ArchiveSpec { span, source, keep });
            return Some(());
        }
        if self.as_sources_list(&of) {
            operands.failed = true;
            return None;
        }
        let url = self.url(of);
        let before = self.errors();
        let given = self.required_options(operands, When::Address)?;
        let suite = self.names_option_single(&given, "suite", "a suite, such as `stable`");
        let mut components = self.names_option(&given, "components", "a component, such as `main`");
        let key = match given.value("key") {
            Some(operand) => {
                let text = self.scalar_value(operand, "a file of the project, or the key's text")?;
                self.archive_key(text)
            }
            None => None,
        };
        // One that is misspelt was told, and so was an address that is none.
        let told = url.is_none() || self.errors() > before;
        for (key, what) in [("suite", "the suite to take packages from"), ("key", "the key that signs it")] {
            if given.value(key).is_none() && !told {
                self.report(
                    Diagnostic::new(codes::MISSING_OPERAND, format!("this archive has no `{key}`"))
                        .label(span, format!("{what} is missing"))
                        .help("for example `{ suite = \"stable\", key = \"keys/example.asc\" }`"),
                );
            }
        }
        let fingerprint = self.names_option_single(&given, "fingerprint", "a key's fingerprint");
        let priority = self.integer_option(&given, "priority", 1..=1000);
        let keep = self.boolean_option(&given, "keep").is_none_or(|keep| keep.value);
        let (url, suite, key) = (url?, suite?, key?);
        if components.is_empty() && !suite.value.ends_with('/') {
            components.push(Spanned::new("main".to_owned(), suite.span));
        }
        let other = OtherArchive { url, suite, components, key, fingerprint, priority };
        image.archives.push(ArchiveSpec { span, source: ArchiveSource::Other(Box::new(other)), keep });
        Some(())
    }

    /// Whether this may be a suite of Debian; what is written nearly as one is told.
    fn is_suite(&mut self, suite: &Spanned<String>) -> bool {
        const SUITES: [&str; 4] = ["backports", "backports-sloppy", "proposed-updates", "updates"];
        let bare = suite
            .value
            .rsplit_once('-')
            .filter(|(_, last)| last.len() > 4)
            .map_or(&*suite.value, |(_, last)| last);
        if SUITES.iter().any(|known| *known == suite.value || suite.value.ends_with(&format!("-{known}"))) {
            return true;
        }
        let Some(near) = nearest(&suite.value, SUITES).or_else(|| nearest(bare, SUITES)) else { return true };
        self.report(
            Diagnostic::new(codes::NOT_A_CHOICE, format!("Debian has no suite `{}`", short(&suite.value)))
                .label(suite.span, "not known")
                .help(format!("did you mean `{near}`?"))
                .fix(Applicability::Maybe, format!("write `{near}`"), suite.span, near),
        );
        false
    }

    /// Archives as lists of sources and `add-apt-repository` name them.
    fn as_sources_list(&mut self, of: &Text) -> bool {
        let starts = |start: &&str| of.value.starts_with(start);
        let lister =
            PACKAGE_MANAGERS.iter().find(|manager| manager.source_lines.iter().any(|start| starts(start)));
        let label = match lister {
            Some(manager) => format!("a line of {}", manager.source_list),
            None if of.value.starts_with("ppa:") => "a name that only Launchpad knows".to_owned(),
            None => return false,
        };
        self.report(
            Diagnostic::new(codes::NOT_A_URL, format!("`{}` is not a web address", short(&of.value)))
                .label(of.span, label)
                .help("write `archive \"https://packages.example\" { suite = \"stable\", components = [\"main\"], key = \"keys/example.asc\" }`"),
        );
        true
    }

    /// The key's own text, or the project's file of it.
    fn archive_key(&mut self, text: Text) -> Option<ArchiveKey> {
        if text.value.contains(BLOCK) {
            return Some(ArchiveKey { content: text.value.into_bytes(), path: None, span: text.span });
        }
        let span = text.span;
        let (path, content) = self.project_text(text, KEY_LIMIT, "a file with the archive's public key")?;
        Some(ArchiveKey { content, path: Some(path), span })
    }

    /// A file of the project that a statement reads.
    fn project_text(&mut self, text: Text, limit: u64, what: &str) -> Option<(String, Vec<u8>)> {
        let path = self.project_path(text)?;
        if !matches!(self.kind_of(&path)?, FileKind::File { .. }) {
            self.misfit(codes::WRONG_KIND, path.span, &path.value, what, "it is no file");
            return None;
        }
        match self.input.files.read(&path.value, limit) {
            Ok(content) => Some((path.value, content)),
            Err(error) => {
                self.no_file(&path, &error);
                None
            }
        }
    }

    /// Words that go into addresses and lists of sources.
    fn names_option(
        &mut self,
        given: &super::operands::OptionValues<'_>,
        key: &str,
        what: &str,
    ) -> Vec<Spanned<String>> {
        let texts = self.texts_option(given, key, what);
        texts.into_iter().filter_map(|text| self.source_word(text, what)).collect()
    }

    fn names_option_single(
        &mut self,
        given: &super::operands::OptionValues<'_>,
        key: &str,
        what: &str,
    ) -> Option<Spanned<String>> {
        let text = self.scalar_value(given.value(key)?, what)?;
        self.source_word(text, what)
    }

    fn source_word(&mut self, text: Text, what: &str) -> Option<Spanned<String>> {
        let fits = !text.value.is_empty()
            && !text.value.split('/').any(|part| part == "..")
            && text.value.chars().all(|c| c.is_ascii_alphanumeric() || "._-+~/".contains(c));
        if fits {
            return Some(text.spanned());
        }
        self.misfit(
            codes::WRONG_KIND,
            text.span,
            &text.value,
            what,
            "letters, digits, `.`, `_`, `-`, `+`, `~` and `/`",
        );
        None
    }

    pub(super) fn preseed(&mut self, image: &mut ImageSpec, operands: &mut Operands<'_>) -> Option<()> {
        let span = operands.statement.span;
        let content = if let Some(heredoc) = Self::accept_heredoc(operands) {
            self.finish(operands);
            let text = ScriptText::of_heredoc(heredoc, self.input.sources.get(heredoc.body.source));
            for (line, at) in wrong_answers(&text.content) {
                let start = at + line.len() - line.trim_start().len();
                self.bad_answer(line, text.span(start, at + line.trim_end().len()));
            }
            text.content
        } else {
            let path = self.scalar(operands, "answers in a heredoc, or a file of the project")?;
            self.finish(operands);
            let at = path.span;
            let (path, content) = self.project_text(path, PRESEED_LIMIT, "a file of answers")?;
            match String::from_utf8(content) {
                Ok(text) => {
                    let text = text.replace("\r\n", "\n");
                    for (line, _) in wrong_answers(&text) {
                        self.bad_answer(line, at);
                    }
                    text
                }
                Err(_) => {
                    self.misfit(codes::WRONG_KIND, at, &path, "a file of answers", "it is not UTF-8 text");
                    return None;
                }
            }
        };
        image.preseeds.push(Spanned::new(content, span));
        Some(())
    }

    fn bad_answer(&mut self, line: &str, at: Span) {
        self.report(
            Diagnostic::new(codes::BAD_ANSWER, format!("`{}` is no answer to a question", short(line.trim())))
                .label(at, "would be passed over")
                .help("write `PACKAGE QUESTION TYPE VALUE`, such as `postfix postfix/mailname string mail.example.org`"),
        );
    }

    /// More of Debian's archive is for images with Debian.
    pub(super) fn archives_fit(&mut self, image: &ImageSpec) {
        let Some(os) = image.os.as_ref().filter(|os| os.distribution.value != "debian") else { return };
        for archive in &image.archives {
            if matches!(archive.source, ArchiveSource::Own { .. }) {
                let message = format!(
                    "`archive debian` is for images with Debian, and this is {}",
                    os.distribution.value
                );
                self.report(
                    Diagnostic::new(codes::OPTION_CONFLICT, message)
                        .label(archive.span, "more of Debian's archive")
                        .label(os.distribution.span, "another distribution")
                        .help("name the archive by its address, `archive \"https://…\" { … }`"),
                );
            }
        }
    }
}

/// Lines that are no answer, with where they start: debconf-set-selections(1), "DATA FORMAT".
fn wrong_answers(text: &str) -> Vec<(&str, usize)> {
    const TYPES: [&str; 10] =
        ["string", "boolean", "select", "multiselect", "password", "note", "text", "title", "error", "seen"];
    let mut wrong = Vec::new();
    let (mut at, mut goes_on) = (0, false);
    for line in text.split_inclusive('\n') {
        let bare = line.trim();
        let is_more = std::mem::replace(&mut goes_on, bare.ends_with('\\'));
        let kind = bare.split_whitespace().nth(2);
        if !is_more
            && !bare.is_empty()
            && !bare.starts_with('#')
            && !kind.is_some_and(|kind| TYPES.contains(&kind))
        {
            wrong.push((line, at));
        }
        at += line.len();
    }
    wrong
}

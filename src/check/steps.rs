//! `copy`, `script` and `test`.

use super::contents::Claim;
use super::operands::{Known, Operands, OptionValues, is_scalar};
use super::profiles::Placed;
use super::script::{Origin, Within};
use super::script_text::ScriptText;
use super::shown::short;
use super::{
    Checker, CopySource, CopySpec, DEFAULT_TIMEOUT, FileKind, ImageSpec, KeyValue, Script, StepSpec, Test,
};
use crate::diagnostic::{Applicability, Diagnostic, codes};
use crate::syntax::{Keyword, Operand, OperandKind};
use crate::text::{Span, Spanned, glob_matches};

impl Checker<'_> {
    pub(super) fn copy(&mut self, image: &mut ImageSpec, operands: &mut Operands<'_>) -> Option<()> {
        let source = if let Some(heredoc) = Self::accept_heredoc(operands) {
            let text = ScriptText::of_heredoc(heredoc, self.input.sources.get(heredoc.body.source));
            let span = heredoc.body;
            let given = |name: &str| {
                let of = |env: &[super::EnvVar]| env.iter().any(|var| var.key.value == name);
                of(&image.env) || super::outputs::scripts(image).any(|script| of(&script.env))
            };
            self.interpolation_in(&text, &given, Within::Copy);
            Some(CopySource::Inline { text: Spanned::new(text.content, span) })
        } else if self.accept(operands, "url") {
            let url = self.scalar(operands, "an address, such as `\"https://example.org/tool.tar.gz\"`")?;
            let url = self.url(url);
            let checksum = self.checksum_operand(operands)?;
            url.map(|url| CopySource::Url { url, checksum, unpack: false, strip: 0 })
        } else {
            let path = self.scalar(operands, "a file or folder of the project, `url`, or a heredoc")?;
            self.copied(path)
        };
        if !self.require(operands, "to") {
            return None;
        }
        let dest = self.scalar(operands, "a path in the image, such as `\"/var/www/html\"`")?;
        let dest = self.image_path(dest);
        if let Some(dest) = &dest {
            self.visible(dest);
        }
        let given = self.options(operands);
        let owner = self.owner_option(&given, "owner");
        let group = self.owner_option(&given, "group");
        let mode = self.mode_option(&given, "mode");
        let dir_mode = self.mode_option(&given, "dir_mode");
        let unpack = self.boolean_option(&given, "unpack");
        let strip = self.integer_option(&given, "strip", 0..=64);
        let early = self.boolean_option(&given, "early").is_some_and(|early| early.value);
        let (mut source, dest) = source.zip(dest)?;
        self.onto_the_system(&source, &dest, unpack.is_some_and(|unpack| unpack.value));
        if let CopySource::Url { unpack: to_unpack, strip: to_strip, .. } = &mut source {
            *to_unpack = unpack.is_some_and(|unpack| unpack.value);
            *to_strip = strip.map_or(0, |strip| strip.value);
            if let Some(strip) = strip.filter(|strip| strip.value > 0 && !*to_unpack) {
                self.option_conflict(
                    "`strip` without `unpack` has no effect",
                    strip.span,
                    "nothing is unpacked",
                );
            }
        } else if let Some(span) = unpack.map(|unpack| unpack.span).or(strip.map(|strip| strip.span)) {
            self.option_conflict("only a download can be unpacked", span, "`copy url` alone takes this");
        }
        let into_folder = dest.value.ends_with('/');
        if matches!(source, CopySource::Inline { .. }) && into_folder {
            self.misfit(
                codes::BAD_PATH,
                dest.span,
                &dest.value,
                "a file's path",
                "text in a heredoc has no name of its own: name the file, not only its folder",
            );
        }
        if let (CopySource::File { .. } | CopySource::Inline { .. }, Some(dir_mode)) = (&source, dir_mode) {
            self.option_conflict("`dir_mode` is for folders", dir_mode.span, "this copies one file");
        }
        image.steps.push(StepSpec::Copy(CopySpec {
            span: operands.statement.span,
            source,
            dest,
            owner,
            group,
            mode,
            dir_mode,
            early,
        }));
        Some(())
    }

    /// Whether a path is a pattern. A file whose name really has a `*` is that file.
    fn is_pattern(&self, path: &super::operands::Text) -> bool {
        let folder = self.input.folders.get(&path.span.source).map_or("", String::as_str);
        path.value.contains(['*', '?', '['])
            && super::paths::normalise(folder, &path.value)
                .is_none_or(|path| self.input.files.kind(&path).is_err())
    }

    /// `conf.d/*.conf`: what matches in one folder.
    fn matching(&mut self, path: &super::operands::Text) -> Option<CopySource> {
        let (folder, pattern) = path.value.rsplit_once('/').unwrap_or((".", &path.value));
        if folder.contains(['*', '?', '[']) {
            self.report(
                Diagnostic::new(codes::NOT_SUPPORTED, "a pattern stands in the last part of a path only")
                    .label(path.span, "has one in a folder's name")
                    .help("copy the whole folder, and leave files out by `.imagefileignore`"),
            );
            return None;
        }
        let text = super::operands::Text { value: folder.to_owned(), ..path.clone() };
        let folder = self.project_path(text)?;
        let entries = match self.kind_of(&folder)? {
            FileKind::Folder => self.input.files.list(&folder.value).unwrap_or_default(),
            _ => Vec::new(),
        };
        if !entries.iter().any(|entry| glob_matches(pattern, &entry.name)) {
            let near = self.names.suggester.nearest(pattern, entries.iter().map(|entry| entry.name.as_str()));
            let diagnostic =
                Diagnostic::new(codes::NO_MATCH, format!("`{}` matches nothing", short(&path.value)))
                    .label(path.span, "no file of the project has such a name");
            self.report(match near {
                Some(near) => diagnostic.help(format!("there is `{near}`")),
                None => diagnostic.help("`*` stands for any characters but `/`, and for no dot at the start"),
            });
            return None;
        }
        Some(CopySource::Glob { folder, pattern: pattern.to_owned() })
    }

    fn copied(&mut self, path: super::operands::Text) -> Option<CopySource> {
        if self.is_pattern(&path) {
            return self.matching(&path);
        }
        let folder_meant = path.value.ends_with('/');
        let path = self.project_path(path)?;
        match self.kind_of(&path)? {
            FileKind::Folder => Some(CopySource::Folder { path }),
            FileKind::File { .. } if folder_meant => {
                self.misfit(
                    codes::WRONG_KIND,
                    path.span,
                    &path.value,
                    "a folder",
                    "it is a file: leave out the `/` at its end",
                );
                None
            }
            FileKind::File { .. } => Some(CopySource::File { path }),
            FileKind::Symlink { .. } | FileKind::Other => {
                self.misfit(
                    codes::WRONG_KIND,
                    path.span,
                    &path.value,
                    "a file or a folder",
                    "devices, sockets and pipes are not copied",
                );
                None
            }
        }
    }

    pub(super) fn option_conflict(&mut self, message: &str, span: Span, label: &str) {
        self.report(Diagnostic::new(codes::OPTION_CONFLICT, message).label(span, label));
    }

    fn owner_option(&mut self, given: &OptionValues<'_>, key: &str) -> Option<Spanned<String>> {
        let text = self.scalar_value(given.value(key)?, "an account's name or number")?;
        self.name(
            text,
            "an account's name or number",
            |name| super::names::is_account(name) || name.parse::<u32>().is_ok(),
            "a name such as `www-data`, or a number",
        )
    }

    pub(super) fn scripts(&mut self, image: &mut ImageSpec, operands: &mut Operands<'_>) -> Option<()> {
        let statement = operands.statement;
        let mut origins = Vec::new();
        if let Some(heredoc) = Self::accept_heredoc(operands) {
            origins.push((statement.span, self.heredoc_script(heredoc)));
        } else if let Some(Operand { kind: OperandKind::List(list), span }) = operands.peek() {
            operands.next();
            for element in list.elements() {
                let Some(path) = self.scalar_value(element, "a script's path") else { continue };
                origins.push((element.span, self.script_file(path)));
            }
            if list.items.is_empty() && list.close.is_some() {
                self.misfit(codes::WRONG_KIND, *span, "[]", "a list of scripts", "name at least one");
            }
        } else {
            let path = self.scalar(operands, "a script's path in quotes, a list of them, or a heredoc")?;
            origins.push((statement.span, self.script_file(path)));
        }
        let given = self.options(operands);
        let options = self.script_options(&given);
        if let Some(name) = options.name.as_ref().filter(|_| origins.len() > 1) {
            self.option_conflict(
                "one `name` cannot name several scripts",
                name.span,
                "each script of a list is a step of its own",
            );
        }
        for (span, origin) in origins {
            self.current.script_count += 1;
            let number = self.current.script_count;
            let Some(origin) = origin else { continue };
            let script = self.script(span, origin, &options, &format!("script {number}"), image);
            image.steps.push(StepSpec::Script(script));
        }
        Some(())
    }

    pub(super) fn test(
        &mut self,
        image: &mut ImageSpec,
        operands: &mut Operands<'_>,
        placed: &Placed<'_>,
    ) -> Option<()> {
        let bare =
            operands.peek().filter(|operand| operand.kind == OperandKind::Word).map(|operand| operand.span);
        let name = self.scalar(operands, "a name in quotes, such as `\"it answers\"`")?;
        if let Some(span) = bare {
            self.report(
                Diagnostic::new(codes::NEEDS_QUOTES, "the name of a test is written in quotes")
                    .label(span, "without quotes")
                    .help(format!("write `\"{}\"`", short(&name.value)))
                    .fix(Applicability::Safe, "put it in quotes", span, format!("\"{}\"", name.value)),
            );
            operands.failed = true;
        }
        let origin = if let Some(heredoc) = Self::accept_heredoc(operands) {
            self.heredoc_script(heredoc)
        } else {
            let path = self.scalar(operands, "a script's path in quotes, or a heredoc")?;
            // If the name was taken for something else, the path is not what it seems.
            if operands.failed { None } else { self.script_file(path) }
        };
        let given = self.options(operands);
        let mut options = self.script_options(&given);
        options.name.get_or_insert_with(|| name.clone().spanned());
        if name.value.is_empty() || name.value.len() > 255 || name.value.contains(char::is_control) {
            self.misfit(
                codes::BAD_NAME,
                name.span,
                &name.value,
                "a test's name",
                "1 to 255 bytes without control characters",
            );
            return None;
        }
        match self.claim(Keyword::Test, &name.value, name.span, placed) {
            Claim::Refused => return None,
            Claim::Replaces => image.tests.retain(|known| known.name.value != name.value),
            Claim::Fresh => {}
        }
        let span = operands.statement.span;
        let script = self.script(span, origin?, &options, &name.value, image);
        image.tests.push(Test { name: name.spanned(), script });
        Some(())
    }

    fn script_options(&mut self, given: &OptionValues<'_>) -> ScriptOptions {
        let name = self.text_option(given, "name", "a text in quotes");
        let user = given.value("user").and_then(|operand| {
            let text = self.scalar_value(operand, "an account's name")?;
            self.account_name(text)
        });
        let timeout = self.duration_option(given, "timeout");
        if let Some(zero) = timeout.filter(|timeout| timeout.value.is_zero()) {
            self.misfit(
                codes::NOT_A_DURATION,
                zero.span,
                "0",
                "a time in which a script can end",
                "the default is `1h`",
            );
        }
        let retries = self.integer_option(given, "retries", 0..=20);
        let offline = self.boolean_option(given, "offline").is_some_and(|offline| offline.value);
        let network = self.boolean_option(given, "network");
        if let Some(network) = network.filter(|_| !offline) {
            self.report(
                Diagnostic::new(codes::NOT_SUPPORTED, "`network` is an option of offline scripts")
                    .label(network.span, "this one runs in the booted system")
                    .help(
                        "add `offline = true`, or say for the whole image: `network full` or `network none`",
                    ),
            );
        }
        let network = network.is_some_and(|network| network.value);
        let secrets: Vec<Spanned<String>> = self
            .texts_option(given, "secrets", "a secret's name")
            .into_iter()
            .map(super::operands::Text::spanned)
            .collect();
        let mut with = Vec::new();
        for text in self.texts_option(given, "with", "a file or folder of the project") {
            let Some(path) = self.project_path(text) else { continue };
            if self.kind_of(&path).is_some() {
                with.push(path);
            }
        }
        ScriptOptions {
            name,
            user,
            env: self.env_option(given),
            timeout,
            retries,
            secrets,
            offline,
            network,
            with,
        }
    }

    fn env_option(&mut self, given: &OptionValues<'_>) -> Vec<KeyValue> {
        let Some(operand) = given.value("env") else { return Vec::new() };
        let OperandKind::Options(options) = &operand.kind else {
            if is_scalar(operand) || matches!(operand.kind, OperandKind::List(_)) {
                self.report(
                    Diagnostic::new(codes::WRONG_KIND, "`env` takes names and values in braces")
                        .label(operand.span, "not in braces")
                        .help("write `env = { RELEASE = \"2026.11\" }`"),
                );
            }
            return Vec::new();
        };
        let given = self.given(options, "env", Known::Any);
        let mut env = Vec::new();
        for (key, entry) in given.entries {
            let key = super::operands::Text { value: key, span: entry.key.span, quoted: false, param: false };
            let Some(key) = self.env_key(key) else { continue };
            let Some(value) = entry.value.as_ref().and_then(|value| self.scalar_value(value, "a value"))
            else {
                continue;
            };
            self.env_as_written(&key.value, &value);
            env.push(KeyValue { key, value: value.spanned() });
        }
        env
    }

    fn script(
        &mut self,
        span: Span,
        origin: Origin,
        options: &ScriptOptions,
        name: &str,
        image: &ImageSpec,
    ) -> Script {
        let named = options.name.as_ref().map(|name| name.value.clone());
        let written = origin.body.path.is_some().then(|| origin.written.clone());
        let script = Script {
            span,
            name: named.or(written).unwrap_or_else(|| name.to_owned()),
            body: origin.body,
            user: options.user.clone(),
            env: options.env.clone(),
            timeout: options.timeout.map_or(DEFAULT_TIMEOUT, |timeout| timeout.value),
            retries: options.retries.map_or(0, |retries| retries.value),
            secrets: options.secrets.clone(),
            offline: options.offline,
            network: options.network,
            with: options.with.clone(),
        };
        if let Some(text) = &origin.text {
            self.current.pending.push(super::script::Pending {
                text: text.clone(),
                script: script.clone(),
                image: image.name.span,
            });
        }
        script
    }
}

/// What scripts and tests have in common.
struct ScriptOptions {
    name: Option<Spanned<String>>,
    user: Option<Spanned<String>>,
    env: Vec<KeyValue>,
    timeout: Option<Spanned<std::time::Duration>>,
    retries: Option<Spanned<u32>>,
    secrets: Vec<Spanned<String>>,
    offline: bool,
    network: bool,
    with: Vec<Spanned<String>>,
}

//! One image: every statement read into its [`ImageSpec`].

use std::collections::{HashMap, HashSet};

use super::operands::Operands;
use super::params::Scope;
use super::profiles::{Flat, Placed};
use super::shown::short;
use super::{
    Base, BaseSource, Checker, Cleanup, FileKind, ImageSpec, MachineSize, Network, Os, OsKind, StepSpec,
    Unknowns,
};
use crate::diagnostic::{Applicability, Diagnostic, codes};
use crate::hygiene::{RULES, Rule};
use crate::model::{Arch, Firmware};
use crate::syntax::keywords::{Times, When};
use crate::syntax::{Keyword, OperandKind, Statement};
use crate::text::{Checksum, Op, Requirement, Span, Spanned, nearest};

impl Checker<'_> {
    /// The name of an `image` or `profile` and whatever is wrong with its head.
    pub(super) fn head(&mut self, statement: &Statement) -> Option<Spanned<String>> {
        let image = self.keyword_of(statement) == Some(Keyword::Image);
        let what = if image { "a name in quotes, such as `\"web\"`" } else { "a name, such as `hardened`" };
        let name = self.statement_scope(statement, |checker, operands| {
            let bare = operands
                .peek()
                .filter(|operand| operand.kind == OperandKind::Word)
                .map(|operand| operand.span);
            let name = checker.scalar(operands, what)?;
            if let Some(span) = bare.filter(|_| image) {
                operands.failed = true;
                checker.report(
                    Diagnostic::new(codes::NEEDS_QUOTES, "the name of an image is written in quotes")
                        .label(span, "without quotes")
                        .help(format!("write `\"{}\"`", short(&name.value)))
                        .fix(Applicability::Safe, "put it in quotes", span, format!("\"{}\"", name.value)),
                );
            }
            checker.finish(operands);
            if !image {
                return checker.name(
                    name,
                    "a profile's name",
                    super::names::is_identifier,
                    "letters, digits, `_`, `-` and `.`, a letter or digit first",
                );
            }
            checker.image_name(name.spanned())
        });
        if statement.body.is_none() && !self.recovery.broken.contains(&statement.span) {
            let end = statement.operands.last().map_or(statement.keyword, |operand| operand.span).after();
            let keyword = self.slice(statement.keyword).to_owned();
            self.report(
                Diagnostic::new(codes::BLOCK_NOT_OPENED, format!("`{keyword}` has no block"))
                    .label(end, "`{ … }` belongs here")
                    .help(format!("write `{keyword} … {{`, the statements, and `}}` on a line of its own")),
            );
        }
        name
    }

    fn image_name(&mut self, name: Spanned<String>) -> Option<Spanned<String>> {
        let (bytes, chars) = (name.value.len(), name.value.chars().count());
        let problem = if bytes == 0 {
            "an image's name is empty".to_owned()
        } else if bytes > 255 {
            format!("an image's name has at most 255 bytes, this one has {bytes} ({chars} characters)")
        } else if name.value.contains(char::is_control) {
            "an image's name has no control characters".to_owned()
        } else {
            return Some(name);
        };
        self.report(
            Diagnostic::new(codes::BAD_NAME, problem)
                .label(name.span, "not a name")
                .help("1 to 255 bytes of UTF-8: 255 English letters, or 85 Korean or Japanese ones"),
        );
        None
    }

    /// Reads an image. `flat` holds its statements.
    pub(super) fn image(&mut self, name: Spanned<String>, flat: Flat<'_>) -> ImageSpec {
        self.current.scope = Scope { image: Some(name.value.clone()), ..Scope::default() };
        self.current.script_count = 0;
        let statements = self.resolve_once(flat.statements);
        let mut image = ImageSpec::new(name);
        let mut unknown = Unknowns { any: flat.doubtful, ..Unknowns::default() };
        // `${arch}` and `${os.version}` are known in every statement, also in those above.
        for keyword in [Keyword::Arch, Keyword::Os] {
            for placed in &statements {
                if self.keyword_of(placed.statement) == Some(keyword) {
                    let wrong = self.read(&mut image, placed);
                    unknown.any |= wrong;
                    unknown.arch |= wrong && keyword == Keyword::Arch;
                    self.current.scope.os_doubtful |= wrong && keyword == Keyword::Os;
                }
            }
            self.current.scope.os = image.os.as_ref().map(|os| os.span);
            self.current.scope.arch = Some(image.arch.value.as_str().to_owned());
            self.current.scope.os_doubtful |= flat.doubtful && keyword == Keyword::Os && image.os.is_none();
            self.current.scope.os_version =
                image.os.as_ref().and_then(|os| one_version(&os.version.as_ref()?.value));
        }
        let mut given = HashSet::new();
        let mut perhaps_secrets = flat.doubtful;
        for placed in &statements {
            let Some(keyword) = self.keyword_of(placed.statement) else { continue };
            if !matches!(keyword, Keyword::Arch | Keyword::Os) && self.read(&mut image, placed) {
                unknown.any |=
                    matches!(keyword, Keyword::Base | Keyword::MinStorage | Keyword::Packages | Keyword::App);
                unknown.base |= keyword == Keyword::Base;
                perhaps_secrets |= keyword == Keyword::Secret;
                if keyword == Keyword::App {
                    self.mark_app(&mut image, placed.statement.span);
                }
            }
            given.insert(keyword);
        }
        // A statement that was not understood may have been the base.
        unknown.base |= flat.perhaps_base && !given.contains(&Keyword::Base);
        unknown.any |= image.os.is_none() && !matches!(image.base.source, BaseSource::Image { .. });
        image.unknown = unknown;
        if image.os.is_none()
            && !given.contains(&Keyword::Os)
            && !flat.doubtful
            && !unknown.base
            && !self.recovery.swallowed
            && !matches!(image.base.source, BaseSource::Image { .. })
        {
            let mut diagnostic = Diagnostic::new(
                codes::MISSING_STATEMENT,
                "this image does not say its operating system",
            )
            .label(image.name.span, "has no `os`")
            .help("add for example `os linux debian 13`; only with `base image \"NAME\"` it is inherited");
            if given.contains(&Keyword::Base) {
                diagnostic = diagnostic.label(image.base.span, "this base is no image of the project");
            }
            self.report(diagnostic);
        }
        self.finish_image(&mut image, &statements, perhaps_secrets);
        self.current.scope = Scope::default();
        image
    }

    /// What is known of an `app` that has an error: with broken tokens nothing, else its name and the
    /// options that were understood.
    fn mark_app(&self, image: &mut ImageSpec, span: Span) {
        if self.recovery.broken.contains(&span) {
            image.apps.pop_if(|app| app.span == span);
        }
        // The one that was read last, if it got that far.
        if let Some(app) = image.apps.last_mut().filter(|app| app.span == span) {
            app.doubtful = true;
        }
    }

    /// Of statements allowed once, keeps the image's own; two of the image, or of two profiles, are
    /// reported.
    fn resolve_once<'s>(&mut self, statements: Vec<Placed<'s>>) -> Vec<Placed<'s>> {
        let mut first: HashMap<Keyword, usize> = HashMap::new();
        let mut drop: HashSet<usize> = HashSet::new();
        let once = |checker: &Self, placed: &Placed<'_>| {
            checker.keyword_of(placed.statement).filter(|keyword| keyword.info().times == Times::Once)
        };
        let own =
            statements.iter().filter(|placed| placed.used.is_none()).filter_map(|placed| once(self, placed));
        let own: HashSet<Keyword> = own.collect();
        for (at, placed) in statements.iter().enumerate() {
            let Some(keyword) = once(self, placed) else { continue };
            if placed.used.is_some() && own.contains(&keyword) {
                drop.insert(at);
                continue;
            }
            let Some(&earlier) = first.get(&keyword) else {
                first.insert(keyword, at);
                continue;
            };
            let other = &statements[earlier];
            match (other.used, placed.used) {
                (Some(one), Some(two)) if one != two => {
                    drop.insert(at);
                    self.clash(keyword.as_str(), other, placed);
                }
                _ => {
                    drop.insert(at);
                    self.report(
                        Diagnostic::new(codes::GIVEN_TWICE, format!("`{keyword}` is given twice"))
                            .label(placed.statement.span, "given again")
                            .label(other.statement.span, "first given here")
                            .help("remove one of them"),
                    );
                }
            }
        }
        statements
            .into_iter()
            .enumerate()
            .filter(|(at, _)| !drop.contains(at))
            .map(|(_, placed)| placed)
            .collect()
    }

    /// Two profiles of one image say different things.
    pub(super) fn clash(&mut self, what: &str, one: &Placed<'_>, two: &Placed<'_>) {
        let mut diagnostic =
            Diagnostic::new(codes::PROFILES_CLASH, format!("two profiles of this image both say `{what}`"))
                .label(two.statement.keyword, "said here")
                .label(one.statement.keyword, "and here");
        for used in [one.used, two.used].into_iter().flatten() {
            diagnostic = diagnostic.label(used, "used here");
        }
        self.report(diagnostic.help(format!(
            "write `{what}` in the image itself, which wins over profiles, or use one of the two profiles"
        )));
    }

    /// Reads a statement; says whether there is an error in it.
    fn read(&mut self, image: &mut ImageSpec, placed: &Placed<'_>) -> bool {
        self.current.scope.given.clone_from(&placed.given);
        let keyword = self.keyword_of(placed.statement);
        let before = self.errors();
        self.statement_scope(placed.statement, |checker, operands| match keyword? {
            Keyword::Description => checker.description(image, operands),
            Keyword::Os => checker.os(image, operands),
            Keyword::Arch => checker.arch(image, operands),
            Keyword::Base => checker.base(image, operands),
            Keyword::MinStorage => checker.min_storage(image, operands),
            Keyword::Packages => checker.packages(image, operands),
            Keyword::Archive => checker.archive(image, operands, placed),
            Keyword::Preseed => checker.preseed(image, operands),
            Keyword::App => checker.app(image, operands, placed),
            Keyword::Account => checker.account(image, operands, placed),
            Keyword::Group => checker.group(image, operands, placed),
            Keyword::User => checker.user(image, operands),
            Keyword::Env => checker.env(image, operands, placed),
            Keyword::Secret => checker.secret(image, operands, placed),
            Keyword::Copy => checker.copy(image, operands),
            Keyword::Script => checker.scripts(image, operands),
            Keyword::Reboot => {
                checker.finish(operands);
                image.steps.push(StepSpec::Reboot(placed.statement.span));
                Some(())
            }
            Keyword::Service => checker.service(image, operands, placed),
            Keyword::KernelArgs => checker.kernel_args(image, operands),
            Keyword::Network => checker.network(image, operands),
            Keyword::Machine => checker.machine(image, operands),
            Keyword::Cleanup => checker.cleanup(image, operands),
            Keyword::Test => checker.test(image, operands, placed),
            Keyword::Label => checker.label(image, operands, placed),
            Keyword::Output => checker.output(image, operands),
            Keyword::Publish => checker.publish(image, operands),
            // Read before: those of a file, and profiles where they are used.
            Keyword::Param
            | Keyword::Include
            | Keyword::Catalog
            | Keyword::Profile
            | Keyword::Image
            | Keyword::Use => None,
        });
        self.current.scope.given = None;
        self.errors() > before || self.recovery.broken.contains(&placed.statement.span)
    }

    fn description(&mut self, image: &mut ImageSpec, operands: &mut Operands<'_>) -> Option<()> {
        let text = self.scalar(operands, "a text in quotes")?;
        self.finish(operands);
        image.description = Some(text.spanned());
        Some(())
    }

    fn os(&mut self, image: &mut ImageSpec, operands: &mut Operands<'_>) -> Option<()> {
        let kind = self.scalar(operands, "`linux` and a distribution, such as `linux debian 13`")?;
        let kinds = [("linux", OsKind::Linux), ("windows", OsKind::Windows)];
        if !kind.quoted && nearest(&kind.value, kinds.map(|(name, _)| name)).is_none() {
            operands.failed = true;
            self.report(
                Diagnostic::new(
                    codes::NOT_A_CHOICE,
                    format!("`{}` is not a type of operating system", short(&kind.value)),
                )
                .label(kind.span, "expected a type of operating system")
                .help("the type comes before the distribution: `os linux debian 13`")
                .fix(
                    Applicability::Maybe,
                    "write `linux` before it",
                    kind.span.before(),
                    "linux ",
                ),
            );
            return None;
        }
        let Some(kind) = self.choice(&kind, "a type of operating system", &kinds) else {
            operands.failed = true;
            return None;
        };
        if kind.value == OsKind::Windows {
            operands.failed = true;
            self.report(
                Diagnostic::new(codes::NOT_SUPPORTED, "images with Windows are not supported yet")
                    .label(kind.span, "no driver can build this")
                    .help("write `os linux …`"),
            );
            return None;
        }
        let distribution = self.scalar(operands, "a distribution, such as `debian`")?;
        let distribution = self.name(
            distribution,
            "a distribution",
            super::names::is_identifier,
            "a name such as `debian` or `ubuntu`",
        )?;
        let distribution = distribution.map(|name| name.to_ascii_lowercase());
        let version = self.requirement_of(operands, &distribution.value.clone(), Some(&distribution.value));
        self.finish(operands);
        image.os = Some(Os { span: operands.statement.span, kind, distribution, version });
        Some(())
    }

    fn arch(&mut self, image: &mut ImageSpec, operands: &mut Operands<'_>) -> Option<()> {
        let text = self.scalar(operands, &format!("an architecture, such as `{}`", Arch::default()))?;
        let meant = Arch::of_another_name(&text.value).map(Arch::as_str);
        if let Some(meant) = meant {
            self.report(
                Diagnostic::new(codes::NOT_A_CHOICE, format!("`{}` is called `{meant}` here", text.value))
                    .label(text.span, "another name for it")
                    .fix(Applicability::Safe, format!("write `{meant}`"), text.span, meant),
            );
        } else if let Some(arch) =
            self.choice(&text, "an architecture", &Arch::ALL.map(|arch| (arch.as_str(), arch)))
        {
            image.arch = arch;
        }
        self.finish(operands);
        Some(())
    }

    fn base(&mut self, image: &mut ImageSpec, operands: &mut Operands<'_>) -> Option<()> {
        let kind = self.scalar(operands, "`auto`, a base's name, `file`, `url` or `image`")?;
        let source = match kind.value.as_str() {
            "auto" if !kind.quoted => BaseSource::Auto,
            "file" if !kind.quoted => {
                let path = self.scalar(operands, "a path, such as `\"disk.qcow2\"`")?;
                let path = self.machine_path(path)?;
                self.may_be_disk(&path);
                let sha256 =
                    if self.accept(operands, "sha256") { Some(self.sha256_operand(operands)?) } else { None };
                BaseSource::File { path, sha256 }
            }
            "url" if !kind.quoted => {
                let url =
                    self.scalar(operands, "an address, such as `\"https://example.org/disk.qcow2\"`")?;
                let url = self.url(url)?;
                BaseSource::Url { url, checksum: self.checksum_operand(operands)? }
            }
            "image" if !kind.quoted => {
                BaseSource::Image { name: self.scalar(operands, "an image's name in quotes")?.spanned() }
            }
            _ => {
                let name = self.name(
                    kind,
                    "a base's name",
                    super::names::is_identifier,
                    "a name of the catalogue, such as `debian-13`",
                )?;
                let version = self.requirement(operands, &name.value);
                BaseSource::Named { name, version }
            }
        };
        let given = self.options(operands);
        let upgrade = self.boolean_option(&given, "upgrade").is_some_and(|value| value.value);
        let firmware = given.value("firmware").and_then(|operand| {
            let text = self.scalar_value(operand, "`bios` or `uefi`")?;
            self.choice(&text, "a firmware", &Firmware::ALL.map(|firmware| (firmware.as_str(), firmware)))
        });
        image.base = Base { span: operands.statement.span, source, upgrade, firmware };
        Some(())
    }

    /// What is there already, and cannot be a disk. One that is not may come before the build.
    fn may_be_disk(&mut self, path: &Spanned<String>) {
        let reason = match self.input.files.kind(&path.value) {
            Ok(FileKind::Folder) => "it is a folder",
            Ok(FileKind::File { size, .. }) if size < 1 << 20 => "it is too small for a disk with a system",
            _ => return,
        };
        self.report(
            Diagnostic::new(codes::BASE_UNUSABLE, format!("`{}` cannot be a base", short(&path.value)))
                .label(path.span, reason)
                .help("give a disk image in the format qcow2 or raw"),
        );
    }

    /// The digest behind `sha256`.
    fn sha256_operand(&mut self, operands: &mut Operands<'_>) -> Option<Spanned<crate::text::Digest>> {
        let text = self.scalar(operands, "64 hexadecimal digits")?;
        let digest = self.digest(&text);
        operands.failed |= digest.is_none();
        digest
    }

    /// `sha256 "…"` or `sha512 "…"`, which a download must have.
    pub(super) fn checksum_operand(&mut self, operands: &mut Operands<'_>) -> Option<Spanned<Checksum>> {
        if !self.accept(operands, "sha512") {
            if operands.peek().is_none_or(|operand| operand.kind != OperandKind::Word) {
                self.no_checksum(operands);
                return None;
            }
            if !self.require(operands, "sha256") {
                return None;
            }
            return Some(self.sha256_operand(operands)?.map(Checksum::Sha256));
        }
        let text = self.scalar(operands, "128 hexadecimal digits")?;
        let checksum = self.sha512(&text);
        operands.failed |= checksum.is_none();
        checksum
    }

    fn no_checksum(&mut self, operands: &mut Operands<'_>) {
        operands.failed = true;
        self.report(
            Diagnostic::new(codes::MISSING_OPERAND, "a download needs its checksum")
                .label(operands.gap(), "`sha256 \"…\"` or `sha512 \"…\"` is missing here")
                .help("publishers list it beside the file, often in `SHA256SUMS`; `sha256sum FILE` says it of a file that you have"),
        );
    }

    fn min_storage(&mut self, image: &mut ImageSpec, operands: &mut Operands<'_>) -> Option<()> {
        self.no_equals(operands);
        let text = self.scalar(operands, "a size, such as `8GiB`")?;
        let before = self.errors();
        image.min_storage = self.size(&text);
        if image.min_storage.is_some_and(|size| size.value.bytes() < 1 << 20) {
            self.misfit(
                codes::NOT_A_SIZE,
                text.span,
                &text.value,
                "a size a disk can have",
                "an image needs at least some hundred mebibytes",
            );
            image.min_storage = None;
        }
        if self.errors() == before {
            self.finish(operands);
        }
        Some(())
    }

    fn network(&mut self, image: &mut ImageSpec, operands: &mut Operands<'_>) -> Option<()> {
        let text = self.scalar(operands, "`full` or `none`")?;
        if text.value == "locked" {
            self.report(
                Diagnostic::new(codes::NOT_SUPPORTED, "`network locked` is reserved and not supported yet")
                    .label(text.span, "not yet")
                    .help("write `network full` or `network none`"),
            );
        } else if let Some(network) =
            self.choice(&text, "a kind of network", &[("full", Network::Full), ("none", Network::None)])
        {
            image.network = network.value;
        }
        self.finish(operands);
        Some(())
    }

    fn machine(&mut self, image: &mut ImageSpec, operands: &mut Operands<'_>) -> Option<()> {
        let given = self.required_options(operands, When::Always)?;
        let cpus = self.integer_option(&given, "cpus", 1..=256);
        let mut memory = self.size_option(&given, "memory");
        if let Some(small) = memory.filter(|memory| memory.value.bytes() < 256 << 20) {
            self.misfit(
                codes::NOT_A_SIZE,
                small.span,
                &small.value.to_string(),
                "enough memory",
                "a build needs at least `256MiB`",
            );
            memory = None;
        }
        image.machine = MachineSize { cpus, memory };
        Some(())
    }

    fn cleanup(&mut self, image: &mut ImageSpec, operands: &mut Operands<'_>) -> Option<()> {
        use super::{CleanupItem as Item, CleanupPreset as Preset, CleanupTopic as Topic};
        let text = self.scalar(operands, "a preset: `cloud`, `identity`, `minimal` or `none`")?;
        let choices = [
            ("cloud", Preset::Cloud),
            ("identity", Preset::Identity),
            ("minimal", Preset::Minimal),
            ("none", Preset::None),
        ];
        let preset = self.choice(&text, "a clean-up preset", &choices);
        let given = self.options(operands);
        let items = |checker: &mut Self, key: &str| -> Vec<Spanned<Item>> {
            let topics = Topic::ALL.map(|topic| (topic.as_str(), topic));
            let texts = checker.texts_option(&given, key, "a topic, such as `logs`, or an absolute path");
            texts
                .into_iter()
                .filter_map(|text| {
                    if text.value.starts_with('/') {
                        let path =
                            if key == "remove" { checker.removable(text) } else { checker.image_path(text) };
                        return path.map(|path| path.map(Item::Path));
                    }
                    checker
                        .choice(&text, "something that is cleared", &topics)
                        .map(|topic| topic.map(Item::Topic))
                })
                .collect()
        };
        let (keep, remove) = (items(self, "keep"), items(self, "remove"));
        let mut removed = HashMap::new();
        for item in &remove {
            removed.entry(&item.value).or_insert(item.span);
        }
        let both = keep.iter().find_map(|kept| Some((kept.span, *removed.get(&kept.value)?)));
        if let Some((kept, removed)) = both {
            self.report(
                Diagnostic::new(codes::OPTION_CONFLICT, "the same thing is both kept and removed")
                    .label(removed, "removed here")
                    .label(kept, "kept here"),
            );
        }
        let rules: Vec<(&str, &'static Rule)> = RULES.iter().map(|rule| (rule.id, rule)).collect();
        let allowed = self.texts_option(&given, "allow", "the number of a rule, such as `H0011`");
        let allow = allowed
            .iter()
            .filter_map(|text| self.choice(text, "a rule for finished disks", &rules))
            .collect();
        let preset = preset.map_or_else(Preset::default, |preset| preset.value);
        image.cleanup = Cleanup { preset, keep, remove, allow, span: Some(text.span) };
        Some(())
    }
}

/// The version that a requirement names if it names one: `13`, `=24.04`.
fn one_version(requirement: &Requirement) -> Option<String> {
    match requirement.comparators() {
        [only] if matches!(only.op, Op::Prefix | Op::Exact) => Some(only.version.as_str().to_owned()),
        _ => None,
    }
}

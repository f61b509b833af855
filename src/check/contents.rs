//! What goes into an image beside scripts, copies, accounts and variables: packages, applications, secrets,
//! services, kernel arguments.

use std::collections::HashMap;

use super::operands::{Operands, OptionValues, Text};
use super::profiles::Placed;
use super::shown::short;
use super::{
    App, AppOption, Checker, ImageSpec, Literal, Os, Package, Secret, SecretSource, Service, ServiceState,
};
use crate::diagnostic::{Applicability, Diagnostic, codes};
use crate::model::ManagerFacts;
use crate::syntax::keywords::When;
use crate::syntax::{Keyword, Operand, OperandKind};
use crate::text::{Span, Spanned};

/// What became of a name that must be unique.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    Fresh,
    /// An earlier one, of a profile, gives way.
    Replaces,
    /// It is given already.
    Refused,
}

impl Checker<'_> {
    /// Options that the statement cannot do without.
    pub(super) fn required_options<'s>(
        &mut self,
        operands: &mut Operands<'s>,
        form: When,
    ) -> Option<OptionValues<'s>> {
        if !matches!(operands.peek(), Some(Operand { kind: OperandKind::Options(_), .. })) {
            let keyword = self.slice(operands.statement.keyword).to_owned();
            if operands.peek().is_none() && !operands.failed {
                operands.failed = true;
                let gap = operands.gap();
                let example = Keyword::of(&keyword).map_or("", |keyword| keyword.info().example);
                self.report(
                    Diagnostic::new(codes::MISSING_OPERAND, format!("`{keyword}` needs options"))
                        .label(gap, "options belong here")
                        .help(format!("for example `{example}`")),
                );
            }
            self.finish(operands);
            return None;
        }
        Some(self.options_of(operands, form))
    }

    /// Whether a name that must be unique in an image may be taken. The image's own wins over a
    /// profile's.
    pub(super) fn claim(&mut self, kind: Keyword, name: &str, span: Span, placed: &Placed<'_>) -> Claim {
        let key = (kind, name.to_owned());
        let Some(&(first, used)) = self.current.claimed.get(&key) else {
            self.current.claimed.insert(key, (span, placed.used));
            return Claim::Fresh;
        };
        match (used, placed.used) {
            (None, Some(_)) => Claim::Refused,
            (Some(_), None) => {
                self.current.claimed.insert(key, (span, None));
                Claim::Replaces
            }
            (Some(one), Some(two)) if one != two => {
                self.report(
                    Diagnostic::new(
                        codes::PROFILES_CLASH,
                        format!("two profiles of this image both say `{kind} {}`", short(name)),
                    )
                    .label(span, "said here")
                    .label(first, "and here")
                    .label(one, "used here")
                    .label(two, "used here")
                    .help(format!(
                        "write `{kind} {}` in the image itself, which wins over profiles",
                        short(name)
                    )),
                );
                Claim::Refused
            }
            _ => {
                self.twice(&format!("`{kind} {}` is given", short(name)), span, first);
                Claim::Refused
            }
        }
    }

    pub(super) fn packages(&mut self, image: &mut ImageSpec, operands: &mut Operands<'_>) -> Option<()> {
        let (list, span) = self.list(operands, "a list of packages, such as `[\"jq\", \"curl\"]`")?;
        let texts: Vec<Text> =
            list.elements().filter_map(|element| self.scalar_value(element, "a package's name")).collect();
        let given = self.options(operands);
        let mut packages: Vec<Package> = texts.into_iter().filter_map(|text| self.package(text)).collect();
        let recommending = self.boolean_option(&given, "recommends");
        let keeping = self.boolean_option(&given, "keep");
        let recommends = recommending.is_some_and(|value| value.value);
        let keep = keeping.is_none_or(|value| value.value);
        for package in &mut packages {
            (package.recommends, package.keep) = (recommends, keep);
        }
        let removing = match given.value("remove") {
            Some(Operand { kind: OperandKind::List(_), .. }) => {
                let texts = self.texts_option(&given, "remove", "a package's name");
                let removed: Vec<Package> = texts.into_iter().filter_map(|text| self.package(text)).collect();
                image.removed_packages.extend(removed);
                false
            }
            Some(operand) => match self.scalar_value(operand, "`true` or `false`") {
                Some(text)
                    if text.quoted
                        && super::names::is_package(&text.value)
                        && !matches!(text.value.as_str(), "true" | "false") =>
                {
                    let meant = format!("[\"{}\"]", text.value);
                    self.report(
                        Diagnostic::new(
                            codes::NOT_A_CHOICE,
                            format!("`{}` is neither `true` nor `false`", text.value),
                        )
                        .label(text.span, "packages to remove are a list")
                        .help(format!(
                            "write `remove = {meant}`; `remove = true` removes those before the braces"
                        ))
                        .fix(
                            Applicability::Maybe,
                            format!("write `{meant}`"),
                            text.span,
                            meant.clone(),
                        ),
                    );
                    false
                }
                Some(text) => self.boolean(&text).is_some_and(|value| value.value),
                None => false,
            },
            None => false,
        };
        if list.elements().next().is_none() && given.value("remove").is_none() && list.close.is_some() {
            self.report(
                Diagnostic::new(codes::NOT_A_PACKAGE, "this list of packages is empty")
                    .label(span, "names no package")
                    .help("remove the statement, or name packages"),
            );
        }
        if removing {
            for (option, name) in [(recommending, "recommends"), (keeping, "keep")] {
                if let Some(option) = option {
                    let message = format!("`{name}` says nothing of packages that are removed");
                    self.option_conflict(&message, option.span, "these are removed");
                }
            }
            image.removed_packages.extend(packages);
        } else {
            image.packages.extend(packages);
        }
        Some(())
    }

    /// Packages of systems that are known to have a package manager which is not known here.
    fn packages_fit(&mut self, image: &ImageSpec) {
        let of_another_kind = |os: &&Os| ManagerFacts::is_of_another_kind(&os.distribution.value);
        let Some(os) = image.os.as_ref().filter(of_another_kind) else { return };
        let packages = image.packages.iter().chain(&image.removed_packages).map(|package| package.span);
        let Some(first) = packages.chain(image.preseeds.iter().map(|answers| answers.span)).min() else {
            return;
        };
        self.report(
            Diagnostic::new(codes::NOT_SUPPORTED, ManagerFacts::where_packages_are())
                .label(first, "asked for here")
                .label(os.distribution.span, format!("has no {}", ManagerFacts::programs()))
                .help("install them in a `script`"),
        );
    }

    /// Packages that one statement wants and another removes.
    pub(super) fn packages_conflict(&mut self, image: &ImageSpec) {
        self.two_versions(image);
        self.packages_fit(image);
        if image.removed_packages.is_empty() {
            return;
        }
        let wanted: HashMap<&str, Span> =
            image.packages.iter().map(|package| (package.name.as_str(), package.span)).collect();
        for removed in &image.removed_packages {
            if let Some(wanted) = wanted.get(removed.name.as_str()) {
                let message = format!("`{}` is both wanted and removed", short(&removed.name));
                self.report(
                    Diagnostic::new(codes::OPTION_CONFLICT, message)
                        .label(removed.span, "removed here")
                        .label(*wanted, "wanted here"),
                );
            }
        }
    }

    /// Packages that are asked for in two exact versions.
    fn two_versions(&mut self, image: &ImageSpec) {
        let mut exact: HashMap<&str, &Package> = HashMap::new();
        for package in &image.packages {
            let is_exact =
                |version: &String| !version.contains(['*', '<', '>', '=', '!', ',']) && !version.is_empty();
            if !package.version.as_ref().is_some_and(is_exact) {
                continue;
            }
            let first = *exact.entry(&package.name).or_insert(package);
            if first.version != package.version {
                let message = format!("`{}` is asked for in two versions", short(&package.name));
                self.report(
                    Diagnostic::new(codes::OPTION_CONFLICT, message)
                        .label(package.span, "this one")
                        .label(first.span, "and this one")
                        .help("a package is in an image once: leave one of them out"),
                );
            }
        }
    }

    fn package(&mut self, text: Text) -> Option<Package> {
        let (name, version) = package_words(&text.value);
        let small = name.to_ascii_lowercase();
        if small != name && super::names::is_package(&small) && version.is_none_or(is_version_wanted) {
            let meant = text.value.replacen(name, &small, 1);
            self.report(
                Diagnostic::new(codes::NOT_A_PACKAGE, format!("`{}` is not a package", short(&text.value)))
                    .label(text.span, "no package has a capital letter in its name")
                    .help(format!("write `{small}`"))
                    .fix(Applicability::Maybe, format!("write `{small}`"), text.span, format!("\"{meant}\"")),
            );
            return None;
        }
        if super::names::is_package(name) && version.is_none_or(is_version_wanted) {
            return Some(Package {
                span: text.span,
                name: name.to_owned(),
                version: version.map(|version| version.trim_start_matches('=').trim().to_owned()),
                recommends: false,
                keep: true,
            });
        }
        let mut words = text.value.split_whitespace();
        let several = words.next().is_some() && words.clone().next().is_some();
        let is_name = |word: &str| word.starts_with(|c: char| c.is_ascii_alphabetic());
        let help = if name.contains(':') && !several {
            "a version stands behind `=`: `\"jq=1.7.1-6\"`, or `\"jq=1.7.*\"`"
        } else if version.is_none() && several && words.all(is_name) {
            "each package is a value of its own: `[\"jq\", \"curl\"]`"
        } else {
            "write a name, `\"jq\"`, or a name with a version, `\"kubelet=1.36.1-1.1\"`, a pattern, \
             `\"docker-ce=5:27.*\"`, or a comparison, `\"postgresql-17 >= 17.2\"`"
        };
        self.misfit(codes::NOT_A_PACKAGE, text.span, &text.value, "a package", help);
        None
    }

    pub(super) fn app(
        &mut self,
        image: &mut ImageSpec,
        operands: &mut Operands<'_>,
        placed: &Placed<'_>,
    ) -> Option<()> {
        let name = self.scalar(operands, "the name of an application, such as `nginx`")?;
        let name = self.name(
            name,
            "an application's name",
            super::names::is_identifier,
            "letters, digits, `.`, `_`, `-` and `+`, a letter or digit first",
        )?;
        let version = self.requirement(operands, &name.value);
        let given = self.options(operands);
        let mut options = Vec::new();
        for (key, entry) in given.entries {
            let Some(value) = entry.value.as_ref().and_then(|value| self.literal(value)) else { continue };
            options.push(AppOption { key: Spanned::new(key, entry.key.span), value });
        }
        match self.claim(Keyword::App, &name.value, name.span, placed) {
            Claim::Refused => return None,
            Claim::Replaces => image.apps.retain(|app| app.name.value != name.value),
            Claim::Fresh => {}
        }
        let span = operands.statement.span;
        image.apps.push(App { span, name, version, options, doubtful: false });
        Some(())
    }

    fn literal(&mut self, operand: &Operand) -> Option<Spanned<Literal>> {
        let value = match &operand.kind {
            OperandKind::List(list) => {
                let elements: Vec<&Operand> = list.elements().collect();
                Literal::List(elements.into_iter().filter_map(|element| self.literal(element)).collect())
            }
            _ => Literal::Text(self.scalar_value(operand, "a value or a list")?.value),
        };
        Some(Spanned::new(value, operand.span))
    }

    pub(super) fn secret(
        &mut self,
        image: &mut ImageSpec,
        operands: &mut Operands<'_>,
        placed: &Placed<'_>,
    ) -> Option<()> {
        let name = self.scalar(operands, "a name, such as `token`")?;
        let name = self.name(
            name,
            "a secret's name",
            super::names::is_identifier,
            "letters, digits, `.`, `_` and `-`: it is a file name under /run/secrets",
        )?;
        let source = if operands.peek().is_none() {
            SecretSource::User
        } else if !self.require(operands, "from") {
            return None;
        } else if self.accept(operands, "env") {
            let variable = self.scalar(operands, "a variable's name, such as `API_TOKEN`")?;
            SecretSource::Env(self.variable_name(variable)?)
        } else if self.accept(operands, "file") {
            let path = self.scalar(operands, "a path in quotes")?;
            SecretSource::File(self.machine_path(path)?)
        } else {
            self.scalar_mismatch(operands, "`env VARIABLE` or `file \"PATH\"`");
            return None;
        };
        self.finish(operands);
        match self.claim(Keyword::Secret, &name.value, name.span, placed) {
            Claim::Refused => return None,
            Claim::Replaces => image.secrets.retain(|known| known.name.value != name.value),
            Claim::Fresh => {}
        }
        image.secrets.push(Secret { name, source });
        Some(())
    }

    /// The next operand, whatever it is, is not what was expected.
    pub(super) fn scalar_mismatch(&mut self, operands: &mut Operands<'_>, expected: &str) {
        let keyword = self.slice(operands.statement.keyword).to_owned();
        if std::mem::replace(&mut operands.failed, true) {
            return;
        }
        let diagnostic = match operands.peek() {
            Some(operand) => {
                let found = short(self.slice(operand.span));
                Diagnostic::new(codes::UNEXPECTED, format!("expected {expected}, found `{found}`"))
                    .label(operand.span, "not expected here")
            }
            None => Diagnostic::new(codes::MISSING_OPERAND, format!("`{keyword}` needs {expected}"))
                .label(operands.gap(), "missing here"),
        };
        let example = Keyword::of(&keyword).map_or("", |keyword| keyword.info().example);
        self.report(diagnostic.help(format!("for example `{example}`")));
    }

    pub(super) fn service(
        &mut self,
        image: &mut ImageSpec,
        operands: &mut Operands<'_>,
        placed: &Placed<'_>,
    ) -> Option<()> {
        let name = self.scalar(operands, "the name of a service, such as `nginx`")?;
        let name = self.name(
            name,
            "a unit's name",
            super::names::is_unit,
            "letters, digits, `:`, `-`, `_`, `.` and `@`",
        )?;
        let state = self.scalar(operands, "`enabled`, `disabled` or `masked`")?;
        let meant = match state.value.as_str() {
            "enable" | "on" | "start" | "started" => Some("enabled"),
            "disable" | "off" | "stop" | "stopped" => Some("disabled"),
            "mask" => Some("masked"),
            _ => None,
        };
        let state = if let Some(meant) = meant {
            operands.failed = true;
            self.report(
                Diagnostic::new(
                    codes::NOT_A_CHOICE,
                    format!("`{}` is not a state of a service", state.value),
                )
                .label(state.span, "expected `enabled`, `disabled` or `masked`")
                .help(format!("write `{meant}`"))
                .fix(Applicability::Safe, format!("write `{meant}`"), state.span, meant),
            );
            let given = self.options(operands);
            self.boolean_option(&given, "active");
            return None;
        } else {
            let states = [
                ("enabled", ServiceState::Enabled),
                ("disabled", ServiceState::Disabled),
                ("masked", ServiceState::Masked),
            ];
            self.choice(&state, "a state of a service", &states)?
        };
        let given = self.options(operands);
        let active = self.boolean_option(&given, "active");
        if let Some(active) = active.filter(|active| active.value && state.value != ServiceState::Enabled) {
            self.report(
                Diagnostic::new(
                    codes::OPTION_CONFLICT,
                    "only an enabled service can be expected to be active",
                )
                .label(active.span, "asked for here")
                .label(state.span, "but not enabled"),
            );
        }
        let active = active.map_or(state.value == ServiceState::Enabled, |active| active.value);
        // `nginx` and `nginx.service` are one unit.
        let unit = |name: &str| name.strip_suffix(".service").unwrap_or(name).to_owned();
        match self.claim(Keyword::Service, &unit(&name.value), name.span, placed) {
            Claim::Refused => return None,
            Claim::Replaces => image.services.retain(|known| unit(&known.name.value) != unit(&name.value)),
            Claim::Fresh => {}
        }
        image.services.push(Service { span: operands.statement.span, name, state, active });
        Some(())
    }

    pub(super) fn kernel_args(&mut self, image: &mut ImageSpec, operands: &mut Operands<'_>) -> Option<()> {
        let (list, _) = self.list(operands, "a list, such as `[\"quiet\"]`")?;
        for element in list.elements() {
            let Some(text) = self.scalar_value(element, "an argument of the kernel") else { continue };
            if text.value.is_empty()
                || text.value.contains(|c: char| c.is_whitespace() || c.is_control() || "\"'`$\\".contains(c))
            {
                let help = if text.value.contains(['$', '`', '\\']) {
                    "boot loaders and the files that they are configured by take `$`, `` ` `` and `\\` for signs of their \
                     own; write such an argument in a script, as the image's boot loader wants it"
                } else {
                    "each argument is a value of its own, without blanks and quotes"
                };
                self.misfit(codes::BAD_NAME, text.span, &text.value, "one argument of the kernel", help);
                continue;
            }
            image.kernel_args.push(text.spanned());
        }
        self.finish(operands);
        Some(())
    }
}

/// The name of a package, and what follows it from the first sign of comparison on.
fn package_words(text: &str) -> (&str, Option<&str>) {
    match text.find(['=', '<', '>', '!']) {
        Some(at) => (text[..at].trim_end(), Some(&text[at..])),
        None => (text, None),
    }
}

/// An exact version, a pattern, or comparisons joined by commas, as `packages` reads them.
fn is_version_wanted(text: &str) -> bool {
    text.split(',').all(|part| {
        let part = part.trim();
        let signs = ["<=", ">=", "!=", "<", ">", "="];
        let (sign, version) = signs
            .into_iter()
            .find_map(|sign| Some((sign, part.strip_prefix(sign)?.trim())))
            .unwrap_or(("=", part));
        let first = |c: char| c.is_ascii_alphanumeric() || (sign == "=" && matches!(c, '*' | '?'));
        version.starts_with(first)
            && version.bytes().all(|byte| {
                byte.is_ascii_alphanumeric()
                    || matches!(byte, b'.' | b'-' | b'+' | b'~' | b':')
                    || (sign == "=" && matches!(byte, b'*' | b'?'))
            })
    })
}

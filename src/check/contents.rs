//! What goes into an image beside scripts and copies: packages, applications, accounts, secrets,
//! environment, services, kernel arguments, labels.

use std::collections::HashMap;

use super::operands::{Given, Operands, Text};
use super::profiles::Placed;
use super::shape::short;
use super::{
    Account, App, AppOption, Checker, Group, ImageSpec, KeyValue, Literal, Package, Secret, SecretSource,
    Service, ServiceState,
};
use crate::diagnostic::{Applicability, Diagnostic, codes};
use crate::syntax::{Operand, OperandKind};
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
        known: &'static [&'static str],
    ) -> Option<Given<'s>> {
        if !matches!(operands.peek(), Some(Operand { kind: OperandKind::Options(_), .. })) {
            let keyword = self.slice(operands.statement.keyword).to_owned();
            if operands.peek().is_none() && !operands.failed {
                operands.failed = true;
                let gap = operands.gap();
                let example = super::statements::statement(&keyword).map_or("", |info| info.example);
                self.report(
                    Diagnostic::new(codes::MISSING_OPERAND, format!("`{keyword}` needs options"))
                        .label(gap, "options belong here")
                        .help(format!("for example `{example}`")),
                );
            }
            self.finish(operands);
            return None;
        }
        Some(self.options(operands, known))
    }

    /// Whether a name that must be unique in an image may be taken. The image's own wins over a
    /// profile's.
    pub(super) fn claim(&mut self, kind: &'static str, name: &str, span: Span, placed: &Placed<'_>) -> Claim {
        let key = (kind, name.to_owned());
        let Some(&(first, used)) = self.claimed.get(&key) else {
            self.claimed.insert(key, (span, placed.used));
            return Claim::Fresh;
        };
        match (used, placed.used) {
            (None, Some(_)) => Claim::Refused,
            (Some(_), None) => {
                self.claimed.insert(key, (span, None));
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
        let given = self.options(operands, &["remove", "recommends", "keep"]);
        let mut packages: Vec<Package> = texts.into_iter().filter_map(|text| self.package(text)).collect();
        let recommends = self.boolean_option(&given, "recommends").is_some_and(|value| value.value);
        let keep = self.boolean_option(&given, "keep").is_none_or(|value| value.value);
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
            Some(_) => self.boolean_option(&given, "remove").is_some_and(|value| value.value),
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
            image.removed_packages.extend(packages);
        } else {
            image.packages.extend(packages);
        }
        Some(())
    }

    /// Packages that one statement wants and another removes.
    pub(super) fn packages_conflict(&mut self, image: &ImageSpec) {
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

    fn package(&mut self, text: Text) -> Option<Package> {
        let (name, version) = package_words(&text.value);
        if super::names::is_package(name) && version.is_none_or(is_version_wanted) {
            return Some(Package {
                span: text.span,
                name: name.to_owned(),
                version: version.map(|version| version.trim_start_matches('=').trim().to_owned()),
                recommends: false,
                keep: true,
            });
        }
        let help = if version.is_none() && text.value.contains(char::is_whitespace) {
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
        let given = self.options(operands, &[]);
        let mut options = Vec::new();
        for (key, entry) in given.entries {
            let Some(value) = entry.value.as_ref().and_then(|value| self.literal(value)) else { continue };
            options.push(AppOption { key: Spanned::new(key, entry.key.span), value });
        }
        match self.claim("app", &name.value, name.span, placed) {
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

    pub(super) fn account(
        &mut self,
        image: &mut ImageSpec,
        operands: &mut Operands<'_>,
        placed: &Placed<'_>,
    ) -> Option<()> {
        let name = self.scalar(operands, "the name of an account")?;
        let name = self.account_name(name)?;
        let given = self.options(
            operands,
            &[
                "groups",
                "sudo",
                "shell",
                "uid",
                "gid",
                "home",
                "system",
                "comment",
                "ssh_keys",
                "password_hash",
            ],
        );
        let groups = self.texts_option(&given, "groups", "a group's name");
        let groups = groups.into_iter().filter_map(|group| self.account_name(group)).collect();
        let sudo = self.boolean_option(&given, "sudo").is_some_and(|value| value.value);
        let shell = given.value("shell").and_then(|operand| {
            let text = self.scalar_value(operand, "a path, such as `/bin/bash`")?;
            self.image_path(text)
        });
        let uid = self.integer_option(&given, "uid", 1..=60_000);
        let gid = self.integer_option(&given, "gid", 1..=60_000);
        let system = self.boolean_option(&given, "system").is_some_and(|value| value.value);
        let home = given.value("home").and_then(|operand| {
            let text = self.scalar_value(operand, "a path, such as `/srv/deploy`")?;
            self.image_path(text)
        });
        let comment = given.value("comment").and_then(|operand| {
            let text = self.scalar_value(operand, "a few words in quotes")?;
            if text.value.contains(|c: char| c == ':' || c.is_control()) {
                self.misfit(
                    codes::BAD_NAME,
                    text.span,
                    &text.value,
                    "a comment of an account",
                    "one line without `:`, which parts the fields of /etc/passwd",
                );
                return None;
            }
            Some(text.spanned())
        });
        let keys = self.texts_option(&given, "ssh_keys", "a public key");
        let ssh_keys = keys.into_iter().filter_map(|key| self.ssh_key(key)).collect();
        let password_hash = given.value("password_hash").and_then(|operand| {
            let text = self.scalar_value(operand, "a password's hash")?;
            let hash = text.value.starts_with('$') && text.value.matches('$').count() >= 3;
            let clean = !text.value.contains([':', '\n']);
            if hash && clean || matches!(text.value.as_str(), "!" | "*") {
                return Some(text.spanned());
            }
            self.report(
                Diagnostic::new(codes::BAD_NAME, "this is not a password's hash")
                    .label(text.span, "expected something like `$y$j9T$…`")
                    .help("make one with `mkpasswd`; a password itself never belongs into an ImageFile"),
            );
            None
        });
        let fixed = ["uid", "gid", "home", "system", "sudo"].iter().any(|key| given.value(key).is_some());
        if name.value == "root" && fixed {
            self.report(
                Diagnostic::new(
                    codes::OPTION_CONFLICT,
                    "`root` is there already, with user id 0 and all rights",
                )
                .label(name.span, "takes `ssh_keys`, `password_hash`, `shell`, `comment` and `groups` only"),
            );
        }
        if let Some(keys) = given.entry("ssh_keys").filter(|_| system && home.is_none()) {
            self.report(
                Diagnostic::new(codes::OPTION_CONFLICT, "a system account has no home for `ssh_keys`")
                    .label(keys.key.span, "these lie in the home folder")
                    .label(name.span, "has none")
                    .help("give it one: `home = \"/var/lib/NAME\"`"),
            );
        }
        match self.claim("account", &name.value, name.span, placed) {
            Claim::Refused => return None,
            Claim::Replaces => image.accounts.retain(|account| account.name.value != name.value),
            Claim::Fresh => {}
        }
        image.accounts.push(Account {
            name,
            groups,
            sudo,
            shell,
            uid,
            gid,
            home,
            system,
            comment,
            ssh_keys,
            password_hash,
        });
        Some(())
    }

    pub(super) fn group(
        &mut self,
        image: &mut ImageSpec,
        operands: &mut Operands<'_>,
        placed: &Placed<'_>,
    ) -> Option<()> {
        let name = self.scalar(operands, "the name of a group")?;
        let name = self.account_name(name)?;
        let given = self.options(operands, &["gid", "system"]);
        let gid = self.integer_option(&given, "gid", 1..=60_000);
        let system = self.boolean_option(&given, "system").is_some_and(|value| value.value);
        match self.claim("group", &name.value, name.span, placed) {
            Claim::Refused => return None,
            Claim::Replaces => image.groups.retain(|group| group.name.value != name.value),
            Claim::Fresh => {}
        }
        image.groups.push(Group { name, gid, system });
        Some(())
    }

    /// Accounts and groups that would have the number of another, and what needs an account that goes.
    pub(super) fn accounts_clash(&mut self, image: &ImageSpec) {
        let mut users: HashMap<u32, Span> = HashMap::new();
        let uids = image.accounts.iter().filter_map(|account| account.uid);
        let mut clashes: Vec<(&str, Spanned<u32>, Span)> = Vec::new();
        for uid in uids {
            match users.get(&uid.value) {
                Some(first) => clashes.push(("uid", uid, *first)),
                None => _ = users.insert(uid.value, uid.span),
            }
        }
        // An account's own group has the account's name.
        let own =
            image.accounts.iter().filter_map(|account| Some((account.name.value.as_str(), account.gid?)));
        let others = image.groups.iter().filter_map(|group| Some((group.name.value.as_str(), group.gid?)));
        let mut groups: HashMap<u32, (&str, Span)> = HashMap::new();
        for (name, gid) in own.chain(others) {
            match groups.get(&gid.value) {
                Some((first, span)) if *first != name => clashes.push(("gid", gid, *span)),
                Some(_) => {}
                None => _ = groups.insert(gid.value, (name, gid.span)),
            }
        }
        for (what, number, first) in clashes {
            self.report(
                Diagnostic::new(codes::ACCOUNTS_CLASH, format!("the {what} {} is given twice", number.value))
                    .label(number.span, "given again")
                    .label(first, "first given here")
                    .help(
                        "give each a number of its own, or none: the system then takes the next that is free",
                    ),
            );
        }
        let Some(user) = image.user.as_ref().filter(|_| !image.keep_user) else { return };
        let gone = |needs: Span, what: &str| {
            Diagnostic::new(
                codes::USER_REMOVED,
                format!("`{}` is taken away at the end of the build", short(&user.value)),
            )
            .label(needs, what.to_owned())
            .label(user.span, "is not kept")
        };
        let mut found = Vec::new();
        if let Some(account) = image.accounts.iter().find(|account| account.name.value == user.value) {
            found.push(gone(account.name.span, "makes this account").help("leave out `keep = false`"));
        }
        for test in &image.tests {
            let runs_as = test.script.user.as_ref().map_or(&user.value, |user| &user.value);
            if *runs_as == user.value && !(test.script.offline && test.script.user.is_none()) {
                found.push(
                    gone(test.name.span, "would run as it, in the finished image")
                        .help("say who else runs it: `{ user = root }`"),
                );
            }
        }
        for found in found {
            self.report(found);
        }
    }

    fn ssh_key(&mut self, text: Text) -> Option<Spanned<String>> {
        let mut words = text.value.split_whitespace();
        let kind = words.next().unwrap_or_default();
        let known = kind.starts_with("ssh-") || kind.starts_with("ecdsa-sha2-") || kind.starts_with("sk-");
        let body = words.next().unwrap_or_default();
        if known && body.len() > 16 && body.starts_with("AAAA") && !text.value.contains('\n') {
            return Some(text.spanned());
        }
        let private = text.value.contains("PRIVATE KEY");
        self.report(
            Diagnostic::new(
                codes::BAD_NAME,
                if private { "this is a private key" } else { "this is not a public ssh key" },
            )
            .label(text.span, "expected a line such as `ssh-ed25519 AAAA… name`")
            .help("take the line from the `.pub` file"),
        );
        None
    }

    pub(super) fn user(&mut self, image: &mut ImageSpec, operands: &mut Operands<'_>) -> Option<()> {
        let name = self.scalar(operands, "the name of an account")?;
        let given = self.options(operands, &["keep"]);
        let keep = self.boolean_option(&given, "keep");
        image.user = self.account_name(name);
        image.keep_user = keep.is_none_or(|keep| keep.value);
        if let Some(keep) =
            keep.filter(|keep| !keep.value && image.user.as_ref().is_some_and(|user| user.value == "root"))
        {
            self.report(
                Diagnostic::new(codes::OPTION_CONFLICT, "`root` cannot be taken away")
                    .label(keep.span, "not for this account"),
            );
        }
        Some(())
    }

    fn key_value(&mut self, operands: &mut Operands<'_>, what: &str) -> Option<(Text, Text)> {
        let key = self.scalar(operands, what)?;
        self.equals(operands);
        let value = self.scalar(operands, "a value")?;
        self.finish(operands);
        Some((key, value))
    }

    pub(super) fn env(
        &mut self,
        image: &mut ImageSpec,
        operands: &mut Operands<'_>,
        placed: &Placed<'_>,
    ) -> Option<()> {
        let (key, value) = self.key_value(operands, "a name and a value, such as `RELEASE = \"2026.11\"`")?;
        let key = self.env_key(key)?;
        match self.claim("env", &key.value, key.span, placed) {
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
        if key.value.starts_with("IMAGEFILE_") {
            self.report(
                Diagnostic::new(
                    codes::BAD_NAME,
                    format!(
                        "names that start with `IMAGEFILE_` are set by the build, `{}` too",
                        short(&key.value)
                    ),
                )
                .label(key.span, "this name is taken"),
            );
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
        match self.claim("label", &key.value, key.span, placed) {
            Claim::Refused => return None,
            Claim::Replaces => image.labels.retain(|known| known.key.value != key.value),
            Claim::Fresh => {}
        }
        image.labels.push(KeyValue { key, value: value.spanned() });
        Some(())
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
        match self.claim("secret", &name.value, name.span, placed) {
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
        let example = super::statements::statement(&keyword).map_or("", |info| info.example);
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
            return None;
        } else {
            let states = [
                ("enabled", ServiceState::Enabled),
                ("disabled", ServiceState::Disabled),
                ("masked", ServiceState::Masked),
            ];
            self.choice(&state, "a state of a service", &states)?
        };
        let given = self.options(operands, &["active"]);
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
        match self.claim("service", &unit(&name.value), name.span, placed) {
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
                || text.value.contains(|c: char| c.is_whitespace() || c.is_control() || c == '"')
            {
                self.misfit(
                    codes::BAD_NAME,
                    text.span,
                    &text.value,
                    "one argument of the kernel",
                    "each argument is a value of its own, without blanks and quotes",
                );
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

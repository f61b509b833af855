//! `account`, `group` and `user`, and where they clash.

use std::collections::HashMap;

use super::contents::Claim;
use super::operands::{Operands, Text};
use super::profiles::Placed;
use super::shown::short;
use super::{Account, BaseSource, Checker, Group, ImageSpec, StepSpec};
use crate::diagnostic::{Diagnostic, codes};
use crate::syntax::{Keyword, Operand};
use crate::text::{Span, Spanned};

impl Checker<'_> {
    fn password_hash(&mut self, operand: &Operand) -> Option<Spanned<String>> {
        let text = self.scalar_value(operand, "a password's hash")?;
        let hash = text.value.starts_with('$') && text.value.matches('$').count() >= 3;
        let clean = !text.value.contains([':', '\n']);
        if hash
            && clean
            && let Some((found, whole)) = cut_off(&text.value)
        {
            self.report(
                Diagnostic::new(codes::BAD_NAME, "this password's hash is not whole")
                    .label(text.span, format!("ends in {found} characters, of which it has {whole}"))
                    .help("copy all of what `mkpasswd` printed"),
            );
            return None;
        }
        if hash && clean || matches!(text.value.as_str(), "!" | "*") {
            return Some(text.spanned());
        }
        self.report(
            Diagnostic::new(codes::BAD_NAME, "this is not a password's hash")
                .label(text.span, "expected something like `$y$j9T$…`")
                .help("make one with `mkpasswd`; a password itself never belongs into an ImageFile"),
        );
        None
    }

    pub(super) fn account(
        &mut self,
        image: &mut ImageSpec,
        operands: &mut Operands<'_>,
        placed: &Placed<'_>,
    ) -> Option<()> {
        let name = self.scalar(operands, "the name of an account")?;
        let name = self.account_name(name);
        let given = self.options(operands);
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
        let password_hash = given.value("password_hash").and_then(|operand| self.password_hash(operand));
        let name = name?;
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
        match self.claim(Keyword::Account, &name.value, name.span, placed) {
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
        let name = self.account_name(name);
        let given = self.options(operands);
        let gid = self.integer_option(&given, "gid", 1..=60_000);
        let system = self.boolean_option(&given, "system").is_some_and(|value| value.value);
        let name = name?;
        match self.claim(Keyword::Group, &name.value, name.span, placed) {
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
        self.of_the_system(image);
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
        for group in image.groups.iter().filter(|group| group.name.value == user.value) {
            found.push(gone(group.name.span, "makes its group").help("leave out `keep = false`"));
        }
        for group in image.accounts.iter().flat_map(|account| &account.groups) {
            if group.value == user.value {
                found.push(
                    gone(group.span, "is its group, which goes with it").help("leave out `keep = false`"),
                );
            }
        }
        for test in &image.tests {
            if let Some(runs_as) = test.script.user.as_ref().filter(|name| name.value == user.value) {
                found.push(
                    gone(runs_as.span, "would run as it, in the finished image")
                        .help("leave out `user`: root runs the tests of an image without its default user"),
                );
            }
        }
        for step in &image.steps {
            let StepSpec::Copy(copy) = step else { continue };
            let owners = [&copy.owner, &copy.group];
            if let Some(owner) = owners.into_iter().flatten().find(|owner| owner.value == user.value) {
                found.push(
                    gone(owner.span, "would own these files").help(
                        "name an account that stays, or have a script remove what only the build needs",
                    ),
                );
            }
        }
        for found in found {
            self.report(found);
        }
    }

    /// Numbers that each Debian and Ubuntu has given to accounts of its own: `base-passwd`.
    fn of_the_system(&mut self, image: &ImageSpec) {
        const OWN: [(u32, &str); 15] = [
            (1, "daemon"),
            (2, "bin"),
            (3, "sys"),
            (4, "sync"),
            (5, "games"),
            (6, "man"),
            (7, "lp"),
            (8, "mail"),
            (9, "news"),
            (10, "uucp"),
            (13, "proxy"),
            (33, "www-data"),
            (34, "backup"),
            (38, "list"),
            (42, "_apt"),
        ];
        if image.os.as_ref().is_none_or(|os| !matches!(&*os.distribution.value, "debian" | "ubuntu")) {
            return;
        }
        for account in &image.accounts {
            let Some(uid) = account.uid else { continue };
            let own = OWN.iter().find(|(number, name)| *number == uid.value && *name != account.name.value);
            if let Some((number, name)) = own {
                self.report(
                    Diagnostic::new(codes::ACCOUNTS_CLASH, format!("the uid {number} is that of `{name}`"))
                        .label(uid.span, "every system of this kind has that account")
                        .help("numbers from 1000 on are for people, from 100 on for services"),
                );
            }
        }
    }

    /// Numbers that an image gives to an account, and the image below it to another.
    pub(super) fn accounts_clash_below(&mut self, images: &[ImageSpec]) {
        let index: HashMap<&str, &ImageSpec> =
            images.iter().map(|image| (image.name.value.as_str(), image)).collect();
        let below = |image: &ImageSpec| match &image.base.source {
            BaseSource::Image { name } => index.get(name.value.as_str()).copied(),
            _ => None,
        };
        for image in images {
            // A circle was told, and ends here.
            let chain = || std::iter::successors(below(image), |at| below(at)).take(images.len());
            self.user_of_below(image, chain());
            let chain = chain();
            let lower: HashMap<u32, &Account> = chain
                .flat_map(|image| &image.accounts)
                .filter_map(|account| Some((account.uid?.value, account)))
                .collect();
            for account in &image.accounts {
                let Some(uid) = account.uid else { continue };
                let Some(first) =
                    lower.get(&uid.value).filter(|first| first.name.value != account.name.value)
                else {
                    continue;
                };
                let Some(of_first) = first.uid else { continue };
                self.report(
                    Diagnostic::new(codes::ACCOUNTS_CLASH, format!("the uid {} is given twice", uid.value))
                        .label(uid.span, "given again")
                        .label(of_first.span, "first given here, in an image below")
                        .help("give each a number of its own, or none: the system then takes the next that is free"),
                );
            }
        }
    }

    /// An account that an image takes away although one below it made it, and keeps it.
    fn user_of_below<'a>(&mut self, image: &ImageSpec, mut below: impl Iterator<Item = &'a ImageSpec>) {
        let Some(user) = image.user.as_ref().filter(|_| !image.keep_user) else { return };
        let of_below = below.find_map(|image| {
            let accounts = image.accounts.iter().map(|account| &account.name);
            accounts
                .chain(image.user.as_ref().filter(|_| image.keep_user))
                .find(|name| name.value == user.value)
        });
        if let Some(first) = of_below {
            let message = format!("`{}` is of the image below, and stays there", short(&user.value));
            self.report(
                Diagnostic::new(codes::USER_OF_BASE, message)
                    .label(user.span, "is to be taken away")
                    .label(first.span, "made here")
                    .help("name another account, or leave out `keep = false`"),
            );
        }
    }

    fn ssh_key(&mut self, text: Text) -> Option<Spanned<String>> {
        let mut words = text.value.split_whitespace();
        let kind = words.next().unwrap_or_default();
        let known = kind.starts_with("ssh-") || kind.starts_with("ecdsa-sha2-") || kind.starts_with("sk-");
        let body = words.next().unwrap_or_default();
        if known && body.starts_with("AAAA") && !text.value.contains('\n') {
            let Some(problem) = key_problem(kind, body) else { return Some(text.spanned()) };
            self.report(
                Diagnostic::new(codes::BAD_NAME, "this is not a public ssh key")
                    .label(text.span, problem)
                    .help("take the line from the `.pub` file; `ssh-keygen -l -f FILE` says whether it is whole"),
            );
            return None;
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
        let given = self.options(operands);
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
}

/// What is wrong with the blob of a public key: it holds the key's type and its parts, each behind its length in four
/// bytes (RFC 4253, 6.6).
fn key_problem(kind: &str, body: &str) -> Option<String> {
    use base64::Engine as _;
    let cut = || Some("it is cut off, or characters of it were changed".to_owned());
    let Ok(blob) = base64::engine::general_purpose::STANDARD.decode(body) else { return cut() };
    // What a certificate holds behind its type is not all of this form.
    let is_certificate = kind.contains("-cert-");
    let mut rest = blob.as_slice();
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let Some((length, behind)) = rest.split_first_chunk::<4>() else { return cut() };
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let Some((part, behind)) = behind.split_at_checked(length) else { return cut() };
        parts.push(part);
        rest = if is_certificate { &[] } else { behind };
    }
    let inner = String::from_utf8_lossy(parts.first()?).into_owned();
    if inner != kind {
        return Some(format!("it says `{kind}`, and holds a key of the type `{}`", short(&inner)));
    }
    if parts.len() < 2 && !is_certificate { cut() } else { None }
}

/// How many characters the last part of a hash has and should have, if these differ: crypt(5).
fn cut_off(hash: &str) -> Option<(usize, usize)> {
    let method = hash.split('$').nth(1)?;
    let whole = match method {
        "1" => 22,
        "5" | "7" | "y" | "gy" => 43,
        "6" => 86,
        // The salt stands before it, without a `$` between them.
        "2a" | "2b" | "2y" => 53,
        _ => return None,
    };
    let found = hash.rsplit('$').next()?.len();
    (found != whole).then_some((found, whole))
}

//! Secrets that are no keys: tokens and passwords for services elsewhere, told by their form.

use super::finding::Findings;
use super::private_keys::small_files;
use super::rules::SECRET;
use super::system::{System, Wanted};
use super::texts::lines;
use crate::model::{ManagerFacts, PACKAGE_MANAGERS};

/// Files that are shorter than all that is looked through otherwise, and hold passwords.
const HOMES: [&str; 2] = ["/root", "/home"];
const SHORT: [&[u8]; 4] = [b".git-credentials", b".netrc", b".pgpass", b".npmrc"];

/// Tokens that begin in a way nothing else does, each with what it is and how many of which characters follow.
const TOKENS: [(&str, usize, fn(char) -> bool, &str); 8] = [
    ("AKIA", 16, is_upper, "a key of AWS"),
    ("ASIA", 16, is_upper, "a key of AWS"),
    ("ghp_", 36, is_word, "a token of GitHub"),
    ("gho_", 36, is_word, "a token of GitHub"),
    ("github_pat_", 40, is_word, "a token of GitHub"),
    ("glpat-", 20, is_word, "a token of GitLab"),
    ("xoxb-", 20, is_word, "a token of Slack"),
    ("xoxp-", 20, is_word, "a token of Slack"),
];

const fn is_upper(c: char) -> bool {
    c.is_ascii_uppercase() || c.is_ascii_digit()
}

const fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}

fn short_files(system: &System<'_>) -> Vec<Vec<u8>> {
    let short = |folder: &&str| system.below(folder, |node| SHORT.contains(&&*node.name));
    HOMES.iter().flat_map(short).map(|(path, _)| path).take(100).collect()
}

pub(super) fn wants(system: &System<'_>) -> Vec<Wanted> {
    small_files(system).chain(short_files(system)).map(Wanted::text).collect()
}

pub(super) fn look(system: &System<'_>, findings: &mut Findings) {
    let mut paths: Vec<Vec<u8>> = small_files(system).chain(short_files(system)).collect();
    paths.sort();
    paths.dedup();
    for path in paths {
        let Some(text) = system.text(&path) else { continue };
        // What it is, and never the secret itself.
        if let Some(what) = token(&text).or_else(|| of_program(&path, &text)) {
            findings.file(SECRET, &path, format!("holds {what}"));
        }
    }
}

/// A token by its form alone. Documentation shows some that say what they are.
fn token(text: &str) -> Option<&'static str> {
    TOKENS.iter().find_map(|(start, count, is_of, what)| {
        let found = text.match_indices(start).any(|(at, _)| {
            let rest = &text[at + start.len()..];
            let of_it: String = rest.chars().take(count + 1).take_while(|&c| is_of(c)).collect();
            let is_whole = if *count == 16 { of_it.len() == *count } else { of_it.len() >= *count };
            let is_inside = text[..at].chars().next_back().is_some_and(is_word);
            is_whole && !is_inside && !of_it.ends_with("EXAMPLE") && has_variety(&of_it)
        });
        found.then_some(*what)
    })
}

/// `XXXXXXXX` stands for a secret, and is none.
fn has_variety(text: &str) -> bool {
    text.chars().collect::<std::collections::BTreeSet<_>>().len() > 4
}

/// A secret in the file of a program that keeps such.
fn of_program(path: &[u8], text: &str) -> Option<&'static str> {
    let is = |end: &str| path.ends_with(end.as_bytes());
    let of_manager = |begin: fn(&ManagerFacts) -> &'static str| {
        PACKAGE_MANAGERS.iter().any(|manager| path.starts_with(begin(manager).as_bytes()))
    };
    let any = |is_secret: fn(&str) -> bool| lines(text).any(is_secret);
    if is("/.git-credentials") {
        any(has_credentials).then_some("a password for git")
    } else if is("/.netrc") || of_manager(|manager| manager.passwords) {
        let mut words = lines(text).flat_map(str::split_ascii_whitespace);
        (words.any(|word| word == "password") && words.next().is_some()).then_some("a password for a server")
    } else if is("/.pgpass") {
        any(|line| line.split(':').count() == 5).then_some("a password for PostgreSQL")
    } else if is("/.npmrc") {
        any(|line| line.split_once("_authToken=").is_some_and(|(_, token)| !token.starts_with('$')))
            .then_some("a token of a package registry")
    } else if is("/.docker/config.json") || is("/containers/auth.json") {
        let auth = text.split("\"auth\"").skip(1).any(|rest| {
            let mut value = rest.trim_start().strip_prefix(':').unwrap_or_default().trim_start().chars();
            value.next() == Some('"') && value.next().is_some_and(|c| c != '"')
        });
        auth.then_some("a password for a container registry")
    } else if is("/.aws/credentials") {
        any(|line| line.starts_with("aws_secret_access_key") && line.len() > 40).then_some("a key of AWS")
    } else if is("/etc/environment") || of_manager(|manager| manager.settings) || is("/pip.conf") {
        any(has_credentials).then_some("a password in an address")
    } else {
        None
    }
}

/// An address with a password in front of the host: `https://name:password@host`.
fn has_credentials(line: &str) -> bool {
    line.split("://").skip(1).any(|rest| {
        let authority = rest.split(['/', ' ', '"', '\'']).next().unwrap_or_default();
        let credentials = authority.rsplit_once('@').and_then(|(user, _)| user.split_once(':'));
        credentials.is_some_and(|(_, password)| !password.is_empty() && !password.starts_with('$'))
    })
}

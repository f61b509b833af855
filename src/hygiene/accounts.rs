//! Who may log in.

use super::finding::Findings;
use super::rules::{EMPTY_PASSWORD, ROOT_KEYS, ROOT_PASSWORD, SHARED_PASSWORD};
use super::system::{System, Wanted};
use super::texts::lines;

const PASSWD: &str = "/etc/passwd";
const SHADOW: &str = "/etc/shadow";
const ROOT: [&str; 2] = ["/root/.ssh/authorized_keys", "/root/.ssh/authorized_keys2"];

pub(super) fn wants(_: &System<'_>) -> Vec<Wanted> {
    [PASSWD, SHADOW].into_iter().chain(ROOT).map(Wanted::text).collect()
}

pub(super) fn look(system: &System<'_>, findings: &mut Findings) {
    // In /etc/passwd an `x` sends to the other; an empty field there needs no password at all.
    for file in [PASSWD, SHADOW] {
        let text = system.text(file).unwrap_or_default();
        for (name, hash) in text.lines().filter_map(account) {
            if hash.is_empty() {
                findings.file(EMPTY_PASSWORD, file, format!("lets `{name}` in without a password"));
            } else if hash.starts_with(['$', '_']) || is_des(hash) {
                let rule = if name == "root" { ROOT_PASSWORD } else { SHARED_PASSWORD };
                findings.file(rule, file, format!("holds a password of `{name}`"));
            }
        }
    }
    for path in ROOT {
        let keys = system.text(path).map_or(0, |text| lines(&text).filter(|line| lets_in(line)).count());
        if keys > 0 {
            findings.file(
                ROOT_KEYS,
                path,
                format!("lets {keys} key{} in as root", if keys == 1 { "" } else { "s" }),
            );
        }
    }
}

/// Name and password of a line of passwd(5) or shadow(5).
fn account(line: &str) -> Option<(&str, &str)> {
    let mut fields = line.split(':');
    let (name, hash) = (fields.next()?, fields.next()?);
    // A line of no account, or one that NIS would fill.
    (!name.is_empty() && !name.starts_with(['+', '-', '#'])).then_some((name, hash))
}

/// A password as crypt(5) made it in the beginning: 13 characters.
fn is_des(hash: &str) -> bool {
    hash.len() == 13 && hash.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/'))
}

/// Cloud images have root's key with a command that only says who to log in as instead.
fn lets_in(line: &str) -> bool {
    !(line.contains("command=\"echo") && line.contains("Please login as the user"))
}

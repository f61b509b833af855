//! The accounts of a captured system that people made.

use std::{collections::BTreeMap, fmt::Write as _};

/// Numbers of people's accounts (`UID_MIN` and `UID_MAX` of login.defs(5), as they are everywhere).
const PEOPLE: std::ops::RangeInclusive<u32> = 1000..=59_999;

/// An account of a person.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) name: String,
    uid: u32,
    home: String,
    shell: String,
    /// Beside its own.
    groups: Vec<String>,
}

/// The accounts of people in the texts of passwd(5) and group(5), by number; those with names or paths that are not
/// plain are left out.
pub(super) fn of(passwd: &str, group: &str) -> Vec<Account> {
    let mut members: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for line in group.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, _, list] = fields[..] else { continue };
        for member in list.split(',').filter(|_| is_name(name)) {
            members.entry(member).or_default().push(name.to_owned());
        }
    }
    let mut found: Vec<Account> = passwd
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let [name, _, uid, _, _, home, shell] = fields[..] else { return None };
            let uid = uid.parse().ok().filter(|uid| PEOPLE.contains(uid))?;
            let is_plain = is_name(name) && is_path(home) && (shell.is_empty() || is_path(shell));
            is_plain.then(|| Account {
                name: name.to_owned(),
                uid,
                home: home.to_owned(),
                shell: shell.to_owned(),
                groups: members.get(name).cloned().unwrap_or_default(),
            })
        })
        .collect();
    found.sort_by(|one, other| (one.uid, &one.name).cmp(&(other.uid, &other.name)));
    found.dedup_by(|one, other| one.uid == other.uid || one.name == other.name);
    found
}

impl Account {
    /// The statement that makes it; `sudo` as a build gives it.
    pub(super) fn statement(&self, sudo: bool) -> String {
        let mut options = format!("uid = {}", self.uid);
        if !self.groups.is_empty() {
            let list: Vec<String> = self.groups.iter().map(|group| format!("\"{group}\"")).collect();
            let _ = write!(options, ", groups = [{}]", list.join(", "));
        }
        if sudo {
            options.push_str(", sudo = true");
        }
        if !self.shell.is_empty() {
            let _ = write!(options, ", shell = \"{}\"", self.shell);
        }
        if self.home != format!("/home/{}", self.name) {
            let _ = write!(options, ", home = \"{}\"", self.home);
        }
        format!("account {} {{ {options} }}", self.name)
    }
}

/// What `useradd` of the common distributions takes.
fn is_name(name: &str) -> bool {
    (1..=32).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-'))
}

fn is_path(path: &str) -> bool {
    path.len() > 1
        && path.starts_with('/')
        && path.split('/').all(|part| part != "..")
        && path.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_of_people_are_told_with_their_groups() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\nwww-data:x:33:33::/var/www:/usr/sbin/nologin\n\
                      ann:x:1001:1001:Ann,,,:/home/ann:/bin/bash\nrun:x:1002:1002::/srv/run:/bin/sh\n\
                      nobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n\
                      bad\"}:x:1003:1003::/home/x:/bin/sh\nshort:x:1004\nodd:x:1005:1::/home/${x}:/bin/sh\n";
        let group = "sudo:x:27:ann,other\nvideo:x:44:ann\nann:x:1001:\n";
        let statements: Vec<String> = of(passwd, group).iter().map(|one| one.statement(false)).collect();
        assert_eq!(
            statements,
            [
                "account ann { uid = 1001, groups = [\"sudo\", \"video\"], shell = \"/bin/bash\" }",
                "account run { uid = 1002, shell = \"/bin/sh\", home = \"/srv/run\" }",
            ]
        );
        let [ann, ..] = &of(passwd, group)[..] else { panic!("there are two") };
        assert!(ann.statement(true).contains(", sudo = true, "));
    }
}

//! What sealing clears, topic by topic: facts gathered from virt-sysprep's operations, cloud-init's
//! documentation, systemd's machine-id(5) and the maintainer scripts of packages. Each is a piece of POSIX shell, run
//! as root in a chroot after [`FUNCTIONS`].

use super::{Cleanup, CleanupItem};
use crate::check::{self, CleanupTopic, CleanupTopic as T};
use crate::model::PACKAGE_MANAGERS;
use crate::packages::MANAGERS;
use crate::text::quoted;

/// The `cleanup` statement as commands, for an image whose scripts ran as `user`.
#[must_use]
pub fn of(wanted: &check::Cleanup, user: &str) -> Cleanup {
    let topics = wanted
        .topics()
        .into_iter()
        .map(|topic| CleanupItem { name: topic.as_str().to_owned(), script: script(topic, user) });
    let paths = wanted.remove.iter().filter_map(|item| match &item.value {
        check::CleanupItem::Path(path) => {
            let script = format!("rm -rf -- {}", pattern_word(path));
            Some(CleanupItem { name: path.clone(), script })
        }
        check::CleanupItem::Topic(_) => None,
    });
    let preset = wanted.preset.as_str().to_owned();
    Cleanup { preset, keep: wanted.kept_paths(), items: topics.chain(paths).collect() }
}

/// Takes the account away that ran scripts, with all that is its own: home, group, subordinate ids, mailbox, crontab
/// and jobs, and its right to use sudo.
pub(super) fn user(name: &str) -> CleanupItem {
    let script = format!(
        "user={} sudoers={}\n{}",
        quoted(name),
        quoted(&sudoers(name)),
        include_str!("cleanup/user.sh").trim_end()
    );
    CleanupItem { name: format!("user {name}"), script }
}

/// sudo skips files with a dot in their names.
fn sudoers(name: &str) -> String {
    name.replace('.', "_")
}

/// A path as a word of the shell, which expands its `*`, `?` and `[a-z]`.
fn pattern_word(path: &str) -> String {
    let is_special = |c: char| "*?[]!^".contains(c);
    let mut word = String::new();
    let mut rest = path;
    while !rest.is_empty() {
        let end = rest.find(is_special).unwrap_or(rest.len());
        if end > 0 {
            word.push_str(&quoted(&rest[..end]));
        }
        let behind = rest[end..].find(|c| !is_special(c)).map_or(rest.len(), |length| end + length);
        word.push_str(&rest[end..behind]);
        rest = &rest[behind..];
    }
    word
}

fn script(topic: CleanupTopic, user: &str) -> String {
    let commands = commands(topic);
    match topic {
        // A system may have more than one manager, or what another left.
        T::PackageCaches => {
            let caches: Vec<&str> = MANAGERS.iter().flat_map(|manager| manager.caches()).copied().collect();
            format!("gone {}\n{commands}", caches.join(" "))
        }
        T::BuilderSudo => format!("{commands}gone /etc/sudoers.d/90-imagefile-{}", quoted(&sudoers(user))),
        _ => commands.to_owned(),
    }
}

/// All of a clean-up as one script for `/bin/sh -e`, as root in a chroot, with [`FUNCTIONS`] as a file in [`SHARED`].
#[must_use]
pub fn whole(cleanup: &Cleanup) -> String {
    let has = |name: &str| cleanup.items.iter().any(|item| item.name == name);
    let items: String = cleanup.items.iter().map(|item| format!("{}\n", item.script.trim_end())).collect();
    let (look, keys) = if has(T::ServiceIdentities.as_str()) {
        (look_for_keys(), list_keys_left())
    } else {
        (String::new(), String::new())
    };
    let user = include_str!("cleanup/user-left.sh");
    format!(". {SHARED}\n{look}{items}{keys}{user}")
}

const fn commands(topic: CleanupTopic) -> &'static str {
    match topic {
        T::MachineId => include_str!("cleanup/machine-id.sh"),
        T::SshHostKeys => include_str!("cleanup/ssh-host-keys.sh"),
        T::RandomSeed => include_str!("cleanup/random-seed.sh"),
        T::ServiceIdentities => include_str!("cleanup/service-identities.sh"),
        T::Registrations => include_str!("cleanup/registrations.sh"),
        T::CloudInit => include_str!("cleanup/cloud-init.sh"),
        T::NetworkState => include_str!("cleanup/network-state.sh"),
        T::DhcpLeases => include_str!("cleanup/dhcp-leases.sh"),
        T::Logs => include_str!("cleanup/logs.sh"),
        T::CrashDumps => include_str!("cleanup/crash-dumps.sh"),
        T::HardwareState => include_str!("cleanup/hardware-state.sh"),
        T::Mail => include_str!("cleanup/mail.sh"),
        T::Histories => include_str!("cleanup/histories.sh"),
        T::UserSshKeys => include_str!("cleanup/user-ssh-keys.sh"),
        T::AccountBackups => include_str!("cleanup/account-backups.sh"),
        T::PackageCaches => include_str!("cleanup/package-caches.sh"),
        T::AtJobs => include_str!("cleanup/at-jobs.sh"),
        T::Swap => include_str!("cleanup/swap.sh"),
        T::Crontabs => include_str!("cleanup/crontabs.sh"),
        T::BackupFiles => include_str!("cleanup/backup-files.sh"),
        T::AuthorizedKeys => include_str!("cleanup/authorized-keys.sh"),
        // Its file has the name of an account.
        T::BuilderSudo => "",
        T::KerberosData => include_str!("cleanup/kerberos-data.sh"),
        T::SambaData => include_str!("cleanup/samba-data.sh"),
        T::Tmp => include_str!("cleanup/tmp.sh"),
    }
}

/// Functions that the topics' commands use: `gone PATH…` removes files and folders, `empty FOLDER…` what is in them, both
/// except what [`COPIED`] and [`KEPT`] list.
pub const FUNCTIONS: &str = include_str!("cleanup/functions.sh");

/// Where the executor puts [`FUNCTIONS`]: shells that the commands start read them too.
pub const SHARED: &str = "/run/imgfile/functions";

/// Where the executor lists the paths that `copy` and applications wrote, one a line; one that ends in `/` stands for
/// all below it.
pub const COPIED: &str = "/run/imgfile/copied";

/// Where the executor lists the paths and patterns that `keep` names, one a line.
pub const KEPT: &str = "/run/imgfile/kept";

/// Begins to look for private keys, at the beginning of a clean-up that clears keys.
fn look_for_keys() -> String {
    let records = PACKAGE_MANAGERS.iter().flat_map(|manager| manager.records);
    let prune: Vec<String> = records.map(|folder| format!("-path {folder}")).collect();
    include_str!("cleanup/keys-look.sh").replace("@RECORDS@", &prune.join(" -o "))
}

/// Lists those that are left, at its end.
fn list_keys_left() -> String {
    let lists = PACKAGE_MANAGERS.iter().flat_map(|manager| manager.file_lists);
    let lists: Vec<&str> = lists.copied().collect();
    include_str!("cleanup/keys-left.sh").replace("@FILE_LISTS@", &lists.join(" "))
}

/// Where the commands list private keys that they leave in the image, one path a line.
pub const KEYS_LEFT: &str = "/run/imgfile/keys-left";

/// Where the commands list what an account owns that was taken away, one path a line.
pub const USER_LEFT: &str = "/run/imgfile/user-left";

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // the test asks a real shell
mod tests {
    use super::*;

    #[test]
    fn every_topic_is_shell_that_parses() {
        let everything =
            Cleanup {
                preset: "none".to_owned(),
                keep: Vec::new(),
                items: std::iter::once(user("a.b"))
                    .chain(T::ALL.map(|topic| CleanupItem {
                        name: topic.as_str().into(),
                        script: script(topic, "a.b"),
                    }))
                    .collect(),
            };
        for text in [FUNCTIONS, &whole(&everything)] {
            let status = std::process::Command::new("sh").args(["-n", "-c", text]).status().unwrap();
            assert!(status.success(), "{text}");
        }
    }

    #[test]
    fn a_path_cannot_break_out_of_its_quotes_and_a_pattern_is_one() {
        let span = crate::text::Span::default();
        let script = |path: &str| {
            let item = check::CleanupItem::Path(path.into());
            let wanted = check::Cleanup {
                preset: check::CleanupPreset::None,
                remove: vec![crate::text::Spanned::new(item, span)],
                ..check::Cleanup::default()
            };
            of(&wanted, "debian").items[0].script.clone()
        };
        assert_eq!(script("/opt/it's"), r"rm -rf -- '/opt/it'\''s'");
        assert_eq!(script("/opt/$x [a-c]/*.b;k?"), "rm -rf -- '/opt/$x '[a-c]/*'.b;k'?");
    }
}

//! What sealing clears, topic by topic: facts gathered from virt-sysprep's operations, cloud-init's
//! documentation, systemd's machine-id(5) and the maintainer scripts of packages. Each is a piece of POSIX shell, run
//! as root in a chroot after [`FUNCTIONS`].

use super::{Cleanup, CleanupItem};
use crate::check::{self, CleanupTopic, CleanupTopic as T};
use crate::model::PACKAGE_MANAGERS;
use crate::packages::MANAGERS;

/// The `cleanup` statement as commands.
#[must_use]
pub fn of(wish: &check::Cleanup) -> Cleanup {
    let topics = wish
        .topics()
        .into_iter()
        .map(|topic| CleanupItem { name: topic.as_str().to_owned(), script: script(topic) });
    let paths = wish.remove.iter().filter_map(|item| match &item.value {
        check::CleanupItem::Path(path) => {
            let script = format!("rm -rf -- '{}'", path.replace('\'', r"'\''"));
            Some(CleanupItem { name: path.clone(), script })
        }
        check::CleanupItem::Topic(_) => None,
    });
    let preset = match wish.preset {
        check::CleanupPreset::Cloud => "cloud",
        check::CleanupPreset::Identity => "identity",
        check::CleanupPreset::Minimal => "minimal",
        check::CleanupPreset::None => "none",
    };
    Cleanup { preset: preset.to_owned(), items: topics.chain(paths).collect() }
}

/// Takes the account away that ran scripts, with its home, its own group and its right to use sudo.
pub(super) fn user(name: &str) -> CleanupItem {
    let file = name.replace('.', "_");
    let script = format!(
        "rm -f /etc/sudoers.d/90-imagefile-{file}\n\
         if id -u '{name}' >/dev/null 2>&1; then\n\
         home=$(getent passwd '{name}' | cut -d: -f6)\n\
         userdel '{name}'\n\
         case $home in /home/*) rm -rf -- \"$home\" ;; esac\n\
         rm -f '/var/mail/{name}' '/var/lib/systemd/linger/{name}'\n\
         if getent group '{name}' >/dev/null; then groupdel '{name}' || :; fi\n\
         fi"
    );
    CleanupItem { name: format!("user {name}"), script }
}

fn script(topic: CleanupTopic) -> String {
    let commands = commands(topic);
    if topic != T::PackageCaches {
        return commands.to_owned();
    }
    // A system may have more than one manager, or what another left.
    let caches: Vec<&str> = MANAGERS.iter().flat_map(|manager| manager.caches()).copied().collect();
    format!("wipe {}\n{commands}", caches.join(" "))
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
        T::Mail => include_str!("cleanup/mail.sh"),
        T::Histories => include_str!("cleanup/histories.sh"),
        T::UserSshKeys => include_str!("cleanup/user-ssh-keys.sh"),
        T::AccountBackups => include_str!("cleanup/account-backups.sh"),
        T::PackageCaches => include_str!("cleanup/package-caches.sh"),
        T::Tmp => include_str!("cleanup/tmp.sh"),
    }
}

/// Functions that the topics' commands use, in front of them. `gone PATH…` removes what no statement of the
/// ImageFile put there; [`COPIED`] lists what statements did.
pub const FUNCTIONS: &str = include_str!("cleanup/functions.sh");

/// Where the executor lists the paths that `copy` and applications wrote, one a line; one that ends in `/` stands for
/// all below it.
pub const COPIED: &str = "/run/imgfile/copied";

/// Begins to look for private keys, at the beginning of a clean-up that clears keys.
#[must_use]
pub fn look_for_keys() -> String {
    let records = PACKAGE_MANAGERS.iter().flat_map(|manager| manager.records);
    let prune: Vec<String> = records.map(|folder| format!("-path {folder}")).collect();
    include_str!("cleanup/keys-look.sh").replace("@RECORDS@", &prune.join(" -o "))
}

/// Lists those that are left, at its end.
#[must_use]
pub fn list_keys_left() -> String {
    let lists = PACKAGE_MANAGERS.iter().flat_map(|manager| manager.file_lists);
    let lists: Vec<&str> = lists.copied().collect();
    include_str!("cleanup/keys-left.sh").replace("@FILE_LISTS@", &lists.join(" "))
}

/// Where the commands list private keys that they leave in the image, one path a line.
pub const KEYS_LEFT: &str = "/run/imgfile/keys-left";

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // the test asks a real shell
mod tests {
    use super::*;

    #[test]
    fn every_topic_is_shell_that_parses() {
        for text in [FUNCTIONS, &look_for_keys(), &list_keys_left()]
            .into_iter()
            .chain(CleanupTopic::ALL.map(commands))
        {
            let status = std::process::Command::new("sh").args(["-n", "-c", text]).status().unwrap();
            assert!(status.success(), "{text}");
        }
    }

    #[test]
    fn a_path_cannot_break_out_of_its_quotes() {
        let span = crate::text::Span::default();
        let item = check::CleanupItem::Path("/opt/it's".into());
        let wish = check::Cleanup {
            preset: check::CleanupPreset::None,
            keep: Vec::new(),
            remove: vec![crate::text::Spanned::new(item, span)],
        };
        assert_eq!(of(&wish).items[0].script, r"rm -rf -- '/opt/it'\''s'");
    }
}

//! What sealing clears, topic by topic: facts gathered from virt-sysprep's operations, cloud-init's
//! documentation and systemd's machine-id(5). Each is a piece of POSIX shell, run as root in a chroot.

use super::{Cleanup, CleanupItem};
use crate::check::{self, CleanupTopic, CleanupTopic as T};

/// The `cleanup` statement as commands.
#[must_use]
pub fn of(wish: &check::Cleanup) -> Cleanup {
    let topics = wish
        .topics()
        .into_iter()
        .map(|topic| CleanupItem { name: topic.as_str().to_owned(), script: commands(topic).to_owned() });
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

const fn commands(topic: CleanupTopic) -> &'static str {
    match topic {
        // Empty, not absent: systemd then makes a new one at boot. A regular file of D-Bus would be
        // adopted by it, and clones would share an identity.
        T::MachineId => {
            "if [ -e /etc/machine-id ] || [ -d /run/systemd ] || [ -x /lib/systemd/systemd ]; then : > /etc/machine-id; fi\n\
             if [ -d /var/lib/dbus ]; then ln -sfn /etc/machine-id /var/lib/dbus/machine-id; fi"
        }
        T::SshHostKeys => "rm -f /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub",
        T::RandomSeed => {
            "rm -f /var/lib/systemd/random-seed /var/lib/urandom/random-seed /var/lib/systemd/credential.secret"
        }
        // By path: `cloud-init clean` would take per-instance scripts along.
        T::CloudInit => {
            "rm -rf /var/lib/cloud/data /var/lib/cloud/handlers /var/lib/cloud/instance /var/lib/cloud/instances /var/lib/cloud/sem\n\
             rm -f /etc/netplan/50-cloud-init.yaml /etc/network/interfaces.d/50-cloud-init"
        }
        // Programs expect their own folders and the mode of their files: empty what cannot be made
        // again, remove what logrotate left.
        T::Logs => {
            "if [ -d /var/log ]; then\n\
             rm -rf /var/log/journal/*\n\
             find /var/log -xdev -type f \\( -name '*.gz' -o -name '*.xz' -o -name '*.old' -o -name '*.[0-9]' \\) -delete\n\
             find /var/log -xdev -type f -exec sh -c 'for f; do : > \"$f\"; done' sh {} +\n\
             fi"
        }
        T::Histories => {
            "for home in /root /home/*; do\n\
             rm -f \"$home\"/.bash_history \"$home\"/.zsh_history \"$home\"/.sh_history \"$home\"/.ash_history \
             \"$home\"/.lesshst \"$home\"/.viminfo \"$home\"/.python_history \"$home\"/.mysql_history \"$home\"/.psql_history \
             \"$home\"/.wget-hsts \"$home\"/.sudo_as_admin_successful\n\
             done"
        }
        T::PackageCaches => {
            "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/* /var/cache/apt/pkgcache.bin \
             /var/cache/apt/srcpkgcache.bin\n\
             rm -rf /var/cache/dnf/* /var/cache/yum/* /var/cache/zypp/* /var/cache/apk/*\n\
             rm -rf /var/cache/debconf/*-old /var/lib/dpkg/*-old"
        }
        T::DhcpLeases => {
            "rm -f /var/lib/dhcp/*.leases /var/lib/dhclient/*.leases /var/lib/NetworkManager/*.lease \
             /var/lib/systemd/network/*.lease /var/lib/dhcpcd/*.lease"
        }
        // /tmp is a tmpfs during offline steps; what booted steps left on the disk is below it.
        T::Tmp => "find /var/tmp -xdev -mindepth 1 -delete",
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // the test asks a real shell
mod tests {
    use super::*;

    #[test]
    fn every_topic_is_shell_that_parses() {
        for topic in CleanupTopic::ALL {
            let status =
                std::process::Command::new("sh").args(["-n", "-c", commands(topic)]).status().unwrap();
            assert!(status.success(), "{topic:?}");
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

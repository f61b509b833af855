//! `cleanup`: what is cleared before an image is sealed.

use serde::{Deserialize, Serialize};

use crate::text::Spanned;

/// What is cleared before sealing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cleanup {
    /// `cloud` if the file does not say.
    pub preset: CleanupPreset,
    /// Exceptions from the preset.
    pub keep: Vec<Spanned<CleanupItem>>,
    /// In addition to the preset.
    pub remove: Vec<Spanned<CleanupItem>>,
}

impl Cleanup {
    /// The topics to clear, presets and exceptions taken together.
    #[must_use]
    pub fn topics(&self) -> Vec<CleanupTopic> {
        CleanupTopic::ALL
            .into_iter()
            .filter(|&topic| {
                let named = |items: &[Spanned<CleanupItem>]| {
                    items.iter().any(|i| i.value == CleanupItem::Topic(topic))
                };
                (self.preset.includes(topic) || named(&self.remove)) && !named(&self.keep)
            })
            .collect()
    }
}

/// How much is cleared; the topics of each are in `docs/cleanup.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CleanupPreset {
    /// Everything that instances of one image must not share, and everything that is only waste.
    #[default]
    Cloud,
    /// Only what makes an instance unique: its identifiers, keys and registrations, and what it learned of its
    /// network.
    Identity,
    /// Only what it would be unsafe to share: machine id, keys and secrets, temporary files.
    Minimal,
    /// Nothing but the traces of the build itself.
    None,
}

impl CleanupPreset {
    /// Whether the preset clears `topic`.
    #[must_use]
    pub const fn includes(self, topic: CleanupTopic) -> bool {
        use CleanupTopic as T;
        match self {
            Self::Cloud => true,
            Self::Identity => matches!(
                topic,
                T::MachineId
                    | T::SshHostKeys
                    | T::RandomSeed
                    | T::ServiceIdentities
                    | T::Registrations
                    | T::CloudInit
                    | T::NetworkState
                    | T::DhcpLeases
            ),
            Self::Minimal => {
                matches!(topic, T::MachineId | T::SshHostKeys | T::RandomSeed | T::ServiceIdentities | T::Tmp)
            }
            Self::None => false,
        }
    }
}

/// An element of `keep` or `remove`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CleanupItem {
    /// One of the words, such as `logs`.
    Topic(CleanupTopic),
    /// An absolute path in the image.
    Path(String),
}

/// One kind of traces; `docs/cleanup.md` says what belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CleanupTopic {
    /// `machine-id`: `/etc/machine-id`, `/etc/hostid`.
    MachineId,
    /// `ssh-host-keys`: of OpenSSH, Dropbear and TinySSH.
    SshHostKeys,
    /// `random-seed`: what random numbers start from, and systemd's `credential.secret`.
    RandomSeed,
    /// `service-identities`: keys and names that packages and services make for themselves.
    ServiceIdentities,
    /// `registrations`: with directories, management servers and clouds, such as `/etc/krb5.keytab`.
    Registrations,
    /// `cloud-init`: its state; `/var/lib/cloud/seed` stays.
    CloudInit,
    /// `network-state`: persistent names of network cards, hardware addresses, seen networks.
    NetworkState,
    /// `dhcp-leases`: of clients and servers.
    DhcpLeases,
    /// `logs`: files in `/var/log` are emptied, the journal goes.
    Logs,
    /// `crash-dumps`: `/var/crash` and core dumps.
    CrashDumps,
    /// `mail`: mailboxes in `/var/mail` and `/var/spool/mail`.
    Mail,
    /// `histories`: of shells and programs, in `/root` and `/home`.
    Histories,
    /// `user-ssh-keys`: `known_hosts` and key pairs in `~/.ssh`; `authorized_keys` stays.
    UserSshKeys,
    /// `account-backups`: `/etc/passwd-` and its like.
    AccountBackups,
    /// `package-caches`: of apt, dnf, zypper, apk and pip.
    PackageCaches,
    /// `tmp`: all in `/tmp`, `/var/tmp` and `/run` of the disk.
    Tmp,
}

impl CleanupTopic {
    /// In the order in which they are cleared.
    pub const ALL: [Self; 16] = [
        Self::MachineId,
        Self::SshHostKeys,
        Self::RandomSeed,
        Self::ServiceIdentities,
        Self::Registrations,
        Self::CloudInit,
        Self::NetworkState,
        Self::DhcpLeases,
        Self::Logs,
        Self::CrashDumps,
        Self::Mail,
        Self::Histories,
        Self::UserSshKeys,
        Self::AccountBackups,
        Self::PackageCaches,
        Self::Tmp,
    ];

    /// As the ImageFile writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MachineId => "machine-id",
            Self::SshHostKeys => "ssh-host-keys",
            Self::RandomSeed => "random-seed",
            Self::ServiceIdentities => "service-identities",
            Self::Registrations => "registrations",
            Self::CloudInit => "cloud-init",
            Self::NetworkState => "network-state",
            Self::CrashDumps => "crash-dumps",
            Self::Mail => "mail",
            Self::UserSshKeys => "user-ssh-keys",
            Self::AccountBackups => "account-backups",
            Self::Logs => "logs",
            Self::Histories => "histories",
            Self::PackageCaches => "package-caches",
            Self::DhcpLeases => "dhcp-leases",
            Self::Tmp => "tmp",
        }
    }
}

//! What `cleanup` can say: presets, topics and paths.

use serde::{Deserialize, Serialize};

pub use crate::model::CleanupPreset;
use crate::{
    hygiene::Rule,
    text::{Span, Spanned},
};

/// What is cleared before sealing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cleanup {
    /// `cloud` if the file does not say.
    pub preset: CleanupPreset,
    /// Exceptions from the preset.
    pub keep: Vec<Spanned<CleanupItem>>,
    /// In addition to the preset.
    pub remove: Vec<Spanned<CleanupItem>>,
    /// Rules that the finished disk may break, such as `H0011`.
    pub allow: Vec<Spanned<&'static Rule>>,
    /// The statement, if there is one.
    pub span: Option<Span>,
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

    /// The paths and patterns of `keep`.
    #[must_use]
    pub fn kept_paths(&self) -> Vec<String> {
        let path = |item: &Spanned<CleanupItem>| match &item.value {
            CleanupItem::Path(path) => Some(path.clone()),
            CleanupItem::Topic(_) => None,
        };
        self.keep.iter().filter_map(path).collect()
    }
}

impl CleanupPreset {
    /// Whether the preset clears `topic`.
    #[must_use]
    pub const fn includes(self, topic: CleanupTopic) -> bool {
        use CleanupTopic as T;
        match self {
            Self::Cloud => !topic.is_on_request(),
            Self::Identity => matches!(
                topic,
                T::MachineId
                    | T::SshHostKeys
                    | T::RandomSeed
                    | T::ServiceIdentities
                    | T::Registrations
                    | T::CloudInit
                    | T::NetworkState
                    | T::HardwareState
                    | T::DhcpLeases
            ),
            Self::Minimal => {
                matches!(
                    topic,
                    T::MachineId | T::SshHostKeys | T::RandomSeed | T::ServiceIdentities | T::Swap | T::Tmp
                )
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
    /// `hardware-state`: lists and names of disks, clock drift, the state of devices.
    HardwareState,
    /// `dhcp-leases`: of clients and servers.
    DhcpLeases,
    /// `logs`: files in `/var/log` are emptied, the journal goes.
    Logs,
    /// `crash-dumps`: `/var/crash` and core dumps.
    CrashDumps,
    /// `mail`: mailboxes, and what waits to be sent.
    Mail,
    /// `at-jobs`: what `at` was to run.
    AtJobs,
    /// `histories`: of shells and programs, in `/root` and `/home`.
    Histories,
    /// `user-ssh-keys`: `known_hosts` and key pairs in `~/.ssh`; `authorized_keys` stays.
    UserSshKeys,
    /// `account-backups`: `/etc/passwd-` and its like.
    AccountBackups,
    /// `package-caches`: of apt, dnf, zypper, apk and pip.
    PackageCaches,
    /// `swap`: the content of swap areas, and what a hibernated system left there.
    Swap,
    /// `crontabs`: of accounts; on request only, as those that follow.
    Crontabs,
    /// `backup-files`: `*.bak` and `*~`.
    BackupFiles,
    /// `authorized-keys`: who may log in by a key.
    AuthorizedKeys,
    /// `builder-sudo`: the right to use sudo that the build gave to the default user.
    BuilderSudo,
    /// `kerberos-data`: the database of a key distribution centre.
    KerberosData,
    /// `samba-data`: Samba's accounts and other databases.
    SambaData,
    /// `tmp`: all in `/tmp`, `/var/tmp` and `/run` of the disk.
    Tmp,
}

impl CleanupTopic {
    /// In the order in which they are cleared.
    pub const ALL: [Self; 25] = [
        Self::MachineId,
        Self::SshHostKeys,
        Self::RandomSeed,
        Self::ServiceIdentities,
        Self::Registrations,
        Self::CloudInit,
        Self::NetworkState,
        Self::HardwareState,
        Self::DhcpLeases,
        Self::Logs,
        Self::CrashDumps,
        Self::Mail,
        Self::AtJobs,
        Self::Histories,
        Self::UserSshKeys,
        Self::AccountBackups,
        Self::PackageCaches,
        Self::Swap,
        Self::Crontabs,
        Self::BackupFiles,
        Self::AuthorizedKeys,
        Self::BuilderSudo,
        Self::KerberosData,
        Self::SambaData,
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
            Self::HardwareState => "hardware-state",
            Self::AtJobs => "at-jobs",
            Self::Swap => "swap",
            Self::Crontabs => "crontabs",
            Self::BackupFiles => "backup-files",
            Self::AuthorizedKeys => "authorized-keys",
            Self::BuilderSudo => "builder-sudo",
            Self::KerberosData => "kerberos-data",
            Self::SambaData => "samba-data",
            Self::Tmp => "tmp",
        }
    }

    /// Whether no preset clears it, only `remove`: somebody made it on purpose.
    #[must_use]
    pub const fn is_on_request(self) -> bool {
        matches!(
            self,
            Self::Crontabs
                | Self::BackupFiles
                | Self::AuthorizedKeys
                | Self::BuilderSudo
                | Self::KerberosData
                | Self::SambaData
        )
    }
}

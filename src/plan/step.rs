//! What is done to the build disk, one step at a time.

use std::{collections::BTreeMap, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{EntryKind, Key, KeyPart, Tree, TreeEntry};
use crate::packages::Manager;
use crate::text::{Checksum, Digest, SourceId, Span};

/// The state the guest must be in for a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The root file system is mounted by the agent, nothing of the image runs; commands in a chroot.
    Offline,
    /// The image's own kernel and init run.
    Booted,
}

/// One unit of work with a name a person recognises, a place in the ImageFile and a cache key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// Unique within the image, such as `app nginx` or `script announce`.
    pub name: String,
    /// Where it runs; a step that needs another than the one before it takes a boot or a shutdown.
    pub stage: Stage,
    /// What the agent does.
    pub action: Action,
    /// Names everything that decides the state of the disk after this step.
    pub key: Key,
    /// What the key was made of, beside the key of the step before; for the record of a build.
    #[serde(skip)]
    pub parts: Vec<KeyPart>,
    /// The statement this step comes from; part of neither key nor wire form.
    #[serde(skip)]
    pub span: Option<Span>,
}

impl Step {
    /// Paths in the image of what it copies, or an application brings; one that ends in `/` stands for all below it.
    #[must_use]
    pub fn written_paths(&self) -> Vec<String> {
        let copy = match &self.action {
            Action::App(app) => return app.files.iter().map(|file| file.path.clone()).collect(),
            Action::Copy(copy) => copy,
            _ => return Vec::new(),
        };
        match &copy.from {
            CopyFrom::Tree(tree) => {
                let below = |entry: &TreeEntry| match entry.path.as_str() {
                    "" => copy.to.clone(),
                    path => format!("{}/{path}", copy.to.trim_end_matches('/')),
                };
                tree.entries.iter().filter(|entry| entry.kind != EntryKind::Folder).map(below).collect()
            }
            CopyFrom::Text { .. } | CopyFrom::Download { unpack: false, .. } => vec![copy.to.clone()],
            CopyFrom::Download { unpack: true, .. } => vec![format!("{}/", copy.to.trim_end_matches('/'))],
        }
    }
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Action {
    /// Grows the root file system to the end of its (already grown) partition.
    Grow {
        /// Virtual size of the disk in bytes.
        disk_size: u64,
    },
    /// Installs, upgrades and removes packages.
    Packages(PackageChange),
    /// Writes an application's files and runs its install script as root in a chroot.
    App(AppStep),
    /// Sees to it that the account that runs scripts exists, with a home and sudo without password.
    DefaultUser {
        /// The base's default account, such as `debian`, or the one that `user` names.
        name: String,
        /// Clean-up takes it away again, so it must not be there before.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        temporary: bool,
    },
    /// `account NAME { … }`
    Account(AccountStep),
    /// `group NAME { … }`
    Group(GroupStep),
    /// `copy "SRC" to "DEST"`
    Copy(CopyStep),
    /// `script "setup.sh"`
    Script(ScriptStep),
    /// Shuts the booted system down in order and boots it again.
    Reboot,
    /// All `service` statements at once.
    Services {
        /// In the order written.
        units: Vec<UnitState>,
    },
    /// All `kernel_args` statements at once.
    KernelArgs {
        /// Appended to the kernel's line in this order, such as `quiet`.
        args: Vec<String>,
    },
    /// Clears what instances must not share, as the last step.
    Cleanup(super::Cleanup),
}

/// One transaction of the package manager.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PackageChange {
    /// In the order of their names; the guest's package manager orders the work.
    pub install: Arc<[PlannedPackage]>,
    /// Names to remove.
    pub remove: Vec<String>,
    /// What the manager's own file of marks holds afterwards: which packages are there only because others need them.
    pub marks: Arc<str>,
    /// Whose transaction it is.
    #[serde(default)]
    pub manager: Manager,
}

/// One package file, pinned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedPackage {
    /// As its control file has it, such as `jq`.
    pub name: String,
    /// The whole of it, epoch and revision included: `1.7.1-6`.
    pub version: String,
    /// As the package manager calls it: `amd64`, or `all`.
    pub arch: String,
    /// Of the package file.
    pub sha256: Digest,
    /// Size of the package file in bytes.
    pub size: u64,
    /// Which part of the transaction installs it, 0 first: packages that must be unpacked only when others of
    /// the transaction are configured come in a later one.
    #[serde(default)]
    pub stage: u16,
    /// Installed only because another package needs it: marked so for the image's own package manager.
    pub auto: bool,
}

/// What an application adds beyond its packages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AppStep {
    /// Its name in the catalogue, such as `nginx`.
    pub app: String,
    /// The chosen one, such as `1.26`.
    pub version: String,
    /// Rendered at plan time, in the order of the catalogue entry.
    pub files: Vec<InlineFile>,
    /// Rendered at plan time; run by `/bin/sh -e` unless it begins with a shebang.
    pub install: Option<String>,
}

/// A file whose content is in the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InlineFile {
    /// Absolute path in the image.
    pub path: String,
    /// The whole of it.
    pub content: String,
    /// Permission bits, such as `0o644`.
    pub mode: u32,
    /// An account's name, such as `root`.
    pub owner: String,
    /// A group's name, such as `root`.
    pub group: String,
}

/// `account NAME { … }`: an account that is made, or changed where it is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccountStep {
    /// Such as `operator`.
    pub name: String,
    /// Its number; `None` leaves the choice to the system.
    pub uid: Option<u32>,
    /// Supplementary groups by name; made where they are missing.
    pub groups: Vec<String>,
    /// May become root without a password.
    pub sudo: bool,
    /// Absolute path, such as `/bin/bash`; `None` leaves the choice to the system.
    pub shell: Option<String>,
    /// Number of its own group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
    /// Absolute path; `None` leaves the choice to the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<String>,
    /// For a service: no home and no shell unless they are named.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub system: bool,
    /// What it is for, in a few words (GECOS).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Lines of its `authorized_keys`.
    pub ssh_keys: Vec<String>,
    /// A crypt(3) hash, such as `$y$…`; without it no password lets anybody in.
    pub password_hash: Option<String>,
}

/// A group that is made, or given its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GroupStep {
    /// Such as `www`.
    pub name: String,
    /// Its number; `None` leaves the choice to the system.
    pub gid: Option<u32>,
    /// A number below those of people.
    pub system: bool,
}

/// Files of the project, or a text of the ImageFile, put into the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CopyStep {
    /// What is put there.
    pub from: CopyFrom,
    /// Absolute path in the image; for a folder its contents go into it.
    pub to: String,
    /// An account's name or number; `root` unless the statement says.
    pub owner: String,
    /// A group's name or number; the owner's name unless the statement says.
    pub group: String,
    /// Permission bits of files; without it 0644, 0755 where the source is executable.
    pub mode: Option<u32>,
    /// Permission bits of folders; without it those of files with x where they have r.
    pub dir_mode: Option<u32>,
}

/// What a copy puts into the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum CopyFrom {
    /// A file or the contents of a folder of the project.
    Tree(Tree),
    /// A text written in the ImageFile.
    Text {
        /// UTF-8, line ends as `
        /// `.
        content: String,
    },
    /// A pinned download.
    Download {
        /// As the ImageFile writes it.
        url: String,
        /// What the downloaded file must have.
        #[serde(flatten)]
        checksum: Checksum,
        /// Whether it is a tar archive whose contents are copied in its place.
        unpack: bool,
        /// Leading path components to drop when unpacking.
        strip: u32,
    },
}

/// A user script.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScriptStep {
    /// The whole script, shebang included.
    pub content: String,
    /// Who runs it.
    pub user: RunAs,
    /// All of it: `IMGFILE_*`, the image's `env` statements, the script's own.
    pub env: BTreeMap<String, String>,
    /// Seconds until the script and all it started are killed.
    pub timeout_secs: u64,
    /// Further tries after a failure.
    pub retries: u32,
    /// Laid read-only at `/run/imgfile/project`, which is the working directory.
    pub with: Vec<Tree>,
    /// Whether it reaches the network in the offline stage; in the booted system it does what that does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub network: bool,
    /// Names of the secrets shown under `/run/secrets`; their values are nowhere in the plan.
    pub secrets: Vec<String>,
    /// Where its first line is written: a source, and the byte offset there; none for scripts of ours.
    #[serde(skip)]
    pub at: Option<(SourceId, u32)>,
}

/// A secret that scripts may name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecretPlan {
    /// The file's name under `/run/secrets`.
    pub name: String,
    /// Where its value is looked for.
    pub source: SecretSource,
    /// Its name in the `secret` statement.
    #[serde(skip)]
    pub span: Option<Span>,
}

/// Where a secret's value is on the machine that builds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "from", rename_all = "kebab-case")]
pub enum SecretSource {
    /// `secret NAME from env VAR`
    Env {
        /// Of the environment of `imgfile`, such as `NPM_TOKEN`.
        variable: String,
    },
    /// Absolute, or relative to the project's folder.
    File {
        /// `/` between parts, such as `secrets/token`.
        path: String,
    },
    /// Where the user says, by `--secret` or in the user's configuration.
    User,
}

/// The account a script runs as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RunAs {
    /// The image's default user, who can sudo.
    Default,
    /// `user = root`, and offline scripts that name nobody.
    Root,
    /// Any other account of the image.
    Named(String),
}

/// What is to become of one unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnitState {
    /// With its suffix: `nginx.service`.
    pub unit: String,
    /// What the `service` statement says.
    pub state: WantedUnit,
    /// Whether the test boot requires the unit to be active.
    pub must_be_active: bool,
}

/// The state of a unit from the next boot on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WantedUnit {
    /// `service nginx enabled`: starts at boot.
    Enabled,
    /// `service nginx disabled`: does not start by itself.
    Disabled,
    /// `service nginx masked`: cannot be started at all.
    Masked,
}

/// A test of the finished artifact, in a throw-away overlay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Test {
    /// As written, or `verify nginx` for an application's own.
    pub name: String,
    /// The sealed disk, or a boot of it.
    pub stage: Stage,
    /// What has to hold.
    pub check: TestCheck,
    /// The test's name; of an application's own its `app` statement, of units the first `service` statement.
    #[serde(skip)]
    pub span: Option<Span>,
}

/// What a test looks at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "check", rename_all = "kebab-case")]
pub enum TestCheck {
    /// Must exit with 0.
    Script(ScriptStep),
    /// These units must be active once the boot is done.
    UnitsActive {
        /// With their suffix: `nginx.service`.
        units: Vec<String>,
    },
}

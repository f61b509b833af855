//! The typed meaning of a project's ImageFile: what later stages program against.
//!
//! Every value that a later stage may object to carries its span. Paths are relative to the
//! project's folder with `/` between parts, whatever file they were written in.

use serde::{Deserialize, Serialize};

mod cleanup;
mod packages;
mod publish;
mod steps;

use super::Size;
use crate::model::{Arch, Compression, Firmware, OutputFormat};
use crate::text::{Checksum, Digest, Requirement, Span, Spanned};

pub use cleanup::{Cleanup, CleanupItem, CleanupPreset, CleanupTopic};
pub use packages::{App, AppOption, ArchiveKey, ArchiveSource, ArchiveSpec, Literal, OtherArchive, Package};
pub use publish::{MinDisk, PublishSpec, Visibility};
pub use steps::{CopySource, CopySpec, DEFAULT_TIMEOUT, Script, ScriptBody, StepSpec, Test};

/// Everything the entry file and its includes say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spec {
    /// Folders of `catalog "DIR"`, in the order written; `catalog/` is read without being named.
    pub catalogs: Vec<Spanned<String>>,
    /// In the order written.
    pub images: Vec<ImageSpec>,
    /// Each profile that no image uses, as an image of its own: what it names can be looked up.
    pub unused_profiles: Vec<ImageSpec>,
}

impl Spec {
    /// The image called `name`.
    #[must_use]
    pub fn image(&self, name: &str) -> Option<&ImageSpec> {
        self.images.iter().find(|image| image.name.value == name)
    }
}

/// One `image "NAME" { … }` with its profiles merged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSpec {
    /// As written behind `image`: 1 to 255 bytes, unique among the project's images.
    pub name: Spanned<String>,
    /// What of the things that the resolver looks at was not understood.
    pub unknown: Unknowns,
    /// `description "…"`: for people; no part of any key.
    pub description: Option<Spanned<String>>,
    /// Absent only with `base image`, which inherits it (or in an image that has errors).
    pub os: Option<Os>,
    /// Its span is the image's name if the file does not say.
    pub arch: Spanned<Arch>,
    /// What it starts from; `base auto` if the file does not say.
    pub base: Base,
    /// `min_storage 8GiB`: the smallest disk an instance may have; absent: as large as the base.
    pub min_storage: Option<Spanned<Size>>,
    /// Packages to install, `packages` statements joined in the order written.
    pub packages: Vec<Package>,
    /// Packages to remove (`{ remove = … }`).
    pub removed_packages: Vec<Package>,
    /// Where packages come from beside the base's own archives.
    pub archives: Vec<ArchiveSpec>,
    /// Answers for package configuration, as `debconf-set-selections` takes them.
    pub preseeds: Vec<Spanned<String>>,
    /// `app` statements in the order written; names are unique.
    pub apps: Vec<App>,
    /// Environment of every script and test; never left in the image.
    pub env: Vec<EnvVar>,
    /// `secret` statements in the order written.
    pub secrets: Vec<Secret>,
    /// `account` statements in the order written; made after the groups.
    pub accounts: Vec<Account>,
    /// `group` statements in the order written.
    pub groups: Vec<Group>,
    /// Who runs scripts; absent: the base's default account.
    pub user: Option<Spanned<String>>,
    /// Whether that account stays in the image.
    pub keep_user: bool,
    /// Copies, scripts and reboots in the order written.
    pub steps: Vec<StepSpec>,
    /// `service` statements in the order written.
    pub services: Vec<Service>,
    /// What `kernel_args` appends to the kernel's line, such as `quiet`.
    pub kernel_args: Vec<Spanned<String>>,
    /// The machine that builds; no part of any key.
    pub machine: MachineSize,
    /// `cleanup cloud` if the file does not say.
    pub cleanup: Cleanup,
    /// `test` statements in the order written.
    pub tests: Vec<Test>,
    /// `label KEY = VALUE`, in the order written.
    pub labels: Vec<KeyValue>,
    /// Never empty: `qcow2` if the file does not say.
    pub outputs: Vec<Output>,
    /// `publish` statements in the order written.
    pub publishes: Vec<PublishSpec>,
    /// `network full` if the file does not say.
    pub network: Network,
}

impl ImageSpec {
    /// An image of which nothing but the name is known.
    #[must_use]
    pub fn new(name: Spanned<String>) -> Self {
        let span = name.span;
        Self {
            name,
            unknown: Unknowns::default(),
            description: None,
            os: None,
            arch: Spanned::new(Arch::default(), span),
            base: Base { span, source: BaseSource::Auto, upgrade: false, firmware: None },
            min_storage: None,
            packages: Vec::new(),
            removed_packages: Vec::new(),
            archives: Vec::new(),
            preseeds: Vec::new(),
            apps: Vec::new(),
            env: Vec::new(),
            secrets: Vec::new(),
            accounts: Vec::new(),
            groups: Vec::new(),
            user: None,
            keep_user: true,
            steps: Vec::new(),
            services: Vec::new(),
            kernel_args: Vec::new(),
            machine: MachineSize::default(),
            cleanup: Cleanup::default(),
            tests: Vec::new(),
            labels: Vec::new(),
            outputs: Vec::new(),
            publishes: Vec::new(),
            network: Network::default(),
        }
    }
}

/// What an error leaves unknown of an image. The solve goes on with the rest: it must not take a
/// default for what somebody meant to write.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unknowns {
    /// Something that the resolver looks at: what it finds is no resolution of the image.
    pub any: bool,
    /// Which base is meant.
    pub base: bool,
    /// Which architecture is meant: only names can be looked up.
    pub arch: bool,
}

/// `os TYPE DISTRO [REQ]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Os {
    /// The whole statement.
    pub span: Span,
    /// `linux`
    pub kind: Spanned<OsKind>,
    /// `debian`, in lower case.
    pub distribution: Spanned<String>,
    /// `13`, or from a release's name: `trixie`; absent: the resolver chooses.
    pub version: Option<Spanned<Requirement>>,
}

/// The type of an operating system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OsKind {
    /// `linux`
    Linux,
    /// `windows`: understood, so that the message can say that nothing builds it.
    Windows,
}

/// What the image starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// The whole statement, or the image's name if there is none.
    pub span: Span,
    /// Which disk it is.
    pub source: BaseSource,
    /// Bring the base's packages up to date before anything else.
    pub upgrade: bool,
    /// Only bases that boot under it are acceptable.
    pub firmware: Option<Spanned<Firmware>>,
}

/// The disk that a `base` statement names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BaseSource {
    /// The resolver chooses.
    Auto,
    /// A base of the catalogue by name.
    Named {
        /// Such as `debian-13`.
        name: Spanned<String>,
        /// On the version of the catalogue entry, not of the system; absent: the newest.
        version: Option<Spanned<Requirement>>,
    },
    /// A disk on this machine: absolute as written, or relative to the project's folder (it may
    /// then start with `../`). `check` does not open it.
    File {
        /// In quotes, such as `"disks/web.qcow2"`.
        path: Spanned<String>,
        /// Of the whole file; absent: the lock pins what is found.
        sha256: Option<Spanned<Digest>>,
    },
    /// A download.
    Url {
        /// `https` or `http`, of a qcow2 or raw disk.
        url: Spanned<String>,
        /// What the download must have.
        checksum: Spanned<Checksum>,
    },
    /// Another image of this project; it exists and there is no cycle.
    Image {
        /// In quotes, another `image` statement's.
        name: Spanned<String>,
    },
}

/// `env KEY = VALUE`, or an entry of a script's `env`.
pub type EnvVar = KeyValue;

/// `KEY = VALUE` of `env` and `label`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyValue {
    /// The word before the `=`, such as `RELEASE`.
    pub key: Spanned<String>,
    /// A text; params are already put in.
    pub value: Spanned<String>,
}

/// `secret NAME [from …]`: a file `/run/secrets/NAME` for the steps that name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// The file's name under `/run/secrets`.
    pub name: Spanned<String>,
    /// Where the value is, on the machine that builds.
    pub source: SecretSource,
}

/// What stands behind `from`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// An environment variable of the imgfile process.
    Env(Spanned<String>),
    /// A file on this machine, see [`BaseSource::File`] for the path.
    File(Spanned<String>),
    /// What the user says: `--secret`, or the user's configuration.
    User,
}

/// `account NAME { … }`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Such as `operator`; unique in its image.
    pub name: Spanned<String>,
    /// Supplementary groups.
    pub groups: Vec<Spanned<String>>,
    /// May use sudo without a password.
    pub sudo: bool,
    /// Absolute path, such as `/bin/bash`; absent: the system chooses.
    pub shell: Option<Spanned<String>>,
    /// Absent: the system chooses.
    pub uid: Option<Spanned<u32>>,
    /// Number of its own group.
    pub gid: Option<Spanned<u32>>,
    /// Absolute path; absent: the system chooses, mostly `/home/NAME`.
    pub home: Option<Spanned<String>>,
    /// For a service: a number below those of people, no home and no shell unless they are named.
    pub system: bool,
    /// What it is for, in a few words (GECOS).
    pub comment: Option<Spanned<String>>,
    /// Lines for `authorized_keys`.
    pub ssh_keys: Vec<Spanned<String>>,
    /// A crypt(3) hash, such as `$y$…`.
    pub password_hash: Option<Spanned<String>>,
}

/// `group NAME { … }`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Such as `www`; unique in its image.
    pub name: Spanned<String>,
    /// Absent: the system chooses.
    pub gid: Option<Spanned<u32>>,
    /// A number below those of people.
    pub system: bool,
}

/// `service NAME STATE { active }`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// The whole statement.
    pub span: Span,
    /// A unit name; without a suffix it is a `.service`.
    pub name: Spanned<String>,
    /// From the next boot on.
    pub state: Spanned<ServiceState>,
    /// The test boot requires an enabled unit to be active.
    pub active: bool,
}

/// What becomes of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServiceState {
    /// `service nginx enabled`: starts at boot.
    Enabled,
    /// `service nginx disabled`: does not start by itself.
    Disabled,
    /// `service nginx masked`: cannot be started at all.
    Masked,
}

/// `machine { cpus, memory }`: absent values are the driver's to choose.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MachineSize {
    /// Virtual processors, 1 to 256.
    pub cpus: Option<Spanned<u32>>,
    /// `2GiB`
    pub memory: Option<Spanned<Size>>,
}

/// `output FORMAT { … }`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The whole statement, or the image's name if there is none.
    pub span: Span,
    /// `qcow2` of `output qcow2`.
    pub format: OutputFormat,
    /// The image's name where it is used: 1 to 255 printable ASCII characters.
    pub name: Spanned<String>,
    /// Absent: the format's usual one.
    pub compression: Option<Spanned<Compression>>,
    /// A `vhd` that grows with its content; left out, it is as large as its disk.
    pub dynamic: bool,
}

impl Output {
    /// The file's name in `out/`, shortened with a digest at its end where it would pass 255 bytes.
    #[must_use]
    pub fn file_name(&self) -> String {
        crate::check::names::output_file_name(&self.name.value, self.format)
    }
}

/// What booted steps and offline scripts may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// `network full`: the outside world, never the host itself.
    #[default]
    Full,
    /// `network none`: nothing.
    None,
}

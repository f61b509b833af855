//! The typed meaning of a project's ImageFile: what later stages program against.
//!
//! Every value that a later stage may object to carries its span. Paths are relative to the
//! project's folder with `/` between parts, whatever file they were written in.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Cleanup;
use super::Size;
use crate::model::{Arch, Compression, Firmware, OutputFormat};
use crate::text::{Checksum, Digest, Requirement, SourceId, Span, Spanned};

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
    pub doubt: Doubt,
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
            doubt: Doubt::default(),
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
            network: Network::default(),
        }
    }
}

/// What an error leaves unknown of an image. The solve goes on with the rest: it must not take a
/// default for what somebody meant to write.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Doubt {
    /// Something that the resolver looks at: what it finds is no resolution of the image.
    pub any: bool,
    /// Which base is meant.
    pub base: bool,
    /// Which architecture is meant: only names can be looked up.
    pub arch: bool,
}

/// `archive`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveSpec {
    /// The whole statement.
    pub span: Span,
    /// Which archive it is.
    pub source: ArchiveSource,
    /// It stays among the image's own sources.
    pub keep: bool,
}

/// Which archive an `archive` statement adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArchiveSource {
    /// More of the distribution's own.
    Own {
        /// Such as `contrib` and `non-free-firmware`.
        components: Vec<Spanned<String>>,
        /// `backports`, or a suite's whole name.
        suites: Vec<Spanned<String>>,
    },
    /// `archive "URL" { … }`
    Other(Box<OtherArchive>),
}

/// An archive outside the distribution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherArchive {
    /// `http` or `https`, as written.
    pub url: Spanned<String>,
    /// Such as `stable`; for a flat archive a path that ends in `/`.
    pub suite: Spanned<String>,
    /// `main` if the file does not say; none for a flat archive.
    pub components: Vec<Spanned<String>>,
    /// What must have signed its indexes.
    pub key: ArchiveKey,
    /// Hexadecimal digits of the key's fingerprint; absent: whatever key is given.
    pub fingerprint: Option<Spanned<String>>,
    /// apt's pin.
    pub priority: Option<Spanned<u32>>,
}

impl OtherArchive {
    /// Where it is, as a lock names it.
    #[must_use]
    pub fn address(&self) -> &str {
        self.url.value.trim_end_matches('/')
    }
}

/// The key that signs an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveKey {
    /// The path as written, or the key's text.
    pub span: Span,
    /// Armoured or binary.
    pub content: Vec<u8>,
    /// Where it is in the project, if it is not in the ImageFile.
    pub path: Option<String>,
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

/// `jq`, `kubelet=1.36.1-1.1`, `docker-ce=5:27.*` or `postgresql-17 >= 17.2`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// The list element.
    pub span: Span,
    /// As the distribution calls it, such as `jq`.
    pub name: String,
    /// The distribution's own version string, a pattern of it, or comparisons with it.
    pub version: Option<String>,
    /// What it recommends comes along.
    pub recommends: bool,
    /// Whether it stays in the image; else it is there for the scripts alone.
    pub keep: bool,
}

/// `app NAME [REQ] { … }`; options are checked against the catalogue by the resolver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// The whole statement.
    pub span: Span,
    /// Of the catalogue, such as `nginx`.
    pub name: Spanned<String>,
    /// `^1.26`; absent: the newest that suits.
    pub version: Option<Spanned<Requirement>>,
    /// In the order written.
    pub options: Vec<AppOption>,
    /// Something in its options was not understood: more may be given than is known.
    pub doubtful: bool,
}

/// `key = value` in the braces of `app`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppOption {
    /// Such as `port`.
    pub key: Spanned<String>,
    /// Its type is the declaration's business.
    pub value: Spanned<Literal>,
}

/// A value whose type is decided elsewhere; params are already put in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Literal {
    /// The text, quoted or not.
    Text(String),
    /// `["a", "b"]`
    List(Vec<Spanned<Literal>>),
}

impl Literal {
    /// The text, unless it is a list.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::List(_) => None,
        }
    }
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

/// What happens in the order written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepSpec {
    /// `copy "SRC" to "DEST"`
    Copy(CopySpec),
    /// `script "setup.sh"`; of a list of paths each is one.
    Script(Script),
    /// The statement's span.
    Reboot(Span),
}

impl StepSpec {
    /// The whole statement.
    #[must_use]
    pub const fn span(&self) -> Span {
        match self {
            Self::Copy(copy) => copy.span,
            Self::Script(script) => script.span,
            Self::Reboot(span) => *span,
        }
    }
}

/// `copy SOURCE to "DEST" { … }`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopySpec {
    /// The whole statement.
    pub span: Span,
    /// What is copied.
    pub source: CopySource,
    /// Absolute path in the image. Ending in `/`: a folder to put the source into.
    pub dest: Spanned<String>,
    /// Account name or number; `root` if absent.
    pub owner: Option<Spanned<String>>,
    /// Group name or number; the owner's name if absent.
    pub group: Option<Spanned<String>>,
    /// For files; absent: 0644, 0755 where the source is executable.
    pub mode: Option<Spanned<u32>>,
    /// For folders; absent: `mode` with x where it has r, or 0755.
    pub dir_mode: Option<Spanned<u32>>,
    /// Before packages are installed.
    pub early: bool,
}

/// What a `copy` statement puts into the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopySource {
    /// A file of the project.
    File {
        /// Relative to the project's folder.
        path: Spanned<String>,
    },
    /// The contents of a folder of the project.
    Folder {
        /// Relative to the project's folder, without a slash at its end.
        path: Spanned<String>,
    },
    /// What matches a pattern in a folder of the project: `conf.d/*.conf`.
    Glob {
        /// Relative to the project's folder; `conf.d` of the example.
        folder: Spanned<String>,
        /// For names in that folder: `*.conf`, with `*`, `?` and `[a-z]`.
        pattern: String,
    },
    /// A heredoc's text.
    Inline {
        /// As taken from between the tags; its span is the heredoc's.
        text: Spanned<String>,
    },
    /// A pinned download, perhaps an archive.
    Url {
        /// `https` or `http`, as written.
        url: Spanned<String>,
        /// What the download must have.
        checksum: Spanned<Checksum>,
        /// Unpack the archive into the destination folder.
        unpack: bool,
        /// Leading path components to drop when unpacking.
        strip: u32,
    },
}

/// A user script, as a step or a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// The statement; for one path of a list, that path.
    pub span: Span,
    /// `name`, else the path as written, else `script 2` by its number among the image's scripts.
    pub name: String,
    /// What is run.
    pub body: ScriptBody,
    /// Absent: the image's default user.
    pub user: Option<Spanned<String>>,
    /// On top of the image's `env`.
    pub env: Vec<EnvVar>,
    /// From its start; then it is killed and the build fails.
    pub timeout: Duration,
    /// How often to try again after a failure.
    pub retries: u32,
    /// Names of [`Secret`]s of this image.
    pub secrets: Vec<Spanned<String>>,
    /// In a chroot, without booting the system.
    pub offline: bool,
    /// Whether an offline script reaches what booted ones do.
    pub network: bool,
    /// Files and folders of the project to lay at `/run/imgfile/project`.
    pub with: Vec<Spanned<String>>,
}

/// The default `timeout` of a script or test.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_hours(1);

/// The text of a script and where it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptBody {
    /// The bytes to run, line ends normalised if it is a heredoc.
    pub content: Vec<u8>,
    /// Project-relative path, unless it is a heredoc.
    pub path: Option<String>,
    /// The program of the shebang and its argument, if any.
    pub interpreter: Vec<String>,
    /// Where the first line of the content stands: a source and the byte offset of its first byte.
    /// Line `n` of the script (from 0) is line `line_of(start) + n` of that source.
    pub source: SourceId,
    /// Byte offset in `source`.
    pub start: u32,
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

/// `test "NAME" …`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Test {
    /// In quotes, such as `"the front page answers"`.
    pub name: Spanned<String>,
    /// Must exit with 0.
    pub script: Script,
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
        super::names::output_file_name(&self.name.value, self.format)
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

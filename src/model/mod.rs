//! The nouns that several stages speak of, one type each, with the facts that hold for them whoever asks.

mod arch;
mod capabilities;
mod cleanup_preset;
mod disk_format;
mod disk_layout;
mod firmware;
mod host_package;
mod init;
mod output_format;
mod package_database;
mod package_manager;
mod system_tree;

pub use arch::{Arch, UnknownArch};
pub use capabilities::Capabilities;
pub use cleanup_preset::CleanupPreset;
pub use disk_format::{Compression, DiskFormat};
pub use disk_layout::{DiskLayout, MountPoint, Volume, VolumeContent, VolumeName};
pub use firmware::Firmware;
pub use host_package::{how_to_install, install_command, install_words};
pub use init::Init;
pub use output_format::{OutputFormat, Package};
pub use package_database::{APK, DPKG, PACKAGE_DATABASES, PackageDatabase};
pub use package_manager::{APT, ManagerFacts, PACKAGE_MANAGERS};
pub use system_tree::{FileContent, FileKind, MalformedTree, SystemTree, TreeLimits, TreeNode};

/// The file that tells a store of imgfile from every other folder. Backup programs skip folders that have it
/// (bford.info/cachedir).
pub const STORE_TAG: &str = "CACHEDIR.TAG";

/// What is in it.
pub const STORE_TAG_TEXT: &str =
    "Signature: 8a477f597d28d172789f06886806bc55\n# The store of imgfile: `imgfile gc` makes it smaller.\n";

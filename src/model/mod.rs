//! The nouns that several stages speak of, one type each, with the facts that hold for them whoever asks.

mod arch;
mod disk_format;
mod firmware;
mod init;

pub use arch::{Arch, UnknownArch};
pub use disk_format::{Compression, DiskFormat};
pub use firmware::Firmware;
pub use init::Init;

//! The arguments of every command on one ImageFile.

use std::path::PathBuf;

/// Which ImageFile, and with which params.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct FileArgs {
    /// ImageFile, or a folder with one.
    #[arg(default_value = ".")]
    pub path: PathBuf,
    /// Give a `param` a value.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = super::key_value)]
    pub set: Vec<(String, String)>,
}

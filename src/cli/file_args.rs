//! The arguments of every command on one ImageFile.

use std::path::PathBuf;

use super::setting_args::given;
use crate::{exec::Outside, ops::WorkspaceOptions};

/// Which ImageFile, and with which params.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct FileArgs {
    /// ImageFile, or a folder with one.
    #[arg(default_value = ".")]
    pub path: PathBuf,
    /// Give a `param` a value.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = super::key_value)]
    pub set: Vec<(String, String)>,
    /// Give a `secret` its value from a variable or a file, also one outside the project.
    #[arg(long = "secret", value_name = "NAME=env:VAR|file:PATH", value_parser = secret)]
    pub secrets: Vec<(String, Outside)>,
    /// Let the project start from this disk outside its folder (of a folder: from any in it).
    #[arg(long, value_name = "PATH")]
    pub allow_file: Vec<PathBuf>,
}

impl FileArgs {
    /// What a verb is to open, with the settings of the command line.
    pub(super) fn options(self) -> WorkspaceOptions {
        WorkspaceOptions {
            path: self.path,
            set: self.set,
            secrets: self.secrets,
            allow_files: self.allow_file,
            flags: given(),
            ..WorkspaceOptions::default()
        }
    }
}

/// Reads `NAME=env:VAR` or `NAME=file:PATH` of `--secret`.
fn secret(text: &str) -> Result<(String, Outside), String> {
    match text.split_once('=') {
        Some((name, source)) if !name.is_empty() => Ok((name.to_owned(), source.parse()?)),
        _ => Err("expected NAME=env:VARIABLE or NAME=file:PATH".to_owned()),
    }
}

//! The arguments of every command on one ImageFile.

use std::path::PathBuf;

use crate::exec::{Consent, Outside};

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
    /// What the flags allow, beside what the user allows otherwise.
    pub(super) fn consent(&self, mut consent: Consent) -> Consent {
        let here = std::env::current_dir().unwrap_or_default();
        let secrets = self.secrets.iter().map(|(name, source)| (name.clone(), source.clone().located(&here)));
        consent.secrets.extend(secrets);
        let files = self.allow_file.iter().map(|path| Outside::File(path.clone()).located(&here));
        consent.sources.extend(files);
        consent
    }
}

/// Reads `NAME=env:VAR` or `NAME=file:PATH` of `--secret`.
fn secret(text: &str) -> Result<(String, Outside), String> {
    match text.split_once('=') {
        Some((name, source)) if !name.is_empty() => Ok((name.to_owned(), source.parse()?)),
        _ => Err("expected NAME=env:VARIABLE or NAME=file:PATH".to_owned()),
    }
}

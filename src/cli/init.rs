//! `imgfile init`: a first ImageFile.

use std::path::PathBuf;

use super::{Exit, failed};
use crate::ops;

/// Write a first ImageFile.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder to write it to; it is made if it does not exist.
    #[arg(default_value = ".")]
    pub folder: PathBuf,
    /// The image's name; by default the folder's.
    #[arg(long)]
    pub name: Option<String>,
}

/// Runs the command.
#[must_use]
pub fn run(args: &Args) -> Exit {
    match ops::init(&args.folder, args.name.as_deref()) {
        Ok(file) => {
            super::screen::say!("wrote {}; next: `imgfile check`, then `imgfile build`", file.display());
            Exit::Done
        }
        Err(error) => failed(error),
    }
}

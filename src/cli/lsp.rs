//! `imgfile lsp`: the language server on stdin and stdout.

use super::Exit;
use crate::{
    ide::lsp::{Ended, serve},
    ops::settings::cache_folder,
};

/// Serve an editor over stdin and stdout.
///
/// Speaks the Language Server Protocol. Editors start this; see docs/editors.md. It reads the
/// project's files only, and executes and downloads nothing. What it writes are built-in catalogue
/// files that one asks to see, into the user's cache.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Accepted because some editors pass it; there is no other transport.
    #[arg(long)]
    stdio: bool,
}

/// Runs the command until the editor leaves.
#[must_use]
pub fn run(args: &Args) -> Exit {
    let Args { stdio: _ } = args;
    let shown = cache_folder().map(|cache| cache.join("catalogue"));
    match serve(std::io::BufReader::new(std::io::stdin()), super::screen::exact(), shown) {
        Ended::Properly => Exit::Done,
        // The protocol asks for 1 after an `exit` without `shutdown`.
        Ended::Abruptly => Exit::Files,
    }
}

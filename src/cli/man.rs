//! `imgfile man`: a manual page for each command.

use std::path::PathBuf;

use super::Exit;

/// Write the manual pages, one a command, and say how to read them.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder for them; without it `~/.local/share/man/man1`, where `man` looks.
    pub folder: Option<PathBuf>,
}

pub(super) fn run(args: &Args, command: clap::Command) -> Exit {
    let folder = match (&args.folder, super::completions::data_home()) {
        (Some(folder), _) => folder.clone(),
        (None, Some(data)) => data.join("man/man1"),
        (None, None) => {
            super::complain("HOME is not set; say which folder the pages go to");
            return Exit::Usage;
        }
    };
    let written = std::fs::create_dir_all(&folder).and_then(|()| clap_mangen::generate_to(command, &folder));
    match written {
        Ok(()) => {
            super::print(&format!("{}\n", folder.display()));
            super::screen::say!("`man imgfile` and `man imgfile-build` show them, if `man` looks there");
            Exit::Done
        }
        Err(error) => {
            super::complain(&format!("cannot write in {}: {error}", folder.display()));
            Exit::Host
        }
    }
}

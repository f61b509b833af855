//! `imgfile man`: a manual page for each command.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap_mangen::Man;

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
    let mut command = command.disable_help_subcommand(true);
    // Names of the pages come with it: `imgfile-build`.
    command.build();
    let written = std::fs::create_dir_all(&folder).and_then(|()| write(&command, &folder));
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

/// The page of a command and those of the commands below it.
fn write(command: &clap::Command, folder: &Path) -> io::Result<()> {
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        write(below, folder)?;
    }
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    if command.get_arguments().any(|argument| !argument.is_hide_set()) {
        man.render_options_section(&mut page)?;
    }
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    if let Some(examples) = help.strip_prefix("Examples:\n") {
        as_written(&mut page, "EXAMPLES", examples)?;
    }
    as_written(&mut page, "\"EXIT STATUS\"", &Exit::table())?;
    man.render_version_section(&mut page)?;
    std::fs::write(folder.join(man.get_filename()), page)
}

/// A section whose lines stay as they are: man-pages(7), roff(7).
fn as_written(page: &mut impl Write, title: &str, text: &str) -> io::Result<()> {
    writeln!(page, ".SH {title}\n.nf")?;
    for line in text.lines() {
        // A dot or an apostrophe at the start of a line is a request.
        writeln!(page, "\\&{}", line.replace('\\', "\\e").replace('-', "\\-"))?;
    }
    writeln!(page, ".fi")
}

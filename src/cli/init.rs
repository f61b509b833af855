//! `imgfile init`: a first ImageFile.

use std::io::Write;
use std::path::PathBuf;

use super::Exit;
use crate::store::umask;

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
    let file = args.folder.join("ImageFile");
    let name = args.name.clone().unwrap_or_else(|| folder_name(&args.folder));
    if name.is_empty() || name.len() > 255 || name.contains(char::is_control) {
        super::complain("a name has 1 to 255 bytes and no control characters");
        return Exit::Usage;
    }
    let written = std::fs::create_dir_all(&args.folder)
        .and_then(|()| std::fs::OpenOptions::new().write(true).create_new(true).open(&file))
        .and_then(|mut open| {
            open.write_all(template(&name).as_bytes())?;
            umask::share(&open, 0o666)
        });
    match written {
        Ok(()) => {
            super::screen::say!("wrote {}; next: `imgfile check`, then `imgfile build`", file.display());
            Exit::Done
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            super::complain(&format!("`{}` is there already", file.display()));
            Exit::Files
        }
        Err(error) => {
            super::complain(&format!("cannot write `{}`: {error}", file.display()));
            Exit::Files
        }
    }
}

/// The folder's own name, as far as it can name an image's file as well.
fn folder_name(folder: &std::path::Path) -> String {
    let name = folder.canonicalize().ok().or_else(|| Some(folder.to_owned()));
    let name =
        name.as_deref().and_then(|folder| folder.file_name()).map(|name| name.to_string_lossy().into_owned());
    let plain: String = name
        .unwrap_or_default()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' })
        .collect();
    let plain = plain.trim_matches(['.', '-']);
    if plain.is_empty() { "image".to_owned() } else { plain.to_owned() }
}

fn template(name: &str) -> String {
    let quoted = name.replace('\\', "\\\\").replace('"', "\\\"").replace("${", "$${");
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        && !name.starts_with('.');
    let output = if plain { "" } else { "\n  output qcow2 { name = \"image\" }\n" };
    format!(
        "# What this machine image is made of. `imgfile check` explains mistakes, `imgfile build` builds it.\n\
         image \"{quoted}\" {{\n  \
           os linux debian 13\n  \
           packages [\"curl\"]\n\
         \n  \
           script <<-SH\n    \
             #!/bin/bash -e\n    \
             echo \"built with imgfile\" | sudo tee /etc/motd\n  \
           SH\n\
         \n  \
           test \"it says so\" <<-SH\n    \
             #!/bin/bash -e\n    \
             grep -q imgfile /etc/motd\n  \
           SH\n\
         {output}}}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{MemoryFiles, check};
    use crate::text::{SourceId, Sources};

    #[test]
    fn the_first_file_is_sound_and_formatted() {
        for name in ["web", "a \"b\" ${c}", "ünïcode"] {
            let text = template(name);
            let files = MemoryFiles::new().with("ImageFile", text.clone());
            let checked = check("ImageFile", &mut Sources::default(), &files, &[]);
            assert_eq!(checked.diagnostics, [], "{text}");
            assert_eq!(checked.spec.images[0].name.value, name);
            assert_eq!(crate::syntax::format(&crate::syntax::parse(SourceId(0), &text), &text), text);
        }
    }
}

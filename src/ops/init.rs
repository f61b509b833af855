//! A first ImageFile.

use std::{
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
};

use super::error::{Class, Error};
use crate::store::umask;

/// Writes a first ImageFile into a folder, which is made if it does not exist; without a name the image has the folder's.
/// Answers where it is.
///
/// # Errors
/// `Usage` for a name that no image can have; `Files` where a file is there already, or none can be written.
pub fn init(folder: &Path, name: Option<&str>) -> Result<PathBuf, Error> {
    let name = name.map_or_else(|| folder_name(folder), str::to_owned);
    if name.is_empty() || name.len() > 255 || name.contains(char::is_control) {
        return Err(Error::message(Class::Usage, "a name has 1 to 255 bytes and no control characters"));
    }
    let file = folder.join("ImageFile");
    let written = std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::OpenOptions::new().write(true).create_new(true).open(&file))
        .and_then(|mut open| {
            open.write_all(template(&name).as_bytes())?;
            umask::share(&open, 0o666)
        });
    match written {
        Ok(()) => Ok(file),
        Err(error) => Err(Error::message(
            Class::Files,
            if error.kind() == ErrorKind::AlreadyExists {
                format!("`{}` is there already", file.display())
            } else {
                format!("cannot write `{}`: {error}", file.display())
            },
        )),
    }
}

/// The folder's own name, as far as it can name an image's file as well.
fn folder_name(folder: &Path) -> String {
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

//! `imgfile fmt`: the one layout of ImageFiles.

use std::path::{Path, PathBuf};

use similar::TextDiff;

use super::Exit;
use crate::check::{FILE_LIMIT, FileError, Files as _};
use crate::diagnostic::codes;
use crate::ops::{
    image_files::{foreign, image_files},
    project, rewrite,
};
use crate::syntax;
use crate::text::{SourceId, conflicts};

/// Lay out ImageFiles.
///
/// Comments and blank lines stay; what is broken is left as it is.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// ImageFiles, or folders to walk for them; `-` reads stdin and writes stdout.
    #[arg(default_value = ".")]
    pub paths: Vec<PathBuf>,
    /// Change nothing; print what would change, and fail if anything would.
    #[arg(long)]
    pub check: bool,
}

/// Runs the command.
#[must_use]
pub fn run(args: &Args) -> Exit {
    let mut differs = false;
    let mut failed = false;
    for path in &args.paths {
        if path.as_os_str() == "-" {
            match stdin(args.check) {
                Ok(different) => differs |= different,
                Err(error) => {
                    super::complain(&format!("stdin: {error}"));
                    failed = true;
                }
            }
            continue;
        }
        let files = match image_files(path) {
            Ok(files) if files.is_empty() => {
                super::complain(&project::OpenError::NoImageFile(path.clone()).to_string());
                failed = true;
                continue;
            }
            Ok(files) => files,
            Err(error) => {
                super::complain(&error.to_string());
                failed = true;
                continue;
            }
        };
        for file in files {
            match one(&file, args.check) {
                Ok(different) => differs |= different,
                Err(error) => {
                    super::complain(&format!("`{}`: {error}", file.display()));
                    failed = true;
                }
            }
        }
    }
    if failed || (differs && args.check) { Exit::Files } else { Exit::Done }
}

/// The text as it should be laid out. One with an unresolved merge is left to who resolves it: its markers count at
/// the start of a line only.
fn formatted(text: &str) -> Result<String, String> {
    if conflicts(text).is_empty() {
        Ok(syntax::format(&syntax::parse(SourceId::default(), text), text))
    } else {
        Err(format!("it has an unresolved merge conflict (`imgfile explain {}`)", codes::MERGE_CONFLICT))
    }
}

/// Formats one file; answers whether it was laid out differently. As with every command for files of
/// strangers, a link that leads out of the file's folder is not followed, and a pipe not waited for.
fn one(file: &Path, check: bool) -> Result<bool, String> {
    let (_, files, name) = project::around(file).map_err(|error| error.to_string())?;
    let bytes = files.read(name, FILE_LIMIT).map_err(|error| match error {
        FileError::NotFound => "it is not there".to_owned(),
        FileError::Outside => "it leads out of its folder".to_owned(),
        FileError::TooLarge => "it is too large for an ImageFile".to_owned(),
        FileError::Unreadable(reason) => reason,
    })?;
    let text = String::from_utf8(bytes).map_err(|_| "not UTF-8 text")?;
    foreign(file, &text)?;
    let laid_out = formatted(&text)?;
    if laid_out == text {
        return Ok(false);
    }
    if check {
        diff(&file.display().to_string(), &text, &laid_out);
    } else {
        rewrite(&files, name, &laid_out).map_err(|why| format!("it cannot be written: {why}"))?;
        super::screen::say!("formatted {}", file.display());
    }
    Ok(true)
}

fn stdin(check: bool) -> Result<bool, String> {
    let text = std::io::read_to_string(std::io::stdin().lock())
        .map_err(|error| format!("it cannot be read: {error}"))?;
    let laid_out = formatted(&text)?;
    if check {
        diff("stdin", &text, &laid_out);
    } else {
        // A file, not a text to show: every byte of it.
        let _ = std::io::Write::write_all(&mut super::screen::exact(), laid_out.as_bytes());
    }
    Ok(laid_out != text)
}

fn diff(name: &str, before: &str, after: &str) {
    if before != after {
        let diff = TextDiff::from_lines(before, after);
        super::print(&diff.unified_diff().header(name, &format!("{name}, formatted")).to_string());
    }
}

//! `imgfile fmt`: the one layout of ImageFiles.

use std::path::{Path, PathBuf};

use similar::TextDiff;

use super::Exit;
use crate::ops::{self, LaidOut, image_files::image_files, project};

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

fn one(file: &Path, check: bool) -> Result<bool, String> {
    let laid_out = ops::format(file, !check)?;
    if check {
        diff(&file.display().to_string(), &laid_out);
    } else if laid_out.differs() {
        super::screen::say!("formatted {}", file.display());
    }
    Ok(laid_out.differs())
}

fn stdin(check: bool) -> Result<bool, String> {
    let text = std::io::read_to_string(std::io::stdin().lock())
        .map_err(|error| format!("it cannot be read: {error}"))?;
    let laid_out = LaidOut::of(text)?;
    if check {
        diff("stdin", &laid_out);
    } else {
        // A file, not a text to show: every byte of it.
        let _ = std::io::Write::write_all(&mut super::screen::exact(), laid_out.after.as_bytes());
    }
    Ok(laid_out.differs())
}

fn diff(name: &str, laid_out: &LaidOut) {
    if laid_out.differs() {
        let diff = TextDiff::from_lines(&laid_out.before, &laid_out.after);
        super::print(&diff.unified_diff().header(name, &format!("{name}, formatted")).to_string());
    }
}

//! `imgfile fmt`: the one layout of ImageFiles.

use std::path::PathBuf;

use similar::TextDiff;

use super::Exit;
use super::check::image_files;
use crate::syntax;
use crate::text::SourceId;

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
                    super::complain(&format!("cannot read stdin: {error}"));
                    failed = true;
                }
            }
            continue;
        }
        let files = match image_files(path) {
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

fn formatted(text: &str) -> String {
    syntax::format(&syntax::parse(SourceId::default(), text), text)
}

/// Formats one file; answers whether it was laid out differently.
fn one(file: &std::path::Path, check: bool) -> std::io::Result<bool> {
    use std::io::{Error, ErrorKind};
    if std::fs::metadata(file)?.len() > crate::check::FILE_LIMIT {
        return Err(Error::new(ErrorKind::InvalidData, "too large for an ImageFile"));
    }
    let text = String::from_utf8(std::fs::read(file)?)
        .map_err(|_| Error::new(ErrorKind::InvalidData, "not UTF-8 text"))?;
    let laid_out = formatted(&text);
    if laid_out == text {
        return Ok(false);
    }
    if check {
        diff(&file.display().to_string(), &text, &laid_out);
    } else {
        // Written beside it and moved over it: an interrupted write leaves the old file.
        let folder = file
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(std::path::Path::new("."));
        let real = file.canonicalize()?;
        let beside = tempfile::NamedTempFile::new_in(real.parent().unwrap_or(folder))?;
        std::fs::write(beside.path(), &laid_out)?;
        std::fs::set_permissions(beside.path(), std::fs::metadata(&real)?.permissions())?;
        beside.persist(&real).map_err(|error| error.error)?;
        eprintln!("formatted {}", file.display());
    }
    Ok(true)
}

fn stdin(check: bool) -> std::io::Result<bool> {
    let text = std::io::read_to_string(std::io::stdin().lock())?;
    let laid_out = formatted(&text);
    if check {
        diff("stdin", &text, &laid_out);
    } else {
        super::print(&laid_out);
    }
    Ok(laid_out != text)
}

fn diff(name: &str, before: &str, after: &str) {
    if before != after {
        let diff = TextDiff::from_lines(before, after);
        super::print(&diff.unified_diff().header(name, &format!("{name}, formatted")).to_string());
    }
}

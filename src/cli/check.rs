//! `imgfile check`: everything that can be known without a network or a VM.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::project::{self, OpenError};
use super::{Exit, screen};
use crate::check::Settings;
use crate::diagnostic::Diagnostic;
use crate::front::{self, Project};
use crate::report;

/// Check ImageFiles.
///
/// Reports everything that is wrong in one run, without network or virtual machine, and executes
/// and downloads nothing.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// ImageFiles, or folders to walk for them.
    #[arg(default_value = ".")]
    pub paths: Vec<PathBuf>,
    /// Give a `param` a value.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = super::key_value)]
    pub set: Vec<(String, String)>,
    /// How findings are written.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
    /// Apply the fixes that are safe, then check again.
    #[arg(long)]
    pub fix: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Text for people, on stderr.
    Human,
    /// One JSON document.
    Json,
    /// SARIF 2.1.0, which code-scanning services read.
    Sarif,
    /// Annotations of GitHub Actions.
    Github,
}

/// Runs the command.
#[must_use]
pub fn run(args: &Args) -> Exit {
    let mut files = Vec::new();
    for path in &args.paths {
        match image_files(path) {
            Ok(found) if found.is_empty() => {
                super::complain(&OpenError::NoImageFile(path.clone()).to_string());
                return Exit::Files;
            }
            Ok(found) => files.extend(found),
            Err(error) => {
                super::complain(&error.to_string());
                return Exit::Files;
            }
        }
    }
    let mut projects = Vec::new();
    for file in &files {
        match checked(file, args) {
            Ok(one) => projects.push(one),
            Err(error) => {
                super::complain(&error.to_string());
                return Exit::Files;
            }
        }
    }
    drop_included(&mut projects);
    let failed = projects.iter().any(|one| one.project.has_errors());
    if let Err(error) = write(&projects, args.format) {
        // A reader that closed the pipe has seen enough.
        if error.kind() != std::io::ErrorKind::BrokenPipe {
            super::complain(&format!("cannot write: {error}"));
        }
    }
    // The process ends here; to take a large catalogue apart first would be a tenth of its time.
    std::mem::forget(projects);
    if failed { Exit::Files } else { Exit::Done }
}

/// An ImageFile, as the user would write its path, and what became of it.
struct Checked {
    path: PathBuf,
    project: Project,
}

/// Checks one ImageFile, and with `--fix` repairs it as far as that helps.
fn checked(file: &Path, args: &Args) -> Result<Checked, OpenError> {
    let mut project = compiled(file, &args.set)?;
    if args.fix {
        // A fix may bring another to light; a few rounds are plenty, and each must change something.
        for _ in 0..8 {
            let changed = report::fixed(&project.diagnostics, &project.sources);
            let mut written = false;
            for (id, text) in changed.into_iter().filter(|(id, _)| !project.is_builtin(*id)) {
                let name = &project.sources.get(id).name;
                std::fs::write(name, text).map_err(|error| OpenError::Io { path: name.into(), error })?;
                written = true;
            }
            if !written {
                break;
            }
            project = compiled(file, &args.set)?;
        }
    }
    Ok(Checked { path: file.to_owned(), project })
}

fn compiled(file: &Path, set: &Settings) -> Result<Project, OpenError> {
    let (folder, files, name) = project::around(file)?;
    let mut project = front::compile(name, &files, set);
    if !folder.as_os_str().is_empty() {
        project.sources.prefix_names(&folder.to_string_lossy(), project.builtin);
    }
    Ok(project)
}

/// Files that other files of the same walk include are checked with those, not alone.
fn drop_included(projects: &mut Vec<Checked>) {
    let included: Vec<PathBuf> = projects
        .iter()
        .flat_map(|Checked { project, .. }| {
            project.units.iter().skip(1).map(|unit| PathBuf::from(&project.sources.get(unit.source).name))
        })
        .collect();
    if projects.len() > 1 {
        projects.retain(|one| !included.contains(&one.path));
    }
}

fn write(projects: &[Checked], format: Format) -> std::io::Result<()> {
    let all =
        || projects.iter().map(|Checked { project, .. }| (project.diagnostics.as_slice(), &project.sources));
    match format {
        Format::Human => {
            let mut stderr = screen::err();
            for Checked { project, .. } in projects {
                let text = report::human(&project.diagnostics, &project.sources, screen::err_colour());
                stderr.write_all(super::console::drawable(text).as_bytes())?;
            }
            let every: Vec<Diagnostic> =
                projects.iter().flat_map(|one| one.project.diagnostics.iter().cloned()).collect();
            match report::summary(&every) {
                Some(summary) => writeln!(stderr, "{summary}"),
                None => {
                    let images: usize = projects.iter().map(|one| one.project.spec.images.len()).sum();
                    writeln!(
                        stderr,
                        "{images} image{} checked, nothing wrong",
                        if images == 1 { "" } else { "s" }
                    )
                }
            }
        }
        Format::Json => screen::json().write_all(report::json(all()).as_bytes()),
        Format::Sarif => screen::json().write_all(report::sarif(all()).as_bytes()),
        Format::Github => screen::annotations().write_all(report::github(all()).as_bytes()),
    }
}

/// The file itself, or every ImageFile below a folder: `ImageFile` and `NAME.imagefile`, hidden
/// folders and what git ignores left out.
pub(super) fn image_files(path: &Path) -> Result<Vec<PathBuf>, OpenError> {
    let metadata = std::fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => OpenError::NotFound(path.to_owned()),
        _ => OpenError::Io { path: path.to_owned(), error },
    })?;
    if !metadata.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let walk = ignore::WalkBuilder::new(path)
        .require_git(false)
        .follow_links(false)
        .sort_by_file_name(Ord::cmp)
        .build();
    Ok(walk
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file()))
        .map(ignore::DirEntry::into_path)
        .filter(|file| {
            file.file_name().is_some_and(|name| name == "ImageFile")
                || file.extension().is_some_and(|extension| extension == "imagefile")
        })
        .map(|file| file.strip_prefix("./").map(Path::to_owned).unwrap_or(file))
        .collect())
}

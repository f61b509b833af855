//! `imgfile check`: everything that can be known without a network or a VM.

use std::{io::Write, path::PathBuf};

use clap::ValueEnum;

use super::{Exit, failed, listener::OnScreen, screen};
use crate::{
    diagnostic::Diagnostic,
    ops::{self, Checked, Class},
    report,
    text::counted,
};

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
    let projects = match ops::check(&args.paths, &args.set, args.fix, &OnScreen::default()) {
        Ok(projects) => projects,
        Err(error) => return failed(error),
    };
    let wrong = projects.iter().filter(|one| one.project.has_errors());
    let classes: Vec<Class> = wrong.map(|one| Class::Files.told_by(&one.project.diagnostics)).collect();
    // What is lost is told at the end.
    let _ = write(&projects, args.format);
    // The process ends here; to take a large catalogue apart first would be a tenth of its time.
    std::mem::forget(projects);
    match classes[..] {
        [] => Exit::Done,
        [first, ..] if classes.iter().all(|class| *class == first) => first.into(),
        _ => Class::Files.into(),
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
                    writeln!(stderr, "{} checked, nothing wrong", counted(images, "image"))
                }
            }
        }
        Format::Json => screen::json().write_all(report::json(all()).as_bytes()),
        Format::Sarif => screen::json().write_all(report::sarif(all()).as_bytes()),
        Format::Github => screen::annotations().write_all(report::github(all()).as_bytes()),
    }
}

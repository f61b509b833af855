//! `imgfile builds`: what was built, and how it went.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::{
    CommandResult, Exit, failed,
    recorded::{self, Format, refused},
};
use crate::{
    ops::{builds, records},
    report::{build_report, local, progress},
    store::{
        Folder,
        records::{BuildRecord, BuildSummary, State, StepRecord},
    },
};

/// List the builds of this project, newest first.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    /// Builds of the project in this folder, instead of this one's.
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
    /// Builds of every project in the store.
    #[arg(long, conflicts_with = "project")]
    all: bool,
    /// List at most this many.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// How the list is written.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Show one build with all its steps.
    Show {
        /// Number of the build; without it the newest of this project.
        #[arg(add = clap_complete::ArgValueCompleter::new(super::candidates::builds))]
        build: Option<i64>,
        /// Show it also if it is another project's.
        #[arg(long)]
        all: bool,
        /// How it is written.
        #[arg(long, value_enum, default_value_t = Format::Human)]
        format: Format,
    },
    /// Write a build's report as one HTML file.
    Report {
        /// Number of the build; without it the newest of this project.
        #[arg(add = clap_complete::ArgValueCompleter::new(super::candidates::builds))]
        build: Option<i64>,
        /// Write it also if it is another project's.
        #[arg(long)]
        all: bool,
        /// Where to write it; without it `build-NUMBER.html` here, and `-` for stdout.
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

pub(super) fn run(args: &Args) -> Exit {
    let result = match &args.action {
        None => list(args),
        Some(Action::Show { build, all, format }) => show(*build, *all, *format),
        Some(Action::Report { build, all, output }) => report(*build, *all, output.as_ref()),
    };
    result.err().unwrap_or(Exit::Done)
}

fn list(args: &Args) -> CommandResult<()> {
    let (_store, records) = recorded::records()?;
    let project = match &args.project {
        // A folder that is gone has builds all the same.
        Some(folder) => Some(records::project_at(folder).unwrap_or_else(|| {
            let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.clone());
            folder.to_string_lossy().into_owned()
        })),
        None if args.all => None,
        None => records::here(),
    };
    let builds = records.builds(project.as_deref(), args.limit).map_err(refused)?;
    match args.format {
        Format::Json => recorded::print_json(&builds),
        Format::Human if builds.is_empty() && project.is_some() => {
            super::screen::say!(
                "nothing of this project was built yet; `--all` lists every project's builds"
            );
        }
        Format::Human if builds.is_empty() => super::screen::say!("nothing was built yet"),
        Format::Human => super::print(&listed(&builds, project.is_none())),
    }
    Ok(())
}

fn listed(builds: &[BuildSummary], of_all: bool) -> String {
    let cells = |build: &BuildSummary| {
        [
            build.id.to_string(),
            build.kind.word().to_owned(),
            build.state.to_string(),
            local(build.began_ms),
            elapsed(build.elapsed_ms),
            format!("{} ({} reused)", build.steps_done, build.steps_reused),
            build.images.join(", "),
        ]
    };
    let headings = ["BUILD", "KIND", "STATE", "BEGAN", "TIME", "STEPS", "IMAGES"];
    if !of_all {
        let rows: Vec<_> = builds.iter().map(cells).collect();
        return recorded::table(headings, &rows);
    }
    let rows: Vec<[String; 8]> = builds
        .iter()
        .map(|build| {
            let mut row = cells(build).into_iter().chain([build.project.clone()]);
            std::array::from_fn(|_| row.next().unwrap_or_default())
        })
        .collect();
    let mut headings = headings.into_iter().chain(["PROJECT"]);
    recorded::table(std::array::from_fn(|_| headings.next().unwrap_or_default()), &rows)
}

fn show(build: Option<i64>, all: bool, format: Format) -> CommandResult<()> {
    let (_store, records) = recorded::records()?;
    let record = builds::record(&records, build, all).map_err(failed)?;
    match format {
        Format::Json => recorded::print_json(&record),
        Format::Human => super::print(&shown(&record)),
    }
    Ok(())
}

fn shown(record: &BuildRecord) -> String {
    let summary = &record.summary;
    let mut text = format!("{} {} {}", summary.kind.word(), summary.id, summary.state);
    if let Some(ms) = summary.elapsed_ms {
        let _ = write!(text, " after {}", elapsed(Some(ms)));
    }
    let _ = writeln!(text, ", began {}\n  {}", local(summary.began_ms), summary.project);
    if let Some(commit) = &summary.commit {
        let _ = writeln!(text, "  commit {commit}");
    }
    match (&record.diagnosis, &summary.message) {
        (Some(diagnosis), _) => {
            let _ = writeln!(text, "\n{}\n", super::console::drawable(diagnosis.trim_end().to_owned()));
        }
        (None, Some(message)) => {
            let _ = writeln!(text, "  {message}");
        }
        (None, None) => {}
    }
    steps(&mut text, &record.steps);
    for image in &record.details {
        let _ = writeln!(text, "\n{} {} {}", image.name, image.state, elapsed(image.elapsed_ms));
        steps(&mut text, &image.steps);
        for artifact in &image.artifacts {
            let bytes = u64::try_from(artifact.size).unwrap_or(0);
            let _ =
                writeln!(text, "  {} ({}, sha256 {})", artifact.path, progress::size(bytes), artifact.sha256);
        }
    }
    text
}

fn steps(text: &mut String, steps: &[StepRecord]) {
    for step in steps {
        let time = if step.state == State::Reused { String::new() } else { elapsed(step.elapsed_ms) };
        let _ = write!(text, "  {:<11} {time:>8}  {}", step.state, step.name);
        match &step.exit {
            Some(exit) if step.state == State::Failed => {
                let _ = writeln!(text, ": {exit}");
                for line in step.tail.lines() {
                    let _ = writeln!(text, "  | {line}");
                }
            }
            _ => text.push('\n'),
        }
    }
}

fn elapsed(ms: Option<i64>) -> String {
    ms.map_or_else(|| "-".to_owned(), |ms| progress::duration(u64::try_from(ms).unwrap_or(0)))
}

fn report(build: Option<i64>, all: bool, output: Option<&PathBuf>) -> CommandResult<()> {
    let (store, records) = recorded::records()?;
    let record = builds::record(&records, build, all).map_err(failed)?;
    let beside = builds::beside(&store, &records, &record).map_err(failed)?;
    let html = build_report(&record, &beside).map_err(|error| {
        super::complain(&format!("the report cannot be written: {error}"));
        Exit::Host
    })?;
    if output.is_some_and(|path| path.as_os_str() == "-") {
        super::print(&html);
        return Ok(());
    }
    let path = output.cloned().unwrap_or_else(|| format!("build-{}.html", record.summary.id).into());
    let written = Folder::open(path.parent().unwrap_or(Path::new(""))).and_then(|folder| {
        let name = path.file_name().ok_or(std::io::ErrorKind::IsADirectory)?;
        // What nobody has named is not written over, unless it is an older report.
        if output.is_none() && folder.metadata(name).is_ok() && !is_report(&folder, name) {
            return Err(std::io::Error::other("it is there already; name another file with `--output`"));
        }
        folder.write(name, html.as_bytes())
    });
    written.map_err(|error| {
        super::complain(&format!("cannot write {}: {error}", path.display()));
        Exit::Host
    })?;
    super::print(&format!("{}\n", path.display()));
    Ok(())
}

/// Whether a file is a report that imgfile has written.
fn is_report(folder: &Folder, name: &std::ffi::OsStr) -> bool {
    use std::io::Read as _;
    let mut start = Vec::new();
    let read = folder.regular(Path::new(name)).and_then(|file| file.take(512).read_to_end(&mut start));
    read.is_ok() && String::from_utf8_lossy(&start).contains("<meta name=\"generator\" content=\"imgfile\">")
}

//! `imgfile builds`: what was built, and how it went.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::{
    Exit,
    recorded::{self, Format, Outcome, refused},
};
use crate::{
    report::{build_report, progress, utc},
    store::records::{BuildRecord, BuildSummary, State, StepRecord},
};

/// List the builds of this store, newest first.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    /// Only builds of the project in this folder.
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
    /// List at most this many.
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: u32,
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Show one build with all its steps.
    Show {
        /// Number of the build; without it the newest.
        build: Option<i64>,
        #[arg(long, value_enum, default_value_t = Format::Human)]
        format: Format,
    },
    /// Write a build's report as one HTML file.
    Report {
        /// Number of the build; without it the newest.
        build: Option<i64>,
        /// Where to write it; without it `build-NUMBER.html` here, and `-` for stdout.
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

pub(super) fn run(args: &Args) -> Exit {
    let result = match &args.action {
        None => list(args),
        Some(Action::Show { build, format }) => show(*build, *format),
        Some(Action::Report { build, output }) => report(*build, output.as_ref()),
    };
    result.err().unwrap_or(Exit::Done)
}

fn list(args: &Args) -> Outcome<()> {
    let (_store, records) = recorded::records()?;
    let project = args.project.as_ref().map(|folder| {
        let folder = std::fs::canonicalize(folder).unwrap_or_else(|_| folder.clone());
        folder.to_string_lossy().into_owned()
    });
    let builds = records.builds(project.as_deref(), args.limit).map_err(refused)?;
    match args.format {
        Format::Json => recorded::print_json(&builds),
        Format::Human if builds.is_empty() => eprintln!("nothing was built yet"),
        Format::Human => super::print(&listed(&builds)),
    }
    Ok(())
}

fn listed(builds: &[BuildSummary]) -> String {
    let rows: Vec<_> = builds
        .iter()
        .map(|build| {
            [
                build.id.to_string(),
                build.state.to_string(),
                utc(build.began_ms),
                elapsed(build.elapsed_ms),
                format!("{} ({} reused)", build.steps_done, build.steps_reused),
                build.images.join(", "),
                build.project.clone(),
            ]
        })
        .collect();
    recorded::table(["BUILD", "STATE", "BEGAN", "TIME", "STEPS", "IMAGES", "PROJECT"], &rows)
}

fn found(build: Option<i64>) -> Outcome<BuildRecord> {
    let (_store, records) = recorded::records()?;
    let (id, _) = recorded::build(&records, build)?;
    records.build(id).map_err(refused)?.ok_or(Exit::Usage)
}

fn show(build: Option<i64>, format: Format) -> Outcome<()> {
    let record = found(build)?;
    match format {
        Format::Json => recorded::print_json(&record),
        Format::Human => super::print(&shown(&record)),
    }
    Ok(())
}

fn shown(record: &BuildRecord) -> String {
    let summary = &record.summary;
    let mut text = format!("build {} {}", summary.id, summary.state);
    if let Some(ms) = summary.elapsed_ms {
        let _ = write!(text, " after {}", elapsed(Some(ms)));
    }
    let _ = writeln!(text, ", began {}\n  {}", utc(summary.began_ms), summary.project);
    if let Some(message) = &summary.message {
        let _ = writeln!(text, "  {message}");
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

fn report(build: Option<i64>, output: Option<&PathBuf>) -> Outcome<()> {
    let record = found(build)?;
    let html = build_report(&record).map_err(|error| {
        super::complain(&format!("the report cannot be written: {error}"));
        Exit::Host
    })?;
    if output.is_some_and(|path| path.as_os_str() == "-") {
        super::print(&html);
        return Ok(());
    }
    let path = output.cloned().unwrap_or_else(|| format!("build-{}.html", record.summary.id).into());
    std::fs::write(&path, html).map_err(|error| {
        super::complain(&format!("cannot write {}: {error}", path.display()));
        Exit::Host
    })?;
    super::print(&format!("{}\n", path.display()));
    Ok(())
}

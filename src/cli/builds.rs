//! `imgfile builds`: what was built, and how it went.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::{
    Exit, Outcome,
    recorded::{self, Format, refused},
};
use crate::{
    exec::{PlanSummary, change, change::Change},
    ops::records,
    report::{Beside, build_report, local, progress},
    store::{
        Folder,
        records::{BuildRecord, BuildSummary, ImageRecord, State, StepRecord},
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

/// Bytes of a log that a report takes in.
const LONGEST_LOG: usize = 16 << 20;
/// Builds that are looked at for an earlier plan of an image.
const LOOKED_AT: usize = 50;

pub(super) fn run(args: &Args) -> Exit {
    let result = match &args.action {
        None => list(args),
        Some(Action::Show { build, all, format }) => show(*build, *all, *format),
        Some(Action::Report { build, all, output }) => report(*build, *all, output.as_ref()),
    };
    result.err().unwrap_or(Exit::Done)
}

fn list(args: &Args) -> Outcome<()> {
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

/// The record of a build of this project; another project's only with `--all`, or where there is no project.
fn found(build: Option<i64>, all: bool) -> Outcome<BuildRecord> {
    let (_store, records) = recorded::records()?;
    let here = if all { None } else { records::here() };
    let id = match (build, all) {
        (Some(id), _) => id,
        (None, true) => records.builds(None, 1).map_err(refused)?.first().map_or(0, |newest| newest.id),
        (None, false) => recorded::build(&records, None)?.0,
    };
    recorded::build(&records, Some(id))?;
    let record = records.build(id).map_err(refused)?.ok_or(Exit::Usage)?;
    if here.as_ref().is_some_and(|here| *here != record.summary.project) {
        super::complain(&format!(
            "build {id} is of another project, {}; `--all` shows it all the same",
            record.summary.project
        ));
        return Err(Exit::Usage);
    }
    Ok(record)
}

fn show(build: Option<i64>, all: bool, format: Format) -> Outcome<()> {
    let record = found(build, all)?;
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

/// What a report shows beside the record: the log, and why steps ran.
fn beside(record: &BuildRecord) -> Outcome<Beside> {
    let (store, records) = recorded::records()?;
    let mut beside = Beside { log: log_of(&records.log(record.summary.id)), ..Beside::default() };
    let plan = |image: &ImageRecord| {
        let plan = serde_json::from_value::<PlanSummary>(image.plan.clone()?).ok()?;
        plan.base_key.is_some().then_some(plan)
    };
    let older: Vec<BuildSummary> = records
        .builds(Some(&record.summary.project), u32::MAX)
        .map_err(refused)?
        .into_iter()
        .filter(|build| build.id < record.summary.id)
        .take(LOOKED_AT)
        .collect();
    for image in &record.details {
        let Some(now) = plan(image) else { continue };
        let mut before = None;
        for build in &older {
            let earlier = records.build(build.id).map_err(refused)?;
            let same = earlier
                .and_then(|earlier| earlier.details.iter().find(|one| one.name == image.name).and_then(plan));
            if let Some(same) = same {
                before = Some((build.id, same));
                break;
            }
        }
        for (at, step) in now.steps.iter().enumerate() {
            let reason = match &before {
                None => "no earlier build of this image is recorded".to_owned(),
                Some((build, before)) => {
                    let change = change::since(before, &now, at, store.facts());
                    format!("{} (since build {build})", in_words(&change, &now, at))
                }
            };
            beside.reasons.insert((image.name.clone(), step.name.clone()), reason);
        }
    }
    Ok(beside)
}

fn in_words(change: &Change, now: &PlanSummary, target: usize) -> String {
    let named = |at: usize| match now.steps.get(at) {
        Some(step) if at != target => format!("`{}` before it", step.name),
        _ => "it".to_owned(),
    };
    match change {
        Change::None => "nothing changed, but no state after it was kept".to_owned(),
        Change::Base => "the base is another one, or has other packages".to_owned(),
        Change::New { at } => format!("{} is new at its place", named(*at)),
        Change::Gone { name, .. } => format!("the step `{name}` before it is gone"),
        Change::Step { at, parts } => {
            let parts: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
            format!("{} changed: {}", named(*at), parts.join(", "))
        }
    }
}

/// All of a log; of one that is very long its end, as that is where a failure is.
fn log_of(path: &std::path::Path) -> Option<String> {
    let bytes = std::fs::read(path).ok()?;
    let cut = bytes.len().saturating_sub(LONGEST_LOG);
    let text = String::from_utf8_lossy(&bytes[cut..]).into_owned();
    Some(if cut == 0 {
        text
    } else {
        format!("(the first {} are left out)\n{text}", progress::size(cut as u64))
    })
}

fn report(build: Option<i64>, all: bool, output: Option<&PathBuf>) -> Outcome<()> {
    let record = found(build, all)?;
    let html = build_report(&record, &beside(&record)?).map_err(|error| {
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

//! `imgfile gc`: what nothing needs any more goes.

use std::time::Duration;

use super::{
    CommandResult, Exit, failed,
    listener::OnScreen,
    recorded::{self, Format},
};
use crate::{
    check::Size,
    ops::{
        self,
        gc::{self, Cleared, GcOptions, GcReport},
        lifecycle::{Fate, Verdict},
    },
    report::progress::size,
    store::WouldGo,
};

/// Clear what crashed and failed builds left behind, old records, what no build uses any more, and what is
/// beyond the store's size; and do with images what your rules for their projects say.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Bytes the store may take, such as `20GiB`; without it the setting `store-size`, and without that
    /// there is no limit.
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    size: Option<Size>,
    /// Layers, bases, packages and indexes that no build has used for so many days go.
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    unused_days: u64,
    /// Records of this many builds are kept, with their logs.
    #[arg(long, value_name = "N", default_value_t = 100)]
    keep_builds: u32,
    /// Say what would go, and remove nothing.
    #[arg(long)]
    dry_run: bool,
    /// How the result is written.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

/// Reads a size of the command line.
pub(super) fn parse_size(text: &str) -> Result<Size, String> {
    Size::parse(text).ok_or_else(|| "expected a size such as `20GiB`".to_owned())
}

pub(super) fn run(args: &Args) -> Exit {
    clear(args).err().unwrap_or(Exit::Done)
}

/// Lists what would go, and how much that is.
pub(super) fn would_go(all: &[WouldGo]) {
    let rows: Vec<_> = all.iter().map(|one| [one.what.clone(), size(one.size)]).collect();
    if !rows.is_empty() {
        super::print(&recorded::table(["WOULD GO", "SIZE"], &rows));
    }
    super::screen::say!(
        "{} would go, {}; nothing was removed",
        rows.len(),
        size(all.iter().map(|one| one.size).sum())
    );
}

fn options(args: &Args) -> GcOptions {
    let days = u32::try_from(args.unused_days).unwrap_or(u32::MAX);
    GcOptions {
        size: args.size,
        unused: Duration::from_hours(24).saturating_mul(days),
        keep_builds: args.keep_builds,
    }
}

/// Looks only.
fn look(args: &Args) -> CommandResult<()> {
    let would = gc::would_clear(&recorded::settings()?, &options(args)).map_err(failed)?;
    if args.format == Format::Json {
        recorded::print_json(&GcReport::from(would));
        return Ok(());
    }
    if would.old_builds > 0 {
        super::screen::say!("{} old builds would be forgotten", would.old_builds);
    }
    let rows: Vec<_> = would.images.iter().map(verdict).collect();
    if !rows.is_empty() {
        super::print(&(recorded::table(["IMAGE", "WOULD BE", "BY THE RULE", "SIZE"], &rows) + "\n"));
    }
    would_go(&would.all);
    Ok(())
}

/// What the rules of its project would do with an image.
fn verdict(verdict: &Verdict) -> [String; 4] {
    let fate = match verdict.fate {
        Fate::Deprecate => "deprecated".to_owned(),
        Fate::Wait(left) => format!("removed {}", in_time(left)),
        Fate::Remove => "removed".to_owned(),
        Fate::Reinstate => "deprecated no more".to_owned(),
    };
    let bytes = u64::try_from(verdict.artifact.size).unwrap_or(0);
    [verdict.artifact.path.clone(), fate, verdict.rule.clone(), size(bytes)]
}

fn in_time(left: Duration) -> String {
    match left.as_secs() {
        86_400.. => format!("in {} days", left.as_secs().div_ceil(86_400)),
        3600.. => format!("in {} h", left.as_secs().div_ceil(3600)),
        _ => "within the hour".to_owned(),
    }
}

/// What the rules of its project did with an image.
fn carried_out(verdict: &Verdict, done: Result<(), ops::Error>) {
    let path = &verdict.artifact.path;
    match (done, verdict.fate) {
        (Err(error), _) => super::screen::say!("note: {path} stays: {error}"),
        (Ok(()), Fate::Deprecate) => super::screen::say!("{path} is deprecated ({})", verdict.rule),
        (Ok(()), Fate::Reinstate) => super::screen::say!("{path} is deprecated no more"),
        (Ok(()), Fate::Remove) => super::screen::say!("removed {path} ({})", verdict.rule),
        (Ok(()), Fate::Wait(_)) => {}
    }
}

fn clear(args: &Args) -> CommandResult<()> {
    if args.dry_run {
        return look(args);
    }
    let settings = recorded::settings()?;
    if args.format == Format::Json {
        let mut report = GcReport::default();
        let usage = gc::clear(&settings, &options(args), &OnScreen::default(), &mut |what| report.note(what));
        report.usage = Some(usage.map_err(failed)?.into());
        recorded::print_json(&report);
        return Ok(());
    }
    let mut cleared = |what| match what {
        Cleared::Image(verdict, done) => carried_out(&verdict, done),
        Cleared::Builds(builds) => super::screen::say!("forgot {builds} old builds"),
        Cleared::KeptDisks(builds, _) => super::screen::say!("removed the disks of {builds} failed builds"),
        Cleared::Unused(freed) => {
            super::screen::say!("freed {} that no build has used for {} days", size(freed), args.unused_days);
        }
        Cleared::Beyond(freed) => super::screen::say!("freed {}", size(freed)),
    };
    let usage = gc::clear(&settings, &options(args), &OnScreen::default(), &mut cleared).map_err(failed)?;
    super::screen::say!(
        "the store takes {}: layers {}, bases {}, packages and downloads {}, indexes {}, memory of machines {}",
        size(usage.total()),
        size(usage.layers),
        size(usage.bases),
        size(usage.blobs),
        size(usage.indexes),
        size(usage.machines)
    );
    Ok(())
}

//! `imgfile gc`: what nothing needs any more goes.

use std::time::Duration;

use super::{CommandResult, Exit, failed, listener::OnScreen, recorded};
use crate::{
    check::Size,
    ops::gc::{self, Cleared, GcOptions},
    report::progress::size,
    store::WouldGo,
};

/// Clear what crashed and failed builds left behind, old records, what no build uses any more, and what is
/// beyond the store's size.
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
    if would.old_builds > 0 {
        super::screen::say!("{} old builds would be forgotten", would.old_builds);
    }
    would_go(&would.all);
    Ok(())
}

fn clear(args: &Args) -> CommandResult<()> {
    if args.dry_run {
        return look(args);
    }
    let settings = recorded::settings()?;
    let mut cleared = |what| match what {
        Cleared::Builds(builds) => super::screen::say!("forgot {builds} old builds"),
        Cleared::KeptDisks(builds) => super::screen::say!("removed the disks of {builds} failed builds"),
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

//! `imgfile gc`: what nothing needs any more goes.

use std::time::Duration;

use super::{
    Exit, Outcome,
    recorded::{self, refused},
};
use crate::{
    check::Size,
    ops::records::set_aside,
    report::progress::size,
    store::{Store, WouldGo, records::State},
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

fn age(args: &Args) -> Duration {
    Duration::from_hours(24).saturating_mul(u32::try_from(args.unused_days).unwrap_or(u32::MAX))
}

/// Looks only.
fn look(args: &Args) -> Outcome<()> {
    let settings = recorded::settings()?;
    let store = Store::open(&settings.store.value).map_err(refused)?;
    let records = store.records().map_err(refused)?;
    let old = records.builds(None, u32::MAX).map_err(refused)?.into_iter();
    let old = old.skip(args.keep_builds as usize).filter(|build| build.state != State::Running).count();
    if old > 0 {
        super::screen::say!("{old} old builds would be forgotten");
    }
    let mut all = store.would_remove_kept_builds().map_err(refused)?;
    all.extend(store.would_forget_unused(age(args)).map_err(refused)?);
    let limit = args.size.or_else(|| settings.store_size.as_ref().map(|setting| setting.value));
    if let Some(limit) = limit {
        let beyond = store.would_shrink(limit.bytes()).map_err(refused)?;
        all.extend(beyond.into_iter().filter(|one| !all.contains(one)).collect::<Vec<_>>());
    }
    would_go(&all);
    Ok(())
}

fn clear(args: &Args) -> Outcome<()> {
    if args.dry_run {
        return look(args);
    }
    let settings = recorded::settings()?;
    // Opening the store clears what crashed builds left.
    let store = recorded::store(&settings)?;
    let (records, damaged) = store.records_or_new(true).map_err(refused)?;
    if let Some(path) = damaged {
        super::screen::say!("note: {}", set_aside(&path));
    }
    let forgotten = records.forget_old(args.keep_builds).map_err(refused)?;
    if !forgotten.is_empty() {
        super::screen::say!("forgot {} old builds", forgotten.len());
    }
    let kept = store.remove_kept_builds().map_err(refused)?;
    if !kept.is_empty() {
        super::screen::say!("removed the disks of {} failed builds", kept.len());
    }
    store.layers().settle().map_err(refused)?;
    store.layers().sweep_claims().map_err(refused)?;
    let freed = store.forget_unused(age(args)).map_err(refused)?;
    if freed > 0 {
        super::screen::say!("freed {} that no build has used for {} days", size(freed), args.unused_days);
    }
    let limit = args.size.or_else(|| settings.store_size.as_ref().map(|setting| setting.value));
    if let Some(limit) = limit {
        let freed = store.shrink(limit.bytes()).map_err(refused)?;
        super::screen::say!("freed {}", size(freed));
    }
    let usage = store.usage().map_err(refused)?;
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

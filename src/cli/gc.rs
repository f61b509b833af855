//! `imgfile gc`: what nothing needs any more goes.

use super::{
    Exit,
    recorded::{self, Outcome, refused},
};
use crate::{check::Size, report::progress::size};

/// Clear what crashed builds left behind, old records, and layers beyond the store's size.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Bytes the layers may take together, such as `20GiB`; without it the setting `store-size`, and
    /// without that they stay.
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    size: Option<Size>,
    /// Records of this many builds are kept, with their logs.
    #[arg(long, value_name = "N", default_value_t = 100)]
    keep_builds: u32,
}

/// Reads a size of the command line.
pub(super) fn parse_size(text: &str) -> Result<Size, String> {
    Size::parse(text).ok_or_else(|| "expected a size such as `20GiB`".to_owned())
}

pub(super) fn run(args: &Args) -> Exit {
    clear(args).err().unwrap_or(Exit::Done)
}

fn clear(args: &Args) -> Outcome<()> {
    let settings = recorded::settings()?;
    // Opening the store clears what crashed builds left.
    let store = recorded::store(&settings)?;
    let records = store.records().map_err(refused)?;
    let forgotten = records.forget_old(args.keep_builds).map_err(refused)?;
    if !forgotten.is_empty() {
        eprintln!("forgot {} old builds", forgotten.len());
    }
    let limit = args.size.or_else(|| settings.store_size.as_ref().map(|setting| setting.value));
    if let Some(limit) = limit {
        let freed = store.layers().shrink(limit.bytes()).map_err(refused)?;
        eprintln!("freed {} of layers", size(freed));
    }
    Ok(())
}

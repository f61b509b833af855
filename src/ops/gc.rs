//! What nothing needs any more goes.

use std::time::Duration;

use super::{error::Error, listener::Listener, records, settings::Settings};
use crate::{
    check::Size,
    store::{Store, Usage, WouldGo, records::State},
};

/// What stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GcOptions {
    /// What the store may take; without it the setting, and without that there is no limit.
    pub size: Option<Size>,
    /// What no build has used for so long goes.
    pub unused: Duration,
    /// Records of this many builds are kept, with their logs.
    pub keep_builds: u32,
}

impl GcOptions {
    fn limit(&self, settings: &Settings) -> Option<u64> {
        let of_settings = || settings.store_size.as_ref().map(|setting| setting.value);
        self.size.or_else(of_settings).map(Size::bytes)
    }
}

/// What would go.
#[derive(Debug)]
pub struct WouldClear {
    /// Number of old builds that would be forgotten.
    pub old_builds: usize,
    /// Everything else that would be removed, in the order in which it would be.
    pub all: Vec<WouldGo>,
}

/// Looks what would go, and removes nothing.
pub fn would_clear(settings: &Settings, options: &GcOptions) -> Result<WouldClear, Error> {
    let store = Store::open(&settings.store.value)?;
    let old = store.records()?.builds(None, u32::MAX)?.into_iter();
    let old = old.skip(options.keep_builds as usize).filter(|build| build.state != State::Running);
    let mut all = store.would_remove_kept_builds()?;
    all.extend(store.would_forget_unused(options.unused)?);
    if let Some(limit) = options.limit(settings) {
        let beyond = store.would_shrink(limit)?;
        all.extend(beyond.into_iter().filter(|one| !all.contains(one)).collect::<Vec<_>>());
    }
    Ok(WouldClear { old_builds: old.count(), all })
}

/// Something that went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cleared {
    /// Records of so many builds.
    Builds(usize),
    /// The disks of so many failed builds.
    KeptDisks(usize),
    /// So many bytes that no build has used for long.
    Unused(u64),
    /// So many bytes beyond the store's size.
    Beyond(u64),
}

/// Clears what crashed and failed builds left, old records, what no build uses any more, and what is beyond the store's
/// size; answers what the store takes then. `cleared` is told of each part as it is done.
pub fn clear(
    settings: &Settings,
    options: &GcOptions,
    listener: &dyn Listener,
    cleared: &mut dyn FnMut(Cleared),
) -> Result<Usage, Error> {
    // Opening the store clears what crashed builds left.
    let store = records::open_store(settings, listener)?;
    let (records, damaged) = store.records_or_new(true)?;
    if let Some(path) = damaged {
        listener.note(&records::set_aside(&path));
    }
    let forgotten = records.forget_old(options.keep_builds)?;
    if !forgotten.is_empty() {
        cleared(Cleared::Builds(forgotten.len()));
    }
    let kept = store.remove_kept_builds()?;
    if !kept.is_empty() {
        cleared(Cleared::KeptDisks(kept.len()));
    }
    store.layers().sync()?;
    store.layers().sweep_claims()?;
    let freed = store.forget_unused(options.unused)?;
    if freed > 0 {
        cleared(Cleared::Unused(freed));
    }
    if let Some(limit) = options.limit(settings) {
        cleared(Cleared::Beyond(store.shrink(limit)?));
    }
    Ok(store.usage()?)
}

//! What nothing needs any more goes.

mod report;

use std::time::Duration;

pub use report::GcReport;

use super::{
    error::Error,
    image::{self, Removed},
    lifecycle::{Fate, Verdict, verdicts},
    listener::Listener,
    records,
    settings::Settings,
};
use crate::{
    check::Size,
    store::{
        Records, Store, Usage, WouldGo,
        records::{State, now_ms},
    },
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
    /// Images with which the rules of their projects would do something.
    pub images: Vec<Verdict>,
    /// Everything else that would be removed, in the order in which it would be.
    pub all: Vec<WouldGo>,
}

/// Looks what would go, and removes nothing.
pub fn would_clear(settings: &Settings, options: &GcOptions) -> Result<WouldClear, Error> {
    let store = Store::open(&settings.store.value)?;
    let records = store.records()?;
    let images = verdicts(&records.artifacts()?, &settings.lifecycles, now_ms());
    let old = records.builds(None, u32::MAX)?.into_iter();
    let old = old.skip(options.keep_builds as usize).filter(|build| build.state != State::Running);
    let mut all = store.would_remove_kept_builds()?;
    all.extend(store.would_forget_unused(options.unused)?);
    if let Some(limit) = options.limit(settings) {
        let beyond = store.would_shrink(limit)?;
        all.extend(beyond.into_iter().filter(|one| !all.contains(one)).collect::<Vec<_>>());
    }
    Ok(WouldClear { old_builds: old.count(), images, all })
}

/// Something that went, or was marked.
#[derive(Debug)]
pub enum Cleared {
    /// Done with an image by the rules of its project, or why it could not be.
    Image(Verdict, Result<(), Error>),
    /// Records of so many builds.
    Builds(usize),
    /// The disks of so many failed builds, and their bytes.
    KeptDisks(usize, u64),
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
    for verdict in verdicts(&records.artifacts()?, &settings.lifecycles, now_ms()) {
        let carried_out = carry_out(&store, &records, &verdict);
        cleared(Cleared::Image(verdict, carried_out));
    }
    let bytes = store.would_remove_kept_builds()?.iter().map(|one| one.size).sum();
    let kept = store.remove_kept_builds()?;
    if !kept.is_empty() {
        cleared(Cleared::KeptDisks(kept.len(), bytes));
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

/// Does with an image what the rules of its project say.
fn carry_out(store: &Store, records: &Records, verdict: &Verdict) -> Result<(), Error> {
    let artifact = &verdict.artifact;
    match verdict.fate {
        Fate::Wait(_) => Ok(()),
        Fate::Deprecate => Ok(records.deprecate(artifact.id, true)?),
        Fate::Reinstate => Ok(records.deprecate(artifact.id, false)?),
        Fate::Remove => {
            let mut kept = None;
            image::remove(store, records, std::slice::from_ref(artifact), &mut |_, removed| {
                if let Removed::Kept(why) = removed {
                    kept = Some(why);
                }
            })?;
            kept.map_or(Ok(()), |why| Err(image::host("remove", artifact.path.as_ref(), &why)))
        }
    }
}

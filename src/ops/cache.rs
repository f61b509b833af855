//! What is kept between builds: listed, and read through.

use serde::Serialize;

use super::error::{Class, Error};
use crate::{
    driver::{DiskError, DiskFile, DiskFormat, DriverEntry},
    store::Store,
    text::Digest,
};

/// A layer as `cache ls --format json` prints it.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "Listed")]
pub struct ListedLayer {
    /// Key of the step it is the state after.
    pub key: Digest,
    /// Name of that step, such as `script announce`.
    pub step: String,
    /// The image it was first made for.
    pub image: String,
    /// Key of the layer it stands on.
    pub parent: Option<Digest>,
    /// Bytes on disk.
    pub size: u64,
    /// Milliseconds since 1970.
    pub used_ms: i64,
}

/// The layers, least recently used first.
pub fn layers(store: &Store) -> Result<Vec<ListedLayer>, Error> {
    let entries = store.layers().list()?;
    let since = |time: std::time::SystemTime| time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Ok(entries
        .into_iter()
        .map(|entry| ListedLayer {
            key: entry.key,
            step: entry.meta.step,
            image: entry.meta.image,
            parent: entry.meta.parent,
            size: entry.size,
            used_ms: i64::try_from(since(entry.used).as_millis()).unwrap_or(i64::MAX),
        })
        .collect())
}

/// What is said of a layer or base that is another than it was.
const CHANGED: &str = "it is not as it was kept; the next build that needs it makes it anew";

/// Is told of something that is damaged: what it is, and what is wrong with it.
pub type Wrong<'a> = &'a mut dyn FnMut(&str, &str);

/// Reads every layer, and has its tables gone through; answers how many there are.
///
/// # Errors
/// `Host` if the tool that goes through tables cannot be run.
pub async fn verify_layers(store: &Store, wrong: Wrong<'_>) -> Result<usize, Error> {
    let layers = layers(store)?;
    let disks = (DriverEntry::usual().disks)();
    for layer in &layers {
        let name = || format!("layer {} ({})", layer.key, layer.step);
        // Held, so that nobody evicts it meanwhile; one that went before is no defect.
        let Some(held) = store.layers().hold(&layer.key) else { continue };
        if !store.layers().is_as_kept(&held) {
            wrong(&name(), CHANGED);
            continue;
        }
        match disks.check(DiskFile { path: &held.disk, format: DiskFormat::Qcow2 }).await {
            Ok(()) => {}
            Err(DiskError::Tool { detail, .. }) => wrong(&name(), &detail),
            Err(error) => return Err(Error::message(Class::Host, error.to_string())),
        }
    }
    Ok(layers.len())
}

/// How much was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// Number of bases.
    pub bases: usize,
    /// Packages and downloads.
    pub files: usize,
}

/// Reads every base and every file that is kept.
pub fn verify_files(store: &Store, wrong: Wrong<'_>) -> Result<Verified, Error> {
    let bases = store.bases().list()?;
    for key in &bases {
        let Some(held) = store.bases().hold(key) else { continue };
        if !store.bases().is_as_kept(&held) {
            wrong(&format!("base {key}"), CHANGED);
        }
    }
    let files = store.blobs().list();
    for digest in &files {
        if !store.blobs().is_as_kept(digest) {
            let reason = "it is not as it was kept; the next build that needs it fetches it anew";
            wrong(&format!("file {digest}"), reason);
        }
    }
    Ok(Verified { bases: bases.len(), files: files.len() })
}

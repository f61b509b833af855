//! Makes the bases that come from a distribution's archive: packages in, a bootable disk out.
//!
//! Everything runs natively on the host and without root: `mmdebstrap` unpacks and sets up the
//! locked packages in a user namespace, `mke2fs` fills the root file system from there, and the
//! partition table, the boot loader's sectors and the EFI partition are written by us. No guest
//! boots for it, which under emulation would take longer than all the rest.

mod bootloader;
mod bootstrap;
mod deb;
mod layout;
mod repository;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Failure;
use crate::{
    packages::Selected,
    store::{Base, BaseSlot, Store},
    text::Digest,
};

/// Changes when what this module does changes what comes out, so that old disks are made anew.
const MAKER: u32 = 1;

/// All that decides what a bootstrapped base is.
#[derive(Debug, Clone, Serialize)]
pub struct Recipe {
    /// The release, such as `trixie`.
    pub suite: String,
    /// In Debian's spelling, such as `amd64`.
    pub arch: String,
    /// What the catalogue entry names: these are marked as wanted, all else as pulled in.
    pub wanted: Vec<String>,
    /// The exact set, essential packages included.
    pub packages: Vec<Selected>,
    /// Files laid down before the wanted packages are set up, by path: mode 0644, root's.
    pub files: BTreeMap<String, String>,
    /// Shell, run as root in the new system at the end.
    pub finish: Option<String>,
    /// The new system's `/etc/apt/sources.list.d/debian.sources`.
    pub apt_sources: String,
    /// Bytes of the disk.
    pub virtual_size: u64,
}

impl Recipe {
    /// The key the base has in the store.
    #[must_use]
    pub fn key(&self) -> Digest {
        // Plain data with string keys always has a JSON form.
        let json = serde_json::to_vec(&(MAKER, self)).unwrap_or_default();
        Digest::of(json)
    }
}

/// What the store remembers about a base made here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseMeta {
    pub suite: String,
    /// `name version arch` of every package in it, by name.
    pub packages: Vec<String>,
    /// Bytes of the disk.
    pub virtual_size: u64,
    /// Bytes that its files take in the root file system.
    pub used: u64,
    pub root_uuid: String,
}

/// The base of a recipe: from the store, or made now, once, however many processes want it.
///
/// `debs` has the file of each package by its sha256. `line` takes what the tools print.
pub async fn obtain(
    store: &Store,
    recipe: &Recipe,
    debs: &BTreeMap<Digest, PathBuf>,
    line: &mut (dyn FnMut(&str) + Send),
) -> Result<Base, Failure> {
    let key = recipe.key();
    if let Some(base) = store.bases().get(&key) {
        return Ok(base);
    }
    match tokio::task::block_in_place(|| {
        store.bases().claim(&key, || line("waiting for another process that makes this base"))
    })? {
        BaseSlot::Ready(base) => Ok(base),
        BaseSlot::Missing(new) => {
            let meta = bootstrap::make(store, recipe, debs, &new, line).await?;
            Ok(tokio::task::block_in_place(|| new.commit(&meta))?)
        }
    }
}

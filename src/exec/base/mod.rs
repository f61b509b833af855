//! Makes the bases that come from a distribution's archive: packages in, a bootable disk out.
//!
//! What this project and the distribution vouch for, a recipe that is built in and packages that the
//! distribution's keys signed, is set up on the host in namespaces of its own ([`native`]): no guest boots for
//! it. Everything else is set up in a machine ([`guest`]). The partition table, the boot loader's sectors and
//! the EFI partition are written by us either way.

mod bootloader;
mod bootstrap;
mod esp;
mod guest;
pub mod imported;
mod layout;
pub mod listed;
mod native;
mod repository;
mod work;

pub use native::needs;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::BuildError;
use crate::{
    catalog::Bootstrap,
    driver::Driver,
    packages::{Manager, Mirrors, Selected},
    store::{Base, BaseSlot, Store},
    text::Digest,
};

/// Changes when what this module does changes what comes out, so that old disks are made anew.
const MAKER: u32 = 2;

/// All that decides what a bootstrapped base is.
#[derive(Debug, Clone, Serialize)]
pub struct Recipe {
    /// Whose packages it is made of. Keys were without it as long as there was one.
    #[serde(skip_serializing_if = "is_first")]
    pub manager: Manager,
    /// The release, such as `trixie`.
    pub suite: String,
    /// As the manager calls it, such as `amd64`.
    pub arch: String,
    /// What nobody pulled in: the essential and required packages, and those the catalogue entry names.
    pub wanted: Vec<String>,
    /// The exact set, essential packages included.
    pub packages: Arc<[Selected]>,
    /// Files laid down before the wanted packages are set up, by path: mode 0644, root's.
    pub files: BTreeMap<String, String>,
    /// Shell, run as root in the new system at the end.
    pub finish: Option<String>,
    /// What the file holds by which the new system knows its archives.
    #[serde(rename = "apt_sources")]
    pub sources: String,
    /// Bytes of the disk.
    pub virtual_size: u64,
}

fn is_first(manager: &Manager) -> bool {
    *manager == Manager::default()
}

/// What the file holds by which a new system knows its archives: those of the mirrors that it is made from. Nothing where the
/// manager makes no systems.
#[must_use]
pub fn sources(manager: Manager, bootstrap: &Bootstrap, mirrors: &Mirrors) -> Option<String> {
    let suites: Vec<&str> =
        std::iter::once(&bootstrap.suite).chain(&bootstrap.updates).map(String::as_str).collect();
    Some(manager.base_maker()?.sources(mirrors, &suites, &bootstrap.components))
}

impl Recipe {
    /// What a catalogue entry's bootstrap, and the packages locked for it, come to. `arch` is as the manager calls it,
    /// `virtual_size` in bytes.
    #[must_use]
    pub fn new(
        (manager, arch): (Manager, &str),
        bootstrap: &Bootstrap,
        packages: &[Selected],
        sources: String,
        virtual_size: u64,
    ) -> Self {
        let mut packages = packages.to_vec();
        packages.sort();
        Self {
            manager,
            suite: bootstrap.suite.clone(),
            arch: arch.to_owned(),
            wanted: packages
                .iter()
                .filter(|package| !package.auto)
                .map(|package| package.name.clone())
                .collect(),
            packages: packages.into(),
            files: bootstrap.files.clone(),
            finish: bootstrap.finish.clone(),
            sources,
            virtual_size,
        }
    }

    /// The key the base has in the store.
    #[must_use]
    pub fn key(&self) -> Digest {
        // Plain data with string keys always has a JSON form.
        let json = serde_json::to_vec(&(MAKER, self)).unwrap_or_default();
        Digest::of(json)
    }
}

/// Between two looks whether another process has made a base.
const LOOK: std::time::Duration = std::time::Duration::from_millis(50);

/// What the store remembers about a base made here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseMeta {
    /// Suite of the archive that it was made from, such as `trixie`.
    pub suite: String,
    /// `name version arch` of every package in it, by name.
    pub packages: Vec<String>,
    /// Bytes of the disk.
    pub virtual_size: u64,
    /// Bytes that its files take in the root file system.
    pub used: u64,
    /// UUID of its root file system, derived from its key, such as `0c6f1a2e-…`.
    pub root_uuid: String,
}

/// Who vouches for what a base is made of, and so where its packages' scripts may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vouched {
    /// This project for the recipe, which is built in, and the distribution's own keys for every package.
    Ours,
    /// Nobody: a recipe of a project's catalogue, or packages that only a lock names.
    Nobody,
}

/// The base of a recipe: from the store, or made now, once, however many processes want it.
///
/// `files` has the file of each package by its sha256. `line` takes what the tools print.
pub async fn obtain(
    store: &Store,
    (recipe, vouched): (&Recipe, Vouched),
    driver: &dyn Driver,
    files: &BTreeMap<Digest, PathBuf>,
    line: &mut (dyn FnMut(&str) + Send),
) -> Result<Base, BuildError> {
    let key = recipe.key();
    if let Some(base) = store.bases().get(&key) {
        return Ok(base);
    }
    let mut said = false;
    let waiting = || {
        if !std::mem::replace(&mut said, true) {
            line("waiting for another process that makes this base");
        }
    };
    match claim(store, &key, waiting).await? {
        BaseSlot::Ready(base) => Ok(base),
        BaseSlot::Missing(new) => {
            let meta = bootstrap::make((store, driver), (recipe, vouched), files, &new, line).await?;
            Ok(tokio::task::block_in_place(|| new.commit(&meta))?)
        }
    }
}

/// The base, or the sole right to make it. While another process makes it this waits, and can be cancelled;
/// `waiting` is called at each look.
async fn claim<'a>(
    store: &'a Store,
    key: &Digest,
    mut waiting: impl FnMut(),
) -> Result<BaseSlot<'a>, BuildError> {
    loop {
        if let Some(slot) = store.bases().try_claim(key)? {
            return Ok(slot);
        }
        waiting();
        tokio::time::sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_system_asks_the_archives_its_base_was_made_from() {
        let bootstrap = Bootstrap {
            suite: "trixie".into(),
            updates: vec!["trixie-updates".into(), "trixie-security".into()],
            components: vec!["main".into(), "contrib".into()],
            packages: [].into(),
            files: BTreeMap::new(),
            finish: None,
        };
        let mirrors = Mirrors::setting("http://mirror.example/debian", None);
        assert_eq!(
            sources(Manager::default(), &bootstrap, &mirrors).unwrap(),
            "Types: deb\nURIs: http://mirror.example/debian\nSuites: trixie trixie-updates\nComponents: main contrib\n\
             Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n\
             Types: deb\nURIs: http://mirror.example/debian-security\nSuites: trixie-security\nComponents: main contrib\n\
             Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
        );
    }

    #[test]
    fn whatever_decides_the_disk_decides_the_key() {
        let recipe = Recipe {
            manager: Manager::default(),
            suite: "trixie".into(),
            arch: "amd64".into(),
            wanted: vec!["apt".into()],
            packages: [].into(),
            files: BTreeMap::new(),
            finish: None,
            sources: String::new(),
            virtual_size: 1,
        };
        let others = [
            Recipe { finish: Some("true".into()), ..recipe.clone() },
            Recipe { virtual_size: 2, ..recipe.clone() },
            Recipe { files: BTreeMap::from([("/a".into(), "b".into())]), ..recipe.clone() },
            Recipe { sources: "x".into(), ..recipe.clone() },
        ];
        assert_eq!(recipe.key(), recipe.clone().key());
        for other in others {
            assert_ne!(recipe.key(), other.key(), "{other:?}");
        }
    }
}

//! What vouched for packages when they were locked: the archives' signed files, kept beside the names of
//! the packages that were found in the indexes they sign.
//!
//! ```text
//! vouchers/<sha256>.release    a suite's signed file, as fetched
//! vouchers/<sha256>.packages   a line `SHA256 NAME VERSION ARCHITECTURE` for each package of a lock
//! ```
//!
//! A lock goes on building after its archive has moved on: the archive's word is here, and its signature is
//! checked again each time it is used. Nothing here is ever cleared: one lock's takes some 300 KiB.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::{Context, Digest, Store, StoreError};
use crate::packages::{Archive, Keyring, Moment, Selected, Signed, SignedRelease, verify_release};

/// The vouchers of a store.
#[derive(Debug, Clone, Copy)]
pub struct Vouchers<'a> {
    store: &'a Store,
}

/// Who vouches for a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Voucher {
    /// The distribution, by keys that are compiled in.
    Distribution,
    /// An archive, by a key that the project, or a base's disk, names.
    Archive,
    /// The user alone, who allowed it (`--allow-unvouched`).
    Nobody,
}

impl<'a> Vouchers<'a> {
    pub(super) const fn new(store: &'a Store) -> Self {
        Self { store }
    }

    fn path(self, release: &Digest, what: &str) -> PathBuf {
        self.store.root().join("vouchers").join(format!("{release}.{what}"))
    }

    /// Keeps that packages are in an index which a verified file signs.
    pub fn record(self, release: &SignedRelease, packages: &[&Selected]) -> Result<(), StoreError> {
        let path = self.path(&release.digest, "packages");
        let known = std::fs::read_to_string(&path).unwrap_or_default();
        let mut lines: BTreeSet<String> = known.lines().map(str::to_owned).collect();
        let before = lines.len();
        lines.extend(packages.iter().map(|package| line(package)));
        if lines.len() > before {
            let text: String = lines.into_iter().flat_map(|line| [line, "\n".to_owned()]).collect();
            // The signed file first: without it the names are worth nothing.
            self.keep(&self.path(&release.digest, "release"), &release.bytes)?;
            self.keep(&path, text.as_bytes())?;
        }
        Ok(())
    }

    fn keep(self, path: &std::path::Path, bytes: &[u8]) -> Result<(), StoreError> {
        let mut file = self.store.temp_file()?;
        std::io::Write::write_all(&mut file, bytes).context("write", path)?;
        file.persist(path).map_err(|error| error.error).context("write", path)?;
        Ok(())
    }

    /// Who vouches for packages, by their place in `packages`; those of which nothing is known here are
    /// missing. `archives` are those that an image may take packages from, with their keys; `now` is in
    /// seconds since 1970.
    #[must_use]
    pub fn find(
        self,
        packages: &[&Selected],
        archives: &[(Archive, &Keyring)],
        now: u64,
    ) -> BTreeMap<usize, Voucher> {
        let mut wanted: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (at, package) in packages.iter().enumerate() {
            wanted.entry(line(package)).or_default().push(at);
        }
        let mut found = BTreeMap::new();
        let entries = std::fs::read_dir(self.store.root().join("vouchers")).into_iter().flatten().flatten();
        let lists = entries
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|e| e == "packages"));
        for list in lists {
            let Ok(text) = std::fs::read_to_string(&list) else { continue };
            let of: Vec<usize> =
                text.lines().filter_map(|line| wanted.get(line)).flatten().copied().collect();
            if of.iter().all(|at| found.contains_key(at)) {
                continue;
            }
            let Ok(bytes) = std::fs::read(list.with_extension("release")) else { continue };
            let digest = list.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            if Digest::of(&bytes).to_string() != digest {
                continue;
            }
            let signed = Signed::decode(bytes);
            let Some(voucher) = speaks_for(&signed, archives, now) else { continue };
            for at in of {
                let known = found.entry(at).or_insert(voucher);
                *known = voucher.min(*known);
            }
        }
        found
    }
}

/// As whom a signed file speaks, if it is of a suite of one of the archives and one of that one's keys signed
/// it. Which archive a lock names does not matter: packages move from one to another, and are what their
/// digests say.
#[must_use]
pub fn speaks_for(signed: &Signed, archives: &[(Archive, &Keyring)], now: u64) -> Option<Voucher> {
    let moment = Moment::WhenMade(now);
    let speaks = archives.iter().any(|(archive, keys)| {
        verify_release(signed, keys, moment).is_ok_and(|release| release.is_suite(&archive.suite).is_ok())
    });
    let own = || Keyring::debian().is_ok_and(|keys| keys.verify(signed, moment).is_ok());
    speaks.then(|| if own() { Voucher::Distribution } else { Voucher::Archive })
}

fn line(package: &Selected) -> String {
    format!("{} {} {} {}", package.sha256, package.name, package.version, package.arch)
}

//! What vouched for packages when they were locked: the archives' signed files, kept beside the names of
//! the packages that were found in the indexes they sign.
//!
//! ```text
//! vouchers/<sha256>.release    a suite's signed file, as fetched
//! vouchers/<sha256>.packages   a line `SHA256 NAME VERSION ARCHITECTURE` for each package of a lock
//! vouchers/<sha256>.checked    that the signature was checked today, with which keys, and what came out
//! ```
//!
//! A lock goes on building after its archive has moved on: the archive's word is here, and its signature is
//! checked again when it is used, once a day: that takes longer than all else of a build that has nothing to do. What
//! came out of it counts for the same keys only, and is written so that none but this store can have written it.
//! Nothing here is ever cleared: one lock's takes some 300 KiB.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::{Context, Digest, Store, StoreError};
use crate::packages::{Archive, Keyring, Manager, Moment, Selected, Signed, SignedRelease};

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
    /// missing. `archives` are those that an image may take packages from, with their keys, and `manager` who reads
    /// them; `now` is in seconds since 1970.
    #[must_use]
    pub fn find(
        self,
        packages: &[&Selected],
        (manager, archives): (Manager, &[(Archive, &Keyring)]),
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
            let Some(voucher) = self.checked(digest, bytes, (manager, archives), now) else { continue };
            for at in of {
                let known = found.entry(at).or_insert(voucher);
                *known = voucher.min(*known);
            }
        }
        found
    }
}

/// Seconds of a day, after which a signature is checked anew.
const DAY: u64 = 24 * 60 * 60;

impl Vouchers<'_> {
    /// As whom a kept file speaks, as it was found out today or is found out now.
    fn checked(
        self,
        digest: &str,
        bytes: Vec<u8>,
        (manager, archives): (Manager, &[(Archive, &Keyring)]),
        now: u64,
    ) -> Option<Voucher> {
        let path = self.store.root().join("vouchers").join(format!("{digest}.checked"));
        let mut question = format!("{} {digest} {}\n", env!("CARGO_PKG_VERSION"), now / DAY);
        for (archive, keys) in archives {
            question.push_str(&format!("{:?} {}\n", archive.suite, keys.digest()));
        }
        let answer = |voucher: Voucher| {
            let answer = self.store.keyed_digest(format!("{question}{voucher:?}").as_bytes());
            answer.ok().map(|digest| digest.to_string())
        };
        if let Ok(known) = std::fs::read_to_string(&path) {
            let vouchers = [Voucher::Distribution, Voucher::Archive].into_iter();
            if let Some(voucher) = vouchers.into_iter().find(|one| answer(*one).as_ref() == Some(&known)) {
                return Some(voucher);
            }
        }
        let voucher = speaks_for(&Signed::decode(bytes), (manager, archives), now)?;
        if let Some(answer) = answer(voucher) {
            // Without it the signature is checked again.
            let _ = self.keep(&path, answer.as_bytes());
        }
        Some(voucher)
    }
}

/// As whom a signed file speaks, if it is of a suite of one of the archives and one of that one's keys signed
/// it. Which archive a lock names does not matter: packages move from one to another, and are what their
/// digests say.
#[must_use]
pub fn speaks_for(
    signed: &Signed,
    (manager, archives): (Manager, &[(Archive, &Keyring)]),
    now: u64,
) -> Option<Voucher> {
    let moment = Moment::WhenMade(now);
    let opened = signed.open().ok()?;
    // A file of another suite need not be checked, and each keyring checks once.
    let release = manager.archive_format().read_table(opened.unverified_text(), moment).ok()?;
    let of_suite = archives.iter().filter(|(archive, _)| release.is_suite(&archive.suite).is_ok());
    let keyrings: BTreeMap<Digest, &Keyring> = of_suite.map(|(_, keys)| (keys.digest(), *keys)).collect();
    let vouching = keyrings.iter().find(|(_, keys)| keys.verify_opened(&opened, moment).is_ok());
    let (vouching, _) = vouching?;
    let own = manager.distribution_keys().ok()?;
    let is_own = *vouching == own.digest() || own.verify_opened(&opened, moment).is_ok();
    Some(if is_own { Voucher::Distribution } else { Voucher::Archive })
}

fn line(package: &Selected) -> String {
    format!("{} {} {} {}", package.sha256, package.name, package.version, package.arch)
}

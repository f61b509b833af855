//! Who vouches for the packages that a lock names.
//!
//! A lock comes with a project, and its digests decide what code is installed. They are believed only where
//! a signed index says the same: one that this store has kept since the packages were locked, or one that
//! the archive has now.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Prepared, Preparer, answers::place_of, errors};
use crate::{
    exec::BuildError,
    packages::{Archive, Keyring, Manager, Pool, Selected, Signed, SignedRelease, Testimony},
    store::{
        Voucher,
        archive::{ArchiveError, seconds_now},
        speaks_for,
    },
    text::{Checksum, Digest},
};

/// Who vouches for the packages of an image. Whoever builds it has to show one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vouching {
    /// For all of a base that is made from packages: nothing else than [`Voucher::Distribution`] makes
    /// their scripts fit to run on this host.
    pub base: Voucher,
    /// For all packages on top of the base.
    pub packages: Voucher,
}

/// As whom signed files speak, each found out once.
#[derive(Default)]
struct Speakers(BTreeMap<Digest, Option<Voucher>>);

impl Speakers {
    fn get(
        &mut self,
        release: &SignedRelease,
        archives: (Manager, &[(Archive, &Keyring)]),
        now: u64,
    ) -> Option<Voucher> {
        let find = || speaks_for(&Signed::decode(release.bytes.clone()), archives, now);
        *self.0.entry(release.digest).or_insert_with(find)
    }
}

/// A package that a lock names and nobody vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unvouched {
    /// Whether it is one that the base is made of.
    pub of_base: bool,
    /// The package, as the lock has it.
    pub package: Selected,
    /// The digest that the archive gives for this version, if it knows it.
    pub archive_says: Option<Digest>,
}

impl Preparer<'_> {
    /// Finds out who vouches for an image's packages. Those that nobody does are the second part; what they
    /// are part of has [`Voucher::Nobody`].
    pub async fn vouch(&self, prepared: &Prepared) -> Result<(Vouching, Vec<Unvouched>), BuildError> {
        let base = prepared.locked.base.packages();
        let all: Vec<&Selected> = base.iter().chain(&*prepared.locked.packages).collect();
        let archives = prepared.packaging.as_ref().map(|packaging| (&packaging.archives, &packaging.arch));
        let question = (place_of(base), place_of(&prepared.locked.packages), archives);
        if let Some(known) = self.answers.vouchings().get(&question) {
            return Ok((known, Vec::new()));
        }
        let mut found = Vec::new();
        let mut unvouched = Vec::new();
        if !all.is_empty() {
            (found, unvouched) = self.testimonies(prepared, &all).await?;
        }
        let weakest = |of_base: bool| {
            let of = all.iter().enumerate().filter(|(at, _)| (*at < base.len()) == of_base);
            let vouchers = of.map(|(at, _)| found.get(at).copied().unwrap_or(Voucher::Nobody));
            vouchers.max().unwrap_or(Voucher::Distribution)
        };
        let vouching = Vouching { base: weakest(true), packages: weakest(false) };
        if unvouched.is_empty() {
            self.answers.vouchings().put(&question, vouching);
        }
        let unvouched = unvouched
            .into_iter()
            .map(|(at, archive_says)| Unvouched {
                of_base: at < base.len(),
                package: all[at].clone(),
                archive_says,
            })
            .collect();
        Ok((vouching, unvouched))
    }

    async fn testimonies(
        &self,
        prepared: &Prepared,
        all: &[&Selected],
    ) -> Result<(Vec<Voucher>, Vec<(usize, Option<Digest>)>), BuildError> {
        let Some(packaging) = &prepared.packaging else {
            let nobody = vec![Voucher::Nobody; all.len()];
            return Ok((nobody, (0..all.len()).map(|at| (at, None)).collect()));
        };
        let rings = packaging.rings()?;
        let archives = packaging.signed(&rings);
        let now = seconds_now();
        let read = (packaging.manager, &archives[..]);
        let mut found = self.store.vouchers().find(all, read, now);
        let mut unvouched = Vec::new();
        // What was locked elsewhere, or is new: the archives of this day or, if that is not enough, of this
        // minute.
        for max_age in [self.max_age, std::time::Duration::ZERO] {
            let missing: Vec<usize> = (0..all.len()).filter(|at| !found.contains_key(at)).collect();
            if missing.is_empty() || (max_age.is_zero() && self.fetcher.offline() && !unvouched.is_empty()) {
                break;
            }
            let pool = match self.pool(packaging.system(), &archives, max_age).await {
                Ok(pool) => pool,
                // What was found out before holds: this was the second look.
                Err(ArchiveError::Fetch(_)) if !unvouched.is_empty() => break,
                Err(error) => return Err(errors::archive(&error, None)),
            };
            unvouched.clear();
            let (mut speakers, mut signed) = (Speakers::default(), Vec::new());
            for at in missing {
                match self.ask(&*pool, all[at]).await? {
                    Testimony::Signed(release) => {
                        signed.push((at, Arc::clone(&release)));
                        match speakers.get(&release, read, now) {
                            Some(voucher) => drop(found.insert(at, voucher)),
                            None => unvouched.push((at, None)),
                        }
                    }
                    Testimony::OtherDigest(digest) => unvouched.push((at, Some(digest))),
                    Testimony::Unknown => unvouched.push((at, None)),
                }
            }
            self.keep(signed.into_iter().map(|(at, release)| (release, all[at])))?;
        }
        let vouchers = (0..all.len()).map(|at| found.get(&at).copied().unwrap_or(Voucher::Nobody)).collect();
        unvouched.retain(|(at, _)| !found.contains_key(at));
        Ok((vouchers, unvouched))
    }

    /// What the indexes say of a package; one whose archive gives another kind of digest is fetched to be
    /// compared.
    async fn ask(&self, pool: &dyn Pool, package: &Selected) -> Result<Testimony, BuildError> {
        let testimony = pool.testimony(package);
        match (&testimony, pool.sha512(package)) {
            (Testimony::OtherDigest(_), Some(sha512)) => {
                let sha256 = self.sha256_of(package, sha512).await?;
                if sha256 != package.sha256 {
                    return Ok(Testimony::OtherDigest(sha256));
                }
                Ok(pool.signed_by(package).map_or(Testimony::Unknown, Testimony::Signed))
            }
            _ => Ok(testimony),
        }
    }

    /// The SHA-256 digest of a package of which the archive gives another.
    pub(super) async fn sha256_of(&self, package: &Selected, sha512: [u8; 64]) -> Result<Digest, BuildError> {
        let mirrors = self.mirrors.ok_or_else(errors::no_mirror)?;
        let url = mirrors.url(&package.origin);
        let fetched = self.fetcher.published(self.store, &url, Checksum::Sha512(sha512), &|_, _| {}).await;
        Ok(fetched.map_err(|error| errors::fetch(&error))?.0)
    }

    /// Remembers who vouches for packages that were chosen just now.
    pub(super) fn remember(&self, pool: &dyn Pool, packages: &[&Selected]) -> Result<(), BuildError> {
        self.keep(packages.iter().filter_map(|package| Some((pool.signed_by(package)?, *package))))
    }

    fn keep<'p>(
        &self,
        signed: impl Iterator<Item = (Arc<SignedRelease>, &'p Selected)>,
    ) -> Result<(), BuildError> {
        let mut by_release: BTreeMap<Digest, (Arc<SignedRelease>, Vec<&Selected>)> = BTreeMap::new();
        for (release, package) in signed {
            by_release.entry(release.digest).or_insert_with(|| (release, Vec::new())).1.push(package);
        }
        for (release, packages) in by_release.values() {
            self.store.vouchers().record(release, packages)?;
        }
        Ok(())
    }
}

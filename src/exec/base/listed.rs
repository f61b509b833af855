//! Bases that the catalogue lists by URL or by file: the disk to be had, and whether it is what its
//! entry says.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    catalog::{self, ChecksumSignature, Tier, published},
    check::ImageSpec,
    diagnostic::{Diagnostic, codes},
    exec::{
        BuildError, EventKind, Reporter,
        base::imported::ImportedDisk,
        prepare::{base_facts, errors::fetch_failure},
    },
    lock::{LockedImage, LockedSource},
    packages::{Keyring, Moment, Signed},
    resolve::{BaseOrigin, Requirement, Resolution},
    store::{
        Store,
        archive::seconds_now,
        fetch::{Download, Fetcher},
    },
    text::without_credentials,
};

/// A file of checksums is text of a few lines for each disk of a release.
const MAX_CHECKSUMS: u64 = 4 << 20;

/// A listed base's resolution, if its disk is to be fetched or read, with where from.
#[must_use]
pub fn source(resolution: &Resolution) -> Option<(&Resolution, &catalog::BaseSource)> {
    match &resolution.base.origin {
        BaseOrigin::Catalog {
            source: source @ (catalog::BaseSource::Url { .. } | catalog::BaseSource::File { .. }),
            ..
        } => Some((resolution, source)),
        BaseOrigin::Catalog { .. } | BaseOrigin::Given => None,
    }
}

/// The complaint about a base that nobody has proven.
#[must_use]
pub fn unproven(spec: &ImageSpec, resolution: &Resolution) -> Option<Diagnostic> {
    let BaseOrigin::Catalog { tier: Tier::Listed, .. } = resolution.base.origin else { return None };
    let name = &resolution.base.name;
    let named = matches!(spec.base.source, crate::check::BaseSource::Named { .. });
    let span = if named { spec.base.span } else { spec.os.as_ref().map_or(spec.name.span, |os| os.span) };
    let label = if named { "this base".to_owned() } else { format!("which `{name}` is chosen for") };
    Some(
        Diagnostic::new(codes::BASE_UNPROVEN, format!("the base `{name}` is listed, not proven"))
            .label(span, label)
            .note("a listed base resolves and pins, but nobody here has built on it")
            .help("build on it all the same with `imgfile build --unproven`; `imgfile bases` lists the proven ones"),
    )
}

/// A disk on this machine.
#[derive(Debug)]
pub struct Disk {
    /// For people.
    pub name: String,
    /// Its file: a blob of the store, or the one in the project.
    pub path: PathBuf,
}

/// Where listed disks are looked for.
#[derive(Debug, Clone, Copy)]
pub struct Files<'a> {
    /// Where downloads are kept.
    pub store: &'a Arc<Store>,
    /// What downloads those that are missing.
    pub fetcher: &'a Fetcher,
    /// A mirror of publishers' disks.
    pub mirror: Option<&'a str>,
    /// The project's folder.
    pub root: &'a Path,
    /// Where the download is reported, as a step of its own.
    pub reporter: &'a Reporter,
}

impl Files<'_> {
    /// The disk itself: the locked one, or the one that the publisher vouches for now.
    pub async fn have(
        &self,
        spec: &ImageSpec,
        source: &catalog::BaseSource,
        locked: Option<&LockedImage>,
    ) -> Result<Disk, BuildError> {
        let url = match source {
            catalog::BaseSource::Url { url, checksums, signed } => {
                return self.download(spec, (url, checksums, signed.as_ref()), locked).await;
            }
            catalog::BaseSource::File { path, .. } => path,
            catalog::BaseSource::Bootstrap(_) => unreachable!("a bootstrapped base is no disk yet"),
        };
        Ok(Disk { name: url.clone(), path: self.root.join(url) })
    }

    async fn download(
        &self,
        spec: &ImageSpec,
        (url, checksums, signed): (&str, &str, Option<&ChecksumSignature>),
        locked: Option<&LockedImage>,
    ) -> Result<Disk, BuildError> {
        let step = format!("download {}", without_credentials(url));
        let progress = |done, total| {
            self.reporter.report(EventKind::Progress { task: step.clone(), done, total });
        };
        let name = url.to_owned();
        let pinned = locked.and_then(|locked| match &locked.base.source {
            LockedSource::Url { url: known, sha256, size } if known == url => {
                Some((sha256.parse().ok()?, *size))
            }
            _ => None,
        });
        let from = self.mirrored(url);
        if let Some((sha256, size)) = pinned {
            let wanted = Download { name: name.clone(), url: from, sha256, size };
            let there = self.store.blobs().get(&sha256).is_some();
            let fetch = async {
                let fetched = self.fetcher.all(self.store, &[wanted], &progress).await;
                fetched.map_err(|error| fetch_failure(&error, Some(spec)))
            };
            let mut files = if there { fetch.await? } else { self.reporter.step(&step, fetch).await? };
            let path =
                files.remove(&sha256).ok_or_else(|| BuildError::InputChanged { path: name.clone() })?;
            return Ok(Disk { name, path });
        }
        let sums = self.fetcher.bytes(&self.mirrored(checksums), MAX_CHECKSUMS).await;
        let sums = sums.map_err(|error| fetch_failure(&error, None))?;
        let wrong = |note: String| {
            let message = format!("the publisher's checksums do not vouch for `{url}`");
            BuildError::Diagnosed(vec![
                Diagnostic::new(codes::NOT_PUBLISHED, message)
                    .label(spec.base.span, "for this base")
                    .note(note)
                    .help("correct the catalogue's entry, or name another base"),
            ])
        };
        let text = match signed {
            None => String::from_utf8_lossy(&sums).into_owned(),
            Some(signed) => {
                let of_file = match &signed.url {
                    None => Signed::Inline(sums),
                    Some(at) => {
                        let signature = self.fetcher.bytes(&self.mirrored(at), MAX_CHECKSUMS).await;
                        let signature = signature.map_err(|error| fetch_failure(&error, None))?;
                        Signed::Detached { content: sums, signature }
                    }
                };
                let keys = Keyring::pinned(signed.key.as_bytes(), &signed.fingerprint);
                let keys = keys.map_err(|error| wrong(format!("their key cannot be used: {error}")))?;
                let verified = keys.as_named().verify(&of_file, Moment::Now(seconds_now()));
                verified
                    .map_err(|why| wrong(format!("`{checksums}` is not signed as it should be: {why}")))?
            }
        };
        let sum = published(&text, checksums, url)
            .map_err(|why| wrong(format!("`{checksums}` was read, and {why}")))?;
        let fetch = async {
            let fetched = self.fetcher.published(self.store, &from, sum, &progress).await;
            fetched.map_err(|error| fetch_failure(&error, None))
        };
        let (_, path) = self.reporter.step(&step, fetch).await?;
        Ok(Disk { name, path })
    }

    /// The address at the mirror, which has a folder for each publisher's host.
    fn mirrored(&self, url: &str) -> String {
        match (self.mirror, url.split_once("://")) {
            (Some(mirror), Some((_, rest))) => format!("{}/{rest}", mirror.trim_end_matches('/')),
            _ => url.to_owned(),
        }
    }
}

/// The resolution with what a look into the disk found; an entry that says something else is wrong.
pub fn looked_into(
    spec: &ImageSpec,
    resolution: &Resolution,
    given: &ImportedDisk,
) -> Result<Resolution, Vec<Diagnostic>> {
    let mut resolution = resolution.clone();
    let said = (&resolution.os.distro, &resolution.os.version);
    let facts = base_facts(&given.facts, given.virtual_size);
    // `9` in the catalogue is every 9.x of a disk that the publisher replaces.
    let version = said.1.as_str().parse::<Requirement>();
    let same = facts.os.distro == *said.0
        && version.is_ok_and(|version| version.matches(&facts.os.version))
        && facts.arch == resolution.arch.as_str();
    if !same {
        let wrong = format!("it holds {} {} for {}", facts.os.distro, facts.os.version, facts.arch);
        let message = format!("the base `{}` is not what the catalogue says", resolution.base.name);
        return Err(vec![
            Diagnostic::new(codes::BASE_MISMATCH, message)
                .label(spec.base.span, wrong)
                .note(format!("the catalogue says {} {} for {}", said.0, said.1, resolution.arch))
                .help("correct the catalogue's entry, or name another base"),
        ]);
    }
    resolution.base.virtual_size = Some(given.virtual_size);
    resolution.base.used = facts.used;
    // What the disk's own configuration names comes before what the catalogue thinks.
    resolution.base.user = facts.user.or(resolution.base.user);
    Ok(resolution)
}

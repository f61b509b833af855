//! Package archives: signed indexes fetched, verified, reduced and kept.
//!
//! ```text
//! indexes/<name>.InRelease   as fetched; its time of change is when it was fetched
//! indexes/<sha256>.index     the compact form of the Packages file of that digest
//! ```

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::try_join_all;

use super::fetch::{FetchError, Fetcher};
use super::{Context, Digest, Store, StoreError, shrink::age_of};
use crate::packages::{
    Archive, Index, IndexError, IndexSource, Keyring, ReleaseError, ReleaseFile, Universe, verify_release,
};

/// Indexes younger than this are taken as they are; archives change a few times a day.
pub const FRESH: Duration = Duration::from_hours(24);

/// An `InRelease` file, at most; Debian's have 150 KiB.
const RELEASE_LIMIT: u64 = 16 << 20;
/// A compressed `Packages` file, at most; Debian's main has 9 MiB.
const PACKAGES_LIMIT: u64 = 256 << 20;
/// An uncompressed one.
const UNPACKED_LIMIT: u64 = 2 << 30;

/// Why an archive cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("the index of `{url}` {suite} is not to be trusted: {error}")]
    Release { url: String, suite: String, error: ReleaseError },
    #[error("the packages of `{url}` cannot be read: {error}")]
    Index { url: String, error: IndexError },
    /// The signed index promises another content than the mirror serves.
    #[error("`{url}` is not what the archive's signed index says: it may be in the middle of an update")]
    Inconsistent { url: String },
    /// A mirror that is no longer updated, or somebody who hides security updates.
    #[error("the index of `{url}` {suite} is past the day its archive says it is good for")]
    Expired { url: String, suite: String },
    #[error("`{url}` {suite} has no component `{component}` for {arch}")]
    NoComponent { url: String, suite: String, component: String, arch: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ArchiveError {
    /// The address that did not give what was asked for.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        match self {
            Self::Fetch(error) => error.url(),
            Self::Release { url, .. }
            | Self::Index { url, .. }
            | Self::Inconsistent { url }
            | Self::Expired { url, .. }
            | Self::NoComponent { url, .. } => Some(url),
            Self::Store(_) => None,
        }
    }
}

/// The indexes of a store.
#[derive(Debug, Clone)]
pub struct Indexes<'a> {
    pub store: &'a Arc<Store>,
    pub fetcher: &'a Fetcher,
    /// Older ones are fetched again, unless the network is off.
    pub max_age: Duration,
}

impl Indexes<'_> {
    /// All packages of some archives for one architecture (Debian's name). Archives that are in
    /// several keyrings' hands are asked for in several calls.
    pub async fn load(&self, arch: &str, archives: &[(Archive, &Keyring)]) -> Result<Universe, ArchiveError> {
        let sources =
            try_join_all(archives.iter().map(|(archive, keys)| self.archive(arch, archive, keys))).await?;
        Ok(Universe::new(arch, &sources.concat()))
    }

    async fn archive(
        &self,
        arch: &str,
        archive: &Archive,
        keys: &Keyring,
    ) -> Result<Vec<IndexSource>, ArchiveError> {
        let release = self.release(archive, keys).await?;
        // A suite that ends in a slash is the folder of everything, without components.
        let flat = [String::new()];
        let components = if archive.suite.ends_with('/') { &flat[..] } else { &archive.components };
        let indexes = components.iter().map(|component| self.component(arch, archive, &release, component));
        let indexes = try_join_all(indexes).await?;
        let source = |index| IndexSource { archive: archive.name.clone(), priority: release.priority, index };
        Ok(indexes.into_iter().map(source).collect())
    }

    /// The suite's verified release file, from the store while it is fresh.
    async fn release(&self, archive: &Archive, keys: &Keyring) -> Result<ReleaseFile, ArchiveError> {
        let name = Digest::of(format!("{} {}", archive.url, archive.suite));
        let path = self.store.indexes().join(format!("{}.InRelease", name.short()));
        let verify = |bytes: &[u8]| {
            verify_release(bytes, keys).map_err(|error| ArchiveError::Release {
                url: archive.url.clone(),
                suite: archive.suite.clone(),
                error,
            })
        };
        let age = path.metadata().and_then(|metadata| metadata.modified()).ok().map(age_of);
        if age.is_some_and(|age| self.fetcher.offline() || age < self.max_age)
            && let Ok(kept) = std::fs::read(&path)
            // One that was kept for another keyring, or damaged, is fetched again.
            && let Ok(release) = verify(&kept)
        {
            return Ok(release);
        }
        let bytes = self.fetcher.bytes(&format!("{}/InRelease", root(archive)), RELEASE_LIMIT).await?;
        let release = verify(&bytes)?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        if release.valid_until.is_some_and(|until| until < now) {
            return Err(ArchiveError::Expired { url: archive.url.clone(), suite: archive.suite.clone() });
        }
        self.keep(&path, &bytes)?;
        Ok(release)
    }

    /// One component's packages.
    async fn component(
        &self,
        arch: &str,
        archive: &Archive,
        release: &ReleaseFile,
        component: &str,
    ) -> Result<Index, ArchiveError> {
        let folder = if component.is_empty() { String::new() } else { format!("{component}/binary-{arch}/") };
        let found = ["Packages.xz", "Packages.gz", "Packages"]
            .into_iter()
            .find_map(|name| Some((name, release.files.get(&format!("{folder}{name}"))?)));
        let Some((name, (sha256, _))) = found else {
            return Err(ArchiveError::NoComponent {
                url: archive.url.clone(),
                suite: archive.suite.clone(),
                component: component.to_owned(),
                arch: arch.to_owned(),
            });
        };
        let kept = self.store.indexes().join(format!("{sha256}.index"));
        if let Some(index) = read_kept(kept.clone()).await {
            return Ok(index);
        }
        let file = if release.by_hash {
            format!("{folder}by-hash/SHA256/{sha256}")
        } else {
            format!("{folder}{name}")
        };
        let url = format!("{}/{file}", root(archive));
        let bytes = self.fetcher.bytes(&url, PACKAGES_LIMIT).await?;
        if Digest::of(&bytes).to_string() != *sha256 {
            return Err(ArchiveError::Inconsistent { url });
        }
        let index = tokio::task::spawn_blocking(move || Index::read(unpacked(name, &bytes)))
            .await
            .unwrap_or_else(|lost| Err(IndexError::Unpack(lost.to_string())))
            .map_err(|error| ArchiveError::Index { url, error })?;
        self.keep(&kept, index.encode().as_bytes())?;
        Ok(index)
    }

    fn keep(&self, path: &std::path::Path, bytes: &[u8]) -> Result<(), StoreError> {
        let mut file = self.store.temp_file()?;
        std::io::Write::write_all(&mut file, bytes).context("write", path)?;
        file.persist(path).map_err(|error| error.error).context("write", path)?;
        Ok(())
    }
}

/// Where a suite's index is.
fn root(archive: &Archive) -> String {
    match archive.suite.strip_suffix('/') {
        None => format!("{}/dists/{}", archive.url, archive.suite),
        Some("" | ".") => archive.url.clone(),
        Some(folder) => format!("{}/{}", archive.url, folder.trim_start_matches("./")),
    }
}

/// A kept index; one of an older imgfile is as good as none.
async fn read_kept(path: PathBuf) -> Option<Index> {
    let read = move || Index::decode(std::fs::read_to_string(path).ok()?).ok();
    tokio::task::spawn_blocking(read).await.ok().flatten()
}

/// What a `Packages` file holds, as it comes out.
fn unpacked<'a>(name: &str, bytes: &'a [u8]) -> impl BufRead + 'a {
    let reader: Box<dyn Read + 'a> = match name {
        "Packages.xz" => Box::new(liblzma::read::XzDecoder::new(bytes)),
        "Packages.gz" => Box::new(flate2::read::GzDecoder::new(bytes)),
        _ => Box::new(bytes),
    };
    // The content was vouched for by a signature; the limit is for an archive whose owner is hostile.
    BufReader::with_capacity(1 << 18, reader.take(UNPACKED_LIMIT))
}

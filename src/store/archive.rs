//! Package archives: signed indexes fetched, verified, reduced and kept.
//!
//! ```text
//! indexes/<name>.InRelease   as fetched; its time of change is when it was fetched
//! indexes/<digest>.index     the compact form of the Packages file of that digest
//! ```
//!
//! The name of an `InRelease` says where it is from and by which road it came: what was fetched through one
//! project's proxy, mirror or certificates serves nobody with other settings. A reduced index needs no such
//! name: a signature vouches for its digest.
//!
//! Where an archive's files are, and what they say, only its package manager knows ([`ArchiveFormat`]).

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use futures_util::future::try_join_all;

use super::fetch::{FetchError, Fetcher};
use super::{Context, Digest, Store, StoreError, shrink::age_of};
use crate::packages::{
    Archive, ArchiveFormat, Index, IndexError, IndexFile, IndexForm, IndexSource, Keyring, Manager, Moment,
    Pool, ReleaseError, ReleaseFile, Signed, SignedRelease, TableForm,
};
use crate::text::{Checksum, without_credentials};

/// Indexes younger than this are taken as they are; archives change a few times a day.
pub const FRESH: Duration = Duration::from_hours(24);

/// A signed table of contents, at most; Debian's have 150 KiB.
const RELEASE_LIMIT: u64 = 16 << 20;
/// An index as it is fetched, at most; Debian's main has 9 MiB.
const PACKAGES_LIMIT: u64 = 64 << 20;
/// What all indexes of one question may unpack to; everything that Debian has for one architecture is 150 MiB.
const ROOM: u64 = 512 << 20;

/// Why an archive cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// A file of the archive cannot be downloaded.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The release file is unreadable, unsigned, signed by another key, or of another suite.
    #[error("the index of `{url}` {suite} is not to be trusted: {error}")]
    Release {
        /// Root of the archive, such as `https://mirror.example/debian`.
        url: String,
        /// Suite, such as `trixie`.
        suite: String,
        /// What its check reports.
        error: ReleaseError,
    },
    /// An index does not unpack, does not parse, or is larger than all indexes may be together.
    #[error("the packages of `{url}` cannot be read: {error}")]
    Index {
        /// Address of that file; of the suite's folder where a kept index no longer fits in.
        url: String,
        /// What reading it reports.
        error: IndexError,
    },
    /// The signed index promises another content than the mirror serves.
    #[error("`{url}` is not what the archive's signed index says: it may be in the middle of an update")]
    Inconsistent {
        /// Address of the file whose digest is another.
        url: String,
    },
    /// A mirror that is no longer updated, or somebody who hides security updates.
    #[error("the index of `{url}` {suite} is past the day its archive says it is good for")]
    Expired {
        /// Root of the archive.
        url: String,
        /// Suite, such as `trixie-security`.
        suite: String,
    },
    /// The release file lists no index for a component that the project asks for.
    #[error("`{url}` {suite} has no component `{component}` for {arch}")]
    NoComponent {
        /// Root of the archive.
        url: String,
        /// Suite, such as `trixie`.
        suite: String,
        /// Component, such as `contrib`.
        component: String,
        /// Architecture by its package manager's name, such as `amd64`.
        arch: String,
    },
    /// The store cannot be read or written.
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
    /// Where indexes are kept.
    pub store: &'a Arc<Store>,
    /// What fetches those that are missing or too old; offline, kept ones serve whatever their age.
    pub fetcher: &'a Fetcher,
    /// Older ones are fetched again, unless the network is off.
    pub max_age: Duration,
    /// Who reads the archives.
    pub manager: Manager,
}

impl Indexes<'_> {
    /// All packages of some archives for one architecture, as the manager calls it. Archives that are in
    /// several keyrings' hands are asked for in several calls.
    pub async fn load(
        &self,
        arch: &str,
        archives: &[(Archive, &Keyring)],
    ) -> Result<Arc<dyn Pool>, ArchiveError> {
        let room = Arc::new(Room(AtomicU64::new(ROOM)));
        let sources = archives.iter().map(|(archive, keys)| self.archive(arch, archive, keys, &room));
        let sources = try_join_all(sources).await?;
        for (archive, _) in archives {
            let (url, suite) = (without_credentials(&archive.url), &archive.suite);
            tracing::debug!(%url, suite, components = ?archive.components, "index read");
        }
        Ok(self.format().pool(arch, &sources.concat()))
    }

    fn format(&self) -> &'static dyn ArchiveFormat {
        self.manager.archive_format()
    }

    async fn archive(
        &self,
        arch: &str,
        archive: &Archive,
        keys: &Keyring,
        room: &Arc<Room>,
    ) -> Result<Vec<IndexSource>, ArchiveError> {
        let (release, signed) = self.release(archive, keys).await?;
        let parts = self.format().parts(archive);
        let indexes = parts.iter().map(|part| self.part(arch, archive, &release, part, room));
        let indexes = try_join_all(indexes).await?;
        let source = |index| IndexSource {
            archive: archive.name.clone(),
            priority: archive.priority.unwrap_or(release.priority),
            release: Some(Arc::clone(&signed)),
            index,
        };
        Ok(indexes.into_iter().flatten().map(source).collect())
    }

    /// The suite's verified release file, from the store while it is fresh.
    async fn release(
        &self,
        archive: &Archive,
        keys: &Keyring,
    ) -> Result<(ReleaseFile, Arc<SignedRelease>), ArchiveError> {
        let road = self.fetcher.road();
        let name = Digest::of(format!("{} {}{road}", archive.url, archive.suite));
        let path = self.store.indexes().join(format!("{}.InRelease", name.short()));
        let now = seconds_now();
        let refused =
            |error| ArchiveError::Release { url: archive.url.clone(), suite: archive.suite.clone(), error };
        let verify = |signed: &Signed| {
            let moment = Moment::Now(now);
            let release = self.format().read_table(&keys.verify(signed, moment)?, moment)?;
            release.is_suite(&archive.suite)?;
            Ok(release)
        };
        // One that was kept for another keyring, or damaged, is fetched again.
        let kept = std::fs::read(&path).ok().map(Signed::decode);
        let kept = kept.and_then(|signed| Some((verify(&signed).ok()?, signed)));
        let age = path.metadata().and_then(|metadata| metadata.modified()).ok().map(age_of);
        let (release, signed) = match kept {
            Some((release, signed))
                if self.fetcher.offline()
                    || !release.is_expired(now) && age.is_some_and(|age| age < self.max_age) =>
            {
                (release, signed)
            }
            kept => {
                let signed = self.signed(archive).await?;
                let release = verify(&signed).map_err(refused)?;
                match kept {
                    // A mirror that is behind, or somebody who hides what is newer.
                    Some((newer, kept)) if newer.date > release.date => (newer, kept),
                    _ => {
                        self.keep(&path, &signed.encode())?;
                        (release, signed)
                    }
                }
            }
        };
        if release.is_expired(now) && !self.fetcher.offline() {
            return Err(ArchiveError::Expired { url: archive.url.clone(), suite: archive.suite.clone() });
        }
        Ok((release, Arc::new(SignedRelease::new(signed.encode()))))
    }

    /// What a suite publishes about itself, in the first of its forms that is there.
    async fn signed(&self, archive: &Archive) -> Result<Signed, ArchiveError> {
        let root = self.format().root(archive);
        let fetch =
            async |path: &str| match self.fetcher.bytes(&format!("{root}/{path}"), RELEASE_LIMIT).await {
                Err(error) if is_absent(&error) => Ok(Err(error)),
                other => other.map(Ok),
            };
        let mut gone = None;
        for form in self.format().tables() {
            match form {
                TableForm::Inline(path) => match fetch(path).await? {
                    Ok(bytes) => return Ok(Signed::Inline(bytes)),
                    // It is the preferred form that is missed where there is none.
                    Err(error) => drop(gone.get_or_insert(error)),
                },
                TableForm::Detached { content, signature } => {
                    let (content, signature) = (fetch(content).await?, fetch(signature).await?);
                    match (content, signature) {
                        (Ok(content), Ok(signature)) => return Ok(Signed::Detached { content, signature }),
                        (Err(error), _) | (_, Err(error)) => drop(gone.get_or_insert(error)),
                    }
                }
            }
        }
        Err(gone.map_or(ArchiveError::Inconsistent { url: root }, ArchiveError::Fetch))
    }

    /// One component's packages.
    async fn part(
        &self,
        arch: &str,
        archive: &Archive,
        release: &ReleaseFile,
        part: &str,
        room: &Arc<Room>,
    ) -> Result<Vec<Index>, ArchiveError> {
        let files = self.format().indexes(release, part, arch);
        if files.is_empty() {
            return Err(ArchiveError::NoComponent {
                url: archive.url.clone(),
                suite: archive.suite.clone(),
                component: part.to_owned(),
                arch: arch.to_owned(),
            });
        }
        try_join_all(files.into_iter().map(|file| self.index(archive, file, room))).await
    }

    /// The packages of one index.
    async fn index(
        &self,
        archive: &Archive,
        file: IndexFile,
        room: &Arc<Room>,
    ) -> Result<Index, ArchiveError> {
        let root = self.format().root(archive);
        let kept = |sum: &Checksum| self.store.indexes().join(format!("{}.index", sum.hex()));
        for form in &file.forms {
            if let Some(index) = self.read_kept(kept(&form.checksum)).await {
                let held = room.take(index.encode().len());
                held.map_err(|full| ArchiveError::Index { url: root, error: full.into() })?;
                return Ok(index);
            }
        }
        let mut absent = None;
        for form in file.forms {
            let (url, bytes) = match self.promised(&root, &form).await {
                Ok(found) => found,
                // Release files speak of forms that nobody made.
                Err(ArchiveError::Fetch(error)) if is_absent(&error) => {
                    absent.get_or_insert(ArchiveError::Fetch(error));
                    continue;
                }
                Err(error) => return Err(error),
            };
            let (room, format) = (Arc::clone(room), self.format());
            let path = form.path;
            let read = move || format.read_index(&mut unpacked(&path, &bytes, &room));
            let index = tokio::task::spawn_blocking(read)
                .await
                .unwrap_or_else(|lost| Err(IndexError::Unpack(lost.to_string())))
                .map_err(|error| ArchiveError::Index { url, error })?;
            self.keep(&kept(&form.checksum), index.encode().as_bytes())?;
            return Ok(index);
        }
        Err(absent.unwrap_or(ArchiveError::Inconsistent { url: root }))
    }

    /// One form of an index, by its digest where the archive has it so, else by its name.
    async fn promised(&self, root: &str, form: &IndexForm) -> Result<(String, Vec<u8>), ArchiveError> {
        let sum = form.checksum;
        if let Some(path) = &form.by_digest {
            let by_digest = format!("{root}/{path}");
            match self.fetcher.bytes(&by_digest, PACKAGES_LIMIT).await {
                Ok(bytes) if sum.is_of(&bytes) => return Ok((by_digest, bytes)),
                Ok(_) => return Err(ArchiveError::Inconsistent { url: by_digest }),
                // Promised, and not done.
                Err(error) if is_absent(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let url = format!("{root}/{}", form.path);
        let bytes = self.fetcher.bytes(&url, PACKAGES_LIMIT).await?;
        if sum.is_of(&bytes) { Ok((url, bytes)) } else { Err(ArchiveError::Inconsistent { url }) }
    }

    /// A kept index; one of an older imgfile is as good as none.
    async fn read_kept(&self, path: PathBuf) -> Option<Index> {
        let format = self.format();
        let read = move || format.kept_index(std::fs::read_to_string(path).ok()?);
        tokio::task::spawn_blocking(read).await.ok().flatten()
    }

    fn keep(&self, path: &std::path::Path, bytes: &[u8]) -> Result<(), StoreError> {
        let mut file = self.store.temp_file()?;
        std::io::Write::write_all(&mut file, bytes).context("write", path)?;
        file.persist(path).map_err(|error| error.error).context("write", path)?;
        Ok(())
    }
}

/// Whether a server says that it has no such file: some say that it is forbidden.
fn is_absent(error: &FetchError) -> bool {
    matches!(error, FetchError::Gone { .. } | FetchError::Refused { status: 403, .. })
}

/// Seconds since 1970.
#[must_use]
pub fn seconds_now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// What an index holds, as it comes out; the end of its path says how it is packed.
fn unpacked<'a>(path: &str, bytes: &'a [u8], room: &'a Room) -> impl BufRead + 'a {
    let reader: Box<dyn Read + 'a> = match path.rsplit('.').next() {
        Some("xz") => Box::new(liblzma::read::XzDecoder::new(bytes)),
        Some("gz") => Box::new(flate2::read::MultiGzDecoder::new(bytes)),
        Some("zst") => match zstd::stream::read::Decoder::new(bytes) {
            Ok(decoder) => Box::new(decoder),
            Err(error) => Box::new(Broken(error.to_string())),
        },
        _ => Box::new(bytes),
    };
    BufReader::with_capacity(1 << 18, Within { reader, room })
}

/// Bytes that are left for indexes. Their content was vouched for by a signature; the bound is for an archive whose owner
/// is hostile.
#[derive(Debug)]
struct Room(AtomicU64);

impl Room {
    fn take(&self, bytes: usize) -> Result<(), NoRoom> {
        let less = |left: u64| left.checked_sub(bytes as u64);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).map(|_| ()).map_err(|_| NoRoom)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("more than {} MiB of indexes", ROOM >> 20)]
struct NoRoom;

impl From<NoRoom> for IndexError {
    fn from(full: NoRoom) -> Self {
        Self::Unpack(full.to_string())
    }
}

/// What is read takes of the room; where that is full, it ends with an error.
struct Within<'r, R> {
    reader: R,
    room: &'r Room,
}

impl<R: Read> Read for Within<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.room.take(read).map_err(std::io::Error::other)?;
        Ok(read)
    }
}

/// What cannot even be begun, said when it is read.
struct Broken(String);

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Err(std::io::Error::other(self.0.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_unpacks_to_more_than_there_is_room_for_is_an_error_and_not_cut_off() {
        let stanza = |nth: usize| {
            let digest = Digest::of(nth.to_string());
            let source = "x".repeat(1000);
            format!(
                "Package: p{nth}\nVersion: 1\nArchitecture: amd64\nFilename: p{nth}.deb\nSize: 1\nSHA256: {digest}\n\
                 Source: {source}\n\n"
            )
        };
        let text: String = (0..50).map(stanza).collect();
        let mut packed = liblzma::write::XzEncoder::new(Vec::new(), 1);
        std::io::Write::write_all(&mut packed, text.as_bytes()).unwrap();
        let packed = packed.finish().unwrap();
        let format = Manager::default().archive_format();
        let read =
            |room: u64| format.read_index(&mut unpacked("Packages.xz", &packed, &Room(AtomicU64::new(room))));
        assert!(read(text.len() as u64).is_ok());
        let error = read(text.len() as u64 - 1).unwrap_err();
        assert_eq!(error.to_string(), "cannot be unpacked: more than 512 MiB of indexes");
    }
}

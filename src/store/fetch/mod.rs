//! Downloads: resumed, retried, verified, and kept by content.

mod body;
mod error;
mod partial;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use reqwest::{Response, StatusCode, header};

use super::{Digest, Store};
use crate::text::{Checksum, without_credentials as shown};
use body::Body;
use error::{reason, status_error, unreachable};
use partial::Partial;

pub use error::FetchError;

/// What every server has to bring, or nobody waits for it any longer.
const SLOWEST: Pace = Pace { bytes: 60 << 10, window: Duration::from_mins(1) };
/// Bytes of the disk that a download of unknown size leaves free.
const RESERVE: u64 = 64 << 20;

/// Downloads at one time. Package mirrors serve this many from one host without complaint.
const PARALLEL: usize = 6;
/// Tries for one file that bring nothing new, the first included.
const TRIES: u32 = 4;
/// Tries where waiting seldom helps: a wrong address is told at once, and a server that starts anew has its second.
const LASTING_TRIES: u32 = 2;
/// Bytes that make a try worth its while, however it ended: a connection that breaks now and then brings a
/// large file all the same.
const WORTH: u64 = 1 << 20;
/// Memory that is set aside on a server's word.
const MOST_AT_ONCE: u64 = 32 << 20;
/// A file of certificates, at most; a system's own has 250 KiB.
const CA_LIMIT: u64 = 16 << 20;
/// Until a connection stands.
const CONNECT: Duration = Duration::from_secs(15);
/// Which sha256 a file has that was verified by its sha512.
const SHA512: &str = "sha512-v1";
/// Without a byte.
const SILENCE: Duration = Duration::from_secs(30);

/// So many bytes in each such time.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Bytes that have to arrive within `window`; fewer are [`FetchError::Slow`].
    pub bytes: u64,
    /// Also how long an answer may take to begin, redirections included.
    pub window: Duration,
}

/// How the network is reached.
#[derive(Debug, Clone, Default)]
pub struct Network {
    /// URL of a proxy; without it, what `http_proxy` and `https_proxy` say.
    pub proxy: Option<String>,
    /// A PEM file of more certificate authorities to trust.
    pub ca: Option<PathBuf>,
    /// Nothing is fetched: what the store lacks is an error.
    pub offline: bool,
}

/// A file to have in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Download {
    /// For people, such as `nginx 1.26.3-3`.
    pub name: String,
    /// Where it is, such as `https://mirror.example/debian/pool/main/n/nginx/nginx_1.26.3-3_amd64.deb`.
    pub url: String,
    /// What its content has to be; the store keeps it under this name.
    pub sha256: Digest,
    /// Bytes, where known: for progress.
    pub size: Option<u64>,
}

/// What was fetched so far, and how much there is: bytes.
pub type Progress<'a> = &'a (dyn Fn(u64, u64) + Sync);

/// Is told how far the fetching of small files is: address, bytes so far, and how many there are (0 if the server
/// does not say).
#[derive(Clone)]
pub struct Watcher(pub Arc<dyn Fn(&str, u64, u64) + Send + Sync>);

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watcher")
    }
}

/// Fetches over HTTP and HTTPS. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Fetcher {
    client: reqwest::Client,
    offline: bool,
    watcher: Option<Watcher>,
    /// What names this way of reaching the network; empty for the host's own.
    road: String,
    slowest: Pace,
}

/// A file that is in the store, by either checksum: its SHA-256 and where it lies.
fn known(store: &Store, sum: &Checksum) -> Option<(Digest, PathBuf)> {
    let sha256 = match sum {
        Checksum::Sha256(sha256) => *sha256,
        Checksum::Sha512(_) => store.facts().get(SHA512, &sum.id())?,
    };
    Some((sha256, store.blobs().get(&sha256)?))
}

/// A client of HTTP by the settings, for those who do more than fetch.
pub fn client_builder(network: &Network) -> Result<reqwest::ClientBuilder, FetchError> {
    builder(network).map(|(builder, _)| builder)
}

/// A client by the settings, and what names this way of reaching the network.
fn builder(network: &Network) -> Result<(reqwest::ClientBuilder, String), FetchError> {
    // Another part of the process may have been first: there is one provider either way.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let setting =
        |what: &str, reason: String| FetchError::Setting(format!("{what} cannot be used: {reason}"));
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("imgfile/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .read_timeout(SILENCE);
    let mut road = String::new();
    if let Some(proxy) = &network.proxy {
        road += &format!(" proxy {proxy}");
        let proxy = reqwest::Proxy::all(proxy)
            .map_err(|error| setting(&format!("the proxy `{proxy}`"), error.to_string()))?;
        builder = builder.proxy(proxy);
    }
    if let Some(path) = &network.ca {
        let name = format!("the certificates in `{}`", path.display());
        let pem = super::read_regular(path, CA_LIMIT).map_err(|error| setting(&name, error.to_string()))?;
        road += &format!(" ca {}", Digest::of(&pem));
        let certificates =
            reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| setting(&name, error.to_string()))?;
        builder = builder.tls_certs_merge(certificates);
    }
    Ok((builder, road))
}

impl Fetcher {
    /// A client by the settings.
    pub fn new(network: &Network) -> Result<Self, FetchError> {
        let (builder, road) = builder(network)?;
        let client = builder.build().map_err(|error| {
            FetchError::Setting(format!("the network cannot be used: {}", reason(&error)))
        })?;
        Ok(Self { client, offline: network.offline, road, watcher: None, slowest: SLOWEST })
    }

    /// Names the way by which the network is reached: the proxy and the certificates of the settings.
    #[must_use]
    pub fn road(&self) -> &str {
        &self.road
    }

    /// The same with another idea of what is too slow.
    #[must_use]
    pub fn with_slowest(self, slowest: Pace) -> Self {
        Self { slowest, ..self }
    }

    /// Whether nothing is fetched, so that what the store lacks is an error.
    #[must_use]
    pub const fn offline(&self) -> bool {
        self.offline
    }

    /// Has all files in the store; the answer names each by its digest.
    pub async fn all(
        &self,
        store: &Arc<Store>,
        downloads: &[Download],
        progress: Progress<'_>,
    ) -> Result<BTreeMap<Digest, PathBuf>, FetchError> {
        let mut have = BTreeMap::new();
        let mut missing: Vec<&Download> = Vec::new();
        for download in downloads {
            match store.blobs().get(&download.sha256) {
                Some(path) => drop(have.insert(download.sha256, path)),
                None => missing.push(download),
            }
        }
        missing.sort_by_key(|download| download.sha256);
        missing.dedup_by_key(|download| download.sha256);
        if let (Some(first), true) = (missing.first(), self.offline) {
            return Err(FetchError::Offline { name: first.name.clone() });
        }
        let total = missing.iter().filter_map(|download| download.size).sum();
        let done = AtomicU64::new(0);
        let count = |bytes: u64| progress(done.fetch_add(bytes, Ordering::Relaxed) + bytes, total);
        let mut results = stream::iter(missing)
            .map(|download| self.one(store, download, &count))
            .buffer_unordered(PARALLEL);
        while let Some(result) = results.next().await {
            let (digest, path) = result?;
            have.insert(digest, path);
        }
        Ok(have)
    }

    /// Whether a file is in the store already.
    #[must_use]
    pub fn has(&self, store: &Store, sum: &Checksum) -> bool {
        known(store, sum).is_some()
    }

    /// Has the file at `url` in the store, verified by what its publisher says of it; the answer is its
    /// digest and its path. A file that was verified so before is not fetched again.
    pub async fn published(
        &self,
        store: &Arc<Store>,
        url: &str,
        sum: Checksum,
        progress: Progress<'_>,
    ) -> Result<(Digest, PathBuf), FetchError> {
        let sha512 = match sum {
            Checksum::Sha256(sha256) => {
                let download = Download { name: url.to_owned(), url: url.to_owned(), sha256, size: None };
                let mut files = self.all(store, &[download], progress).await?;
                let gone = || FetchError::Unreachable {
                    url: url.to_owned(),
                    reason: "it is gone".to_owned(),
                    lasting: false,
                };
                return Ok((sha256, files.remove(&sha256).ok_or_else(gone)?));
            }
            Checksum::Sha512(sha512) => sha512,
        };
        let key = sum.id();
        if let Some(known) = known(store, &sum) {
            return Ok(known);
        }
        if self.offline {
            return Err(FetchError::Offline { name: format!("`{url}`") });
        }
        let mut partial = Partial::open(store, key).await?;
        if let Some(known) = known(store, &sum) {
            return Ok(known);
        }
        let mut resumed = partial.len > 0;
        let done = AtomicU64::new(0);
        let count = |bytes: u64| progress(done.fetch_add(bytes, Ordering::Relaxed) + bytes, 0);
        let mut tries = Tries::default();
        loop {
            let result = match self.transfer(url, &mut partial, None, &count).await {
                Ok(()) => partial.admit(store, sha512).await,
                Err(error) => Err(error),
            };
            match result {
                Ok(Some(sha256)) => {
                    store.facts().put(SHA512, &key, &sha256)?;
                    return Ok((sha256, store.blobs().path(&sha256)));
                }
                // The beginning was of another content: once from the start.
                Ok(None) if resumed => {
                    resumed = false;
                    partial.restart()?;
                }
                Ok(None) => {
                    partial.restart()?;
                    partial.clear();
                    return Err(FetchError::NotPublished { url: url.to_owned(), expected: sum });
                }
                Err(error) => tries.again(error, partial.len).await.inspect_err(|_| partial.clear())?,
            }
        }
    }

    async fn one(
        &self,
        store: &Arc<Store>,
        download: &Download,
        count: &(dyn Fn(u64) + Sync),
    ) -> Result<(Digest, PathBuf), FetchError> {
        let digest = download.sha256;
        let mut partial = Partial::open(store, digest).await?;
        // Another process may have fetched it while we waited for its lock.
        if let Some(path) = store.blobs().get(&digest) {
            return Ok((digest, path));
        }
        let mut resumed = partial.len > 0;
        let mut tries = Tries::default();
        loop {
            let result = match self.transfer(&download.url, &mut partial, download.size, count).await {
                Ok(()) => partial.adopt(store, digest, &download.url).await,
                Err(error) => Err(error),
            };
            match result {
                Ok(path) => return Ok((digest, path)),
                // The beginning was another process's, perhaps of another content: once from the start.
                Err(FetchError::Wrong { .. }) if resumed => {
                    resumed = false;
                    partial = Partial::open(store, digest).await?;
                }
                Err(error) => tries.again(error, partial.len).await.inspect_err(|_| partial.clear())?,
            }
        }
    }

    /// Appends what is missing.
    async fn transfer(
        &self,
        url: &str,
        partial: &mut Partial,
        size: Option<u64>,
        count: &(dyn Fn(u64) + Sync),
    ) -> Result<(), FetchError> {
        let mut request = self.client.get(url);
        if partial.len > 0 {
            request = request.header(header::RANGE, format!("bytes={}-", partial.len));
        }
        let response = self.answer(url, request).await?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT => count(partial.len),
            // The server has no more than we have: whether that is all, the digest says.
            StatusCode::RANGE_NOT_SATISFIABLE => return Ok(()),
            status if status.is_success() => partial.restart()?,
            status => return Err(status_error(url, status)),
        }
        // A server that says no size, or a wrong one, ends where the disk does.
        let limit = size.unwrap_or_else(|| partial.len + room(&partial.path).saturating_sub(RESERVE));
        let too_large = || FetchError::TooLarge { url: url.to_owned(), limit };
        if response.content_length().is_some_and(|rest| rest > limit.saturating_sub(partial.len)) {
            partial.restart()?;
            return Err(too_large());
        }
        let mut body = Body::new(url, response, self.slowest);
        while let Some(chunk) = body.next().await? {
            if partial.len + chunk.len() as u64 > limit {
                partial.restart()?;
                return Err(too_large());
            }
            partial.append(&chunk)?;
            count(chunk.len() as u64);
        }
        Ok(())
    }

    /// The same, watched by somebody.
    #[must_use]
    pub fn watched(self, watcher: Watcher) -> Self {
        Self { watcher: Some(watcher), ..self }
    }

    fn tell(&self, url: &str, done: u64, total: u64) {
        if let Some(Watcher(watcher)) = &self.watcher {
            watcher(url, done, total);
        }
    }

    /// The beginning of an answer, which may not be waited for without an end either.
    async fn answer(&self, url: &str, request: reqwest::RequestBuilder) -> Result<Response, FetchError> {
        tracing::debug!(url = %shown(url), "request");
        match tokio::time::timeout(self.slowest.window, request.send()).await {
            Ok(Ok(answer)) => {
                let status = answer.status().as_u16();
                tracing::debug!(url = %shown(url), status, bytes = answer.content_length(), "answer");
                Ok(answer)
            }
            Ok(Err(error)) => Err(unreachable(url, &error)),
            Err(_) => Err(FetchError::Slow { url: url.to_owned(), bytes: 0, pace: self.slowest }),
        }
    }

    /// A small file that has no digest yet, such as a signed index.
    pub async fn bytes(&self, url: &str, limit: u64) -> Result<Vec<u8>, FetchError> {
        if self.offline {
            return Err(FetchError::Offline { name: format!("`{url}`") });
        }
        let (mut tries, mut begun) = (Tries::default(), Begun::default());
        loop {
            self.tell(url, begun.bytes.len() as u64, 0);
            match self.more(url, limit, &mut begun).await {
                Ok(()) => {
                    let all = begun.bytes.len() as u64;
                    self.tell(url, all, all);
                    return Ok(begun.bytes);
                }
                Err(error) => {
                    if let Err(error) = tries.again(error, begun.bytes.len() as u64).await {
                        // Nothing more comes.
                        self.tell(url, 1, 1);
                        return Err(error);
                    }
                }
            }
        }
    }

    /// Fetches what is missing, if the server can say that it is of the same content; else all of it.
    async fn more(&self, url: &str, limit: u64, begun: &mut Begun) -> Result<(), FetchError> {
        let mut request = self.client.get(url);
        match &begun.version {
            Some(version) if !begun.bytes.is_empty() => {
                let range = format!("bytes={}-", begun.bytes.len());
                request = request.header(header::RANGE, range).header(header::IF_RANGE, version);
            }
            _ => {}
        }
        let response = self.answer(url, request).await?;
        if !response.status().is_success() {
            // Whatever the server has against the rest, it may give the whole.
            *begun = Begun::default();
            return Err(status_error(url, response.status()));
        }
        if response.status() != StatusCode::PARTIAL_CONTENT {
            let version = |name: header::HeaderName| response.headers().get(name).cloned();
            // A weak tag does not vouch for bytes (RFC 9110, 13.1.5).
            let tag = version(header::ETAG).filter(|tag| !tag.as_bytes().starts_with(b"W/"));
            *begun = Begun { bytes: Vec::new(), version: tag.or_else(|| version(header::LAST_MODIFIED)) };
        }
        // What the server announces need not be true.
        let length = response.content_length().unwrap_or(0);
        let total = if length > 0 { begun.bytes.len() as u64 + length } else { 0 };
        let announced = length.min(limit).min(MOST_AT_ONCE);
        begun.bytes.reserve_exact(usize::try_from(announced).unwrap_or(0));
        let mut body = Body::new(url, response, self.slowest);
        while let Some(chunk) = body.next().await? {
            begun.bytes.extend_from_slice(&chunk);
            self.tell(url, begun.bytes.len() as u64, total);
            if begun.bytes.len() as u64 > limit {
                return Err(FetchError::TooLarge { url: url.to_owned(), limit });
            }
        }
        Ok(())
    }
}

/// Bytes that may still be written beside a file.
fn room(path: &Path) -> u64 {
    let stat = path.parent().map(nix::sys::statvfs::statvfs);
    stat.and_then(Result::ok).map_or(u64::MAX / 2, |stat| stat.blocks_available() * stat.fragment_size())
}

/// The beginning of a file, and what its server calls this content of it.
#[derive(Default)]
struct Begun {
    bytes: Vec<u8>,
    version: Option<header::HeaderValue>,
}

/// How often something was tried, and how far that has come.
#[derive(Default)]
struct Tries {
    in_vain: u32,
    have: u64,
}

impl Tries {
    /// Waits a little for the next try after an error, `have` bytes being there; the error again if another
    /// try would change nothing, or there were enough.
    async fn again(&mut self, error: FetchError, have: u64) -> Result<(), FetchError> {
        let FetchError::Unreachable { lasting, .. } = error else { return Err(error) };
        if have >= self.have + WORTH {
            self.in_vain = 0;
        }
        self.have = self.have.max(have);
        self.in_vain += 1;
        if self.in_vain >= if lasting { LASTING_TRIES } else { TRIES } {
            return Err(error);
        }
        tokio::time::sleep(Duration::from_millis(500 << self.in_vain)).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests;

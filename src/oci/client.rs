//! Requests to a registry.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use futures_util::StreamExt as _;
use reqwest::{
    Client, Method, Response, StatusCode, Url,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION, WWW_AUTHENTICATE},
    redirect::Policy,
};
use serde::{Deserialize, Serialize};

use super::{Credentials, OciError, Repository, auth::Challenge};
use crate::{
    store::fetch::{Network, client_builder},
    text::Digest,
};

/// The type of manifests.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Bytes of a manifest, at most, by the specification.
const LARGEST_MANIFEST: u64 = 4 << 20;
/// Bytes of an answer that only says something.
const WORDS: u64 = 64 << 10;
/// Of a message that is shown.
const SHOWN: usize = 200;
/// From one address to the next.
const REDIRECTIONS: u32 = 5;

/// What a repository is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// To be read.
    Pull,
    /// To be read and written.
    PullPush,
}

/// What a manifest says of a blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What is in it.
    pub media_type: String,
    /// `sha256:…` of its bytes.
    pub digest: String,
    /// How many there are.
    pub size: u64,
}

impl Descriptor {
    /// That of bytes.
    #[must_use]
    pub fn of(media_type: &str, bytes: &[u8]) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest: named(&Digest::of(bytes)),
            size: bytes.len() as u64,
        }
    }

    /// The digest, if it is of the kind that is used here.
    #[must_use]
    pub fn sha256(&self) -> Option<Digest> {
        self.digest.strip_prefix("sha256:")?.parse().ok()
    }
}

/// A digest as registries write it.
fn named(digest: &Digest) -> String {
    format!("sha256:{digest}")
}

/// A repository, and who asks.
#[derive(Debug)]
pub struct Registry {
    client: Client,
    repository: Repository,
    credentials: Credentials,
    access: Access,
    origin: Url,
    /// The header that the last answer wanted.
    authorization: Mutex<Option<HeaderValue>>,
}

/// What is asked.
#[derive(Clone)]
struct Ask {
    method: Method,
    url: Url,
    accept: Option<&'static str>,
    body: Option<(&'static str, Bytes)>,
}

impl Ask {
    fn new(method: Method, url: Url) -> Self {
        Self { method, url, accept: None, body: None }
    }
}

impl Registry {
    /// A repository, reached by the settings. `plain` lets HTTP do where it is not on this host itself.
    ///
    /// # Errors
    /// If the settings of the network cannot be used.
    pub fn new(
        repository: &Repository,
        credentials: Credentials,
        access: Access,
        network: &Network,
        plain: bool,
    ) -> Result<Self, OciError> {
        let unusable = |error: String| OciError::Setting(error);
        let builder = client_builder(network).map_err(|error| unusable(error.to_string()))?;
        // Where an answer leads is looked at here: what names the user goes to one registry only.
        let mut builder = builder.redirect(Policy::none());
        if repository.is_loopback() {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|error| unusable(reason(&error)))?;
        let scheme = if plain || repository.is_loopback() { "http" } else { "https" };
        let origin = Url::parse(&format!("{scheme}://{}", repository.host()));
        let origin = origin.map_err(|error| unusable(format!("`{repository}` is no address: {error}")))?;
        Ok(Self {
            client,
            repository: repository.clone(),
            credentials,
            access,
            origin,
            authorization: Mutex::default(),
        })
    }

    /// Which repository it is.
    #[must_use]
    pub const fn repository(&self) -> &Repository {
        &self.repository
    }

    /// A manifest by its tag or digest, with its digest; none if there is none.
    ///
    /// # Errors
    /// Whatever else the registry says, or a manifest of another digest than was asked for.
    pub async fn manifest(&self, reference: &str) -> Result<Option<(Bytes, Digest)>, OciError> {
        let mut ask = Ask::new(Method::GET, self.url(&format!("manifests/{reference}"))?);
        ask.accept = Some(MANIFEST);
        let response = self.send(ask).await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let response = self.expect(response, StatusCode::OK).await?;
        let bytes = self.body(response, LARGEST_MANIFEST, &|_| {}).await?;
        let digest = Digest::of(&bytes);
        if reference.contains(':') && reference != named(&digest) {
            return Err(self.wrong(reference));
        }
        Ok(Some((bytes, digest)))
    }

    /// The bytes of a blob, which have its digest and its size. `progress` is told of bytes as they come.
    ///
    /// # Errors
    /// Whatever the registry says instead.
    pub async fn blob(
        &self,
        digest: &Digest,
        size: u64,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Bytes, OciError> {
        let name = named(digest);
        let response = self.send(Ask::new(Method::GET, self.url(&format!("blobs/{name}"))?)).await?;
        let response = self.expect(response, StatusCode::OK).await?;
        let bytes = self.body(response, size, progress).await?;
        if bytes.len() as u64 != size || Digest::of(&bytes) != *digest {
            return Err(self.wrong(&name));
        }
        Ok(bytes)
    }

    /// Sends a blob, unless it is there; says how many bytes were sent.
    ///
    /// # Errors
    /// Whatever the registry says instead of taking it.
    pub async fn put_blob(&self, bytes: Bytes) -> Result<u64, OciError> {
        let name = named(&Digest::of(&bytes));
        let there = self.send(Ask::new(Method::HEAD, self.url(&format!("blobs/{name}"))?)).await?;
        match there.status() {
            StatusCode::OK => return Ok(0),
            StatusCode::NOT_FOUND => {}
            _ => drop(self.expect(there, StatusCode::OK).await?),
        }
        let begun = self.send(Ask::new(Method::POST, self.url("blobs/uploads/")?)).await?;
        let begun = self.expect(begun, StatusCode::ACCEPTED).await?;
        let location = begun.headers().get(LOCATION).and_then(|header| header.to_str().ok());
        let to = location.and_then(|location| self.origin.join(location).ok());
        let mut to = to.ok_or_else(|| self.nonsense("an upload without a place"))?;
        to.query_pairs_mut().append_pair("digest", &name);
        let size = bytes.len() as u64;
        let mut ask = Ask::new(Method::PUT, to);
        ask.body = Some(("application/octet-stream", bytes));
        let taken = self.send(ask).await?;
        self.expect(taken, StatusCode::CREATED).await?;
        Ok(size)
    }

    /// Puts a manifest under a tag, whose blobs are all there; the answer is its digest.
    ///
    /// # Errors
    /// Whatever the registry says instead of taking it.
    pub async fn put_manifest(&self, tag: &str, bytes: Bytes) -> Result<Digest, OciError> {
        let digest = Digest::of(&bytes);
        let mut ask = Ask::new(Method::PUT, self.url(&format!("manifests/{tag}"))?);
        ask.body = Some((MANIFEST, bytes));
        let taken = self.send(ask).await?;
        self.expect(taken, StatusCode::CREATED).await?;
        Ok(digest)
    }

    fn url(&self, rest: &str) -> Result<Url, OciError> {
        let path = format!("/v2/{}/{rest}", self.repository.path());
        self.origin.join(&path).map_err(|error| OciError::Setting(error.to_string()))
    }

    /// Sends a request, once more with what the registry wants to know first, and follows where the answer leads.
    async fn send(&self, ask: Ask) -> Result<Response, OciError> {
        let mut response = self.once(&ask).await?;
        if response.status() == StatusCode::UNAUTHORIZED && self.is_registry(&ask.url) {
            let wanted: Vec<String> = response
                .headers()
                .get_all(WWW_AUTHENTICATE)
                .iter()
                .filter_map(|header| Some(header.to_str().ok()?.to_owned()))
                .collect();
            drop(response);
            let header = self.authorize(&wanted).await?;
            *self.authorization.lock().unwrap_or_else(PoisonError::into_inner) = Some(header);
            response = self.once(&ask).await?;
            if response.status() == StatusCode::UNAUTHORIZED {
                return Err(self.unauthorized(": those that are known are refused"));
            }
        }
        let mut at = ask.url.clone();
        for _ in 0..REDIRECTIONS {
            if !response.status().is_redirection() || ask.method != Method::GET {
                return Ok(response);
            }
            let to = response.headers().get(LOCATION).and_then(|header| at.join(header.to_str().ok()?).ok());
            let to = to.ok_or_else(|| self.nonsense("a redirection to nowhere"))?;
            if to.scheme() != at.scheme() && to.scheme() != "https" {
                return Err(self.nonsense("a redirection out of HTTPS"));
            }
            at = to.clone();
            response = self.once(&Ask { url: to, ..ask.clone() }).await?;
        }
        Err(self.nonsense("one redirection after the other"))
    }

    async fn once(&self, ask: &Ask) -> Result<Response, OciError> {
        let mut request = self.client.request(ask.method.clone(), ask.url.clone());
        if self.is_registry(&ask.url)
            && let Some(header) = self.authorization.lock().unwrap_or_else(PoisonError::into_inner).clone()
        {
            request = request.header(AUTHORIZATION, header);
        }
        if let Some(accept) = ask.accept {
            request = request.header(ACCEPT, accept);
        }
        if let Some((kind, body)) = &ask.body {
            request = request.header(CONTENT_TYPE, *kind).body(body.clone());
        }
        request.send().await.map_err(|error| self.unreachable(&error))
    }

    /// The header by which a registry knows who asks.
    async fn authorize(&self, wanted: &[String]) -> Result<HeaderValue, OciError> {
        let action = if self.access == Access::Pull { "pull" } else { "pull,push" };
        let scope = format!("repository:{}:{action}", self.repository.path());
        let challenge = wanted.iter().find_map(|header| Challenge::parse(header, &scope));
        let text = match challenge {
            None => return Err(self.nonsense("a challenge of no kind that is known")),
            Some(Challenge::Basic) => self.credentials.basic().ok_or_else(|| self.unauthorized(""))?,
            Some(Challenge::Bearer(address)) => format!("Bearer {}", self.token(&address).await?),
        };
        let mut header = HeaderValue::from_str(&text).map_err(|_| self.nonsense("a token that is none"))?;
        header.set_sensitive(true);
        Ok(header)
    }

    async fn token(&self, address: &str) -> Result<String, OciError> {
        let url = Url::parse(address).map_err(|_| self.nonsense("a token's address that is none"))?;
        if url.scheme() != "https" && self.origin.scheme() == "https" {
            return Err(self.nonsense("a token's address without HTTPS"));
        }
        let mut request = self.client.get(url);
        if let Some(basic) = self.credentials.basic() {
            request = request.header(AUTHORIZATION, basic);
        }
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        if !response.status().is_success() {
            let words = self.words(response).await;
            return Err(self.unauthorized(&format!(": the server of its tokens says {words}")));
        }
        let bytes = self.body(response, WORDS, &|_| {}).await?;
        let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let token = json["token"].as_str().or_else(|| json["access_token"].as_str());
        token.map(str::to_owned).ok_or_else(|| self.nonsense("an answer without a token"))
    }

    fn is_registry(&self, url: &Url) -> bool {
        url.origin() == self.origin.origin()
    }

    /// An answer of this status, or what the registry says instead.
    async fn expect(&self, response: Response, status: StatusCode) -> Result<Response, OciError> {
        if response.status() == status {
            return Ok(response);
        }
        let words = self.words(response).await;
        Err(OciError::Refused { host: self.repository.host().to_owned(), words })
    }

    /// The status of an answer, and the registry's own words.
    async fn words(&self, response: Response) -> String {
        let status = response.status();
        let bytes = self.body(response, WORDS, &|_| {}).await.unwrap_or_default();
        let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let words = json["errors"][0]["message"].as_str().unwrap_or_default();
        let words: String = words.chars().filter(|c| !c.is_control()).take(SHOWN).collect();
        format!("{status} {words}").trim_end().to_owned()
    }

    /// All of an answer, if that is not more than `limit`.
    async fn body(
        &self,
        response: Response,
        limit: u64,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Bytes, OciError> {
        let too_large = || self.nonsense("more than was asked for");
        if response.content_length().is_some_and(|length| length > limit) {
            return Err(too_large());
        }
        let mut all = Vec::new();
        let mut pieces = response.bytes_stream();
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|error| self.unreachable(&error))?;
            if (all.len() + piece.len()) as u64 > limit {
                return Err(too_large());
            }
            all.extend_from_slice(&piece);
            progress(piece.len() as u64);
        }
        Ok(all.into())
    }

    fn host(&self) -> String {
        self.repository.host().to_owned()
    }

    fn unreachable(&self, error: &reqwest::Error) -> OciError {
        let host = error.url().and_then(Url::host_str).map_or_else(|| self.host(), str::to_owned);
        let host = if Some(host.as_str()) == self.origin.host_str() { self.host() } else { host };
        OciError::Unreachable { host, reason: reason(error) }
    }

    fn wrong(&self, digest: &str) -> OciError {
        OciError::Wrong { host: self.host(), digest: digest.to_owned() }
    }

    fn nonsense(&self, what: &str) -> OciError {
        OciError::Nonsense { host: self.host(), what: what.to_owned() }
    }

    fn unauthorized(&self, reason: &str) -> OciError {
        let remark = self.credentials.remark().map(|remark| format!("{reason}; {remark}"));
        let reason = remark.unwrap_or_else(|| reason.to_owned());
        let reason = reason.strip_prefix("; ").map_or_else(|| reason.clone(), |rest| format!(": {rest}"));
        OciError::Unauthorized { host: self.host(), reason }
    }
}

/// The innermost reason, which is what tells people something.
fn reason(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

//! One object: looked for, sent part by part, put together, and compared.

use std::fmt::Write as _;

use reqwest::{Method, RequestBuilder, StatusCode, header::HeaderMap};

use super::{
    S3,
    parts::{Part, Parts},
    refusal::refusal,
    sign::Unsigned,
};
use crate::{
    check::Visibility,
    diagnostic::codes,
    publish::{
        Progress, PublishError, Published, Request, Sending, Sent,
        service::{Answer, ask, upload},
    },
    text::Digest,
};

/// Times that a part is sent before a connection that breaks is complained of.
const TRIES: u32 = 3;
/// Under which an object has the digest of its content.
const OURS: &str = "x-amz-meta-imgfile-sha256";

pub struct Object<'a> {
    s3: &'a S3,
    request: &'a Request,
    /// Its name in the bucket.
    key: String,
}

impl<'a> Object<'a> {
    pub fn of(s3: &'a S3, request: &'a Request) -> Result<Self, PublishError> {
        let refused = |what: &str, way: &str| {
            let message = format!("a bucket of S3 has nothing like `{what}`");
            Err(PublishError::new(codes::TARGET_REFUSED, message).help(way.to_owned()))
        };
        if !request.share.is_empty() || request.visibility != Visibility::Private {
            return refused("share", "leave it out; who reads the bucket is said in the bucket's policy");
        }
        if request.protect {
            return refused("protect", "leave it out, and lock objects by the bucket's own rules");
        }
        let key = format!("{}{}.{}", s3.prefix, request.name, request.format.extension());
        // Servers and clients take such names for paths.
        if key.split('/').any(|part| matches!(part, "" | "." | "..")) {
            let message = format!("`{key}` cannot be the name of an object");
            return Err(PublishError::new(codes::TARGET_REFUSED, message).help("give it another `name`"));
        }
        Ok(Self { s3, request, key })
    }

    pub async fn publish(&self, progress: Progress<'_>) -> Result<Published, PublishError> {
        let sent = match self.look().await? {
            Some(there) if self.is_ours(&there) => Sent::There,
            Some(_) => {
                let message = format!("there is another object `{}`, with other content", self.key);
                return Err(PublishError::new(codes::NAME_TAKEN, message).help(format!(
                    "let each version have a name of its own: `name = \"{}-${{version}}\"`, with a `param`",
                    self.request.name
                )));
            }
            None => {
                self.send(progress).await?;
                Sent::Sent
            }
        };
        let id = format!("s3://{}/{}", self.s3.bucket.name, self.key);
        Ok(Published { id, region: None, sent, notes: Vec::new() })
    }

    fn is_ours(&self, there: &HeaderMap) -> bool {
        let text = |name: &str| there.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        text(OURS) == self.request.sha256.to_string()
            && text("content-length") == self.request.size.to_string()
    }

    fn refused(&self, answer: &Answer) -> PublishError {
        let said = self.s3.secrets.masked(&answer.words());
        refusal(self.request, &self.s3.bucket.name, answer, &said)
    }

    /// A signed request about the object.
    fn signed(
        &self,
        method: Method,
        query: Vec<(&str, &str)>,
        headers: Vec<(String, String)>,
        body: Digest,
    ) -> RequestBuilder {
        let unsigned = Unsigned { method, object: &self.key, query, headers, body };
        unsigned.sign(&self.s3.http, &self.s3.bucket, &self.s3.credentials)
    }

    /// One without a body.
    fn bare(&self, method: Method, query: Vec<(&str, &str)>, headers: &[(&str, &str)]) -> RequestBuilder {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.signed(method, query, headers.collect(), Digest::of(""))
    }

    /// The headers of the object; none if there is none.
    async fn look(&self) -> Result<Option<HeaderMap>, PublishError> {
        let request = self.bare(Method::HEAD, Vec::new(), &[("x-amz-checksum-mode", "ENABLED")]);
        let answer = ask(request).await?;
        match answer.status {
            StatusCode::OK => Ok(Some(answer.headers)),
            StatusCode::NOT_FOUND => Ok(None),
            // An answer to this method has no words; the same is asked by one that has.
            _ => {
                let answer = ask(self.bare(Method::GET, Vec::new(), &[("range", "bytes=0-0")])).await?;
                Err(self.refused(&answer))
            }
        }
    }

    async fn send(&self, progress: Progress<'_>) -> Result<(), PublishError> {
        let upload = self.begin().await?;
        let sent = async {
            let mut parts = Parts::of(self.request)?;
            let (mut list, mut done) = (String::new(), 0);
            while let Some(part) = parts.next()? {
                let tag = self.send_part(&upload, &part, done, progress).await?;
                done += part.bytes.len() as u64;
                let (number, sha256) = (part.number, &part.sha256);
                let tag = tag.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
                // Writing to a text does not fail.
                let _ = write!(
                    list,
                    "<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag><ChecksumSHA256>{sha256}</ChecksumSHA256></Part>"
                );
            }
            let (whole, composite) = parts.end();
            if whole != self.request.sha256 {
                let message = format!("{} changed while it was sent", self.request.file.display());
                return Err(
                    PublishError::new(codes::ARTIFACT_CHANGED, message).help("publish it when it is at rest")
                );
            }
            self.complete(&upload, &list).await?;
            Ok(composite)
        };
        match sent.await {
            Ok(composite) => self.compare(&composite).await,
            Err(error) => {
                let gone = ask(self.bare(Method::DELETE, vec![("uploadId", &upload)], &[])).await;
                Err(match gone {
                    Ok(answer) if answer.status.is_success() => error,
                    _ => error.note(format!(
                        "what came there of it could not be taken away: `aws s3api abort-multipart-upload --bucket {} \
                         --key {} --upload-id {upload}`",
                        self.s3.bucket.name,
                        self.key
                    )),
                })
            }
        }
    }

    /// What the object is to say of itself.
    fn metadata(&self) -> Vec<(String, String)> {
        let mut headers = vec![
            (OURS.to_owned(), self.request.sha256.to_string()),
            ("x-amz-checksum-algorithm".to_owned(), "SHA256".to_owned()),
            ("x-amz-checksum-type".to_owned(), "COMPOSITE".to_owned()),
        ];
        if let Some(facts) = &self.request.facts {
            headers.push(("x-amz-meta-os-distro".to_owned(), facts.os.clone()));
            headers.push(("x-amz-meta-os-version".to_owned(), facts.os_version.clone()));
            headers.push(("x-amz-meta-architecture".to_owned(), facts.arch.as_str().to_owned()));
        }
        for (key, value) in &self.request.properties {
            headers
                .push((format!("x-amz-meta-{}", key.to_ascii_lowercase().replace(':', "-")), value.clone()));
        }
        if !self.request.tags.is_empty() {
            let encoded = |tag: &String| {
                let plain = percent_encoding::NON_ALPHANUMERIC;
                format!("{}=", percent_encoding::utf8_percent_encode(tag, plain))
            };
            let tags: Vec<String> = self.request.tags.iter().map(encoded).collect();
            headers.push(("x-amz-tagging".to_owned(), tags.join("&")));
        }
        headers
    }

    async fn begin(&self) -> Result<String, PublishError> {
        let headers = self.metadata();
        if let Some((key, _)) =
            headers.iter().find(|(_, value)| !value.bytes().all(|b| (b' '..=b'~').contains(&b)))
        {
            let message = format!("S3 takes only ASCII in `{}`", key.trim_start_matches("x-amz-meta-"));
            return Err(PublishError::new(codes::TARGET_REFUSED, message));
        }
        let request = self.signed(Method::POST, vec![("uploads", "")], headers, Digest::of(""));
        let answer = ask(request).await?;
        if answer.status != StatusCode::OK {
            return Err(self.refused(&answer));
        }
        let text = String::from_utf8_lossy(&answer.body);
        // Nothing else of the answer is needed, and an id has no characters that XML would write otherwise.
        let id = text.split_once("<UploadId>").and_then(|(_, rest)| Some(rest.split_once("</UploadId>")?.0));
        id.map(str::to_owned).ok_or_else(|| self.refused(&answer))
    }

    /// Sends a part, once more where the connection breaks; answers its tag.
    async fn send_part(
        &self,
        id: &str,
        part: &Part,
        before: u64,
        progress: Progress<'_>,
    ) -> Result<String, PublishError> {
        let make = || -> RequestBuilder {
            let number = part.number.to_string();
            let headers = vec![("x-amz-checksum-sha256".to_owned(), part.sha256.clone())];
            let query = vec![("partNumber", number.as_str()), ("uploadId", id)];
            let request = self.signed(Method::PUT, query, headers, part.digest);
            request.header("Content-Length", part.bytes.len())
        };
        let size = part.bytes.len() as u64;
        let mut tried = 1;
        loop {
            let sending = Sending::default();
            let body = reqwest::Body::wrap_stream(sending.of_bytes(part.bytes.clone()));
            let shown = |done: u64, _: u64| progress(before + done, self.request.size);
            match upload(make().body(body), &sending, size, &shown).await {
                Ok(answer) if answer.status == StatusCode::OK => {
                    let tag = answer.headers.get("etag").and_then(|tag| tag.to_str().ok());
                    return tag.map(str::to_owned).ok_or_else(|| self.refused(&answer));
                }
                Ok(answer) if !answer.status.is_server_error() || tried == TRIES => {
                    return Err(self.refused(&answer));
                }
                Err(error) if tried == TRIES => return Err(error.note(format!("it was tried {tried} times"))),
                Ok(_) | Err(_) => tried += 1,
            }
        }
    }

    async fn complete(&self, id: &str, list: &str) -> Result<(), PublishError> {
        let body = format!(
            "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{list}</CompleteMultipartUpload>"
        );
        let headers = vec![("content-type".to_owned(), "application/xml".to_owned())];
        let request =
            self.signed(Method::POST, vec![("uploadId", id)], headers, Digest::of(&body)).body(body);
        // It takes its time for large objects, and says 200 before it knows how it ends.
        let nothing = Sending::default();
        let answer = upload(request, &nothing, 0, &|_, _| {}).await?;
        let failed = String::from_utf8_lossy(&answer.body).contains("<Error>");
        if answer.status == StatusCode::OK && !failed { Ok(()) } else { Err(self.refused(&answer)) }
    }

    /// Holds what is there against what was sent.
    async fn compare(&self, composite: &str) -> Result<(), PublishError> {
        let there = self.look().await?.unwrap_or_default();
        let checksum = there.get("x-amz-checksum-sha256").and_then(|value| value.to_str().ok());
        // Some services write the digest alone, or none.
        let is_same = checksum.is_none_or(|checksum| {
            checksum == composite || composite.split_once('-').is_some_and(|(digest, _)| digest == checksum)
        });
        if self.is_ours(&there) && is_same {
            return Ok(());
        }
        let _ = ask(self.bare(Method::DELETE, Vec::new(), &[])).await;
        let message = format!("what the service has of `{}` is not what was sent", self.request.name);
        Err(PublishError::new(codes::CHECKSUM_DIFFERS, message)
            .note(format!("its checksum is {} there and {composite} here", checksum.unwrap_or("unknown")))
            .help("type `imgfile publish` again; if it happens again, the service's storage is at fault"))
    }
}

//! What a server sends, held to a pace.

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use reqwest::Response;
use tokio::time::Instant;

use super::Pace;
use super::error::{FetchError, unreachable};

/// What a server sends, as long as it sends enough.
pub(super) struct Body<'a, S> {
    url: &'a str,
    stream: S,
    slowest: Pace,
    /// Of the time that runs now: when it ends, and what has come in it.
    ends: Instant,
    bytes: u64,
}

impl<'a> Body<'a, ()> {
    pub(super) fn new(
        url: &'a str,
        response: Response,
        slowest: Pace,
    ) -> Body<'a, impl Stream<Item = reqwest::Result<Bytes>> + Unpin> {
        let stream = Box::pin(response.bytes_stream());
        Body { url, stream, slowest, ends: Instant::now() + slowest.window, bytes: 0 }
    }
}

impl<S: Stream<Item = reqwest::Result<Bytes>> + Unpin> Body<'_, S> {
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, FetchError> {
        loop {
            let next = tokio::time::timeout_at(self.ends, self.stream.next()).await;
            if Instant::now() >= self.ends {
                if self.bytes < self.slowest.bytes {
                    let (url, bytes) = (self.url.to_owned(), self.bytes);
                    return Err(FetchError::Slow { url, bytes, pace: self.slowest });
                }
                (self.ends, self.bytes) = (Instant::now() + self.slowest.window, 0);
            }
            match next {
                Err(_) => {}
                Ok(None) => return Ok(None),
                Ok(Some(Err(error))) => return Err(unreachable(self.url, &error)),
                Ok(Some(Ok(chunk))) => {
                    self.bytes += chunk.len() as u64;
                    return Ok(Some(chunk));
                }
            }
        }
    }
}

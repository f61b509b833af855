//! What services that speak HTTP have in common: a client by the user's settings, answers of bounded size, and their
//! words without secrets.

use std::time::Duration;

use futures_util::StreamExt as _;
use reqwest::{Client, ClientBuilder, RequestBuilder, StatusCode, header::HeaderMap, redirect::Policy};

use super::{Progress, PublishError, Sending};
use crate::{
    diagnostic::codes,
    store::fetch::{Network, client_builder},
    text::without_credentials,
};

/// Bytes of an answer that are read.
const ANSWER: usize = 4 << 20;
/// How long an answer may take that is no upload's.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long an upload may stand still.
const STILL: Duration = Duration::from_mins(1);
/// How long a service may take for a file that it has whole: it may write it on to another one.
const DIGESTING: Duration = Duration::from_mins(10);
/// Between two looks at how far an upload is.
const LOOK: Duration = Duration::from_millis(200);

/// An answer, whatever its status.
#[derive(Debug)]
pub struct Answer {
    /// Such as 201.
    pub status: StatusCode,
    /// As they came.
    pub headers: HeaderMap,
    /// Cut where it is longer than anybody needs.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON, or null.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// What the service says in it, in plain words: the message of a JSON error, or a page without its marks.
    #[must_use]
    pub fn words(&self) -> String {
        let json = self.json();
        let message = json["error"]["message"].as_str().or_else(|| json["message"].as_str());
        let words = match message {
            Some(message) => message.to_owned(),
            None => without_marks(&String::from_utf8_lossy(&self.body)),
        };
        let (words, status) = (words.trim(), self.status.as_str());
        if words.starts_with(status) { words.to_owned() } else { format!("{status} {words}") }
    }
}

/// A page of HTML as text.
fn without_marks(page: &str) -> String {
    // What only names the page says the same once more.
    let body = page.split_once("<body").map_or(page, |(_, body)| body);
    let mut text = String::new();
    let mut within = body.len() < page.len();
    for c in body.chars() {
        match c {
            '<' => within = true,
            '>' if within => {
                within = false;
                text.push(' ');
            }
            _ if !within => text.push(c),
            _ => {}
        }
    }
    text
}

/// A client by the settings. It follows no redirection: what is sent are credentials, and they are for one address.
pub fn client(
    network: &Network,
    more: impl FnOnce(ClientBuilder) -> Result<ClientBuilder, PublishError>,
) -> Result<Client, PublishError> {
    let unusable = |reason: String| PublishError::new(codes::TARGET_UNREACHABLE, reason);
    let builder = client_builder(network).map_err(|error| unusable(error.to_string()))?;
    // An upload is silent for as long as it takes; its pace is looked at in `upload`.
    let builder = more(builder.redirect(Policy::none()).read_timeout(DIGESTING))?;
    builder.build().map_err(|error| unusable(reason(&error)))
}

/// Sends a request and reads the answer.
pub async fn ask(request: RequestBuilder) -> Result<Answer, PublishError> {
    let answer = async { read(request.send().await?).await };
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(answer) => answer.map_err(|error| unreachable(&error)),
        Err(_) => Err(PublishError::new(
            codes::TARGET_UNREACHABLE,
            format!("the service has not answered for {} s", PATIENCE.as_secs()),
        )),
    }
}

/// Sends a request whose body goes by `sending`, as long as it goes on.
pub async fn upload(
    request: RequestBuilder,
    sending: &Sending,
    size: u64,
    progress: Progress<'_>,
) -> Result<Answer, PublishError> {
    let answer = async { read(request.send().await?).await };
    let watch = async {
        let (mut last, mut still) = (0, Duration::ZERO);
        loop {
            tokio::time::sleep(LOOK).await;
            let bytes = sending.bytes();
            progress(bytes, size);
            still = if bytes == last { still + LOOK } else { Duration::ZERO };
            last = bytes;
            let patience = if bytes >= size { DIGESTING } else { STILL };
            if still >= patience {
                return patience;
            }
        }
    };
    tokio::select! {
        answer = answer => answer.map_err(|error| unreachable(&error)),
        patience = watch => Err(PublishError::new(
            codes::TARGET_UNREACHABLE,
            format!("the service has taken nothing for {} s", patience.as_secs()),
        )),
    }
}

async fn read(response: reqwest::Response) -> reqwest::Result<Answer> {
    let (status, headers) = (response.status(), response.headers().clone());
    let mut body = Vec::new();
    let mut pieces = response.bytes_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece?;
        body.extend_from_slice(&piece[..piece.len().min(ANSWER - body.len())]);
        if body.len() == ANSWER {
            break;
        }
    }
    Ok(Answer { status, headers, body })
}

/// A connection that could not be made, or broke.
fn unreachable(error: &reqwest::Error) -> PublishError {
    let place = error.url().map(|url| {
        let origin = url.origin().ascii_serialization();
        without_credentials(&origin).into_owned()
    });
    let message = match place {
        Some(place) => format!("the connection to `{place}` failed: {}", reason(error)),
        None => format!("the connection failed: {}", reason(error)),
    };
    PublishError::new(codes::TARGET_UNREACHABLE, message)
        .help("`imgfile publish` may be typed again: what is there is not sent twice")
}

/// The innermost reason, which is what tells people something.
fn reason(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// Texts that nobody else may see.
#[derive(Clone, Default)]
pub struct Secrets(Vec<String>);

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Secrets").field(&self.0.len()).finish()
    }
}

impl Secrets {
    /// Adds one; what is too short to be one is left out.
    pub fn add(&mut self, secret: &str) {
        if secret.len() >= 4 {
            self.0.push(secret.to_owned());
        }
    }

    /// A service's words without them.
    #[must_use]
    pub fn masked(&self, words: &str) -> String {
        self.0.iter().fold(words.to_owned(), |words, secret| words.replace(secret.as_str(), "***"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &str) -> Answer {
        Answer { status: StatusCode::FORBIDDEN, headers: HeaderMap::new(), body: body.as_bytes().to_vec() }
    }

    #[test]
    fn words_are_what_the_service_says() {
        assert_eq!(answer("{\"error\": {\"message\": \"no such user\"}}").words(), "403 no such user");
        assert_eq!(answer("{\"message\": \"no\"}").words(), "403 no");
        let page =
            "<html><head><title>403 Forbidden</title></head><body><h1>403</h1>Not yours.<br/></body></html>";
        let words = answer(page).words();
        assert!(words.contains("Not yours.") && !words.contains('<') && !words.contains("title"), "{words}");
        assert_eq!(answer("plain").words(), "403 plain");
    }

    #[test]
    fn secrets_are_masked() {
        let mut secrets = Secrets::default();
        secrets.add("hunter22");
        secrets.add("x");
        assert_eq!(secrets.masked("no hunter22 x"), "no *** x");
        assert!(!format!("{secrets:?}").contains("hunter22"));
    }
}

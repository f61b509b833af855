//! Why a file could not be had.

use reqwest::StatusCode;

use super::Pace;
use crate::store::StoreError;
use crate::text::{Checksum, Digest, without_credentials as shown};

/// Why something could not be had.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The store has no such file, and nothing may be fetched.
    #[error("{name} is not in the store, and the network is off (--offline)")]
    Offline {
        /// Its name or address, as messages show it.
        name: String,
    },
    /// No connection, or one that broke too often.
    #[error("cannot reach `{}`: {reason}", shown(url))]
    Unreachable {
        /// Address that was asked.
        url: String,
        /// What the connection broke with, such as `connection refused`.
        reason: String,
        /// Seldom changes while one waits: nobody listens there, or one address leads to another in a circle.
        lasting: bool,
    },
    /// The server answered, and has no such file.
    #[error("`{}` is gone ({status})", shown(url))]
    Gone {
        /// Address that was asked.
        url: String,
        /// Status of the answer: 404 or 410.
        status: u16,
    },
    /// The server answered with a defect of its own, or of the request.
    #[error("`{}` cannot be had: the server says {status}", shown(url))]
    Refused {
        /// Address that was asked.
        url: String,
        /// Status of the answer, such as 403.
        status: u16,
    },
    /// Whole, and not what was promised.
    #[error("`{}` has sha256 {actual}, not {expected}", shown(url))]
    Wrong {
        /// Address it came from.
        url: String,
        /// Digest that was promised.
        expected: Digest,
        /// Digest of what came.
        actual: Digest,
    },
    /// As [`Wrong`](Self::Wrong), against a digest of another kind.
    #[error("`{}` does not have the {expected} that its publisher gives", shown(url))]
    NotPublished {
        /// Address it came from.
        url: String,
        /// Checksum that the publisher gives.
        expected: Checksum,
    },
    /// The file is larger than whoever asked for it takes.
    #[error("`{}` is larger than {}", shown(url), crate::check::Size(*limit))]
    TooLarge {
        /// Address it came from.
        url: String,
        /// Bytes that were allowed.
        limit: u64,
    },
    /// The server answers, one drop after the other.
    #[error(
        "`{}` comes too slowly: {bytes} bytes in {} s, and fewer than {} are not waited for",
        shown(url),
        pace.window.as_secs(),
        pace.bytes
    )]
    Slow {
        /// Address it comes from.
        url: String,
        /// Bytes that came within the window of `pace`.
        bytes: u64,
        /// What would have been fast enough.
        pace: Pace,
    },
    /// A setting is unusable: the proxy's URL, or the file of certificates.
    #[error("{0}")]
    Setting(String),
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl FetchError {
    /// The address that did not give what was asked for.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        match self {
            Self::Unreachable { url, .. }
            | Self::Gone { url, .. }
            | Self::Refused { url, .. }
            | Self::Wrong { url, .. }
            | Self::NotPublished { url, .. }
            | Self::Slow { url, .. }
            | Self::TooLarge { url, .. } => Some(url),
            Self::Offline { .. } | Self::Setting(_) | Self::Store(_) => None,
        }
    }
}

pub(super) fn status_error(url: &str, status: StatusCode) -> FetchError {
    let (url, code) = (url.to_owned(), status.as_u16());
    match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => FetchError::Gone { url, status: code },
        status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            FetchError::Unreachable { url, reason: format!("the server says {code}"), lasting: false }
        }
        _ => FetchError::Refused { url, status: code },
    }
}

pub(super) fn unreachable(url: &str, error: &reqwest::Error) -> FetchError {
    let cause = innermost(error);
    let kind = cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    let lasting = kind == Some(std::io::ErrorKind::ConnectionRefused) || error.is_redirect();
    FetchError::Unreachable { url: url.to_owned(), reason: cause.to_string(), lasting }
}

/// What went wrong, without the layers above it, which only say "error sending request".
pub(super) fn reason(error: &(dyn std::error::Error + 'static)) -> String {
    innermost(error).to_string()
}

fn innermost<'a>(error: &'a (dyn std::error::Error + 'static)) -> &'a (dyn std::error::Error + 'static) {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause
}

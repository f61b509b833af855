//! Why a registry was of no use.

use thiserror::Error;

/// Why a registry did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OciError {
    /// No connection, or one that broke.
    #[error("the connection to `{host}` failed: {reason}")]
    Unreachable {
        /// Whom it was to, without credentials.
        host: String,
        /// What it broke with, such as `connection refused`.
        reason: String,
    },
    /// It answered with something else than what was asked for.
    #[error("`{host}` says {words}")]
    Refused {
        /// Who.
        host: String,
        /// Status of the answer, and what the registry says of it.
        words: String,
    },
    /// It wants to know who asks, and what is known here does not do.
    #[error("`{host}` lets nobody in without credentials{reason}")]
    Unauthorized {
        /// Who.
        host: String,
        /// What was tried, beginning with a colon; empty where there is nothing to say.
        reason: String,
    },
    /// What came is not what has this digest.
    #[error("`{host}` sends something else than what has the digest {digest}")]
    Wrong {
        /// Who.
        host: String,
        /// Whose content was wanted.
        digest: String,
    },
    /// What came is no answer of this protocol.
    #[error("`{host}` answers what no registry says: {what}")]
    Nonsense {
        /// Who.
        host: String,
        /// What is wrong with it.
        what: String,
    },
    /// The settings of the network cannot be used.
    #[error("{0}")]
    Setting(String),
}

//! Why a request could not be fulfilled.

use std::fmt;
use std::io;

/// A reason in words, with the kernel's error number where there is one.
#[derive(Debug)]
pub struct AgentError {
    pub reason: String,
    pub errno: i32,
}

pub type Result<T> = std::result::Result<T, AgentError>;

impl AgentError {
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), errno: 0 }
    }
}

impl fmt::Display for AgentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl From<io::Error> for AgentError {
    fn from(error: io::Error) -> Self {
        Self { errno: error.raw_os_error().unwrap_or(0), reason: words(&error) }
    }
}

impl From<nix::Error> for AgentError {
    fn from(errno: nix::Error) -> Self {
        Self { reason: errno.desc().to_owned(), errno: errno as i32 }
    }
}

/// The error without "(os error 2)".
fn words(error: &io::Error) -> String {
    error
        .raw_os_error()
        .map_or_else(|| error.to_string(), |code| nix::Error::from_raw(code).desc().to_owned())
}

/// Puts the thing at fault before the reason.
pub trait At<T> {
    fn at(self, what: impl fmt::Display) -> Result<T>;
}

impl<T, E: Into<AgentError>> At<T> for std::result::Result<T, E> {
    fn at(self, what: impl fmt::Display) -> Result<T> {
        self.map_err(|error| {
            let AgentError { reason, errno } = error.into();
            AgentError { reason: format!("{what}: {reason}"), errno }
        })
    }
}

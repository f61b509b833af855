//! Where finished images go: services that start instances from them. [`Target`] is what each of them is to us, and
//! [`TARGETS`] lists them; nobody else matches on one.
//!
//! A target belongs to the user: its address and its credentials stand in their own configuration, and a project only
//! names it. What a service answers is a stranger's text: it is cut, and secrets are masked in it, before anybody sees it.

mod config;
mod error;
mod glance;
mod libvirt;
mod program;
mod registry;
mod request;
mod s3;
mod service;
mod upload;

use std::{ffi::OsString, fmt::Debug};

use futures_util::future::BoxFuture;

use crate::store::fetch::Network;

pub use config::{ConfigKey, ConfigValue, KeyKind, TargetConfig};
pub use error::PublishError;
pub use program::{FromProgram, Reason, ToProgram};
pub use registry::{TARGETS, TargetEntry};
use upload::Sending;

pub use request::{ImageFacts, Published, Request, Sent};

/// What every operation returns.
pub type Op<'a, T> = BoxFuture<'a, Result<T, PublishError>>;

/// Is told how much of an artifact is sent: bytes so far, and how many there are.
pub type Progress<'a> = &'a (dyn Fn(u64, u64) + Send + Sync);

/// A service that takes images. Dropping the future of an operation is cancelling it.
pub trait Target: Debug + Send + Sync {
    /// Has an artifact there as it is asked for. The same content is not sent twice: what is there already is only
    /// brought into line with what is asked of it.
    fn publish<'a>(&'a self, request: &'a Request, progress: Progress<'a>) -> Op<'a, Published>;
}

/// What a target is opened with besides its configuration.
#[derive(Clone, Copy)]
pub struct OpenContext<'a> {
    /// Looks up a variable of the environment.
    pub env: &'a (dyn Fn(&str) -> Option<OsString> + Sync),
    /// How the network is reached.
    pub network: &'a Network,
}

impl Debug for OpenContext<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenContext").field("network", self.network).finish_non_exhaustive()
    }
}

//! Registries that speak the OCI distribution protocol, such as Docker's: manifests and blobs, read and written.
//!
//! Nothing here knows what is kept there. An answer is believed only where its digest is the one that was asked for, and
//! no more of it is read than was promised. Credentials are those that docker and podman keep for the user, and go to
//! nobody but the registry and the server that it names for tokens.

mod auth;
mod client;
mod credentials;
mod error;
mod repository;

pub use client::{Access, Descriptor, MANIFEST, Registry};
pub use credentials::Credentials;
pub use error::OciError;
pub use repository::Repository;

//! The guest's agent, which every driver starts in its machines.

use sha2::{Digest, Sha256};

/// Its program, built by `build.rs`.
pub(super) const PROGRAM: &[u8] = include_bytes!(env!("IMGFILE_AGENT"));

/// Identifies the program in step keys: equal agents do equal things.
#[must_use]
pub fn version() -> String {
    hex::encode(&Sha256::digest(PROGRAM)[..8])
}

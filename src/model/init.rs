//! What runs a booted system.

use serde::{Deserialize, Serialize};

/// The init system of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Init {
    Systemd,
    OpenRc,
    Other,
}

//! What runs a booted system.

use serde::{Deserialize, Serialize};

/// The init system of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Init {
    /// The default of Debian, Ubuntu and most others.
    Systemd,
    /// Alpine's, with init scripts in `/etc/init.d`.
    OpenRc,
    /// Neither of the two was found: driven as systemd where it has to be driven at all.
    Other,
}

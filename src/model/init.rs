//! What runs a booted system.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The init system of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Init {
    /// The default of Debian, Ubuntu and most others.
    Systemd,
    /// Alpine's, with init scripts in `/etc/init.d`.
    OpenRc,
    /// Neither of the two was found: driven as systemd where it has to be driven at all.
    Other,
}

impl Init {
    /// In lower case, as reports have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
            Self::OpenRc => "openrc",
            Self::Other => "other",
        }
    }
}

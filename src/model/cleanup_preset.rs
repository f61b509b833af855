//! How much a build clears before it seals a disk, and so what is asked of one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much is cleared; the topics of each are in `docs/cleanup.md`, what is asked of a disk in `docs/inspect.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CleanupPreset {
    /// Everything that instances of one image must not share, and everything that is only waste.
    #[default]
    Cloud,
    /// Only what makes an instance unique: its identifiers, keys and registrations, and what it learned of its
    /// network.
    Identity,
    /// Only what it would be unsafe to share: machine id, keys and secrets, temporary files.
    Minimal,
    /// Nothing but the traces of the build itself.
    None,
}

impl CleanupPreset {
    /// All of them, the most thorough first.
    pub const ALL: [Self; 4] = [Self::Cloud, Self::Identity, Self::Minimal, Self::None];

    /// As the ImageFile writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cloud => "cloud",
            Self::Identity => "identity",
            Self::Minimal => "minimal",
            Self::None => "none",
        }
    }
}

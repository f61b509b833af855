//! What is said on the standard streams of a program, each message a line of JSON.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    diagnostic::{Code, codes},
    publish::{Request, Sent},
    text::Digest,
};

/// The version that is spoken here.
pub const PROTOCOL: u32 = 1;

/// What a program is told: one line, after which its standard input ends.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum ToProgram<'a> {
    /// Have this artifact at its place, as it is asked for.
    Publish {
        /// 1.
        protocol: u32,
        /// As the user's configuration names the target.
        target: &'a str,
        /// What is asked.
        request: &'a Request,
    },
}

/// What a program says, a line each: `hello` first, then as much as it likes of `progress` and `note`, and at last
/// `published` or `failed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum FromProgram {
    /// It speaks this protocol. It is told what is asked after that.
    Hello {
        /// 1.
        protocol: u32,
    },
    /// How much of the file it has sent.
    Progress {
        /// Bytes so far.
        done: u64,
    },
    /// Something worth knowing.
    Note {
        /// A sentence without a full stop.
        text: String,
    },
    /// The artifact is there.
    Published {
        /// What the service calls it, not empty.
        id: String,
        /// What had to be done for it.
        sent: Sent,
        /// The region it is in, where there are regions.
        #[serde(default)]
        region: Option<String>,
        /// Digest of what is there, if the service tells one: it is compared.
        #[serde(default)]
        sha256: Option<Digest>,
    },
    /// It is not.
    Failed {
        /// What kind of failure it is.
        reason: Reason,
        /// What happened, a sentence without a full stop.
        message: String,
        /// The way out, if there is one.
        #[serde(default)]
        help: Option<String>,
    },
}

/// Why an artifact is not at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The service does not let one in.
    Denied,
    /// No connection, or a defect of the service.
    Unreachable,
    /// No room.
    Quota,
    /// Another image has the name.
    NameTaken,
    /// The image there is protected.
    Protected,
    /// What is there is not what was sent.
    Checksum,
    /// There is no such region.
    Region,
    /// The program's own configuration is wrong.
    Config,
    /// All else that is refused.
    Refused,
}

impl Reason {
    pub(super) const fn code(self) -> Code {
        match self {
            Self::Denied => codes::TARGET_DENIED,
            Self::Unreachable => codes::TARGET_UNREACHABLE,
            Self::Quota => codes::TARGET_QUOTA,
            Self::NameTaken => codes::NAME_TAKEN,
            Self::Protected => codes::TARGET_PROTECTED,
            Self::Checksum => codes::CHECKSUM_DIFFERS,
            Self::Region => codes::REGION_UNKNOWN,
            Self::Config => codes::TARGET_CONFIG,
            Self::Refused => codes::TARGET_REFUSED,
        }
    }
}

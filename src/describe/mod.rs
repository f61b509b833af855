//! What is written about an image beside its disk, as pure functions of what a build knows.
//!
//! An [`Inventory`] is what the finished disk itself says: its system, and its packages from the database of its own
//! package manager, with their licences. With the plan and the artifacts' digests it becomes
//!
//! - the [`Manifest`], our own format, which [`verify`](crate::ops::verify::verify) starts from;
//! - a software bill of materials, in SPDX 2.3 ([`spdx`]) and CycloneDX 1.6 ([`cyclonedx`]);
//! - provenance, an in-toto [`Statement`] with a predicate of SLSA v1;
//! - and a signature over that statement, in a DSSE [`Envelope`].
//!
//! The same inputs give the same texts: times come in as values, and nothing of the host that builds is in them, nor
//! any name of a user, nor a secret. Not done here: nothing is read from a disk (`exec::inventory`), no file is written
//! (`exec::describe`), none is checked (`ops::verify`).

mod apk;
pub mod cyclonedx;
mod dpkg;
mod envelope;
mod inventory;
mod key;
mod license;
mod manifest;
mod package;
mod provenance;
mod purl;
pub mod spdx;
mod stem;
mod time;

pub use envelope::{Envelope, EnvelopeError, EnvelopeSignature, PAYLOAD_TYPE};
pub use inventory::{COPYRIGHT_LIMIT, Inventory, copyright_path};
pub use key::{KeyFileError, SigningKey, VerifyingKey};
pub use manifest::{
    Document, DocumentKind, FORMAT, Manifest, ManifestArtifact, ManifestBase, ManifestPackage, ManifestStep,
    Subject,
};
pub use package::{InventoryPackage, PackageKind, SourcePackage};
pub use provenance::{
    BUILD_TYPE, PREDICATE_TYPE, Request, STATEMENT_TYPE, Statement, StatementSubject, statement,
};
pub use stem::{file_name, is_plain_name, stem};
pub use time::rfc3339;

/// A form of software bill of materials.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum SbomFormat {
    /// SPDX 2.3 as JSON (ISO/IEC 5962 is its version 2.2.1).
    Spdx,
    /// CycloneDX 1.6 as JSON (ECMA-424).
    CycloneDx,
}

impl SbomFormat {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::Spdx, Self::CycloneDx];

    /// As the command line calls it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Spdx => "spdx",
            Self::CycloneDx => "cyclonedx",
        }
    }

    /// What its documents are in a manifest.
    #[must_use]
    pub const fn kind(self) -> DocumentKind {
        match self {
            Self::Spdx => DocumentKind::Spdx,
            Self::CycloneDx => DocumentKind::CycloneDx,
        }
    }

    /// The document of an image, as it is written.
    #[must_use]
    pub fn document(self, manifest: &Manifest, inventory: &Inventory) -> String {
        let value = match self {
            Self::Spdx => spdx::document(manifest, inventory),
            Self::CycloneDx => cyclonedx::document(manifest, inventory),
        };
        pretty(&value)
    }
}

/// JSON as all these files have it: indented, with a line end.
#[must_use]
pub fn pretty<T: serde::Serialize>(value: &T) -> String {
    // Plain data with text keys always has a JSON form.
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

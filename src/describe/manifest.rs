//! The manifest: what an image is and what it was made of, in a format of our own.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Inventory, SbomFormat, pretty, rfc3339};
use crate::{
    model::{Arch, Firmware, OutputFormat},
    plan::{Action, BaseSource, CopyFrom, ImagePlan},
    text::Digest,
};

/// The format that this program writes.
pub const FORMAT: u32 = 1;

/// What an image is and what it was made of: `NAME.manifest.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Manifest {
    /// Of this file: 1.
    pub format: u32,
    /// Version of imgfile that wrote it.
    pub imgfile: String,
    /// Name of the image in the ImageFile.
    pub image: String,
    /// Its `description`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// When its disk was finished (RFC 3339); what `SOURCE_DATE_EPOCH` says, where that is set.
    pub created: String,
    /// Distribution, such as `debian`.
    pub os: String,
    /// Of the distribution, such as `13`.
    pub os_version: String,
    /// Of the system.
    pub arch: Arch,
    /// What the disk boots under.
    pub firmware: Vec<Firmware>,
    /// Virtual size of the disk in bytes.
    pub disk_size: u64,
    /// Whether the image's tests were run on it, and passed; false too if it has none.
    pub tested: bool,
    /// SHA-256 of the `ImageFile.lock` it was built by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<Digest>,
    /// What the image starts from.
    pub base: ManifestBase,
    /// What was done to it, with the key that names the state of the disk afterwards.
    pub steps: Vec<ManifestStep>,
    /// Files that `copy url` put into it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub downloads: Vec<Origin>,
    /// Package databases that its disk has: `dpkg`, `apk`. With none, nothing is known of its packages.
    pub databases: Vec<String>,
    /// Its packages, as these databases have them.
    pub packages: Vec<ManifestPackage>,
    /// The disk files.
    pub artifacts: Vec<ManifestArtifact>,
    /// Files beside them that say more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub documents: Vec<Document>,
}

/// What an image starts from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ManifestBase {
    /// Name in the catalogue, of the file, or of the image.
    pub name: String,
    /// What it is.
    pub kind: BaseKind,
    /// Of the disk; of a base that is made here, of its recipe; of another image, the key of its last step.
    pub sha256: Digest,
    /// Where the disk was downloaded, without credentials and query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// What a base is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BaseKind {
    /// Made from packages.
    Bootstrap,
    /// A disk of the machine that built.
    File,
    /// A downloaded disk.
    Url,
    /// Another image.
    Image,
    /// The disk of a machine that was captured: nobody knows what it was made of.
    Captured,
}

/// One step of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ManifestStep {
    /// Such as `packages` or `script provision.sh`.
    pub name: String,
    /// Hash of all that decides the state of the disk after this step.
    pub key: Digest,
}

/// Where a file comes from that is in the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Origin {
    /// Without credentials and query.
    pub url: String,
    /// Its checksum, by algorithm: `sha256` or `sha512`.
    pub digest: BTreeMap<String, String>,
}

/// A package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ManifestPackage {
    /// Such as `libc6`.
    pub name: String,
    /// The whole of it.
    pub version: String,
    /// As its package manager calls it.
    pub arch: String,
    /// Package URL.
    pub purl: String,
    /// Of the package file, where the lock pins it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
}

/// A disk file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ManifestArtifact {
    /// Its name, in the folder of the manifest.
    pub file: String,
    /// What it is.
    pub format: OutputFormat,
    /// Of the whole file.
    pub sha256: Digest,
    /// In bytes.
    pub size: u64,
}

/// A file that says more about the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Document {
    /// Its name, in the folder of the manifest.
    pub file: String,
    /// What it is.
    pub kind: DocumentKind,
    /// Of the whole file.
    pub sha256: Digest,
}

/// What a file beside an artifact is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DocumentKind {
    /// A manifest.
    Manifest,
    /// An SPDX 2.3 document.
    Spdx,
    /// A CycloneDX 1.6 document.
    CycloneDx,
    /// An OpenVEX document: which advisories concern the image.
    Vex,
    /// An in-toto statement, unsigned.
    Provenance,
    /// The same statement in a signed DSSE envelope.
    Envelope,
}

impl DocumentKind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Manifest, Self::Spdx, Self::CycloneDx, Self::Vex, Self::Provenance, Self::Envelope];

    /// What follows the artifact's stem and a dot: what those who write such files call them.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Manifest => "manifest.json",
            Self::Spdx => "spdx.json",
            Self::CycloneDx => "cdx.json",
            Self::Vex => "openvex.json",
            Self::Provenance => "provenance.json",
            Self::Envelope => "intoto.jsonl",
        }
    }
}

/// All that a manifest is made from, beside the files that are written later.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// What was built.
    pub plan: &'a ImagePlan,
    /// What the finished disk says.
    pub inventory: &'a Inventory,
    /// Whether tests were run.
    pub tested: bool,
    /// SHA-256 of the lock file.
    pub lock: Option<Digest>,
    /// In seconds since 1970, in place of the time when the disk was finished.
    pub time: Option<u64>,
}

impl Manifest {
    /// Of these disk files, with no documents yet.
    #[must_use]
    pub fn of(subject: Subject<'_>, artifacts: Vec<ManifestArtifact>) -> Self {
        let Subject { plan, inventory, tested, lock, time } = subject;
        let package = |package: &super::InventoryPackage| ManifestPackage {
            name: package.name.clone(),
            version: package.version.clone(),
            arch: package.arch.clone(),
            purl: package.purl.clone(),
            sha256: package.sha256,
        };
        Self {
            format: FORMAT,
            imgfile: env!("CARGO_PKG_VERSION").to_owned(),
            image: plan.image.clone(),
            description: plan.description.clone(),
            labels: plan.labels.clone(),
            created: rfc3339(time.unwrap_or(inventory.finished)),
            os: plan.os.distro.clone(),
            os_version: plan.os.version.clone(),
            arch: plan.arch,
            firmware: plan.base.firmware.clone(),
            disk_size: plan.disk_size,
            tested,
            lock,
            base: ManifestBase::of(plan),
            steps: plan
                .steps
                .iter()
                .map(|step| ManifestStep { name: bare_name(&step.name), key: step.key.0 })
                .collect(),
            downloads: downloads(plan),
            databases: inventory.databases.clone(),
            packages: inventory.packages.iter().map(package).collect(),
            artifacts,
            documents: Vec::new(),
        }
    }
}

impl Manifest {
    /// A name of a document of this image that nothing else has, as long as nothing that is in it changes: a UUID
    /// (RFC 9562, version 8) of its digest.
    #[must_use]
    pub(super) fn uuid(&self, format: SbomFormat) -> String {
        let bare = Self { documents: Vec::new(), ..self.clone() };
        let mut hex: Vec<char> =
            Digest::of(format!("{}{}", format.as_str(), pretty(&bare))).to_string().chars().collect();
        hex[12] = '8';
        hex[16] = 'a';
        let part = |from: usize, to: usize| hex[from..to].iter().collect::<String>();
        let parts = [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)];
        format!("urn:uuid:{}", parts.join("-"))
    }
}

impl ManifestBase {
    fn of(plan: &ImagePlan) -> Self {
        let base = &plan.base;
        // Of a disk on the machine that built, only the file's name is told.
        let file = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        let (name, kind, sha256, url) = match &base.source {
            BaseSource::Bootstrap { recipe, .. } => (base.name.clone(), BaseKind::Bootstrap, *recipe, None),
            BaseSource::File { path, sha256 } => (file(path), BaseKind::File, *sha256, None),
            BaseSource::Url { url, sha256 } => {
                let bare = bare_url(url);
                let name = if base.name == *url { file(&bare) } else { base.name.clone() };
                (name, BaseKind::Url, *sha256, Some(bare))
            }
            BaseSource::Captured { disk, sha256 } => (disk.clone(), BaseKind::Captured, *sha256, None),
            BaseSource::Image { image, key } => (image.clone(), BaseKind::Image, key.0, None),
        };
        Self { name, kind, sha256, url }
    }
}

/// What the steps of a plan download.
fn downloads(plan: &ImagePlan) -> Vec<Origin> {
    let one = |step: &crate::plan::Step| match &step.action {
        Action::Copy(copy) => match &copy.from {
            CopyFrom::Download { url, checksum, .. } => {
                let digest = BTreeMap::from([(checksum.kind().to_owned(), checksum.hex())]);
                Some(Origin { url: bare_url(url), digest })
            }
            _ => None,
        },
        _ => None,
    };
    plan.steps.iter().filter_map(one).collect()
}

/// An address without what may be somebody's secret: a password before the host, a token in the query.
pub(super) fn bare_url(url: &str) -> String {
    let bare = url.split(['?', '#']).next().unwrap_or_default();
    match bare.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) =
                rest.split_once('/').map_or((rest, None), |(host, path)| (host, Some(path)));
            let host = authority.rsplit('@').next().unwrap_or_default();
            let path = path.map(|path| format!("/{path}")).unwrap_or_default();
            format!("{scheme}://{host}{path}")
        }
        None => bare.to_owned(),
    }
}

/// A step's name, which may hold an address.
pub(super) fn bare_name(name: &str) -> String {
    let words =
        name.split(' ').map(|word| if word.contains("://") { bare_url(word) } else { word.to_owned() });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_an_address_is_told_that_lets_somebody_in() {
        let cases = [
            ("https://u:p@example.org/a/b?token=1#x", "https://example.org/a/b"),
            ("https://example.org", "https://example.org"),
            ("https://example.org?x", "https://example.org"),
            ("https://example.org/@scope/file", "https://example.org/@scope/file"),
        ];
        for (url, bare) in cases {
            assert_eq!(bare_url(url), bare);
        }
        assert_eq!(bare_name("copy https://a:b@c.example/d?e"), "copy https://c.example/d");
    }
}

//! Provenance: an in-toto Statement v1 whose predicate is SLSA's provenance v1.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Inventory, Manifest,
    manifest::{BaseKind, bare_name},
    purl::package_url,
};
use crate::{
    plan::{Action, BaseSource, CopyFrom, ImagePlan, PlannedPackage, TestCheck},
    text::Digest,
};

/// What a statement calls itself: <https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md>.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// What its predicate is: <https://slsa.dev/spec/v1.0/provenance>.
pub const PREDICATE_TYPE: &str = "https://slsa.dev/provenance/v1";
/// How images are built, as `docs/supply-chain.md` tells it. A name, not an address.
pub const BUILD_TYPE: &str = "urn:imgfile:build:v1";
/// Whoever ran imgfile; that it is who it says it is, only a signature tells.
const BUILDER: &str = "urn:imgfile:builder:local";

/// Which files something is said about, and what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    /// [`STATEMENT_TYPE`].
    #[serde(rename = "_type")]
    pub kind: String,
    /// Each file with its digests.
    pub subject: Vec<StatementSubject>,
    /// Such as [`PREDICATE_TYPE`].
    pub predicate_type: String,
    /// By its type.
    pub predicate: Value,
}

/// A file that a statement is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementSubject {
    /// Of the file.
    pub name: String,
    /// By algorithm, in hexadecimal digits.
    pub digest: BTreeMap<String, String>,
}

impl StatementSubject {
    fn of(name: &str, sha256: &Digest) -> Self {
        Self { name: name.to_owned(), digest: BTreeMap::from([("sha256".to_owned(), sha256.to_string())]) }
    }
}

/// What somebody asked for.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// What is built.
    pub plan: &'a ImagePlan,
    /// What the finished disk says; of it only the system's name.
    pub inventory: &'a Inventory,
    /// Name of the ImageFile, without its folder.
    pub image_file: Option<&'a str>,
    /// Values that were given to its `param`s.
    pub parameters: &'a BTreeMap<String, String>,
}

/// The statement about an image: its artifacts, its manifest (name and digest) and the manifest's documents.
#[must_use]
pub fn statement(manifest: &Manifest, manifest_file: (&str, Digest), request: Request<'_>) -> Statement {
    let artifacts = manifest.artifacts.iter().map(|one| StatementSubject::of(&one.file, &one.sha256));
    let documents = manifest.documents.iter().map(|one| StatementSubject::of(&one.file, &one.sha256));
    let own = StatementSubject::of(manifest_file.0, &manifest_file.1);
    Statement {
        kind: STATEMENT_TYPE.to_owned(),
        subject: artifacts.chain([own]).chain(documents).collect(),
        predicate_type: PREDICATE_TYPE.to_owned(),
        predicate: json!({
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": external(manifest, request),
                "internalParameters": { "steps": manifest.steps },
                "resolvedDependencies": dependencies(manifest, request),
            },
            "runDetails": {
                "builder": { "id": BUILDER, "version": { "imgfile": manifest.imgfile } },
            },
        }),
    }
}

/// What whoever built could choose.
fn external(manifest: &Manifest, request: Request<'_>) -> Value {
    let mut value = json!({ "image": manifest.image, "parameters": request.parameters });
    if let Some(file) = request.image_file {
        value["imageFile"] = json!(file);
    }
    value
}

/// Everything that the image is made of and that has a digest, in the order of its use.
fn dependencies(manifest: &Manifest, request: Request<'_>) -> Vec<Value> {
    let plan = request.plan;
    let mut all = Vec::new();
    if let Some(lock) = &manifest.lock {
        all.push(json!({ "name": "ImageFile.lock", "digest": { "sha256": lock } }));
    }
    let base = &manifest.base;
    all.push(match base.kind {
        // Made from packages, which follow; the recipe has a digest of its own.
        BaseKind::Bootstrap => {
            json!({ "name": format!("base {}", base.name), "digest": { "imgfileRecipe1": base.sha256 } })
        }
        BaseKind::Image => {
            json!({ "name": format!("image {}", base.name), "digest": { "imgfileStep1": base.sha256 } })
        }
        BaseKind::Captured => {
            json!({ "name": format!("disk {}", base.name), "digest": { "sha256": base.sha256 } })
        }
        BaseKind::File => {
            json!({ "name": format!("base {}", base.name), "digest": { "sha256": base.sha256 } })
        }
        BaseKind::Url => {
            let digest = json!({ "sha256": base.sha256 });
            json!({ "name": format!("base {}", base.name), "uri": base.url, "digest": digest })
        }
    });
    if let BaseSource::Bootstrap { packages, .. } = &plan.base.source {
        all.extend(packages.iter().map(|package| package_of(package, request)));
    }
    for step in &plan.steps {
        match &step.action {
            Action::Packages(change) => {
                all.extend(change.install.iter().map(|package| package_of(package, request)));
            }
            Action::Copy(copy) => match &copy.from {
                CopyFrom::Tree(tree) => all.push(tree_of(&step.name, &tree.digest())),
                CopyFrom::Text { content } => all.push(file_of(&step.name, &Digest::of(content))),
                CopyFrom::Download { .. } => {}
            },
            Action::Script(script) => {
                all.push(file_of(&step.name, &Digest::of(&script.content)));
                let name = |path: &str| format!("{} with {}", step.name, path);
                all.extend(script.with.iter().map(|tree| tree_of(&name(&tree.path), &tree.digest())));
            }
            _ => {}
        }
    }
    for test in &plan.tests {
        if let TestCheck::Script(script) = &test.check {
            all.push(file_of(&format!("test {}", test.name), &Digest::of(&script.content)));
        }
    }
    all.extend(manifest.downloads.iter().map(|one| json!({ "uri": one.url, "digest": one.digest })));
    all
}

/// A package file, by the URL of the package.
fn package_of(package: &PlannedPackage, request: Request<'_>) -> Value {
    let os = |key: &str| request.inventory.os_release.get(key).map(String::as_str);
    let parts = [package.name.as_str(), &package.version, &package.arch];
    let release = os("VERSION_CODENAME").or(os("VERSION_ID"));
    let uri = package_url("deb", &request.plan.os.distro, parts, release);
    json!({ "uri": uri, "digest": { "sha256": package.sha256 } })
}

fn file_of(name: &str, digest: &Digest) -> Value {
    json!({ "name": bare_name(name), "digest": { "sha256": digest } })
}

/// A folder of the project: its digest is over names, modes and contents.
fn tree_of(name: &str, digest: &Digest) -> Value {
    json!({ "name": bare_name(name), "digest": { "imgfileTree1": digest } })
}

//! Whether an artifact, and what is said of it in the files beside it, is what was written together; offline, and
//! without a store.

use std::{
    io,
    path::{Path, PathBuf},
};

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    error::{Class, Error},
    keys::verifying_key,
};
use crate::{
    describe::{
        DocumentKind, Envelope, FORMAT, Manifest, PREDICATE_TYPE, STATEMENT_TYPE, Statement, VerifyingKey,
        file_name, is_plain_name, stem,
    },
    store::{Folder, digest_of, open_regular},
    text::Digest,
};

/// Bytes of a manifest, statement or envelope.
const LIMIT: u64 = 256 << 20;

/// What became of one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It is as it is said to be.
    Holds,
    /// It is not.
    Fails,
    /// There was nothing to look at, or nothing to compare it with.
    Unchecked,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Check {
    /// The file it is about.
    pub file: String,
    /// What became of it.
    pub outcome: Outcome,
    /// What was compared, and why it fails.
    pub detail: String,
}

/// What is known of an artifact after all that can be checked was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Verification {
    /// The artifact's file.
    pub artifact: String,
    /// Of its content; none if it could not be read.
    pub sha256: Option<Digest>,
    /// Whether nothing fails.
    pub holds: bool,
    /// SHA-256 of the public key (DER) that signed, if one was given and it did.
    pub signed_by: Option<String>,
    /// In the order in which they were made.
    pub checks: Vec<Check>,
    /// What is proved by that, in sentences without full stops.
    pub proved: Vec<String>,
    /// What is not.
    pub not_proved: Vec<String>,
}

struct Verifier {
    folder: Folder,
    checks: Vec<Check>,
}

impl Verifier {
    fn add(&mut self, file: &str, outcome: Outcome, detail: impl Into<String>) {
        self.checks.push(Check { file: file.to_owned(), outcome, detail: detail.into() });
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        self.folder.read(Path::new(name), LIMIT)
    }

    fn digest(&self, name: &str) -> io::Result<(Digest, u64)> {
        let mut file = self.folder.regular(Path::new(name))?;
        let size = file.metadata()?.len();
        Ok((digest_of(&mut file)?, size))
    }

    /// A file that is there, or none; anything else of its name fails.
    fn optional(&mut self, name: &str) -> Option<Vec<u8>> {
        match self.read(name) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                self.add(name, Outcome::Fails, format!("it cannot be read: {error}"));
                None
            }
        }
    }
}

/// Checks an artifact against the files beside it, and their signature against the public key in a file.
///
/// # Errors
/// `Files` if there is no such artifact, or the key cannot be used. That something does not hold is no error.
pub fn verify(artifact: &Path, key: Option<&Path>) -> Result<Verification, Error> {
    let key = key.map(verifying_key).transpose()?;
    let cannot = |error: &dyn std::fmt::Display| {
        Error::message(Class::Files, format!("cannot read {}: {error}", artifact.display()))
    };
    let Some(name) = artifact.file_name().and_then(|name| name.to_str()).map(str::to_owned) else {
        return Err(cannot(&"it has no name that could be compared"));
    };
    let mut file = open_regular(artifact).map_err(|error| cannot(&error))?;
    let size = file.metadata().map_err(|error| cannot(&error))?.len();
    let sha256 = digest_of(&mut file).map_err(|error| cannot(&error))?;
    let parent = artifact.parent().map_or_else(PathBuf::new, Path::to_owned);
    let folder = Folder::open(&parent).map_err(|error| cannot(&error))?;
    let mut verifier = Verifier { folder, checks: Vec::new() };
    let stem = stem(&name).to_owned();
    let manifest = verifier.manifest(&stem, &name, (sha256, size));
    let signed_by = verifier.statements(&stem, &name, (sha256, manifest.as_ref()), key.as_ref());
    let checks = verifier.checks;
    let holds = checks.iter().all(|check| check.outcome != Outcome::Fails);
    let (proved, not_proved) = conclusions(holds, manifest.is_some(), signed_by.as_deref());
    Ok(Verification {
        artifact: artifact.display().to_string(),
        sha256: Some(sha256),
        holds,
        signed_by,
        checks,
        proved,
        not_proved,
    })
}

fn conclusions(holds: bool, described: bool, signed_by: Option<&str>) -> (Vec<String>, Vec<String>) {
    let (mut proved, mut not_proved) = (Vec::new(), Vec::new());
    if !holds {
        not_proved.push("that the artifact is what its description says".to_owned());
        return (proved, not_proved);
    }
    if described {
        proved.push(
            "the artifact and the files that describe it are those that were written together".to_owned(),
        );
    }
    match signed_by {
        Some(key) => {
            proved.push(format!("whoever holds the key {key} signed what is said of it"));
            not_proved.push("that what the signer says of its making is true".to_owned());
        }
        None => not_proved
            .push("who wrote them: whoever can change the artifact can change these files too".to_owned()),
    }
    (proved, not_proved)
}

impl Verifier {
    /// The manifest, with all that it lists; and the manifest's own digest.
    fn manifest(
        &mut self,
        stem: &str,
        artifact: &str,
        (sha256, size): (Digest, u64),
    ) -> Option<(Manifest, Digest)> {
        let name = file_name(stem, DocumentKind::Manifest);
        let Some(bytes) = self.optional(&name) else {
            self.add(&name, Outcome::Fails, format!("there is no manifest beside {artifact}"));
            return None;
        };
        let manifest: Manifest = match serde_json::from_slice(&bytes) {
            Ok(manifest) => manifest,
            Err(error) => {
                self.add(&name, Outcome::Fails, format!("it is no manifest: {error}"));
                return None;
            }
        };
        if manifest.format != FORMAT {
            let detail = format!("it is of format {}, and {FORMAT} is known here", manifest.format);
            self.add(&name, Outcome::Fails, detail);
            return None;
        }
        let listed: Vec<_> = manifest.artifacts.iter().filter(|one| one.file == artifact).collect();
        match listed.as_slice() {
            [] => self.add(artifact, Outcome::Fails, "the manifest does not list it"),
            [one] if (one.sha256, one.size) == (sha256, size) => {
                self.add(artifact, Outcome::Holds, "sha256 and size are those of the manifest");
            }
            [one] => self.add(
                artifact,
                Outcome::Fails,
                format!("the manifest has sha256 {} and {} bytes", one.sha256, one.size),
            ),
            _ => self.add(artifact, Outcome::Fails, "the manifest lists it more than once"),
        }
        for other in manifest.artifacts.iter().filter(|one| one.file != artifact) {
            self.listed(&other.file, &other.sha256, false);
        }
        for document in &manifest.documents {
            self.listed(&document.file, &document.sha256, true);
        }
        Some((manifest, Digest::of(&bytes)))
    }

    /// A file that a manifest lists; one that is not needed may be missing.
    fn listed(&mut self, name: &str, sha256: &Digest, is_needed: bool) {
        if !is_plain_name(name) {
            self.add(name, Outcome::Fails, "the manifest names a file outside its folder");
            return;
        }
        match self.digest(name) {
            Ok((found, _)) if found == *sha256 => {
                self.add(name, Outcome::Holds, "sha256 is that of the manifest");
            }
            Ok((found, _)) => {
                self.add(
                    name,
                    Outcome::Fails,
                    format!("its sha256 is {found}, and the manifest has {sha256}"),
                );
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && !is_needed => {
                self.add(name, Outcome::Unchecked, "it is not here");
            }
            Err(error) => self.add(name, Outcome::Fails, format!("it cannot be read: {error}")),
        }
    }

    /// The statement, unsigned and signed; the key that signed it, if it did.
    fn statements(
        &mut self,
        stem: &str,
        artifact: &str,
        (sha256, manifest): (Digest, Option<&(Manifest, Digest)>),
        key: Option<&VerifyingKey>,
    ) -> Option<String> {
        let plain_name = file_name(stem, DocumentKind::Provenance);
        let plain = self.optional(&plain_name);
        if let Some(bytes) = &plain {
            self.statement(&plain_name, bytes, stem, artifact, (sha256, manifest));
        }
        let name = file_name(stem, DocumentKind::Envelope);
        let Some(bytes) = self.optional(&name) else {
            if key.is_some() {
                self.add(&name, Outcome::Fails, "nothing is signed: there is no such file");
            }
            return None;
        };
        let envelope = Envelope::read(&String::from_utf8_lossy(&bytes));
        let read = envelope.and_then(|envelope| Ok((envelope.statement()?, envelope)));
        let (statement, envelope) = match read {
            Ok(read) => read,
            Err(error) => {
                self.add(&name, Outcome::Fails, error.to_string());
                return None;
            }
        };
        let holds = self.statement(&name, &statement, stem, artifact, (sha256, manifest));
        if plain.is_some_and(|plain| plain != statement) {
            self.add(&plain_name, Outcome::Fails, "it is not the statement that is signed");
        }
        match key {
            None => {
                self.add(
                    &name,
                    Outcome::Unchecked,
                    "its signature: `--key` names the public key to check it by",
                );
                None
            }
            Some(key) if envelope.is_signed_by(key) => {
                self.add(&name, Outcome::Holds, format!("the key {} signed it", key.id()));
                holds.then(|| key.id())
            }
            Some(key) => {
                self.add(&name, Outcome::Fails, format!("the key {} did not sign it as it is", key.id()));
                None
            }
        }
    }

    /// Whether a statement is about these very files.
    fn statement(
        &mut self,
        name: &str,
        bytes: &[u8],
        stem: &str,
        artifact: &str,
        (sha256, manifest): (Digest, Option<&(Manifest, Digest)>),
    ) -> bool {
        let statement: Statement = match serde_json::from_slice(bytes) {
            Ok(statement) => statement,
            Err(error) => {
                self.add(name, Outcome::Fails, format!("it is no in-toto statement: {error}"));
                return false;
            }
        };
        if statement.kind != STATEMENT_TYPE || statement.predicate_type != PREDICATE_TYPE {
            self.add(name, Outcome::Fails, "it is a statement of another kind than SLSA provenance v1");
            return false;
        }
        let mut wanted = vec![(artifact.to_owned(), sha256)];
        if let Some((manifest, digest)) = manifest {
            wanted.push((file_name(stem, DocumentKind::Manifest), *digest));
            wanted.extend(manifest.documents.iter().map(|one| (one.file.clone(), one.sha256)));
        }
        let is_subject = |(file, digest): &(String, Digest)| {
            let digest = digest.to_string();
            let mut named = statement.subject.iter().filter(|subject| subject.name == *file).peekable();
            named.peek().is_some() && named.all(|subject| subject.digest.get("sha256") == Some(&digest))
        };
        match wanted.iter().find(|one| !is_subject(one)) {
            None => {
                self.add(name, Outcome::Holds, "its statement is about these files");
                true
            }
            Some((file, _)) => {
                self.add(name, Outcome::Fails, format!("its statement is not about {file} as it is here"));
                false
            }
        }
    }
}

#[cfg(test)]
mod tests;

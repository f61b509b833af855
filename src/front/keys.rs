//! The keys of archives that `archive` statements name, looked at before anything is fetched.

use std::collections::BTreeSet;

use crate::catalog::Catalog;
use crate::check::{ArchiveSource, OtherArchive, Spec};
use crate::diagnostic::{Diagnostic, codes};
use crate::packages::{KeyError, Keyring};

/// What cannot sign an archive: a file that is no key, or another key than the fingerprint says.
#[must_use]
pub fn unusable_keys(spec: &Spec) -> Vec<Diagnostic> {
    let archives = spec.images.iter().flat_map(|image| &image.archives);
    let others = archives.filter_map(|archive| match &archive.source {
        ArchiveSource::Other(other) => Some(other),
        ArchiveSource::Own { .. } => None,
    });
    others.filter_map(|other| archive_keys(other).err()).collect()
}

/// The same of archives that applications of the project's own catalogue bring; those compiled in were tried.
#[must_use]
pub fn unusable_app_keys(spec: &Spec, catalog: &Catalog) -> Vec<Diagnostic> {
    let names: BTreeSet<&str> =
        spec.images.iter().flat_map(|image| &image.apps).map(|app| app.name.value.as_str()).collect();
    let own = names.into_iter().filter_map(|name| catalog.app(name)).filter(|def| def.layer > 0);
    let archives = own.flat_map(|def| &def.repositories);
    let wrong = archives.filter_map(|archive| {
        let error = Keyring::pinned(archive.key.value.as_bytes(), &archive.fingerprint.value).err()?;
        let diagnostic =
            Diagnostic::new(codes::CATALOG_VALUE, format!("the archive's key cannot be used: {error}"));
        Some(if matches!(error, KeyError::Fingerprint { .. }) {
            diagnostic
                .label(archive.fingerprint.span, "the key has another")
                .label(archive.key.span, "this key")
        } else {
            diagnostic
                .label(archive.key.span, "this key")
                .help("a public key as `gpg --armor --export` writes it")
        })
    });
    wrong.collect()
}

/// The keys that may sign an archive.
///
/// # Errors
/// A diagnostic at the key, or at the fingerprint that it has not.
pub fn archive_keys(other: &OtherArchive) -> Result<Keyring, Diagnostic> {
    let key = &other.key;
    let keys = match &other.fingerprint {
        Some(fingerprint) => Keyring::pinned(&key.content, &fingerprint.value),
        None => Keyring::read(&key.content),
    };
    keys.map_err(|error| {
        let diagnostic =
            Diagnostic::new(codes::WRONG_KIND, format!("the archive's key cannot be used: {error}"));
        match (&error, &other.fingerprint) {
            (KeyError::Fingerprint { .. }, Some(fingerprint)) => {
                diagnostic.label(fingerprint.span, "the key has another").label(key.span, "this key")
            }
            _ => diagnostic.label(key.span, "this key").help(
                "a public key as `gpg --armor --export` writes it; whoever publishes the archive says where it is",
            ),
        }
    })
}

//! Keys in files: those that sign, and those that are trusted.

use std::path::Path;

use super::{
    error::{Class, Error},
    paths::shown,
};
use crate::{
    describe::{KeyFileError, SigningKey, VerifyingKey},
    diagnostic::{Diagnostic, codes},
    store::read_regular,
    text::Sources,
};

/// Bytes of a key file.
const KEY: u64 = 64 << 10;

fn key_error(path: &Path, reason: impl std::fmt::Display) -> Error {
    let message = format!("the key `{}` cannot be used: {reason}", shown(path));
    Error::diagnosed(Class::Files, vec![Diagnostic::new(codes::KEY_UNUSABLE, message)], Sources::default())
}

fn key_text(path: &Path) -> Result<String, Error> {
    let bytes = read_regular(path, KEY).map_err(|error| key_error(path, error))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The private key in a file.
pub(super) fn signing_key(path: &Path) -> Result<SigningKey, Error> {
    SigningKey::from_pem(&key_text(path)?).map_err(|error: KeyFileError| key_error(path, error))
}

/// The public keys in a file.
pub(super) fn verifying_keys(path: &Path) -> Result<Vec<VerifyingKey>, Error> {
    VerifyingKey::all_from_pem(&key_text(path)?).map_err(|error: KeyFileError| key_error(path, error))
}

/// The public key in a file.
pub(super) fn verifying_key(path: &Path) -> Result<VerifyingKey, Error> {
    VerifyingKey::from_pem(&key_text(path)?).map_err(|error: KeyFileError| key_error(path, error))
}

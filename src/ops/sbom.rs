//! The bill of materials of an image that was built here, whether it was written then or not.

use super::{
    error::{Class, Error},
    image::find,
};
use crate::{
    describe::SbomFormat,
    exec::Description,
    store::{Records, Store},
};

/// The document of an artifact, found as [`find`] finds one.
///
/// # Errors
/// `Usage` if there is no such image; `Files` if the store no longer knows what it consists of.
pub fn sbom(store: &Store, records: &Records, word: &str, format: SbomFormat) -> Result<String, Error> {
    let artifact = find(records, word)?;
    match Description::of(store, &artifact.sha256) {
        Some(description) => Ok(format.document(&description.manifest, &description.inventory)),
        None => {
            let text = format!(
                "the store does not know what `{}` consists of: a build wrote it that did not look; build it again",
                artifact.name()
            );
            Err(Error::message(Class::Files, text))
        }
    }
}

//! What is said of images beside their artifacts: the key that signs it, and the advisories it is held against.

use std::sync::Arc;

use super::{
    build::BuildOptions,
    error::{Class, Error},
    keys::signing_key,
    paths::shown,
    settings::{FileOrUrl, Settings},
    workspace::Workspace,
};
use crate::{
    advisory::{Advisories, Severity, System},
    diagnostic::{Diagnostic, codes},
    exec::{AdvisoryGate, DescribeOptions, Times},
    store::{
        fetch::{FetchError, Fetcher},
        read_regular,
    },
    text::{Digest, Sources},
};

/// Bytes of a file of advisories: the Debian security tracker's has 70 MB.
const ADVISORIES: u64 = 1 << 30;
/// Bytes of a lock.
const LOCK: u64 = 64 << 20;

impl Workspace {
    /// SHA-256 of the lock beside the ImageFile, as it is now.
    pub(super) fn lock_digest(&self) -> Option<Digest> {
        read_regular(&self.lock_path(), LOCK).ok().map(Digest::of)
    }

    /// What a build is to write beside artifacts, but for the lock, which is not written yet.
    pub(super) async fn describing(&self, args: &BuildOptions<'_>) -> Result<DescribeOptions, Error> {
        let key = self.settings.sign_key.as_ref().map(|key| signing_key(&key.value)).transpose()?;
        let advisories =
            self.advisory_text().await?.map(|text| AdvisoryGate { text: Arc::new(text), deny: args.deny });
        denying_needs_advisories(args.deny, advisories.is_some())?;
        let mut sbom = args.sbom.clone();
        sbom.sort_unstable();
        sbom.dedup();
        Ok(DescribeOptions {
            sbom,
            provenance: args.provenance,
            key: key.map(Arc::new),
            lock: None,
            image_file: Some(self.project.name()),
            parameters: self.options().set.iter().cloned().collect(),
            time: Times::fixed_time(),
            advisories,
        })
    }

    /// The text of the advisories that a setting names, which can be read as such; none if none does.
    pub(super) async fn advisory_text(&self) -> Result<Option<Vec<u8>>, Error> {
        advisory_text(&self.settings, self.fetcher()).await
    }
}

/// The text of the advisories that a setting names, which can be read as such; none if none does.
pub(super) async fn advisory_text(settings: &Settings, fetcher: &Fetcher) -> Result<Option<Vec<u8>>, Error> {
    let Some(from) = &settings.advisories else { return Ok(None) };
    let bytes = match &from.value {
        FileOrUrl::File(path) => read_regular(path, ADVISORIES).map_err(|error| error.to_string()),
        FileOrUrl::Url(url) => {
            fetcher.bytes(url, ADVISORIES).await.map_err(|error: FetchError| error.to_string())
        }
    };
    let bytes = bytes.and_then(|bytes| {
        // Of whichever system: what it is about is seen when an image is there.
        let nobody = System { os: "", version: "", codename: None };
        Advisories::read(&bytes, nobody).map_err(|error| error.to_string()).map(|_| bytes)
    });
    bytes.map(Some).map_err(|reason| {
        let place = match &from.value {
            FileOrUrl::File(path) => shown(path),
            url @ FileOrUrl::Url(_) => url.to_string(),
        };
        let message = format!("no advisories can be read from `{place}`: {reason}");
        unusable(Diagnostic::new(codes::ADVISORIES_UNREADABLE, message))
    })
}

/// A severity is refused where there is nothing that has one.
pub(super) fn denying_needs_advisories(deny: Option<Severity>, there: bool) -> Result<(), Error> {
    if deny.is_none() || there {
        return Ok(());
    }
    let text = "`--deny` takes advisories: name a file or an address with `--advisories`";
    Err(Error::message(Class::Usage, text))
}

fn unusable(diagnostic: Diagnostic) -> Error {
    Error::diagnosed(Class::Files, vec![diagnostic], Sources::default())
}

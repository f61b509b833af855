//! Which mirrors of the distribution are used.

use std::path::PathBuf;

use super::super::settings::Settings;
use crate::packages::{HOST_SOURCES, Mirrors};

/// The mirror of the settings, else the one the host's own apt sources name.
#[must_use]
pub fn mirrors(settings: &Settings) -> Option<Mirrors> {
    if let Some(mirror) = &settings.mirror {
        let security = settings.security_mirror.as_ref().map(|mirror| mirror.value.as_str());
        return Some(Mirrors::setting(&mirror.value, security));
    }
    let (file, folder) = HOST_SOURCES;
    let folder = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = folder.map(|entry| entry.path()).collect();
    paths.sort();
    paths.insert(0, file.into());
    Mirrors::of_files(
        paths.into_iter().filter_map(|path| {
            Some((path.to_string_lossy().into_owned(), std::fs::read_to_string(&path).ok()?))
        }),
    )
}

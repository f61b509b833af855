//! Which mirrors of the distribution are used.

use std::path::PathBuf;

use super::super::settings::Settings;
use crate::packages::{MANAGERS, Manager, Mirrors};

/// The mirror of the settings, else the one the host's own package sources name.
#[must_use]
pub fn mirrors(settings: &Settings) -> Option<Mirrors> {
    if let Some(mirror) = &settings.mirror {
        let security = settings.security_mirror.as_ref().map(|mirror| mirror.value.as_str());
        return Some(Mirrors::setting(&mirror.value, security));
    }
    MANAGERS.iter().find_map(|manager| of_host(*manager))
}

/// What the sources name that a package manager has on this host.
fn of_host(manager: Manager) -> Option<Mirrors> {
    let (file, folder) = manager.host_sources();
    let folder = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = folder.map(|entry| entry.path()).collect();
    paths.sort();
    paths.insert(0, file.into());
    let read =
        |path: PathBuf| Some((path.to_string_lossy().into_owned(), std::fs::read_to_string(&path).ok()?));
    manager.host_mirrors(&paths.into_iter().filter_map(read).collect::<Vec<_>>())
}

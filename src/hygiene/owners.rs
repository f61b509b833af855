//! Which files are of packages, as dpkg and apk keep it. What other managers keep is not read: of their files nothing is
//! said.

use std::collections::HashSet;

use super::system::{System, Wanted};
use crate::model::{APK, DPKG, PACKAGE_DATABASES};

/// A database of 10 000 packages.
const DATABASE: u64 = 64 << 20;
/// More packages nobody has.
const MOST: usize = 20_000;

pub(super) fn wants(system: &System<'_>) -> Vec<Wanted> {
    let lists = lists(system).into_iter().map(Wanted::text);
    lists
        .chain(APK.installed.iter().map(|path| Wanted { path: path.as_bytes().to_vec(), limit: DATABASE }))
        .collect()
}

fn lists(system: &System<'_>) -> Vec<Vec<u8>> {
    let folders = PACKAGE_DATABASES.iter().filter_map(|database| database.paths);
    let mut lists: Vec<_> = folders.flat_map(|(folder, end)| system.files(folder, &[end])).collect();
    lists.truncate(MOST);
    lists
}

/// The files of all packages.
pub(super) struct Owners {
    paths: HashSet<Vec<u8>>,
    known: bool,
}

impl Owners {
    pub(super) fn of(system: &System<'_>) -> Self {
        let mut paths = HashSet::new();
        let lists = lists(system);
        for list in &lists {
            let content = system.contents.bytes(list).unwrap_or_default();
            paths.extend(
                content.split(|&byte| byte == b'\n').filter(|path| !path.is_empty()).map(<[u8]>::to_vec),
            );
        }
        // Where the database is and has nothing installed, all is known as well.
        let mut known = !lists.is_empty() || DPKG.installed.iter().any(|path| system.exists(path));
        for path in APK.installed {
            let Some(content) = system.contents.bytes(path) else { continue };
            known = true;
            let mut folder: &[u8] = b"";
            for line in content.split(|&byte| byte == b'\n') {
                if let Some(name) = line.strip_prefix(b"F:") {
                    folder = name;
                } else if let Some(name) = line.strip_prefix(b"R:") {
                    let between: &[u8] = if folder.is_empty() { b"" } else { b"/" };
                    paths.insert([b"/", folder, between, name].concat());
                }
            }
        }
        Self { paths, known }
    }

    /// Whether a package brought the file; nothing where nobody says.
    pub(super) fn has(&self, path: &[u8]) -> Option<bool> {
        self.known.then(|| self.paths.contains(path))
    }
}

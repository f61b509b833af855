//! What apt and dpkg keep in a system: packages, sources, keys.

use super::relation::groups;
use super::{
    Archive, DEBIAN, DEBIAN_SECURITY, InstalledPackage, Keyring, Mirrors, OfDebian, SourceEntry, SystemFiles,
    Wanted, codename, read_list, read_sources,
};
use crate::packages::deb822::stanzas;

pub(super) const STATUS: &str = "/var/lib/dpkg/status";
pub(super) const MARKS: &str = "/var/lib/apt/extended_states";
const SOURCES: &str = "/etc/apt/sources.list";
const SOURCE_PARTS: &str = "/etc/apt/sources.list.d";
const KEYS: &str = "/etc/apt/trusted.gpg";
const KEY_PARTS: [&str; 2] = ["/etc/apt/trusted.gpg.d", "/etc/apt/keyrings"];

/// Bytes of a file that is written by hand.
const TEXT: u64 = 1 << 20;
/// Bytes of what dpkg writes: the status file of a large desktop is 6 MB.
const LISTS: u64 = 64 << 20;

/// What is read of a system: first all that has its place, then the keys that its sources name.
pub(super) fn wants(found: &SystemFiles) -> Vec<Wanted> {
    let file = |path: &str, limit| Wanted::File { path: path.to_owned(), limit };
    let folder = |path, ends| Wanted::Folder { path, ends, limit: TEXT };
    let mut wanted = vec![
        file(STATUS, LISTS),
        file(MARKS, LISTS),
        file(SOURCES, TEXT),
        folder(SOURCE_PARTS, &[".list", ".sources"]),
        file(KEYS, TEXT),
    ];
    wanted.extend(KEY_PARTS.map(|path| folder(path, &[".gpg", ".asc", ".pgp"])));
    wanted.extend(sources(found).flat_map(|(_, text)| signed_by(&text)).map(|path| file(&path, TEXT)));
    wanted
}

/// The files that name sources, and their texts.
fn sources(system: &SystemFiles) -> impl Iterator<Item = (&str, String)> {
    let is_source = |path: &str| {
        let part = path.strip_prefix(SOURCE_PARTS).is_some_and(|rest| rest.starts_with('/'));
        path == SOURCES || part && [".list", ".sources"].iter().any(|end| path.ends_with(end))
    };
    let files = system.iter().filter(move |(path, _)| is_source(path));
    files.map(|(path, content)| (path, String::from_utf8_lossy(content).into_owned()))
}

/// Paths that `Signed-By:` and `[signed-by=]` name.
fn signed_by(sources: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for line in sources.lines() {
        let lower = line.to_ascii_lowercase();
        let value = if lower.starts_with("signed-by:") {
            &line["signed-by:".len()..]
        } else if let Some(at) = lower.find("signed-by=") {
            line[at + "signed-by=".len()..].split([' ', ']']).next().unwrap_or("")
        } else {
            continue;
        };
        paths.extend(value.split([',', ' ']).filter(|path| path.starts_with('/')).map(str::to_owned));
    }
    paths
}

/// The packages of a system; nothing where dpkg keeps none.
#[must_use]
pub fn installed_in(system: &SystemFiles) -> Option<Vec<InstalledPackage>> {
    let marks = system.text(MARKS).unwrap_or_default();
    Some(InstalledPackage::read_status(&system.text(STATUS)?, &marks))
}

/// Whether it is essential, or of a priority without which there is no system (Debian Policy 2.5).
pub(super) fn is_of_every_system(package: &InstalledPackage) -> bool {
    let Some(control) = stanzas(&package.control).next() else { return false };
    let yes = |field| control.get(field) == Some("yes");
    yes("Essential") || yes("Protected") || control.get("Priority") == Some("required")
}

/// The packages of `Pre-Depends` and `Depends`.
pub(super) fn needs(package: &InstalledPackage) -> Vec<String> {
    let Some(control) = stanzas(&package.control).next() else { return Vec::new() };
    let fields = ["Pre-Depends", "Depends"].into_iter().filter_map(|field| control.get(field));
    fields.flat_map(groups).flatten().map(|alternative| alternative.name.to_owned()).collect()
}

/// The lines of `Conffiles`: a path, its MD5, and what dpkg says of it where it is no conffile any more.
pub(super) fn conffiles(package: &InstalledPackage) -> Vec<(String, String)> {
    let Some(control) = stanzas(&package.control).next() else { return Vec::new() };
    let lines = control.get("Conffiles").unwrap_or_default().lines();
    lines
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [path, md5] = words[..] else { return None };
            path.starts_with('/').then(|| (path.to_owned(), md5.to_owned()))
        })
        .collect()
}

/// The archives that the system's own sources name. Debian's are asked for at this host's mirror, if
/// there is one: the names in an image are often not what its build host can reach.
#[must_use]
pub fn archives_of(system: &SystemFiles, mirrors: Option<&Mirrors>) -> Vec<Archive> {
    let mut archives = Vec::new();
    for (path, text) in sources(system) {
        let entries = if path.ends_with(".sources") { read_sources(&text) } else { read_list(&text) };
        for entry in &entries {
            entry_archives(entry, mirrors, &mut archives);
        }
    }
    archives
}

fn entry_archives(entry: &SourceEntry, mirrors: Option<&Mirrors>, archives: &mut Vec<Archive>) {
    for suite in &entry.suites {
        let release = suite.split('-').next().unwrap_or(suite);
        for uri in &entry.uris {
            let name = if codename(release).is_none() || entry.of_debian(uri) < OfDebian::Likely {
                None
            } else if suite.ends_with("-security") {
                Some((DEBIAN_SECURITY, mirrors.map(|mirrors| &mirrors.security)))
            } else {
                Some((DEBIAN, mirrors.map(|mirrors| &mirrors.debian)))
            };
            let own = uri.trim_end_matches('/').to_owned();
            let (name, url) = match name {
                Some((name, url)) => (name.to_owned(), url.cloned().unwrap_or_else(|| own.clone())),
                None => (own.clone(), own.clone()),
            };
            let archive = Archive {
                name,
                url,
                suite: suite.clone(),
                components: entry.components.clone(),
                priority: None,
            };
            if !archives.contains(&archive) {
                archives.push(archive);
            }
        }
    }
}

/// The keys that the system keeps; Debian's for one that keeps none.
#[must_use]
pub fn keys_of(system: &SystemFiles) -> Option<Keyring> {
    let named: Vec<String> = sources(system).flat_map(|(_, text)| signed_by(&text)).collect();
    let is_key = |path: &str| {
        path == KEYS
            || named.iter().any(|one| one == path)
            || KEY_PARTS
                .iter()
                .any(|folder| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')))
    };
    let own = system.iter().filter(|(path, _)| is_key(path)).filter_map(|(_, key)| Keyring::read(key).ok());
    own.reduce(Keyring::and).or_else(|| Keyring::debian().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn system(files: &[(&str, &str)]) -> SystemFiles {
        let mut system = SystemFiles::default();
        for (path, text) in files {
            system.insert(*path, *text);
        }
        system
    }

    #[test]
    fn debians_archives_are_asked_for_at_the_hosts_mirror() {
        let system = system(&[
            ("/etc/apt/sources.list", "deb http://a.example/debian trixie main\n"),
            (
                "/etc/apt/sources.list.d/x.sources",
                "Types: deb\nURIs: https://x.example/apt\nSuites: stable-x\nComponents: main\n",
            ),
            ("/etc/apt/sources.list.d/x.sources.save", "Types: deb\nURIs: https://old.example\nSuites: a\n"),
        ]);
        let mirrors = Mirrors::setting("http://host.example/debian", None);
        let found: Vec<_> =
            archives_of(&system, Some(&mirrors)).into_iter().map(|a| (a.name, a.url, a.suite)).collect();
        let expected = [
            ("debian", "http://host.example/debian", "trixie"),
            ("https://x.example/apt", "https://x.example/apt", "stable-x"),
        ];
        assert_eq!(found, expected.map(|(name, url, suite)| (name.into(), url.into(), suite.into())));
    }

    #[test]
    fn keys_named_by_sources_are_found_in_both_formats() {
        let text = "deb [arch=amd64 signed-by=/usr/share/keyrings/a.gpg] http://x y z\n\
                    Signed-By: /usr/share/keyrings/b.gpg, /etc/c.asc\nsigned-by: -----BEGIN\n";
        let system = system(&[(SOURCES, text)]);
        let wanted = wants(&system);
        for path in ["/usr/share/keyrings/a.gpg", "/usr/share/keyrings/b.gpg", "/etc/c.asc"] {
            assert!(wanted.contains(&Wanted::File { path: path.into(), limit: TEXT }), "{path}: {wanted:?}");
        }
        assert_eq!(wants(&SystemFiles::default()).len() + 3, wanted.len());
    }

    #[test]
    fn a_package_says_whether_all_have_it_and_what_its_configuration_was() {
        let status = "Package: a\nStatus: install ok installed\nArchitecture: all\nVersion: 1\nPriority: required\n\
                      Depends: b (>= 1) | c, d\nConffiles:\n /etc/a 0123\n /etc/old 4567 obsolete\n\n\
                      Package: b\nStatus: install ok installed\nArchitecture: all\nVersion: 1\nPriority: optional\n";
        let found = installed_in(&system(&[(STATUS, status)])).unwrap();
        let [a, b] = &found[..] else { panic!("{found:?}") };
        assert!(is_of_every_system(a) && !is_of_every_system(b));
        assert_eq!(conffiles(a), [("/etc/a".to_owned(), "0123".to_owned())]);
        assert_eq!(conffiles(b), []);
        assert_eq!(needs(a), ["b", "c", "d"]);
    }

    #[test]
    fn a_system_without_dpkg_has_no_packages() {
        assert_eq!(installed_in(&system(&[(MARKS, "")])), None);
        assert_eq!(installed_in(&system(&[(STATUS, "")])), Some(Vec::new()));
    }
}

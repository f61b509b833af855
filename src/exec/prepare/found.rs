//! What an inspection found in a disk, as the resolver and the package solver take it.

use crate::{
    catalog::Os,
    driver::inspect::{Apt, Facts},
    packages::{
        Archive, DEBIAN, DEBIAN_SECURITY, Keyring, Mirrors, SourceEntry, codename, read_list, read_sources,
    },
    resolve::{BaseFacts, Version},
};

/// What the resolver wants to know of a disk.
#[must_use]
pub fn base_facts(facts: &Facts, virtual_size: u64) -> BaseFacts {
    let field = |name: &str| facts.os_release.get(name).cloned();
    BaseFacts {
        os: Os {
            kind: "linux".to_owned(),
            // What os-release(5) says of a system that does not name itself.
            distro: field("ID").unwrap_or_else(|| "linux".to_owned()),
            version: field("VERSION_ID").and_then(|version| version.parse().ok()).unwrap_or_else(unversioned),
            codename: field("VERSION_CODENAME"),
        },
        arch: facts.arch.clone(),
        firmware: facts.firmware.clone(),
        virtual_size: Some(virtual_size),
        used: Some(facts.root.size.saturating_sub(facts.root.free)),
        user: facts.default_user.as_ref().map(|user| user.name.clone()),
    }
}

/// Rolling systems have no version: they come before every one that has.
fn unversioned() -> Version {
    // A literal that the type's own tests cover.
    "0".parse().unwrap_or_else(|_| unreachable!("`0` is a version"))
}

/// The archives that the system's own sources name. Debian's are asked for at this host's mirror, if
/// there is one: the names in an image are often not what its build host can reach.
#[must_use]
pub fn archives(apt: &Apt, mirrors: Option<&Mirrors>) -> Vec<Archive> {
    let mut archives = Vec::new();
    for (path, text) in &apt.sources {
        let extension = path.rsplit('.').next().unwrap_or_default();
        let entries = if extension == "sources" { read_sources(text) } else { read_list(text) };
        for entry in &entries {
            entry_archives(entry, mirrors, &mut archives);
        }
    }
    archives
}

fn entry_archives(entry: &SourceEntry, mirrors: Option<&Mirrors>, archives: &mut Vec<Archive>) {
    for suite in &entry.suites {
        let release = suite.split('-').next().unwrap_or(suite);
        let name = if codename(release).is_none() {
            None
        } else if suite.ends_with("-security") {
            Some((DEBIAN_SECURITY, mirrors.map(|mirrors| &mirrors.security)))
        } else {
            Some((DEBIAN, mirrors.map(|mirrors| &mirrors.debian)))
        };
        for uri in &entry.uris {
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

/// The system's own keys; Debian's for one that keeps none.
#[must_use]
pub fn keys(facts: &Facts) -> Option<Keyring> {
    let own = facts.apt.keyrings.iter().filter_map(|keyring| Keyring::read(&keyring.content).ok());
    own.reduce(Keyring::and).or_else(|| Keyring::debian().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debians_archives_are_asked_for_at_the_hosts_mirror() {
        let apt = Apt {
            sources: vec![
                ("/etc/apt/sources.list".into(), "deb http://a.example/debian trixie main\n".into()),
                (
                    "/etc/apt/sources.list.d/x.sources".into(),
                    "Types: deb\nURIs: https://x.example/apt\nSuites: stable-x\nComponents: main\n".into(),
                ),
            ],
            ..Apt::default()
        };
        let mirrors = Mirrors::setting("http://host.example/debian", None);
        let found: Vec<_> =
            archives(&apt, Some(&mirrors)).into_iter().map(|a| (a.name, a.url, a.suite)).collect();
        let expected = [
            ("debian", "http://host.example/debian", "trixie"),
            ("https://x.example/apt", "https://x.example/apt", "stable-x"),
        ];
        assert_eq!(found[0], (expected[0].0.into(), expected[0].1.into(), expected[0].2.into()));
        assert_eq!(found.len(), 2);
    }
}

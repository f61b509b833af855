//! Where archives are: a host's own apt sources in both formats, and Debian's suites.

use super::{Archive, DEBIAN, DEBIAN_SECURITY, Mirrors};
use crate::packages::deb822::stanzas;
use crate::text::DEBIAN_COMPONENTS;

/// One line of `sources.list`, or one stanza of a `.sources` file, that names binary packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceEntry {
    /// Addresses of archives, as written: `https://mirror.example/debian`, also `mirror+file:/…`.
    pub uris: Vec<String>,
    /// Such as `trixie`, or for a flat archive a path that ends in `/`.
    pub suites: Vec<String>,
    /// Such as `main`; empty for a flat archive.
    pub components: Vec<String>,
    /// The key, or the file with the keys, that its signatures are checked by.
    pub signed_by: Option<String>,
}

/// How likely it is that a source is Debian's own archive. Archives of others have suites of the same names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OfDebian {
    /// It has other components, or other keys.
    No,
    /// Nothing speaks for it or against it.
    Perhaps,
    /// Its address says so.
    Likely,
    /// Its keys are Debian's, or its host is.
    Surely,
}

impl SourceEntry {
    /// Whether this source of one of Debian's suites, at one of its addresses, is Debian's.
    #[must_use]
    pub fn of_debian(&self, uri: &str) -> OfDebian {
        if self.components.iter().any(|component| !DEBIAN_COMPONENTS.contains(&component.as_str())) {
            return OfDebian::No;
        }
        let address = uri.split_once("://").map_or(uri, |(_, rest)| rest);
        // A proxy has the archive's own name in its path.
        let is_theirs = address.split('/').any(|part| part == "debian.org" || part.ends_with(".debian.org"));
        // A key that is written out, or named by its fingerprint, says nothing here.
        let key = self.signed_by.as_deref().filter(|key| key.starts_with('/'));
        match key.and_then(|key| key.rsplit('/').next()) {
            Some(key) if key.starts_with("debian-archive-") => OfDebian::Surely,
            Some(key) if !key.contains("debian") => OfDebian::No,
            _ if is_theirs => OfDebian::Surely,
            _ if address.contains("debian") => OfDebian::Likely,
            _ => OfDebian::Perhaps,
        }
    }
}

/// Reads the one-line format (`deb [options] URI suite component…`).
#[must_use]
pub fn read_list(text: &str) -> Vec<SourceEntry> {
    text.lines().filter_map(read_line).collect()
}

fn read_line(line: &str) -> Option<SourceEntry> {
    let line = line.split('#').next().unwrap_or_default().trim();
    let rest = line.strip_prefix("deb")?.strip_prefix([' ', '\t'])?.trim_start();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(options) => options.split_once(']')?,
        None => ("", rest),
    };
    let signed_by = options.split_whitespace().find_map(|option| option.strip_prefix("signed-by="));
    let signed_by = signed_by.map(str::to_owned);
    let mut words = rest.split_whitespace().map(str::to_owned);
    let (uris, suites) = (vec![words.next()?], vec![words.next()?]);
    Some(SourceEntry { uris, suites, components: words.collect(), signed_by })
}

/// Reads the deb822 format (`Types:`, `URIs:`, `Suites:`…).
#[must_use]
pub fn read_sources(text: &str) -> Vec<SourceEntry> {
    // Whole-line comments may stand inside a stanza.
    let text: String =
        text.lines().filter(|line| !line.starts_with('#')).flat_map(|line| [line, "\n"]).collect();
    stanzas(&text)
        .filter(|stanza| !stanza.get("Enabled").is_some_and(|value| value.eq_ignore_ascii_case("no")))
        .filter(|stanza| stanza.get("Types").unwrap_or_default().split_whitespace().any(|kind| kind == "deb"))
        .map(|stanza| {
            let words =
                |field| stanza.get(field).unwrap_or_default().split_whitespace().map(str::to_owned).collect();
            SourceEntry {
                uris: words("URIs"),
                suites: words("Suites"),
                components: words("Components"),
                signed_by: stanza.get("Signed-By").map(str::to_owned),
            }
        })
        .collect()
}

/// Where a host of Debian's kind has its own sources: a file, and a folder of `.list` and `.sources` files.
pub(super) const HOST_SOURCES: (&str, &str) = ("/etc/apt/sources.list", "/etc/apt/sources.list.d");

const CODENAMES: &[&str] =
    &["bullseye", "bookworm", "trixie", "forky", "duke", "sid", "oldstable", "stable", "testing", "unstable"];

/// The suite of a Debian version (`13` → `trixie`); codenames pass as they are.
#[must_use]
pub fn codename(version: &str) -> Option<&'static str> {
    match version.split('.').next()? {
        "11" => Some("bullseye"),
        "12" => Some("bookworm"),
        "13" => Some("trixie"),
        "14" => Some("forky"),
        name => CODENAMES.iter().copied().find(|known| *known == name),
    }
}

/// What the host's own sources use, given by the names of their files and their texts, in the order in which apt
/// reads them.
pub(super) fn mirrors_of_files(files: &[(String, String)]) -> Option<Mirrors> {
    let read = |(name, text): &(String, String)| match name.rsplit('.').next() {
        Some("list") => read_list(text),
        Some("sources") => read_sources(text),
        _ => Vec::new(),
    };
    Mirrors::of_host(&files.iter().flat_map(read).collect::<Vec<_>>())
}

impl Mirrors {
    /// What the host's own sources use, whatever release they name; `None` when they name none of
    /// Debian's suites.
    #[must_use]
    pub fn of_host(entries: &[SourceEntry]) -> Option<Self> {
        let find = |fits: &dyn Fn(&str) -> bool| {
            let fitting = entries.iter().filter(|entry| entry.suites.iter().any(|suite| fits(suite)));
            let ranked = fitting.flat_map(|entry| entry.uris.iter().map(|uri| (entry.of_debian(uri), uri)));
            ranked
                .filter(|(rank, _)| *rank != OfDebian::No)
                .filter(|(_, uri)| uri.starts_with("http://") || uri.starts_with("https://"))
                // Of those that are alike the first.
                .min_by_key(|(rank, _)| std::cmp::Reverse(*rank))
                .map(|(_, uri)| uri.trim_end_matches('/').to_owned())
        };
        let debian = find(&|suite| CODENAMES.contains(&suite))?;
        let security = find(&|suite| {
            let base = suite.strip_suffix("-security").or_else(|| suite.strip_suffix("/updates"));
            base.is_some_and(|base| CODENAMES.contains(&base))
        });
        Some(Self::setting(&debian, security.as_deref()))
    }

    /// The suites that make up a Debian release, in the order an image's own sources have them.
    #[must_use]
    pub fn suites(&self, codename: &str) -> Vec<Archive> {
        let archive = |name: &str, url: &str, suite: String| Archive {
            name: name.to_owned(),
            url: url.to_owned(),
            suite,
            components: vec!["main".to_owned()],
            priority: None,
        };
        let mut all = vec![archive(DEBIAN, &self.debian, codename.to_owned())];
        // Unreleased Debian has neither updates nor security of its own.
        if !matches!(codename, "sid" | "unstable") {
            all.push(archive(DEBIAN, &self.debian, format!("{codename}-updates")));
            all.push(archive(DEBIAN_SECURITY, &self.security, format!("{codename}-security")));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::{Mirrors, OfDebian, SourceEntry, codename, mirrors_of_files, read_list, read_sources};

    fn entry(uris: &[&str], suites: &[&str], components: &[&str]) -> SourceEntry {
        let own = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        SourceEntry { uris: own(uris), suites: own(suites), components: own(components), signed_by: None }
    }

    /// What people have beside Debian's own sources, with Debian's suites.
    const OTHERS: &str = "\
deb [arch=amd64 signed-by=/usr/share/keyrings/1password-archive-keyring.gpg] https://downloads.1password.example/linux/debian/amd64 stable main
deb [signed-by=/etc/apt/keyrings/docker.asc] https://download.docker.example/linux/debian trixie stable
deb https://download.docker.example/linux/debian trixie stable
deb [signed-by=/usr/share/keyrings/hashicorp.gpg] https://apt.releases.hashicorp.example trixie main
deb [signed-by=/etc/apt/keyrings/mariadb.pgp] https://deb.mariadb.example/11.8/debian trixie main
";

    #[test]
    fn archives_of_others_with_debians_suites_are_not_debians() {
        for entry in read_list(OTHERS) {
            assert_eq!(entry.of_debian(&entry.uris[0]), OfDebian::No, "{entry:?}");
        }
        for (line, expected) in [
            ("deb http://somewhere.debian.org/debian trixie main", OfDebian::Surely),
            ("deb http://cache.example:3142/somewhere.debian.org/debian trixie main", OfDebian::Surely),
            (
                "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://m/x trixie main",
                OfDebian::Surely,
            ),
            (
                "deb [signed-by=/etc/apt/keyrings/our-debian.asc] http://m/debian trixie main",
                OfDebian::Likely,
            ),
            (
                "deb [signed-by=0123456789ABCDEF0123456789ABCDEF01234567] http://m/debian trixie main",
                OfDebian::Likely,
            ),
            ("deb http://m.example/debian trixie main contrib non-free-firmware", OfDebian::Likely),
            ("deb mirror+file:///etc/apt/mirrors/debian.list trixie main", OfDebian::Likely),
            ("deb http://mirror.example/os trixie main", OfDebian::Perhaps),
        ] {
            let entry = read_list(line).remove(0);
            assert_eq!(entry.of_debian(&entry.uris[0]), expected, "{line}");
        }
    }

    #[test]
    fn the_mirror_of_a_host_is_debians_whatever_else_it_has() {
        let files = |debian: &str| {
            let others = ("/etc/apt/sources.list.d/1password.list".to_owned(), OTHERS.to_owned());
            mirrors_of_files(&[others, ("/etc/apt/sources.list.d/debian.sources".into(), debian.into())])
        };
        let sources = "Types: deb\nURIs: http://m.example/debian\nSuites: trixie\nComponents: main\n\
                       Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n";
        assert_eq!(files(sources), Some(Mirrors::setting("http://m.example/debian", None)));
        assert_eq!(files(""), None);
    }

    #[test]
    fn one_line_sources() {
        let text = "# deb http://old.example/debian buster main\n\
                    deb-src http://m.example/debian trixie main\n\
                    deb [arch=amd64 signed-by=/x.gpg] http://m.example/debian trixie main contrib # why\n";
        let expected = entry(&["http://m.example/debian"], &["trixie"], &["main", "contrib"]);
        assert_eq!(read_list(text), [SourceEntry { signed_by: Some("/x.gpg".into()), ..expected }]);
    }

    #[test]
    fn deb822_sources() {
        let text = "Types: deb deb-src\n# a snapshot\nURIs: http://m.example/debian/\nSuites: trixie trixie-updates\n\
                    Components: main\n\nTypes: deb\nEnabled: no\nURIs: http://off.example\nSuites: trixie\n";
        assert_eq!(
            read_sources(text),
            [entry(&["http://m.example/debian/"], &["trixie", "trixie-updates"], &["main"])]
        );
    }

    #[test]
    fn the_hosts_mirror_serves_other_releases_too() {
        let host = [
            entry(&["http://m.example/debian"], &["bookworm-backports"], &["main"]),
            entry(&["http://m.example/debian/"], &["bookworm", "bookworm-updates"], &["main"]),
            entry(&["http://s.example/sec"], &["bookworm-security"], &["main"]),
        ];
        let mirrors = Mirrors::of_host(&host).unwrap();
        let suites: Vec<_> =
            mirrors.suites("trixie").into_iter().map(|one| format!("{} {}", one.url, one.suite)).collect();
        assert_eq!(
            suites,
            [
                "http://m.example/debian trixie",
                "http://m.example/debian trixie-updates",
                "http://s.example/sec trixie-security"
            ]
        );
        let ubuntu = [entry(&["http://u.example/ubuntu"], &["noble", "noble-security"], &["main"])];
        assert_eq!(Mirrors::of_host(&ubuntu), None);
        assert_eq!(
            Mirrors::setting("https://m.example/debian/", None).security,
            "https://m.example/debian-security"
        );
    }

    #[test]
    fn a_path_is_escaped_in_an_address() {
        let mirrors = Mirrors::setting("http://m.example/debian", None);
        let origin = |path: &str| crate::packages::Origin { archive: "debian".into(), path: path.into() };
        assert_eq!(
            mirrors.url(&origin("pool/t/t_1%3a2.0~rc1+b1-1 x?_all.deb")),
            "http://m.example/debian/pool/t/t_1%253a2.0~rc1+b1-1%20x%3F_all.deb"
        );
    }

    #[test]
    fn versions_have_suites() {
        assert_eq!(codename("13"), Some("trixie"));
        assert_eq!(codename("12.11"), Some("bookworm"));
        assert_eq!(codename("trixie"), Some("trixie"));
        assert_eq!(codename("9"), None);
    }
}

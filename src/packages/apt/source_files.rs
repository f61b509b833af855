//! The files by which a system knows an archive: its sources, its key, its priority.

use super::{ArchiveFiles, KeptArchive, MoreOfOwn, SystemFile};

/// Where Debian's own packages keep its keys.
const DEBIAN_KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// The sources of a new system, with the archives that it is made from.
pub const BASE_SOURCES: &str = "/etc/apt/sources.list.d/debian.sources";

/// An archive as a stanza of deb822 names it (sources.list(5)).
struct Stanza<'a> {
    url: &'a str,
    /// Parted by blanks.
    suites: &'a str,
    /// The same; empty for an archive whose suite is a path.
    components: &'a str,
    key: &'a str,
}

impl Stanza<'_> {
    fn text(&self) -> String {
        let Self { url, suites, components, key } = self;
        let components =
            if components.is_empty() { String::new() } else { format!("Components: {components}\n") };
        format!("Types: deb\nURIs: {url}\nSuites: {suites}\n{components}Signed-By: {key}\n")
    }
}

fn sources_path(name: &str) -> String {
    format!("/etc/apt/sources.list.d/{name}.sources")
}

/// The sources of an archive, its key, whose extension tells apt what form it is in, and its priority.
pub(super) fn of_archive(archive: &KeptArchive<'_>) -> ArchiveFiles {
    let KeptArchive { name, url, suite, components, key_is_text, priority } = *archive;
    let key_path = format!("/etc/apt/keyrings/{name}.{}", if key_is_text { "asc" } else { "gpg" });
    let stanza = Stanza { url, suites: suite, components: &components.join(" "), key: &key_path };
    let sources = SystemFile { path: sources_path(name), text: stanza.text() };
    let priority = priority.map(|priority| self::priority(name, url, priority));
    ArchiveFiles { others: priority.into_iter().chain([sources]).collect(), key_path }
}

/// What gives all that comes from the host of `url` a priority (`apt_preferences(5)`).
fn priority(name: &str, url: &str, priority: u32) -> SystemFile {
    let host = url.split("://").nth(1).unwrap_or_default().split(['/', ':']).next().unwrap_or_default();
    SystemFile {
        path: format!("/etc/apt/preferences.d/{name}"),
        text: format!("Package: *\nPin: origin \"{host}\"\nPin-Priority: {priority}\n"),
    }
}

/// Sources of a new Debian system: `suites` and `components` of the archive, whose security suites are at `security`.
#[must_use]
pub fn of_base(debian: &str, security: &str, suites: &[&str], components: &[String]) -> String {
    let components = components.join(" ");
    let stanza = |url: &str, suites: &[&str]| {
        Stanza { url, suites: &suites.join(" "), components: &components, key: DEBIAN_KEYS }.text()
    };
    let is_security = |suite: &&str| suite.ends_with("-security");
    let (security_suites, own): (Vec<&str>, Vec<&str>) = suites.iter().copied().partition(is_security);
    let mut stanzas = vec![stanza(debian, &own)];
    if !security_suites.is_empty() {
        stanzas.push(stanza(security, &security_suites));
    }
    stanzas.join("\n")
}

/// Debian's own archive beyond what a base's sources name: more components of all suites, and more suites.
pub(super) fn more_of_debian(more: &MoreOfOwn<'_>) -> (&'static str, SystemFile) {
    const NAME: &str = "debian-more";
    let MoreOfOwn { mirror, release: codename, components, suites } = *more;
    let mut stanzas = Vec::new();
    let stanza =
        |suites: &str, components: &str| Stanza { url: mirror, suites, components, key: DEBIAN_KEYS }.text();
    if !components.is_empty() {
        stanzas.push(stanza(&format!("{codename} {codename}-updates"), &components.join(" ")));
    }
    if !suites.is_empty() {
        let suites: Vec<String> = suites.iter().map(|suite| own_suite(codename, suite)).collect();
        let components =
            std::iter::once("main").chain(components.iter().copied().filter(|one| *one != "main"));
        stanzas.push(stanza(&suites.join(" "), &components.collect::<Vec<_>>().join(" ")));
    }
    (NAME, SystemFile { path: sources_path(NAME), text: stanzas.join("\n") })
}

/// `backports` of `trixie` is `trixie-backports`.
pub(super) fn own_suite(codename: &str, suite: &str) -> String {
    if suite.starts_with(codename) || codename.is_empty() {
        suite.to_owned()
    } else {
        format!("{codename}-{suite}")
    }
}

/// What the files of an archive at an address are called.
pub(super) fn file_name(url: &str, suite: &str) -> String {
    let place = url.split("://").nth(1).unwrap_or(url);
    let name: String = format!("{place}-{suite}")
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '.' { c.to_ascii_lowercase() } else { '-' })
        .collect();
    // apt reads no file whose name has other characters than these.
    name.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_such_as_apt_reads() {
        for (url, suite, name) in [
            ("https://download.docker.com/linux/debian", "trixie", "download.docker.com-linux-debian-trixie"),
            ("http://127.0.0.1:8970/deb/", "/", "127.0.0.1-8970-deb"),
            ("https://Example.org/a_b~c", "stable/updates", "example.org-a-b-c-stable-updates"),
        ] {
            assert_eq!(file_name(url, suite), name);
        }
    }

    fn of_trixie(components: &[&str], suites: &[&str]) -> SystemFile {
        let mirror = "http://m.example/debian";
        more_of_debian(&MoreOfOwn { mirror, release: "trixie", components, suites }).1
    }

    #[test]
    fn more_of_the_own_archive() {
        let file = of_trixie(&["contrib"], &["backports"]);
        let lines: Vec<&str> = file.text.lines().filter(|line| line.starts_with(['S', 'C'])).collect();
        let signed = "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg";
        assert_eq!(
            lines,
            [
                "Suites: trixie trixie-updates",
                "Components: contrib",
                signed,
                "Suites: trixie-backports",
                "Components: main contrib",
                signed
            ]
        );
        assert_eq!(own_suite("trixie", "trixie-backports-sloppy"), "trixie-backports-sloppy");
    }

    #[test]
    fn a_pin_is_for_the_host_alone() {
        let file = priority("x", "https://packages.example:8443/deb", 990);
        assert_eq!(file.text, "Package: *\nPin: origin \"packages.example\"\nPin-Priority: 990\n");
    }
}

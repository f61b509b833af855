//! The files by which a system knows an archive: its sources, its key, its priority.

/// Where Debian's own packages keep its keys.
const DEBIAN_KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// The sources of a new system, with the archives that it is made from.
pub const BASE_SOURCES: &str = "/etc/apt/sources.list.d/debian.sources";

/// A file of an archive: where it lies in the system, and its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    pub path: String,
    pub text: String,
}

/// An archive as a stanza of deb822 names it (sources.list(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stanza<'a> {
    pub url: &'a str,
    /// Parted by blanks.
    pub suites: &'a str,
    /// The same; empty for an archive whose suite is a path.
    pub components: &'a str,
    pub key: &'a str,
}

impl Stanza<'_> {
    /// Its text.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { url, suites, components, key } = self;
        let components =
            if components.is_empty() { String::new() } else { format!("Components: {components}\n") };
        format!("Types: deb\nURIs: {url}\nSuites: {suites}\n{components}Signed-By: {key}\n")
    }
}

/// Where sources of this name lie.
#[must_use]
pub fn sources_path(name: &str) -> String {
    format!("/etc/apt/sources.list.d/{name}.sources")
}

/// Where the key of an archive of this name lies; `asc` is the extension of a text, `gpg` of bytes.
#[must_use]
pub fn key_path(name: &str, extension: &str) -> String {
    format!("/etc/apt/keyrings/{name}.{extension}")
}

/// What gives all that comes from the host of `url` a priority (`apt_preferences(5)`).
#[must_use]
pub fn priority(name: &str, url: &str, priority: &dyn std::fmt::Display) -> SourceFile {
    let host = url.split("://").nth(1).unwrap_or_default().split(['/', ':']).next().unwrap_or_default();
    SourceFile {
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
#[must_use]
pub fn more_of_debian(mirror: &str, codename: &str, components: &[&str], suites: &[&str]) -> SourceFile {
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
    SourceFile { path: sources_path("debian-more"), text: stanzas.join("\n") }
}

/// `backports` of `trixie` is `trixie-backports`.
#[must_use]
pub fn own_suite(codename: &str, suite: &str) -> String {
    if suite.starts_with(codename) || codename.is_empty() {
        suite.to_owned()
    } else {
        format!("{codename}-{suite}")
    }
}

/// What the files of an archive at an address are called.
#[must_use]
pub fn file_name(url: &str, suite: &str) -> String {
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

    #[test]
    fn more_of_the_own_archive() {
        let file = more_of_debian("http://m.example/debian", "trixie", &["contrib"], &["backports"]);
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
        let file = priority("x", "https://packages.example:8443/deb", &990);
        assert_eq!(file.text, "Package: *\nPin: origin \"packages.example\"\nPin-Priority: 990\n");
    }
}

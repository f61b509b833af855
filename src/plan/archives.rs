//! The files by which an `archive` statement's archive stays among the image's own sources.

use super::Inputs;
use crate::{
    check::{ArchiveKey, ArchiveSource, OtherArchive},
    text::{Span, Spanned},
};

/// One file of an archive.
#[derive(Debug)]
pub(super) struct ArchiveFile<'a> {
    /// What the archive is called in file names.
    pub archive: String,
    /// The statement.
    pub span: Span,
    pub path: String,
    pub content: Content<'a>,
}

#[derive(Debug)]
pub(super) enum Content<'a> {
    Text(String),
    /// A file of the project, which is no text.
    File(&'a str, Span),
}

/// All files of all archives that stay.
pub(super) fn files(inputs: Inputs<'_>) -> Vec<ArchiveFile<'_>> {
    let mut files = Vec::new();
    for archive in inputs.spec.archives.iter().filter(|archive| archive.keep) {
        let (name, contents) = match &archive.source {
            ArchiveSource::Own { components, suites } => {
                let Some(mirror) = inputs.mirror else { continue };
                let codename = inputs.resolution.os.codename.as_deref().unwrap_or_default();
                let text = own_sources(mirror, codename, components, suites);
                let name = "debian-more".to_owned();
                let path = sources_path(&name);
                (name, vec![(path, Content::Text(text))])
            }
            ArchiveSource::Other(other) => {
                let name = file_name(&other.url.value, &other.suite.value);
                let contents = of_address(&name, other);
                (name, contents)
            }
        };
        files.extend(contents.into_iter().map(|(path, content)| ArchiveFile {
            archive: name.clone(),
            span: archive.span,
            path,
            content,
        }));
    }
    files
}

fn sources_path(name: &str) -> String {
    format!("/etc/apt/sources.list.d/{name}.sources")
}

fn of_address<'a>(name: &str, other: &'a OtherArchive) -> Vec<(String, Content<'a>)> {
    let (extension, key) = key(&other.key);
    let key_path = format!("/etc/apt/keyrings/{name}.{extension}");
    let url = other.url.value.trim_end_matches('/');
    let mut text = format!("Types: deb\nURIs: {url}\nSuites: {}\n", other.suite.value);
    if !other.components.is_empty() {
        let components: Vec<&str> = other.components.iter().map(|one| one.value.as_str()).collect();
        text += &format!("Components: {}\n", components.join(" "));
    }
    text += &format!("Signed-By: {key_path}\n");
    let mut files = vec![(key_path, key)];
    if let Some(priority) = &other.priority {
        let host = url.split("://").nth(1).unwrap_or_default().split(['/', ':']).next().unwrap_or_default();
        let pin = format!("Package: *\nPin: origin \"{host}\"\nPin-Priority: {}\n", priority.value);
        files.push((format!("/etc/apt/preferences.d/{name}"), Content::Text(pin)));
    }
    files.push((sources_path(name), Content::Text(text)));
    files
}

/// A key, and the extension by which apt tells what form it is in.
fn key(key: &ArchiveKey) -> (&'static str, Content<'_>) {
    match (std::str::from_utf8(&key.content), &key.path) {
        (Ok(text), _) => ("asc", Content::Text(text.to_owned())),
        (Err(_), Some(path)) => ("gpg", Content::File(path, key.span)),
        // A key within the ImageFile is text.
        (Err(_), None) => ("asc", Content::Text(String::from_utf8_lossy(&key.content).into_owned())),
    }
}

/// Debian's own archive beyond what the base's sources name: more components of all suites, and more suites.
fn own_sources(
    mirror: &str,
    codename: &str,
    components: &[Spanned<String>],
    suites: &[Spanned<String>],
) -> String {
    let mut text = String::new();
    let mut stanza = |suites: &str, components: &str| {
        if !text.is_empty() {
            text.push('\n');
        }
        text += &format!(
            "Types: deb\nURIs: {mirror}\nSuites: {suites}\nComponents: {components}\n\
             Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
        );
    };
    let more: Vec<&str> = components.iter().map(|one| one.value.as_str()).collect();
    if !more.is_empty() {
        stanza(&format!("{codename} {codename}-updates"), &more.join(" "));
    }
    if !suites.is_empty() {
        let suites: Vec<String> = suites.iter().map(|suite| own_suite(codename, &suite.value)).collect();
        let components = std::iter::once("main").chain(more.iter().copied().filter(|one| *one != "main"));
        stanza(&suites.join(" "), &components.collect::<Vec<_>>().join(" "));
    }
    text
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

/// What the files of an archive are called.
fn file_name(url: &str, suite: &str) -> String {
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
        let words = |of: &[&str]| -> Vec<Spanned<String>> {
            of.iter().map(|word| Spanned::new((*word).to_owned(), Span::default())).collect()
        };
        let text =
            own_sources("http://m.example/debian", "trixie", &words(&["contrib"]), &words(&["backports"]));
        let lines: Vec<&str> = text.lines().filter(|line| line.starts_with(['S', 'C'])).collect();
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
}

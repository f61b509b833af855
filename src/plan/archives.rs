//! The files by which an `archive` statement's archive stays among the image's own sources.

use super::Inputs;
use crate::{
    check::{ArchiveKey, ArchiveSource, OtherArchive},
    packages::apt::source_files::{self, Stanza},
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
                let words =
                    |of: &[Spanned<String>]| of.iter().map(|one| one.value.clone()).collect::<Vec<_>>();
                let (components, suites) = (words(components), words(suites));
                let file = source_files::more_of_debian(
                    mirror,
                    codename,
                    &components.iter().map(String::as_str).collect::<Vec<_>>(),
                    &suites.iter().map(String::as_str).collect::<Vec<_>>(),
                );
                ("debian-more".to_owned(), vec![(file.path, Content::Text(file.text))])
            }
            ArchiveSource::Other(other) => {
                let name = source_files::file_name(&other.url.value, &other.suite.value);
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

fn of_address<'a>(name: &str, other: &'a OtherArchive) -> Vec<(String, Content<'a>)> {
    let (extension, key) = key(&other.key);
    let key_path = source_files::key_path(name, extension);
    let url = other.url.value.trim_end_matches('/');
    let components: Vec<&str> = other.components.iter().map(|one| one.value.as_str()).collect();
    let stanza =
        Stanza { url, suites: &other.suite.value, components: &components.join(" "), key: &key_path }.text();
    let mut files = vec![(key_path, key)];
    if let Some(priority) = &other.priority {
        let file = source_files::priority(name, url, &priority.value);
        files.push((file.path, Content::Text(file.text)));
    }
    files.push((source_files::sources_path(name), Content::Text(stanza)));
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

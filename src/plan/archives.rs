//! The files by which an `archive` statement's archive stays among the image's own sources.

use super::Inputs;
use crate::{
    check::{ArchiveKey, ArchiveSource, OtherArchive},
    packages::{KeptArchive, Manager, MoreOfOwn},
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
    let manager = inputs.manager;
    let mut files = Vec::new();
    for archive in inputs.spec.archives.iter().filter(|archive| archive.keep) {
        let (name, contents) = match &archive.source {
            ArchiveSource::Own { components, suites } => {
                let Some(mirror) = inputs.mirror else { continue };
                let codename = inputs.resolution.os.codename.as_deref().unwrap_or_default();
                let more = MoreOfOwn {
                    mirror,
                    release: codename,
                    components: &words(components),
                    suites: &words(suites),
                };
                let (name, file) = manager.more_of_own(&more);
                (name.to_owned(), vec![(file.path, Content::Text(file.text))])
            }
            ArchiveSource::Other(other) => {
                let name = manager.archive_name(&other.url.value, &other.suite.value);
                let contents = of_address(manager, &name, other);
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

fn words(of: &[Spanned<String>]) -> Vec<&str> {
    of.iter().map(|one| one.value.as_str()).collect()
}

fn of_address<'a>(manager: Manager, name: &str, other: &'a OtherArchive) -> Vec<(String, Content<'a>)> {
    let key = key(&other.key);
    let files = manager.archive_files(&KeptArchive {
        name,
        url: other.url.value.trim_end_matches('/'),
        suite: &other.suite.value,
        components: &words(&other.components),
        key_is_text: matches!(key, Content::Text(_)),
        priority: other.priority.as_ref().map(|priority| priority.value),
    });
    let others = files.others.into_iter().map(|file| (file.path, Content::Text(file.text)));
    std::iter::once((files.key_path, key)).chain(others).collect()
}

fn key(key: &ArchiveKey) -> Content<'_> {
    match (std::str::from_utf8(&key.content), &key.path) {
        (Ok(text), _) => Content::Text(text.to_owned()),
        (Err(_), Some(path)) => Content::File(path, key.span),
        // A key within the ImageFile is text.
        (Err(_), None) => Content::Text(String::from_utf8_lossy(&key.content).into_owned()),
    }
}

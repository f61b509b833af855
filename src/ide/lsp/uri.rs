//! `file:` URIs to paths and back.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Component, Path, PathBuf};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

/// What is escaped in a path.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The path of a `file:` URI on this machine.
pub(super) fn to_path(uri: &str) -> Option<PathBuf> {
    let rest = uri.strip_prefix("file://")?;
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    if !path.starts_with('/') {
        return None;
    }
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let bytes: Vec<u8> = percent_decode_str(path).collect();
    (!bytes.contains(&0)).then(|| PathBuf::from(OsString::from_vec(bytes)))
}

/// The URI of an absolute path.
pub(super) fn from_path(path: &Path) -> String {
    format!("file://{}", percent_encode(path.as_os_str().as_bytes(), ESCAPED))
}

/// An absolute path without `..`, as far as its text goes.
pub(super) fn lexical(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => _ = plain.pop(),
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_a_file() {
        let path = |uri: &str| to_path(uri).map(|path| path.to_string_lossy().into_owned());
        assert_eq!(path("file:///a%20b/%C3%BC.imagefile"), Some("/a b/ü.imagefile".into()));
        assert_eq!(path("file://localhost/a"), Some("/a".into()));
        assert_eq!(
            path("file:///100%"),
            Some("/100%".into()),
            "as URLs are read: what is no escape is itself"
        );
        for no in ["untitled:Untitled-1", "file://server/share", "file:///%00", ""] {
            assert_eq!(path(no), None, "{no}");
        }
    }

    proptest! {
        #[test]
        fn there_and_back(name in "[^\0]{0,20}") {
            let path = PathBuf::from(format!("/{name}"));
            prop_assert_eq!(to_path(&from_path(&path)), Some(path));
        }

        #[test]
        fn any_text_is_a_path_or_not(text in "(file://)?\\PC{0,20}") {
            to_path(&text);
        }
    }
}

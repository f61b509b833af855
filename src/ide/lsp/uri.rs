//! `file:` URIs to paths and back.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Component, Path, PathBuf};

/// The path of a `file:` URI on this machine.
pub(super) fn to_path(uri: &str) -> Option<PathBuf> {
    let rest = uri.strip_prefix("file://")?;
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    if !path.starts_with('/') {
        return None;
    }
    let path = path.split(['?', '#']).next().unwrap_or_default().as_bytes();
    let mut bytes = Vec::with_capacity(path.len());
    let mut at = 0;
    while let Some(&byte) = path.get(at) {
        if byte == b'%' {
            let digits = std::str::from_utf8(path.get(at + 1..at + 3)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            at += 3;
        } else {
            bytes.push(byte);
            at += 1;
        }
    }
    (!bytes.contains(&0)).then(|| PathBuf::from(OsString::from_vec(bytes)))
}

/// The URI of an absolute path.
pub(super) fn from_path(path: &Path) -> String {
    use std::fmt::Write as _;
    let mut uri = "file://".to_owned();
    for &byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
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
        for no in
            ["untitled:Untitled-1", "file://server/share", "file:///%zz", "file:///%0", "file:///%00", ""]
        {
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

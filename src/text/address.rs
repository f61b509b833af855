//! Web addresses, for people to read.

use std::borrow::Cow;

/// An address without a name and password in front of the host: logs are read by more people than ImageFiles.
#[must_use]
pub fn without_credentials(url: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = url.split_once("://") else { return url.into() };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    match authority.rfind('@') {
        Some(at) => format!("{scheme}://***@{}", &rest[at + 1..]).into(),
        None => url.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::without_credentials;

    #[test]
    fn a_password_is_not_shown_and_all_else_is() {
        let cases = [
            ("https://u:p@example.org/a@b?c=d@e", "https://***@example.org/a@b?c=d@e"),
            ("http://token@example.org", "http://***@example.org"),
            ("http://a@b@example.org/", "http://***@example.org/"),
            ("https://example.org/@scope/file", "https://example.org/@scope/file"),
            ("file.qcow2", "file.qcow2"),
        ];
        for (url, shown) in cases {
            assert_eq!(without_credentials(url), shown);
        }
    }
}

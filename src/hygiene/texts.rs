//! Texts of a stranger: read line by line, and shown.

use crate::text::is_hidden;

/// Longer paths are cut where they are shown, in characters.
const SHOWN: usize = 300;

/// Bytes of a stranger's as a line of text that a terminal may get.
pub(super) fn shown(bytes: &[u8]) -> String {
    let mut text = String::new();
    let mut length = 0;
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            let harmless = !c.is_control() && !is_hidden(c);
            if harmless {
                text.push(c);
            } else {
                text.extend(c.escape_unicode());
            }
            length += 1;
            if length == SHOWN {
                return text + "…";
            }
        }
        for byte in chunk.invalid() {
            text += &format!("\\x{byte:02x}");
            length += 4;
        }
    }
    text
}

/// Lines with something on them, without comments that begin with `#`, and without blanks around.
pub(super) fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// The value behind `key` and a separator, blanks and quotes taken off: `key=value`, `key: "value"`.
pub(super) fn value<'a>(line: &'a str, key: &str, separator: char) -> Option<&'a str> {
    let (own, value) = line.split_once(separator)?;
    own.trim().eq_ignore_ascii_case(key).then(|| value.trim().trim_matches(['"', '\'']).trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stranger_writes_is_one_harmless_line() {
        assert_eq!(
            shown(b"/etc/new\nline\x1b[2J\xff\xe2\x80\xae"),
            "/etc/new\\u{a}line\\u{1b}[2J\\xff\\u{202e}"
        );
        assert_eq!(shown("/etc/schlüssel".as_bytes()), "/etc/schlüssel");
        assert!(shown(&[b'a'; 9000]).chars().count() <= SHOWN + 1);
    }

    #[test]
    fn values_are_told_by_their_keys() {
        assert_eq!(value("HWADDR = \"0a:1b\"", "hwaddr", '='), Some("0a:1b"));
        assert_eq!(value("HWADDRESS=1", "HWADDR", '='), None);
        assert_eq!(value("  macaddress: '0a'", "macaddress", ':'), Some("0a"));
    }
}

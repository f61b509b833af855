//! Names of the files that stand beside an artifact.

use super::DocumentKind;
use crate::model::OutputFormat;

/// An artifact's name without what its format adds to it: what the files that describe it are called by.
#[must_use]
pub fn stem(file: &str) -> &str {
    OutputFormat::split(file).0
}

/// What a document of an artifact with this stem is called.
#[must_use]
pub fn file_name(stem: &str, kind: DocumentKind) -> String {
    format!("{stem}.{}", kind.extension())
}

/// Whether a name leads nowhere but to a file in the folder where it stands: what a document says is a stranger's word.
#[must_use]
pub fn is_plain_name(name: &str) -> bool {
    let odd = |c: char| c == '/' || c.is_control();
    !name.is_empty() && name.len() <= 255 && name != "." && name != ".." && !name.contains(odd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_format_adds_to_a_name_is_taken_off() {
        let cases = [
            ("web.qcow2", "web"),
            ("web-1.2.raw", "web-1.2"),
            ("web.tar.gz", "web"),
            ("web.ova", "web"),
            ("web", "web"),
            (".qcow2", ".qcow2"),
        ];
        for (file, expected) in cases {
            assert_eq!(stem(file), expected, "{file}");
        }
        assert_eq!(file_name("web", DocumentKind::Spdx), "web.spdx.json");
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_not_plain() {
        for name in ["", ".", "..", "../web", "/etc/passwd", "a/b", "a\0b", "a\nb"] {
            assert!(!is_plain_name(name), "{name:?}");
        }
        assert!(is_plain_name("web.spdx.json") && is_plain_name("..web"));
    }
}

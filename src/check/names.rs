//! Names: of images, outputs, accounts and files.

use crate::model::OutputFormat;
use crate::text::Digest;

/// Longest name most file systems take, in bytes.
const FILE_NAME_LIMIT: usize = 255;

/// `NAME.EXT`, shortened with a digest of the whole name at its end where it would pass 255 bytes.
pub(super) fn output_file_name(name: &str, format: OutputFormat) -> String {
    let extension = format.extension();
    let whole = format!("{name}.{extension}");
    if whole.len() <= FILE_NAME_LIMIT {
        return whole;
    }
    let digest = Digest::of(name).short();
    let mut keep = FILE_NAME_LIMIT - extension.len() - digest.len() - 2;
    while !name.is_char_boundary(keep) {
        keep -= 1;
    }
    format!("{}-{digest}.{extension}", &name[..keep])
}

/// What `useradd` of the common distributions takes.
pub(super) fn is_account(name: &str) -> bool {
    (1..=32).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-'))
}

/// A name that the shell can hold.
pub(super) fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Names of apps, bases, profiles, params, secrets and labels: a letter or digit first, then also
/// `.`, `_`, `-` and `+`.
pub(super) fn is_identifier(name: &str) -> bool {
    (1..=255).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'+'))
}

/// A name of Debian's archives: `libc6`, `g++`, `libfoo:i386`.
pub(super) fn is_package(name: &str) -> bool {
    name.len() > 1
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'+' | b':'))
        // Behind a colon stands an architecture, all of which have letters.
        && name.split_once(':').is_none_or(|(_, arch)| arch.starts_with(|c: char| c.is_ascii_alphabetic()))
}

/// A systemd unit, with or without its suffix.
pub(super) fn is_unit(name: &str) -> bool {
    (1..=255).contains(&name.len())
        && !name.ends_with(':')
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b':' | b'-' | b'_' | b'.' | b'\\' | b'@'))
}

/// Whether an image's name can be its output's name as it is.
pub(super) fn is_plain_output(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 255
        && !name.starts_with('.')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DiskFormat, Package};

    #[test]
    fn long_output_names_stay_distinct_and_short() {
        assert_eq!(output_file_name("web", DiskFormat::Qcow2.into()), "web.qcow2");
        let (a, b) = (format!("{}a", "x".repeat(254)), format!("{}b", "x".repeat(254)));
        let [file_a, file_b] = [a, b].map(|name| output_file_name(&name, DiskFormat::Raw.into()));
        assert_eq!(file_a.len(), 255);
        assert_ne!(file_a, file_b);
        assert_eq!(output_file_name("web", OutputFormat::Packed(Package::Gce)), "web.tar.gz");
    }
}

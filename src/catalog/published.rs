//! Publishers' files of checksums, in the forms that are in use.

use crate::text::Checksum;

/// Why a file of checksums says nothing about a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotPublished {
    /// It names files, but by weaker sums, or it is something else altogether.
    #[error("it holds no SHA-256 or SHA-512 checksum")]
    NoChecksums,
    /// It has checksums, of other files only.
    #[error("it does not name `{name}`")]
    NotNamed {
        /// The last part of the file's URL.
        name: String,
    },
    /// Which of the two is meant cannot be known.
    #[error("it gives two checksums for `{name}`")]
    Contradiction {
        /// The last part of the file's URL.
        name: String,
    },
}

/// Finds what the text of a file of checksums at `checksums` says about the file at `url`.
///
/// Read are `HEX  NAME` and `HEX *NAME` as coreutils write it, `SHA256 (NAME) = HEX` as BSD does, also
/// within a signed message, and a bare `HEX`. A file of checksums named after the one file that it is
/// about (`disk.qcow2.sha256`) may call that by another name, as some publishers' do. SHA-256 and
/// SHA-512 are told apart by their length; weaker sums are not taken. Of both, SHA-512 is.
pub fn published(text: &str, checksums: &str, url: &str) -> Result<Checksum, NotPublished> {
    let name = file_name(url);
    let about_one_file = file_name(checksums).strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
    let mut any = false;
    let mut found: Vec<Checksum> = Vec::new();
    for (of, sum) in text.lines().filter_map(line) {
        any = true;
        let named = of.map(|of| file_name(of) == name);
        if named.unwrap_or(false) || about_one_file {
            found.push(sum);
        }
    }
    let of_kind = |sha512: bool| {
        let mut sums = found.iter().filter(|sum| matches!(sum, Checksum::Sha512(_)) == sha512);
        let first = sums.next().copied();
        if first.is_some_and(|first| sums.any(|other| *other != first)) {
            return Err(NotPublished::Contradiction { name: name.to_owned() });
        }
        Ok(first)
    };
    match (of_kind(true)?, of_kind(false)?) {
        (Some(sum), _) | (None, Some(sum)) => Ok(sum),
        (None, None) if any => Err(NotPublished::NotNamed { name: name.to_owned() }),
        (None, None) => Err(NotPublished::NoChecksums),
    }
}

/// The last part of a URL or path, without query and fragment.
fn file_name(url: &str) -> &str {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    path.rsplit('/').next().unwrap_or(path)
}

/// The name, if the line has one, and the checksum.
fn line(text: &str) -> Option<(Option<&str>, Checksum)> {
    let text = text.trim();
    if let Some((head, hex)) = text.rsplit_once(" = ") {
        let (_, name) = head.split_once(" (")?;
        return Some((Some(name.strip_suffix(')')?), Checksum::parse(hex.trim())?));
    }
    match text.split_once([' ', '\t']) {
        Some((hex, name)) => {
            let name = name.trim_start();
            Some((Some(name.strip_prefix('*').unwrap_or(name)), Checksum::parse(hex)?))
        }
        None => Some((None, Checksum::parse(text)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://images.example/x/disk.qcow2";
    const SUMS: &str = "https://images.example/x/SHA256SUMS";

    fn a() -> String {
        "a1".repeat(32)
    }

    fn b() -> String {
        "b2".repeat(32)
    }

    fn found(text: &str) -> String {
        match published(text, SUMS, URL) {
            Ok(sum) => sum.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn as_publishers_write_it() {
        let expected = format!("sha256 {}", a());
        for text in [
            format!("{}  other.qcow2\n{}  disk.qcow2\n", b(), a()),
            format!("{} *disk.qcow2\r\n{} *disk.qcow2.manifest\r\n", a(), b()),
            format!("# disk.qcow2: 123 bytes\nSHA256 (disk.qcow2) = {}\nSHA256 (other) = {}\n", a(), b()),
            format!("{}  ./x/disk.qcow2\n", a().to_uppercase()),
            format!(
                "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nSHA256 (disk.qcow2) = {}\n-----BEGIN PGP SIGNATURE-----\n\niQ\n-----END PGP SIGNATURE-----\n",
                a()
            ),
            // MD5 beside it says nothing.
            format!("{}  disk.qcow2\n{}  disk.qcow2\n", "c3".repeat(16), a()),
        ] {
            assert_eq!(found(&text), expected, "{text}");
        }
        let long = "d4".repeat(64);
        assert_eq!(found(&format!("{long}  disk.qcow2\n{}  disk.qcow2\n", a())), format!("sha512 {long}"));
    }

    #[test]
    fn a_file_of_its_own_may_call_the_disk_otherwise() {
        let of_one = |text: &str| published(text, &format!("{URL}.sha256"), URL).map(|sum| sum.to_string());
        let expected = Ok(format!("sha256 {}", a()));
        assert_eq!(of_one(&a()), expected);
        assert_eq!(of_one(&format!("{}  disk-1.0-Build4.2.qcow2\n", a())), expected);
        let two = format!("{}  one\n{}  two\n", a(), b());
        assert_eq!(of_one(&two), Err(NotPublished::Contradiction { name: "disk.qcow2".to_owned() }));
    }

    #[test]
    fn what_says_nothing_is_refused() {
        assert_eq!(found(&format!("{}  other.qcow2\n", a())), "it does not name `disk.qcow2`");
        assert_eq!(found("<html>404</html>"), "it holds no SHA-256 or SHA-512 checksum");
        assert_eq!(found(""), "it holds no SHA-256 or SHA-512 checksum");
        assert_eq!(
            found(&format!("{}  disk.qcow2\n{}  disk.qcow2\n", a(), b())),
            "it gives two checksums for `disk.qcow2`"
        );
    }
}

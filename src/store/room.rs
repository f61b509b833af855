//! Whether a failure is for want of room: told in one place, however it is said.

use std::io;

/// By the error's kind: a full file system, or the end of a user's share of it.
#[must_use]
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// By the words of a program of the host, which has no other way to tell: those of the C library for ENOSPC and
/// EDQUOT, in English since all of them run with the locale `C.UTF-8` (`cell`).
#[must_use]
pub fn says_full(words: &str) -> bool {
    words.contains("No space left on device") || words.contains("Disk quota exceeded")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_and_a_used_share_are_want_of_room() {
        for number in [nix::errno::Errno::ENOSPC, nix::errno::Errno::EDQUOT] {
            let error = io::Error::from(number);
            assert!(is_full(&error), "{error}");
            assert!(says_full(&format!("qemu-img: write failed: {error}")), "{error}");
        }
        assert!(!is_full(&nix::errno::Errno::EIO.into()));
        assert!(!says_full("Input/output error"));
    }
}

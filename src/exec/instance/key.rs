//! A key pair of one instance, in the form in which OpenSSH has keys: `PROTOCOL.key` of its sources, and RFC 8709 for
//! Ed25519. Nothing of the host's own keys is used, and the pair goes with the instance.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::{
    error::Unspecified,
    rand::{SecureRandom, SystemRandom},
    signature::{Ed25519KeyPair, KeyPair as _},
};

/// The kind of key, as it is called everywhere in the protocol.
const KIND: &str = "ssh-ed25519";

/// Characters of a line of the private key's text.
const LINE: usize = 70;

/// A key pair.
pub struct SshKey {
    /// The file of the private key, whole.
    pub private: String,
    /// The line of the public key: kind, key, comment.
    pub public: String,
}

impl std::fmt::Debug for SshKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SshKey").field("public", &self.public).finish_non_exhaustive()
    }
}

impl SshKey {
    /// A new pair, by random numbers of the system. The comment says whose it is, in one word.
    pub fn generate(comment: &str) -> Result<Self, Unspecified> {
        let random = SystemRandom::new();
        let (mut seed, mut check) = ([0; 32], [0; 4]);
        random.fill(&mut seed)?;
        random.fill(&mut check)?;
        Self::of(&seed, check, comment)
    }

    fn of(seed: &[u8; 32], check: [u8; 4], comment: &str) -> Result<Self, Unspecified> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| Unspecified)?;
        let public = pair.public_key().as_ref();
        let blob = [text(KIND.as_bytes()), text(public)].concat();
        let mut secret = [check, check].concat();
        secret.extend(&blob);
        secret.extend(text(&[&seed[..], public].concat()));
        secret.extend(text(comment.as_bytes()));
        // Up to a whole number of blocks of 8 bytes: 1, 2, 3 and so on.
        secret.extend((1..).take(secret.len().next_multiple_of(8) - secret.len()));
        let mut file = b"openssh-key-v1\0".to_vec();
        // No cipher, no derivation of a key, no options of that; one key.
        for part in [&b"none"[..], b"none", b""] {
            file.extend(text(part));
        }
        file.extend(1_u32.to_be_bytes());
        file.extend(text(&blob));
        file.extend(text(&secret));
        let encoded = STANDARD.encode(file);
        let mut private = "-----BEGIN OPENSSH PRIVATE KEY-----\n".to_owned();
        for line in encoded.as_bytes().chunks(LINE) {
            private.push_str(&String::from_utf8_lossy(line));
            private.push('\n');
        }
        private.push_str("-----END OPENSSH PRIVATE KEY-----\n");
        Ok(Self { private, public: format!("{KIND} {} {comment}", STANDARD.encode(blob)) })
    }
}

/// A string of the protocol: its length, then its bytes (RFC 4251, section 5).
fn text(bytes: &[u8]) -> Vec<u8> {
    let mut out = u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes().to_vec();
    out.extend(bytes);
    out
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    use super::*;

    #[test]
    fn openssh_reads_the_private_key_and_finds_the_public_one_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        // Comments of different lengths end at each place of a block.
        for comment in ["a", "ab", "abc", "abcd", "abcde", "abcdef", "abcdefg", "abcdefgh"] {
            let key = SshKey::generate(comment).unwrap();
            std::fs::write(&path, &key.private).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            let read = Command::new("ssh-keygen").args(["-y", "-f"]).arg(&path).output().unwrap();
            assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
            assert_eq!(String::from_utf8(read.stdout).unwrap().trim_end(), key.public);
        }
    }

    #[test]
    fn no_two_are_alike_and_none_is_shown() {
        let (one, other) = (SshKey::generate("x").unwrap(), SshKey::generate("x").unwrap());
        assert_ne!(one.public, other.public);
        assert!(!format!("{one:?}").contains("PRIVATE"));
    }
}

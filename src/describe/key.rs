//! Keys that sign: Ed25519 and ECDSA on P-256 with SHA-256, as PEM files. A private key is PKCS#8, as `openssl genpkey`
//! writes it; a public one is a SubjectPublicKeyInfo, as `openssl pkey -pubout` and `cosign public-key` do.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair,
        KeyPair as _, UnparsedPublicKey,
    },
};

use crate::text::Digest;

/// Why a text is no key that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyFileError {
    /// No PEM block of the label that is wanted.
    #[error("it has no `-----BEGIN {0}-----`")]
    NoPem(&'static str),
    /// A private key was given where a public one is wanted.
    #[error("it is a private key; the public half is wanted, which `openssl pkey -in FILE -pubout` prints")]
    Private,
    /// A password protects it.
    #[error("it is encrypted; imgfile asks for no password, so give it a key that only you can read")]
    Encrypted,
    /// Neither of the two kinds.
    #[error("it is neither an Ed25519 key nor an ECDSA key on P-256")]
    Kind,
}

/// DER of a SubjectPublicKeyInfo before the key itself: RFC 8410 (Ed25519), RFC 5480 (P-256, uncompressed point).
const ED25519_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
const P256_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Ed25519,
    P256,
}

/// The public half of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyingKey {
    algorithm: Algorithm,
    /// As the algorithm has it.
    point: Vec<u8>,
}

impl VerifyingKey {
    /// Reads a `PUBLIC KEY` of a PEM file.
    ///
    /// # Errors
    /// If it is none, or of another kind.
    pub fn from_pem(text: &str) -> Result<Self, KeyFileError> {
        let Some(der) = block(text, "PUBLIC KEY") else {
            let private = text.contains("PRIVATE KEY-----");
            return Err(if private { KeyFileError::Private } else { KeyFileError::NoPem("PUBLIC KEY") });
        };
        let part = |prefix: &[u8], length: usize| {
            let point = der.strip_prefix(prefix).filter(|point| point.len() == length);
            point.map(<[u8]>::to_vec)
        };
        let ed25519 = part(&ED25519_PREFIX, 32).map(|point| Self { algorithm: Algorithm::Ed25519, point });
        let p256 = || part(&P256_PREFIX, 65).map(|point| Self { algorithm: Algorithm::P256, point });
        ed25519.or_else(p256).ok_or(KeyFileError::Kind)
    }

    /// Reads every `PUBLIC KEY` of a PEM file, which has at least one.
    ///
    /// # Errors
    /// If one of them is none, or of another kind.
    pub fn all_from_pem(text: &str) -> Result<Vec<Self>, KeyFileError> {
        const END: &str = "-----END PUBLIC KEY-----";
        let first = Self::from_pem(text)?;
        let mut keys = vec![first];
        let others = text.split_inclusive(END).skip(1).filter(|block| block.contains("-----BEGIN "));
        for block in others {
            keys.push(Self::from_pem(block)?);
        }
        Ok(keys)
    }

    /// Whether this key made that signature; one by ECDSA is in DER.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self.algorithm {
            Algorithm::Ed25519 => {
                UnparsedPublicKey::new(&ED25519, &self.point).verify(message, signature).is_ok()
            }
            Algorithm::P256 => UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.point)
                .verify(message, signature)
                .is_ok(),
        }
    }

    /// SHA-256 of the key as a SubjectPublicKeyInfo in DER, in hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> String {
        let prefix: &[u8] = match self.algorithm {
            Algorithm::Ed25519 => &ED25519_PREFIX,
            Algorithm::P256 => &P256_PREFIX,
        };
        Digest::of([prefix, &self.point].concat()).to_string()
    }
}

/// A private key; nothing shows what is in it.
pub struct SigningKey {
    pair: Pair,
    public: VerifyingKey,
}

enum Pair {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair, SystemRandom),
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("public", &self.public.id()).finish_non_exhaustive()
    }
}

impl SigningKey {
    /// Reads a `PRIVATE KEY` (PKCS#8) of a PEM file.
    ///
    /// # Errors
    /// If it is none, is encrypted, or of another kind.
    pub fn from_pem(text: &str) -> Result<Self, KeyFileError> {
        let Some(der) = block(text, "PRIVATE KEY") else {
            let encrypted = text.contains("ENCRYPTED");
            return Err(if encrypted { KeyFileError::Encrypted } else { KeyFileError::NoPem("PRIVATE KEY") });
        };
        // openssl leaves the public half out of an Ed25519 key.
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der) {
            let point = pair.public_key().as_ref().to_vec();
            let public = VerifyingKey { algorithm: Algorithm::Ed25519, point };
            return Ok(Self { pair: Pair::Ed25519(pair), public });
        }
        let random = SystemRandom::new();
        match EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &der, &random) {
            Ok(pair) => {
                let point = pair.public_key().as_ref().to_vec();
                let public = VerifyingKey { algorithm: Algorithm::P256, point };
                Ok(Self { pair: Pair::P256(pair, random), public })
            }
            Err(_) => Err(KeyFileError::Kind),
        }
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> &VerifyingKey {
        &self.public
    }

    /// Signs a message; none where the system has no random numbers, which ECDSA takes.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        match &self.pair {
            Pair::Ed25519(pair) => Some(pair.sign(message).as_ref().to_vec()),
            Pair::P256(pair, random) => Some(pair.sign(random, message).ok()?.as_ref().to_vec()),
        }
    }
}

/// The content of the first PEM block with this label.
fn block(text: &str, label: &str) -> Option<Vec<u8>> {
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let from = text.find(&begin)? + begin.len();
    let content = &text[from..from + text[from..].find(&end)?];
    STANDARD.decode(content.split_whitespace().collect::<String>()).ok()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn pem(label: &str, der: &[u8]) -> String {
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
    }

    /// Two keys of each kind, read from files as a user has them.
    pub fn pairs() -> Vec<(SigningKey, VerifyingKey)> {
        let random = SystemRandom::new();
        let ed25519 = || Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        let p256 = || EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        let keys = [ed25519(), ed25519(), p256(), p256()];
        keys.iter()
            .map(|der| {
                let signing = SigningKey::from_pem(&pem("PRIVATE KEY", der.as_ref())).unwrap();
                let (prefix, point) = match signing.public.algorithm {
                    Algorithm::Ed25519 => (&ED25519_PREFIX[..], &signing.public.point),
                    Algorithm::P256 => (&P256_PREFIX[..], &signing.public.point),
                };
                let public = pem("PUBLIC KEY", &[prefix, point].concat());
                let verifying = VerifyingKey::from_pem(&public).unwrap();
                assert_eq!(&verifying, signing.public());
                (signing, verifying)
            })
            .collect()
    }

    #[test]
    fn a_key_signs_what_its_public_half_verifies() {
        for (signing, verifying) in pairs() {
            let signature = signing.sign(b"text").unwrap();
            assert!(verifying.verifies(b"text", &signature));
            assert!(!verifying.verifies(b"texT", &signature));
            let mut broken = signature.clone();
            broken[5] ^= 1;
            assert!(!verifying.verifies(b"text", &broken));
            assert!(!verifying.verifies(b"text", &signature[1..]));
        }
    }

    #[test]
    fn a_file_may_have_several_public_keys() {
        let keys: Vec<VerifyingKey> = pairs().into_iter().map(|(_, verifying)| verifying).collect();
        let text = |key: &VerifyingKey| {
            let prefix = if key.algorithm == Algorithm::Ed25519 { &ED25519_PREFIX[..] } else { &P256_PREFIX };
            pem("PUBLIC KEY", &[prefix, &key.point].concat())
        };
        let all: Vec<String> = keys.iter().map(text).collect();
        let file = format!("# ours\n{}\n", all.join("# theirs\n"));
        assert_eq!(VerifyingKey::all_from_pem(&file), Ok(keys));
        let broken = format!("{}{}", all[0], pem("PUBLIC KEY", b"x"));
        assert_eq!(VerifyingKey::all_from_pem(&broken), Err(KeyFileError::Kind));
        let private = format!("{}{}", all[0], pem("PRIVATE KEY", b"x"));
        assert_eq!(VerifyingKey::all_from_pem(&private), Err(KeyFileError::Private));
        assert_eq!(VerifyingKey::all_from_pem(""), Err(KeyFileError::NoPem("PUBLIC KEY")));
    }

    #[test]
    fn what_is_no_key_of_these_kinds_is_refused_with_a_reason() {
        let private = |text: &str| SigningKey::from_pem(text).err();
        let public = |text: &str| VerifyingKey::from_pem(text).err();
        assert_eq!(private("x"), Some(KeyFileError::NoPem("PRIVATE KEY")));
        assert_eq!(private(&pem("ENCRYPTED PRIVATE KEY", b"x")), Some(KeyFileError::Encrypted));
        assert_eq!(private(&pem("ENCRYPTED SIGSTORE PRIVATE KEY", b"x")), Some(KeyFileError::Encrypted));
        assert_eq!(private(&pem("PRIVATE KEY", b"x")), Some(KeyFileError::Kind));
        assert_eq!(private("-----BEGIN PRIVATE KEY-----\nAA"), Some(KeyFileError::NoPem("PRIVATE KEY")));
        assert_eq!(public(&pem("PRIVATE KEY", b"x")), Some(KeyFileError::Private));
        assert_eq!(public(""), Some(KeyFileError::NoPem("PUBLIC KEY")));
        assert_eq!(public(&pem("PUBLIC KEY", &ED25519_PREFIX)), Some(KeyFileError::Kind));
    }
}

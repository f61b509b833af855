//! The signed table of contents of an archive's suite: `InRelease`.

use std::collections::BTreeMap;
use std::fmt;

use pgp::composed::{CleartextSignedMessage, Deserializable, SignedPublicKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType};
use pgp::types::KeyDetails;

use super::control::Stanza;

/// The keys that Debian 12 and 13 are signed with, see `keys/README.md`.
const DEBIAN: &[u8] = include_bytes!("keys/debian-archive.asc");

/// Public keys that may vouch for an archive.
#[derive(Clone, Default)]
pub struct Keyring {
    certificates: Vec<SignedPublicKey>,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.fingerprints()).finish()
    }
}

/// Why a key or a signed file is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    #[error("not an OpenPGP public key: {0}")]
    Key(String),
    #[error("the key has the fingerprint {found}, not {pinned}")]
    Fingerprint { pinned: String, found: String },
    #[error("not a clear-signed file: {0}")]
    NotSigned(String),
    #[error("no signature of a known key (signed by {})", if signers.is_empty() { "nobody".to_owned() } else { signers.join(", ") })]
    UnknownSigner { signers: Vec<String> },
    #[error("a signature by {0} does not fit the file")]
    BadSignature(String),
    #[error("the file lists no SHA256 digests")]
    NoDigests,
}

impl Keyring {
    /// Reads binary (`.gpg`) or armoured (`.asc`) keys, any number of them.
    pub fn read(bytes: &[u8]) -> Result<Self, ReleaseError> {
        let failed = |error: pgp::errors::Error| ReleaseError::Key(error.to_string());
        let parsed: Vec<_> = if bytes.trim_ascii_start().starts_with(b"-----BEGIN") {
            SignedPublicKey::from_armor_many(bytes).map_err(failed)?.0.collect()
        } else {
            SignedPublicKey::from_bytes_many(bytes).map_err(failed)?.collect()
        };
        // A keyring may hold keys of kinds that are not supported; the others still count.
        let (good, bad): (Vec<_>, Vec<_>) = parsed.into_iter().partition(Result::is_ok);
        let certificates: Vec<_> = good.into_iter().flatten().map(without_strangers).collect();
        if certificates.is_empty() {
            let why = bad
                .into_iter()
                .find_map(Result::err)
                .map_or("there is none in it".to_owned(), |e| e.to_string());
            return Err(ReleaseError::Key(why));
        }
        Ok(Self { certificates })
    }

    /// Reads one key and holds it to the fingerprint a catalogue or lock has pinned (blanks and
    /// case do not matter).
    pub fn pinned(bytes: &[u8], fingerprint: &str) -> Result<Self, ReleaseError> {
        let pinned: String =
            fingerprint.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_uppercase();
        let all = Self::read(bytes)?;
        let found = all.fingerprints().collect::<Vec<_>>().join(", ");
        let certificates: Vec<_> =
            all.certificates.into_iter().filter(|key| fingerprint_of(key) == pinned).collect();
        if certificates.is_empty() {
            return Err(ReleaseError::Fingerprint { pinned, found });
        }
        Ok(Self { certificates })
    }

    /// The built-in keys of Debian 12 and 13.
    pub fn debian() -> Result<Self, ReleaseError> {
        Self::read(DEBIAN)
    }

    /// Both keyrings' keys.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.certificates.extend(other.certificates);
        self
    }

    /// Fingerprints of the primary keys, upper-case hexadecimal.
    pub fn fingerprints(&self) -> impl Iterator<Item = String> {
        self.certificates.iter().map(fingerprint_of)
    }

    /// Whether a key of the ring, or a subkey it vouches for, made the signature.
    fn verifies(&self, signature: &Signature, text: &[u8]) -> Verdict {
        let mut verdict = Verdict::Unknown;
        for certificate in &self.certificates {
            if certificate.verify_bindings().is_err() || !certificate.details.revocation_signatures.is_empty()
            {
                continue;
            }
            if made_by(signature, &certificate.primary_key) {
                verdict = Verdict::Bad;
                if signature.verify(&certificate.primary_key, text).is_ok() {
                    return Verdict::Good;
                }
            }
            for subkey in &certificate.public_subkeys {
                let signs = subkey.signatures.iter().any(|binding| binding.key_flags().sign());
                let revoked =
                    subkey.signatures.iter().any(|one| one.typ() == Some(SignatureType::SubkeyRevocation));
                if signs && !revoked && made_by(signature, &subkey.key) {
                    verdict = Verdict::Bad;
                    if signature.verify(&subkey.key, text).is_ok() {
                        return Verdict::Good;
                    }
                }
            }
        }
        verdict
    }
}

enum Verdict {
    Good,
    Bad,
    Unknown,
}

fn fingerprint_of(key: &SignedPublicKey) -> String {
    format!("{:X}", key.primary_key.fingerprint())
}

/// The certificate with its own signatures only: a keyring from a system carries those of other
/// people on its user ids too, which nothing here could check.
fn without_strangers(mut certificate: SignedPublicKey) -> SignedPublicKey {
    let primary = certificate.primary_key.clone();
    for user in &mut certificate.details.users {
        user.signatures.retain(|signature| made_by(signature, &primary));
    }
    certificate.details.users.retain(|user| !user.signatures.is_empty());
    certificate
}

fn made_by(signature: &Signature, key: &impl KeyDetails) -> bool {
    let fingerprints = signature.issuer_fingerprint();
    if fingerprints.is_empty() {
        let id = key.legacy_key_id();
        return signature.issuer_key_id().into_iter().any(|issuer| *issuer == id);
    }
    let own = key.fingerprint();
    fingerprints.into_iter().any(|issuer| *issuer == own)
}

fn signer_of(signature: &Signature) -> String {
    let fingerprint = signature.issuer_fingerprint().first().map(|issuer| format!("{issuer:X}"));
    let id = || signature.issuer_key_id().first().map(|id| id.to_string().to_uppercase());
    fingerprint.or_else(id).unwrap_or_else(|| "an unnamed key".to_owned())
}

/// What a suite says about itself, and the digests of its files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReleaseFile {
    pub suite: String,
    pub codename: String,
    pub components: Vec<String>,
    /// `Date`, as written.
    pub date: String,
    /// `Valid-Until`, in seconds since 1970; many archives have none.
    pub valid_until: Option<u64>,
    /// Files can be had under their digest too, which a mirror in the middle of an update needs.
    pub by_hash: bool,
    /// apt's pin: 500, 100 or 1.
    pub priority: u16,
    /// Path below the suite to digest (lower-case hexadecimal SHA-256) and size in bytes.
    pub files: BTreeMap<String, (String, u64)>,
}

/// Checks an `InRelease` file's signature and reads it. One good signature of a known key is
/// enough: archives sign with the keys of two releases.
pub fn verify_release(in_release: &[u8], keys: &Keyring) -> Result<ReleaseFile, ReleaseError> {
    let not_signed = |why: String| ReleaseError::NotSigned(why);
    let text = std::str::from_utf8(in_release).map_err(|error| not_signed(error.to_string()))?;
    let (message, _) =
        CleartextSignedMessage::from_string(text).map_err(|error| not_signed(error.to_string()))?;
    let signed = message.signed_text();
    let mut signers = Vec::new();
    let mut bad = None;
    for signature in message.signatures() {
        let sound_kind = matches!(signature.typ(), Some(SignatureType::Text | SignatureType::Binary));
        let sound_hash = matches!(
            signature.hash_alg(),
            Some(HashAlgorithm::Sha256 | HashAlgorithm::Sha384 | HashAlgorithm::Sha512)
        );
        if sound_kind && sound_hash {
            match keys.verifies(signature, signed.as_bytes()) {
                Verdict::Good => return read_release(&signed),
                Verdict::Bad => bad = Some(signer_of(signature)),
                Verdict::Unknown => {}
            }
        }
        signers.push(signer_of(signature));
    }
    Err(bad.map_or(ReleaseError::UnknownSigner { signers }, ReleaseError::BadSignature))
}

fn read_release(text: &str) -> Result<ReleaseFile, ReleaseError> {
    let text = text.replace("\r\n", "\n");
    let stanza = Stanza::new(&text);
    let field = |name| stanza.get(name).unwrap_or_default().to_owned();
    let files: BTreeMap<_, _> = stanza
        .get("SHA256")
        .unwrap_or_default()
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (sha256, size, path) = (words.next()?, words.next()?.parse().ok()?, words.next()?);
            let sound = sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
            sound.then(|| (path.to_owned(), (sha256.to_ascii_lowercase(), size)))
        })
        .collect();
    if files.is_empty() {
        return Err(ReleaseError::NoDigests);
    }
    let priority = match (stanza.flag("NotAutomatic"), stanza.flag("ButAutomaticUpgrades")) {
        (false, _) => 500,
        (true, true) => 100,
        (true, false) => 1,
    };
    Ok(ReleaseFile {
        suite: field("Suite"),
        codename: field("Codename"),
        components: field("Components").split_whitespace().map(str::to_owned).collect(),
        date: field("Date"),
        valid_until: stanza.get("Valid-Until").and_then(unix_time),
        by_hash: stanza.flag("Acquire-By-Hash"),
        priority,
        files,
    })
}

/// Seconds since 1970 of a date as release files have it: `Sat, 12 Sep 2026 07:55:41 UTC`.
fn unix_time(date: &str) -> Option<u64> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let mut words = date.split_once(',')?.1.split_whitespace();
    let (day, month, year) = (words.next()?, words.next()?, words.next()?);
    let time: Vec<u64> = words.next()?.split(':').map(str::parse).collect::<Result<_, _>>().ok()?;
    let (&[hour, minute, second], "UTC" | "GMT" | "+0000") = (&time[..], words.next()?) else { return None };
    let (day, year): (u64, u64) = (day.parse().ok()?, year.parse().ok()?);
    let month = MONTHS.find(month).filter(|at| at % 3 == 0 && month.len() == 3)? as u64 / 3 + 1;
    if !(1970..10_000).contains(&year) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60
    {
        return None;
    }
    // Days of the civil calendar, the year starting in March (H. Hinnant's algorithm).
    let shifted = if month > 2 { year } else { year - 1 };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + day_of_year - 719_468;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::{Keyring, ReleaseError, unix_time, verify_release};

    #[test]
    fn dates_of_release_files() {
        assert_eq!(unix_time("Thu, 01 Jan 1970 00:00:00 UTC"), Some(0));
        assert_eq!(unix_time("Sat, 12 Sep 2026 07:55:41 UTC"), Some(1_789_199_741));
        assert_eq!(unix_time("Thu, 29 Feb 2024 23:59:59 GMT"), Some(1_709_251_199));
        for nonsense in [
            "",
            "tomorrow",
            "Sat, 12 Foo 2026 07:55:41 UTC",
            "Sat, 12 Sep 2026 07:55 UTC",
            "Sat, 99 Sep 2026 07:55:41 UTC",
        ] {
            assert_eq!(unix_time(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn the_built_in_keys_are_those_of_two_releases() {
        assert_eq!(Keyring::debian().unwrap().fingerprints().count(), 6);
    }

    #[test]
    fn what_is_no_key_and_no_signed_file() {
        assert!(matches!(Keyring::read(b"hello"), Err(ReleaseError::Key(_))));
        assert!(matches!(Keyring::read(b""), Err(ReleaseError::Key(_))));
        let keys = Keyring::debian().unwrap();
        for text in ["", "Suite: stable\n", "-----BEGIN PGP SIGNED MESSAGE-----\n"] {
            assert!(
                matches!(verify_release(text.as_bytes(), &keys), Err(ReleaseError::NotSigned(_))),
                "{text}"
            );
        }
    }
}

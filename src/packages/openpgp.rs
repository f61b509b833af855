//! OpenPGP as archives use it: which key may vouch for a file, and whether it does.
//!
//! What is refused is what apt refuses: keys and signatures that are expired or revoked, RSA below 2048
//! bits, DSA and `ElGamal`, and anything that rests on SHA-1 or MD5, a key's own certification included.

use std::fmt;

use pgp::composed::{CleartextSignedMessage, Deserializable, DetachedSignature, SignedPublicKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{KeyFlags, Signature, SignatureType};
use pgp::types::{KeyDetails, PublicParams, Tag};

use crate::text::Digest;

/// The keys that Debian 12 and 13 are signed with, see `keys/README.md`.
const DEBIAN: &[u8] = include_bytes!("keys/debian-archive.asc");

/// Bits that an RSA key has to have.
const RSA_BITS: u16 = 2048;
/// Seconds by which two clocks may differ, as apt's `Acquire::Max-FutureTime`.
pub(super) const CLOCKS_DIFFER: u64 = 10;

/// Public keys that may vouch for an archive.
#[derive(Clone, Default)]
pub struct Keyring {
    certificates: Vec<SignedPublicKey>,
    /// Whoever names the keys vouches for them: how they certify themselves does not matter.
    named: bool,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.fingerprints()).finish()
    }
}

/// Why a key is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The bytes are no key, or none of a supported kind; with the reason.
    #[error("not an OpenPGP public key: {0}")]
    Unreadable(String),
    /// It is another key than the pinned one.
    #[error("the key has the fingerprint {found}, not {pinned}")]
    Fingerprint {
        /// Upper-case hexadecimal, as pinned.
        pinned: String,
        /// Upper-case hexadecimal, of the keys that there are, joined by commas.
        found: String,
    },
}

/// Why a file's signatures do not make it trustworthy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The bytes have not the form of a signed file; with the reason.
    #[error("not a signed file: {0}")]
    NotSigned(String),
    /// No key of the keyring has made a signature of the file.
    #[error("no signature of a known key (signed by {})", if signers.is_empty() { "nobody".to_owned() } else { signers.join(", ") })]
    UnknownSigner {
        /// Key ids or fingerprints that the signatures name; empty if there are none.
        signers: Vec<String>,
    },
    /// A known key's signature is of another content; the fingerprint or key id that it names.
    #[error("a signature by {0} does not fit the file")]
    Bad(String),
    /// A known key's signature fits, but does not count.
    #[error("the signature by {signer} is not taken: {flaw}")]
    Flawed {
        /// The fingerprint or key id that the signature names, upper-case hexadecimal.
        signer: String,
        /// Why it does not count.
        flaw: Flaw,
    },
}

/// What is wrong with a signature of a known key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// At the time at which the signature has to hold.
    #[error("the key is expired")]
    KeyExpired,
    /// By itself, or by the key that it is a subkey of.
    #[error("the key is revoked")]
    KeyRevoked,
    /// The algorithm and its size, such as `RSA of 1024 bits`.
    #[error("the key is weak ({0})")]
    WeakKey(String),
    /// The self-signature is missing or does not hold; with the reason.
    #[error("the key does not certify itself soundly: {0}")]
    Uncertified(&'static str),
    /// At the time at which it has to hold.
    #[error("the signature is expired")]
    SignatureExpired,
    /// Its time of making is missing, later than now, or earlier than the key's.
    #[error("the signature is from the future, or from before its key")]
    WrongTime,
    /// The digest's name, such as `SHA1`.
    #[error("it is made with {0}, which is broken")]
    WeakDigest(String),
    /// Its type is not that of a signed document, or its key may not sign.
    #[error("it is not of a kind that vouches for a file")]
    WrongKind,
}

/// When a signature has to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// At this time, in seconds since 1970.
    Now(u64),
    /// When it was made, if that is not after this time: for what was current once and is kept as
    /// evidence. What was revoked since does not count.
    WhenMade(u64),
}

/// A file with its signature, as archives publish both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signed {
    /// `InRelease`.
    Inline(Vec<u8>),
    /// `Release` and `Release.gpg`.
    Detached {
        /// The file that is signed.
        content: Vec<u8>,
        /// Armoured or binary.
        signature: Vec<u8>,
    },
}

/// A signed file, taken apart.
#[derive(Debug, Clone)]
pub struct Opened {
    signatures: Vec<Signature>,
    text: String,
}

impl Opened {
    /// What the file says of itself, whoever wrote it: for what has to be known before its signature is checked.
    #[must_use]
    pub fn unverified_text(&self) -> &str {
        &self.text
    }
}

const DETACHED: &[u8] = b"imgfile-detached ";

impl Signed {
    /// One text for both forms, to be kept.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Inline(bytes) => bytes.clone(),
            Self::Detached { content, signature } => {
                let head = format!("{}\n", content.len());
                [DETACHED, head.as_bytes(), content, signature].concat()
            }
        }
    }

    /// Reads back what [`encode`](Self::encode) gave.
    #[must_use]
    pub fn decode(bytes: Vec<u8>) -> Self {
        let parts = || {
            let rest = bytes.strip_prefix(DETACHED)?;
            let end = rest.iter().position(|byte| *byte == b'\n')?;
            let length: usize = std::str::from_utf8(&rest[..end]).ok()?.parse().ok()?;
            let (content, signature) = rest[end + 1..].split_at_checked(length)?;
            Some(Self::Detached { content: content.to_vec(), signature: signature.to_vec() })
        };
        parts().unwrap_or(Self::Inline(bytes))
    }

    /// Takes signatures and text apart; what they are worth is not looked at.
    pub fn open(&self) -> Result<Opened, SignatureError> {
        let failed = |why: String| SignatureError::NotSigned(why);
        match self {
            Self::Inline(bytes) => {
                let text = std::str::from_utf8(bytes).map_err(|error| failed(error.to_string()))?;
                let (message, _) =
                    CleartextSignedMessage::from_string(text).map_err(|error| failed(error.to_string()))?;
                Ok(Opened { signatures: message.signatures().to_vec(), text: message.signed_text() })
            }
            Self::Detached { content, signature } => {
                let text = String::from_utf8(content.clone()).map_err(|error| failed(error.to_string()))?;
                let parsed: Vec<DetachedSignature> = blocks(signature)
                    .map_err(|error| failed(error.to_string()))?
                    .into_iter()
                    .filter_map(Result::ok)
                    .collect();
                Ok(Opened { signatures: parsed.into_iter().map(|one| one.signature).collect(), text })
            }
        }
    }
}

/// What a binary text, or the armoured blocks of a text, hold.
fn blocks<T: Deserializable>(bytes: &[u8]) -> pgp::errors::Result<Vec<pgp::errors::Result<T>>> {
    const BEGIN: &[u8] = b"-----BEGIN PGP ";
    const END: &[u8] = b"-----END PGP ";
    let starts: Vec<usize> = bytes
        .windows(BEGIN.len())
        .enumerate()
        .filter(|(at, window)| *window == BEGIN && (*at == 0 || bytes[at - 1] == b'\n'))
        .map(|(at, _)| at)
        .collect();
    if starts.is_empty() {
        return Ok(T::from_bytes_many(bytes)?.collect());
    }
    let mut all = Vec::new();
    for start in starts {
        let block = &bytes[start..];
        let end = block.windows(END.len()).position(|window| window == END).unwrap_or(block.len());
        let end = block[end..].iter().position(|byte| *byte == b'\n').map_or(block.len(), |line| end + line);
        all.extend(T::from_armor_many(&block[..end])?.0);
    }
    Ok(all)
}

/// Why a key cannot be read, in words; the reader's own are about its inside.
fn readable(bytes: &[u8], error: &pgp::errors::Error) -> String {
    let count = |mark: &[u8]| bytes.windows(mark.len()).filter(|window| *window == mark).count();
    let is_cut = count(b"-----BEGIN PGP") > count(b"-----END PGP");
    if is_cut || matches!(error, pgp::errors::Error::IO { .. }) {
        return "it is cut off or damaged".to_owned();
    }
    error.to_string()
}

impl Keyring {
    /// Reads binary (`.gpg`) or armoured (`.asc`) keys, any number of them in any number of blocks.
    pub fn read(bytes: &[u8]) -> Result<Self, KeyError> {
        // A text without a block is a wrong file, of which a reader of packets says strange things.
        if std::str::from_utf8(bytes).is_ok_and(|text| !text.contains("-----BEGIN PGP")) {
            return Err(KeyError::Unreadable("there is none in it".to_owned()));
        }
        let parsed: Vec<pgp::errors::Result<SignedPublicKey>> =
            blocks(bytes).map_err(|error| KeyError::Unreadable(readable(bytes, &error)))?;
        // A keyring may hold keys of kinds that are not supported; the others still count.
        let (good, bad): (Vec<_>, Vec<_>) = parsed.into_iter().partition(Result::is_ok);
        let certificates: Vec<_> = good.into_iter().flatten().collect();
        if certificates.is_empty() {
            let why = bad
                .into_iter()
                .find_map(Result::err)
                .map_or("there is none in it".to_owned(), |error| readable(bytes, &error));
            return Err(KeyError::Unreadable(why));
        }
        Ok(Self { certificates, named: false })
    }

    /// Reads keys and holds them to the fingerprint a catalogue or lock has pinned (blanks and case do
    /// not matter).
    pub fn pinned(bytes: &[u8], fingerprint: &str) -> Result<Self, KeyError> {
        let pinned: String =
            fingerprint.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_uppercase();
        let all = Self::read(bytes)?;
        let found = all.fingerprints().collect::<Vec<_>>().join(", ");
        let certificates: Vec<_> =
            all.certificates.into_iter().filter(|key| fingerprint_of(key) == pinned).collect();
        if certificates.is_empty() {
            return Err(KeyError::Fingerprint { pinned, found });
        }
        Ok(Self { certificates, named: false })
    }

    /// Takes keys as they are, though they certify themselves with SHA-1: for keys of publishers that are
    /// older than anybody's doubts about it, and named one by one.
    #[must_use]
    pub fn as_named(self) -> Self {
        Self { named: true, ..self }
    }

    /// The built-in keys of Debian 12 and 13.
    pub fn debian() -> Result<Self, KeyError> {
        Self::read(DEBIAN)
    }

    /// Names the keys with all that is known of them, what revokes them included.
    #[must_use]
    pub fn digest(&self) -> Digest {
        use pgp::ser::Serialize as _;
        let mut bytes = vec![u8::from(self.named)];
        for certificate in &self.certificates {
            // What was read can be written.
            bytes.extend(certificate.to_bytes().unwrap_or_default());
        }
        Digest::of(bytes)
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

    /// The text that a key of the ring vouches for. One good signature is enough, as archives sign with
    /// the keys of two releases; one by a known key that does not fit the file spoils it.
    pub fn verify(&self, signed: &Signed, moment: Moment) -> Result<String, SignatureError> {
        let opened = signed.open()?;
        self.verify_opened(&opened, moment)?;
        Ok(opened.text)
    }

    /// As [`verify`](Self::verify), of a file that is looked at by several keyrings.
    pub fn verify_opened(&self, opened: &Opened, moment: Moment) -> Result<(), SignatureError> {
        let (mut signers, mut flawed, mut good) = (Vec::new(), None, false);
        for signature in &opened.signatures {
            match self.judge(signature, opened.text.as_bytes(), moment) {
                Verdict::Good => good = true,
                Verdict::Bad => return Err(SignatureError::Bad(signer_of(signature))),
                Verdict::Flawed(flaw) => {
                    flawed.get_or_insert(SignatureError::Flawed { signer: signer_of(signature), flaw });
                }
                Verdict::Unknown => {}
            }
            signers.push(signer_of(signature));
        }
        if good {
            return Ok(());
        }
        Err(flawed.unwrap_or(SignatureError::UnknownSigner { signers }))
    }

    /// Whether a key of the ring, or a subkey it vouches for, made the signature.
    fn judge(&self, signature: &Signature, text: &[u8], moment: Moment) -> Verdict {
        let mut verdict = Verdict::Unknown;
        for certificate in &self.certificates {
            let found = if made_by(signature, &certificate.primary_key) {
                judge_by(
                    signature,
                    text,
                    &certificate.primary_key,
                    |time| primary(certificate, self.named, time),
                    moment,
                )
            } else {
                let mut subkeys = certificate.public_subkeys.iter();
                let Some(subkey) = subkeys.find(|subkey| made_by(signature, &subkey.key)) else { continue };
                let sound = |time| {
                    primary(certificate, self.named, time).and_then(|_| sub(certificate, subkey, time))
                };
                judge_by(signature, text, &subkey.key, sound, moment)
            };
            if matches!(found, Verdict::Good) {
                return found;
            }
            verdict = found;
        }
        verdict
    }
}

enum Verdict {
    Good,
    /// The file was changed after it was signed.
    Bad,
    Flawed(Flaw),
    Unknown,
}

fn judge_by(
    signature: &Signature,
    text: &[u8],
    key: &impl pgp::types::VerifyingKey,
    sound: impl Fn(u64) -> Result<KeyFlags, Flaw>,
    moment: Moment,
) -> Verdict {
    if !matches!(signature.typ(), Some(SignatureType::Text | SignatureType::Binary)) {
        return Verdict::Flawed(Flaw::WrongKind);
    }
    if let Some(name) = weak_digest(signature) {
        return Verdict::Flawed(Flaw::WeakDigest(name));
    }
    if signature.verify(key, text).is_err() {
        return Verdict::Bad;
    }
    let Some(made) = created(signature) else { return Verdict::Flawed(Flaw::WrongTime) };
    let (now, time) = match moment {
        Moment::Now(now) => (now, now),
        Moment::WhenMade(now) => (now, made),
    };
    if made > now + CLOCKS_DIFFER || made < seconds(key.created_at()) {
        return Verdict::Flawed(Flaw::WrongTime);
    }
    if ends(made, signature.signature_expiration_time()).is_some_and(|end| end <= time) {
        return Verdict::Flawed(Flaw::SignatureExpired);
    }
    match sound(time) {
        Err(flaw) => Verdict::Flawed(flaw),
        // A key whose flags name uses may do those; one without flags, as old ones are, may do all.
        Ok(flags)
            if !flags.sign() && (flags.certify() || flags.encrypt_comms() || flags.authentication()) =>
        {
            Verdict::Flawed(Flaw::WrongKind)
        }
        Ok(_) => Verdict::Good,
    }
}

/// Whether a certificate's primary key is sound at a time; what it may be used for.
fn primary(certificate: &SignedPublicKey, named: bool, time: u64) -> Result<KeyFlags, Flaw> {
    let key = &certificate.primary_key;
    strong(key.public_params())?;
    let details = &certificate.details;
    if details.revocation_signatures.iter().any(|one| one.verify_key(key).is_ok()) {
        return Err(Flaw::KeyRevoked);
    }
    let direct = details.direct_signatures.iter().filter(|one| one.verify_key(key).is_ok());
    // A keyring from a system carries the signatures of other people on its user ids too, which nothing
    // here could check.
    let users = details.users.iter().flat_map(|user| {
        let own = user.signatures.iter().filter(|one| one.is_certification() && made_by(one, key));
        own.filter(|one| one.verify_certification(key, Tag::UserId, &user.id).is_ok())
    });
    alive(newest(direct.chain(users), named)?, key.created_at(), time)
}

/// Whether a subkey is sound at a time.
fn sub(
    certificate: &SignedPublicKey,
    subkey: &pgp::composed::SignedPublicSubKey,
    time: u64,
) -> Result<KeyFlags, Flaw> {
    let primary = &certificate.primary_key;
    strong(subkey.key.public_params())?;
    let (revocations, bindings): (Vec<_>, Vec<_>) =
        subkey.signatures.iter().partition(|one| one.typ() == Some(SignatureType::SubkeyRevocation));
    if !revocations.is_empty() {
        return Err(Flaw::KeyRevoked);
    }
    // The subkey has to say itself that it belongs to the primary key.
    let mutual = |binding: &&Signature| {
        binding.verify_subkey_binding(primary, &subkey.key).is_ok()
            && binding.embedded_signature().is_some_and(|back| {
                weak_digest(back).is_none() && back.verify_primary_key_binding(&subkey.key, primary).is_ok()
            })
    };
    alive(newest(bindings.into_iter().filter(mutual), false)?, subkey.key.created_at(), time)
}

/// The newest of a key's own certifications, which decides.
fn newest<'a>(
    certifications: impl Iterator<Item = &'a Signature>,
    named: bool,
) -> Result<&'a Signature, Flaw> {
    let mut weak = false;
    let sound = certifications.filter(|one| {
        let broken = weak_digest(one).is_some();
        weak |= broken;
        !broken || named
    });
    let newest = sound.max_by_key(|one| created(one));
    let why = if weak { "only with SHA-1 or MD5" } else { "there is no certification of its own" };
    newest.ok_or(Flaw::Uncertified(why))
}

fn alive(by: &Signature, from: pgp::types::Timestamp, time: u64) -> Result<KeyFlags, Flaw> {
    if ends(seconds(from), by.key_expiration_time()).is_some_and(|end| end <= time) {
        return Err(Flaw::KeyExpired);
    }
    Ok(by.key_flags())
}

fn strong(key: &PublicParams) -> Result<(), Flaw> {
    use pgp::{ser::Serialize as _, types::PublicParams as Key};
    match key {
        Key::RSA(rsa) => {
            // Written out, a number begins with how many bits it has; the modulus comes first.
            let bits = match rsa.to_bytes().as_deref() {
                Ok([high, low, ..]) => u16::from_be_bytes([*high, *low]),
                _ => 0,
            };
            if bits < RSA_BITS { Err(Flaw::WeakKey(format!("RSA of {bits} bits"))) } else { Ok(()) }
        }
        Key::ECDSA(_) | Key::EdDSALegacy(_) | Key::Ed25519(_) | Key::Ed448(_) => Ok(()),
        Key::DSA(_) => Err(Flaw::WeakKey("DSA".to_owned())),
        _ => Err(Flaw::WeakKey("not of a kind that signs".to_owned())),
    }
}

/// The name of a digest that nothing may rest on.
fn weak_digest(signature: &Signature) -> Option<String> {
    match signature.hash_alg() {
        Some(
            HashAlgorithm::Sha256
            | HashAlgorithm::Sha384
            | HashAlgorithm::Sha512
            | HashAlgorithm::Sha3_256
            | HashAlgorithm::Sha3_512,
        ) => None,
        Some(other) => Some(other.to_string()),
        None => Some("an unknown digest".to_owned()),
    }
}

fn seconds(time: pgp::types::Timestamp) -> u64 {
    let time: std::time::SystemTime = time.into();
    time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn created(signature: &Signature) -> Option<u64> {
    signature.created().map(seconds)
}

/// When something ends that is good for so long; nothing and zero mean for ever.
fn ends(from: u64, after: Option<pgp::types::Duration>) -> Option<u64> {
    after.map(|after| u64::from(after.as_secs())).filter(|after| *after > 0).map(|after| from + after)
}

fn fingerprint_of(key: &SignedPublicKey) -> String {
    format!("{:X}", key.primary_key.fingerprint())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_keys_are_those_of_two_releases() {
        assert_eq!(Keyring::debian().unwrap().fingerprints().count(), 6);
    }

    #[test]
    fn what_is_no_key_and_no_signed_file() {
        assert!(matches!(Keyring::read(b"hello"), Err(KeyError::Unreadable(_))));
        assert!(matches!(Keyring::read(b""), Err(KeyError::Unreadable(_))));
        let keys = Keyring::debian().unwrap();
        for text in ["", "Suite: stable\n", "-----BEGIN PGP SIGNED MESSAGE-----\n"] {
            let signed = Signed::Inline(text.into());
            let found = keys.verify(&signed, Moment::Now(0));
            assert!(matches!(found, Err(SignatureError::NotSigned(_))), "{text}");
        }
    }

    #[test]
    fn both_forms_of_a_signed_file_are_kept_as_one() {
        for signed in [
            Signed::Inline(b"-----BEGIN".to_vec()),
            Signed::Inline(b"imgfile-detached 99\nshort".to_vec()),
            Signed::Detached { content: b"Suite: x\n".to_vec(), signature: b"-----BEGIN".to_vec() },
            Signed::Detached { content: Vec::new(), signature: Vec::new() },
        ] {
            assert_eq!(Signed::decode(signed.encode()), signed);
        }
    }

    /// The built-in keys certify themselves with what holds today.
    #[test]
    fn debians_keys_are_sound() {
        // 1 December 2026
        let now = 1_796_083_200;
        for certificate in Keyring::debian().unwrap().certificates {
            let name = fingerprint_of(&certificate);
            assert_eq!(primary(&certificate, false, now).err(), None, "{name}");
            for subkey in &certificate.public_subkeys {
                assert_eq!(sub(&certificate, subkey, now).err(), None, "{name}");
            }
        }
    }
}

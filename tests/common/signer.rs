//! A key, and archives signed with it.

use imgfile::text::Digest;
use pgp::composed::{
    ArmorOptions, CleartextSignedMessage, DetachedSignature, KeyType, SecretKeyParamsBuilder,
    SignedPublicKey, SignedSecretKey,
};
use pgp::crypto::hash::HashAlgorithm;
use pgp::ser::Serialize as _;
use pgp::types::{KeyDetails, Password};

use super::server::{Answer, Server};

/// When an archive was signed of which a test says nothing else.
const DATE: &str = "Date: Sat, 12 Sep 2026 07:55:41 UTC\n";

/// A key, and archives signed with it.
pub struct Signer {
    key: SignedSecretKey,
}

impl Signer {
    pub fn new(owner: &str) -> Self {
        let mut parameters = SecretKeyParamsBuilder::default();
        parameters
            .key_type(KeyType::Ed25519Legacy)
            .can_sign(true)
            .can_certify(true)
            .primary_user_id(owner.into());
        Self { key: parameters.build().unwrap().generate(rand::thread_rng()).unwrap() }
    }

    pub fn armored(&self) -> Vec<u8> {
        SignedPublicKey::from(self.key.clone()).to_armored_bytes(ArmorOptions::default()).unwrap()
    }

    pub fn binary(&self) -> Vec<u8> {
        SignedPublicKey::from(self.key.clone()).to_bytes().unwrap()
    }

    /// Several keys in one block of armour.
    pub fn armour_of_all(signers: &[Self]) -> Vec<u8> {
        let bytes: Vec<u8> = signers.iter().flat_map(Self::binary).collect();
        let mut text = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n".to_owned();
        for line in base64(&bytes).as_bytes().chunks(64) {
            text += &format!("{}\n", String::from_utf8_lossy(line));
        }
        (text + "-----END PGP PUBLIC KEY BLOCK-----\n").into_bytes()
    }

    pub fn fingerprint(&self) -> String {
        format!("{:X}", self.key.fingerprint())
    }

    pub fn sign(&self, text: &str) -> Vec<u8> {
        let message =
            CleartextSignedMessage::sign(rand::thread_rng(), text, &self.key.primary_key, &Password::empty())
                .unwrap();
        message.to_armored_bytes(ArmorOptions::default()).unwrap()
    }

    /// A signature of its own, for `Release.gpg`.
    pub fn detached(&self, text: &str) -> Vec<u8> {
        let signature = DetachedSignature::sign_binary_data(
            rand::thread_rng(),
            &self.key.primary_key,
            &Password::empty(),
            HashAlgorithm::Sha256,
            text.as_bytes(),
        );
        signature.unwrap().to_armored_bytes(ArmorOptions::default()).unwrap()
    }

    /// Serves an archive of one package below `/deb`, whose file is four bytes; gives the `InRelease` text
    /// as signed.
    pub fn serve(&self, server: &Server, version: &str, fields: &str) -> String {
        self.serve_package(server, version, fields, b"tool")
    }

    /// As [`serve`](Self::serve), with a package file.
    pub fn serve_package(&self, server: &Server, version: &str, fields: &str, deb: &[u8]) -> String {
        server.put("/deb/pool/tool.deb", Answer::Content(deb.to_vec()));
        let packages = stanza("tool", version, "tool.deb", deb);
        self.serve_index(server, &packages, fields)
    }

    /// Serves several versions of the package, each with a file of its own.
    pub fn serve_versions(&self, server: &Server, versions: &[(&str, &[u8])]) -> String {
        let stanza = |(nth, (version, deb)): (usize, &(&str, &[u8]))| {
            let file = format!("tool-{nth}.deb");
            server.put(&format!("/deb/pool/{file}"), Answer::Content(deb.to_vec()));
            stanza("tool", version, &file, deb)
        };
        let packages: Vec<String> = versions.iter().enumerate().map(stanza).collect();
        self.serve_index(server, &packages.join("\n"), "")
    }

    fn serve_index(&self, server: &Server, packages: &str, fields: &str) -> String {
        let date = if fields.contains("Date:") { "" } else { DATE };
        let release = format!(
            "Origin: Example\nSuite: stable\nCodename: stable\nComponents: main\n{date}{fields}SHA256:\n {} {} main/binary-amd64/Packages\n {} {} Packages\n",
            Digest::of(packages),
            packages.len(),
            Digest::of(packages),
            packages.len()
        );
        for folder in ["/deb/dists/stable", "/deb"] {
            server.put(&format!("{folder}/InRelease"), Answer::Content(self.sign(&release)));
        }
        server.put(
            "/deb/dists/stable/main/binary-amd64/Packages",
            Answer::Content(packages.as_bytes().to_vec()),
        );
        server.put("/deb/Packages", Answer::Content(packages.as_bytes().to_vec()));
        release
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let number = (0..3).fold(0u32, |sum, at| sum << 8 | u32::from(chunk.get(at).copied().unwrap_or(0)));
        for digit in 0..4u32 {
            let filled = digit as usize <= chunk.len();
            let value = DIGITS[(number >> (18 - 6 * digit) & 63) as usize];
            text.push(if filled { char::from(value) } else { '=' });
        }
    }
    text
}

/// A package's entry in an index.
pub fn stanza(name: &str, version: &str, file: &str, deb: &[u8]) -> String {
    format!(
        "Package: {name}\nVersion: {version}\nArchitecture: amd64\nFilename: pool/{file}\nSize: {}\nSHA256: {}\n",
        deb.len(),
        Digest::of(deb)
    )
}

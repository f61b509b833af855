//! A key, and archives signed with it.

use imgfile::text::Digest;
use pgp::composed::{
    ArmorOptions, CleartextSignedMessage, KeyType, SecretKeyParamsBuilder, SignedPublicKey, SignedSecretKey,
};
use pgp::types::{KeyDetails, Password};

use super::server::{Answer, Server};

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

    pub fn fingerprint(&self) -> String {
        format!("{:X}", self.key.fingerprint())
    }

    pub fn sign(&self, text: &str) -> Vec<u8> {
        let message =
            CleartextSignedMessage::sign(rand::thread_rng(), text, &self.key.primary_key, &Password::empty())
                .unwrap();
        message.to_armored_bytes(ArmorOptions::default()).unwrap()
    }

    /// Serves an archive of one package below `/deb`, whose file is four bytes; gives the `InRelease` text
    /// as signed.
    pub fn serve(&self, server: &Server, version: &str, fields: &str) -> String {
        self.serve_package(server, version, fields, b"tool")
    }

    /// As [`serve`](Self::serve), with a package file.
    pub fn serve_package(&self, server: &Server, version: &str, fields: &str, deb: &[u8]) -> String {
        server.put("/deb/pool/tool.deb", Answer::Content(deb.to_vec()));
        let packages = format!(
            "Package: tool\nVersion: {version}\nArchitecture: amd64\nFilename: pool/tool.deb\nSize: {}\nSHA256: {}\n",
            deb.len(),
            Digest::of(deb)
        );
        let release = format!(
            "Origin: Example\nSuite: stable\nCodename: stable\nComponents: main\n{fields}SHA256:\n {} {} main/binary-amd64/Packages\n {} {} Packages\n",
            Digest::of(&packages),
            packages.len(),
            Digest::of(&packages),
            packages.len()
        );
        for folder in ["/deb/dists/stable", "/deb"] {
            server.put(&format!("{folder}/InRelease"), Answer::Content(self.sign(&release)));
        }
        server.put(
            "/deb/dists/stable/main/binary-amd64/Packages",
            Answer::Content(packages.clone().into_bytes()),
        );
        server.put("/deb/Packages", Answer::Content(packages.into_bytes()));
        release
    }
}

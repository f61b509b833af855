//! DSSE envelopes (Dead Simple Signing Envelope, version 1.0.2): a payload with signatures over it and its type.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use super::{SigningKey, VerifyingKey};

/// The type of in-toto statements.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// A signed payload; `NAME.intoto.jsonl` has one on a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    /// What the payload is, such as [`PAYLOAD_TYPE`].
    pub payload_type: String,
    /// In base64.
    pub payload: String,
    /// At least one.
    pub signatures: Vec<EnvelopeSignature>,
}

/// A signature over the payload and its type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvelopeSignature {
    /// A hint at the key: SHA-256 of its public half (DER). It proves nothing.
    #[serde(default)]
    pub keyid: String,
    /// In base64.
    pub sig: String,
}

/// Why a text is no envelope that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// It is not JSON of this form.
    #[error("it is no DSSE envelope: {0}")]
    NotOne(String),
    /// What it signs is something else.
    #[error("its payload is `{0}`, not an in-toto statement")]
    PayloadType(String),
    /// The payload is not base64.
    #[error("its payload is not base64")]
    Payload,
}

impl Envelope {
    /// Signs an in-toto statement; none if the key cannot sign it.
    #[must_use]
    pub fn sign(statement: &str, key: &SigningKey) -> Option<Self> {
        Self::sign_as(PAYLOAD_TYPE, statement.as_bytes(), key)
    }

    /// Signs a payload of any type; none if the key cannot sign it.
    #[must_use]
    pub fn sign_as(payload_type: &str, payload: &[u8], key: &SigningKey) -> Option<Self> {
        let signature = key.sign(&pre_authentication(payload_type, payload))?;
        Some(Self {
            payload_type: payload_type.to_owned(),
            payload: STANDARD.encode(payload),
            signatures: vec![EnvelopeSignature { keyid: key.public().id(), sig: STANDARD.encode(signature) }],
        })
    }

    /// Reads the first line of a file of envelopes.
    ///
    /// # Errors
    /// Whatever keeps it from being one with an in-toto statement.
    pub fn read(text: &str) -> Result<Self, EnvelopeError> {
        // One that somebody has indented is one all the same.
        let envelope = serde_json::from_str::<Self>(text)
            .or_else(|_| serde_json::from_str(text.lines().next().unwrap_or_default()));
        let envelope = envelope.map_err(|error| EnvelopeError::NotOne(error.to_string()))?;
        if envelope.payload_type == PAYLOAD_TYPE {
            Ok(envelope)
        } else {
            Err(EnvelopeError::PayloadType(envelope.payload_type))
        }
    }

    /// As it is written: on one line.
    #[must_use]
    pub fn line(&self) -> String {
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }

    /// What is signed.
    ///
    /// # Errors
    /// If it is not base64.
    pub fn statement(&self) -> Result<Vec<u8>, EnvelopeError> {
        STANDARD.decode(&self.payload).map_err(|_| EnvelopeError::Payload)
    }

    /// Whether one of the signatures is by this key. Hints are not asked: they are as good as whoever wrote them.
    #[must_use]
    pub fn is_signed_by(&self, key: &VerifyingKey) -> bool {
        let Ok(payload) = self.statement() else { return false };
        let message = pre_authentication(&self.payload_type, &payload);
        let signatures = self.signatures.iter().filter_map(|one| STANDARD.decode(&one.sig).ok());
        signatures.into_iter().any(|signature| key.verifies(&message, &signature))
    }
}

/// What is really signed (PAE): the type and the payload, each with its length, so that neither can become a part of
/// the other.
fn pre_authentication(kind: &str, payload: &[u8]) -> Vec<u8> {
    let mut message = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
    message.extend_from_slice(payload);
    message
}

#[cfg(test)]
mod tests {
    use super::{super::key::tests::pairs, *};

    #[test]
    fn the_message_is_that_of_the_specification() {
        let message = pre_authentication("http://example.com/HelloWorld", b"hello world");
        assert_eq!(message, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    }

    #[test]
    fn a_signature_holds_for_its_payload_type_and_key_only() {
        let pairs = pairs();
        for (signing, verifying) in &pairs {
            let envelope = Envelope::read(&Envelope::sign("{}", signing).unwrap().line()).unwrap();
            assert!(envelope.is_signed_by(verifying));
            assert_eq!(envelope.statement().unwrap(), b"{}");
            assert_eq!(envelope.signatures[0].keyid, verifying.id());
            let other =
                pairs.iter().map(|(_, other)| other).find(|other| other.id() != verifying.id()).unwrap();
            assert!(!envelope.is_signed_by(other));
            let payload = STANDARD.encode("{ }");
            assert!(!Envelope { payload, ..envelope.clone() }.is_signed_by(verifying));
            assert!(!Envelope { payload_type: "x".into(), ..envelope.clone() }.is_signed_by(verifying));
            assert!(!Envelope { signatures: Vec::new(), ..envelope }.is_signed_by(verifying));
        }
    }

    #[test]
    fn what_is_no_envelope_is_refused() {
        let refused = |text: &str| Envelope::read(text).unwrap_err();
        assert!(matches!(refused(""), EnvelopeError::NotOne(_)));
        assert!(matches!(refused("{}"), EnvelopeError::NotOne(_)));
        let other = r#"{"payloadType":"text/plain","payload":"","signatures":[]}"#;
        assert_eq!(refused(other), EnvelopeError::PayloadType("text/plain".into()));
        let bad = format!(r#"{{"payloadType":"{PAYLOAD_TYPE}","payload":"*","signatures":[]}}"#);
        assert_eq!(Envelope::read(&bad).unwrap().statement(), Err(EnvelopeError::Payload));
    }
}

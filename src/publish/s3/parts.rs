//! A file in parts, each with its SHA-256, which the service compares with what came.

use std::{fs::File, io::Read as _};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::{
    publish::{PublishError, Request, upload::unreadable},
    store::open_regular,
    text::Digest,
};

/// Bytes of a part, unless the file would have too many.
const PART: u64 = 16 << 20;
/// Parts of an object, at most, which S3 says are 10,000.
const MOST: u64 = 9_000;

/// The parts of a file, from the first on.
pub struct Parts<'a> {
    request: &'a Request,
    file: File,
    size: u64,
    whole: Sha256,
    digests: Vec<[u8; 32]>,
}

/// One part.
pub struct Part {
    /// From 1 on.
    pub number: u16,
    pub bytes: Bytes,
    pub digest: Digest,
    /// The same in base64, as the service takes it.
    pub sha256: String,
}

impl<'a> Parts<'a> {
    pub fn of(request: &'a Request) -> Result<Self, PublishError> {
        let file = open_regular(&request.file).map_err(|error| unreadable(&request.file, &error))?;
        let size = PART.max(request.size.div_ceil(MOST));
        Ok(Self { request, file, size, whole: Sha256::new(), digests: Vec::new() })
    }

    /// The next part; none at the end. An empty file has one empty part.
    pub fn next(&mut self) -> Result<Option<Part>, PublishError> {
        let mut bytes = Vec::new();
        let read = (&mut self.file).take(self.size).read_to_end(&mut bytes);
        read.map_err(|error| unreadable(&self.request.file, &error))?;
        if bytes.is_empty() && !self.digests.is_empty() {
            return Ok(None);
        }
        self.whole.update(&bytes);
        let digest: [u8; 32] = Sha256::digest(&bytes).into();
        self.digests.push(digest);
        let number = u16::try_from(self.digests.len()).unwrap_or(u16::MAX);
        Ok(Some(Part {
            number,
            bytes: bytes.into(),
            digest: Digest::from_bytes(digest),
            sha256: STANDARD.encode(digest),
        }))
    }

    /// Digest of all parts together, and what the service makes of their digests.
    pub fn end(self) -> (Digest, String) {
        let all = Sha256::digest(self.digests.concat());
        (
            Digest::from_bytes(self.whole.finalize().into()),
            format!("{}-{}", STANDARD.encode(all), self.digests.len()),
        )
    }
}

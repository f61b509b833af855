//! An artifact on its way: read once, counted and hashed while it goes.

use std::{
    io::Read as _,
    path::Path,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use sha2::{Digest as _, Sha256, Sha512};

use super::PublishError;
use crate::{
    diagnostic::codes,
    store::open_regular,
    text::{self, Checksum},
};

/// Bytes that are read at a time.
const PIECE: usize = 1 << 20;

/// A stream of pieces of a file, which ends with an error where the file cannot be read.
pub type Pieces = Pin<Box<dyn Stream<Item = std::io::Result<Bytes>> + Send>>;

/// How far an upload is, and what went by. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Sending {
    bytes: Arc<AtomicU64>,
    sums: Arc<Mutex<(Sha256, Sha512)>>,
}

/// What a file was that went by to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sums {
    /// Its SHA-256.
    pub sha256: text::Digest,
    /// Its SHA-512, in hexadecimal digits.
    pub sha512: String,
}

impl Sending {
    /// The pieces of a file, which are counted and hashed as they are taken.
    pub fn pieces(&self, path: &Path) -> Result<Pieces, PublishError> {
        let file = open_regular(path).map_err(|error| unreadable(path, &error))?;
        let sending = self.clone();
        // The pieces are small and the file is local: a thread of its own would cost more than it saves.
        let read = stream::try_unfold(file, move |mut file| {
            let sending = sending.clone();
            async move {
                let mut piece = vec![0; PIECE];
                let length = file.read(&mut piece)?;
                piece.truncate(length);
                if piece.is_empty() {
                    return Ok(None);
                }
                let mut sums = sending.sums.lock().unwrap_or_else(PoisonError::into_inner);
                sums.0.update(&piece);
                sums.1.update(&piece);
                drop(sums);
                sending.bytes.fetch_add(length as u64, Ordering::Relaxed);
                Ok(Some((Bytes::from(piece), file)))
            }
        });
        Ok(read.boxed())
    }

    /// One piece that is in memory, which is counted when it is taken.
    pub fn of_bytes(&self, bytes: Bytes) -> Pieces {
        let sending = self.clone();
        let one = stream::once(async move {
            sending.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            Ok(bytes)
        });
        one.boxed()
    }

    /// Bytes that were taken so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// What all that was taken amounts to.
    #[must_use]
    pub fn sums(&self) -> Sums {
        let sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Sums {
            sha256: text::Digest::from_bytes(sums.0.finalize().into()),
            sha512: hex::encode(sums.1.finalize()),
        }
    }
}

/// The sums of a file that is not sent.
pub async fn sums(path: &Path) -> Result<Sums, PublishError> {
    let sending = Sending::default();
    let mut pieces = sending.pieces(path)?;
    while let Some(piece) = pieces.next().await {
        piece.map_err(|error| unreadable(path, &error))?;
        // Others have their turn.
        tokio::task::yield_now().await;
    }
    Ok(sending.sums())
}

impl Sums {
    /// Whether a digest that a service has is that of the file; none if its algorithm is not known here.
    #[must_use]
    pub fn has(&self, algorithm: &str, hex: &str) -> Option<bool> {
        match algorithm {
            "sha512" => Some(matches!(Checksum::parse(hex), Some(Checksum::Sha512(_))) && self.sha512 == hex),
            "sha256" => Some(self.sha256.to_string() == hex),
            _ => None,
        }
    }
}

/// The artifact cannot be read.
pub fn unreadable(path: &Path, error: &std::io::Error) -> PublishError {
    PublishError::new(codes::ARTIFACT_CHANGED, format!("{} cannot be read: {error}", path.display()))
        .help("build the image again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_goes_by_is_counted_and_hashed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        let content = vec![7; PIECE + 3];
        std::fs::write(&path, &content).unwrap();
        let sending = Sending::default();
        let pieces: Vec<_> = sending.pieces(&path).unwrap().map(|piece| piece.unwrap().len()).collect().await;
        assert_eq!(pieces, [PIECE, 3]);
        assert_eq!(sending.bytes(), content.len() as u64);
        let found = sums(&path).await.unwrap();
        assert_eq!(found, sending.sums());
        assert_eq!(found.sha256, text::Digest::of(&content));
        let sha512 = hex::encode(Sha512::digest(&content));
        assert_eq!(found.has("sha512", &sha512), Some(true));
        assert_eq!(found.has("sha512", &sha512.replace(['0', '1'], "2")), Some(false));
        assert_eq!(found.has("md5", "x"), None);
    }
}

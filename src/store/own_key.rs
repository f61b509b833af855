//! A random key of the store: what names secret values in it means nothing without the key, and the key never
//! leaves the store.

use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path};

use ring::{hmac, rand};

use super::{Context as _, Digest, Result, Store, StoreError, read_regular};

const NAME: &str = "secret.key";
const LENGTH: usize = 32;

impl Store {
    /// A digest of a secret value that only this store can make.
    pub fn keyed_digest(&self, value: &[u8]) -> Result<Digest> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.own_key()?);
        let tag = hmac::sign(&key, value);
        let bytes: [u8; LENGTH] = tag.as_ref().try_into().unwrap_or_default();
        Ok(Digest::from_bytes(bytes))
    }

    /// The key, made when it is first asked for.
    fn own_key(&self) -> Result<[u8; LENGTH]> {
        let path = self.root().join(NAME);
        if !path.exists() {
            self.make_own_key(&path)?;
        }
        let bytes = read_regular(&path, LENGTH as u64).context("read", &path)?;
        bytes.try_into().map_err(|_| StoreError::Damaged { path, reason: "it is no key".to_owned() })
    }

    fn make_own_key(&self, path: &Path) -> Result<()> {
        let random = || {
            rand::generate::<[u8; LENGTH]>(&rand::SystemRandom::new())
                .map_err(|_| std::io::Error::other("this system has no random numbers"))
        };
        let key = random().context("make a key for", path)?.expose();
        // Whole from the beginning, and whoever is second takes the first one's: a link replaces nothing.
        let folder = self.temp_dir("key")?;
        let new = folder.path().join(NAME);
        let mut file = std::fs::File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&new)
            .context("create", &new)?;
        file.write_all(&key).and_then(|()| file.sync_all()).context("write", &new)?;
        match std::fs::hard_link(&new, path) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                Err(error).context("create", path)
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_value_has_one_digest_in_a_store_and_another_elsewhere() {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let digest = |nth: usize, value: &str| {
            Store::open(folders[nth].path()).unwrap().keyed_digest(value.as_bytes()).unwrap()
        };
        let first = digest(0, "hunter2");
        assert_eq!(first, digest(0, "hunter2"), "also by the next process");
        assert_ne!(first, digest(0, "hunter3"));
        assert_ne!(first, digest(1, "hunter2"));
        let mode = folders[0].path().join(NAME).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
    }
}

//! Digests of large files, remembered by the file's identity.

use std::fs::File;
use std::io::{self, Seek as _};
use std::path::Path;
use std::time::Duration;

use super::identity::{Identity, Now};
use super::{Context, Digest, Result, Store, blob};

const KIND: &str = "file-v1";

/// A tick of a file system's clock is some milliseconds; one that counts in seconds is not waited for.
const WAITS: u32 = 20;
const WAIT: Duration = Duration::from_millis(1);

/// A file that nobody else knows of yet, and what is in it.
#[derive(Debug)]
pub struct OwnFile {
    /// The sha256 of all its bytes.
    pub digest: Digest,
    /// In bytes.
    pub size: u64,
    /// As it was when it was read, if any change since then is one of this too.
    identity: Option<Identity>,
}

/// The folder a file is in.
fn folder(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

pub(super) fn digest_file(store: &Store, path: &Path) -> Result<Digest> {
    digest_by(store, path, &mut |file| blob::hash(file))
}

pub(super) fn digest_open(store: &Store, file: &mut File, path: &Path) -> Result<Digest> {
    digest_of(store, file, path, &mut |file| blob::hash(file))
}

fn digest_by(
    store: &Store,
    path: &Path,
    hash: &mut dyn FnMut(&mut File) -> io::Result<Digest>,
) -> Result<Digest> {
    digest_of(store, &mut File::open(path).context("open", path)?, path, hash)
}

/// Of what is open, whatever has its name by now.
fn digest_of(
    store: &Store,
    file: &mut File,
    path: &Path,
    hash: &mut dyn FnMut(&mut File) -> io::Result<Digest>,
) -> Result<Digest> {
    loop {
        file.rewind().context("read", path)?;
        let before = Identity::of(&file.metadata().context("read", path)?);
        let key = before.key();
        if let Some((_, digest)) =
            store.facts().get::<(Identity, Digest)>(KIND, &key).filter(|(known, _)| *known == before)
        {
            return Ok(digest);
        }
        let started = Now::at(folder(path));
        let digest = hash(file).context("read", path)?;
        if Identity::of(&file.metadata().context("read", path)?) != before {
            continue; // written to while it was read: what was hashed never existed as a whole
        }
        if started.is_after(&before) {
            store.facts().put(KIND, &key, &(before, digest))?;
        }
        return Ok(digest);
    }
}

/// Reads a file that nobody else writes to.
pub(super) fn own_file(path: &Path) -> Result<OwnFile> {
    let mut file = File::open(path).context("open", path)?;
    let digest = blob::hash(&mut file).context("read", path)?;
    let identity = at_rest(path)?;
    let size = file.metadata().context("read", path)?.len();
    Ok(OwnFile { digest, size, identity })
}

/// Remembers the digest of a file that has got its final name since it was read, if nobody has changed it.
pub(super) fn remember(store: &Store, own: &OwnFile, path: &Path) -> Result<()> {
    match (&own.identity, at_rest(path)?) {
        (Some(read), Some(now)) if read.is_but_renamed(&now) => {
            store.facts().put(KIND, &now.key(), &(now, own.digest))
        }
        _ => Ok(()),
    }
}

/// What a file is, as soon as any further change would make it another; nothing where that takes long.
pub(super) fn at_rest(path: &Path) -> Result<Option<Identity>> {
    for _ in 0..WAITS {
        let now = Now::at(folder(path));
        let identity = Identity::at(path).context("read", path)?;
        if now.is_after(&identity) {
            return Ok(Some(identity));
        }
        std::thread::sleep(WAIT);
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    fn age(path: &Path) {
        let past = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        File::options().write(true).open(path).unwrap().set_modified(past).unwrap();
    }

    /// The digest, and whether the file had to be read for it.
    fn digest(store: &Store, path: &Path) -> (Digest, bool) {
        let mut reads = 0;
        let digest = digest_by(store, path, &mut |file| {
            reads += 1;
            blob::hash(file)
        });
        (digest.unwrap(), reads > 0)
    }

    fn world() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().join("store")).unwrap();
        (dir, store)
    }

    #[test]
    fn a_change_is_seen_even_with_the_old_size_and_time() {
        let (dir, store) = world();
        let path = dir.path().join("disk");
        // Some of these fall into one tick of the clock.
        for content in ["one", "two", "six", "ten"].repeat(8) {
            std::fs::write(&path, content).unwrap();
            age(&path);
            assert_eq!(store.digest_file(&path).unwrap(), Digest::of(content));
        }
    }

    #[test]
    fn a_file_is_read_once_when_it_is_at_rest() {
        let (dir, store) = world();
        let path = dir.path().join("disk");
        std::fs::write(&path, "one").unwrap();
        at_rest(&path).unwrap().expect("a clock that ticks");
        assert_eq!(digest(&store, &path), (Digest::of("one"), true));
        assert_eq!(digest(&store, &path), (Digest::of("one"), false));
    }

    #[test]
    fn a_file_that_got_its_final_name_just_now_is_not_read_again() {
        let (dir, store) = world();
        let (staged, path) = (dir.path().join("staged"), dir.path().join("disk"));
        std::fs::write(&staged, "one").unwrap();
        let own = own_file(&staged).unwrap();
        assert_eq!((own.digest, own.size), (Digest::of("one"), 3));
        std::fs::rename(&staged, &path).unwrap();
        remember(&store, &own, &path).unwrap();
        assert_eq!(digest(&store, &path), (Digest::of("one"), false));
        // And whatever happens to it from then on is seen, however soon.
        std::fs::write(&path, "two").unwrap();
        assert_eq!(digest(&store, &path), (Digest::of("two"), true));
    }

    #[test]
    fn a_file_that_somebody_changes_as_it_gets_its_name_is_read() {
        let (dir, store) = world();
        let (staged, path) = (dir.path().join("staged"), dir.path().join("disk"));
        std::fs::write(&staged, "one").unwrap();
        let own = own_file(&staged).unwrap();
        std::fs::rename(&staged, &path).unwrap();
        std::fs::write(&path, "two").unwrap();
        remember(&store, &own, &path).unwrap();
        assert_eq!(digest(&store, &path), (Digest::of("two"), true));
        // One that takes its place is another file.
        std::fs::write(&staged, "six").unwrap();
        let own = own_file(&staged).unwrap();
        std::fs::rename(&staged, &path).unwrap();
        std::fs::write(&staged, "ten").unwrap();
        std::fs::rename(&staged, &path).unwrap();
        remember(&store, &own, &path).unwrap();
        assert_eq!(digest(&store, &path), (Digest::of("ten"), true));
    }
}

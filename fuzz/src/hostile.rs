//! Readers of what guests, strangers' disks, archives and merged locks say.

use imgfile::driver::qemu::fuzzed;
use imgfile::lock::Lock;
use imgfile::packages::apt::{kept_index, read_index, read_list, read_sources, stanzas, verify_release};
use imgfile::packages::{InstalledPackage, Keyring, Moment, Signed, Version, VersionWanted};
use imgfile::text::Sources;

use super::{MOST, text_of};

/// A guest that says whatever it likes on its line: nothing is waited for that does not come, no more is kept
/// than was asked for.
pub fn guest(data: &[u8]) {
    if data.len() <= MOST {
        fuzzed::guest(data);
    }
}

/// A disk file in QEMU's format, partition tables and superblocks.
pub fn disk(data: &[u8]) {
    if data.len() <= MOST {
        fuzzed::disk_file(data);
        fuzzed::disk(data);
    }
}

/// What says which system an image holds, and which kernel its boot loader starts.
pub fn image(data: &[u8]) {
    if data.len() <= MOST {
        fuzzed::image(data);
    }
}

/// Indexes of an archive, its signed table of contents, and a system's list of packages. Nothing that Debian's
/// keys did not sign passes for signed, and an index is the same after it was kept.
pub fn index(data: &[u8]) {
    thread_local! {
        static KEYS: Keyring = Keyring::debian().expect("the built-in keys are read by a test");
    }
    let Some(text) = text_of(data) else { return };
    let inline = Signed::decode(data.to_vec());
    let (content, signature) = data.split_at(data.len() / 2);
    let detached = Signed::Detached { content: content.to_vec(), signature: signature.to_vec() };
    for signed in [inline, detached] {
        assert_eq!(Signed::decode(signed.encode()), signed);
        let now = Moment::Now(1_800_000_000);
        assert!(KEYS.with(|keys| verify_release(&signed, keys, now)).is_err(), "signed by nobody");
    }
    if let Ok(wanted) = text.parse::<VersionWanted>() {
        text.split_whitespace().take(8).filter_map(|word| word.parse().ok()).for_each(|one| {
            let _ = wanted.takes(&one);
        });
    }
    let _ = Keyring::read(data);
    if let Ok(index) = read_index(data) {
        let again = kept_index(index.encode().to_owned()).expect("what was written can be read");
        assert_eq!(again.encode(), index.encode());
    }
    let _ = kept_index(text.clone());
    for stanza in stanzas(&text) {
        stanza.fields().for_each(drop);
    }
    let _ = read_list(&text);
    let _ = read_sources(&text);
    let _ = InstalledPackage::read_status(&text, &text);
    versions(&text);
}

/// Versions have one order, whichever of two is asked.
fn versions(text: &str) {
    let versions: Vec<Version> =
        text.split_whitespace().take(8).filter_map(|word| word.parse().ok()).collect();
    for one in &versions {
        for other in &versions {
            assert_eq!(one.cmp(other), other.cmp(one).reverse(), "{one:?} {other:?}");
        }
    }
}

/// A lock: what is read is written so that it is read again as the same; mistakes lie in the text.
pub fn lock(data: &[u8]) {
    let Some(text) = text_of(data) else { return };
    let mut sources = Sources::default();
    let len = text.len();
    let source = sources.add("ImageFile.lock", text);
    match Lock::read(source, &sources) {
        Ok(lock) => {
            let source = sources.add("ImageFile.lock", lock.to_yaml());
            let again = Lock::read(source, &sources).expect("what was written can be read");
            assert_eq!(again.images, lock.images);
        }
        Err(diagnostics) => {
            assert!(!diagnostics.is_empty(), "refused without a word");
            for span in diagnostics.iter().filter_map(imgfile::diagnostic::Diagnostic::span) {
                assert!(
                    span.start <= span.end && span.end as usize <= len,
                    "{span:?} lies outside of the lock"
                );
            }
        }
    }
}

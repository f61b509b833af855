//! Which keys and signatures make an archive's index trustworthy: those of `gpg`, made for each case, and
//! what apt makes of them. Needs `gpg`, and says so where it is missing.

use std::path::Path;
use std::process::Command;

use imgfile::packages::{Archive, Keyring, Manager, Moment, Origin, Selected, Signed, SignedRelease};
use imgfile::store::{Store, Voucher};
use imgfile::text::Digest;
use tempfile::TempDir;

use crate::common::needed;

/// A folder of keys.
struct Gpg(TempDir);

/// The day of the keys that are old.
const THEN: &str = "20200101T000000";

impl Gpg {
    fn new() -> Self {
        needed::program("gpg", "gpg");
        // Sockets have short names.
        Self(tempfile::tempdir_in("/tmp").unwrap())
    }

    fn run(&self, args: &[&str]) -> Vec<u8> {
        let output = Command::new("gpg")
            .args(["--batch", "--quiet", "--yes", "--pinentry-mode", "loopback", "--passphrase", ""])
            .args(args)
            .env("GNUPGHOME", self.0.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    fn key(&self, owner: &str, kind: &str, more: &[&str]) {
        let uid = format!("{owner} <{owner}@example.org>");
        let make = ["--quick-gen-key", &uid, kind, "sign,cert", "0"];
        self.run(&[more, &make].concat());
    }

    fn ring(&self, owner: &str) -> Keyring {
        Keyring::read(&self.run(&["--armor", "--export", &format!("{owner}@example.org")])).unwrap()
    }

    fn fingerprint(&self, owner: &str) -> String {
        let listed = self.run(&["--with-colons", "--list-keys", &format!("{owner}@example.org")]);
        let listed = String::from_utf8(listed).unwrap();
        let line = listed.lines().find(|line| line.starts_with("fpr:")).unwrap();
        line.split(':').nth(9).unwrap().to_owned()
    }

    /// A text signed by some owners.
    fn sign(&self, owners: &[&str], more: &[&str]) -> Signed {
        self.sign_text("Origin: Example\nSuite: stable\n", owners, more)
    }

    fn sign_text(&self, content: &str, owners: &[&str], more: &[&str]) -> Signed {
        let file = self.0.path().join("Release");
        std::fs::write(&file, content).unwrap();
        let users: Vec<String> = owners.iter().map(|owner| format!("{owner}@example.org")).collect();
        let users: Vec<&str> = users.iter().flat_map(|user| ["--local-user", user]).collect();
        let signed = [more, &users, &["--output", "-", "--clearsign", text(&file)]].concat();
        Signed::Inline(self.run(&signed))
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let end = Command::new("gpgconf").args(["--kill", "all"]).env("GNUPGHOME", self.0.path()).output();
        drop(end);
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn now() -> u64 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()
}

/// Why a signed text is refused; nothing if it is taken.
fn refused(keys: &Keyring, signed: &Signed) -> String {
    keys.verify(signed, Moment::Now(now())).err().map_or_else(String::new, |error| error.to_string())
}

/// A signature is checked once a day: what came out then counts for the same keys and the same file only.
#[test]
fn what_was_found_out_of_a_kept_file_counts_for_the_same_keys_only() {
    let gpg = Gpg::new();
    gpg.key("archive", "ed25519", &[]);
    gpg.key("other", "ed25519", &[]);
    let (ring, other) = (gpg.ring("archive"), gpg.ring("other"));
    let content = format!(
        "Suite: stable\nDate: Thu, 01 Jan 2026 00:00:00 UTC\nSHA256:\n {} 1 main/binary-amd64/Packages\n",
        "0".repeat(64)
    );
    let SignedRelease { digest, bytes } =
        SignedRelease::new(gpg.sign_text(&content, &["archive"], &[]).encode());
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("store")).unwrap();
    let package = Selected {
        name: "tool".into(),
        version: "1.0".parse().unwrap(),
        arch: "amd64".into(),
        sha256: Digest::of("tool"),
        size: 1,
        installed_size: 1,
        origin: Origin { archive: "example".into(), path: "tool.deb".into() },
        stage: 0,
        auto: false,
    };
    store.vouchers().record(&SignedRelease { digest, bytes: bytes.clone() }, &[&package]).unwrap();
    let checked = folder.path().join(format!("store/vouchers/{digest}.checked"));
    let found = |suite: &str, keys: &Keyring| {
        let archive = Archive {
            name: "example".into(),
            url: "https://example.org".into(),
            suite: suite.into(),
            components: Vec::new(),
            priority: None,
        };
        store.vouchers().find(&[&package], (Manager::default(), &[(archive, keys)]), now()).get(&0).copied()
    };
    assert_eq!(found("stable", &other), None);
    assert!(!checked.exists(), "nothing came out");
    assert_eq!(found("stable", &ring), Some(Voucher::Archive));
    let written = std::fs::read_to_string(&checked).unwrap();
    assert_eq!(found("stable", &ring), Some(Voucher::Archive));
    // What was found out says nothing of other keys, other suites, and other files.
    assert_eq!(found("stable", &other), None);
    assert_eq!(found("unstable", &ring), None);
    std::fs::write(&checked, Digest::of("somebody's word").to_string()).unwrap();
    assert_eq!(found("stable", &other), None);
    assert_eq!(found("stable", &ring), Some(Voucher::Archive));
    assert_eq!(std::fs::read_to_string(&checked).unwrap(), written, "it was found out again");
    let release = folder.path().join(format!("store/vouchers/{digest}.release"));
    std::fs::write(&release, [&bytes[..], b"\n"].concat()).unwrap();
    assert_eq!(found("stable", &ring), None);
}

#[test]
fn sound_keys_vouch() {
    let gpg = Gpg::new();
    for kind in ["rsa2048", "ed25519", "nistp256"] {
        gpg.key(kind, kind, &[]);
        assert_eq!(refused(&gpg.ring(kind), &gpg.sign(&[kind], &[])), "", "{kind}");
    }
    // A subkey that signs, as most archives have.
    gpg.key("main", "rsa2048", &[]);
    gpg.run(&["--quick-add-key", &gpg.fingerprint("main"), "rsa2048", "sign", "0"]);
    assert_eq!(refused(&gpg.ring("main"), &gpg.sign(&["main"], &[])), "");
    // One known key of two is enough.
    let signed = gpg.sign(&["rsa2048", "ed25519"], &[]);
    assert_eq!(refused(&gpg.ring("ed25519"), &signed), "");
    let other = refused(&gpg.ring("nistp256"), &signed);
    assert!(other.contains("no signature of a known key"), "{other}");
}

#[test]
fn keys_and_signatures_past_their_time_do_not() {
    let gpg = Gpg::new();
    gpg.key("late", "rsa2048", &["--faked-system-time", THEN]);
    let ended = ["--faked-system-time", "20200102T000000"];
    gpg.key("good", "rsa2048", &[]);
    // Signed while the key was good, and now it is not; apt calls that EXPKEYSIG.
    let then = gpg.sign(&["late"], &["--faked-system-time", "20200601T000000"]);
    assert_eq!(refused(&gpg.ring("late"), &then), "", "its key has no end yet");
    gpg.run(&[&ended[..], &["--quick-set-expire", &gpg.fingerprint("late"), "1y"]].concat());
    let late = gpg.ring("late");
    assert!(refused(&late, &then).contains("the key is expired"));
    // As evidence of what was current it still counts: it was sound when it was made.
    assert!(late.verify(&then, Moment::WhenMade(now())).is_ok());

    gpg.key("old", "rsa2048", &["--faked-system-time", THEN]);
    let short = gpg.sign(&["old"], &["--faked-system-time", "20200601T000000", "--default-sig-expire", "1d"]);
    let found = refused(&gpg.ring("old"), &short);
    assert!(found.contains("the signature is expired"), "{found}");
    let ahead = gpg.sign(&["good"], &["--faked-system-time", "20990601T000000"]);
    let found = refused(&gpg.ring("good"), &ahead);
    assert!(found.contains("from the future"), "{found}");
}

#[test]
fn a_subkey_has_its_own_time_and_ends_with_its_key() {
    let gpg = Gpg::new();
    let then = ["--faked-system-time", THEN];
    gpg.key("sub", "rsa2048", &then);
    let key = gpg.fingerprint("sub");
    gpg.run(&[&then[..], &["--quick-add-key", &key, "rsa2048", "sign", "1y"]].concat());
    let signed = gpg.sign(&["sub"], &["--faked-system-time", "20200601T000000"]);
    let found = refused(&gpg.ring("sub"), &signed);
    assert!(found.contains("the key is expired"), "{found}");
}

#[test]
fn a_revoked_key_does_not() {
    let gpg = Gpg::new();
    gpg.key("gone", "ed25519", &[]);
    let signed = gpg.sign(&["gone"], &[]);
    assert_eq!(refused(&gpg.ring("gone"), &signed), "");
    let revocation = gpg.0.path().join("openpgp-revocs.d").join(format!("{}.rev", gpg.fingerprint("gone")));
    let certificate = std::fs::read_to_string(&revocation).unwrap().replace(":-----BEGIN", "-----BEGIN");
    std::fs::write(&revocation, certificate).unwrap();
    gpg.run(&["--import", text(&revocation)]);
    let gone = gpg.ring("gone");
    assert!(refused(&gone, &signed).contains("the key is revoked"));
    assert!(gone.verify(&signed, Moment::WhenMade(now())).is_err(), "not even as evidence");
}

#[test]
fn weak_keys_and_digests_do_not() {
    let gpg = Gpg::new();
    for (kind, why) in [("rsa1024", "RSA of 1024 bits"), ("dsa2048", "DSA")] {
        gpg.key(kind, kind, &[]);
        let found = refused(&gpg.ring(kind), &gpg.sign(&[kind], &[]));
        assert!(found.contains(why), "{kind}: {found}");
    }
    gpg.key("good", "rsa2048", &[]);
    for digest in ["SHA1", "RIPEMD160"] {
        let found = refused(&gpg.ring("good"), &gpg.sign(&["good"], &["--digest-algo", digest]));
        assert!(found.contains("broken"), "{digest}: {found}");
    }
    // A key that vouches for itself with SHA-1 alone: apt 3 refuses it since February 2026.
    gpg.key("self", "rsa2048", &["--cert-digest-algo", "SHA1"]);
    let found = refused(&gpg.ring("self"), &gpg.sign(&["self"], &["--digest-algo", "SHA512"]));
    assert!(found.contains("only with SHA-1"), "{found}");
}

#[test]
fn one_that_does_not_fit_spoils_the_file() {
    let gpg = Gpg::new();
    for owner in ["a", "b"] {
        gpg.key(owner, "ed25519", &[]);
    }
    let Signed::Inline(bytes) = gpg.sign(&["a"], &[]) else { panic!() };
    let changed = String::from_utf8(bytes).unwrap().replace("Suite: stable", "Suite: stale");
    let found = refused(&gpg.ring("a").and(gpg.ring("b")), &Signed::Inline(changed.into_bytes()));
    assert!(found.contains("does not fit the file"), "{found}");
}

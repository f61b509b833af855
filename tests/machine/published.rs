//! Bases by URL, from a local server laid out as their publishers lay theirs out, and not always well
//! behaved.

use std::path::Path;
use std::sync::Arc;

use sha2::{Digest as _, Sha256, Sha512};

use imgfile::catalog::{BaseSource, Catalog, ChecksumSignature, Tier, builtin};
use imgfile::check::{ImageSpec, MemoryFiles, check};
use imgfile::exec::base::listed::{Disk, Files};
use imgfile::exec::{BuildError, Event, Observer, Reporter};
use imgfile::lock::{LockedBase, LockedImage, LockedSource};
use imgfile::packages::Keyring;
use imgfile::resolve::{Preferences, resolve_project};
use imgfile::store::Store;
use imgfile::store::fetch::{Fetcher, Network};
use imgfile::text::Sources;

use crate::common::server::{Answer, Server};
use crate::common::signer::Signer;

struct Silent;

impl Observer for Silent {
    fn event(&self, _: &Event) {}
}

fn catalogue() -> Catalog {
    let mut sources = Sources::default();
    let layer = builtin(&mut sources);
    Catalog::load(&[layer], &sources).0
}

/// Name, URL and URL of the checksums of each base that is downloaded.
fn listed() -> Vec<(String, String, String)> {
    let url = |source: &BaseSource| match source {
        BaseSource::Url { url, checksums, .. } => Some((url.clone(), checksums.clone())),
        BaseSource::Bootstrap(_) | BaseSource::File { .. } => None,
    };
    let catalogue = catalogue();
    let all = catalogue.bases().filter_map(|def| {
        let (url, checksums) = url(&def.source)?;
        Some((def.name.value.clone(), url, checksums))
    });
    all.collect()
}

fn spec(base: &str) -> ImageSpec {
    let text = format!("image \"web\" {{\n  os linux any\n  base {base}\n}}\n");
    let mut sources = Sources::default();
    let files = MemoryFiles::new().with("ImageFile", text);
    check("ImageFile", &mut sources, &files, &Vec::new()).spec.images.remove(0)
}

fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the publisher's file of checksums says, in that publisher's own form.
fn checksums(name: &str, file: &str, disk: &[u8]) -> String {
    let (short, long) = (sha256(disk), hex(&Sha512::digest(disk)));
    let (other, wide) = ("0".repeat(64), "0".repeat(128));
    match name.split('-').next().unwrap() {
        "debian" => format!("{wide}  {file}.json\n{long}  {file}\n"),
        "ubuntu" => format!("{other} *{file}.manifest\n{short} *{file}\n"),
        "rocky" => {
            format!("# {file}: {} bytes\nSHA256 ({file}) = {short}\nSHA256 (x) = {other}\n", disk.len())
        }
        "almalinux" => format!("{other}  x.qcow2\n{short}  {file}\n"),
        "fedora" => format!(
            "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n# {file}: {} bytes\nSHA256 ({file}) = {short}\n\
             -----BEGIN PGP SIGNATURE-----\n\niQ==\n-----END PGP SIGNATURE-----\n",
            disk.len()
        ),
        "opensuse" => format!("{short}  built-as-something-else.qcow2\n"),
        "alpine" => format!("{long}\n"),
        other => panic!("how does {other} publish?"),
    }
}

/// One publisher's base on the server, and a store of its own.
struct Case {
    server: Server,
    store: Arc<Store>,
    name: String,
    url: String,
    checksums: String,
    signed: Option<ChecksumSignature>,
    _dir: tempfile::TempDir,
}

/// Where the server has what the publisher has at `url`.
fn at(url: &str) -> String {
    format!("/mirror/{}", url.split_once("://").unwrap().1)
}

impl Case {
    fn of((name, url, checksums): (String, String, String)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(dir.path().join("store")).unwrap());
        Self { server: Server::start(), store, name, url, checksums, signed: None, _dir: dir }
    }

    fn named(name: &str) -> Self {
        Self::of(listed().into_iter().find(|(known, ..)| known == name).unwrap())
    }

    fn publish(&self, disk: &[u8]) {
        let file = self.url.rsplit('/').next().unwrap();
        let text = checksums(&self.name, file, disk);
        self.server.put(&at(&self.checksums), Answer::Content(text.into_bytes()));
        self.server.put(&at(&self.url), Answer::Content(disk.to_vec()));
    }

    fn have(&self, locked: Option<&LockedImage>) -> Result<Disk, BuildError> {
        let reporter = Reporter::new(Arc::new(Silent));
        let fetcher = Fetcher::new(&Network::default()).unwrap();
        let mirror = format!("{}/mirror/", self.server.url);
        let files = Files {
            store: &self.store,
            fetcher: &fetcher,
            mirror: Some(&mirror),
            root: Path::new("/nowhere"),
            reporter: &reporter,
        };
        let spec = spec(&self.name);
        let source = BaseSource::Url {
            url: self.url.clone(),
            checksums: self.checksums.clone(),
            signed: self.signed.clone(),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(files.have(&spec, &source, locked))
    }

    fn content(&self, locked: Option<&LockedImage>) -> Vec<u8> {
        std::fs::read(self.have(locked).unwrap().path).unwrap()
    }

    /// The code and all words of what is complained of.
    fn complaint(&self, locked: Option<&LockedImage>) -> String {
        let found = self.have(locked).unwrap_err().diagnostics();
        let told = |one: &imgfile::diagnostic::Diagnostic| {
            let labels: Vec<_> = one.labels.iter().map(|label| label.text.clone()).collect();
            format!("{} {} {}", one.code, one.message, labels.join(" "))
        };
        found.iter().map(told).collect()
    }

    fn locked(&self, disk: &[u8]) -> LockedImage {
        LockedImage {
            manager: imgfile::packages::Manager::default(),
            os: "any".into(),
            os_version: "1".into(),
            arch: imgfile::model::Arch::X86_64,
            base: LockedBase {
                name: self.name.clone(),
                version: "1".into(),
                source: LockedSource::Url { url: self.url.clone(), sha256: sha256(disk), size: None },
            },
            apps: std::collections::BTreeMap::default(),
            inputs: std::collections::BTreeMap::default(),
            repositories: Vec::new(),
            requested: Vec::new(),
            upgrade: false,
            packages: [].into(),
            removed: Vec::new(),
            now_manual: Vec::new(),
            temporary: Vec::new(),
            artifact: None,
        }
    }
}

#[test]
fn every_listed_base_is_had_as_its_publisher_publishes_it() {
    let all = listed();
    assert!(all.len() >= 10, "{all:?}");
    for distro in ["debian", "ubuntu", "rocky", "almalinux", "fedora", "opensuse", "alpine"] {
        assert!(all.iter().any(|(name, ..)| name.starts_with(distro)), "{distro}");
    }
    for one in all {
        let case = Case::of(one);
        case.publish(b"a disk");
        assert_eq!(case.content(None), b"a disk", "{}", case.name);
        // What was verified once is not fetched again; what the checksums say is asked anew.
        assert_eq!(case.content(None), b"a disk");
        assert_eq!(case.server.asked(), [at(&case.checksums), at(&case.url), at(&case.checksums)]);
    }
}

#[test]
fn checksums_that_their_publisher_signs_are_believed_by_that_signature_only() {
    let (signer, other) = (Signer::new("Publisher"), Signer::new("Somebody"));
    let mut case = Case::named("ubuntu-24.04");
    case.publish(b"a disk");
    let sums = checksums(&case.name, case.url.rsplit('/').next().unwrap(), b"a disk");
    let url = format!("{}.gpg", case.checksums);
    let key = String::from_utf8(signer.armored()).unwrap();
    case.signed = Some(ChecksumSignature { url: Some(url.clone()), key, fingerprint: signer.fingerprint() });
    assert!(case.complaint(None).starts_with("E0454"), "there is no signature");
    case.server.put(&at(&url), Answer::Content(other.detached(&sums)));
    let complaint = case.complaint(None);
    assert!(complaint.starts_with("E0458"), "somebody else signed it: {complaint}");
    case.server.put(&at(&url), Answer::Content(signer.detached(&sums)));
    assert_eq!(case.content(None), b"a disk");
    case.publish(b"another disk");
    let complaint = case.complaint(None);
    assert!(complaint.starts_with("E0458"), "the signature is of other checksums: {complaint}");
    // Within the file itself.
    if let Some(signed) = &mut case.signed {
        signed.url = None;
    }
    assert!(case.complaint(None).starts_with("E0458"));
    let sums = checksums(&case.name, case.url.rsplit('/').next().unwrap(), b"another disk");
    case.server.put(&at(&case.checksums), Answer::Content(signer.sign(&sums)));
    assert_eq!(case.content(None), b"another disk");
}

/// The keys that come with the catalogue can be read, and are those whose fingerprints it names.
#[test]
fn the_publishers_keys_are_what_they_are_called() {
    let mut signed = 0;
    for base in catalogue().bases() {
        let BaseSource::Url { signed: Some(by), checksums, .. } = &base.source else { continue };
        assert!(Keyring::pinned(by.key.as_bytes(), &by.fingerprint).is_ok(), "{checksums}");
        signed += 1;
    }
    assert_eq!(signed, 5);
}

#[test]
fn a_locked_disk_is_had_without_asking_what_is_published_now() {
    let case = Case::named("ubuntu-24.04");
    case.publish(b"a disk");
    assert_eq!(case.content(Some(&case.locked(b"a disk"))), b"a disk");
    assert_eq!(case.server.asked(), [at(&case.url)]);
}

#[test]
fn a_locked_disk_that_was_replaced_or_removed_says_so() {
    for gone in [false, true] {
        let case = Case::named("rocky-9");
        case.publish(b"a newer disk");
        if gone {
            case.server.put(&at(&case.url), Answer::Status(404));
        }
        let complaint = case.complaint(Some(&case.locked(b"the locked disk")));
        assert!(complaint.starts_with("E0454"), "{complaint}");
        assert!(complaint.contains("is not published any more"), "{complaint}");
    }
}

#[test]
fn what_its_publisher_does_not_vouch_for_is_not_taken() {
    // One publisher with sha256, one with sha512.
    for name in ["fedora-42", "debian-13-cloud"] {
        let case = Case::named(name);
        case.publish(b"a disk");
        case.server.put(&at(&case.url), Answer::Content(b"another disk".to_vec()));
        let complaint = case.complaint(None);
        assert!(complaint.starts_with("E0455") || complaint.starts_with("E0458"), "{complaint}");

        // Nothing of it stays: the right disk is had afterwards.
        case.server.put(&at(&case.url), Answer::Content(b"a disk".to_vec()));
        assert_eq!(case.content(None), b"a disk");

        case.server.put(&at(&case.checksums), Answer::Content(b"<html>maintenance</html>".to_vec()));
        let complaint = case.complaint(None);
        assert!(complaint.starts_with("E0458") && complaint.contains("for this base"), "{complaint}");
    }
}

#[test]
fn connections_that_are_cut_are_resumed_and_redirects_are_followed() {
    for name in ["almalinux-9", "alpine-3.22"] {
        let case = Case::named(name);
        let disk = vec![7; 100_000];
        case.publish(&disk);
        case.server.put("/elsewhere", Answer::CutOnce(disk.clone()));
        case.server.put(&at(&case.url), Answer::Redirect(format!("{}/elsewhere", case.server.url)));
        assert_eq!(case.content(None), disk, "{name}");
        let asked = case.server.asked();
        assert!(asked.contains(&"/elsewhere from 50000".to_owned()), "{asked:?}");
    }
}

#[test]
fn what_is_not_there_is_named() {
    let case = Case::named("opensuse-leap-15.6");
    let complaint = case.complaint(None);
    assert!(complaint.starts_with("E0454") && complaint.contains(".sha256"), "{complaint}");
    case.publish(b"a disk");
    case.server.put(&at(&case.url), Answer::Status(404));
    let complaint = case.complaint(None);
    assert!(complaint.starts_with("E0454") && complaint.contains("Cloud.qcow2`"), "{complaint}");
}

/// A proven base is preferred; a listed one is taken where no other holds the system.
#[test]
fn listed_bases_are_chosen_last() {
    let catalogue = catalogue();
    let chosen = |os: &str| {
        let text = format!("image \"web\" {{\n  os linux {os}\n}}\n");
        let mut sources = Sources::default();
        let files = MemoryFiles::new().with("ImageFile", text);
        let checked = check("ImageFile", &mut sources, &files, &Vec::new());
        let resolved = resolve_project(&checked.spec, &catalogue, |_| Preferences::default(), |_| None);
        resolved.images.into_values().next().unwrap().base.name
    };
    assert_eq!(chosen("debian 13"), "debian-13");
    assert_eq!(chosen("debian"), "debian-13");
    assert_eq!(chosen("ubuntu 24.04"), "ubuntu-24.04");
    assert_eq!(chosen("rocky"), "rocky-10");
    assert_eq!(chosen("alpine"), "alpine-3.22");
    let proven = catalogue.bases().filter(|def| def.tier == Tier::Proven).count();
    assert_eq!(proven, 2, "the bases that are built and booted here");
}

//! Archives as there are: each form that apt reads is read, and what each promises and does not have is
//! done without.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use imgfile::packages::{Archive, Keyring, Manager, Pool};
use imgfile::store::Store;
use imgfile::store::archive::{ArchiveError, Indexes};
use imgfile::store::fetch::{Fetcher, Network};
use imgfile::text::Digest;
use sha2::{Digest as _, Sha512};

use crate::common::server::{Answer, Server};
use crate::common::signer::{Signer, stanza};

const DATE: &str = "Date: Sat, 12 Sep 2026 07:55:41 UTC\n";
const AMD64: &str = "main/binary-amd64/";
const ALL: &str = "main/binary-all/";

/// A suite in the making.
struct Suite {
    /// Fields of its `Release`, whole lines.
    fields: String,
    /// What is served, by the path below the suite.
    files: BTreeMap<String, Vec<u8>>,
    /// What the `Release` speaks of, served or not.
    promised: BTreeMap<String, Vec<u8>>,
    sha512_only: bool,
}

impl Suite {
    fn new() -> Self {
        Self {
            fields: "Suite: stable\nComponents: main\nArchitectures: amd64\n".to_owned() + DATE,
            files: BTreeMap::new(),
            promised: BTreeMap::new(),
            sha512_only: false,
        }
    }

    fn field(mut self, line: &str) -> Self {
        self.fields += &format!("{line}\n");
        self
    }

    /// Serves a file and promises it.
    fn file(mut self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        let content = content.into();
        self.files.insert(path.to_owned(), content.clone());
        self.promise(path, content)
    }

    /// Promises a file and does not have it.
    fn promise(mut self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        self.promised.insert(path.to_owned(), content.into());
        self
    }

    fn release(&self) -> String {
        let mut text = self.fields.clone();
        let list = |digest: &dyn Fn(&[u8]) -> String| {
            let line = |(path, content): (&String, &Vec<u8>)| {
                format!(" {} {} {path}\n", digest(content), content.len())
            };
            self.promised.iter().map(line).collect::<String>()
        };
        if !self.sha512_only {
            text += &format!("SHA256:\n{}", list(&|content| Digest::of(content).to_string()));
        }
        text + &format!("SHA512:\n{}", list(&|content| hex(&Sha512::digest(content))))
    }

    /// What is loaded of it, the release signed within itself.
    fn load(&self) -> Result<Arc<dyn Pool>, ArchiveError> {
        let (server, signer) = (Server::start(), Signer::new("Example"));
        let signed = signer.sign(&self.release());
        server.put("/dists/stable/InRelease", Answer::Content(signed));
        self.load_from(&server, &signer)
    }

    fn load_from(&self, server: &Server, signer: &Signer) -> Result<Arc<dyn Pool>, ArchiveError> {
        for (path, content) in &self.files {
            server.put(&format!("/dists/stable/{path}"), Answer::Content(content.clone()));
        }
        let archive = Archive {
            name: server.url.clone(),
            url: server.url.clone(),
            suite: "stable".to_owned(),
            components: vec!["main".to_owned()],
            priority: None,
        };
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(dir.path().join("store")).unwrap());
        let fetcher = Fetcher::new(&Network::default()).unwrap();
        let keys = Keyring::read(&signer.armored()).unwrap();
        let indexes = Indexes {
            store: &store,
            fetcher: &fetcher,
            max_age: Duration::ZERO,
            manager: Manager::default(),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(indexes.load("amd64", &[(archive, &keys)]))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn packages(names: &[&str]) -> Vec<u8> {
    let all: Vec<String> =
        names.iter().map(|name| stanza(name, "1.0", &format!("{name}.deb"), b"deb")).collect();
    all.join("\n").into_bytes()
}

/// As an archive's own tool writes the entry of a package for every architecture.
fn for_all(name: &str) -> Vec<u8> {
    stanza(name, "1.0", &format!("{name}.deb"), b"deb").replace("amd64", "all").into_bytes()
}

fn names(universe: &Arc<dyn Pool>) -> Vec<&str> {
    let mut names: Vec<&str> = universe.names().collect();
    names.sort_unstable();
    names
}

fn xz(content: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn gz(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn every_form_of_an_index_is_read() {
    let plain = packages(&["tool"]);
    let zst = zstd::encode_all(&plain[..], 1).unwrap();
    for (name, content) in [
        ("Packages", plain.clone()),
        ("Packages.gz", gz(&plain)),
        ("Packages.xz", xz(&plain)),
        ("Packages.zst", zst),
    ] {
        let universe = Suite::new().file(&format!("{AMD64}{name}"), content).load();
        assert_eq!(names(&universe.expect(name)), ["tool"], "{name}");
    }
}

#[test]
fn packages_for_every_architecture_may_be_apart() {
    let apart = Suite::new()
        .field("Architectures: all amd64")
        .file(&format!("{AMD64}Packages"), packages(&["tool"]))
        .file(&format!("{ALL}Packages"), for_all("data"));
    // The later field counts as little as apt lets it: there is one.
    let apart = Suite { fields: apart.fields.replace("Architectures: amd64\n", ""), ..apart };
    assert_eq!(names(&apart.load().unwrap()), ["data", "tool"]);
    // Nothing but those is an archive too.
    let only = Suite {
        files: BTreeMap::from([(format!("{ALL}Packages"), for_all("data"))]),
        promised: BTreeMap::from([(format!("{ALL}Packages"), for_all("data"))]),
        ..Suite { fields: apart.fields.clone(), ..Suite::new() }
    };
    assert_eq!(names(&only.load().unwrap()), ["data"]);
    // Debian has both, and says that one is enough.
    let twice = apart.field("No-Support-for-Architecture-all: Packages");
    assert_eq!(names(&twice.load().unwrap()), ["tool"]);
}

#[test]
fn what_is_promised_and_absent_is_done_without() {
    let plain = packages(&["tool"]);
    let by_hash = Suite::new().field("Acquire-By-Hash: yes").file(&format!("{AMD64}Packages"), plain.clone());
    assert_eq!(names(&by_hash.load().unwrap()), ["tool"]);
    let compressed = Suite::new()
        .promise(&format!("{AMD64}Packages.xz"), xz(&plain))
        .file(&format!("{AMD64}Packages.gz"), gz(&plain));
    assert_eq!(names(&compressed.load().unwrap()), ["tool"]);
    let nothing = Suite::new().promise(&format!("{AMD64}Packages.xz"), xz(&plain));
    assert!(matches!(nothing.load(), Err(ArchiveError::Fetch(_))));
}

#[test]
fn a_file_by_its_digest_that_is_another_is_refused() {
    let plain = packages(&["tool"]);
    let suite = Suite::new().field("Acquire-By-Hash: yes").file(&format!("{AMD64}Packages"), plain.clone());
    let path = format!("{AMD64}by-hash/SHA256/{}", Digest::of(&plain));
    let files = suite.files.clone().into_iter().chain([(path, b"evil".to_vec())]).collect();
    assert!(matches!(Suite { files, ..suite }.load(), Err(ArchiveError::Inconsistent { .. })));
}

#[test]
fn a_signature_may_be_a_file_of_its_own() {
    let suite = Suite::new().file(&format!("{AMD64}Packages"), packages(&["tool"]));
    let (server, signer) = (Server::start(), Signer::new("Example"));
    let release = suite.release();
    server.put("/dists/stable/Release", Answer::Content(release.clone().into_bytes()));
    assert!(suite.load_from(&server, &signer).is_err(), "nobody signed it");
    server.put("/dists/stable/Release.gpg", Answer::Content(signer.detached(&release)));
    assert_eq!(names(&suite.load_from(&server, &signer).unwrap()), ["tool"]);
    let changed = release.replace("Components: main", "Components: main ");
    server.put("/dists/stable/Release", Answer::Content(changed.into_bytes()));
    let error = suite.load_from(&server, &signer).unwrap_err().to_string();
    assert!(error.contains("does not fit the file"), "{error}");
}

#[test]
fn sha512_is_a_digest_as_good() {
    let sum = format!("SHA256: {}", Digest::of(b"deb"));
    let stronger = format!("SHA512: {}", hex(&Sha512::digest(b"deb")));
    let text = String::from_utf8(packages(&["tool"])).unwrap().replace(&sum, &stronger);
    for sha512_only in [false, true] {
        let suite = Suite { sha512_only, ..Suite::new().file(&format!("{AMD64}Packages"), text.clone()) };
        let universe = suite.load().unwrap();
        let tool = universe.find("tool", &"1.0".parse().unwrap()).unwrap();
        assert_eq!(universe.sha512(&tool).unwrap()[..], Sha512::digest(b"deb")[..]);
    }
}

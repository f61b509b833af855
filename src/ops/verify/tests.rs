//! Each file that stands beside an artifact, changed in each way, is found out.

use std::{collections::BTreeMap, fs, os::unix::fs::symlink};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::{rand::SystemRandom, signature::Ed25519KeyPair};
use serde_json::{Value, json};

use super::*;
use crate::describe::{
    Document, Inventory, ManifestArtifact, Request, SbomFormat, SigningKey, Subject, pretty, statement,
};
use crate::model::{Arch, DiskFormat};
use crate::plan::{BasePlan, BaseSource, Gate, ImagePlan, MachinePlan, OsPlan};

/// An image of nothing but a base.
fn plan() -> ImagePlan {
    ImagePlan {
        image: "web".into(),
        description: None,
        labels: BTreeMap::new(),
        os: OsPlan { distro: "debian".into(), version: "13".into() },
        arch: Arch::X86_64,
        base: BasePlan {
            name: "base".into(),
            source: BaseSource::File { path: "/home/somebody/base".into(), sha256: Digest::of("base") },
            virtual_size: 1 << 30,
            firmware: Vec::new(),
        },
        disk_size: 1 << 30,
        machine: MachinePlan { cpus: 1, memory_mib: 512 },
        network: false,
        user: "root".into(),
        secrets: Vec::new(),
        steps: Vec::new(),
        tests: Vec::new(),
        outputs: Vec::new(),
        gate: Gate::default(),
    }
}

/// A folder with two disks of an image, all that describes them, and the keys.
struct World {
    dir: tempfile::TempDir,
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let world = Self { dir };
        world.write("web.qcow2", b"a disk");
        world.write("web.raw", b"the same disk");
        let artifact = |file: &str, format| {
            let content = fs::read(world.path(file)).unwrap();
            ManifestArtifact {
                file: file.into(),
                format,
                sha256: Digest::of(&content),
                size: content.len() as u64,
            }
        };
        let artifacts = vec![
            artifact("web.qcow2", DiskFormat::Qcow2.into()),
            artifact("web.raw", DiskFormat::Raw.into()),
        ];
        let plan = plan();
        let inventory = Inventory::default();
        let subject = Subject { plan: &plan, inventory: &inventory, tested: true, lock: None, time: Some(1) };
        let mut manifest = Manifest::of(subject, artifacts);
        for format in SbomFormat::ALL {
            let (file, text) = (file_name("web", format.kind()), format.document(&manifest, &inventory));
            world.write(&file, text.as_bytes());
            manifest.documents.push(Document { file, kind: format.kind(), sha256: Digest::of(&text) });
        }
        let text = pretty(&manifest);
        world.write("web.manifest.json", text.as_bytes());
        let request =
            Request { plan: &plan, inventory: &inventory, image_file: None, parameters: &BTreeMap::new() };
        let statement = pretty(&statement(&manifest, ("web.manifest.json", Digest::of(&text)), request));
        world.write("web.provenance.json", statement.as_bytes());
        for name in ["mine", "theirs"] {
            let der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
            let key = SigningKey::from_pem(&pem("PRIVATE KEY", der.as_ref())).unwrap();
            // The public half is the end of what ring writes (RFC 8410, the algorithm's identifier before it).
            let prefix = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
            let point = &der.as_ref()[der.as_ref().len() - 32..];
            world.write(&format!("{name}.pub"), pem("PUBLIC KEY", &[&prefix, point].concat()).as_bytes());
            if name == "mine" {
                world.write("web.intoto.jsonl", Envelope::sign(&statement, &key).unwrap().line().as_bytes());
            }
        }
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, content: &[u8]) {
        fs::write(self.path(name), content).unwrap();
    }

    /// Changes the JSON of a file.
    fn edit(&self, name: &str, change: impl FnOnce(&mut Value)) {
        let mut value = serde_json::from_slice(&fs::read(self.path(name)).unwrap()).unwrap();
        change(&mut value);
        self.write(name, pretty(&value).as_bytes());
    }

    fn verify(&self, key: Option<&str>) -> Verification {
        let key = key.map(|name| self.path(&format!("{name}.pub")));
        verify(&self.path("web.qcow2"), key.as_deref()).unwrap()
    }

    /// What fails, with a key and without: both have to say so.
    fn fails(&self) -> Vec<String> {
        let without = self.verify(None);
        let with = self.verify(Some("mine"));
        assert!(!with.holds && with.signed_by.is_none() || !without.holds, "{with:#?}");
        failing(&with)
    }
}

fn failing(verification: &Verification) -> Vec<String> {
    let failing = verification.checks.iter().filter(|check| check.outcome == Outcome::Fails);
    failing.map(|check| format!("{}: {}", check.file, check.detail)).collect()
}

#[test]
fn what_was_written_together_holds_and_says_what_that_proves() {
    let world = World::new();
    let unsigned = world.verify(None);
    assert!(unsigned.holds, "{:?}", failing(&unsigned));
    assert_eq!((unsigned.signed_by, unsigned.proved.len()), (None, 1));
    assert!(unsigned.not_proved[0].starts_with("who wrote them"));
    let signed = world.verify(Some("mine"));
    assert!(signed.holds && signed.signed_by.is_some(), "{:?}", failing(&signed));
    assert_eq!(signed.proved.len(), 2);
    // The other disk need not have been brought along, and each can be asked about.
    let other = verify(&world.path("web.raw"), None).unwrap();
    assert!(other.holds);
    fs::remove_file(world.path("web.raw")).unwrap();
    let alone = world.verify(Some("mine"));
    assert!(alone.holds);
    assert!(alone.checks.iter().any(|check| check.file == "web.raw" && check.outcome == Outcome::Unchecked));
    // Nor the statement that nobody signed.
    fs::remove_file(world.path("web.provenance.json")).unwrap();
    assert!(world.verify(Some("mine")).signed_by.is_some());
}

#[test]
fn one_bit_anywhere_is_found_out() {
    for name in
        ["web.qcow2", "web.raw", "web.spdx.json", "web.cdx.json", "web.manifest.json", "web.provenance.json"]
    {
        let world = World::new();
        let mut content = fs::read(world.path(name)).unwrap();
        let middle = content.len() / 2;
        content[middle] ^= 1;
        world.write(name, &content);
        assert!(!world.fails().is_empty(), "{name}");
        assert!(!world.verify(None).holds, "{name}");
    }
    // In the envelope there is nothing without the key that says whether the signature is right.
    let world = World::new();
    world.edit("web.intoto.jsonl", |envelope| {
        let sig = envelope["signatures"][0]["sig"].as_str().unwrap().to_owned();
        let mut signature = STANDARD.decode(sig).unwrap();
        signature[3] ^= 1;
        envelope["signatures"][0]["sig"] = json!(STANDARD.encode(signature));
    });
    assert!(failing(&world.verify(Some("mine")))[0].contains("did not sign it as it is"));
}

#[test]
fn another_key_and_a_missing_signature_are_found_out() {
    let world = World::new();
    let theirs = world.verify(Some("theirs"));
    assert!(!theirs.holds && theirs.signed_by.is_none());
    assert!(failing(&theirs)[0].contains("did not sign it"), "{:?}", failing(&theirs));
    fs::remove_file(world.path("web.intoto.jsonl")).unwrap();
    assert!(world.verify(None).holds);
    assert!(failing(&world.verify(Some("mine")))[0].contains("nothing is signed"));
}

#[test]
fn what_is_missing_or_of_another_image_is_found_out() {
    for (missing, word) in [
        ("web.manifest.json", "there is no manifest"),
        ("web.spdx.json", "it cannot be read"),
        ("web.cdx.json", "it cannot be read"),
    ] {
        let world = World::new();
        fs::remove_file(world.path(missing)).unwrap();
        let failing = world.fails();
        assert!(failing.iter().any(|one| one.starts_with(missing) && one.contains(word)), "{failing:?}");
    }
    // Two files with each other's names.
    let world = World::new();
    fs::rename(world.path("web.qcow2"), world.path("other")).unwrap();
    fs::rename(world.path("web.raw"), world.path("web.qcow2")).unwrap();
    fs::rename(world.path("other"), world.path("web.raw")).unwrap();
    assert!(world.fails().len() >= 2);
    // A manifest that was made to fit a changed disk: it is the statement that tells.
    let world = World::new();
    world.write("web.qcow2", b"A disk");
    world.edit("web.manifest.json", |manifest| {
        manifest["artifacts"][0]["sha256"] = json!(Digest::of("A disk"));
    });
    let failing = world.fails();
    assert!(failing.iter().all(|one| one.contains("not about")), "{failing:?}");
    assert_eq!(failing.len(), 2);
    // A statement that was made to fit as well, and whose signature cannot.
    let world = World::new();
    let statement = fs::read_to_string(world.path("web.provenance.json")).unwrap();
    world.write("web.provenance.json", statement.replace("urn:imgfile:builder:local", "urn:x").as_bytes());
    world.edit("web.intoto.jsonl", |envelope| {
        envelope["payload"] = json!(STANDARD.encode(statement.replace("urn:imgfile:builder:local", "urn:x")));
    });
    assert!(world.verify(None).holds, "nothing but the key can tell");
    assert!(!world.verify(Some("mine")).holds);
}

#[test]
fn a_manifest_leads_nowhere_but_to_its_own_folder() {
    for name in ["../outside", "/etc/passwd", "a/b", "..", "", "a\nb"] {
        let world = World::new();
        world.edit("web.manifest.json", |manifest| {
            manifest["documents"][0]["file"] = json!(name);
            manifest["artifacts"][1]["file"] = json!(name);
        });
        let failing = world.fails();
        assert!(failing.iter().any(|one| one.contains("outside its folder")), "{name}: {failing:?}");
    }
    // Links and pipes in the place of files are neither followed nor waited for.
    let world = World::new();
    fs::rename(world.path("web.spdx.json"), world.path("elsewhere")).unwrap();
    symlink("elsewhere", world.path("web.spdx.json")).unwrap();
    assert!(world.fails()[0].starts_with("web.spdx.json: it cannot be read"));
    fs::remove_file(world.path("web.manifest.json")).unwrap();
    nix::unistd::mkfifo(&world.path("web.manifest.json"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(!world.fails().is_empty());
}

#[test]
fn what_is_no_manifest_statement_or_envelope_fails_with_a_reason() {
    let world = World::new();
    world.write("web.manifest.json", b"[]");
    world.write("web.provenance.json", b"{}");
    world.write("web.intoto.jsonl", b"\xff");
    let failing = world.fails().join("\n");
    for word in ["it is no manifest", "it is no in-toto statement", "it is no DSSE envelope"] {
        assert!(failing.contains(word), "{failing}");
    }
    let world = World::new();
    world.edit("web.manifest.json", |manifest| manifest["format"] = json!(99));
    assert!(world.fails()[0].contains("it is of format 99"));
    let world = World::new();
    world.edit("web.provenance.json", |statement| statement["predicateType"] = json!("x"));
    assert!(world.fails()[0].contains("of another kind"));
    assert_eq!(verify(&world.path("none.qcow2"), None).unwrap_err().class, Class::Files);
    let key = world.path("web.qcow2");
    assert!(verify(&key, Some(&key)).unwrap_err().to_string().contains("cannot be used"));
}

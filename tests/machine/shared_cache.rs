//! Layers and bases through Debian's docker-registry, from one store to another; and what an independent client, skopeo,
//! finds there.

use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;
use snapbox::{assert_data_eq, file};

use crate::common::built::{Project, own_store, sha256};

const IMAGE_FILE: &str = r#"image "web" {
  os linux debian 13
  packages ["jq"]
  copy <<-TXT to "/etc/word"
    hello
  TXT
  script <<-SH { name = "first", offline = true, user = root }
    #!/bin/sh -e
    echo first > /etc/first
  SH
  script <<-SH { name = "second", offline = true, user = root }
    #!/bin/sh -e
    echo second > /etc/second
  SH
  output qcow2
}
"#;

/// A registry that goes with the test.
struct Registry {
    folder: PathBuf,
    address: String,
    process: Child,
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Registry {
    fn start(folder: &Path) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let settings = folder.join("registry.yml");
        let root = folder.join("registry");
        fs::create_dir(&root).unwrap();
        let text = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nstorage: {{filesystem: {{rootdirectory: {root}}}}}\n\
             http: {{addr: \"{address}\"}}\n",
            root = root.display()
        );
        fs::write(&settings, text).unwrap();
        let process = Command::new("docker-registry")
            .args(["serve", &settings.to_string_lossy()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("docker-registry is installed: scripts/test does");
        let registry = Self { folder: root, address, process };
        while std::net::TcpStream::connect(&registry.address).is_err() {
            std::thread::yield_now();
        }
        registry
    }

    fn url(&self) -> String {
        format!("oci://{}/team", self.address)
    }

    /// Bytes of all that it keeps.
    fn bytes(&self) -> u64 {
        let files = walkdir::WalkDir::new(&self.folder).into_iter().flatten();
        let data = files.filter(|file| file.file_name() == "data");
        data.map(|file| file.metadata().unwrap().len()).sum()
    }
}

fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap();
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A private key, and its public half.
fn keys(folder: &Path, name: &str) -> (String, String) {
    let [private, public] =
        ["key", "pub"].map(|end| folder.join(format!("{name}.{end}")).display().to_string());
    run("openssl", &["genpkey", "-algorithm", "ed25519", "-out", &private]);
    run("openssl", &["pkey", "-in", &private, "-pubout", "-out", &public]);
    (private, public)
}

/// The layers of a store: files by keys.
fn layers(store: &Path) -> BTreeMap<String, Vec<u8>> {
    let folders = fs::read_dir(store.join("layers")).unwrap().flatten();
    let files = folders.filter_map(|folder| {
        let disk = fs::read(folder.path().join("disk.qcow2")).ok()?;
        Some((folder.file_name().into_string().unwrap(), disk))
    });
    files.collect()
}

/// What skopeo copies of an entry: the signed text, and the file that its chunks make.
fn by_skopeo(registry: &Registry, tag: &str, to: &Path) -> (Value, Vec<u8>) {
    let from = format!("docker://{}/team:{tag}", registry.address);
    let name = format!("dir:{}", to.display());
    run("skopeo", &["--insecure-policy", "copy", "-q", "--src-tls-verify=false", &from, &name]);
    let manifest: Value = serde_json::from_slice(&fs::read(to.join("manifest.json")).unwrap()).unwrap();
    let blob = |digest: &str| {
        let bytes = fs::read(to.join(digest)).unwrap();
        assert_eq!(sha256(&bytes), digest);
        bytes
    };
    let config = manifest["config"]["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
    let envelope: Value = serde_json::from_slice(&blob(config)).unwrap();
    let payload = STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap();
    let entry: Value = serde_json::from_slice(&payload).unwrap();
    let chunks = entry["file"]["chunks"].as_array().unwrap();
    let file = chunks
        .iter()
        .flat_map(|chunk| zstd::decode_all(&blob(chunk["digest"].as_str().unwrap())[..]).unwrap());
    let file = file.collect();
    (entry, file)
}

#[test]
fn another_store_builds_without_a_step_and_a_changed_script_sends_little() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let registry = Registry::start(folder.path());
    let ((ci, ci_public), (_, other_public)) = (keys(folder.path(), "ci"), keys(folder.path(), "other"));
    let url = registry.url();

    let mut here = Project::new(IMAGE_FILE);
    here.store = own_store(&folder.path().join("here"));
    let log = here.build(&["--cache-to", &url, "--sign-key", &ci]);
    assert!(log.contains("5 layers and the base went to the shared cache"), "{log}");
    let mine = layers(&here.store);
    assert_eq!(mine.len(), 5);

    // Somebody else, with nothing: another home, another store, another folder.
    let mut there = Project::new(IMAGE_FILE);
    there.store = folder.path().join("there");
    let home = folder.path().join("home");
    fs::create_dir(&home).unwrap();
    let args = ["build", "--progress", "plain", "--cache-from", &url, "--cache-trust", &ci_public];
    let output = there.command(&args).env("HOME", &home).env_remove("XDG_CONFIG_HOME").output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    assert!(log.contains("5 of 5 steps, and the base, came from the shared cache"), "{log}");
    assert_eq!(log.matches("  reused ").count(), 5, "{log}");
    assert!(
        !log.contains("start the machine") && !log.contains("make base") && !log.contains("packages..."),
        "{log}"
    );
    assert!(!log.contains("inspect the disk") && !log.contains("> download packages"), "{log}");
    assert_eq!(layers(&there.store), mine);
    let artifact = |project: &Project| sha256(&fs::read(project.path("out/web.qcow2")).unwrap());
    assert_eq!(artifact(&here), artifact(&there));
    let shown = String::from_utf8(there.imgfile(&["logs", "1"]).stdout).unwrap();
    assert!(shown.contains("came from the shared cache"), "the record says it: {shown}");

    // What is there is not sent twice.
    let before = registry.bytes();
    let log = here.build(&["--cache-to", &url, "--sign-key", &ci, "--force"]);
    assert!(!log.contains("went to the shared cache"), "{log}");
    assert_eq!(registry.bytes(), before);

    // One script changed; besides, an entry that nobody trusted signed, and a registry that is not there.
    let text = IMAGE_FILE.replace("echo second >", "echo another >");
    fs::write(here.path("ImageFile"), &text).unwrap();
    let from = format!("{url},oci://127.0.0.1:1/nobody");
    fs::write(folder.path().join("fresh"), "").unwrap();
    let mut stranger = Project::new(&text);
    stranger.store = own_store(&folder.path().join("stranger"));
    let log = stranger.build(&["--cache-from", &from, "--cache-trust", &other_public]);
    assert!(log.contains("done script second"), "built all the same: {log}");
    let warnings: String = log
        .lines()
        .filter_map(|line| line.split_once("note: warning["))
        .map(|(_, rest)| format!("warning[{}\n", rest.replace(&registry.address, "127.0.0.1:PORT")))
        .collect();
    assert_data_eq!(warnings, file!["shared_cache.expected"]);

    let log = here.build(&["--cache-to", &url, "--sign-key", &ci]);
    assert!(log.contains("2 layers went to the shared cache"), "{log}");
    let sent = registry.bytes() - before;
    let now = layers(&here.store);
    let new: Vec<&Vec<u8>> =
        now.iter().filter(|(key, _)| !mine.contains_key(*key)).map(|(_, disk)| disk).collect();
    // What really changed: the clusters of the two new layers that are not all the same byte, as small as zstd makes them.
    let changed: usize = new.iter().map(|disk| zstd::bulk::compress(disk, 6).unwrap().len()).sum();
    assert_eq!(new.len(), 2);
    assert!(sent <= 2 * changed as u64, "{sent} bytes for {changed} that changed");

    // An independent client finds the same bytes.
    let (key, disk) = now.iter().next().unwrap();
    let (entry, file) = by_skopeo(&registry, &format!("layer-{key}"), &folder.path().join("copy"));
    assert!(file == *disk, "skopeo's copy of {key}");
    assert_eq!(entry["key"].as_str(), Some(key.as_str()));
    let text = entry.to_string();
    for private in [folder.path().to_string_lossy().as_ref(), "/home", "secret.key"] {
        assert!(!text.contains(private), "{private}: {text}");
    }
}

//! Applications that bring an archive of their own: fetched, verified and chosen from like the
//! distribution's, and nothing else is believed.
//!
//! The distribution's own indexes come from the mirror that this host's apt sources name.

use std::path::Path;
use std::process::{Command, Output};

use crate::common;
use crate::common::needed;
use crate::common::server::Server;
use crate::common::signer::Signer;
use crate::common::store::store;
use crate::common::tool;

/// A project with one application, which brings the archive of a server.
struct Project {
    folder: tempfile::TempDir,
}

impl Project {
    fn new(server: &Server, signer: &Signer, fingerprint: &str, version: &str) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        std::fs::write(
            folder.path().join("ImageFile"),
            "image \"tools\" {\n  os linux debian 13\n  app tool\n}\n",
        )
        .unwrap();
        let text = tool::entry(server, signer, fingerprint, version);
        std::fs::create_dir_all(folder.path().join("catalog/apps")).unwrap();
        std::fs::write(folder.path().join("catalog/apps/tool.yaml"), text).unwrap();
        Self { folder }
    }

    fn imgfile(&self, args: &[&str]) -> Output {
        self.imgfile_with(&store(), args)
    }

    /// With a store of its own, as another machine has.
    fn imgfile_with(&self, store: &Path, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_imgfile"))
            .args(args)
            .current_dir(self.folder.path())
            .env("IMGFILE_STORE", store)
            .env("IMGFILE_ACCEL", "tcg")
            .env("NO_COLOR", "1")
            .output()
            .unwrap()
    }

    fn lock_path(&self) -> std::path::PathBuf {
        self.folder.path().join("ImageFile.lock")
    }

    /// Changes the lock's text.
    fn edit_lock(&self, from: &str, to: &str) {
        let lock = std::fs::read_to_string(self.lock_path()).unwrap();
        assert!(lock.contains(from), "{lock}");
        std::fs::write(self.lock_path(), lock.replace(from, to)).unwrap();
    }

    /// What `lock` says, and the lock.
    fn lock(&self) -> (String, String) {
        let output = self.imgfile(&["lock"]);
        let text = String::from_utf8(output.stderr).unwrap();
        (text, std::fs::read_to_string(self.lock_path()).unwrap_or_default())
    }
}

#[test]
fn an_archive_with_a_pinned_key_is_one_of_the_images_archives() {
    let (server, signer) = (Server::start(), Signer::new("Example"));
    signer.serve_package(&server, "1.4.2-1", "", &tool::deb("1.4.2-1"));
    let project = Project::new(&server, &signer, &signer.fingerprint(), "1.4");
    let (said, lock) = project.lock();
    needed::archive(&said);
    for part in [
        format!("archive: \"{}/deb\", path: pool/tool.deb", server.url),
        signer.fingerprint(),
        "name: tool, version: \"1.4.2-1\"".to_owned(),
    ] {
        assert!(lock.contains(&part), "`{part}` is missing: {said}\n{lock}");
    }
    // The package is installed from there, verified in the booted image, and the archive stays known.
    let output = project.imgfile(&["build", "--progress", "plain"]);
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    assert!(log.contains("done test verify tool"), "{log}");
}

#[test]
fn a_version_the_catalogue_does_not_promise_is_an_error() {
    let (server, signer) = (Server::start(), Signer::new("Example"));
    signer.serve(&server, "1.5.0-1", "");
    let (said, lock) = Project::new(&server, &signer, &signer.fingerprint(), "1.4").lock();
    needed::archive(&said);
    assert!(said.contains("E0341") && said.contains("the package `tool` is version 1.5.0-1"), "{said}");
    assert!(said.contains("ImageFile:3"), "{said}");
    assert_eq!(lock, "");
}

#[test]
fn another_key_is_not_believed() {
    let (server, signer, other) = (Server::start(), Signer::new("Example"), Signer::new("Somebody"));
    signer.serve(&server, "1.4.2-1", "");
    let (said, lock) = Project::new(&server, &other, &other.fingerprint(), "1.4").lock();
    needed::archive(&said);
    assert!(said.contains("E0453") && said.contains("no signature of a known key"), "{said}");
    assert_eq!(lock, "");
    // A key that is not the one whose fingerprint stands beside it is found without any archive.
    let (said, lock) = Project::new(&server, &signer, &other.fingerprint(), "1.4").lock();
    assert!(said.contains("E0333") && said.contains("has the fingerprint"), "{said}");
    assert_eq!(lock, "");
}

#[test]
fn a_lock_that_is_written_anew_need_not_be_readable() {
    let (server, signer) = (Server::start(), Signer::new("Example"));
    signer.serve(&server, "1.4.2-1", "");
    let project = Project::new(&server, &signer, &signer.fingerprint(), "1.4");
    let (said, lock) = project.lock();
    needed::archive(&said);
    let path = project.folder.path().join("ImageFile.lock");
    std::fs::write(&path, format!("<<<<<<< HEAD\n{lock}=======\n{lock}>>>>>>> other\n")).unwrap();
    let (said, _) = project.lock();
    assert!(said.contains("E0405"), "{said}");
    // Who names an image wants the others' entries kept.
    let one = project.imgfile(&["lock", "--update", "tools"]);
    assert!(String::from_utf8_lossy(&one.stderr).contains("E0405"));
    assert!(project.imgfile(&["lock", "--update"]).status.success());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), lock);
    let nobody = project.imgfile(&["lock", "--update", "tool"]);
    assert_eq!(nobody.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("there is no image `tool`"));
}

/// What a command said on both its streams, and whether it ended well.
fn said(output: &Output) -> (bool, String) {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn outdated_tells_what_moved_on_and_changes_nothing() {
    let (server, signer) = (Server::start(), Signer::new("Example"));
    signer.serve(&server, "1.4.2-1", "");
    let project = Project::new(&server, &signer, &signer.fingerprint(), "1.4");
    let (text, _) = project.lock();
    needed::archive(&text);
    // The distribution's own archive as it is now, too: `outdated` looks at that.
    assert!(project.imgfile(&["lock", "--update"]).status.success());
    let lock = std::fs::read_to_string(project.lock_path()).unwrap();
    let (done, text) = said(&project.imgfile(&["outdated"]));
    assert!(done && text.contains("nothing is newer than the lock"), "{text}");

    signer.serve(&server, "1.4.3-1", "Date: Sun, 13 Sep 2026 00:00:00 UTC\n");
    let (done, text) = said(&project.imgfile(&["outdated"]));
    assert!(done, "{text}");
    let row = text.lines().find(|line| line.contains("1.4.3-1")).expect(&text);
    assert!(row.contains("tools") && row.contains("tool") && row.contains("1.4.2-1"), "{text}");
    let (done, text) = said(&project.imgfile(&["outdated", "--image", "tools", "--format", "json"]));
    let json: serde_json::Value = serde_json::from_str(text.trim()).expect(&text);
    assert!(done && json[0]["newer"][0]["now"] == "1.4.3-1", "{text}");
    assert_eq!(std::fs::read_to_string(project.lock_path()).unwrap(), lock);

    assert!(project.imgfile(&["lock", "--update"]).status.success());
    let (_, text) = said(&project.imgfile(&["outdated"]));
    assert!(text.contains("nothing is newer than the lock"), "{text}");
    std::fs::remove_file(project.lock_path()).unwrap();
    let (done, text) = said(&project.imgfile(&["outdated"]));
    assert!(!done && text.contains("`imgfile lock` pins it"), "{text}");
}

#[test]
fn a_digest_that_no_signed_index_vouches_for_is_named_at_its_line() {
    let (server, signer) = (Server::start(), Signer::new("Example"));
    signer.serve_package(&server, "1.4.2-1", "", &tool::deb("1.4.2-1"));
    let project = Project::new(&server, &signer, &signer.fingerprint(), "1.4");
    let (text, lock) = project.lock();
    needed::archive(&text);
    // Somebody has put a package of theirs on the mirror, and its digest into the lock.
    let evil = tool::deb_with("1.4.2-1", "touch /owned");
    let locked = imgfile::text::Digest::of(tool::deb("1.4.2-1")).to_string();
    assert!(lock.contains(&locked), "a package is the same each time it is built\n{text}\n{lock}");
    server.put("/deb/pool/tool.deb", common::server::Answer::Content(evil.clone()));
    project.edit_lock(&locked, &imgfile::text::Digest::of(&evil).to_string());
    for args in [&["build", "--locked", "--no-test"][..], &["lock", "--locked"], &["lock"]] {
        let (done, text) = said(&project.imgfile(args));
        assert!(!done && text.contains("E0406"), "{args:?}: {text}");
        assert!(text.contains("digest of `tool` 1.4.2-1 is not the one that the archive signs"), "{text}");
        let line = 1 + lock.lines().position(|line| line.contains("name: tool,")).unwrap();
        assert!(text.contains(&format!("ImageFile.lock:{line}:")), "{args:?}: {text}");
    }
    // A version that nobody has ever seen.
    std::fs::write(project.lock_path(), &lock).unwrap();
    project.edit_lock("name: tool, version: \"1.4.2-1\"", "name: tool, version: \"1.4.9-1\"");
    let (done, text) = said(&project.imgfile(&["build", "--locked", "--no-test"]));
    assert!(!done && text.contains("E0407") && text.contains("--allow-unvouched"), "{text}");
    // A package of the distribution is as little the lock's to say.
    std::fs::write(project.lock_path(), &lock).unwrap();
    let line = lock.lines().find(|line| line.contains("name: base-files,")).unwrap();
    let digest = line.split("sha256: \"").nth(1).unwrap().split('"').next().unwrap();
    project.edit_lock(digest, &"0".repeat(64));
    let (done, text) = said(&project.imgfile(&["build", "--locked", "--no-test"]));
    assert!(!done && text.contains("E0406") && text.contains("digest of `base-files`"), "{text}");
}

#[test]
fn a_suite_or_component_that_no_archive_has_is_named_at_its_word() {
    let (server, signer) = (Server::start(), Signer::new("Example"));
    signer.serve(&server, "1.4.2-1", "");
    let project = Project::new(&server, &signer, &signer.fingerprint(), "1.4");
    std::fs::write(project.folder.path().join("key.asc"), signer.armored()).unwrap();
    let said_of = |statement: &str| {
        let text =
            format!("image \"tools\" {{\n  os linux debian 13\n  {statement}\n  packages [\"tool\"]\n}}\n");
        std::fs::write(project.folder.path().join("ImageFile"), text).unwrap();
        said(&project.imgfile(&["lock"])).1
    };
    let url = format!("{}/deb", server.url);
    let text = said_of(&format!("archive \"{url}\" {{ suite = \"stabel\", key = \"key.asc\" }}"));
    needed::archive(&text);
    assert!(text.contains(&format!("error[E0459]: `{url}` has no suite `stabel`")), "{text}");
    assert!(text.contains("^^^^^^^^ the server has nothing there"), "{text}");
    let text = said_of(&format!(
        "archive \"{url}\" {{ suite = \"stable\", components = [mian], key = \"key.asc\" }}"
    ));
    assert!(text.contains("E0459") && text.contains("has no component `mian`"), "{text}");
    let text = said_of("archive debian { suites = [\"nightly\"] }");
    assert!(text.contains("error[E0459]: Debian's archive has no suite"), "{text}");
    assert!(text.contains("`backports`"), "{text}");
}

#[test]
fn a_lock_goes_on_after_its_archive_has_moved_on() {
    let (server, signer) = (Server::start(), Signer::new("Example"));
    signer.serve(&server, "1.4.2-1", "");
    let project = Project::new(&server, &signer, &signer.fingerprint(), "1.4");
    let (text, lock) = project.lock();
    needed::archive(&text);
    signer.serve(&server, "1.4.3-1", "Date: Sun, 13 Sep 2026 00:00:00 UTC\n");
    // Looked up anew by another project with the same archive, so that the kept index is the new one.
    let other = Project::new(&server, &signer, &signer.fingerprint(), "1.4");
    assert!(other.imgfile(&["lock", "--update"]).status.success());
    let (done, text) = said(&project.imgfile(&["lock", "--locked"]));
    assert!(done, "what vouched for it is kept: {text}");
    assert_eq!(std::fs::read_to_string(project.lock_path()).unwrap(), lock);
    // On a machine that never saw the old index nobody vouches for it.
    let elsewhere = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (done, text) = said(&project.imgfile_with(&elsewhere.path().join("store"), &["lock", "--locked"]));
    assert!(!done && text.contains("E0407") && text.contains("`tool` 1.4.2-1"), "{text}");
}

#[test]
fn a_version_that_the_catalogue_promises_is_taken_though_there_is_a_newer_one() {
    let (server, signer) = (Server::start(), Signer::new("Example"));
    let versions: [(&str, &[u8]); 3] = [
        ("5:1.4.2-1~debian.13", b"older"),
        ("5:1.4.10-1~debian.13", b"newest that fits"),
        ("5:2.0-1~debian.13", b"newer"),
    ];
    signer.serve_versions(&server, &versions);
    let (text, lock) = Project::new(&server, &signer, &signer.fingerprint(), "1.4").lock();
    needed::archive(&text);
    assert!(lock.contains("name: tool, version: \"5:1.4.10-1~debian.13\""), "{text}\n{lock}");
}

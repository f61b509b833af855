//! Applications that bring an archive of their own: fetched, verified and chosen from like the
//! distribution's, and nothing else is believed.
//!
//! The distribution's own indexes come from the mirror that this host's apt sources name; without one the
//! test says so and is skipped.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may stop where it stands")]

use std::path::Path;
use std::process::{Command, Output};

mod common;

use common::server::Server;
use common::signer::Signer;
use common::tool;

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
        Command::new(env!("CARGO_BIN_EXE_imgfile"))
            .args(args)
            .current_dir(self.folder.path())
            .env("IMGFILE_STORE", Path::new(env!("CARGO_TARGET_TMPDIR")).join("store"))
            .env("IMGFILE_ACCEL", "tcg")
            .output()
            .unwrap()
    }

    /// What `lock` says, and the lock.
    fn lock(&self) -> (String, String) {
        let output = self.imgfile(&["lock"]);
        let lock = std::fs::read_to_string(self.folder.path().join("ImageFile.lock")).unwrap_or_default();
        (String::from_utf8(output.stderr).unwrap(), lock)
    }
}

/// Whether this host can ask for Debian's own indexes.
fn has_mirror(said: &str) -> bool {
    let missing = said.contains("E0457") || said.contains("E0456");
    if missing {
        println!("skipped: no Debian mirror answers here");
    }
    !missing
}

#[test]
fn an_archive_with_a_pinned_key_is_one_of_the_images_archives() {
    let (server, signer) = (Server::start(), Signer::new("Example"));
    signer.serve_package(&server, "1.4.2-1", "", &tool::deb("1.4.2-1"));
    let project = Project::new(&server, &signer, &signer.fingerprint(), "1.4");
    let (said, lock) = project.lock();
    if !has_mirror(&said) {
        return;
    }
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
    if has_mirror(&said) {
        assert!(said.contains("E0341") && said.contains("the package `tool` is version 1.5.0-1"), "{said}");
        assert!(said.contains("ImageFile:3"), "{said}");
        assert_eq!(lock, "");
    }
}

#[test]
fn another_key_is_not_believed() {
    let (server, signer, other) = (Server::start(), Signer::new("Example"), Signer::new("Somebody"));
    signer.serve(&server, "1.4.2-1", "");
    let (said, lock) = Project::new(&server, &other, &other.fingerprint(), "1.4").lock();
    if has_mirror(&said) {
        assert!(said.contains("E0453") && said.contains("no signature of a known key"), "{said}");
        assert_eq!(lock, "");
    }
    let (said, lock) = Project::new(&server, &signer, &other.fingerprint(), "1.4").lock();
    if has_mirror(&said) {
        assert!(said.contains("E0453") && said.contains("has the fingerprint"), "{said}");
        assert_eq!(lock, "");
    }
}

#[test]
fn a_lock_that_is_written_anew_need_not_be_readable() {
    let (server, signer) = (Server::start(), Signer::new("Example"));
    signer.serve(&server, "1.4.2-1", "");
    let project = Project::new(&server, &signer, &signer.fingerprint(), "1.4");
    let (said, lock) = project.lock();
    if !has_mirror(&said) {
        return;
    }
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

//! What `lock` says about the packages that an image asks for, with Debian's own archive.
//!
//! The mirror is the one that this host's apt sources name; without one the tests say so and are skipped.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may stop where it stands")]

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// A project, and what a command in it says.
struct Project(TempDir);

impl Project {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        for (name, text) in files {
            std::fs::create_dir_all(folder.path().join(name).parent().unwrap()).unwrap();
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        Self(folder)
    }

    fn image(statements: &str) -> Self {
        Self::new(&[("ImageFile", &format!("image \"x\" {{\n  os linux debian 13\n  {statements}\n}}\n"))])
    }

    fn imgfile(&self, args: &[&str]) -> (bool, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_imgfile"))
            .args(args)
            .current_dir(self.0.path())
            .env("IMGFILE_STORE", Path::new(env!("CARGO_TARGET_TMPDIR")).join("store"))
            .env("NO_COLOR", "1")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.success(), text)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.path().join(name)).unwrap_or_default()
    }
}

/// What `lock` says about an image; nothing where no mirror can be asked.
fn lock(statements: &str) -> Option<(bool, String)> {
    let (done, text) = Project::image(statements).imgfile(&["lock"]);
    if text.contains("E0457") || text.contains("E0456") {
        println!("skipped: no Debian mirror answers here");
        return None;
    }
    Some((done, text))
}

#[test]
fn one_run_names_every_package_that_is_not_there() {
    let list = "packages [\"nosuch-one\", \"nosuch-two\", \"jq=0.1\", \"nosuch-three\"] { remove = [\"nosuch-four\"] }";
    let Some((done, text)) = lock(list) else { return };
    assert!(!done);
    for name in ["nosuch-one", "nosuch-two", "nosuch-three"] {
        let message = format!("no archive of the base has a package `{name}`");
        assert_eq!(text.matches(&message).count(), 1, "{name}: {text}");
    }
    assert!(
        text.contains("no version 0.1 of `jq`") && text.contains("`nosuch-four` cannot be removed"),
        "{text}"
    );
    assert!(!text.contains("did you mean"), "none of these is near to anything: {text}");
    assert!(text.contains("5 errors"), "{text}");
}

#[test]
fn the_word_that_would_remove_a_package_of_the_base_is_labelled() {
    let Some((done, text)) = lock("packages [\"jq\", \"dracut\", \"vim\"]") else { return };
    assert!(!done && text.contains("`dracut` would remove"), "{text}");
    assert!(text.contains("ImageFile:3:19"), "{text}");
    assert_eq!(text.matches("takes its place").count(), 1, "{text}");
}

#[test]
fn what_is_in_another_component_or_suite_is_said_to_be_there() {
    let Some((done, text)) = lock("packages [\"zfsutils-linux\", \"firmware-realtek\", \"unrar\"]") else {
        return;
    };
    assert!(!done);
    for (name, component) in
        [("zfsutils-linux", "contrib"), ("firmware-realtek", "non-free-firmware"), ("unrar", "non-free")]
    {
        let message = format!("`{name}` is in `{component}`, which is not among the image's archives");
        assert!(text.contains(&message), "{text}");
        assert!(text.contains(&format!("archive debian {{ components = [\"{component}\"] }}")), "{text}");
    }
}

#[test]
fn each_file_has_its_own_lock() {
    let image = |name: &str, more: &str| format!("image \"{name}\" {{\n  os linux debian 13\n{more}}}\n");
    let project = Project::new(&[
        ("a.imagefile", &image("a", "")),
        ("b.imagefile", &image("b", "  packages [\"jq\"]\n")),
    ]);
    let (done, text) = project.imgfile(&["lock", "a.imagefile"]);
    if text.contains("E0457") || text.contains("E0456") {
        println!("skipped: no Debian mirror answers here");
        return;
    }
    assert!(done && text.contains("a.imagefile.lock"), "{text}");
    assert!(project.imgfile(&["lock", "b.imagefile"]).0);
    for file in ["a.imagefile", "b.imagefile"] {
        let (done, text) = project.imgfile(&["lock", "--locked", file]);
        assert!(done, "{file}: {text}");
    }
    assert!(!project.read("a.imagefile.lock").contains("name: jq"));
    assert!(project.read("b.imagefile.lock").contains("name: jq"));
    assert_eq!(project.read("ImageFile.lock"), "");
}

#[test]
fn a_copy_of_everything_does_not_change_with_each_lock() {
    let text = "image \"x\" {\n  os linux debian 13\n  copy \".\" to \"/srv/app\"\n}\n";
    let project = Project::new(&[("ImageFile", text), ("main.py", "print()\n"), (".git/HEAD", "1\n")]);
    let (done, text) = project.imgfile(&["lock"]);
    if text.contains("E0457") || text.contains("E0456") {
        println!("skipped: no Debian mirror answers here");
        return;
    }
    assert!(done, "{text}");
    let first = project.read("ImageFile.lock");
    for (name, text) in [("out/x.qcow2", "QFI"), (".git/HEAD", "2\n")] {
        std::fs::create_dir_all(project.0.path().join(name).parent().unwrap()).unwrap();
        std::fs::write(project.0.path().join(name), text).unwrap();
    }
    for args in [&["lock", "--locked"][..], &["lock"]] {
        let (done, text) = project.imgfile(args);
        assert!(done, "{text}");
    }
    assert_eq!(project.read("ImageFile.lock"), first);
}

#[test]
fn versions_are_exact_patterns_or_comparisons() {
    let Some((done, text)) = lock("packages [\"jq=1.*\", \"vim >= 2:9, < 2:10\", \"curl != 1\"]") else {
        return;
    };
    assert!(done, "{text}");
    let Some((done, text)) = lock("packages [\"jq < 1\"]") else { return };
    assert!(!done && text.contains("no version < 1 of `jq`"), "{text}");
}

#[test]
fn more_of_the_distributions_archive_is_had_by_a_statement() {
    let statements = "archive debian { components = [\"contrib\", \"non-free-firmware\"], suites = [\"backports\"] }\n  \
                      packages [\"zfsutils-linux\"]";
    let project = Project::image(statements);
    let (done, text) = project.imgfile(&["lock"]);
    if text.contains("E0457") || text.contains("E0456") {
        println!("skipped: no Debian mirror answers here");
        return;
    }
    assert!(done, "{text}");
    let lock = project.read("ImageFile.lock");
    assert!(lock.contains("name: zfsutils-linux,") && lock.contains("pool/contrib/"), "{lock}");
    assert!(lock.contains("components: [contrib, non-free-firmware]"), "{lock}");
    assert!(project.imgfile(&["lock", "--locked"]).0);
    // Backports are asked for by their version, as under apt.
    let pinned = "archive debian { suites = [\"trixie-backports\"] }\n  packages [\"nosuch\"]";
    let (_, text) = Project::image(pinned).imgfile(&["lock"]);
    assert!(text.contains("no archive of the base has a package `nosuch`"), "{text}");
}

#[test]
fn recommendations_and_temporary_packages_are_the_statements_own() {
    let names = |statements: &str| -> Option<(String, String)> {
        let project = Project::image(statements);
        let (done, text) = project.imgfile(&["lock"]);
        if text.contains("E0457") || text.contains("E0456") {
            return None;
        }
        assert!(done, "{text}");
        assert!(project.imgfile(&["lock", "--locked"]).0);
        let lock = project.read("ImageFile.lock");
        let own = lock.split("    requested:").nth(1).unwrap().to_owned();
        let (packages, temporary) = own.split_once("    temporary:").unwrap_or((&own, ""));
        Some((packages.to_owned(), temporary.to_owned()))
    };
    let Some((without, _)) = names("packages [\"git\"]") else { return };
    let (with, _) = names("packages [\"git\"] { recommends = true }").unwrap();
    assert!(
        !without.contains("name: patch,") && with.contains("name: patch,"),
        "git recommends patch\n{with}"
    );
    let (packages, temporary) = names("packages [\"curl\"]\n  packages [\"git\"] { keep = false }").unwrap();
    assert!(packages.contains("name: git,") && packages.contains("git (temporary)"), "{packages}");
    assert!(temporary.contains("- git\n") && temporary.contains("- git-man\n"), "{temporary}");
    // What curl needs as well stays.
    assert!(packages.contains("name: libcurl4t64,") && !temporary.contains("libcurl4t64"), "{temporary}");
}

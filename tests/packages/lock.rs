//! What `lock` says about the packages that an image asks for, with Debian's own archive.
//!
//! The mirror is the one that this host's apt sources name.

use std::process::Command;

use imgfile::lock::{Lock, LockedImage};
use imgfile::text::Sources;
use tempfile::TempDir;

use crate::common::needed;
use crate::common::store::store;

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
            .env("IMGFILE_STORE", store())
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

/// What `lock` says about an image.
fn lock(statements: &str) -> (bool, String) {
    let (done, text) = Project::image(statements).imgfile(&["lock"]);
    needed::archive(&text);
    (done, text)
}

#[test]
fn one_run_names_every_package_that_is_not_there() {
    let list = "packages [\"nosuch-one\", \"nosuch-two\", \"jq=0.1\", \"nosuch-three\"] { remove = [\"nosuch-four\"] }";
    let (done, text) = lock(list);
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
    let (done, text) = lock("packages [\"jq\", \"dracut\", \"vim\"]");
    assert!(!done && text.contains("`dracut` would remove"), "{text}");
    assert!(text.contains("ImageFile:3:19"), "{text}");
    assert_eq!(text.matches("takes its place").count(), 1, "{text}");
}

#[test]
fn what_is_in_another_component_or_suite_is_said_to_be_there() {
    let (done, text) = lock("packages [\"zfsutils-linux\", \"firmware-realtek\", \"unrar\"]");
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
    needed::archive(&text);
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

/// What a merge that git calls clean makes of a lock: a package is gone that one of those that came needs. And what a
/// lock is that says the same in other words.
#[test]
fn a_merged_lock_is_looked_at_and_one_that_may_not_change_is_not_written() {
    let text = "image \"x\" {\n  os linux debian 13\n  packages [\"jq\"]\n}\n";
    let project = Project::new(&[("ImageFile", text)]);
    let (done, said) = project.imgfile(&["lock"]);
    needed::archive(&said);
    assert!(done, "{said}");
    let whole = project.read("ImageFile.lock");
    let write = |lock: &str| std::fs::write(project.0.path().join("ImageFile.lock"), lock).unwrap();

    let other_words = format!("# merged\n{whole}");
    write(&other_words);
    let (done, said) = project.imgfile(&["lock", "--locked"]);
    assert!(done && said.contains("is up to date"), "{said}");
    assert_eq!(project.read("ImageFile.lock"), other_words);
    assert!(project.imgfile(&["lock"]).0);
    assert_eq!(project.read("ImageFile.lock"), whole);

    let lacking: String =
        whole.lines().filter(|line| !line.contains("libonig5")).map(|line| format!("{line}\n")).collect();
    assert_ne!(lacking, whole);
    write(&lacking);
    for args in [&["lock", "--locked"][..], &["lock"]] {
        let (done, said) = project.imgfile(args);
        assert!(!done && said.contains("error[E0409]") && said.contains("libonig5"), "{said}");
        assert!(said.contains("`imgfile lock --update x`"), "{said}");
    }
    assert!(project.imgfile(&["lock", "--update", "x"]).0);
    assert_eq!(project.read("ImageFile.lock"), whole);
}

#[test]
fn a_copy_of_everything_does_not_change_with_each_lock() {
    let text = "image \"x\" {\n  os linux debian 13\n  copy \".\" to \"/srv/app\"\n}\n";
    let project = Project::new(&[("ImageFile", text), ("main.py", "print()\n"), (".git/HEAD", "1\n")]);
    let (done, text) = project.imgfile(&["lock"]);
    needed::archive(&text);
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
    let (done, text) = lock("packages [\"jq=1.*\", \"vim >= 2:9, < 2:10\", \"curl != 1\"]");
    assert!(done, "{text}");
    let (done, text) = lock("packages [\"jq < 1\"]");
    assert!(!done && text.contains("no version < 1 of `jq`"), "{text}");
}

#[test]
fn more_of_the_distributions_archive_is_had_by_a_statement() {
    let statements = "archive debian { components = [\"contrib\", \"non-free-firmware\"], suites = [\"backports\"] }\n  \
                      packages [\"zfsutils-linux\"]";
    let project = Project::image(statements);
    let (done, text) = project.imgfile(&["lock"]);
    needed::archive(&text);
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
    let locked = |statements: &str| -> LockedImage {
        let project = Project::image(statements);
        let (done, text) = project.imgfile(&["lock"]);
        needed::archive(&text);
        assert!(done, "{text}");
        assert!(project.imgfile(&["lock", "--locked"]).0);
        let mut sources = Sources::default();
        let source = sources.add("ImageFile.lock", project.read("ImageFile.lock"));
        Lock::read(source, &sources).unwrap().images.into_values().next().unwrap()
    };
    let has = |image: &LockedImage, name: &str| image.packages.iter().any(|package| package.name == name);
    let without = locked("packages [\"git\"]");
    let with = locked("packages [\"git\"] { recommends = true }");
    assert!(!has(&without, "patch") && has(&with, "patch"), "git recommends patch\n{with:?}");
    let image = locked("packages [\"curl\"]\n  packages [\"git\"] { keep = false }");
    assert!(has(&image, "git") && image.requested.contains(&"git (temporary)".to_owned()), "{image:?}");
    let goes = |name: &str| image.temporary.iter().any(|one| one == name);
    assert!(goes("git") && goes("git-man"), "{image:?}");
    // What curl needs as well stays.
    assert!(has(&image, "libcurl4t64") && !goes("libcurl4t64"), "{image:?}");
}

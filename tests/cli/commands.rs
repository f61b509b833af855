//! What the commands that use the lock and the settings say of them, as golden text: the real program, without
//! a network and without a machine.
//!
//! `SNAPSHOTS=overwrite cargo test --test cli commands::` writes it anew; read the difference.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use imgfile::resolve::BaseOrigin;
use snapbox::{assert_data_eq, file};

use crate::common;

const IMAGE_FILE: &str = "image \"web\" {\n  os linux debian 13\n  packages [\"curl\"]\n}\n";

/// A lock of the image as it was with another package: that holds, so that nothing is looked up.
fn lock() -> String {
    lock_of(None)
}

/// The lock of the image with another source of its base.
fn lock_of(source: Option<&str>) -> String {
    let (project, _) = common::checked(IMAGE_FILE, &[]);
    let base = &project.resolutions["web"].base;
    let BaseOrigin::Catalog { definition, .. } = &base.origin else { panic!("{base:?}") };
    let bootstrap = format!("bootstrap:\n          recipe: {definition}\n          packages: []");
    format!(
        "version: 1\nimages:\n  web:\n    os: debian\n    os_version: '13'\n    arch: x86_64\n    base:\n      \
         name: {}\n      version: '{}'\n      source:\n        {}\n    requested: [jq]\n    packages: []\n",
        base.name,
        base.version,
        source.unwrap_or(&bootstrap)
    )
}

/// A lock with the same image under another name, too.
fn twice(lock: &str) -> String {
    let (head, image) = lock.split_once("  web:\n").unwrap();
    format!("{head}  old:\n{image}  web:\n{image}")
}

/// An image on another.
fn chain() -> Vec<(&'static str, Vec<u8>)> {
    let text = "image \"common\" {\n  os linux debian\n}\n\nimage \"web\" {\n  base image \"common\"\n  app nginx\n}\n";
    vec![("ImageFile", text.into())]
}

/// Images that can stand on different bases.
fn two() -> Vec<(&'static str, Vec<u8>)> {
    let text = "image \"any\" {\n  os linux debian\n}\n\nimage \"old\" {\n  os linux debian 12\n}\n";
    vec![("ImageFile", text.into())]
}

/// What a stranger would like to have.
const STRANGERS: &str = "image \"web\" {\n  os linux debian 13\n  secret key from file \"/etc/hostname\"\n  secret cloud from env \
     AWS_SECRET_ACCESS_KEY\n  secret given from env GIVEN\n  secret nowhere\n  script <<-SH { secrets = [key, cloud, given, \
     nowhere] }\n    #!/bin/sh -e\n    true\n  SH\n}\n";

struct Case {
    name: &'static str,
    files: Vec<(&'static str, Vec<u8>)>,
    /// A variable of the environment.
    env: Option<(&'static str, &'static str)>,
    /// Variables that it lacks.
    without: &'static [&'static str],
    args: &'static [&'static str],
}

fn of_locks() -> Vec<Case> {
    let case = |name, files, args| Case { name, files, env: None, without: &[], args };
    let digest = "0".repeat(64);
    let on_disk = lock_of(Some(&format!("file: {{ path: golden.qcow2, sha256: \"{digest}\", size: 1000 }}")));
    let on_download =
        lock_of(Some(&format!("url: {{ url: \"https://images.example/disk\", sha256: \"{digest}\" }}")));
    let on_image = lock_of(Some(&format!("image: {{ plan: \"{digest}\" }}")));
    let cut = lock().split_once("source:").unwrap().0.to_owned();
    vec![
        case("nothing may change, and there is no lock", vec![], &["lock", "--locked"]),
        case("there is no key to sign with", vec![], &["build", "--sign-key", "none.pem"]),
        case(
            "the key to sign with is a public one",
            vec![("mine.pub", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n".to_vec())],
            &["build", "--sign-key", "mine.pub"],
        ),
        case(
            "a shared cache is read, and nobody is trusted",
            vec![],
            &["build", "--cache-from", "oci://registry.example/team"],
        ),
        case(
            "a shared cache is written, and no key signs",
            vec![],
            &["build", "--cache-to", "oci://registry.example/team"],
        ),
        case(
            "those who are trusted have no keys",
            vec![("team.pub", b"ann\nbob\n".to_vec())],
            &["build", "--cache-from", "oci://registry.example/team", "--cache-trust", "team.pub"],
        ),
        case("a shared cache has no address", vec![], &["build", "--cache-to", "registry.example/team"]),
        case(
            "advisories are of no known format",
            vec![("cves.csv", b"CVE-2026-1,openssl\n".to_vec())],
            &["outdated", "--advisories", "cves.csv"],
        ),
        case("there are no advisories to deny", vec![], &["build", "--deny", "high"]),
        case("the lock is about another package", vec![("ImageFile.lock", lock().into())], &["plan"]),
        case(
            "the lock is about another package, and nothing may change",
            vec![("ImageFile.lock", lock().into())],
            &["build", "--locked"],
        ),
        // The application is of a package that the lock does not have: that is no reason to doubt the catalogue.
        case(
            "the lock is about an image without an application",
            vec![
                ("ImageFile.lock", lock().into()),
                (
                    "ImageFile",
                    IMAGE_FILE.replace("packages [\"curl\"]", "packages [\"jq\"]\n  app nginx").into(),
                ),
            ],
            &["plan", "--locked"],
        ),
        case("the lock is about a disk", vec![("ImageFile.lock", on_disk.into())], &["plan"]),
        case("the lock is about a download", vec![("ImageFile.lock", on_download.into())], &["lock"]),
        case("the lock is about another image", vec![("ImageFile.lock", on_image.into())], &["plan"]),
        case(
            "a base is chosen that what a chain begins with cannot have",
            chain(),
            &["plan", "--base", "rocky-9"],
        ),
        case("a base is chosen for a chain, and there is none", chain(), &["build", "--base", "debian"]),
        case("a base is chosen that one of two images cannot have", two(), &["plan", "--base", "debian-13"]),
        case("the lock is no lock", vec![("ImageFile.lock", "images: 3\n".into())], &["plan"]),
        case("the lock is no text", vec![("ImageFile.lock", b"version: 1 # caf\xe9\n".to_vec())], &["lock"]),
        case("the lock is cut off", vec![("ImageFile.lock", cut.into())], &["plan"]),
        case("the lock is a folder", vec![("ImageFile.lock/file", Vec::new())], &["plan"]),
        case(
            "the lock was merged, and the merge is not done",
            vec![("ImageFile.lock", format!("<<<<<<< ours\n{0}=======\n{0}>>>>>>> theirs\n", lock()).into())],
            &["lock"],
        ),
        case(
            "the lock is of a newer imgfile",
            vec![("ImageFile.lock", lock().replace("version: 1", "version: 3").into())],
            &["build", "--locked"],
        ),
        case(
            "the lock has an image that is gone, and nothing may change",
            vec![
                ("ImageFile", IMAGE_FILE.replace("curl", "jq").into()),
                ("ImageFile.lock", twice(&lock()).into()),
            ],
            &["lock", "--locked"],
        ),
        case(
            "there are several ImageFiles",
            vec![("vm/db.imagefile", "x".into()), ("vm/web.imagefile", "x".into())],
            &["plan", "vm"],
        ),
    ]
}

fn of_settings() -> Vec<Case> {
    let case = |name, files, args| Case { name, files, env: None, without: &[], args };
    vec![
        case("a root that is no truth", vec![(".imgfile.toml", "root = \"yes\"\n".into())], &["plan"]),
        case(
            "settings that cannot be used",
            vec![(
                ".imgfile.toml",
                "mirror = \"ftp://mirror.example\"\nstroe = \"big\"\naccel = [1]\nmemory = \"5G\"\n".into(),
            )],
            &["plan"],
        ),
        case(
            "settings of a project that is not trusted",
            vec![
                (".imgfile.toml", "store = \"st\"\ncpus = 1\nmemory = \"1000000GiB\"\n".into()),
                ("../.config/imgfile/config.toml", "memory = \"4GiB\"\n".into()),
            ],
            &["lock", "--locked"],
        ),
        case(
            "secrets and a disk of others",
            vec![("ImageFile", STRANGERS.into())],
            &["build", "--secret", "given=env:GIVEN"],
        ),
        case(
            "a disk of others",
            vec![(
                "ImageFile",
                "image \"web\" {\n  os linux debian 13\n  base file \"/dev/null\"\n}\n".into(),
            )],
            &["plan"],
        ),
        case("a secret that nobody declares", vec![], &["build", "--secret", "token=env:TOKEN"]),
        case("settings that are no settings", vec![(".imgfile.toml", "mirror = \n".into())], &["doctor"]),
        Case {
            env: Some(("IMGFILE_CPUS", "all")),
            ..case("a variable that cannot be used", vec![], &["build"])
        },
        Case {
            without: &["HOME", "XDG_CACHE_HOME", "IMGFILE_STORE"],
            ..case("nothing says where the store is", vec![], &["plan"])
        },
    ]
}

#[test]
fn what_commands_say_of_locks_and_settings() {
    let mut text = String::new();
    for Case { name, files, env, without, args } in of_locks().into_iter().chain(of_settings()) {
        let folder = tempfile::tempdir().unwrap();
        let project = folder.path().join("project");
        fs::create_dir(&project).unwrap();
        fs::write(project.join("ImageFile"), IMAGE_FILE).unwrap();
        for (path, content) in files {
            let path = project.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_imgfile"));
        command
            .args(args)
            .current_dir(&project)
            .env("IMGFILE_STORE", folder.path().join("store"))
            .env("IMGFILE_MIRROR", "http://mirror.example/debian")
            .env("NO_COLOR", "1")
            .env("HOME", folder.path())
            .envs(env);
        for name in without {
            command.env_remove(name);
        }
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        let status = output.status.code().unwrap();
        writeln!(text, "# {name}: `imgfile {}`, exit status {status}\n{}\n", args.join(" "), said.trim_end())
            .unwrap();
        assert!(!project.join("out").exists());
    }
    assert_data_eq!(text, file!["commands.expected"]);
}

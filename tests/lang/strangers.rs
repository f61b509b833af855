//! Files of strangers: what `check` and `fmt` do not follow, wait for or write.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

fn imgfile(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_imgfile"))
        .args(args)
        .current_dir(folder)
        .env("IMGFILE_STORE", folder.join("../store"))
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8([output.stdout.clone(), output.stderr.clone()].concat()).unwrap()
}

const UGLY: &str = "image   \"secret\" {\nos linux debian 13\n}\n";

#[test]
fn a_link_out_of_the_folder_is_neither_read_nor_written() {
    let top = tempfile::tempdir().unwrap();
    let project = top.path().join("project");
    fs::create_dir(&project).unwrap();
    fs::write(top.path().join("elsewhere"), UGLY).unwrap();
    symlink("../elsewhere", project.join("ImageFile")).unwrap();
    for args in [&["check", "ImageFile"][..], &["fmt", "ImageFile"], &["fmt", "--check", "ImageFile"]] {
        let output = imgfile(&project, args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(!said(&output).contains("secret"), "{}", said(&output));
    }
    assert_eq!(fs::read_to_string(top.path().join("elsewhere")).unwrap(), UGLY);
}

#[test]
fn a_lock_that_is_a_link_out_of_the_folder_is_not_shown() {
    let top = tempfile::tempdir().unwrap();
    let project = top.path().join("project");
    fs::create_dir(&project).unwrap();
    fs::write(top.path().join("elsewhere"), "secret: yes\n").unwrap();
    fs::write(project.join("ImageFile"), "image \"web\" {\n  os linux debian 13\n}\n").unwrap();
    symlink("../elsewhere", project.join("ImageFile.lock")).unwrap();
    let output = imgfile(&project, &["lock", "--locked"]);
    assert!(!said(&output).contains("secret"), "{}", said(&output));
    assert!(said(&output).contains("E0401"), "{}", said(&output));
}

#[test]
fn settings_are_read_in_the_folder_only() {
    let top = tempfile::tempdir().unwrap();
    let project = top.path().join("project");
    fs::create_dir(&project).unwrap();
    fs::write(top.path().join("elsewhere"), "secret = \"yes\"\n").unwrap();
    fs::write(project.join("ImageFile"), "image \"web\" {\n  os linux debian 13\n}\n").unwrap();
    symlink("../elsewhere", project.join(".imgfile.toml")).unwrap();
    for args in [&["plan"][..], &["build", "--locked"], &["doctor"]] {
        let output = imgfile(&project, args);
        assert!(!said(&output).contains("secret"), "{args:?}: {}", said(&output));
        assert!(said(&output).contains("it leads out of the project"), "{args:?}: {}", said(&output));
    }
    let output = imgfile(&project, &["check"]);
    assert!(output.status.success(), "{}", said(&output));

    // A link within the folder is one of the project's own files.
    fs::remove_file(project.join(".imgfile.toml")).unwrap();
    fs::write(project.join("settings.toml"), "cpus = 0\n").unwrap();
    symlink("settings.toml", project.join(".imgfile.toml")).unwrap();
    let output = imgfile(&project, &["plan"]);
    assert!(said(&output).contains("`0` is not a value of the setting `cpus`"), "{}", said(&output));

    fs::remove_file(project.join(".imgfile.toml")).unwrap();
    assert!(Command::new("mkfifo").arg(project.join(".imgfile.toml")).status().unwrap().success());
    let output = imgfile(&project, &["plan"]);
    assert!(said(&output).contains("not a regular file"), "{}", said(&output));
}

#[test]
fn a_link_within_the_folder_stays_a_link() {
    let top = tempfile::tempdir().unwrap();
    fs::write(top.path().join("real.imagefile"), UGLY).unwrap();
    symlink("real.imagefile", top.path().join("ImageFile")).unwrap();
    assert!(imgfile(top.path(), &["fmt", "ImageFile"]).status.success());
    assert!(top.path().join("ImageFile").is_symlink());
    assert!(
        fs::read_to_string(top.path().join("real.imagefile"))
            .unwrap()
            .starts_with("image \"secret\" {\n  os")
    );
}

#[test]
fn pipes_and_devices_are_refused_and_not_waited_for() {
    let top = tempfile::tempdir().unwrap();
    assert!(Command::new("mkfifo").arg(top.path().join("pipe.imagefile")).status().unwrap().success());
    for command in ["check", "fmt"] {
        for file in ["pipe.imagefile", "/dev/zero"] {
            let output = imgfile(top.path(), &[command, file]);
            assert_eq!(output.status.code(), Some(1), "{command} {file}");
            assert!(said(&output).contains("not a regular file"), "{}", said(&output));
        }
    }
}

#[test]
fn files_that_are_no_image_files_are_not_laid_out() {
    let folder = tempfile::tempdir().unwrap();
    let own = "image \"x\" {\n  os linux debian 13\n}\n";
    let foreign = [
        ("ImageFile.lock", "version: 2\nimages:\n  - image: x\n    base:\n      name: a\n"),
        ("compose.yaml", "services:\n  web:\n    image: x\n"),
        ("Makefile", "all:\n\techo 'x'\n"),
        ("run.sh", "#!/bin/sh\nif true; then\n    echo 'x'\nfi\n"),
    ];
    for (name, text) in foreign {
        std::fs::write(folder.path().join(name), text).unwrap();
        for args in [&["fmt", name][..], &["check", "--fix", name]] {
            let output = imgfile(folder.path(), args);
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{args:?} {said}");
            assert_eq!(std::fs::read_to_string(folder.path().join(name)).unwrap(), text, "{args:?}");
        }
    }
    // A fragment that others include may have any name.
    std::fs::write(folder.path().join("common.txt"), "param   a = \"1\"\n").unwrap();
    assert!(imgfile(folder.path(), &["fmt", "common.txt"]).status.success());
    assert_eq!(std::fs::read_to_string(folder.path().join("common.txt")).unwrap(), "param a = \"1\"\n");
    // Where there is nothing to look at, nothing was looked at.
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(imgfile(empty.path(), &["fmt", "--check"]).status.code(), Some(1));
    std::fs::write(empty.path().join("ImageFile"), own).unwrap();
    assert!(imgfile(empty.path(), &["fmt", "--check"]).status.success());
}

#[test]
fn what_several_image_files_share_is_told_once_and_under_one_name() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write(".imgfile.toml", "root = true\n");
    write("common.imagefile", "profile used {\n  packages [\"A B\"]\n}\nprofile other {\n  app nginx\n}\n");
    for name in ["a", "b"] {
        let text = format!(
            "include \"../common.imagefile\"\nimage \"{name}\" {{\n  os linux debian 13\n  use used\n}}\n"
        );
        write(&format!("images/{name}/ImageFile"), &text.replace("../common", "../../common"));
    }
    let output = imgfile(folder.path(), &["check", "--format", "json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let found = report["diagnostics"].as_array().unwrap();
    assert_eq!(found.len(), 1, "{report:#}");
    assert_eq!(found[0]["labels"][0]["file"], "common.imagefile");
    // A hook names what changed, and no file that includes it.
    write("common.imagefile", "profile used {\n  packages [\"jq\"]\n}\n");
    assert!(imgfile(folder.path(), &["check", "common.imagefile"]).status.success());
    // A repair goes to the file itself, from wherever it is asked for.
    write("common.imagefile", "profile used {\n  packages ['jq']\n}\n");
    let output = imgfile(folder.path(), &["check", "--fix", "images/a"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stderr).contains("fixed common.imagefile"));
    let text = std::fs::read_to_string(folder.path().join("common.imagefile")).unwrap();
    assert!(text.contains("[\"jq\"]"), "{text}");
    // The lock's place is its own as well.
    write("images/a/ImageFile.lock", "<<<<<<< ours\n");
    let output = imgfile(folder.path(), &["plan", "images/a", "--offline"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("images/a/ImageFile.lock:1"), "{said}");
}

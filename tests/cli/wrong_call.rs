//! Who is wrong, the files or the words of the call, as the exit status says it.

use std::fs;
use std::process::Command;

const IMAGE_FILE: &str = "param cpus integer = 2\nimage \"x\" {\n  os linux debian 13\n}\n";

#[test]
fn wrong_words_of_a_call_are_usage_and_a_wrong_file_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    fs::write(home.join("ImageFile"), IMAGE_FILE).unwrap();
    fs::write(home.join("wrong.ImageFile"), IMAGE_FILE.replace("debian", "debiam")).unwrap();
    for disk in ["disk.raw", "other.raw"] {
        fs::write(home.join(disk), "").unwrap();
    }
    std::os::unix::fs::symlink("disk.raw", home.join("link.raw")).unwrap();
    for (args, status) in [
        (&["check", "--set", "nope=1"][..], 2),
        (&["check", "--set", "cpus=many"], 2),
        (&["check", "--set", "cpus=3"], 0),
        (&["check", "wrong.ImageFile", "--set", "nope=1"], 1),
        (&["plan", "--set", "nope=1"], 2),
        (&["plan", "--base", "nope"], 2),
        (&["plan", "--memory", "much"], 2),
        (&["plan", "--cpus", "x"], 2),
        (&["plan", "--image", "nope"], 2),
        (&["plan", "wrong.ImageFile", "--memory", "much"], 1),
        (&["capture", "disk.raw", "--data", "link.raw"], 2),
        (&["capture", "disk.raw", "--data", "other.raw", "--data", "other.raw"], 2),
        (&["capture", "disk.raw", "--guest-agent", "agent"], 2),
        (&["capture", "."], 2),
    ] {
        let mut imgfile = Command::new(env!("CARGO_BIN_EXE_imgfile"));
        imgfile.args(args).current_dir(home).env("HOME", home).env_remove("XDG_CACHE_HOME");
        let output = imgfile.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{args:?}: {said}");
    }
    // What is set elsewhere is wrong there.
    let mut imgfile = Command::new(env!("CARGO_BIN_EXE_imgfile"));
    imgfile.arg("plan").current_dir(home).env("HOME", home).env("IMGFILE_MEMORY", "much");
    assert_eq!(imgfile.output().unwrap().status.code(), Some(1));
}

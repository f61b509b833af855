//! What `--on-failure` leaves: a shell a person can really work in, or a disk to look at.

use std::process::Command;

use crate::common::built::{self, Project};
use crate::common::terminal::Talk;

const FAILING: &str = r#"image "failing" {
  os linux debian 13
  env COLOUR = "green"
  script <<-SH { name = "breaks", offline = true, user = root }
    #!/bin/sh -e
    echo half done > /root/traces
    exit 7
  SH
}
"#;

#[test]
fn a_shell_opens_in_the_failed_machine_with_its_size_and_ctrl_c() {
    let project = Project::new(FAILING);
    let imgfile = env!("CARGO_BIN_EXE_imgfile");
    let command = format!("stty rows 31 cols 97; {imgfile} build --progress plain --on-failure shell");
    let mut talk = Talk::start(&project, &command);
    // First what went wrong, then the shell.
    talk.until("exit status 7");
    talk.until("a shell in the failed machine");
    talk.type_in("stty size; echo $COLOUR-$(cat /root/traces)\n");
    talk.until("31 97");
    talk.until("green-half done");
    // One process from its word on, so that Ctrl-C finds it whenever it comes.
    talk.type_in("sh -c 'echo up-$((40+2)); exec sleep 1000'\n");
    talk.until("up-42");
    talk.type_in("\x03");
    talk.type_in("echo interrupted=$?\n");
    talk.until("interrupted=130");
    talk.type_in("exit\n");
    let status = talk.child.wait().unwrap();
    assert_eq!(status.code(), Some(3), "the build has failed, whatever was done in the shell");
    let left = std::fs::read_dir(project.store.join("builds")).unwrap().flatten().count();
    assert_eq!(left, 0, "the machine went with its shell");
}

#[test]
fn a_kept_disk_stands_alone_until_gc() {
    let mut project = Project::new(FAILING);
    // `gc` would take kept disks of other tests along.
    project.store = built::own_store(&project.path("store"));
    let output = project.imgfile(&["build", "--progress", "plain", "--on-failure", "keep"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{text}");
    let builds = project.store.join("builds");
    let folders: Vec<_> = std::fs::read_dir(&builds).unwrap().flatten().map(|entry| entry.path()).collect();
    let [folder] = folders.as_slice() else { panic!("{folders:?}\n{text}") };
    let disk = folder.join("failed.qcow2");
    assert!(text.contains("failed.qcow2") && text.contains("imgfile gc"), "{text}");
    let info = Command::new("qemu-img").args(["info", "--output=json"]).arg(&disk).output().unwrap();
    let info: serde_json::Value = serde_json::from_slice(&info.stdout).unwrap();
    assert!(info.get("backing-filename").is_none(), "{info}");
    let raw = project.path("raw");
    let convert = Command::new("qemu-img").args(["convert", "-O", "raw"]).args([&disk, &raw]).status();
    assert!(convert.unwrap().success());
    let grep = Command::new("grep").args(["-qaF", "half done"]).arg(&raw).status().unwrap();
    assert!(grep.success(), "the disk is not the one the script failed on");

    // Another command leaves it alone; `gc` does not.
    assert!(project.imgfile(&["builds"]).status.success());
    assert!(disk.exists());
    assert!(project.imgfile(&["gc"]).status.success());
    assert!(!disk.exists());
}

/// What a runner of GitHub would obey, printed by a script that then fails.
const ORDERS: &str = r###"image "orders" {
  os linux debian 13
  script <<-SH { name = "::gh ##[x]", offline = true, user = root }
    #!/bin/bash
    echo "::stop-commands::tok"; echo "  ::add-mask::build"; echo "##[add-mask]z"
    printf '\033[2K\r::set-env name=x::y\n\342\200\256txt\n'
    exit 3
  SH
}
"###;

#[test]
fn nothing_that_a_failed_script_printed_is_obeyed() {
    let project = Project::new(ORDERS);
    for args in
        [&["build"][..], &["build", "--progress", "plain"], &["build", "--progress", "json"], &["logs"]]
    {
        let output =
            project.command(args).env("GITHUB_ACTIONS", "true").env("NO_COLOR", "1").output().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(if args[0] == "build" { 3 } else { 0 }), "{text}");
        assert!(text.contains("stop-commands"), "{text}");
        for line in text.lines() {
            let order = line.trim_start();
            let own =
                ["::group::", "::endgroup::", "::error title="].iter().any(|own| order.starts_with(own));
            assert!(own || !order.starts_with("::"), "{args:?}: {line}");
            assert!(!line.contains("##["), "{args:?}: {line}");
            assert!(!line.contains(['\u{1b}', '\r', '\u{202e}']), "{args:?}: {line:?}");
        }
    }
}

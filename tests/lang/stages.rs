//! What the later commands would stop at, the check has said: each file of the corpus of broken files goes
//! through `plan`, `lock` and `build` as far as none of them needs a network or a machine.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What depends on the host, its network, its store, its secrets and what its user allows: a check does not ask.
const OF_THE_HOST: [&str; 11] =
    ["E0454", "E0455", "E0456", "E0457", "E0501", "E0521", "E0522", "E0540", "E0541", "E0606", "E0310"];

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// The errors' codes that a command ends with.
fn errors(folder: &Path, store: &Path, args: &[&str]) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_imgfile"))
        .args(args)
        .current_dir(folder)
        .env_clear()
        .env("IMGFILE_STORE", store)
        .env("HOME", store)
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .output()
        .unwrap();
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(!text.contains("panicked"), "{args:?}: {text}");
    let codes = text.split("error[").skip(1).filter_map(|rest| rest.split_once(']'));
    codes.map(|(code, _)| code.to_owned()).collect()
}

/// Projects that are wrong, or nearly: those of the golden files, and some of which a text alone says
/// nothing.
fn corpus() -> Vec<(String, tempfile::TempDir)> {
    let ui = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui");
    let mut cases: Vec<PathBuf> = fs::read_dir(&ui).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|path| path.extension().is_some_and(|extension| extension == "imagefile"));
    cases.sort();
    let mut found = Vec::new();
    for case in cases {
        let folder = tempfile::tempdir().unwrap();
        copy(&ui.join("files"), folder.path());
        fs::copy(&case, folder.path().join("ImageFile")).unwrap();
        let name = case.file_stem().unwrap().to_str().unwrap().to_owned();
        for (nth, stem) in
            std::iter::once(name.clone()).chain((2..5).map(|nth| format!("{name}-{nth}"))).enumerate()
        {
            let yaml = ui.join(format!("{stem}.yaml"));
            if yaml.exists() {
                fs::create_dir_all(folder.path().join("catalog/apps")).unwrap();
                fs::copy(yaml, folder.path().join(format!("catalog/apps/own-{nth}.yaml"))).unwrap();
            }
        }
        found.push((name, folder));
    }
    let more: [(&str, &str, &dyn Fn(&Path)); 3] = [
        ("a name that is not UTF-8", "copy \"site/\" to \"/srv\"", &|folder| {
            fs::create_dir(folder.join("site")).unwrap();
            fs::write(folder.join("site").join(OsStr::from_bytes(b"\xff.html")), "x").unwrap();
        }),
        ("a pipe among what is copied", "copy \"site/\" to \"/srv\"", &|folder| {
            fs::create_dir_all(folder.join("site/deep")).unwrap();
            let made = Command::new("mkfifo").arg(folder.join("site/deep/pipe")).status().unwrap();
            assert!(made.success());
        }),
        ("a pipe that a script is given", "script \"s.sh\" { with = [\"lib/\"] }", &|folder| {
            fs::create_dir(folder.join("lib")).unwrap();
            fs::write(folder.join("s.sh"), "#!/bin/sh -e\ntrue\n").unwrap();
            assert!(Command::new("mkfifo").arg(folder.join("lib/pipe")).status().unwrap().success());
        }),
    ];
    for (name, statement, make) in more {
        let folder = tempfile::tempdir().unwrap();
        let text = format!("image \"web\" {{\n  os linux debian 13\n  {statement}\n}}\n");
        fs::write(folder.path().join("ImageFile"), text).unwrap();
        make(folder.path());
        found.push((name.to_owned(), folder));
    }
    found
}

#[test]
fn nothing_that_stops_a_later_command_is_unknown_to_the_check() {
    let store = tempfile::tempdir().unwrap();
    let mut unknown = Vec::new();
    let (mut cases, mut wrong) = (0, 0);
    for (name, folder) in corpus() {
        let known = errors(folder.path(), store.path(), &["check", "ImageFile"]);
        cases += 1;
        wrong += usize::from(!known.is_empty());
        for args in [&["plan", "--offline"][..], &["lock", "--offline"], &["build", "--offline", "--no-test"]]
        {
            let mut more = errors(folder.path(), store.path(), args);
            more.retain(|code| !known.contains(code) && !OF_THE_HOST.contains(&code.as_str()));
            if !more.is_empty() {
                unknown.push(format!("{name}: `{}` finds {more:?} besides {known:?}", args.join(" ")));
            }
        }
    }
    assert!(cases > 100 && wrong > 80, "{wrong} of {cases} are wrong: the test is not looking");
    assert!(unknown.is_empty(), "{}", unknown.join("\n"));
}

//! Text of a stranger's project, shown under a CI system that obeys what it reads, and on a terminal.

use std::fs;
use std::process::{Command, Output};

use imgfile::diagnostic::{Diagnostic, codes};
use imgfile::report::{self, Content, Sink};
use imgfile::store::{Records, Store};
use imgfile::text::Sources;

/// What a runner of GitHub, one of GitLab, a terminal and an eye obey.
const ORDERS: &str = "##[add-mask]z\n\u{1b}[2K\u{1b}]0;title\u{7}\u{202e}txt\u{2066}\u{9b}1m\n\
                      section_start:1:x[collapsed=true]\r\u{1b}[0K\n  ::add-mask::build\n::stop-commands::tok\n";

/// Two spellings of a script, so that `fmt` has a difference to show around it.
fn image_file() -> String {
    let orders: String = ORDERS.lines().map(|line| format!("{line}\n")).collect();
    format!(
        "image   \"x\" {{\n  os linux debian 13\n  descriptoin \"##[x] \u{202e}\"\n  script <<SH {{ offline = true, name = \"::n ##[m] \u{202e}\" }}\n\
         #!/bin/bash -e\n{orders}SH\n  reboot   # now\n}}\n"
    )
}

fn run(folder: &std::path::Path, ci: &str, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_imgfile"));
    command.args(args).current_dir(folder).env("HOME", folder).env("IMGFILE_STORE", folder.join("store"));
    for variable in ["GITHUB_ACTIONS", "GITLAB_CI", "XDG_CONFIG_HOME"] {
        command.env_remove(variable);
    }
    command.env(ci, "true").output().unwrap()
}

/// The lines that would be obeyed. `own` is how an order of imgfile itself begins.
fn obeyed(text: &str, own: &str) -> Vec<String> {
    let hides = |c: char| c != '\n' && c != '\t' && (c.is_control() || "\u{202e}\u{2066}".contains(c));
    let bad = |line: &&str| {
        let order = line.trim_start().starts_with("::") && (own.is_empty() || !line.starts_with(own));
        order || line.contains("##[") || line.contains("section_start:") || line.contains(hides)
    };
    text.lines().filter(bad).map(str::to_owned).collect()
}

#[test]
fn nothing_of_a_project_is_obeyed() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("ImageFile"), image_file()).unwrap();
    fs::write(folder.path().join(".imgfile.toml"), "store = \"\\u202e::x ##[y]\"\n").unwrap();
    let commands: [(&[&str], &str); 11] = [
        (&["check"], ""),
        (&["check", "--format", "json"], ""),
        (&["check", "--format", "sarif"], ""),
        (&["check", "--format", "github"], "::error "),
        (&["fmt", "--check"], ""),
        (&["plan"], ""),
        (&["doctor"], ""),
        (&["doctor", "--format", "json"], ""),
        (&["trust"], ""),
        (&["builds"], ""),
        (&["why", "::x\n::y ##[z]"], ""),
    ];
    for ci in ["GITHUB_ACTIONS", "GITLAB_CI"] {
        for (args, own) in commands {
            let output = run(folder.path(), ci, args);
            for stream in [output.stdout, output.stderr] {
                let text = String::from_utf8(stream).unwrap();
                let own = if text.contains("::warning") { "::" } else { own };
                assert_eq!(obeyed(&text, own), Vec::<String>::new(), "{args:?} under {ci}:\n{text}");
            }
        }
    }
    let shown = run(folder.path(), "GITHUB_ACTIONS", &["fmt", "--check"]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains(": :stop-commands"), "{shown:?}");
}

/// A log that an earlier version wrote, or a guest's output that nobody cleaned.
#[test]
fn nothing_in_a_log_is_obeyed() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("store")).unwrap();
    let records: Records = store.records().unwrap();
    let build = records.begin(folder.path(), "0").unwrap();
    fs::write(records.log(build), ORDERS).unwrap();
    drop((records, store));
    for ci in ["GITHUB_ACTIONS", "GITLAB_CI"] {
        let output = run(folder.path(), ci, &["logs"]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("stop-commands") && text.contains("add-mask"), "{text}");
        assert_eq!(obeyed(&text, ""), Vec::<String>::new(), "{ci}:\n{text}");
    }
}

/// The last lines that a failed script printed stand in its diagnostic, indented.
#[test]
fn nothing_in_a_failures_last_lines_is_obeyed() {
    use std::io::Write as _;
    let found = Diagnostic::new(codes::STEP_FAILED, ORDERS).note(ORDERS).help(ORDERS);
    let human = report::human(&[found], &Sources::default(), false);
    assert!(human.lines().any(|line| line.trim_start().starts_with("::")), "only the sink makes it harmless");
    let mut shown = Vec::new();
    Sink::new(&mut shown, Content::Text { colour: false }, true).write_all(human.as_bytes()).unwrap();
    let shown = String::from_utf8(shown).unwrap();
    assert!(shown.contains(": :stop-commands"), "{shown}");
    assert_eq!(obeyed(&shown, ""), Vec::<String>::new(), "{shown}");
}

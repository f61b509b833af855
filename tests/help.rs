//! The help of each command, and what a shell completes.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test ends where it cannot go on

mod built;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use built::Project;

const IMAGE_FILE: &str = "image \"one\" {\n  os linux debian 13\n}\n";

/// An option of a command. Those that every command has count once.
fn name(path: &str, arg: &clap::Arg) -> String {
    let everywhere = arg.get_id() == "color";
    let path = if everywhere { "imgfile" } else { path };
    match arg.get_long() {
        Some(long) => format!("{path} --{long}"),
        None => format!("{path} [{}]", arg.get_id()),
    }
}

/// Everything that help lists, below a command.
fn listed(all: &mut BTreeSet<String>, command: &clap::Command, path: &str) {
    let leaf = !command.has_subcommands() || command.get_arguments().any(|arg| !arg.is_global_set());
    if leaf && path != "imgfile" {
        all.insert(path.to_owned());
    }
    for arg in command.get_arguments().filter(|arg| !matches!(arg.get_id().as_str(), "help" | "version")) {
        all.insert(name(path, arg));
        let words = arg.get_possible_values();
        // A flag has values that are not typed.
        if arg.get_action().takes_values() {
            all.extend(
                words
                    .iter()
                    .filter(|word| !word.is_hide_set())
                    .map(|word| format!("{}={}", name(path, arg), word.get_name())),
            );
        }
    }
    for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
        listed(all, inner, &format!("{path} {}", inner.get_name()));
    }
}

#[test]
fn every_command_has_examples_and_each_can_be_typed() {
    let mut all = BTreeSet::new();
    listed(&mut all, &imgfile::cli::command(), "imgfile");
    let commands =
        all.iter().filter(|name| !name.contains(['-', '[', '='])).map(|name| &name["imgfile ".len()..]);
    let with: BTreeSet<&str> = imgfile::cli::examples::EXAMPLES.iter().map(|(command, _)| *command).collect();
    assert_eq!(commands.collect::<BTreeSet<_>>(), with);
    for (_, lines) in imgfile::cli::examples::EXAMPLES {
        for (line, _) in *lines {
            // A shell splits the words; what follows a pipe or goes to a file is not ours.
            let line = line.strip_prefix("source <(").map_or(*line, |line| line.trim_end_matches(')'));
            let ours = line.split(['|', '>']).next().unwrap();
            let words =
                Command::new("bash").args(["-c", &format!("printf '%s\\n' {ours}")]).output().unwrap();
            let words = String::from_utf8(words.stdout).unwrap();
            let parsed = imgfile::cli::command().try_get_matches_from(words.lines());
            assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
        }
    }
}

/// Runs `bash` as a person would who presses Tab behind `line`; what is offered.
fn completed(session: &Path, line: &str) -> Vec<String> {
    let words: Vec<&str> = line.split(' ').collect();
    let output = Command::new(env!("CARGO_BIN_EXE_imgfile"))
        .arg("--")
        .args(&words)
        .current_dir(session)
        .env("COMPLETE", "bash")
        .env("_CLAP_COMPLETE_INDEX", (words.len() - 1).to_string())
        .env("_CLAP_IFS", "\n")
        .env("_CLAP_COMPLETE_COMP_TYPE", "9")
        .env("_CLAP_COMPLETE_SPACE", "true")
        .env("HOME", session)
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn a_shell_completes_commands_images_codes_and_applications() {
    let project = Project::new(IMAGE_FILE);
    let folder = project.path(".");
    for (line, offered) in [
        ("imgfile bui", "build"),
        ("imgfile build --im", "--image"),
        ("imgfile build --image ", "one"),
        ("imgfile explain E03", "E0312"),
        ("imgfile apps ngi", "nginx"),
        ("imgfile why ba", "base"),
        ("imgfile --color al", "always"),
    ] {
        let all = completed(&folder, line);
        assert!(all.iter().any(|one| one.trim_end() == offered), "{line}: {all:?}");
    }
}

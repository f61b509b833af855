//! The help of each command, and what a shell completes.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::common::built::Project;

const IMAGE_FILE: &str = "image \"one\" {\n  os linux debian 13\n}\n";

/// An option of a command. Those that every command has count once.
pub fn name(path: &str, arg: &clap::Arg) -> String {
    let everywhere = arg.get_id() == "color";
    let path = if everywhere { "imgfile" } else { path };
    match arg.get_long() {
        Some(long) => format!("{path} --{long}"),
        None => format!("{path} [{}]", arg.get_id()),
    }
}

/// Everything that help lists, below a command.
pub fn listed(all: &mut BTreeSet<String>, command: &clap::Command, path: &str) {
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

/// groff is who shows them.
#[test]
fn manual_pages_are_sound_and_tell_the_exit_statuses() {
    let folder = tempfile::tempdir().unwrap();
    let written = Command::new(env!("CARGO_BIN_EXE_imgfile")).arg("man").arg(folder.path()).output().unwrap();
    assert!(written.status.success());
    let mut pages = 0;
    for page in std::fs::read_dir(folder.path()).unwrap() {
        let path = page.unwrap().path();
        let shown = Command::new("groff").args(["-man", "-Tutf8", "-ww"]).arg(&path).output().unwrap();
        let complaints = String::from_utf8_lossy(&shown.stderr);
        assert!(shown.status.success() && complaints.is_empty(), "{}: {complaints}", path.display());
        let text = String::from_utf8_lossy(&shown.stdout);
        assert!(text.contains("130") && text.contains("cancelled"), "{text}");
        pages += 1;
    }
    assert!(pages > 25, "{pages}");
}

/// Bash takes what it is offered into the line as it is, and runs it.
#[test]
fn no_name_of_a_project_is_offered_that_a_shell_would_run() {
    let folder = tempfile::tempdir().unwrap();
    let names = ["web", "$(touch owned)", "`touch owned`", "a;touch owned", "a\u{202E}b", "*", "é-1"];
    let images: String =
        names.iter().map(|name| format!("image \"{name}\" {{\n  os linux debian 13\n}}\n")).collect();
    std::fs::write(folder.path().join("ImageFile"), images).unwrap();
    std::fs::write(folder.path().join("$(touch owned).imagefile"), "").unwrap();
    assert_eq!(completed(folder.path(), "imgfile plan --image "), ["web", "é-1"]);
    let files = completed(folder.path(), "imgfile check ");
    assert!(
        files.contains(&"ImageFile".to_owned()) && !files.iter().any(|file| file.contains('$')),
        "{files:?}"
    );
    let zsh = Command::new(env!("CARGO_BIN_EXE_imgfile"))
        .args(["--", "imgfile", "plan", "--image", ""])
        .current_dir(folder.path())
        .env("COMPLETE", "zsh")
        .env("_CLAP_COMPLETE_INDEX", "3")
        .env("_CLAP_IFS", "\n")
        .output()
        .unwrap();
    let zsh = String::from_utf8(zsh.stdout).unwrap();
    assert!(zsh.contains("$(touch owned)") && !zsh.contains('\u{202E}'), "zsh quotes by itself: {zsh}");
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

/// What bash puts into its line when Tab is pressed behind `words`, the last of which is `word` to its completers.
fn put_in(folder: &Path, words: &[&str], word: &str) -> Vec<String> {
    let bin = Path::new(env!("CARGO_BIN_EXE_imgfile")).parent().unwrap();
    let script = r#"
        source <(imgfile completions bash)
        word="$1"; shift
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_TYPE=9
        _imgfile_words imgfile "$word" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let output = Command::new("bash")
        .args(["-c", script, "bash", word])
        .args(words)
        .current_dir(folder)
        .env("PATH", format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()))
        .env("HOME", folder)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.trim_end().to_owned()).filter(|line| !line.is_empty()).collect()
}

#[test]
fn bash_is_given_names_as_it_takes_them() {
    let folder = tempfile::tempdir().unwrap();
    let image = |name: &str| format!("image \"{name}\" {{\n  os linux debian 13\n}}\n");
    std::fs::write(folder.path().join("ImageFile"), image("my web") + &image("other")).unwrap();
    let plan = ["imgfile", "plan", "--image"];
    for (last, word, expected) in [
        (&["my"][..], "my", &["my\\ web"][..]),
        (&["\"my"], "my", &["my web"]),
        (&["'my"], "my", &["my web"]),
        (&["my\\ w"], "my\\ w", &["my\\ web"]),
        (&["=", "my"], "my", &["my\\ web"]),
        (&["="], "", &["my\\ web", "other"]),
        (&["o"], "o", &["other"]),
    ] {
        assert_eq!(put_in(folder.path(), &[&plan[..], last].concat(), word), expected, "{last:?}");
    }
    assert_eq!(put_in(folder.path(), &["imgfile", "apps", "--color", "=", "n"], "n"), ["never"]);
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

/// The program's words and exit status in a folder with this ImageFile.
fn typed(image_file: &str, args: &[&str]) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ImageFile"), image_file).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_imgfile"))
        .args(args)
        .current_dir(folder.path())
        .env("IMGFILE_STORE", folder.path().join("store"))
        .env_remove("NO_COLOR")
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn the_catalogue_is_looked_up_while_the_file_is_wrong() {
    let wrong = "image \"one\" {\n  os linux debian 13\n  app nginx { prot = 80 }\n}\n";
    for (args, shown) in [(&["apps", "nginx"][..], "port"), (&["apps"], "redis"), (&["bases"], "debian-13")] {
        let (status, out, said) = typed(wrong, args);
        assert_eq!(status, Some(0), "{said}");
        assert!(out.contains(shown), "{args:?}: {out}");
        assert!(said.contains("`ImageFile` has an error; `imgfile check` tells"), "{said}");
    }
}

#[test]
fn help_is_coloured_as_it_is_asked_for() {
    for (args, coloured) in [
        (&["--help"][..], false),
        (&["--color", "always", "--help"], true),
        (&["build", "--color=always", "-h"], true),
        (&["--color=always", "--color=never", "--help"], false),
    ] {
        assert_eq!(typed(IMAGE_FILE, args).1.contains("\u{1b}["), coloured, "{args:?}");
    }
}

#[test]
fn what_is_nearly_right_is_answered_with_the_way_on() {
    let (status, _, said) = typed(IMAGE_FILE, &["explain", "312"]);
    assert!(status == Some(2) && said.contains("did you mean E0312?"), "{said}");
    let (status, _, said) = typed(IMAGE_FILE, &["lock", "--offline", "--update", "./ImageFile"]);
    assert!(status == Some(2) && said.contains("`imgfile lock ./ImageFile --update`"), "{said}");
    let (status, _, said) = typed(IMAGE_FILE, &["builds", "--limit", "0"]);
    assert!(status == Some(2) && said.contains("0 is not in 1.."), "{said}");
}

//! The architecture's first rule: a module uses those declared above it in `src/lib.rs`, never one below.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The top-level modules in the order of `src/lib.rs`.
fn order() -> Vec<String> {
    let text = fs::read_to_string(source("lib.rs")).unwrap();
    let names = text.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    names.map(str::to_owned).collect()
}

pub fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(path)
}

pub fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Names of the top-level modules that a text refers to, by `crate::name` or inside
/// `use crate::{name…, name…}`. Comments do not count.
fn uses(text: &str) -> Vec<String> {
    let code: String =
        text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    let mut names = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => names.push(word(rest)),
            Some(list) => names.extend(first_level(list)),
        }
    }
    names
}

fn word(text: &str) -> String {
    text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// The first word of each item of a brace list, up to its closing brace.
fn first_level(list: &str) -> Vec<String> {
    let mut names = vec![word(list)];
    let mut depth = 0;
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(word(&list[at + 1..])),
            _ => {}
        }
    }
    names
}

#[test]
fn imports_go_up_only() {
    let order = order();
    assert!(order.len() > 10, "src/lib.rs lists the modules one a line: {order:?}");
    let mut wrong = Vec::new();
    for (place, module) in order.iter().enumerate() {
        let mut files = Vec::new();
        rust_files(&source(module), &mut files);
        for file in files {
            for used in uses(&fs::read_to_string(&file).unwrap()) {
                if order.iter().position(|name| *name == used).is_some_and(|other| other > place) {
                    wrong.push(format!("{} uses {used}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_syntax_knows_pest() {
    let mut files = Vec::new();
    rust_files(&source(""), &mut files);
    let outside = files.iter().filter(|file| !file.starts_with(source("syntax")));
    let wrong: Vec<_> = outside.filter(|file| fs::read_to_string(file).unwrap().contains("pest::")).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// A text of a project or a guest that reaches a terminal or a log has passed `report::Sink`: only `cli/screen.rs`
/// has the streams, and hands them out with one.
#[test]
fn only_the_screen_writes_to_the_standard_streams() {
    let mut files = Vec::new();
    rust_files(&source(""), &mut files);
    let streams = ["println!", "eprint!", " print!", "dbg!", "stdout()", "stderr()", "/dev/tty"];
    let mut wrong = Vec::new();
    for file in files.iter().filter(|file| !file.ends_with("cli/screen.rs")) {
        let text = fs::read_to_string(file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in code.lines().enumerate() {
            let line = line.split("//").next().unwrap_or_default();
            // Its size is asked for; nothing is written.
            let line = line.replace("console::Term::stderr()", "").replace("console::Term::stdout()", "");
            if streams.iter().any(|stream| line.contains(stream)) {
                wrong.push(format!("{}:{}: {}", file.display(), number + 1, line.trim()));
            }
        }
    }
    // A module of tests is a file of its own; the shell in a failed machine is the terminal of the guest.
    wrong.retain(|line| {
        !["/simulation.rs", "/tests.rs", "cli/terminal.rs"].iter().any(|known| line.contains(known))
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Code of a file: without comments, and without its tests.
pub fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// Whether a text has a word, in whatever case, parted from others by what belongs to no name.
fn has_word(text: &str, word: &str) -> bool {
    text.to_lowercase().split(|c: char| !c.is_alphanumeric() && c != '_').any(|one| one == word)
}

/// Files, outside of tests, that have a word in their code, in whatever case.
fn files_with(word: &str) -> Vec<String> {
    files_whose_code(|code| has_word(code, word))
}

/// The same of a word as it is written.
fn files_with_exactly(word: &str) -> Vec<String> {
    files_whose_code(|code| code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|one| one == word))
}

fn files_whose_code(fits: impl Fn(&str) -> bool) -> Vec<String> {
    let mut files = Vec::new();
    rust_files(&source(""), &mut files);
    files.retain(|file| {
        !file.ends_with("tests.rs") && !file.components().any(|part| part.as_os_str() == "tests")
    });
    files.retain(|file| fits(&code(file)));
    let root = source("");
    let mut names: Vec<String> =
        files.iter().map(|file| file.strip_prefix(&root).unwrap().display().to_string()).collect();
    names.sort();
    names
}

/// A program that embeds the verbs decides itself where text goes, which arguments there are and when it ends.
#[test]
fn verbs_print_nothing_and_end_no_process() {
    let mut files = Vec::new();
    rust_files(&source("ops"), &mut files);
    assert!(files.len() > 20, "{files:?}");
    let foreign =
        ["clap", "console::", "env::args", "process::exit", "ExitCode", "print!", "println!", "cli::"];
    let wrong: Vec<String> = files
        .iter()
        .flat_map(|file| {
            let code = code(file);
            let found = foreign.iter().filter(|word| code.contains(*word));
            found.map(|word| format!("{}: {word}", file.display())).collect::<Vec<_>>()
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What went wrong becomes an exit status in one place, by its class.
#[test]
fn only_the_command_lines_root_asks_for_a_class() {
    let mut files = Vec::new();
    rust_files(&source("cli"), &mut files);
    files.retain(|file| code(file).contains("Class::"));
    let names: Vec<_> = files.iter().filter_map(|file| file.file_name()?.to_str()).collect();
    let mut names: Vec<_> = names.into_iter().filter(|name| *name != "mod.rs").collect();
    names.sort_unstable();
    // Findings that are data, and the advice to look around where a step failed.
    assert_eq!(names, ["check.rs", "doctor.rs", "way_on.rs"]);
}

/// How a full disk is told is asked of one file: by the number of the error, or by the words of a tool that has none.
#[test]
fn only_one_file_knows_how_a_full_disk_looks() {
    let mut files = Vec::new();
    rust_files(&source(""), &mut files);
    files.retain(|file| {
        let code = code(file);
        ["No space left", "QuotaExceeded", "quota exceeded", "ENOSPC", "EDQUOT"]
            .iter()
            .any(|word| code.contains(word))
    });
    assert_eq!(files, [source("store/room.rs")]);
}

/// Another driver is a folder and a line in the registry, since nobody else knows that there is this one.
#[test]
fn only_the_driver_knows_qemu() {
    let known = [
        // An application of the catalogue.
        "catalog/builtin.rs",
        // What people read of walls and of formats.
        "cell/walls.rs",
        "driver/mod.rs",
        "driver/registry.rs",
        // What an architecture's emulator and a format are called are facts about these.
        "model/arch.rs",
        "model/disk_format.rs",
    ];
    let mut outside = files_with("qemu");
    outside.retain(|file| !file.starts_with("driver/qemu/"));
    assert_eq!(outside, known);
}

/// Another service is a folder and a line in the registry, since nobody else knows that there are these.
#[test]
fn only_its_folder_knows_a_service() {
    let mut outside = files_with("glance");
    outside.retain(|file| !file.starts_with("publish/glance/"));
    assert_eq!(outside, ["publish/mod.rs", "publish/registry.rs"]);
}

/// Another package manager is a folder, its facts and a line in the registry, since nobody else knows this one's
/// programs, files and names.
#[test]
fn only_its_folder_knows_apt_and_dpkg() {
    let known = [
        // A bill of materials reads the database of whichever manager a finished disk has, those too by which nothing
        // is installed here, and package URLs have types of their own.
        "describe/cyclonedx.rs",
        "describe/inventory.rs",
        "describe/mod.rs",
        "describe/provenance.rs",
        "describe/purl.rs",
        // What to tell people to type on their host.
        "model/host_package.rs",
        // Facts that stages above the package managers need.
        "model/package_database.rs",
        "model/package_manager.rs",
        // The registry.
        "packages/manager.rs",
        "packages/mod.rs",
        // What options are good for, and what people write for `packages`.
        "syntax/keywords/options.rs",
        "syntax/keywords/statements.rs",
    ];
    let mut outside: Vec<String> =
        ["dpkg", "apt", "deb"].iter().flat_map(|word| files_with_exactly(word)).collect();
    outside.sort();
    outside.dedup();
    outside.retain(|file| !file.starts_with("packages/apt/") && !file.starts_with("catalog/builtin"));
    assert_eq!(outside, known);
}

/// Nobody but the registry reaches into a package manager's folder: all others ask the trait.
#[test]
fn only_the_registry_reaches_into_a_managers_folder() {
    let mut files = Vec::new();
    rust_files(&source(""), &mut files);
    files.retain(|file| !file.starts_with(source("packages")) && code(file).contains("packages::apt"));
    assert_eq!(files, [] as [PathBuf; 0]);
}

/// What an architecture is called where is said once.
#[test]
fn only_the_model_knows_architectures_by_name() {
    let known = [
        // What this very program is compiled for.
        "driver/qemu/clock.rs",
        // A disk made up for fuzzing.
        "driver/qemu/fuzzed.rs",
        // What people write.
        "syntax/keywords/statements.rs",
    ];
    let names = ["amd64", "arm64", "x86_64", "aarch64"];
    let mut outside: Vec<String> = names.iter().flat_map(|word| files_with_exactly(word)).collect();
    outside.sort();
    outside.dedup();
    outside.retain(|file| !file.starts_with("model/"));
    assert_eq!(outside, known);
}

#[test]
fn the_check_would_notice() {
    assert!(has_word("a qemu::tool", "qemu") && has_word("\"qemu-img\"", "qemu"));
    assert!(!has_word("of_qemu(); emulator", "qemu"));
    assert_eq!(
        uses("use crate::{check::Files, exec::{A, b::C}};\nfn f() { crate::cli::main() }"),
        ["check", "exec", "cli"]
    );
    assert_eq!(uses("// crate::exec\nuse crate::text::Span;"), ["text"]);
}

//! What the documentation shows is what happens: every ImageFile in it is checked, locked and planned, the first
//! one of README.md is built, and every command is typed, in the order of the page.
//!
//! A block that cannot be run says why in a comment above it, `<!-- not run: REASON -->`; all of these are in
//! `documentation.expected`.

use std::fmt::Write as _;
use std::fs;
use std::io::BufRead as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use imgfile::lock::Lock;
use imgfile::report;
use imgfile::text::Sources;

use crate::common::built::{self, Project};
use crate::common::golden::assert_golden;
use crate::common::markdown::{Block, Note, blocks};

/// The languages of blocks, and what is done with each.
const KINDS: &[(&str, &str)] = &[
    ("imagefile", "checked and planned"),
    ("console", "typed"),
    ("yaml", "a catalogue file is checked; of a CI job the commands are typed"),
    ("json", "held against the schema of events"),
    ("toml", "taken as settings"),
    ("lock", "read as a lock"),
    ("lua", "run by Neovim in tests/editor/editors.rs"),
    ("sh", "run by no test"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn of_kind(kind: &str) -> Vec<Block> {
    let all = blocks().into_iter().filter(|block| block.kind == kind);
    let run: Vec<_> = all.filter(|block| !matches!(block.note, Some(Note::NotRun(_)))).collect();
    assert!(!run.is_empty(), "there is no block of {kind}");
    run
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn every_block_is_run_or_says_why_not() {
    let mut list = String::new();
    let all = blocks();
    for block in &all {
        let known = KINDS.iter().any(|(kind, _)| *kind == block.kind);
        assert!(known, "{}: a block of `{}`, of which no test knows what to do", block.place(), block.kind);
        if let Some(Note::NotRun(reason)) = &block.note {
            writeln!(list, "{}, {}, {}: {reason}", block.page, block.heading, block.kind).unwrap();
        } else {
            assert!(block.kind != "sh", "{}: a `sh` block is not typed; `console` is", block.place());
        }
    }
    let commands = all.iter().filter(|block| block.kind == "console").count();
    assert!(all.len() >= 20 && commands >= 6, "only {} blocks were found, {commands} of commands", all.len());
    assert_golden([(PathBuf::from("cli/documentation.expected"), list)]);
}

#[test]
fn every_image_file_compiles_without_a_warning_and_can_be_planned() {
    for block in of_kind("imagefile") {
        let project = Project::new(&block.body);
        beside(&project);
        if block.body.contains("exported.qcow2") {
            let qemu_img = Command::new("qemu-img")
                .args(["convert", "-O", "qcow2"])
                .args([built::disk(), project.path("exported.qcow2")])
                .status();
            assert!(qemu_img.unwrap().success());
        }
        for command in ["check", "plan"] {
            let output = project.imgfile(&[command]);
            let shown = text(&output);
            let fine = output.status.success() && !shown.contains("warning");
            assert!(fine, "{}: imgfile {command}\n{shown}", block.place());
        }
    }
}

/// What README.md puts beside its first ImageFile.
fn beside(project: &Project) {
    fs::create_dir(project.path("site")).unwrap();
    fs::write(project.path("site/index.html"), "hello\n").unwrap();
}

#[test]
fn json_is_as_the_schema_says() {
    let schema = fs::read_to_string(root().join("schemas/event.schema.json")).unwrap();
    let schema = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    for block in of_kind("json") {
        for line in block.body.lines() {
            let event = serde_json::from_str(line).unwrap();
            assert!(schema.is_valid(&event), "{}: {line}", block.place());
        }
    }
}

#[test]
fn settings_are_taken_as_shown() {
    for block in of_kind("toml") {
        let project = Project::new("");
        let config = project.path("home/.config/imgfile");
        fs::create_dir_all(&config).unwrap();
        fs::write(config.join("config.toml"), &block.body).unwrap();
        let mut doctor = project.command(&["doctor", "--format", "json"]);
        for variable in ["IMGFILE_ACCEL", "IMGFILE_STORE", "IMGFILE_MIRROR", "XDG_CONFIG_HOME"] {
            doctor.env_remove(variable);
        }
        let output = doctor.env("HOME", project.path("home")).output().unwrap();
        let report: serde_json::Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)));
        let from_file = report["settings"].as_array().unwrap().iter().filter(|setting| {
            setting["origin"].as_str().is_some_and(|origin| origin.ends_with("config.toml"))
        });
        // A table is no setting; a mistake in one is an error that leaves no report.
        let settings = block.body.lines().take_while(|line| !line.starts_with('['));
        assert_eq!(from_file.count(), settings.count(), "{}\n{report:#}", block.place());
    }
}

#[test]
fn a_lock_is_read_as_shown() {
    for block in of_kind("lock") {
        let mut sources = Sources::default();
        let source = sources.add("ImageFile.lock", &*block.body);
        let lock = Lock::read(source, &sources);
        let shown = lock.as_ref().err().map(|found| report::human(found, &sources, false));
        assert!(shown.is_none(), "{}\n{}", block.place(), shown.unwrap_or_default());
    }
}

#[test]
fn catalogue_files_are_taken_as_shown() {
    for block in of_kind("yaml").iter().filter(|block| block.body.starts_with("schema:")) {
        let name = block.body.lines().find_map(|line| line.strip_prefix("name: ")).unwrap();
        let project = Project::new(&format!("image \"try\" {{\n  os linux debian 13\n  app {name}\n}}\n"));
        let folder = block.body.split('/').nth(1).unwrap().to_owned() + "s";
        fs::create_dir_all(project.path("catalog").join(&folder)).unwrap();
        fs::write(project.path("catalog").join(folder).join(format!("{name}.yaml")), &block.body).unwrap();
        let output = project.imgfile(&["check"]);
        let shown = text(&output);
        assert!(output.status.success() && !shown.contains("warning"), "{}\n{shown}", block.place());
    }
}

/// Somebody's own repository, in which the commands of the documentation are typed.
struct Session {
    project: Project,
    home: tempfile::TempDir,
}

impl Session {
    /// The folder that README.md begins with: its first ImageFile, and nothing else.
    fn begin() -> Self {
        let first = blocks().into_iter().find(|block| block.kind == "imagefile").unwrap();
        assert_eq!(first.page, "README.md");
        let mut project = Project::new(&first.body);
        project.store = built::own_store(&project.path(".imgfile-store"));
        Self { project, home: tempfile::tempdir().unwrap() }
    }

    fn shell(&self, script: &str) -> Command {
        let program = Path::new(env!("CARGO_BIN_EXE_imgfile")).parent().unwrap();
        let mut shell = Command::new("bash");
        shell
            .args(["-ec", script])
            .current_dir(self.project.path("."))
            .stdin(Stdio::null())
            .env("PATH", format!("{}:{}", program.display(), std::env::var("PATH").unwrap()))
            .env("HOME", self.home.path())
            .env("IMGFILE_STORE", &self.project.store)
            .env("IMGFILE_ACCEL", "tcg")
            // Others share the host's two.
            .env("IMGFILE_CPUS", "1");
        shell
    }

    /// Number of the newest build.
    fn newest(&self) -> String {
        let output = self.project.imgfile(&["builds", "--format", "json", "--limit", "1"]);
        let builds: serde_json::Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)));
        builds[0]["id"].to_string()
    }

    /// Types the commands of a block. Numbers of builds are what they are here.
    fn type_block(&self, block: &Block) {
        if let Some(Note::With(path)) = &block.note {
            fs::copy(root().join(path), self.project.path("ImageFile")).unwrap();
        }
        let mut typed: Vec<(String, String)> = Vec::new();
        for line in block.body.lines() {
            match line.strip_prefix("$ ") {
                Some(command) => typed.push((command.to_owned(), String::new())),
                // An explanation that goes on.
                None if line.trim_start().starts_with('#') => {}
                None => typed
                    .last_mut()
                    .expect("a block begins with a command")
                    .1
                    .push_str(&(line.to_owned() + "\n")),
            }
        }
        for (command, shown) in typed {
            let command = command.replace("NUMBER", "12").replace(" 12", &format!(" {}", self.newest()));
            let output = self.shell(&command).output().unwrap();
            let printed = text(&output);
            let expected = i32::from(shown.contains("error["));
            assert_eq!(output.status.code(), Some(expected), "{}: {command}\n{printed}", block.place());
            let mut rest = printed.as_str();
            for line in shown.lines().map(str::trim) {
                let at = rest.find(line);
                assert!(at.is_some(), "{}: {command}\nnot shown: {line}\n{printed}", block.place());
                rest = &rest[at.unwrap()..];
            }
        }
    }

    /// Types the first command of a block, which runs an image, and the others once it can be logged in to; ends it as
    /// Ctrl-C would where there is no terminal.
    fn type_while_an_image_runs(&self, block: &Block) {
        let free = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let typed = |line: &str| {
            let command = line.strip_prefix("$ ").unwrap().split('#').next().unwrap();
            // Another test may have the port of the documentation.
            command.replace("8080", &format!("{free}:8080"))
        };
        let mut lines = block.body.lines();
        let run = typed(lines.next().unwrap());
        let mut run = self.shell(&format!("exec {run}"));
        let mut run = run.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = std::io::BufReader::new(run.stderr.take().unwrap()).lines().map(Result::unwrap);
        let up = said.by_ref().any(|line| line.contains("can be logged in to after"));
        assert!(up, "{}: it was never up", block.place());
        for line in lines {
            let command =
                typed(line).replace(&format!("localhost:{free}:8080"), &format!("localhost:{free}"));
            let output = self.shell(&command).output().unwrap();
            assert!(output.status.success(), "{}: {command}\n{}", block.place(), text(&output));
        }
        let process = nix::unistd::Pid::from_raw(i32::try_from(run.id()).unwrap());
        nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGTERM).unwrap();
        assert_eq!(said.last(), None, "{}: nothing more to say", block.place());
        assert_eq!(run.wait().unwrap().code(), Some(130), "{}", block.place());
    }

    /// Types the commands of a block while a build runs, each in a terminal of its own.
    fn type_while_building(&self, block: &Block) {
        let text = "image \"long\" {\n  os linux debian 13\n  script <<-SH { offline = true, user = root }\n    \
                    #!/bin/sh\n    sleep 3000\n  SH\n}\n";
        fs::write(self.project.path("long.imagefile"), text).unwrap();
        let mut build = self.shell("exec imgfile build long.imagefile --progress json 2>/dev/null");
        let mut build = build.stdout(Stdio::piped()).spawn().unwrap();
        let events = std::io::BufReader::new(build.stdout.take().unwrap());
        let started = events.lines().any(|line| {
            let line = line.unwrap();
            line.contains("step-started") && line.contains("script")
        });
        assert!(started, "{}: no build that could be watched", block.place());
        let number = self.newest();
        let mut watching: Vec<(String, Child)> = Vec::new();
        for line in block.body.lines() {
            let command = line.strip_prefix("$ ").unwrap().replace(" 12", &format!(" {number}"));
            let mut child = self.shell(&command).stdout(Stdio::null()).spawn().unwrap();
            if command.contains("--follow") {
                watching.push((command, child));
            } else {
                assert!(child.wait().unwrap().success(), "{}: {command}", block.place());
            }
        }
        assert_eq!(
            build.wait().unwrap().code(),
            Some(130),
            "{}: the build was to be cancelled",
            block.place()
        );
        for (command, mut child) in watching {
            assert!(child.wait().unwrap().success(), "{}: {command}", block.place());
        }
    }
}

/// In the order of the pages: README.md builds what the others look at.
#[test]
fn commands_do_what_the_documentation_says() {
    let session = Session::begin();
    let first = fs::read_to_string(session.project.path("ImageFile")).unwrap();
    for block in of_kind("console") {
        match block.note {
            Some(Note::WhileRunning) => session.type_while_building(&block),
            Some(Note::WhileImageRuns) => session.type_while_an_image_runs(&block),
            _ => session.type_block(&block),
        }
        fs::write(session.project.path("ImageFile"), &first).unwrap();
    }
    ci(&session);
}

/// Types what the jobs of docs/ci.md run in the user's own repository, apart from installing.
fn ci(session: &Session) {
    for block in of_kind("yaml").iter().filter(|block| block.page == "docs/ci.md") {
        let job: serde_yaml::Value = serde_yaml::from_str(&block.body).unwrap();
        let mut commands = Vec::new();
        scripts(&job, &mut commands);
        let typed: Vec<_> = commands.iter().filter(|script| script.contains("imgfile ")).collect();
        assert!(typed.len() >= 2, "{}: {commands:?}", block.place());
        for script in typed {
            if script.contains("install") {
                continue;
            }
            let outputs = session.project.path("outputs");
            let mut shell = session.shell(script);
            let shell = shell.env("CI", "true").env("GITHUB_OUTPUT", &outputs).env("IMAGE", "hello");
            let output = shell.output().unwrap();
            assert!(output.status.success(), "{}: {script}\n{}", block.place(), text(&output));
        }
        for made in ["report.html", "out/hello.qcow2"] {
            assert!(session.project.path(made).is_file(), "{}: no {made}", block.place());
        }
    }
}

/// What the steps of a job run.
fn scripts(value: &serde_yaml::Value, out: &mut Vec<String>) {
    match value {
        serde_yaml::Value::Mapping(members) => {
            for (key, member) in members {
                match (key.as_str(), member) {
                    (Some("run"), serde_yaml::Value::String(script)) => out.push(script.clone()),
                    (
                        Some("before_script" | "script" | "after_script"),
                        serde_yaml::Value::Sequence(lines),
                    ) => {
                        out.extend(lines.iter().filter_map(|line| line.as_str()).map(str::to_owned));
                    }
                    _ => scripts(member, out),
                }
            }
        }
        serde_yaml::Value::Sequence(items) => items.iter().for_each(|item| scripts(item, out)),
        _ => {}
    }
}

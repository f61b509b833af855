//! Every command and every option that `--help` lists, typed: by this test, in one project that is really built.
//! What was typed is compared with the whole command line, so that nothing can be forgotten.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::BufRead as _;
use std::process::{Command, Output, Stdio};

mod kept;

use super::help::{listed, name};
use crate::common::built::{self, Project};

const IMAGE_FILE: &str = r#"param word = "hello"

image "one" {
  os linux debian 13
  env WORD = "${word}"
  copy <<-TXT to "/etc/word"
    hello
  TXT
  script <<-SH { name = "look", offline = true, user = root }
    #!/bin/sh -e
    test -s /etc/word
  SH
  test "the word is there" <<-SH { offline = true, user = root }
    #!/bin/sh -e
    test -s /etc/word
  SH
}
"#;

/// What a command did.
struct Ended {
    command: String,
    status: i32,
    stdout: String,
    stderr: String,
}

impl Ended {
    #[track_caller]
    fn status(self, expected: i32) -> Self {
        assert_eq!(self.status, expected, "{}\n{}{}", self.command, self.stdout, self.stderr);
        self
    }

    /// Data, on stdout.
    #[track_caller]
    fn prints(self, text: &str) -> Self {
        assert!(
            self.stdout.contains(text),
            "{}: no `{text}` in\n{}{}",
            self.command,
            self.stdout,
            self.stderr
        );
        self
    }

    /// What is for people, on stderr.
    #[track_caller]
    fn says(self, text: &str) -> Self {
        assert!(
            self.stderr.contains(text),
            "{}: no `{text}` in\n{}{}",
            self.command,
            self.stdout,
            self.stderr
        );
        self
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{}: {error}", self.command))
    }
}

/// What a command prints for programs fits the schema that says so.
fn fits(args: &[&str], command: &str, printed: &str) {
    let (schema, documents): (_, Vec<&str>) = match args {
        ["build" | "test", ..] => ("event", printed.lines().collect()),
        ["check", ..] => ("diagnostics", vec![printed]),
        ["image", "inspect", ..] => ("image", vec![printed]),
        ["inspect", ..] => ("inspection", vec![printed]),
        ["builds", "show", ..] => ("build", vec![printed]),
        ["cache", "ls", ..] => ("layers", vec![printed]),
        [command, ..] => (*command, vec![printed]),
        [] => unreachable!("it asks for a format"),
    };
    let found = imgfile::cli::schema::SCHEMAS.iter().find(|(name, ..)| *name == schema);
    let (.., make) = found.unwrap_or_else(|| panic!("no schema says what `{command}` prints"));
    let validator = jsonschema::validator_for(make().as_value()).unwrap();
    for document in documents {
        let document = serde_json::from_str(document).unwrap();
        let complaints: Vec<String> =
            validator.iter_errors(&document).map(|one| format!("{}: {one}", one.instance_path())).collect();
        assert!(complaints.is_empty(), "{command}: {complaints:#?}");
    }
}

/// A project, and all that was typed in it.
struct Session {
    project: Project,
    typed: RefCell<Vec<Vec<String>>>,
}

impl Session {
    fn command(&self, args: &[&str]) -> Command {
        self.typed.borrow_mut().push(args.iter().map(|arg| (*arg).to_owned()).collect());
        let mut command = self.project.command(args);
        command.env("HOME", self.project.path("home")).env_remove("XDG_DATA_HOME").stdin(Stdio::null());
        command
    }

    /// Types a command; it must be done.
    #[track_caller]
    fn run(&self, args: &[&str]) -> Ended {
        self.ends(args).status(0)
    }

    fn ends(&self, args: &[&str]) -> Ended {
        let Output { status, stdout, stderr } = self.command(args).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let command = format!("imgfile {}", args.join(" "));
        let asks = |option, value| args.windows(2).any(|pair| pair == [option, value]);
        if status.success() && (asks("--format", "json") || asks("--progress", "json")) {
            fits(args, &command, std::str::from_utf8(&stdout).unwrap());
        }
        Ended { command, status: status.code().unwrap_or(-1), stdout: text(stdout), stderr: text(stderr) }
    }

    /// What was typed of the command line: commands, options with the values that are words of ours.
    fn driven(&self) -> BTreeSet<String> {
        let mut driven = BTreeSet::new();
        for typed in &*self.typed.borrow() {
            let matches =
                imgfile::cli::command().try_get_matches_from([&["imgfile".to_owned()], &typed[..]].concat());
            // Help and version are answered in place of a command.
            let Ok(matches) = matches else { continue };
            add(&mut driven, &imgfile::cli::command(), &matches, "imgfile");
        }
        driven
    }
}

/// Adds what one command line says that was not left to a default.
fn add(driven: &mut BTreeSet<String>, command: &clap::Command, matches: &clap::ArgMatches, path: &str) {
    use clap::parser::ValueSource;
    driven.insert(path.to_owned());
    for arg in command.get_arguments() {
        let id = arg.get_id().as_str();
        if !matches.try_contains_id(id).unwrap_or(false)
            || matches.value_source(id) != Some(ValueSource::CommandLine)
        {
            continue;
        }
        driven.insert(name(path, arg));
        let raw = matches.try_get_raw(id).ok().flatten().into_iter().flatten();
        for value in raw {
            driven.insert(format!("{}={}", name(path, arg), value.to_string_lossy()));
        }
    }
    if let Some((inner, matches)) = matches.subcommand() {
        let command = command.find_subcommand(inner).unwrap();
        add(driven, command, matches, &format!("{path} {inner}"));
    }
}

/// What help says of each command, by what it says.
fn abouts(all: &mut BTreeMap<String, Vec<String>>, command: &clap::Command, path: &str) {
    for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
        let path = format!("{path} {}", inner.get_name());
        let about = inner.get_about().map(ToString::to_string).unwrap_or_default();
        all.entry(about).or_default().push(path.clone());
        abouts(all, inner, &path);
    }
}

#[test]
fn help_says_something_of_its_own_of_each_command() {
    let mut all = BTreeMap::new();
    abouts(&mut all, &imgfile::cli::command(), "imgfile");
    assert!(all.len() > 30, "only {} commands were found", all.len());
    let shared: Vec<_> =
        all.iter().filter(|(about, commands)| about.is_empty() || commands.len() > 1).collect();
    assert!(shared.is_empty(), "{shared:?}");
}

#[test]
fn every_command_and_option_of_the_help_does_something() {
    let mut project = Project::new(IMAGE_FILE);
    fs::create_dir(project.path("home")).unwrap();
    project.store = built::own_store(&project.path("store"));
    let session = Session { project, typed: RefCell::default() };
    files(&session);
    catalogue(&session);
    trusting(&session);
    building(&session);
    kept::describing(&session);
    replacing(&session);
    consenting(&session);
    kept::records(&session);
    kept::publishing(&session);
    kept::images(&session);
    kept::store(&session);
    kept::running(&session);
    failing(&session);
    while_it_runs(&session);

    let mut all = BTreeSet::new();
    listed(&mut all, &imgfile::cli::command(), "imgfile");
    let driven = session.driven();
    let forgotten: Vec<_> = all.difference(&driven).collect();
    assert!(all.len() > 150, "only {} things were found to try", all.len());
    assert!(forgotten.is_empty(), "no test types these: {forgotten:#?}");
}

/// Commands that only look at files.
fn files(session: &Session) {
    session.run(&["init", "new", "--name", "fresh"]).says("imgfile build");
    session.run(&["check", "new"]).says("nothing wrong");
    session.run(&["check", "ImageFile", "--set", "word=x", "--format", "human"]);
    assert_eq!(
        session.run(&["check", "--format", "json"]).json()["diagnostics"].as_array().unwrap().len(),
        0
    );
    assert_eq!(session.run(&["check", "--format", "sarif"]).json()["version"], "2.1.0");
    fs::write(session.project.path("bad.imagefile"), "image \"x\" {\n  os linux debian 13\n  // so\n}\n")
        .unwrap();
    session.ends(&["check", "bad.imagefile", "--format", "github"]).status(1).prints("::error");
    let coloured = session.ends(&["check", "bad.imagefile", "--color", "always"]).status(1);
    assert!(coloured.stderr.contains("\u{1b}[94m"), "{}", coloured.stderr);
    for colour in ["never", "auto"] {
        let plain = session.ends(&["check", "bad.imagefile", "--color", colour]).status(1);
        assert!(!plain.stderr.contains('\u{1b}'), "{}", plain.stderr);
    }
    session.run(&["check", "bad.imagefile", "--fix"]).says("nothing wrong");
    fs::write(session.project.path("ugly.imagefile"), "image \"x\" {\nos   linux debian 13\n}\n").unwrap();
    session.ends(&["fmt", "--check", "ugly.imagefile"]).status(1);
    session.run(&["fmt", "ugly.imagefile"]);
    session.run(&["fmt", "--check", "ugly.imagefile"]);
    session.run(&["explain", "E0312"]).prints("E0312");
    session.run(&["explain"]).prints("E0101");
    session.run(&["schema", "lock"]).prints("$schema");
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        session.run(&["completions", shell]).prints("COMPLETE");
    }
    session.run(&["completions", "bash", "--install"]).prints("bash-completion/completions/imgfile");
    session.run(&["man", "pages"]);
    let page = fs::read_to_string(session.project.path("pages/imgfile-build.1")).unwrap();
    for wanted in ["locked", ".SH EXAMPLES\n.nf\n\\&  imgfile build ", ".SH \"EXIT STATUS\""] {
        assert!(page.contains(wanted), "{wanted}: {page}");
    }
    // Nobody talks to it; tests/lsp.rs does.
    assert_ne!(session.ends(&["lsp", "--stdio"]).status, 101);
}

fn catalogue(session: &Session) {
    session.run(&["apps"]).prints("nginx");
    session.run(&["apps", "nginx", "."]).prints("claims");
    session.run(&["apps", "nginx", "--set", "word=x", "--format", "human"]).prints("tcp/");
    assert_eq!(session.run(&["apps", "nginx", "--format", "json"]).json()[0]["name"], "nginx");
    session.run(&["bases", "."]).prints("debian-13");
    session.run(&["bases", "--image", "one", "--set", "word=x", "--format", "human"]).prints("debian-13");
    assert!(session.run(&["bases", "--format", "json"]).json().is_array());
    for format in ["human", "json"] {
        // It may find that this host lacks something.
        let doctor = session.ends(&["doctor", ".", "--format", format, "--store", "elsewhere"]);
        assert!(
            doctor.stdout.contains("elsewhere") && doctor.stdout.contains("--store"),
            "{}",
            doctor.stdout
        );
    }
}

fn trusting(session: &Session) {
    session.run(&["trust", "."]);
    session.run(&["trust", "--list"]).prints(session.project.path("").file_name().unwrap().to_str().unwrap());
    session.run(&["trust", "--revoke"]);
}

/// Flags of settings with values that change nothing here.
const SETTINGS: &[(&str, &str)] = &[
    ("--store-size", "40GiB"),
    ("--saved-boots", "1GiB"),
    ("--memory", "3GiB"),
    ("--cpus", "2"),
    ("--accel", "tcg"),
    ("--driver", "qemu"),
];

fn settings() -> Vec<&'static str> {
    // These say yes without a value.
    let yes = ["--allow-private-network", "--allow-weaker-cell"];
    SETTINGS.iter().flat_map(|(flag, value)| [*flag, *value]).chain(yes).collect()
}

fn building(session: &Session) {
    // A command with all settings that name other places, of which none is asked.
    let elsewhere = [
        "--mirror",
        "http://mirror.invalid/debian",
        "--security-mirror",
        "http://mirror.invalid/security",
        "--disk-mirror",
        "http://mirror.invalid/disks",
        "--proxy",
        "http://proxy.invalid",
        "--ca",
        "none.pem",
    ];
    let store = session.project.store.to_str().unwrap().to_owned();
    session.run(&["lock", "."]).says("wrote ImageFile.lock");
    session.run(&["lock", "--locked"]).says("is up to date");
    session.run(&["lock", "--update", "one", "--set", "word=hello"]);
    session.run(&["lock", "--offline"]).says("is up to date");
    session
        .run(&["plan", ".", "--format", "human", "--locked", "--image", "one", "--base", "debian-13"])
        .prints("look");
    assert_eq!(
        session.run(&["plan", "--format", "json", "--offline", "--set", "word=x"]).json()["images"][0]["image"],
        "one"
    );
    session.run(&["plan", "--graph", "dot"]).prints("digraph");
    session.run(&["plan", "--graph", "mermaid"]).prints("flowchart");
    jobs(session);
    session.run(&["outdated", ".", "--image", "one", "--format", "human"]);
    assert!(session.run(&["outdated", "--format", "json", "--set", "word=hello"]).json().is_array());
    session.ends(&["outdated", "--offline"]);

    let out = session.project.path("images");
    let out = out.to_str().unwrap();
    let args = [
        "build",
        ".",
        "--image",
        "one",
        "--name",
        "first",
        "--base",
        "debian-13",
        "--out",
        out,
        "--progress",
        "plain",
        "--on-failure",
        "clean",
        "--test-all=never",
        "--unproven",
        "--set",
        "word=hello",
    ];
    session.run(&[&args[..], &settings()].concat()).prints("sha256:").says("the word is there");
    let again = session
        .run(&["build", "--locked", "--offline", "--no-test", "--progress", "auto"])
        .says("(--no-test)");
    assert!(!again.stderr.contains("start the machine"), "{}", again.stderr);
    let json = session.run(&["build", "--progress", "json", "--no-cache", "--on-failure", "keep"]);
    assert!(json.stdout.lines().all(|line| line.starts_with('{')), "{}", json.stdout);
    assert!(json.stdout.contains("step-started"), "every step runs again");
    let tree = session.run(&["build", "--progress", "tty", "--on-failure", "shell"]);
    assert!(tree.stderr.contains("\u{1b}["), "{}", tree.stderr);
    for progress in ["auto", "plain", "json", "tty"] {
        session.run(&[
            "test",
            ".",
            "--image",
            "one",
            "--offline",
            "--progress",
            progress,
            "--set",
            "word=hello",
        ]);
    }
    let args = ["test", "--out", out];
    // The file there has another name.
    session.ends(&args).status(3);
    // Each command takes each setting, and where it came from is told.
    let commands =
        ["plan", "lock", "outdated", "build", "test", "why", "doctor", "inspect", "diff", "capture", "run"];
    for command in commands {
        let mut args = vec![command];
        args.extend(operands(command));
        args.extend(settings());
        args.extend(elsewhere);
        args.extend(["--store", &store]);
        if matches!(command, "plan" | "lock" | "outdated" | "build" | "test") {
            args.push("--offline");
        }
        for accel in ["auto", "kvm", "tcg"] {
            let at = args.iter().position(|arg| *arg == "--accel").unwrap();
            args[at + 1] = accel;
            let ended = session.ends(&args);
            assert!(ended.status != 2, "{}: {}", ended.command, ended.stderr);
        }
    }
}

/// A plan as jobs for others.
fn jobs(session: &Session) {
    let matrix = session.run(&["plan", "--format", "github-matrix", "--level", "0"]).json();
    fits(&["github-matrix"], "plan --format github-matrix", &matrix.to_string());
    assert_eq!(matrix["include"][0]["image"], "one");
    session
        .run(&["plan", "--format", "gitlab-child-pipeline", "--set", "word=it's"])
        .prints("image one:")
        .prints(r"imgfile build --locked '--set=word=it'\''s' --force --image=one");
    session.ends(&["plan", "--level", "0"]).status(2).says("--format github-matrix");
}

/// What a command cannot do without; a text is no disk, and that is soon said.
fn operands(command: &str) -> &'static [&'static str] {
    match command {
        "why" => &["base"],
        "inspect" | "capture" | "run" => &["ImageFile"],
        "diff" => &["ImageFile", "ImageFile"],
        _ => &[],
    }
}

/// Somebody's own file with an artifact's name gives way only by that person's word.
fn replacing(session: &Session) {
    fs::create_dir(session.project.path("mine")).unwrap();
    fs::write(session.project.path("mine/second.qcow2"), "mine").unwrap();
    session.ends(&["build", "--out", "mine", "--name", "second", "--no-test"]).status(1).says("E0549");
    session
        .run(&["build", "--out", "mine", "--name", "second", "--no-test", "--force"])
        .prints("second.qcow2");
}

/// What lies outside the project is read with the word of the person who types, and only then.
fn consenting(session: &Session) {
    let outside = tempfile::tempdir().unwrap();
    let (disk, token) = (outside.path().join("golden.qcow2"), outside.path().join("token"));
    fs::copy(session.project.path("out/one.qcow2"), &disk).unwrap();
    fs::write(&token, "a token").unwrap();
    let text = format!(
        "image \"upon\" {{\n  os linux debian 13\n  base file \"{}\"\n  secret token from file \"{}\"\n  script <<-SH \
         {{ name = \"ask\", offline = true, user = root, secrets = [token] }}\n    #!/bin/sh -e\n    test -s /run/secrets/token\n  SH\n}}\n",
        disk.display(),
        token.display()
    );
    fs::write(session.project.path("upon.imagefile"), text).unwrap();
    let secret = format!("token=file:{}", token.display());
    session.ends(&["lock", "upon.imagefile", "--secret", &secret]).status(1).says("E0541");
    let allowed = ["upon.imagefile", "--secret", &secret, "--allow-file", disk.to_str().unwrap()];
    for command in [&["lock"][..], &["plan"], &["outdated"], &["apps", "nginx"], &["bases"]] {
        session.run(&[command, &allowed[..]].concat());
    }
    let unsaid = ["build", "upon.imagefile", "--allow-file", disk.to_str().unwrap()];
    session.ends(&unsaid).status(1).says("E0540");
    session.run(&[&["build", "--allow-unvouched"], &allowed[..]].concat()).prints("upon.qcow2");
    session.run(&[&["test"], &allowed[..]].concat());
    session.run(&[&["why", "ask"], &allowed[..]].concat()).prints("nothing it depends on has changed");
}

fn failing(session: &Session) {
    let text = IMAGE_FILE.replace("test -s /etc/word\n  SH\n  test", "exit 9\n  SH\n  test");
    fs::write(session.project.path("failing.imagefile"), text).unwrap();
    let args = ["build", "failing.imagefile", "--progress", "plain", "--test-all=changed"];
    let failed = session.ends(&args).status(3).says("E0601");
    // Tests that did not run are told of in the file, too.
    let args = ["build", "failing.imagefile", "--test-all", "--junit", "tests.xml"];
    session.ends(&args).status(3);
    let report = fs::read_to_string(session.project.path("tests.xml")).unwrap();
    assert!(report.contains("<error message=\"exit status 9\">") && report.contains("<skipped"), "{report}");
    session.ends(&["test", "--all", "--junit", "tests.xml", "--out", "nowhere"]).status(3).says("E0605");
    let build = failed.stderr.lines().find_map(|line| line.trim().strip_prefix("build ")?.split(' ').next());
    let number = build.unwrap_or_else(|| panic!("no number of a build:\n{}", failed.stderr)).to_owned();
    failed.says(&format!("imgfile logs {number}")).says("--on-failure shell").says("imgfile explain E0601");
}

fn while_it_runs(session: &Session) {
    let text = IMAGE_FILE.replace("test -s /etc/word\n  SH\n  test", "sleep 3000\n  SH\n  test");
    fs::write(session.project.path("long.imagefile"), text).unwrap();
    let mut command = session.command(&["build", "long.imagefile", "--progress", "json"]);
    let mut build = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut events = std::io::BufReader::new(build.stdout.take().unwrap()).lines();
    let begun = events.next().unwrap().unwrap();
    let begun: serde_json::Value = serde_json::from_str(&begun).unwrap();
    let number = begun["build"].to_string();
    assert!(events.any(|line| line.unwrap().contains("script look")));
    let store = session.project.store.to_str().unwrap().to_owned();
    session.run(&["cancel", &number, "--store", &store]).prints("cancelled");
    assert_eq!(build.wait().unwrap().code(), Some(130));
}

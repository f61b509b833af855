//! Bad input, a host that lacks something, a change of mind: each ends with a message that says what is
//! wrong, with the exit status promised for it, and leaves nothing behind: no process, no file in the
//! store's working folders, nothing in `out`.
//!
//! What each defect of an ImageFile looks like is in `tests/ui`; here is the command around it. Where a
//! machine is meant, it is a real one.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::common::ground::Ground;
use crate::common::{
    server::{Answer, Server},
    signer::Signer,
};

/// A project with a store of its own.
struct Case {
    folder: TempDir,
}

/// What is left of a command: its session, in which every process is that it started itself.
struct Ended {
    session: u32,
    code: Option<i32>,
    said: String,
}

impl Case {
    /// On a store with nothing in it.
    fn new(image_file: impl AsRef<[u8]>) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let case = Self { folder };
        for folder in [case.path(""), case.temporary()] {
            fs::create_dir(folder).unwrap();
        }
        fs::write(case.path("ImageFile"), image_file).unwrap();
        case
    }

    /// On a store that has what takes long to get: bases, kernels, packages, indexes. What a build
    /// makes while it runs is the case's own.
    fn on_ground(image_file: &str) -> Self {
        let ground = Ground::find();
        let case = Self::new(image_file);
        case.share(&ground, &["bases", "blobs", "facts", "indexes", "kernels"]);
        case
    }

    fn share(&self, ground: &Ground, parts: &[&str]) {
        fs::create_dir(self.store("")).unwrap();
        fs::write(self.store(imgfile::model::STORE_TAG), imgfile::model::STORE_TAG_TEXT).unwrap();
        for part in parts {
            symlink(fs::canonicalize(ground.store.join(part)).unwrap(), self.store(part)).unwrap();
        }
    }

    fn path(&self, inner: &str) -> PathBuf {
        self.folder.path().join("project").join(inner)
    }

    fn store(&self, inner: &str) -> PathBuf {
        self.folder.path().join("store").join(inner)
    }

    /// For temporary files of the program, which helpers have on their command lines.
    fn temporary(&self) -> PathBuf {
        self.folder.path().join("tmp")
    }

    /// A command in a session of its own, started by another program if one is given.
    fn command(&self, by: &[&str], args: &[&str]) -> Command {
        // By its path: some cases have no other.
        let mut command = Command::new("/usr/bin/setsid");
        command.args(by).arg(env!("CARGO_BIN_EXE_imgfile")).args(args).current_dir(self.path(""));
        command.env("IMGFILE_STORE", self.store("")).env("IMGFILE_ACCEL", "tcg").env("NO_COLOR", "1");
        command.env("TMPDIR", self.temporary());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn build(&self) -> Ended {
        ended(&mut self.command(&[], &BUILD))
    }

    /// The message has these parts, the status is this one, and nothing is left.
    fn assert(&self, ended: &Ended, code: i32, parts: &[&str]) {
        let said = &ended.said;
        assert_eq!(ended.code, Some(code), "{said}");
        for part in parts {
            assert!(said.contains(part), "`{part}` is missing in:\n{said}");
        }
        assert!(!said.contains("panicked at"), "{said}");
        self.assert_nothing_left(ended.session);
    }

    /// Command lines of the processes that still run in a session or have to do with a file of this case: what runs
    /// in a cell has a session of its own.
    fn processes(&self, session: u32) -> Vec<String> {
        let folder = self.folder.path().to_str().unwrap();
        let all = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            let line = fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
            // After the name, which may hold anything: state, parent, group, session.
            let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
            let ours = *fields.get(3)? == session.to_string() || line.contains(folder);
            (ours && !matches!(*fields.first()?, "Z" | "X")).then_some(line)
        });
        all.collect()
    }

    fn assert_nothing_left(&self, session: u32) {
        assert_eq!(self.processes(session), Vec::<String>::new());
        assert!(!self.path("out").exists());
        for folder in ["builds", "tmp", "layers/claims"] {
            let left = fs::read_dir(self.store(folder)).into_iter().flatten().flatten();
            let left: Vec<_> = left.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
            assert_eq!(left, Vec::<PathBuf>::new());
        }
    }
}

const BUILD: [&str; 3] = ["build", "--progress", "plain"];

fn ended(command: &mut Command) -> Ended {
    let child = command.spawn().unwrap();
    let session = child.id();
    let output = child.wait_with_output().unwrap();
    let said = [output.stderr, output.stdout].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    Ended { session, code: output.status.code(), said }
}

/// An image with one script, run as root in a chroot.
fn with_script(options: &str, body: &str) -> String {
    let body: String = body.lines().map(|line| format!("    {line}\n")).collect();
    format!(
        "image \"bad\" {{\n  os linux debian 13\n  script <<-SH {{ name = \"it\", offline = true, user = root{options} }}\n{body}  SH\n}}\n"
    )
}

#[test]
fn a_wrong_image_file_is_told_before_anything_is_made() {
    let image =
        |inside: &str| format!("image \"bad\" {{\n  os linux debian 13\n  {inside}\n}}\n").into_bytes();
    let cases: &[(Vec<u8>, &[&str])] = &[
        (b"image \"caf\xe9\" {\n}\n".to_vec(), &["E0101", "ImageFile:1:11"]),
        (Vec::new(), &["E0120"]),
        (b"image \"bad\" {\n}\n".to_vec(), &["E0201", "`os`"]),
        (image("app ngin"), &["E0301", "`nginx`", "ImageFile:3"]),
        (image("script <<-SH\n    echo hello\n  SH"), &["E0217", "ImageFile:"]),
        (image("script \"provision.sh\""), &["E0216", "provision.sh", "ImageFile:3"]),
        (image("copy \"../secret\" to \"/etc/\""), &["E0215", "../secret", "ImageFile:3"]),
        (image("copy \"site/\" to \"/srv\""), &["E0216", "`site`", "ImageFile:3"]),
    ];
    for (text, parts) in cases {
        let case = Case::new(text);
        case.assert(&case.build(), 1, parts);
        assert!(!case.path("ImageFile.lock").exists());
    }
    let case = Case::new(image("min_storage 512MiB"));
    case.assert(&case.build(), 1, &["E0314", "`min_storage 512MiB`", "together", "ImageFile:3"]);
}

#[test]
fn a_package_that_no_archive_has_is_told_before_anything_runs() {
    let wanting =
        |package: &str| format!("image \"bad\" {{\n  os linux debian 13\n  packages [\"{package}\"]\n}}\n");
    for (package, parts) in [
        ("nginx-lihgt", ["E0450", "did you mean `nginx-light`?", "ImageFile:3"]),
        ("jq=0.1-1", ["E0451", "no version 0.1-1 of `jq`", "ImageFile:3"]),
    ] {
        let case = Case::on_ground(&wanting(package));
        case.assert(&case.build(), 1, &parts);
        assert!(!case.path("ImageFile.lock").exists());
    }

    // Locked with a digest that no archive signs.
    let case = Case::on_ground(&wanting("jq"));
    let locked = ended(&mut case.command(&[], &["lock"]));
    assert_eq!(locked.code, Some(0), "{}", locked.said);
    let lock = fs::read_to_string(case.path("ImageFile.lock")).unwrap();
    let changed = |line: &str| {
        let Some((before, rest)) = line.split_once("sha256: \"").filter(|_| line.contains("name: jq,"))
        else {
            return format!("{line}\n");
        };
        format!("{before}sha256: \"{}{}\n", "0".repeat(64), &rest[64..])
    };
    let edited: String = lock.lines().map(changed).collect();
    assert_ne!(edited, lock);
    fs::write(case.path("ImageFile.lock"), edited).unwrap();
    case.assert(
        &case.build(),
        1,
        &["E0406", "ImageFile.lock:", "not what the archive signs", "lock --update"],
    );
}

#[test]
fn a_script_that_fails_is_told_with_its_output_its_status_and_its_line() {
    let case = Case::on_ground(&with_script("", "#!/bin/sh -e\necho before it broke\nexit 7"));
    case.assert(&case.build(), 3, &["E0601", "exit status 7", "before it broke", "ImageFile:3"]);
    let case = Case::on_ground(&with_script("", "#!/usr/bin/nonesuch\ntrue"));
    case.assert(&case.build(), 3, &["E0601", "the image lacks a program", "ImageFile:3"]);
}

#[test]
fn a_script_that_never_ends_is_stopped() {
    let case = Case::on_ground(&with_script(", timeout = 1s", "#!/bin/sh -e\necho waiting\nsleep 100000"));
    case.assert(&case.build(), 3, &["E0602", "did not end within 1 s", "`{ timeout = 2h }`", "ImageFile:3"]);
}

#[test]
fn a_guest_that_panics_is_told_with_the_end_of_its_console() {
    let crash = "#!/bin/sh -e\necho c > /proc/sysrq-trigger\nsleep 100000";
    let case = Case::on_ground(&with_script("", crash));
    case.assert(&case.build(), 3, &["E0504", "the machine panicked", "Kernel panic", "ImageFile:3"]);
}

#[test]
fn a_guest_that_fills_its_disk_says_so_itself() {
    let fill = "#!/bin/sh -e\nfree=$(df --output=avail / | tail -n 1)\nfallocate --length $((free - 8192))K /most\ncat /dev/zero > /rest";
    let case = Case::on_ground(&with_script("", fill));
    case.assert(&case.build(), 3, &["E0601", "No space left on device", "ImageFile:3"]);
}

#[test]
fn a_host_without_qemu_is_told_what_installs_it() {
    let case = Case::on_ground(&with_script("", "#!/bin/sh -e\ntrue"));
    let ended = ended(case.command(&[], &BUILD).env("PATH", case.path("")));
    case.assert(&ended, 4, &["E0501", "qemu-system-x86_64", "apt-get install"]);
}

#[test]
fn a_host_without_a_network_is_told_what_could_not_be_had() {
    let image = "image \"bad\" {\n  os linux debian 13\n}\n";
    // Nobody listens there.
    let mirror = "http://127.0.0.1:9/debian";
    let case = Case::new(image);
    let said = ended(case.command(&[], &BUILD).env("IMGFILE_MIRROR", mirror));
    case.assert(&said, 4, &["E0456", "cannot reach `http://127.0.0.1:9/debian", "`mirror` and `proxy`"]);

    let case = Case::new(image);
    let said = ended(case.command(&[], &[&BUILD[..], &["--offline"]].concat()).env("IMGFILE_MIRROR", mirror));
    case.assert(&said, 4, &["E0456", "is not in the store", "run once without `--offline`"]);
}

#[test]
fn an_index_that_somebody_else_signed_is_not_believed() {
    let server = Server::start();
    let release = "Origin: Debian\nSuite: stable\nCodename: trixie\nComponents: main\n";
    let signed = Signer::new("Somebody else").sign(release);
    for place in
        ["debian/dists/trixie", "debian/dists/trixie-updates", "debian-security/dists/trixie-security"]
    {
        server.put(&format!("/{place}/InRelease"), Answer::Content(signed.clone()));
    }
    let mirror = format!("{}/debian", server.url);
    let image = "image \"bad\" {\n  os linux debian 13\n}\n";
    let case = Case::new(image);
    let said = ended(case.command(&[], &BUILD).env("IMGFILE_MIRROR", &mirror));
    case.assert(&said, 4, &["E0453", "no signature of a known key", "use another mirror"]);
    assert_eq!(fs::read_dir(case.store("indexes")).unwrap().count(), 0, "nothing of it is kept");

    // And where there is none.
    let case = Case::new(image);
    let said = ended(case.command(&[], &BUILD).env("IMGFILE_MIRROR", format!("{}/ubuntu", server.url)));
    case.assert(&said, 4, &["E0453", "/InRelease` is gone (404)", "use another mirror"]);
}

/// Runs a build in a user namespace in which a folder of its store is a small file system; what is
/// left there is said at the end, since it goes with the namespace.
fn on_a_full_host(case: &Case, folder: &str, size: &str) -> Ended {
    let script = format!(
        "mkdir -p '{0}' && mount -t tmpfs -o mode=700,size={size} none '{0}' || exit 99\n\"$@\"\nended=$?\nls -A '{1}' '{2}'\nexit $ended",
        case.store(folder).display(),
        case.store("builds").display(),
        case.store("tmp").display(),
    );
    let ended = ended(
        &mut case.command(&["unshare", "--map-root-user", "--mount", "sh", "-c", &script, "sh"], &BUILD),
    );
    let left = format!("{}:\n\n{}:\n", case.store("builds").display(), case.store("tmp").display());
    assert!(ended.said.ends_with(&left), "{}", ended.said);
    ended
}

#[test]
fn a_store_that_is_full_is_told() {
    let case = Case::new("image \"bad\" {\n  os linux debian 13\n}\n");
    let ended = on_a_full_host(&case, "", "2m");
    case.assert(&ended, 4, &["E0503", "No space left on device", "imgfile gc"]);
}

#[test]
fn a_host_that_gets_full_under_a_machine_is_told() {
    let fill = "#!/bin/sh -e\nhead -c 100000000 /dev/urandom > /random\nsync";
    let case = Case::on_ground(&with_script("", fill));
    let ended = on_a_full_host(&case, "builds", "40m");
    case.assert(&ended, 4, &["E0503", "no space is left on the host", "imgfile gc"]);
}

#[test]
fn an_output_folder_that_cannot_be_written_is_told_before_anything_runs() {
    for (name, status, code, reason) in [
        ("a file", 4, "E0502", "is not a folder"),
        ("a link to nowhere", 1, "E0548", "is a link"),
        ("a folder in the artifact's place", 4, "E0502", "`bad.qcow2` is a folder there"),
    ] {
        let case = Case::on_ground(&with_script("", "#!/bin/sh -e\ntrue"));
        match name {
            "a file" => fs::write(case.path("out"), "").unwrap(),
            "a link to nowhere" => symlink("/nowhere", case.path("out")).unwrap(),
            _ => fs::create_dir_all(case.path("out/bad.qcow2")).unwrap(),
        }
        let ended = case.build();
        assert_eq!(ended.code, Some(status), "{name}: {}", ended.said);
        assert!(ended.said.contains(code) && ended.said.contains(reason), "{name}: {}", ended.said);
        assert!(
            ended.said.contains("`--out`") && !ended.said.contains("start the machine"),
            "{}",
            ended.said
        );
    }
}

#[test]
fn damaged_records_stop_no_build_and_are_set_aside() {
    let case = Case::on_ground(&with_script("", "#!/bin/sh -e\nexit 7"));
    let first = case.build();
    assert!(first.said.contains("build 1,"), "{}", first.said);
    let records = case.store("records/builds.sqlite");
    fs::write(&records, vec![b'x'; 20_000]).unwrap();
    let second = case.build();
    case.assert(&second, 3, &["E0601", "were damaged", "builds.sqlite.damaged", "build 2,"]);
    assert_eq!(fs::read(records.with_added_extension("damaged")).unwrap(), vec![b'x'; 20_000]);
    let listed = ended(&mut case.command(&[], &["builds"]));
    assert!(listed.code == Some(0) && listed.said.contains("failed"), "{}", listed.said);
}

/// Everything of a command up to a line that has this; the command goes on.
fn until(child: &mut Child, words: &str) -> (String, BufReader<std::process::ChildStderr>) {
    let mut reader = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains(words) {
        assert_ne!(reader.read_line(&mut said).unwrap(), 0, "it ended too early:\n{said}");
    }
    (said, reader)
}

/// Sends signals to a command and waits for its end.
fn interrupted(
    mut child: Child,
    reader: Option<(String, BufReader<std::process::ChildStderr>)>,
    signals: &[Signal],
) -> Ended {
    let session = child.id();
    let pid = Pid::from_raw(i32::try_from(session).unwrap());
    for signal in signals {
        // To the whole group, as a terminal does; the group is the command's own.
        let _ = kill(Pid::from_raw(-pid.as_raw()), *signal);
    }
    let mut said = String::new();
    match reader {
        Some((before, mut rest)) => {
            said = before;
            rest.read_to_string(&mut said).unwrap();
        }
        None => {
            child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        }
    }
    Ended { session, code: child.wait().unwrap().code(), said }
}

#[test]
fn ctrl_c_ends_a_machine_and_all_that_was_made() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let (case, child, before) = waiting();
        let ended = interrupted(child, Some(before), &[signal]);
        case.assert(&ended, 130, &[]);
    }
}

#[test]
fn a_second_ctrl_c_waits_for_nothing_and_leaves_the_rest_to_the_next_command() {
    let (case, child, before) = waiting();
    let told = interrupted(child, Some(before), &[Signal::SIGINT; 2]);
    assert_eq!(told.code, Some(130), "{}", told.said);
    // The kernel ends the machine when its parent is gone.
    while !case.processes(told.session).is_empty() {
        std::thread::yield_now();
    }
    let next = ended(&mut case.command(&[], &["cache", "ls"]));
    case.assert(&next, 0, &[]);
}

/// A build whose script is running in its machine.
fn waiting() -> (Case, Child, (String, BufReader<std::process::ChildStderr>)) {
    let case = Case::on_ground(&with_script("", "#!/bin/sh -e\necho now it waits\nsleep 100000"));
    let mut child = case.command(&[], &BUILD).spawn().unwrap();
    let before = until(&mut child, "| now it waits");
    assert!(case.processes(child.id()).iter().any(|line| line.contains("qemu-system")), "{}", before.0);
    (case, child, before)
}

#[test]
fn ctrl_c_ends_a_download_that_does_not_come() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let case = Case::new("image \"bad\" {\n  os linux debian 13\n}\n");
    let mirror = format!("http://{}/debian", listener.local_addr().unwrap());
    let child = case.command(&[], &BUILD).env("IMGFILE_MIRROR", mirror).spawn().unwrap();
    // Somebody answers the call, and then says nothing.
    let _silent = listener.accept().unwrap();
    let ended = interrupted(child, None, &[Signal::SIGINT]);
    case.assert(&ended, 130, &[]);
}

#[test]
fn ctrl_c_ends_the_making_of_a_base() {
    let case = Case::new("image \"bad\" {\n  os linux debian 13\n}\n");
    // All but the bases: one is to be made.
    case.share(&Ground::find(), &["blobs", "facts", "indexes", "kernels"]);
    let mut child = case.command(&[], &BUILD).spawn().unwrap();
    let before = until(&mut child, "  | ");
    assert!(before.0.contains("make base debian-13"), "{}", before.0);
    let promised = journalled(&case.store("tmp"));
    assert!(promised.iter().any(|path| path.exists()), "work is going on outside of the store: {promised:?}");
    let ended = interrupted(child, Some(before), &[Signal::SIGINT]);
    case.assert(&ended, 130, &[]);
    let left: Vec<_> = promised.iter().filter(|path| path.exists()).collect();
    assert!(left.is_empty(), "{left:?}");
    let made = fs::read_dir(case.store("bases")).unwrap().flatten().filter(|entry| entry.path().is_dir());
    assert_eq!(made.count(), 0);
}

/// The paths outside of the store that its working folders promise to clear.
fn journalled(folder: &Path) -> Vec<PathBuf> {
    let folders = fs::read_dir(folder).unwrap().flatten();
    let journals = folders.filter_map(|entry| fs::read_to_string(entry.path().join("journal")).ok());
    let texts: String = journals.collect();
    let entries = texts.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    entries.filter_map(|entry| Some(PathBuf::from(entry.get("path")?.as_str()?))).collect()
}

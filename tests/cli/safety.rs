//! A stranger's project and the other users of the host: what no command does for them, and that every command
//! ends.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};

use crate::common::built;
use crate::common::server::{Answer, Server};

const IMAGE: &str = "image \"web\" {\n  os linux debian 13\n}\n";

/// A project in a folder of its own, beside a store.
struct World {
    top: tempfile::TempDir,
}

impl World {
    fn new(image: &str) -> Self {
        let top = tempfile::tempdir().unwrap();
        fs::create_dir(top.path().join("project")).unwrap();
        fs::create_dir(top.path().join("home")).unwrap();
        fs::write(top.path().join("project/ImageFile"), image).unwrap();
        Self { top }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.top.path().join("project").join(name)
    }

    fn store(&self) -> PathBuf {
        self.top.path().join("store")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_imgfile"));
        command.args(args).current_dir(self.path(""));
        command.env("IMGFILE_STORE", self.store()).env("HOME", self.top.path().join("home"));
        command.env_remove("XDG_CACHE_HOME").env_remove("XDG_CONFIG_HOME");
        command.env("IMGFILE_MIRROR", "http://127.0.0.1:9/debian");
        command.stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> (Option<i32>, String) {
        said(self.command(args).output().unwrap())
    }
}

fn said(output: Output) -> (Option<i32>, String) {
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code(), text)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = walkdir::WalkDir::new(folder).into_iter().map(|entry| entry.unwrap().into_path());
    entries.filter(|path| !path.is_symlink()).collect()
}

/// The same command by way of a shell that does something first.
fn through_shell(first: &str, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell
        .arg("-c")
        .arg(format!("{first}; exec \"$0\" \"$@\""))
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell.current_dir(command.get_current_dir().unwrap());
    shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    shell
}

fn in_umask(world: &World, umask: &str, args: &[&str]) -> (Option<i32>, String) {
    said(through_shell(&format!("umask {umask}"), &world.command(args)).output().unwrap())
}

#[test]
fn a_folder_with_something_else_in_it_is_no_store() {
    let world = World::new(IMAGE);
    let own = world.store().join("builds/app");
    fs::create_dir_all(&own).unwrap();
    fs::write(own.join("file"), "mine").unwrap();
    // Programs that keep caches mark them in the same way.
    for tag in [None, Some("Signature: 8a477f597d28d172789f06886806bc55\n# of another program\n")] {
        if let Some(tag) = tag {
            fs::write(world.store().join(imgfile::model::STORE_TAG), tag).unwrap();
        }
        for args in [&["gc"][..], &["gc", "--dry-run"], &["cache", "ls"], &["builds"], &["lock"]] {
            let (code, text) = world.run(args);
            assert!(code == Some(4) && text.contains("no store of imgfile"), "{args:?} {code:?} {text}");
        }
        assert_eq!(fs::read_to_string(own.join("file")).unwrap(), "mine");
        assert_eq!(fs::read_dir(world.store()).unwrap().count(), 1 + usize::from(tag.is_some()));
    }
}

/// A project whose store has a journal that names a folder of the user's, which is the second.
fn with_a_journal() -> (World, PathBuf) {
    let world = World::new(IMAGE);
    let victim = world.top.path().join("victim");
    fs::create_dir(&victim).unwrap();
    let journal = format!("{{\"path\":\"{}\"}}\n", victim.display());
    fs::create_dir_all(world.store().join("builds/e")).unwrap();
    fs::write(world.store().join("builds/e/lock"), "").unwrap();
    fs::write(world.store().join(imgfile::model::STORE_TAG), imgfile::model::STORE_TAG_TEXT).unwrap();
    fs::write(world.store().join("builds/e/journal"), journal).unwrap();
    (world, victim)
}

#[test]
fn a_store_that_others_could_change_is_not_opened() {
    let (world, victim) = with_a_journal();
    fs::set_permissions(world.store(), fs::Permissions::from_mode(0o777)).unwrap();
    for args in
        [&["builds"][..], &["images"], &["cache", "ls"], &["cache", "verify"], &["gc"], &["lock"], &["plan"]]
    {
        let (code, text) = world.run(args);
        assert!(code == Some(4) && text.contains("E0546"), "{args:?} {code:?} {text}");
        assert!(victim.exists() && world.store().join("builds/e/journal").exists());
    }
}

#[test]
#[ignore = "only root can make files of another user: `scripts/test --as-root` runs it"]
fn as_root_a_store_of_another_user_is_not_opened() {
    let (world, victim) = with_a_journal();
    for path in [world.store(), world.store().join("builds"), world.store().join("builds/e")] {
        chown(&path, Some(65534), None).unwrap();
        let (code, text) = world.run(&["builds"]);
        assert!(code == Some(4) && text.contains("another user"), "{code:?} {text}");
        assert!(victim.exists());
        chown(&path, Some(0), None).unwrap();
    }
    let link = world.top.path().join("link");
    symlink(world.store(), &link).unwrap();
    chown(world.store(), Some(65534), None).unwrap();
    let (code, text) = said(world.command(&["builds"]).env("IMGFILE_STORE", &link).output().unwrap());
    assert!(code == Some(4) && text.contains("another user"), "{code:?} {text}");
}

#[test]
fn a_journal_that_came_with_a_project_is_not_obeyed() {
    let world = World::new(IMAGE);
    let victim = world.top.path().join("victim");
    fs::create_dir(&victim).unwrap();
    fs::write(victim.join("file"), "precious").unwrap();
    let mut sleeper = Command::new("sleep").arg("1000").spawn().unwrap();
    let stat = fs::read_to_string(format!("/proc/{}/stat", sleeper.id())).unwrap();
    let started = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(19).unwrap();
    let build = world.path("st/builds/old");
    fs::create_dir_all(&build).unwrap();
    let (pid, victim_path) = (sleeper.id(), victim.display());
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    // As it was written before, and as it is written now.
    let journals = [
        format!(
            "{{\"path\":\"{victim_path}\"}}\n{{\"process\":{{\"pid\":{pid},\"started\":{started},\"group\":false}}}}\n"
        ),
        format!(
            "{{\"root\":{{\"path\":\"{}\",\"device\":{},\"inode\":{}}}}}\n{{\"path\":\"{victim_path}\"}}\n{{\"process\":{{\
             \"process\":{{\"pid\":{pid},\"started\":{started},\"boot\":\"{}\"}},\"group\":false}}}}\n",
            world.top.path().display(),
            world.top.path().metadata().unwrap().dev(),
            world.top.path().metadata().unwrap().ino(),
            boot.trim()
        ),
    ];
    for journal in journals {
        fs::create_dir_all(&build).unwrap();
        fs::write(build.join("lock"), "").unwrap();
        fs::write(build.join("journal"), journal).unwrap();
        // A project brings whatever a store has.
        fs::write(world.path("st").join(imgfile::model::STORE_TAG), imgfile::model::STORE_TAG_TEXT).unwrap();
        let (_, text) = said(world.command(&["builds"]).env("IMGFILE_STORE", "st").output().unwrap());
        assert!(victim.join("file").exists() && sleeper.try_wait().unwrap().is_none(), "{text}");
        assert!(text.contains("not written by this store"), "{text}");
    }
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
}

#[test]
fn nothing_in_a_store_is_for_others_whatever_the_umask() {
    for umask in ["000", "027", "077", "0277"] {
        let world = World::new(IMAGE);
        let (_, text) = in_umask(&world, umask, &["builds"]);
        assert!(world.store().join("records/builds.sqlite").exists(), "{umask}: {text}");
        for path in files(&world.store()) {
            let mode = path.metadata().unwrap().mode() & 0o7777;
            let wanted = if path.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(mode & !wanted, 0, "{umask}: {} has {mode:o}", path.display());
            assert!(!path.is_dir() || mode == 0o700, "{umask}: {} has {mode:o}", path.display());
        }
        let (code, text) = in_umask(&world, umask, &["builds"]);
        assert_eq!(code, Some(0), "{umask}: {text}");
    }
}

#[test]
fn without_a_home_no_store_is_shared() {
    let world = World::new(IMAGE);
    for args in [&["builds"][..], &["lock"], &["plan"], &["cache", "ls"], &["doctor"]] {
        let output = world.command(args).env_remove("HOME").env_remove("IMGFILE_STORE").output().unwrap();
        let (code, text) = said(output);
        assert!(text.contains("E0547") && text.contains("IMGFILE_STORE="), "{args:?} {text}");
        assert!(!text.contains("/var/tmp"), "{text}");
        assert!(matches!(code, Some(4)), "{args:?} {code:?} {text}");
    }
}

/// Waits for the end, however long that takes within reason: a command that hangs fails the test.
fn ended(mut child: Child) -> (Option<i32>, String) {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    let (send, end) = mpsc::channel();
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    std::thread::spawn(move || {
        let mut text = String::new();
        for stream in
            [stdout.map(|one| Box::new(one) as Box<dyn std::io::Read>), stderr.map(|one| Box::new(one) as _)]
                .into_iter()
                .flatten()
        {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                text += &(line + "\n");
            }
        }
        let _ = send.send((child.wait().unwrap().code(), text));
    });
    end.recv_timeout(Duration::from_mins(1)).unwrap_or_else(|_| {
        let _ = kill(pid, Signal::SIGKILL);
        panic!("it does not end")
    })
}

/// Everything of a project that is read, each time with something that is no file in its place.
#[test]
fn what_is_no_file_is_neither_waited_for_nor_read_without_an_end() {
    let with = |line: &str| format!("image \"web\" {{\n  os linux debian 13\n  {line}\n}}\n");
    let cases: Vec<(&str, String, &[&str])> = vec![
        ("ImageFile", IMAGE.into(), &["check", "fmt ImageFile", "plan", "lock", "why base", "build"]),
        (".imgfile.toml", IMAGE.into(), &["plan", "lock", "doctor", "builds", "build"]),
        ("ImageFile.lock", IMAGE.into(), &["plan", "lock", "build --locked", "outdated", "check"]),
        ("catalog/apps/x.yaml", IMAGE.into(), &["check", "plan", "why base"]),
        ("cat/bases/x.yaml", format!("catalog \"cat\"\n{IMAGE}"), &["check", "plan"]),
        ("common.imagefile", format!("include \"common.imagefile\"\n{IMAGE}"), &["check", "plan"]),
        (".imagefileignore", with("copy \"site\" to \"/srv\""), &["check", "plan"]),
        ("site/page", with("copy \"site\" to \"/srv\""), &["check", "plan"]),
        ("file", with("copy \"file\" to \"/srv/file\""), &["check", "plan"]),
        ("run.sh", with("script \"run.sh\""), &["check", "plan"]),
        (
            "lib/x",
            with("script <<-SH { with = [\"lib\"] }\n    #!/bin/sh -e\n    :\n  SH"),
            &["check", "plan"],
        ),
        ("test.sh", with("test \"it\" \"test.sh\""), &["check", "plan"]),
        ("base.qcow2", with("base file \"base.qcow2\""), &["check", "plan", "lock"]),
        ("ca.pem", IMAGE.into(), &["plan --offline", "lock"]),
    ];
    for (name, image, commands) in cases {
        for kind in ["pipe", "zero"] {
            let world = World::new(&image);
            fs::create_dir_all(world.path("site")).unwrap();
            let path = world.path(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let _ = fs::remove_file(&path);
            match kind {
                "pipe" => mkfifo(&path, Mode::S_IRWXU).unwrap(),
                _ => symlink("/dev/zero", &path).unwrap(),
            }
            for command in commands {
                let args: Vec<&str> = command.split(' ').collect();
                let mut command = world.command(&args);
                if name == "ca.pem" {
                    command.env("IMGFILE_CA", "ca.pem");
                }
                // Reading /dev/zero into memory ends there, long before the deadline.
                let child = through_shell("ulimit -v 6000000", &command).spawn().unwrap();
                let (code, text) = ended(child);
                // An ignore file is optional: one that cannot be read ignores nothing.
                let fine = matches!(code, Some(1 | 4))
                    || name == ".imagefileignore"
                    || (name == "base.qcow2" && args == ["check"])
                    || (name == "ImageFile.lock" && args == ["check"])
                    || (name == "ca.pem" && code == Some(0))
                    // A link in a folder is taken along as a link, and not followed.
                    || (kind == "zero" && ["site/page", "lib/x"].contains(&name) && args == ["check"]);
                assert!(fine && code.is_some(), "{kind} {name} {args:?}: {code:?} {text}");
                assert!(!text.contains("memory allocation"), "{kind} {name} {args:?}: {text}");
            }
        }
    }
}

/// A server that takes connections and never answers.
fn silent_server() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}/debian", listener.local_addr().unwrap());
    (listener, url)
}

/// Waits until a condition holds; a test that waits in vain fails.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

/// The working folders that a command has left in the store.
fn left(world: &World) -> Vec<PathBuf> {
    let folders = ["tmp", "builds"].map(|name| fs::read_dir(world.store().join(name)));
    let entries = folders.into_iter().flatten().flatten().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_dir()).collect()
}

#[test]
fn ctrl_c_and_sigterm_end_a_command_that_waits_for_the_network() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        for command in ["lock", "plan", "build", "lock --update web"] {
            let world = World::new(IMAGE);
            let (server, url) = silent_server();
            let args: Vec<&str> = command.split(' ').collect();
            let mut child = world.command(&args);
            child.env("IMGFILE_MIRROR", url).stdout(Stdio::piped()).stderr(Stdio::piped());
            let child = child.spawn().unwrap();
            let mut connection = None;
            until("it connects", || {
                connection = server.accept().ok();
                connection.is_some()
            });
            let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
            kill(pid, signal).unwrap();
            let (code, text) = ended(child);
            assert_eq!(code, Some(130), "{command} {signal}: {text}");
            assert_eq!(left(&world), Vec::<PathBuf>::new(), "{command} {signal}");
        }
    }
}

#[test]
fn ctrl_c_and_sigterm_end_a_command_that_waits_for_its_input() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        for command in ["fmt -", "lsp"] {
            let world = World::new(IMAGE);
            let args: Vec<&str> = command.split(' ').collect();
            let mut child = world.command(&args);
            let mut child =
                child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            let input = child.stdin.take();
            let pid = child.id();
            listens(pid);
            kill(Pid::from_raw(i32::try_from(pid).unwrap()), signal).unwrap();
            let (code, text) = ended(child);
            assert_eq!(code, Some(130), "{command} {signal}: {text}");
            drop(input);
        }
    }
}

/// Waits until a process has handlers for both signals (proc(5), `SigCgt`).
fn listens(pid: u32) {
    until("it listens for signals", || {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let caught = caught.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0);
        [2, 15].iter().all(|signal| caught & (1 << (signal - 1)) != 0)
    });
}

/// Reading a file of the project is no step that listens: the command ends all the same.
#[test]
fn ctrl_c_ends_a_command_that_reads_a_large_file() {
    let world = World::new("image \"web\" {\n  os linux debian 13\n  base file \"huge.bin\"\n}\n");
    fs::File::create(world.path("huge.bin")).unwrap().set_len(60 << 30).unwrap();
    for (command, signal) in [("plan", Signal::SIGINT), ("lock", Signal::SIGTERM)] {
        // Which files a process has open is nobody's to see, if it may know secrets.
        let reads = Inotify::init(InitFlags::IN_NONBLOCK).unwrap();
        reads.add_watch(&world.path("huge.bin"), AddWatchFlags::IN_ACCESS).unwrap();
        let mut child = world.command(&[command]);
        let child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        until("it reads the file", || reads.read_events().is_ok());
        kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
        let (code, text) = ended(child);
        assert_eq!(code, Some(130), "{command}: {text}");
        assert_eq!(left(&world), Vec::<PathBuf>::new(), "{command}");
    }
}

#[test]
fn an_output_folder_that_is_a_link_is_refused_before_anything_is_done() {
    let world = World::new(IMAGE);
    let theirs = world.top.path().join("vms");
    fs::create_dir(&theirs).unwrap();
    fs::write(theirs.join("web.qcow2"), "MINE").unwrap();
    symlink(&theirs, world.path("out")).unwrap();
    for args in [&["build"][..], &["build", "--force", "--no-test"]] {
        let (code, text) = world.run(args);
        assert!(code == Some(1) && text.contains("E0548") && text.contains("--out"), "{code:?} {text}");
    }
    assert_eq!(fs::read_to_string(theirs.join("web.qcow2")).unwrap(), "MINE");
    assert_eq!(fs::read_dir(&theirs).unwrap().count(), 1);
}

/// A real build in a store of its own: a download and two steps.
struct Kept {
    project: built::Project,
    _server: Server,
    download: String,
}

impl Kept {
    fn new() -> Self {
        let (server, content) = (Server::start(), b"what was downloaded".to_vec());
        let download = built::sha256(&content);
        server.put("/file", Answer::Content(content));
        let image = format!(
            "image \"kept\" {{\n  os linux debian 13\n  script <<-SH {{ offline = true, user = root, name = \"one\" }}\n    \
             #!/bin/sh -e\n    echo one > /var/one\n  SH\n  copy url \"{}/file\" sha256 \"{download}\" to \"/var/file\"\n  \
             script <<-SH {{ offline = true, user = root, name = \"two\" }}\n    #!/bin/sh -e\n    \
             for i in $(seq 2000); do echo MARKER-OF-LAYER-TWO-$i; done > /var/two\n  SH\n}}\n",
            server.url
        );
        let mut project = built::Project::new(&image);
        project.store = built::own_store(&project.path("store"));
        // Another file than the one that other tests build on.
        for base in fs::read_dir(project.store.join("bases")).unwrap().flatten() {
            let (disk, copy) = (base.path().join("disk.qcow2"), base.path().join("copy"));
            if disk.is_file() {
                fs::copy(&disk, &copy).unwrap();
                fs::rename(&copy, &disk).unwrap();
            }
        }
        Self { project, _server: server, download }
    }

    fn build(&self) -> String {
        let _ = fs::remove_dir_all(self.project.path("out"));
        self.project.build(&["--no-test"])
    }

    /// What `cache verify` says, and whether it is content.
    fn verify(&self) -> (Option<i32>, String) {
        said(self.project.imgfile(&["cache", "verify"]))
    }

    fn find(&self, folder: &str, what: &str) -> PathBuf {
        let all =
            files(&self.project.store.join(folder)).into_iter().filter(|path| path.ends_with("disk.qcow2"));
        let mut found = all.filter(|path| position(&fs::read(path).unwrap(), what.as_bytes()).is_some());
        found.next().unwrap_or_else(|| panic!("no file in {folder} holds {what}"))
    }

    fn artifact_holds(&self, what: &str) -> bool {
        let raw = self.project.path("raw");
        let (from, to) = (self.project.path("out/kept.qcow2"), &raw);
        let convert =
            Command::new("qemu-img").args(["convert", "-f", "qcow2", "-O", "raw"]).arg(from).arg(to).status();
        assert!(convert.unwrap().success());
        let found = Command::new("grep").args(["-aqF", what]).arg(&raw).status().unwrap().success();
        fs::remove_file(raw).unwrap();
        found
    }
}

fn position(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// Overwrites a part of a file, whose time of change stays what it was.
fn tamper(path: &Path, what: &str, by: &str) {
    let at = position(&fs::read(path).unwrap(), what.as_bytes()).unwrap();
    let file = fs::File::options().write(true).open(path).unwrap();
    let modified = file.metadata().unwrap().modified().unwrap();
    file.write_all_at(by.as_bytes(), at as u64).unwrap();
    file.set_modified(modified).unwrap();
}

#[test]
fn what_is_kept_and_was_changed_is_found_and_made_anew() {
    let kept = Kept::new();
    kept.build();
    let (code, text) = kept.verify();
    assert!(code == Some(0) && text.contains("0 damaged"), "{code:?} {text}");
    let made_anew = |what: &str, by: &str| {
        let (code, text) = kept.verify();
        assert!(
            code == Some(3) && text.contains(what) && text.contains("not as it was kept"),
            "{code:?} {text}"
        );
        let log = kept.build();
        assert!(log.lines().any(|line| line.contains(by) && line.contains("is not as it was kept")), "{log}");
        let (code, text) = kept.verify();
        assert!(code == Some(0) && text.contains("0 damaged"), "{code:?} {text}");
        log
    };
    tamper(
        &kept.find("layers", "MARKER-OF-LAYER-TWO-777"),
        "MARKER-OF-LAYER-TWO-777",
        "TAMPERED-BY-STRANGER-77",
    );
    let log = made_anew("(script two)", "the layer");
    assert!(log.contains("> script two") && !log.contains("> script one"), "{log}");
    assert!(
        kept.artifact_holds("MARKER-OF-LAYER-TWO-777") && !kept.artifact_holds("TAMPERED-BY-STRANGER-77")
    );

    // What a file was is known by its name: it is fetched anew when a step needs it.
    let blob = kept.project.store.join("blobs/sha256").join(&kept.download[..2]).join(&kept.download);
    tamper(&blob, "downloaded", "DOWNLOADED");
    let (code, text) = said(kept.project.imgfile(&["cache", "prune"]));
    assert_eq!(code, Some(0), "{text}");
    made_anew(&format!("file {}", kept.download), "the file");
    assert!(kept.artifact_holds("what was downloaded"));

    // One that was made here, which is what this image stands on.
    let metas =
        files(&kept.project.store.join("bases")).into_iter().filter(|path| path.ends_with("meta.json"));
    let meta =
        metas.into_iter().find(|path| fs::read_to_string(path).unwrap().contains("root_uuid")).unwrap();
    let base = meta.with_file_name("disk.qcow2");
    tamper(&base, "QFI", "QFJ");
    let log = made_anew("base ", "the base");
    assert!(log.contains("> script one"), "{log}");
}

#[test]
fn what_imgfile_did_not_write_is_not_written_over() {
    let kept = Kept::new();
    kept.build();
    let out = kept.project.path("out/kept.qcow2");
    fs::write(&out, "MINE").unwrap();
    let (code, text) = said(kept.project.imgfile(&["build", "--no-test", "--progress", "plain"]));
    assert!(
        code == Some(1) && text.contains("E0549") && !text.contains("start the machine"),
        "{code:?} {text}"
    );
    assert_eq!(fs::read_to_string(&out).unwrap(), "MINE");
    kept.project.build(&["--no-test", "--force"]);
    assert!(fs::read(&out).unwrap().starts_with(b"QFI"));
    // What a build has made is replaced by the next.
    let image = fs::read_to_string(kept.project.path("ImageFile")).unwrap();
    fs::write(kept.project.path("ImageFile"), image.replace("MARKER-OF-LAYER", "ANOTHER-OF-LAYER")).unwrap();
    kept.project.build(&["--no-test"]);
    // A link of a project's has the name of a report, and another the name of the output folder.
    let victim = kept.project.path("victim");
    fs::write(&victim, "MINE").unwrap();
    let newest = said(kept.project.imgfile(&["builds", "show", "--format", "json"])).1;
    let newest: serde_json::Value = serde_json::from_str(&newest).unwrap();
    let report = kept.project.path(&format!("build-{}.html", newest["id"]));
    symlink(&victim, &report).unwrap();
    let (code, text) = said(kept.project.imgfile(&["builds", "report"]));
    assert!(code == Some(4) && text.contains("it is there already"), "{code:?} {text}");
    let name = report.file_name().unwrap().to_str().unwrap();
    assert_eq!(said(kept.project.imgfile(&["builds", "report", "--output", name])).0, Some(0));
    assert_eq!(fs::read_to_string(&victim).unwrap(), "MINE");
    assert!(report.symlink_metadata().unwrap().is_file());
    assert_eq!(said(kept.project.imgfile(&["builds", "report"])).0, Some(0), "an older report makes way");
    let disks = kept.project.path("disks");
    fs::create_dir(&disks).unwrap();
    fs::write(disks.join("kept.qcow2"), "MINE").unwrap();
    fs::rename(kept.project.path("out"), kept.project.path("moved")).unwrap();
    symlink(&disks, kept.project.path("out")).unwrap();
    let (code, text) = said(kept.project.imgfile(&["image", "rename", "kept", "other"]));
    assert!(code == Some(4) && text.contains("it is not what was built"), "{code:?} {text}");
    let (code, text) = said(kept.project.imgfile(&["image", "rm", "kept"]));
    assert!(code == Some(0) && text.contains("stays"), "{code:?} {text}");
    assert_eq!(fs::read_to_string(disks.join("kept.qcow2")).unwrap(), "MINE");
}

#[test]
fn an_archive_that_holds_more_than_the_disk_is_refused_while_it_is_read() {
    let server = Server::start();
    let mut header = tar::Header::new_gnu();
    header.set_size(6 << 30);
    header.set_mode(0o644);
    header.set_path("zeroes").unwrap();
    header.set_cksum();
    let mut archive = zstd::Encoder::new(Vec::new(), 1).unwrap();
    archive.write_all(header.as_bytes()).unwrap();
    // More of it would be as many zeroes again.
    archive.write_all(&vec![0; 64 << 20]).unwrap();
    let archive = archive.finish().unwrap();
    let sha256 = built::sha256(&archive);
    server.put("/a.tar.zst", Answer::Content(archive));
    let mut project = built::Project::new(&format!(
        "image \"bomb\" {{\n  os linux debian 13\n  copy url \"{}/a.tar.zst\" sha256 \"{sha256}\" to \"/opt\" {{ unpack = true }}\n}}\n",
        server.url
    ));
    project.store = built::own_store(&project.path("store"));
    let (code, text) = said(project.imgfile(&["build", "--no-test", "--progress", "plain"]));
    assert!(code == Some(1) && text.contains("E0550") && text.contains("ImageFile:3"), "{code:?} {text}");
    assert!(!project.path("out").exists());
}

//! An image as its users run it: its console at a terminal, ssh with the host's own client, published ports, changes
//! that are kept; and what two instances of one image have in common.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::common::built::{Project, sha256};
use crate::common::terminal::Talk;

/// A base has cloud-init and an ssh server: nothing more is needed to log in.
const PLAIN: &str = "image \"plain\" {\n  os linux debian 13\n}\n";

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Logs in by the command line, and runs a command there.
fn ssh(project: &Project, command: &[&str]) -> Output {
    let output = project.imgfile(&[&["ssh", "plain", "--"], command].concat());
    assert_ne!(output.status.code(), Some(255), "ssh itself failed: {}", text(&output));
    output
}

/// The folders of running instances in the store.
fn folders(project: &Project) -> Vec<PathBuf> {
    let entries = fs::read_dir(project.store.join("builds")).unwrap().flatten();
    let is_instance = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with("run-");
    // Other tests have instances of their own in the same store.
    let own = |path: &PathBuf| {
        let record = fs::read_to_string(path.join("instance.json")).unwrap_or_default();
        record.contains(project.path("out").to_str().unwrap())
    };
    entries.map(|entry| entry.path()).filter(is_instance).filter(own).collect()
}

fn unused_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// `imgfile run` without a terminal, which is told to end when the test ends.
struct Background {
    child: Child,
    /// What it has said so far.
    said: String,
    stderr: BufReader<std::process::ChildStderr>,
}

impl Background {
    fn start(project: &Project, args: &[&str]) -> Self {
        let mut command = project.command(&[&["run"], args].concat());
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Self { child, said: String::new(), stderr }
    }

    fn until(&mut self, text: &str) {
        while !self.said.contains(text) {
            let len = self.stderr.read_line(&mut self.said).unwrap();
            assert!(len > 0, "`{text}` was never said:\n{}", self.said);
        }
    }

    /// Its exit status, and what it said last.
    fn end(mut self) -> (Option<i32>, String) {
        self.stderr.read_to_string(&mut self.said).unwrap();
        (self.child.wait().unwrap().code(), std::mem::take(&mut self.said))
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn an_image_runs_with_its_console_here_and_is_logged_in_to_by_its_own_key() {
    let project = Project::new(PLAIN);
    project.build(&["--no-test"]);
    let artifact = project.path("out/plain.qcow2");
    let before = sha256(&fs::read(&artifact).unwrap());

    // By BIOS, at a terminal, with changes that are kept.
    let (published, closed) = (unused_port(), TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    let imgfile = env!("CARGO_BIN_EXE_imgfile");
    let command = format!(
        "stty -g >before; {imgfile} run --bios --persist=kept.qcow2 --publish {published}:8000; status=$?; stty -g >after; \
         exit $status"
    );
    let mut talk = Talk::start(&project, &command);
    talk.until("`plain` boots by bios");
    talk.until(&format!("127.0.0.1:{published} leads to its port 8000"));
    talk.until("can be logged in to after");
    // The console is a terminal of the guest.
    talk.type_in("\n");
    talk.until("plain login: ");
    talk.type_in("nobody-at-all\n");
    talk.until("Password: ");

    let who = ssh(&project, &["id -un; hostname; cat /sys/class/dmi/id/product_name; ls /sys/firmware"]);
    let said = text(&who);
    assert!(said.starts_with("debian\nplain\n") && !said.contains("efi"), "{said}");
    assert_eq!(ssh(&project, &["exit 7"]).status.code(), Some(7), "the command's exit status");
    let folder = folders(&project).pop().expect("its files are in the store while it runs");
    for name in ["instance.json", "id_ed25519", "known_hosts"] {
        let mode = fs::metadata(folder.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    // What is published leads to the machine, and nothing of this host is reached from there.
    let serve = "echo it is kept >kept; sudo systemd-run --quiet --working-directory=\"$PWD\" python3 -m http.server 8000";
    assert!(ssh(&project, &[serve]).status.success());
    ssh(&project, &["until bash -c ': 3<>/dev/tcp/127.0.0.1/8000' 2>/dev/null; do :; done"]);
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, published)).unwrap();
    stream.write_all(b"GET /kept HTTP/1.0\r\n\r\n").unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    assert!(page.starts_with("HTTP/1.0 200") && page.ends_with("it is kept\n"), "{page}");
    let port = closed.local_addr().unwrap().port();
    let reach = format!("timeout 20 bash -c ': 3<>/dev/tcp/10.0.2.2/{port}'");
    assert!(!ssh(&project, &[&reach]).status.success(), "the loopback of this host is reached");
    closed.set_nonblocking(true).unwrap();
    assert!(closed.accept().is_err(), "the loopback of this host was reached");

    talk.type_in("\x1d");
    talk.until("shutting down, so that what is kept is whole");
    talk.until("`plain` powered itself off");
    assert_eq!(talk.child.wait().unwrap().code(), Some(0));
    let [earlier, later] = ["before", "after"].map(|name| fs::read_to_string(project.path(name)).unwrap());
    assert_eq!(earlier, later, "the terminal is as it was");
    assert_eq!(folders(&project), Vec::<PathBuf>::new());

    // By UEFI, as lines, from the changes that were kept; ended by a signal.
    let mut run = Background::start(&project, &["plain", "--uefi", "--persist=kept.qcow2"]);
    run.until("can be logged in to after");
    let said = text(&ssh(&project, &["cat kept; ls /sys/firmware"]));
    assert!(said.starts_with("it is kept\n") && said.contains("efi"), "{said}");
    let taken = project.imgfile(&["run", "--publish", &format!("{port}:80")]);
    assert_eq!(taken.status.code(), Some(4));
    assert!(text(&taken).contains("E0632"), "{}", text(&taken));
    kill(Pid::from_raw(i32::try_from(run.child.id()).unwrap()), Signal::SIGTERM).unwrap();
    let (status, said) = run.end();
    assert_eq!(status, Some(130), "{said}");
    assert_eq!(folders(&project), Vec::<PathBuf>::new());
    assert_eq!(sha256(&fs::read(&artifact).unwrap()), before, "the image's file did not change");

    // Nobody is there any more; and what was kept is of use with this very image alone.
    let nobody = project.imgfile(&["ssh", "plain"]);
    assert!(nobody.status.code() == Some(2) && text(&nobody).contains("E0633"), "{}", text(&nobody));
    fs::copy(&artifact, project.path("out/copy.qcow2")).unwrap();
    let other = project.imgfile(&["run", "out/copy.qcow2", "--persist=kept.qcow2"]);
    let part = project.imgfile(&["run", "kept.qcow2"]);
    fs::File::options()
        .append(true)
        .open(&artifact)
        .unwrap()
        .set_modified(std::time::SystemTime::now())
        .unwrap();
    let anew = project.imgfile(&["run", "plain", "--persist=kept.qcow2"]);
    for (output, code, reason) in [
        (other, "E0634", "it belongs to another disk"),
        (part, "E0631", "it is only a part of a disk"),
        (anew, "E0634", "the image was built anew since"),
    ] {
        let said = text(&output);
        assert!(output.status.code() == Some(1) && said.contains(code) && said.contains(reason), "{said}");
    }
}

#[test]
fn what_cannot_be_run_is_told_before_anything_runs() {
    let project = Project::new(PLAIN);
    let refused = |args: &[&str], status: i32, code: &str, reason: &str| {
        let output = project.imgfile(&[&["run"], args].concat());
        let said = text(&output);
        assert!(
            output.status.code() == Some(status) && said.contains(code) && said.contains(reason),
            "{said}"
        );
    };
    refused(&[], 2, "E0630", "build it first: `imgfile build`");
    refused(&["."], 2, "E0630", "is no regular file");
    refused(&["nothing.qcow2"], 2, "E0630", "no image and no disk file `nothing.qcow2`");
    // A disk with nothing on it, one of another kind, one that is cut off, and one that is no disk.
    fs::File::create(project.path("empty.raw")).unwrap().set_len(64 << 20).unwrap();
    refused(&["empty.raw"], 1, "E0631", "no ");
    fs::write(project.path("luks"), [b"LUKS\xba\xbe\x00\x02".as_slice(), &[0; 8192]].concat()).unwrap();
    refused(&["luks"], 1, "E0631", "luks");
    fs::write(project.path("cut.qcow2"), b"QFI\xfb\x00\x00\x00\x03").unwrap();
    refused(&["cut.qcow2"], 1, "E0631", "cut.qcow2");
    assert_eq!(folders(&project), Vec::<PathBuf>::new());
}

/// An image whose instances have much in common, and one unit that fails.
const CLONES: &str = r#"image "clones" {
  os linux debian 13
  cleanup cloud { keep = [machine-id, ssh-host-keys] }
  copy <<-CFG to "/etc/cloud/cloud.cfg.d/90-no-growth.cfg"
    growpart: { mode: "off" }
    resize_rootfs: false
  CFG
  copy <<-UNIT to "/etc/systemd/system/broken.service"
    [Service]
    Type=oneshot
    ExecStart=/bin/sh -c "echo nothing is there; exit 1"

    [Install]
    WantedBy=multi-user.target
  UNIT
  service "broken" enabled { active = false }
  script <<-SH { name = "keys", offline = true, user = root }
    #!/bin/sh -e
    ssh-keygen -q -A
    echo 0123456789abcdef0123456789abcdef >/etc/machine-id
  SH
}
"#;

/// What an independent reader finds in a JUnit file: tests, failures, errors, skipped.
fn junit(path: &PathBuf) -> [u64; 4] {
    let script = "import sys, junitparser\nx = junitparser.JUnitXml.fromfile(sys.argv[1])\n\
                  cases = [case for suite in x for case in suite]\n\
                  kinds = [type(r).__name__ for case in cases for r in case.result]\n\
                  print(len(cases), kinds.count('Failure'), kinds.count('Error'), kinds.count('Skipped'))\n\
                  assert [sum(getattr(s, n) for s in x) for n in ('tests', 'failures', 'errors', 'skipped')] == \
                  [len(cases), kinds.count('Failure'), kinds.count('Error'), kinds.count('Skipped')]";
    let output = Command::new("python3").args(["-c", script]).arg(path).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let numbers = String::from_utf8(output.stdout).unwrap();
    let mut numbers = numbers.split_whitespace().map(|number| number.parse().unwrap());
    [(); 4].map(|()| numbers.next().unwrap())
}

/// Many boots by the image's own boot loader.
mod long {
    use super::*;

    /// The build that is made anew has only a script that another disk comes of, and the next one another unit.
    #[test]
    fn instances_boot_again_only_where_what_they_boot_has_changed() {
        let project = Project::new("");
        let compared = |script: &str| {
            let text = format!(
                "image \"plain\" {{\n  os linux debian 13\n  script <<-SH {{ offline = true, user = root }}\n    #!/bin/sh -e\n    \
                 {script}\n  SH\n}}\n"
            );
            fs::write(project.path("ImageFile"), text).unwrap();
            let output = project.imgfile(&["build", "--test-all=changed", "--progress", "plain"]);
            assert!(output.status.success(), "{}", super::text(&output));
            super::text(&output).contains("done test that instances differ")
        };
        assert!(compared("echo one > /srv/page"));
        assert!(!compared("echo two > /srv/page"));
        let unit = "printf '[Service]\\nExecStart=true\\n' > /etc/systemd/system/mine.service";
        assert!(compared(unit));
        assert!(!compared("echo one > /srv/page; true"), "as on the first disk");
    }

    #[test]
    fn instances_of_a_sound_image_share_nothing_and_those_of_an_unclean_one_are_told() {
        let project = Project::new(PLAIN);
        project.build(&["--no-test"]);
        let sound = project.imgfile(&["test", "--all", "--junit", "sound.xml", "--progress", "plain"]);
        assert!(sound.status.success(), "{}", text(&sound));
        assert_eq!(junit(&project.path("sound.xml")), [1, 0, 0, 0]);

        let unclean = Project::new(CLONES);
        let output =
            unclean.imgfile(&["build", "--test-all", "--junit", "unclean.xml", "--progress", "plain"]);
        let said = text(&output);
        assert_eq!(output.status.code(), Some(3), "{said}");
        for wanted in [
            "E0635",
            "= note: the machine id",
            "= note: the host key /etc/ssh/ssh_host_ed25519_key",
            "E0636",
            "the root file system did not grow with the disk",
            "E0637",
            "`broken.service`",
            "nothing is there",
        ] {
            assert!(said.contains(wanted), "{wanted}: {said}");
        }
        assert!(!said.contains("did not get the key") && !said.contains("the host name is"), "{said}");
        assert_eq!(junit(&unclean.path("unclean.xml")), [1, 1, 0, 0]);
        assert!(!unclean.path("out/clones.qcow2").exists(), "an artifact that failed does not appear");
    }
}

//! A monitor and an agent that say what they are told to, and remember what they were asked.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::UnixListener,
    sync::{Arc, Mutex, mpsc},
};

use super::*;

/// What was asked of both, in order.
type Asked = Arc<Mutex<Vec<String>>>;

/// Answers at a socket: `greeting`, and then to each command what `answer` says, of a list each part on a line of its own. A
/// machine that has shut down hangs up.
fn listen(
    socket: &Path,
    greeting: &str,
    asked: &Asked,
    answer: impl Fn(&Value) -> Option<Value> + Send + 'static,
) {
    let listener = UnixListener::bind(socket).unwrap();
    let (greeting, asked) = (greeting.to_owned(), Arc::clone(asked));
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut writer = stream.try_clone().unwrap();
        writer.write_all(greeting.as_bytes()).unwrap();
        for line in BufReader::new(stream).split(b'\n') {
            let Ok(line) = line else { return };
            let line: Vec<u8> = line.into_iter().filter(|&byte| byte != 0xff).collect();
            let command: Value = serde_json::from_slice(&line).unwrap();
            asked.lock().unwrap().push(command["execute"].as_str().unwrap().to_owned());
            let Some(answer) = answer(&command) else { continue };
            // As the agent parts what it says now from what was said before.
            let mark: &[u8] = if command["execute"] == "guest-sync-delimited" { b"\xff" } else { b"" };
            let lines = match answer {
                Value::Array(lines) => lines,
                line => vec![line],
            };
            for line in &lines {
                if writer.write_all(&[mark, format!("{line}\n").as_bytes()].concat()).is_err() {
                    return;
                }
            }
            if lines.iter().any(|line| line["event"] == "SHUTDOWN") {
                return;
            }
        }
    });
}

const GREETING: &str = "{\"QMP\": {\"version\": {}}}\n";

fn block() -> Value {
    json!([
        { "device": "virtio0", "inserted": { "ro": false, "node-name": "#block1" } },
        { "device": "ide1-cd0" },
        { "device": "", "qdev": "/machine/peripheral/cd", "inserted": { "ro": true, "node-name": "iso" } },
        { "device": "", "qdev": "/machine/peripheral/data", "inserted": { "ro": false, "node-name": "data" } },
    ])
}

/// A monitor whose copies are `status` when it is asked.
fn monitor(
    status: &'static str,
    transaction: &'static str,
) -> impl Fn(&Value) -> Option<Value> + Send + 'static {
    let (begun, jobs) = (Mutex::new(Vec::new()), Mutex::new(false));
    move |command| {
        Some(match command["execute"].as_str().unwrap() {
            "query-name" => json!({ "return": { "name": "shop" } }),
            "query-block" => json!({ "return": block() }),
            "transaction" if !transaction.is_empty() => json!({ "error": { "desc": transaction } }),
            "transaction" => {
                let actions = command["arguments"]["actions"].as_array().unwrap().clone();
                *begun.lock().unwrap() = actions.iter().map(|one| one["data"]["job-id"].clone()).collect();
                json!({ "return": {} })
            }
            "job-cancel" => {
                *jobs.lock().unwrap() = true;
                json!({ "return": {} })
            }
            "query-jobs" => {
                let status = if *jobs.lock().unwrap() { "concluded" } else { status };
                let list = begun
                    .lock()
                    .unwrap()
                    .iter()
                    .map(|id| json!({ "id": id, "status": status }))
                    .collect::<Vec<_>>();
                json!({ "return": list })
            }
            _ => json!({ "return": {} }),
        })
    }
}

fn agent(command: &Value) -> Value {
    let sync = command["execute"] == "guest-sync-delimited";
    json!({ "return": if sync { command["arguments"]["id"].clone() } else { json!(3) } })
}

#[tokio::test]
async fn all_disks_are_copied_at_one_moment_while_the_machine_is_frozen() {
    let dir = tempfile::tempdir().unwrap();
    let (socket, line, asked) = (dir.path().join("qmp"), dir.path().join("agent"), Asked::default());
    listen(&socket, GREETING, &asked, monitor("concluded", ""));
    listen(&line, "{\"left over", &asked, |command| Some(agent(command)));
    let machine = LiveMachine { monitor: &socket, guest_agent: Some(&line), folder: dir.path() };
    let copied = copy(machine).await.unwrap();
    let names: Vec<&str> = copied.disks.iter().map(|disk| disk.name.as_str()).collect();
    assert_eq!(names, ["virtio0", "/machine/peripheral/data"]);
    assert_eq!((copied.machine.as_deref(), copied.frozen), (Some("shop"), Some(3)));
    assert_eq!(copied.skipped, ["/machine/peripheral/cd is left out: the machine only reads it"]);
    let asked = asked.lock().unwrap().join(" ");
    let expected = "qmp_capabilities query-jobs query-name query-block guest-sync-delimited guest-fsfreeze-freeze transaction \
                    guest-fsfreeze-thaw query-jobs job-dismiss job-dismiss";
    assert_eq!(asked, expected);
}

#[tokio::test]
async fn what_a_killed_imgfile_left_in_the_emulator_is_ended_first() {
    let dir = tempfile::tempdir().unwrap();
    let (socket, asked) = (dir.path().join("qmp"), Asked::default());
    let (answer, ended) = (monitor("concluded", ""), Arc::new(Mutex::new(Vec::new())));
    let seen = Arc::clone(&ended);
    // No process has such a number; the others are of somebody who lives, and of somebody else.
    let (orphan, own) = ("imgfile-4294967295-0", format!("imgfile-{}-7", std::process::id()));
    listen(&socket, GREETING, &asked, move |command| {
        let id = command["arguments"]["id"].as_str().unwrap_or_default().to_owned();
        let mut ended = ended.lock().unwrap();
        match command["execute"].as_str().unwrap() {
            "job-cancel" => ended.push(id),
            "query-jobs" if ended.is_empty() => {
                let job = |id: &str| json!({ "id": id, "status": "running" });
                return Some(json!({ "return": [job(orphan), job(&own), job("backup0")] }));
            }
            _ => {}
        }
        answer(command)
    });
    let machine = LiveMachine { monitor: &socket, guest_agent: None, folder: dir.path() };
    copy(machine).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), [orphan]);
}

#[test]
fn who_says_much_and_answers_nothing_is_not_listened_to_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("agent");
    let listener = UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        while stream.write_all(b"{\"return\": 0}\n").is_ok() {}
    });
    let mut lines = lines::Lines::connect(&socket).unwrap();
    let limit = std::time::Duration::from_millis(50);
    let failure = lines.find(limit, None, |line| line["return"] == 1).unwrap_err();
    assert_eq!(failure.kind(), std::io::ErrorKind::TimedOut);
}

#[tokio::test]
async fn a_machine_is_thawed_when_nothing_comes_of_the_copy() {
    let dir = tempfile::tempdir().unwrap();
    let (socket, line, asked) = (dir.path().join("qmp"), dir.path().join("agent"), Asked::default());
    listen(&socket, GREETING, &asked, monitor("concluded", "Permission denied"));
    listen(&line, "", &asked, |command| Some(agent(command)));
    let machine = LiveMachine { monitor: &socket, guest_agent: Some(&line), folder: dir.path() };
    let failure = copy(machine).await.unwrap_err();
    assert_eq!(failure.to_string(), "the disks of the machine cannot be copied: Permission denied");
    let asked = asked.lock().unwrap();
    let thawed = asked.iter().position(|command| command == "guest-fsfreeze-thaw");
    assert!(thawed > asked.iter().position(|command| command == "transaction"), "{asked:?}");
}

#[tokio::test]
async fn a_copy_that_nobody_waits_for_is_cancelled() {
    let dir = tempfile::tempdir().unwrap();
    let (socket, line, asked) = (dir.path().join("qmp"), dir.path().join("agent"), Asked::default());
    let (begun, wait) = mpsc::channel();
    let answer = monitor("running", "");
    let before = Arc::clone(&asked);
    listen(&socket, GREETING, &asked, move |command| {
        let has_begun = || before.lock().unwrap().iter().any(|command| command == "transaction");
        if command["execute"] == "query-jobs" && has_begun() {
            let _ = begun.send(());
        }
        answer(command)
    });
    listen(&line, "", &asked, |command| Some(agent(command)));
    let machine = LiveMachine { monitor: &socket, guest_agent: Some(&line), folder: dir.path() };
    let mut copying = copy(machine);
    // Polled once, it has begun.
    assert!((&mut copying).now_or_never().is_none());
    wait.recv().unwrap();
    drop(copying);
    let asked = asked.lock().unwrap();
    assert!(asked.contains(&"guest-fsfreeze-thaw".to_owned()), "{asked:?}");
    assert_eq!(asked.iter().filter(|command| *command == "job-cancel").count(), 2, "{asked:?}");
    assert_eq!(asked.iter().filter(|command| *command == "job-dismiss").count(), 2, "{asked:?}");
}

#[tokio::test]
async fn who_does_not_answer_as_a_monitor_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("qmp");
    let machine = LiveMachine { monitor: &socket, guest_agent: None, folder: dir.path() };
    let absent = copy(machine).await.unwrap_err().to_string();
    assert!(absent.contains("No such file"), "{absent}");
    listen(&socket, "{\"hello\": 1}\n", &Asked::default(), |_| None);
    let other = copy(machine).await.unwrap_err().to_string();
    assert!(other.ends_with("it does not speak QMP"), "{other}");
}

/// What comes of sysprep in a machine whose agent answers so, whose emulator ends as it says, and what was asked.
async fn generalized(
    reason: &str,
    answer: impl Fn(&str) -> Value + Send + 'static,
) -> (Result<crate::driver::live::Generalized, String>, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let (socket, line, asked) = (dir.path().join("qmp"), dir.path().join("agent"), Asked::default());
    let disk = dir.path().join("disk.qcow2");
    std::fs::write(&disk, "").unwrap();
    let block = json!([{ "device": "virtio0", "inserted": { "ro": false, "image": { "filename": disk } } }]);
    let shutdown =
        json!({ "event": "SHUTDOWN", "data": { "guest": reason == "guest-shutdown", "reason": reason } });
    listen(&socket, GREETING, &asked, move |command| {
        Some(match command["execute"].as_str().unwrap() {
            "query-name" => json!({ "return": { "name": "shop" } }),
            // Not before its end, but nobody reads it earlier.
            "query-block" => json!([{ "return": block }, shutdown]),
            _ => json!({ "return": {} }),
        })
    });
    let written = Arc::new(Mutex::new(0));
    let commands = Arc::clone(&asked);
    listen(&line, "", &asked, move |command| {
        let name = command["execute"].as_str().unwrap();
        if name == "guest-exec" {
            let program = command["arguments"]["path"].as_str().unwrap().to_owned();
            commands.lock().unwrap().push(program);
        }
        Some(match name {
            "guest-sync-delimited" => agent(command),
            "guest-file-write" => {
                let text = command["arguments"]["buf-b64"].as_str().unwrap();
                let count = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, text).unwrap().len();
                *written.lock().unwrap() += count;
                json!({ "return": { "count": count } })
            }
            name => answer(name),
        })
    });
    let answers = "<unattend/>".repeat(10_000);
    let machine = crate::driver::live::Generalize { monitor: &socket, guest_agent: &line, answers: &answers };
    let done = generalize(machine).await.map_err(|error| error.to_string());
    let asked = asked.lock().unwrap().clone();
    (done, asked)
}

/// An agent in this Windows; what it runs ends so.
fn windows(version: &'static str, exitcode: i64) -> impl Fn(&str) -> Value + Send + 'static {
    move |command| {
        let said = "YSBmYXRhbCBlcnJvcg==";
        json!({ "return": match command {
            "guest-get-osinfo" => json!({ "id": "mswindows", "pretty-name": "Windows Server", "kernel-version": version }),
            "guest-file-open" => json!(7),
            "guest-exec" => json!({ "pid": 4 }),
            "guest-exec-status" => json!({ "exited": true, "exitcode": exitcode, "out-data": said }),
            _ => json!({}),
        } })
    }
}

const SYSPREP: &str = r"C:\Windows\System32\Sysprep\sysprep.exe";

#[tokio::test]
async fn windows_is_generalized_and_shuts_down() {
    let (done, asked) = generalized("guest-shutdown", windows("10.0", 0)).await;
    let done = done.unwrap();
    assert_eq!(
        (done.machine.as_deref(), &*done.system, &*done.version),
        (Some("shop"), "Windows Server", "10.0")
    );
    assert_eq!((done.disks.len(), &*done.disks[0].0, done.is_held), (1, "virtio0", false));
    let asked = asked.join(" ");
    assert!(
        asked.contains("guest-file-open guest-file-write guest-file-write guest-file-write guest-file-write"),
        "{asked}"
    );
    assert!(asked.ends_with(&format!("guest-file-close guest-exec {SYSPREP} guest-exec-status")), "{asked}");
}

#[tokio::test]
async fn an_old_windows_is_to_ask_for_its_address_at_each_start() {
    let (done, asked) = generalized("guest-shutdown", windows("6.3", 0)).await;
    assert!(done.is_ok());
    let programs: Vec<&String> = asked.iter().filter(|word| word.contains(".exe")).collect();
    assert_eq!(programs, ["schtasks.exe", SYSPREP]);
}

#[tokio::test]
async fn what_is_not_generalized_says_why() {
    let linux = |command: &str| {
        json!({ "return": match command {
            "guest-get-osinfo" => json!({ "id": "debian", "pretty-name": "Debian GNU/Linux 13" }),
            _ => json!({}),
        } })
    };
    let forbidden = |command: &str| match command {
        "guest-exec" => json!({ "error": { "desc": "Command guest-exec has been disabled" } }),
        command => windows("10.0", 0)(command),
    };
    let told = [
        (
            generalized("", linux).await,
            "its system is no Windows but Debian GNU/Linux 13, which is cleaned without `--sysprep`",
        ),
        (
            generalized("", forbidden).await,
            "its guest agent does not do `guest-exec`: Command guest-exec has been disabled",
        ),
        (
            generalized("", windows("10.0", 5)).await,
            r"sysprep says `a fatal error` (exit status 5); `C:\Windows\System32\Sysprep\Panther\setupact.log` in it says more",
        ),
        (generalized("host-signal", windows("10.0", 0)).await, "somebody else ended it"),
    ];
    for ((done, _), reason) in told {
        assert_eq!(done.unwrap_err(), format!("the machine was not generalized: {reason}"));
    }
}

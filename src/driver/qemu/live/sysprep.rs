//! Windows made a template by its own tool, sysprep, which QEMU's guest agent starts in the machine; it ends with the
//! machine shut down.
//!
//! What the agent takes is in QEMU's "QEMU Guest Agent Protocol Reference"; what sysprep takes is in Microsoft's "Sysprep
//! Command-Line Options".

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use futures_util::FutureExt as _;
use serde_json::{Value, json};

use super::{
    super::super::live::{Generalize, GeneralizeOp, Generalized, LiveError},
    super::{image_lock, worker::on_a_thread},
    agent::{ANSWER, Agent},
    monitor::{Monitor, PoweredOff},
    plain,
};

const FOLDER: &str = r"C:\Windows\System32\Sysprep";
/// From the start of sysprep until the machine is off: it takes minutes, on a slow disk many.
const LIMIT: Duration = Duration::from_hours(1);
/// Between two looks at whether it has ended.
const PAUSE: Duration = Duration::from_millis(500);
/// After an emulator hung up, until its disks are free.
const ENDING: Duration = Duration::from_secs(10);
/// For a command that is soon done.
const SHORT: Duration = Duration::from_mins(1);
/// Bytes of the answer file in one message.
const PIECE: usize = 32 << 10;
/// The first Windows that renews its address by itself when its network card is another one: 10, and Server 2016.
const RENEWS: u32 = 10;

/// Makes a machine a template, and waits until it has shut down.
pub(in crate::driver::qemu) fn generalize(machine: Generalize<'_>) -> GeneralizeOp<'_> {
    let (monitor, agent) = (machine.monitor.to_owned(), machine.guest_agent.to_owned());
    let answers = machine.answers.to_owned();
    on_a_thread(move |stop| at_once(&monitor, &agent, &answers, stop), not_generalized).boxed()
}

fn at_once(
    monitor: &Path,
    socket: &Path,
    answers: &str,
    stop: &AtomicBool,
) -> Result<Generalized, LiveError> {
    let mut monitor = Monitor::connect(monitor, stop)?;
    let name = monitor.execute("query-name", json!({}))?;
    let disks = files(&monitor.execute("query-block", json!({}))?).map_err(not_generalized)?;
    let agent = Agent::connect(socket, stop);
    let agent =
        agent.map_err(|error| not_generalized(format!("its guest agent does not answer: {error}")))?;
    let mut guest = Guest { agent, stop };
    let (system, version) = guest.system().map_err(not_generalized)?;
    let path = format!(r"{FOLDER}\imgfile.xml");
    guest.write(&path, answers.as_bytes()).map_err(not_generalized)?;
    let release = version.split('.').next().and_then(|number| number.parse().ok());
    if release.is_some_and(|release: u32| release < RENEWS) {
        guest.renew_at_start().map_err(not_generalized)?;
    }
    let deadline = Instant::now() + LIMIT;
    guest.sysprep(&path, deadline).map_err(not_generalized)?;
    let is_held = match monitor.until_powered_off(deadline, stop).map_err(not_generalized)? {
        PoweredOff::Ended => {
            until_free(&disks, stop);
            false
        }
        PoweredOff::Stays => true,
    };
    let machine = name["name"].as_str().map(plain);
    Ok(Generalized { machine, system, version, disks, is_held })
}

/// An emulator hangs up before it lets go of its disks. One that somebody else has is told by whoever opens it.
fn until_free(disks: &[(String, PathBuf)], stop: &AtomicBool) {
    let deadline = Instant::now() + ENDING;
    let is_free = |path: &Path| image_lock::against_writers(path).map_or(true, |held| held.is_some());
    while !disks.iter().all(|(_, path)| is_free(path)) {
        if stop.load(Ordering::Relaxed) || Instant::now() > deadline {
            return;
        }
        std::thread::sleep(PAUSE);
    }
}

fn not_generalized(reason: String) -> LiveError {
    LiveError::NotGeneralized { reason }
}

/// The files of the disks that a machine may write to: known before anything is done to it, since nobody says so after.
fn files(answer: &Value) -> Result<Vec<(String, PathBuf)>, String> {
    let mut files = Vec::new();
    for block in answer.as_array().into_iter().flatten() {
        let inserted = &block["inserted"];
        if inserted.is_null() || inserted["ro"] == json!(true) {
            continue;
        }
        let word = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(plain);
        let name = word(&block["device"]).or_else(|| word(&block["qdev"])).unwrap_or_default();
        let file = inserted["image"]["filename"].as_str().or_else(|| inserted["file"].as_str());
        match file.map(PathBuf::from) {
            Some(path) if path.is_absolute() => files.push((name, path)),
            _ => {
                let file = plain(file.unwrap_or_default());
                return Err(format!("its disk {name} is `{file}`, which is no file by its whole path"));
            }
        }
    }
    if files.is_empty() { Err("it has no disk that it writes to".into()) } else { Ok(files) }
}

/// A machine, by its agent.
struct Guest<'a> {
    agent: Agent,
    stop: &'a AtomicBool,
}

impl Guest<'_> {
    fn ask(&mut self, command: &str, arguments: &Value) -> Result<Value, String> {
        let answer = self.agent.ask(command, arguments, ANSWER, self.stop);
        answer.map_err(|reason| format!("its guest agent does not do `{command}`: {reason}"))
    }

    /// What Windows calls itself, and its number; an error for any other system.
    fn system(&mut self) -> Result<(String, String), String> {
        let found = self.ask("guest-get-osinfo", &json!({}))?;
        let word = |name: &str| found[name].as_str().map(plain).unwrap_or_default();
        let title = match (word("pretty-name"), word("name")) {
            (title, name) if title.is_empty() => name,
            (title, _) => title,
        };
        if word("id") != "mswindows" {
            return Err(format!(
                "its system is no Windows but {title}, which is cleaned without `--sysprep`"
            ));
        }
        // Of Windows this is the number of the kernel, of which the system's own says nothing about its age.
        Ok((title, word("kernel-version")))
    }

    fn write(&mut self, path: &str, content: &[u8]) -> Result<(), String> {
        let handle = self.ask("guest-file-open", &json!({ "path": path, "mode": "w" }))?;
        let written = content.chunks(PIECE).try_for_each(|piece| {
            let arguments = json!({ "handle": handle, "buf-b64": BASE64_STANDARD.encode(piece) });
            let answer = self.ask("guest-file-write", &arguments)?;
            if answer["count"].as_u64() == Some(piece.len() as u64) {
                Ok(())
            } else {
                Err(format!("`{path}` cannot be written whole"))
            }
        });
        let closed = self.ask("guest-file-close", &json!({ "handle": handle }));
        written.and(closed.map(|_| ()))
    }

    /// Plans a task that asks for an address at each start: older systems keep that of the machine which they were.
    fn renew_at_start(&mut self) -> Result<(), String> {
        let task = ["/create", "/f", "/sc", "onstart", "/ru", "SYSTEM", "/tn", "renew the address"];
        let process = self.begin("schtasks.exe", &[&task[..], &["/tr", "ipconfig /renew"]].concat())?;
        match self.end_of(process, Instant::now() + SHORT)? {
            Some(ended) if ended["exitcode"] == json!(0) => Ok(()),
            Some(ended) => Err(format!("no task can be planned in it: {}", last_words(&ended))),
            None => Err("its guest agent is gone".into()),
        }
    }

    /// Runs sysprep. It goes on while the machine shuts down, and its agent is gone by then.
    fn sysprep(&mut self, answers: &str, deadline: Instant) -> Result<(), String> {
        let unattend = format!("/unattend:{answers}");
        let arguments = ["/generalize", "/oobe", "/shutdown", "/quiet", &unattend];
        let process = self.begin(&format!(r"{FOLDER}\sysprep.exe"), &arguments)?;
        match self.end_of(process, deadline)? {
            Some(ended) if ended["exitcode"] != json!(0) => Err(format!(
                r"sysprep says {}; `{FOLDER}\Panther\setupact.log` in it says more",
                last_words(&ended)
            )),
            _ => Ok(()),
        }
    }

    fn begin(&mut self, program: &str, arguments: &[&str]) -> Result<u64, String> {
        let arguments = json!({ "path": program, "arg": arguments, "capture-output": true });
        let answer = self.ask("guest-exec", &arguments)?;
        answer["pid"].as_u64().ok_or_else(|| format!("its guest agent does not say that `{program}` runs"))
    }

    /// How a process ended; none where the agent ended first.
    fn end_of(&mut self, process: u64, deadline: Instant) -> Result<Option<Value>, String> {
        loop {
            let answer = self.agent.ask("guest-exec-status", &json!({ "pid": process }), ANSWER, self.stop);
            match answer {
                Ok(state) if state["exited"] == json!(true) => return Ok(Some(state)),
                Ok(_) => {}
                Err(_) if !self.is_given_up() => return Ok(None),
                Err(reason) => return Err(reason),
            }
            if Instant::now() > deadline {
                return Err("it did not end within an hour".into());
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn is_given_up(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// How a process ended, in its own words.
fn last_words(ended: &Value) -> String {
    let text = |stream: &str| {
        let bytes = ended[stream].as_str().and_then(|text| BASE64_STANDARD.decode(text).ok());
        let text = String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned();
        text.lines().map(str::trim).rfind(|line| !line.is_empty()).map(plain)
    };
    let status = match (ended["exitcode"].as_i64(), ended["signal"].as_i64()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "no exit status".to_owned(),
    };
    match text("err-data").or_else(|| text("out-data")) {
        Some(words) => format!("`{words}` ({status})"),
        None => status,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disks_are_known_by_their_whole_paths() {
        let block = |file: &str, ro: bool| json!([{ "device": "virtio0", "inserted": { "ro": ro, "image": { "filename": file } } }]);
        assert_eq!(
            files(&block("/vm/disk.qcow2", false)),
            Ok(vec![("virtio0".into(), "/vm/disk.qcow2".into())])
        );
        let reason = files(&block("disk.qcow2", false)).unwrap_err();
        assert_eq!(reason, "its disk virtio0 is `disk.qcow2`, which is no file by its whole path");
        assert_eq!(files(&block("/vm/cd.iso", true)).unwrap_err(), "it has no disk that it writes to");
    }

    #[test]
    fn the_last_words_of_a_process_are_told_with_its_status() {
        let said = BASE64_STANDARD.encode("one\r\nnot allowed\u{1b}\r\n\r\n");
        let ended = json!({ "exited": true, "exitcode": 5, "err-data": said });
        assert_eq!(last_words(&ended), "`not allowed` (exit status 5)");
        assert_eq!(last_words(&json!({ "exited": true, "signal": 9 })), "signal 9");
    }
}

//! `virsh`, libvirt's own program: how the machines and pools that libvirt has are spoken of, without a library in C.

use std::{
    ffi::OsString,
    io::Read,
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use thiserror::Error;

/// Between two looks at a program that works.
const PAUSE: Duration = Duration::from_millis(10);
/// After all that it started was killed, until its streams have been read.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Bytes of what it prints that are read; a description of a machine has some ten thousand.
const LIMIT: u64 = 16 << 20;

/// Where libvirt is spoken to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Virsh {
    /// A URI as `--connect` takes it; without one the program's own choice.
    pub connection: Option<String>,
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum VirshError {
    /// The program is not there, or cannot be started.
    #[error("`virsh` cannot be started: {0}")]
    Absent(std::io::Error),
    /// It says that it cannot.
    #[error("{0}")]
    Refused(String),
    /// It took too long.
    #[error("`virsh {command}` gave no answer within {} s", limit.as_secs())]
    Silent {
        /// What was asked.
        command: String,
        /// How long was waited.
        limit: Duration,
    },
    /// Nobody waits for it any more.
    #[error("it was given up")]
    Stopped,
}

impl Virsh {
    /// A command with its words, of which each is an argument of its own.
    #[must_use]
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("virsh");
        if let Some(connection) = &self.connection {
            command.args(["--connect", connection]);
        }
        command
            .arg("--quiet")
            .args(words)
            .current_dir("/")
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            // Ctrl-C is for imgfile: what thaws a machine is not to be ended by it.
            .process_group(0);
        command
    }

    /// Runs a command to its end and returns what it prints.
    ///
    /// # Errors
    /// Where it fails, takes longer than `limit`, or `stop` is set.
    pub fn run(
        &self,
        words: &[&str],
        limit: Duration,
        stop: Option<&AtomicBool>,
    ) -> Result<String, VirshError> {
        run(self.command(words), words.first().copied().unwrap_or_default(), limit, stop)
    }
}

/// Runs a program to its end and returns what it prints.
fn run(
    mut command: Command,
    asked: &str,
    limit: Duration,
    stop: Option<&AtomicBool>,
) -> Result<String, VirshError> {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut running = Running::of(child.map_err(VirshError::Absent)?);
    let began = Instant::now();
    let status = loop {
        match running.child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) => {}
            Err(error) => return Err(VirshError::Absent(error)),
        }
        if stop.is_some_and(|stop| stop.load(Ordering::Relaxed)) {
            return Err(VirshError::Stopped);
        }
        if began.elapsed() > limit {
            return Err(VirshError::Silent { command: asked.to_owned(), limit });
        }
        std::thread::sleep(PAUSE);
    };
    // What it started and left may hold its streams: that is not waited for longer than an answer, and is ended then.
    while !running.is_read() {
        if stop.is_some_and(|stop| stop.load(Ordering::Relaxed)) {
            return Err(VirshError::Stopped);
        }
        if began.elapsed() > limit {
            break;
        }
        std::thread::sleep(PAUSE);
    }
    if running.is_read() {
        running.group = None;
    } else {
        running.end();
        let ended = Instant::now();
        while !running.is_read() && ended.elapsed() < LAST_WORDS {
            std::thread::sleep(PAUSE);
        }
    }
    let text = |reading: &Option<Reading>| reading.as_ref().map(Reading::text).unwrap_or_default();
    if status.success() {
        Ok(text(&running.out))
    } else {
        Err(VirshError::Refused(refusal(&text(&running.err))))
    }
}

/// What it says of a failure, without the word that each of its messages begins with.
#[must_use]
pub fn refusal(printed: &str) -> String {
    let lines = printed.lines().map(|line| line.trim().trim_start_matches("error: "));
    let words: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    // The first says what it did not do, the last why.
    let said = words.last().copied().unwrap_or("it failed without a word");
    said.chars().filter(|c| !c.is_control()).take(300).collect()
}

/// The words `--OPTION=VALUE`, which hold whatever the value begins with.
#[must_use]
pub fn option(name: &str, value: &str) -> String {
    format!("--{name}={value}")
}

/// A program that runs, with what reads its streams; dropped, it is killed with all that it started.
struct Running {
    child: Child,
    group: Option<Pid>,
    out: Option<Reading>,
    err: Option<Reading>,
}

impl Running {
    fn of(mut child: Child) -> Self {
        let group = i32::try_from(child.id()).ok().map(Pid::from_raw);
        let (out, err) = (child.stdout.take().map(Reading::of), child.stderr.take().map(Reading::of));
        Self { child, group, out, err }
    }
}

impl Running {
    /// Whether its streams have been read to their ends.
    fn is_read(&self) -> bool {
        [&self.out, &self.err].into_iter().flatten().all(|reading| reading.thread.is_finished())
    }

    /// Kills it, with all that it started.
    fn end(&mut self) {
        if let Some(group) = self.group.take() {
            let _ = killpg(group, Signal::SIGKILL);
            let _ = self.child.wait();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// A stream that is read on a thread of its own.
struct Reading {
    thread: JoinHandle<()>,
    bytes: Arc<Mutex<Vec<u8>>>,
}

impl Reading {
    fn of(stream: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let read = Arc::clone(&bytes);
        let thread = std::thread::spawn(move || {
            let (mut stream, mut piece) = (stream.take(LIMIT), vec![0; 16 << 10]);
            // What cannot be read was not said.
            while let Ok(count) = stream.read(&mut piece)
                && count > 0
            {
                read.lock().unwrap_or_else(PoisonError::into_inner).extend(&piece[..count]);
            }
        });
        Self { thread, bytes }
    }

    /// What has come so far, which is all once the thread has ended.
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

/// Whether a connection leads to libvirt on this very host: only there are the files of its disks, or is a file that it
/// writes.
#[must_use]
pub fn is_of_this_host(connection: &str) -> bool {
    let Some((scheme, rest)) = connection.split_once("://") else { return true };
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    let transport = scheme.split_once('+').map(|(_, transport)| transport);
    host.is_empty() && transport.is_none_or(|transport| transport == "unix")
}

/// The connection that `virsh` would choose, if the environment says one.
#[must_use]
pub fn usual_connection(env: impl Fn(&str) -> Option<OsString>) -> Option<String> {
    let said = ["VIRSH_DEFAULT_CONNECT_URI", "LIBVIRT_DEFAULT_URI"].into_iter().find_map(env);
    said.and_then(|said| said.into_string().ok()).filter(|said| !said.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As it may leave a daemon behind that it started.
    #[test]
    fn what_it_leaves_behind_with_its_streams_is_not_waited_for() {
        for leaves in ["sleep 3000 & echo said", "setsid sleep 5 & echo said"] {
            let mut command = Command::new("sh");
            command.args(["-c", leaves]).process_group(0).stdin(Stdio::null());
            let said = run(command, "list", Duration::from_millis(300), None);
            assert_eq!(said.unwrap(), "said\n", "{leaves}");
        }
    }

    #[test]
    fn what_it_says_last_is_the_reason() {
        let printed =
            "error: failed to get domain 'x'\nerror: Domain not found: no domain with matching name 'x'\n\n";
        assert_eq!(refusal(printed), "Domain not found: no domain with matching name 'x'");
        assert_eq!(refusal("\n"), "it failed without a word");
    }

    #[test]
    fn another_host_has_a_name_or_a_way_to_it() {
        for here in ["qemu:///system", "qemu:///session?socket=/run/x", "qemu+unix:///system"] {
            assert!(is_of_this_host(here), "{here}");
        }
        for there in ["qemu+ssh://root@host/system", "qemu://host/system", "qemu+tls:///system"] {
            assert!(!is_of_this_host(there), "{there}");
        }
    }
}

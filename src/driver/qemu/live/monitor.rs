//! The monitor of a QEMU that somebody else runs: what disks it has, and copies of them that begin at one moment.

use std::{
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{super::super::live::LiveError, BlockDevice, lines::Lines};

const ANSWER: Duration = Duration::from_secs(10);
/// How the names of our jobs begin; the number of the process follows.
const JOB: &str = "imgfile-";
/// Between two looks at how far the copies are.
const PAUSE: Duration = Duration::from_millis(100);
/// How often a job that is to end is looked at: Ctrl-C is to end a command within two seconds.
const TRIES: u32 = 8;

/// After a machine is off, until its emulator has ended.
const ENDING: Duration = Duration::from_secs(10);

/// What became of the emulator of a machine that shut down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PoweredOff {
    /// It ended.
    Ended,
    /// It waits for somebody to start the machine again (`-no-shutdown`).
    Stays,
}

/// A monitor that was connected to. Dropped, it leaves no copy behind that is under way.
#[derive(Debug)]
pub(super) struct Monitor {
    socket: PathBuf,
    lines: Lines,
    /// Copies that were begun.
    jobs: Vec<String>,
}

impl Monitor {
    pub(super) fn connect(socket: &Path, stop: &AtomicBool) -> Result<Self, LiveError> {
        let wrong = |reason: String| LiveError::NoMonitor { socket: socket.to_owned(), reason };
        let lines = Lines::connect(socket).map_err(|error| wrong(error.to_string()))?;
        let mut monitor = Self { socket: socket.to_owned(), lines, jobs: Vec::new() };
        let greeting = monitor.lines.next(ANSWER, Some(stop)).map_err(|error| match error.kind() {
            // It greets one at a time.
            io::ErrorKind::TimedOut => {
                wrong("it does not answer, or somebody else is connected to it".into())
            }
            _ => wrong(error.to_string()),
        })?;
        if greeting["QMP"].is_null() {
            return Err(wrong("it does not speak QMP".into()));
        }
        monitor.execute("qmp_capabilities", json!({}))?;
        Ok(monitor)
    }

    /// Runs a command.
    pub(super) fn execute(&mut self, command: &str, arguments: Value) -> Result<Value, LiveError> {
        let line = format!("{}\n", json!({ "execute": command, "arguments": arguments }));
        let gone = |error: io::Error| LiveError::NoMonitor {
            socket: self.socket.clone(),
            reason: error.to_string(),
        };
        self.lines.write(line.as_bytes()).map_err(gone)?;
        // Not ended by Ctrl-C: an answer is there at once, and clearing up goes this way, too.
        let is_answer = |line: &Value| line.get("error").or_else(|| line.get("return")).is_some();
        let mut answer = self.lines.find(ANSWER, None, is_answer).map_err(gone)?;
        match answer.get("error") {
            Some(error) => {
                let reason = error["desc"].as_str().unwrap_or("no reason given");
                Err(LiveError::NotCopied { reason: super::plain(reason) })
            }
            None => Ok(answer["return"].take()),
        }
    }

    /// Ends copies that an imgfile began which was killed: the emulator goes on with them, for nobody, and lends their disks
    /// to no other.
    pub(super) fn end_orphans(&mut self) -> Result<(), LiveError> {
        let answer = self.execute("query-jobs", json!({}))?;
        let ids = answer.as_array().into_iter().flatten().filter_map(|job| job["id"].as_str());
        self.jobs = ids.filter(|id| is_orphan(id)).map(str::to_owned).collect();
        if self.jobs.is_empty() { Ok(()) } else { self.cancel() }
    }

    /// Waits until the machine has shut itself down.
    pub(super) fn until_powered_off(
        &mut self,
        deadline: Instant,
        stop: &AtomicBool,
    ) -> Result<PoweredOff, String> {
        let limit = deadline.saturating_duration_since(Instant::now());
        let shutdown = self.lines.find(limit, Some(stop), |line| line["event"] == "SHUTDOWN");
        let shutdown = shutdown.map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => "it has not shut down within an hour".to_owned(),
            io::ErrorKind::UnexpectedEof => "its emulator ended before it had shut down".to_owned(),
            _ => error.to_string(),
        })?;
        if shutdown["data"]["guest"] != json!(true) {
            return Err("somebody else ended it".to_owned());
        }
        match self.lines.find(ENDING, Some(stop), |_| false) {
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Ok(PoweredOff::Stays),
            Err(error) if stop.load(Ordering::Relaxed) => Err(error.to_string()),
            _ => Ok(PoweredOff::Ended),
        }
    }

    /// Begins to copy all disks as they are at one moment.
    pub(super) fn begin_copies(&mut self, disks: &[BlockDevice]) -> Result<(), LiveError> {
        let named: Vec<(String, &BlockDevice)> = disks
            .iter()
            .enumerate()
            .map(|(number, disk)| (format!("{JOB}{}-{number}", std::process::id()), disk))
            .collect();
        let action = |(job, disk): &(String, &BlockDevice)| {
            let data = json!({
                "job-id": job,
                "device": disk.device,
                "target": disk.copy,
                "format": "qcow2",
                "sync": "full",
                "mode": "absolute-paths",
                "auto-dismiss": false,
            });
            json!({ "type": "drive-backup", "data": data })
        };
        let actions: Vec<Value> = named.iter().map(action).collect();
        // Known before it is asked for, so that a copy whose answer got lost ends as well.
        self.jobs = named.into_iter().map(|(job, _)| job).collect();
        let properties = json!({ "completion-mode": "grouped" });
        self.execute("transaction", json!({ "actions": actions, "properties": properties }))?;
        Ok(())
    }

    /// Waits until the copies are whole.
    pub(super) fn finish_copies(&mut self, stop: &AtomicBool) -> Result<(), LiveError> {
        loop {
            let jobs = self.states()?;
            if let Some(reason) = jobs.iter().find_map(|job| job.error.clone()) {
                return Err(LiveError::NotCopied { reason });
            }
            if jobs.iter().all(|job| job.is_over) {
                break;
            }
            if stop.load(Ordering::Relaxed) {
                return Err(LiveError::NotCopied { reason: "the copy was given up".into() });
            }
            std::thread::sleep(PAUSE);
        }
        for job in std::mem::take(&mut self.jobs) {
            self.execute("job-dismiss", json!({ "id": job }))?;
        }
        Ok(())
    }

    /// How far our copies are.
    fn states(&mut self) -> Result<Vec<JobState>, LiveError> {
        let answer = self.execute("query-jobs", json!({}))?;
        let ours = |job: &&Value| job["id"].as_str().is_some_and(|id| self.jobs.iter().any(|own| own == id));
        let state = |job: &Value| JobState {
            is_over: job["status"] == "concluded",
            error: job["error"].as_str().map(super::plain),
        };
        Ok(answer.as_array().into_iter().flatten().filter(ours).map(state).collect())
    }

    fn cancel(&mut self) -> Result<(), LiveError> {
        for job in self.jobs.clone() {
            // One that is over, or never began, cannot be.
            let _ = self.execute("job-cancel", json!({ "id": job }));
        }
        for _ in 0..TRIES {
            if self.states()?.iter().all(|job| job.is_over) {
                break;
            }
            std::thread::sleep(PAUSE);
        }
        for job in std::mem::take(&mut self.jobs) {
            let _ = self.execute("job-dismiss", json!({ "id": job }));
        }
        Ok(())
    }
}

/// Whether a job is a copy of ours, begun by a process that is no more.
fn is_orphan(job: &str) -> bool {
    let process = job.strip_prefix(JOB).and_then(|rest| rest.split_once('-')).map(|(process, _)| process);
    process
        .and_then(|process| process.parse::<u32>().ok())
        .is_some_and(|process| !Path::new(&format!("/proc/{process}")).exists())
}

/// How far a copy is.
struct JobState {
    is_over: bool,
    error: Option<String>,
}

impl Drop for Monitor {
    fn drop(&mut self) {
        if !self.jobs.is_empty() {
            // If the emulator does not answer it is gone, and the copies with it.
            let _ = self.cancel();
        }
    }
}

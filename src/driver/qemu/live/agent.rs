//! QEMU's guest agent: what it is asked, and file systems that are frozen and thawed again whatever happens.

use std::{
    io,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
    time::Duration,
};

use serde_json::{Value, json};

use super::{super::super::live::LiveError, lines::Lines};

/// For an answer. To freeze takes as long as it takes to write what is in memory.
pub(super) const ANSWER: Duration = Duration::from_secs(10);
const FREEZE: Duration = Duration::from_mins(1);
/// Ctrl-C is to end a command within two seconds.
const THAW: Duration = Duration::from_secs(1);

/// An agent that answers.
#[derive(Debug)]
pub(super) struct Agent {
    lines: Lines,
}

impl Agent {
    pub(super) fn connect(socket: &Path, stop: &AtomicBool) -> io::Result<Self> {
        let mut agent = Self { lines: Lines::connect(socket)? };
        agent.synchronise(stop)?;
        Ok(agent)
    }

    /// What was half said before is forgotten on both sides, and an answer is known to be one to us.
    fn synchronise(&mut self, stop: &AtomicBool) -> io::Result<()> {
        let id = std::process::id();
        self.lines.write(b"\xff")?;
        self.lines.write(&line("guest-sync-delimited", &json!({ "id": id })))?;
        self.lines.find(ANSWER, Some(stop), |line| line["return"] == json!(id)).map(|_| ())
    }

    /// Runs a command; its own words where it refuses.
    pub(super) fn ask(
        &mut self,
        command: &str,
        arguments: &Value,
        limit: Duration,
        stop: &AtomicBool,
    ) -> Result<Value, String> {
        self.lines.write(&line(command, arguments)).map_err(|error| error.to_string())?;
        let mut answer = self.lines.next(limit, Some(stop)).map_err(|error| error.to_string())?;
        match answer["error"]["desc"].as_str() {
            Some(reason) => Err(super::plain(reason)),
            None => Ok(answer["return"].take()),
        }
    }
}

/// A machine whose file systems are frozen until this is dropped.
#[derive(Debug)]
pub(super) struct Frozen {
    agent: Agent,
    count: u64,
}

impl Frozen {
    /// Freezes all file systems.
    pub(super) fn freeze(socket: &Path, stop: &AtomicBool) -> Result<Self, LiveError> {
        let wrong = |reason: String| LiveError::NotFrozen { socket: PathBuf::from(socket), reason };
        let agent = Agent::connect(socket, stop).map_err(|error| wrong(error.to_string()))?;
        // From here on it is thawed: an answer that comes too late has frozen it all the same.
        let mut frozen = Self { agent, count: 0 };
        let answer = frozen.agent.ask("guest-fsfreeze-freeze", &json!({}), FREEZE, stop);
        frozen.count = answer.map_err(wrong)?.as_u64().unwrap_or(0);
        Ok(frozen)
    }

    /// How many file systems are frozen.
    pub(super) fn count(&self) -> u64 {
        self.count
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        // Sent even if nobody answers: an agent that is slow does it later.
        let lines = &mut self.agent.lines;
        if lines.write(&line("guest-fsfreeze-thaw", &json!({}))).is_ok() {
            let _ = lines.next(THAW, None);
        }
    }
}

fn line(command: &str, arguments: &Value) -> Vec<u8> {
    format!("{}\n", json!({ "execute": command, "arguments": arguments })).into_bytes()
}

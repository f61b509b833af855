//! A small client of QEMU's machine protocol: one command at a time, and the few
//! events that matter.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// How often a machine is told to go on, and the time between: two seconds together, where milliseconds do.
const TRIES: u32 = 1000;
const PAUSE: Duration = Duration::from_millis(2);

/// What QEMU said of its machine so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Observed {
    /// The reason of a SHUTDOWN event, such as `guest-shutdown` or `guest-reset`.
    pub(super) shutdown: Option<String>,
    /// A disk write failed for want of space on the host; the machine stands still.
    pub(super) disk_full: bool,
    /// A disk access failed otherwise.
    pub(super) disk_error: Option<String>,
    /// How far its memory has come on its way into a file or out of one, in QEMU's words.
    pub(super) migration: Option<String>,
    /// The guest has closed its end of the line to the agent.
    pub(super) agent_gone: bool,
    /// The connection is closed: QEMU is gone.
    pub(super) closed: bool,
}

impl Observed {
    /// Whether nothing more is to be expected of the machine.
    pub(super) const fn is_end(&self) -> bool {
        self.shutdown.is_some() || self.disk_full || self.disk_error.is_some() || self.closed
    }
}

#[derive(Debug)]
pub(super) struct Qmp {
    writer: OwnedWriteHalf,
    answers: mpsc::Receiver<Result<(), String>>,
    observed: watch::Receiver<Observed>,
    reader: JoinHandle<()>,
}

impl Qmp {
    /// Agrees on the capabilities and listens.
    pub(super) async fn connect(stream: UnixStream) -> std::io::Result<Self> {
        let (half, mut writer) = stream.into_split();
        let (answer, answers) = mpsc::channel(4);
        let (observe, observed) = watch::channel(Observed::default());
        let reader = tokio::spawn(async move {
            let mut lines = BufReader::new(half).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let Ok(message) = serde_json::from_str::<Value>(&line) else { continue };
                tracing::trace!(%message, "from QEMU");
                if let Some(event) = message["event"].as_str() {
                    observe.send_modify(|observed| note(observed, event, &message["data"]));
                } else if let Some(error) = message.get("error") {
                    let _ =
                        answer.try_send(Err(error["desc"].as_str().unwrap_or("no reason given").to_owned()));
                } else if message.get("return").is_some() {
                    let _ = answer.try_send(Ok(()));
                }
            }
            observe.send_modify(|observed| observed.closed = true);
        });
        writer.write_all(b"{\"execute\":\"qmp_capabilities\"}\n").await?;
        let mut qmp = Self { writer, answers, observed, reader };
        // The answer to the agreement; nothing if QEMU has ended already, which the events tell.
        let _ = qmp.answers.recv().await;
        Ok(qmp)
    }

    /// Runs a command; the error is QEMU's own words.
    pub(super) async fn execute(&mut self, command: &str, arguments: Value) -> Result<(), String> {
        let line = format!("{}\n", json!({ "execute": command, "arguments": arguments }));
        let gone = || "QEMU has ended".to_owned();
        tracing::trace!(line = line.trim_end(), "to QEMU");
        self.writer.write_all(line.as_bytes()).await.map_err(|_| gone())?;
        self.answers.recv().await.ok_or_else(gone)?
    }

    /// Lets a machine go on whose memory was written. QEMU tells that it was a moment before it is ready for
    /// this, and refuses until then.
    pub(super) async fn go_on(&mut self) -> Result<(), String> {
        let mut tries = 1;
        loop {
            match self.execute("cont", json!({})).await {
                Err(_) if tries < TRIES && !self.observed.borrow().closed => tries += 1,
                answer => return answer,
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    pub(super) fn observed(&self) -> watch::Receiver<Observed> {
        self.observed.clone()
    }
}

impl Drop for Qmp {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

fn note(observed: &mut Observed, event: &str, data: &Value) {
    match event {
        "SHUTDOWN" => observed.shutdown = Some(data["reason"].as_str().unwrap_or("unknown").to_owned()),
        "BLOCK_IO_ERROR" if data["nospace"] == json!(true) => observed.disk_full = true,
        // With `report` the guest hears of it and copes or fails; only a stop ends the machine.
        "BLOCK_IO_ERROR" if data["action"] == json!("stop") => {
            observed.disk_error = Some(data["reason"].as_str().unwrap_or("unknown").to_owned());
        }
        "VSERPORT_CHANGE" => observed.agent_gone = data["open"] == json!(false),
        "MIGRATION" => observed.migration = data["status"].as_str().map(str::to_owned),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A QEMU that gives these answers, and how often it was told to go on.
    async fn told(answers: &[&str]) -> (Result<(), String>, usize) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let answers: Vec<String> = answers.iter().map(|answer| format!("{answer}\n")).collect();
        let qemu = tokio::spawn(async move {
            let (half, mut writer) = theirs.into_split();
            let mut lines = BufReader::new(half).lines();
            let mut told = 0;
            let mut answers = answers.iter();
            while let Ok(Some(line)) = lines.next_line().await {
                let capabilities = line.contains("qmp_capabilities");
                told += usize::from(!capabilities);
                let answer =
                    if capabilities { Some("{\"return\": {}}\n") } else { answers.next().map(|a| &**a) };
                let Some(answer) = answer else { break };
                writer.write_all(answer.as_bytes()).await.unwrap();
            }
            told
        });
        let mut qmp = Qmp::connect(ours).await.unwrap();
        let answer = qmp.go_on().await;
        drop(qmp);
        (answer, qemu.await.unwrap())
    }

    #[tokio::test]
    async fn a_machine_that_is_not_ready_to_go_on_is_told_again() {
        let (not_yet, ready) = (r#"{"error": {"desc": "not finalized yet"}}"#, r#"{"return": {}}"#);
        assert_eq!(told(&[ready]).await, (Ok(()), 1));
        assert_eq!(told(&[not_yet, not_yet, ready]).await, (Ok(()), 3));
        assert!(told(&[not_yet]).await.0.is_err(), "it has ended");
    }

    #[test]
    fn the_events_that_end_a_machine() {
        let seen = |event: &str, data: Value| {
            let mut observed = Observed::default();
            note(&mut observed, event, &data);
            observed
        };
        assert_eq!(
            seen("SHUTDOWN", json!({"reason": "guest-reset"})).shutdown.as_deref(),
            Some("guest-reset")
        );
        assert!(seen("BLOCK_IO_ERROR", json!({"nospace": true, "action": "stop"})).disk_full);
        assert!(!seen("BLOCK_IO_ERROR", json!({"nospace": false, "action": "report"})).is_end());
        assert!(!seen("RTC_CHANGE", json!({})).is_end());
        assert!(seen("VSERPORT_CHANGE", json!({"id": "agent", "open": false})).agent_gone);
        assert!(!seen("VSERPORT_CHANGE", json!({"id": "agent", "open": true})).agent_gone);
    }
}

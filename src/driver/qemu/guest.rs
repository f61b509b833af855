//! A started QEMU process with an agent in it: every request becomes an answer or a [`DriverError`] that
//! says what the machine was to do, how it ended, and what its console shows.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::error::Elapsed;

use imgfile_agent::protocol::message::{AgentStage, Answer, Entry, Reply, Request};

use super::super::{DriverError, End};
use super::channel::{Channel, ChannelError, Chunk, Collected, Patience, Upload, unasked};
use super::console::{self, PANIC, last, tail};
use super::qmp::{Observed, Qmp};
use crate::cell::Process;

/// No such file, or a part of its path is no folder.
const ABSENT: [i32; 2] = [nix::libc::ENOENT, nix::libc::ENOTDIR];

/// How long after the end of an agent the next one, or the end of the machine, is waited for: a system that is told
/// to restart stops its services first.
const SUCCESSION: Duration = Duration::from_secs(20);

/// The picture of a screen, in the folder of its machine, and how long QEMU may take for it.
const SCREEN: &str = "screen.png";
const SCREEN_PATIENCE: Duration = Duration::from_secs(10);

/// What the agent gets beyond a command's own time limit, to kill and report.
const GRACE: Duration = Duration::from_secs(90);

#[derive(Debug)]
pub(super) struct Guest {
    channel: Channel,
    qmp: Qmp,
    process: Process,
    files: Files,
    _console: console::Watch,
    /// What earlier processes of this machine left on its console, in bytes.
    printed_before: u64,
    limit: Duration,
    /// The kernel's error number of the last refusal.
    errno: i32,
    /// Modules that were sent to the running kernel.
    pub(super) loaded: HashSet<String>,
}

/// Where a QEMU process writes.
#[derive(Debug, Clone)]
pub(super) struct Files {
    pub(super) console: PathBuf,
    pub(super) stderr: PathBuf,
}

impl Guest {
    pub(super) fn new(channel: Channel, qmp: Qmp, process: Process, files: Files, limit: Duration) -> Self {
        Self {
            channel,
            qmp,
            process,
            _console: console::Watch::over(files.console.clone()),
            printed_before: std::fs::metadata(&files.console).map_or(0, |found| found.len()),
            files,
            limit,
            errno: 0,
            loaded: HashSet::new(),
        }
    }

    /// Waits until the guest's network leads to the world outside.
    pub(super) async fn connected(&mut self) -> Result<(), DriverError> {
        let doing = "connect the machine with the network";
        let connected = self.process.connected().await;
        connected.map_err(|source| DriverError::Host { doing: doing.to_owned(), source })
    }

    /// Runs one conversation, which ends at once when the machine does.
    async fn converse(
        &mut self,
        doing: &str,
        request: Request,
        upload: Option<Upload>,
        patience: Patience,
        take: &mut (dyn FnMut(Reply) -> Result<(), ChannelError> + Send),
    ) -> Result<Answer, DriverError> {
        tracing::trace!(doing, "asked of the agent");
        let mut observed = self.qmp.observed();
        let mut channel_observed = self.qmp.observed();
        let result = tokio::select! {
            biased;
            result = self.channel.converse(request, upload, patience, take) => result,
            _ = observed.wait_for(Observed::is_end) => Err(ChannelError::Closed),
            () = abandoned(&mut channel_observed) => Err(ChannelError::Replaced(None)),
        };
        match result {
            Ok(answer) => Ok(answer),
            Err(error) => Err(self.fault(doing, error).await),
        }
    }

    pub(super) async fn ask(&mut self, doing: &str, request: Request) -> Result<Answer, DriverError> {
        self.converse(doing, request, None, Patience::Idle(self.limit), &mut unasked).await
    }

    pub(super) async fn upload(
        &mut self,
        doing: &str,
        request: Request,
        upload: Upload,
    ) -> Result<Answer, DriverError> {
        self.converse(doing, request, Some(upload), Patience::Idle(self.limit), &mut unasked).await
    }

    /// A request with all its content at hand.
    pub(super) async fn send(
        &mut self,
        doing: &str,
        request: Request,
        content: Vec<u8>,
    ) -> Result<Answer, DriverError> {
        self.upload(doing, request, at_hand(content)).await
    }

    /// Answers that come with data, at most `most` bytes.
    pub(super) async fn download(
        &mut self,
        doing: &str,
        request: Request,
        most: u64,
    ) -> Result<Vec<u8>, DriverError> {
        self.collect(doing, request, most).await.map(|(_, content)| content)
    }

    /// The same, with the answer.
    pub(super) async fn collect(
        &mut self,
        doing: &str,
        request: Request,
        most: u64,
    ) -> Result<(Answer, Vec<u8>), DriverError> {
        let mut collected = Collected::new(most);
        let patience = Patience::Idle(self.limit);
        let answer =
            self.converse(doing, request, None, patience, &mut |reply| collected.take(reply)).await?;
        Ok((answer, collected.content))
    }

    /// A command that is cancelled after `limit`.
    pub(super) async fn run(
        &mut self,
        doing: &str,
        request: Request,
        script: Option<Vec<u8>>,
        limit: Duration,
        sink: &mut (dyn FnMut(bool, Vec<u8>) + Send),
    ) -> Result<Answer, DriverError> {
        self.converse(
            doing,
            request,
            script.map(at_hand),
            Patience::Command { limit, grace: GRACE },
            &mut |reply| {
                let Reply::Output { error, bytes } = reply else { return unasked(reply) };
                sink(error, bytes.0);
                Ok(())
            },
        )
        .await
    }

    /// A command on a terminal, until it ends.
    pub(super) async fn terminal(
        &mut self,
        doing: &str,
        request: Request,
        input: Upload,
        sink: &mut (dyn FnMut(bool, Vec<u8>) + Send),
    ) -> Result<Answer, DriverError> {
        self.converse(doing, request, Some(input), Patience::Endless, &mut |reply| {
            let Reply::Output { error, bytes } = reply else { return unasked(reply) };
            sink(error, bytes.0);
            Ok(())
        })
        .await
    }

    /// A file of the image, or nothing if it is not there.
    pub(super) async fn get(&mut self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, DriverError> {
        self.get_with(path, limit, false).await
    }

    /// The start of a file of the image.
    pub(super) async fn peek(&mut self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, DriverError> {
        self.get_with(path, limit, true).await
    }

    async fn get_with(
        &mut self,
        path: &str,
        limit: u64,
        truncate: bool,
    ) -> Result<Option<Vec<u8>>, DriverError> {
        let request = Request::Get { path: path.to_owned(), limit, truncate };
        let result = self.download(&format!("read {path}"), request, limit).await;
        self.absent(result)
    }

    /// A folder of the image; empty if it is not there.
    pub(super) async fn list(&mut self, path: &str) -> Result<Vec<Entry>, DriverError> {
        let answer = self.ask(&format!("list {path}"), Request::List { path: path.to_owned() }).await;
        match self.absent(answer)? {
            None => Ok(Vec::new()),
            Some(Answer::Entries { entries }) => Ok(entries),
            Some(_) => Err(unexpected_answer()),
        }
    }

    /// A refusal because there is no such file is no fault here.
    fn absent<T>(&self, result: Result<T, DriverError>) -> Result<Option<T>, DriverError> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(DriverError::Refused { .. }) if ABSENT.contains(&self.errno) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Waits for the next agent after a hand-over.
    pub(super) async fn hello(
        &mut self,
        doing: &str,
        epoch: u32,
        limit: Duration,
    ) -> Result<AgentStage, DriverError> {
        let mut observed = self.qmp.observed();
        let result = tokio::select! {
            biased;
            result = self.channel.hello(epoch, limit) => result,
            _ = observed.wait_for(Observed::is_end) => Err(ChannelError::Closed),
        };
        match result {
            Ok(place) => Ok(place),
            Err(error) => Err(self.fault(doing, error).await),
        }
    }

    /// A machine of `launch` whose agent has said hello. An emulated processor can lose the timer that was to wake
    /// it: seen once in thousands of starts, on a busy host with two of them. The guest's kernel says so after 21 s,
    /// and never goes on. Nothing has happened to its disks by then, so another is started in its place, once.
    pub(super) async fn that_comes_up<'a>(
        launch: impl Fn() -> BoxFuture<'a, Result<Self, DriverError>>,
        epoch: u32,
        limit: Duration,
    ) -> Result<Self, DriverError> {
        let mut guest = launch().await?;
        let stuck = guest.stuck();
        let is_up = tokio::select! {
            biased;
            hello = guest.hello("start", epoch, limit) => hello.map(|_| true),
            () = stuck => Ok(false),
        };
        if !is_up? {
            guest.kill().await?;
            guest = launch().await?;
            guest.hello("start", epoch, limit).await?;
        }
        Ok(guest)
    }

    /// Ends when the guest's kernel says that it is stuck.
    pub(super) fn stuck(&self) -> impl Future<Output = ()> + use<> {
        let (console, printed) = (self.files.console.clone(), self.printed_before);
        async move { console::is_stuck(&console, printed).await }
    }

    /// Ends the process now, whatever it is at, and waits until its disks are free.
    pub(super) async fn kill(mut self) -> Result<(), DriverError> {
        self.process.kill();
        let ended = self.process.wait().await;
        ended.map(|_| ()).map_err(|source| DriverError::Host { doing: "end a machine".to_owned(), source })
    }

    /// Has QEMU write its memory to a file, or read it from one, and waits until it has.
    pub(super) async fn migrate(
        &mut self,
        doing: &str,
        command: &str,
        file: &Path,
    ) -> Result<(), DriverError> {
        // Without the first nobody tells when it is done; without the second it is held to 128 MiB a second.
        let events = json!({ "capabilities": [{ "capability": "events", "state": true }] });
        self.execute(doing, "migrate-set-capabilities", events).await?;
        self.execute(doing, "migrate-set-parameters", json!({ "max-bandwidth": 1_u64 << 40 })).await?;
        let mut observed = self.qmp.observed();
        self.execute(doing, command, json!({ "uri": format!("file:{}", file.display()) })).await?;
        let ended = |seen: &super::qmp::Observed| {
            matches!(seen.migration.as_deref(), Some("completed" | "failed")) || seen.is_end()
        };
        let limit = self.limit;
        let over = tokio::time::timeout(limit, observed.wait_for(ended)).await.map(|_| ());
        if over.is_err() {
            return Err(self.fault(doing, ChannelError::Silent(limit)).await);
        }
        let seen = self.qmp.observed().borrow().clone();
        match seen.migration.as_deref() {
            _ if seen.is_end() => Err(self.fault(doing, ChannelError::Closed).await),
            Some("completed") => Ok(()),
            _ => {
                Err(DriverError::Host { doing: doing.to_owned(), source: std::io::Error::other("it failed") })
            }
        }
    }

    /// Lets the machine go on after its memory was written.
    pub(super) async fn go_on(&mut self, doing: &str) -> Result<(), DriverError> {
        let answer = tokio::time::timeout(self.limit, self.qmp.go_on()).await;
        self.executed(doing, answer).await
    }

    /// Takes up with the agent of a machine whose memory has come out of a file.
    pub(super) const fn take_up(&mut self, epoch: u32) {
        self.channel.take_up(epoch);
    }

    /// A command to QEMU itself.
    pub(super) async fn execute(
        &mut self,
        doing: &str,
        command: &str,
        arguments: Value,
    ) -> Result<(), DriverError> {
        let answer = tokio::time::timeout(self.limit, self.qmp.execute(command, arguments)).await;
        self.executed(doing, answer).await
    }

    async fn executed(
        &mut self,
        doing: &str,
        answer: Result<Result<(), String>, Elapsed>,
    ) -> Result<(), DriverError> {
        match answer {
            Ok(Ok(())) => Ok(()),
            Ok(Err(reason)) => {
                Err(DriverError::Host { doing: doing.to_owned(), source: std::io::Error::other(reason) })
            }
            Err(_) => Err(self.fault(doing, ChannelError::Silent(self.limit)).await),
        }
    }

    /// The fault with a picture of the screen, if it is that the machine hangs. One that cannot be taken is not missed:
    /// there is the console.
    pub(super) async fn pictured(&mut self, fault: DriverError) -> DriverError {
        let DriverError::Hang { doing, after, console, screen: None } = fault else { return fault };
        let path = self.files.console.with_file_name(SCREEN);
        let arguments = json!({ "filename": path, "format": "png" });
        let taken = tokio::time::timeout(SCREEN_PATIENCE, self.qmp.execute("screendump", arguments)).await;
        let screen = matches!(taken, Ok(Ok(()))).then_some(path);
        DriverError::Hang { doing, after, console, screen }
    }

    pub(super) const fn next_epoch(&self) -> u32 {
        self.channel.next_epoch()
    }

    /// Hands the machine over: the next agent answers in `epoch`, unless this one refuses.
    pub(super) async fn hand_over(
        &mut self,
        doing: &str,
        request: Request,
        epoch: u32,
        limit: Duration,
    ) -> Result<AgentStage, DriverError> {
        let mut observed = self.qmp.observed();
        let result = tokio::select! {
            biased;
            result = self.channel.hand_over(request, epoch, limit) => result,
            _ = observed.wait_for(Observed::is_end) => Err(ChannelError::Closed),
        };
        match result {
            Ok(place) => Ok(place),
            Err(error) => Err(self.fault(doing, error).await),
        }
    }

    /// Asks for what makes the guest power itself off, and waits for the end of the process. An answer
    /// is only the beginning of that.
    pub(super) async fn ends_by(mut self, doing: &str, request: Request) -> Result<(), DriverError> {
        let mut observed = self.qmp.observed();
        let limit = self.limit;
        let asked = tokio::select! {
            biased;
            _ = observed.wait_for(Observed::is_end) => Ok(()),
            answer = self.channel.ask(request, limit) => match answer {
                Err(error @ ChannelError::Refused { .. }) => Err(error),
                // Its channel may close before the machine does.
                _ => Ok(()),
            },
        };
        let result = match asked {
            Ok(()) => {
                let ended = observed.wait_for(Observed::is_end);
                tokio::time::timeout(limit, ended).await.map(|_| ()).map_err(|_| ChannelError::Silent(limit))
            }
            refused => refused,
        };
        let how = self.qmp.observed().borrow().clone();
        match result {
            _ if how.shutdown.as_deref() == Some("guest-shutdown") => self.wait_for_end(doing).await,
            Ok(()) => Err(self.fault(doing, ChannelError::Closed).await),
            Err(error) => Err(self.fault(doing, error).await),
        }
    }

    /// Unmounts, powers off, and waits for the end of the process.
    pub(super) async fn power_off(self) -> Result<(), DriverError> {
        self.ends_by("power off", Request::PowerOff).await
    }

    /// QEMU writes the last of its disks before it goes.
    async fn wait_for_end(&mut self, doing: &str) -> Result<(), DriverError> {
        let mut observed = self.qmp.observed();
        let closed = observed.wait_for(|observed| observed.closed);
        if tokio::time::timeout(self.limit, closed).await.is_err() {
            return Err(DriverError::Hang {
                doing: doing.to_owned(),
                after: self.limit,
                console: tail(&self.files.console),
                screen: None,
            });
        }
        self.reap().await;
        Ok(())
    }

    async fn reap(&mut self) -> Option<std::process::ExitStatus> {
        // Its monitor is closed: what is left to it is a few milliseconds.
        for _ in 0..1000 {
            if let Ok(Some(status)) = self.process.try_wait() {
                return Some(status);
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        None
    }

    async fn fault(&mut self, doing: &str, error: ChannelError) -> DriverError {
        let doing = doing.to_owned();
        match error {
            ChannelError::Refused { reason, errno } => {
                self.errno = errno;
                DriverError::Refused { doing, reason }
            }
            ChannelError::Nonsense(detail) => DriverError::Protocol { detail },
            ChannelError::Source(source) => DriverError::Host { doing, source },
            ChannelError::Replaced(None) => {
                DriverError::AgentLost { doing, console: tail(&self.files.console) }
            }
            ChannelError::Replaced(Some(verb)) => {
                let end = match verb.as_str() {
                    "poweroff" | "halt" => End::PoweredOff,
                    _ => End::Rebooted,
                };
                DriverError::MachineEnded { end, doing, console: tail(&self.files.console) }
            }
            ChannelError::Silent(after) => {
                DriverError::Hang { doing, after, console: tail(&self.files.console), screen: None }
            }
            ChannelError::Closed => {
                let mut observed = self.qmp.observed();
                let closed = observed.wait_for(|observed| observed.closed || observed.disk_full);
                let _ = tokio::time::timeout(Duration::from_secs(5), closed).await;
                let seen = self.qmp.observed().borrow().clone();
                if seen.disk_full {
                    return DriverError::HostFull;
                }
                let console = tail(&self.files.console);
                let end = match seen.shutdown.as_deref() {
                    Some("guest-panic") => End::Panicked,
                    // A panic prints more than the lines that are shown.
                    Some("guest-reset") if last(&self.files.console, 64 * 1024).contains(PANIC) => {
                        End::Panicked
                    }
                    Some("guest-reset") => End::Rebooted,
                    Some("guest-shutdown") => End::PoweredOff,
                    _ => {
                        let status = self
                            .reap()
                            .await
                            .map_or_else(|| "no exit status".to_owned(), |status| status.to_string());
                        let stderr = seen.disk_error.unwrap_or_else(|| tail(&self.files.stderr));
                        End::EmulatorDied { status, stderr }
                    }
                };
                DriverError::MachineEnded { end, doing, console }
            }
        }
    }
}

/// Ends when the agent has been gone for so long that no other comes: a channel that changes hands is nobody's for a
/// moment, and QEMU tells of its two ends up to a second apart.
async fn abandoned(observed: &mut watch::Receiver<Observed>) {
    while observed.wait_for(|observed| observed.agent_gone).await.is_ok() {
        let back = observed.wait_for(|observed| !observed.agent_gone);
        match tokio::time::timeout(SUCCESSION, back).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) => break,
            Err(_) => return,
        }
    }
    // Nothing is heard of the machine any more, which is for others to say.
    std::future::pending::<()>().await;
}

/// What an agent of this version does not answer to the question asked.
pub(super) fn unexpected_answer() -> DriverError {
    DriverError::Protocol { detail: "an answer of the wrong kind".into() }
}

fn at_hand(content: Vec<u8>) -> Upload {
    let (sender, upload) = tokio::sync::mpsc::channel(1);
    // There is room for one, and the receiver is here.
    let _ = sender.try_send(Ok(Chunk::Bytes(content)));
    upload
}

#[cfg(test)]
mod tests;

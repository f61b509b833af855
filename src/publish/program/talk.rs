//! One conversation with a program.

use std::{process::Stdio, time::Duration};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use super::protocol::{FromProgram, PROTOCOL, ToProgram};
use crate::{
    diagnostic::codes,
    publish::{Progress, PublishError, Published, Request},
};

/// How long a program may take to say hello.
const HELLO: Duration = Duration::from_secs(30);
/// How long it may say nothing after that.
const SILENCE: Duration = Duration::from_mins(10);
/// How long it may take to end when all is said.
const END: Duration = Duration::from_secs(10);
/// How long one is listened to that failed, and what is in its error stream is read.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Bytes of a line.
const LINE: u64 = 1 << 20;
/// Bytes of its error stream that are shown.
const SHOWN: usize = 2000;

/// Starts the program, tells it what is asked, and follows what it says.
pub async fn publish(
    target: &str,
    command: &[String],
    request: &Request,
    progress: Progress<'_>,
) -> Result<Published, PublishError> {
    let mut child = start(target, command)?;
    let mut group = Group::of(&child);
    let (Some(stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(broken(target, "its standard streams are gone"));
    };
    let talk = Talk { target, lines: BufReader::new(stdout), number: 0 };
    let mut tail = Tail::of(stderr);
    // Read beside the answers, or a program that prints much would wait for a reader for ever.
    let answer = tokio::select! {
        answer = talk.publish(stdin, request, progress) => answer,
        never = tail.read_for_ever() => match never {},
    };
    // One that was not understood has nothing more to do; what it started may have its error stream longer than it.
    let patience = if answer.is_ok() { END } else { LAST_WORDS };
    let ended = tokio::select! {
        ended = child.wait() => ended.ok(),
        never = tail.read_for_ever() => match never {},
        () = tokio::time::sleep(patience) => None,
    };
    let _ = timeout(LAST_WORDS, tail.read_to_end()).await;
    if answer.is_ok() && ended.is_some() {
        // What it leaves behind on purpose stays.
        group.0 = None;
    }
    answer.map_err(|error| {
        let error = match ended {
            Some(status) if !status.success() => error.note(format!("it ended with {status}")),
            _ => error,
        };
        let complaints = tail.text();
        if complaints.trim().is_empty() {
            error
        } else {
            error.note(format!("it printed: {}", complaints.trim()))
        }
    })
}

fn start(target: &str, command: &[String]) -> Result<Child, PublishError> {
    let (program, args) =
        command.split_first().map_or(("", command), |(program, args)| (program.as_str(), args));
    // Not in the project's folder: what a program looks for there would be a stranger's.
    let child = Command::new(program)
        .args(args)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // With all that it starts: Ctrl-C is for imgfile, which ends them.
        .process_group(0)
        .kill_on_drop(true)
        .spawn();
    child.map_err(|error| {
        PublishError::new(codes::TARGET_CONFIG, format!("the program `{program}` of `{target}` cannot be started: {error}"))
            .help("name it by its whole path, and the program that runs it: `command = [\"python3\", \"/home/ann/send.py\"]`")
    })
}

/// A program with all that it started, which is killed when nobody waits for its answer any more.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // There may be nobody in it any more.
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

fn broken(target: &str, what: impl AsRef<str>) -> PublishError {
    let message = format!("the program of `{target}` does not keep to the protocol: {}", what.as_ref());
    PublishError::new(codes::TARGET_PROGRAM, message)
        .help("docs/publish.md tells what it has to say; `imgfile schema publish-answer` has the form of it")
}

/// The end of what a program prints.
struct Tail {
    stream: ChildStderr,
    end: Vec<u8>,
}

impl Tail {
    fn of(stream: ChildStderr) -> Self {
        Self { stream, end: Vec::new() }
    }

    /// Reads what is printed, until nobody can print any more.
    async fn read_to_end(&mut self) {
        let mut piece = vec![0; 4096];
        while let Ok(length @ 1..) = self.stream.read(&mut piece).await {
            self.end.extend_from_slice(&piece[..length]);
            if self.end.len() > 2 * SHOWN {
                self.end.drain(..self.end.len() - SHOWN);
            }
        }
    }

    /// The same, beside something else that ends.
    async fn read_for_ever(&mut self) -> std::convert::Infallible {
        self.read_to_end().await;
        std::future::pending().await
    }

    fn text(&self) -> String {
        let from = self.end.len().saturating_sub(SHOWN);
        String::from_utf8_lossy(&self.end[from..]).into_owned()
    }
}

struct Talk<'a> {
    target: &'a str,
    lines: BufReader<ChildStdout>,
    /// Lines so far.
    number: usize,
}

impl Talk<'_> {
    async fn publish(
        mut self,
        mut stdin: ChildStdin,
        request: &Request,
        progress: Progress<'_>,
    ) -> Result<Published, PublishError> {
        match self.next(HELLO).await? {
            Some(FromProgram::Hello { protocol: PROTOCOL }) => {}
            Some(FromProgram::Hello { protocol }) => {
                return Err(broken(
                    self.target,
                    format!("it speaks version {protocol}, and this is {PROTOCOL}"),
                ));
            }
            Some(FromProgram::Failed { reason, message, help }) => return Err(failed(reason, message, help)),
            Some(_) => return Err(broken(self.target, "its first line is not `hello`")),
            None => return Err(broken(self.target, "it ended without a word")),
        }
        let said = ToProgram::Publish { protocol: PROTOCOL, target: self.target, request };
        // Plain data with text keys always has a JSON form.
        let mut line = serde_json::to_vec(&said).unwrap_or_default();
        line.push(b'\n');
        // Whether it listens is seen by what it answers.
        let _ = stdin.write_all(&line).await;
        drop(stdin);
        let mut notes = Vec::new();
        loop {
            match self.next(SILENCE).await? {
                Some(FromProgram::Hello { .. }) => return Err(broken(self.target, "it says hello twice")),
                Some(FromProgram::Progress { done }) => progress(done.min(request.size), request.size),
                Some(FromProgram::Note { text }) => notes.push(text),
                Some(FromProgram::Published { id, .. }) if id.is_empty() => {
                    return Err(broken(self.target, "the `id` of what is published is empty"));
                }
                Some(FromProgram::Published { id, sent, region, sha256 }) => {
                    if let Some(there) = sha256.filter(|there| *there != request.sha256) {
                        return Err(PublishError::new(
                            codes::CHECKSUM_DIFFERS,
                            format!("what is there of `{}` is not what was sent", request.name),
                        )
                        .note(format!(
                            "its sha256 is {} there and {} here",
                            there.short(),
                            request.sha256.short()
                        )));
                    }
                    return Ok(Published {
                        id,
                        region: region.or_else(|| request.region.clone()),
                        sent,
                        notes,
                    });
                }
                Some(FromProgram::Failed { reason, message, help }) => {
                    return Err(failed(reason, message, help));
                }
                None => return Err(broken(self.target, "it ended without `published` or `failed`")),
            }
        }
    }

    /// The next line; none at the end.
    async fn next(&mut self, patience: Duration) -> Result<Option<FromProgram>, PublishError> {
        let mut line = Vec::new();
        let mut reader = (&mut self.lines).take(LINE);
        let read = timeout(patience, reader.read_until(b'\n', &mut line)).await;
        self.number += 1;
        let number = self.number;
        match read {
            Err(_) => Err(PublishError::new(
                codes::TARGET_UNREACHABLE,
                format!("the program of `{}` has said nothing for {} s", self.target, patience.as_secs()),
            )),
            Ok(Err(error)) => Err(broken(self.target, format!("line {number} cannot be read: {error}"))),
            Ok(Ok(0)) => Ok(None),
            Ok(Ok(_)) if line.last() != Some(&b'\n') && line.len() as u64 == LINE => {
                Err(broken(self.target, format!("line {number} is longer than {LINE} bytes")))
            }
            Ok(Ok(_)) => serde_json::from_slice(&line).map(Some).map_err(|error| {
                let text: String = String::from_utf8_lossy(&line).trim().chars().take(80).collect();
                broken(self.target, format!("line {number} is no answer: {error}"))
                    .note(format!("the line is `{text}`"))
            }),
        }
    }
}

fn failed(reason: super::Reason, message: String, help: Option<String>) -> PublishError {
    let message: String = message.chars().filter(|c| !c.is_control()).take(400).collect();
    let error = PublishError::new(reason.code(), message);
    match help {
        Some(help) => error.help(help),
        None => error,
    }
}

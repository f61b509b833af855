//! What runs in the system, and files that go there and come from there.

use std::io::Read;

use imgfile_agent::protocol::frame::CHUNK;
use imgfile_agent::protocol::message::{Answer, Command, Ended, Request};

use super::super::super::{
    DriverError, Exec, ExecEnd, Output, Program, Sink, Stage, Stream, TerminalInput, TerminalSize,
};
use super::super::channel::Chunk;
use super::super::guest::unexpected_answer;
use super::QemuMachine;

impl QemuMachine {
    pub(super) async fn do_exec(&mut self, command: Exec, sink: Sink<'_>) -> Result<ExecEnd, DriverError> {
        self.expect(&[Stage::Mounted, Stage::Booted], "run a command")?;
        let (argv, script, text) = match command.program {
            Program::Argv(argv) => (argv, None, None),
            Program::Script { name, content } => (Vec::new(), Some(file_name(&name)), Some(content)),
        };
        let doing = match (&script, argv.first()) {
            (Some(name), _) => format!("run the script {name}"),
            (None, Some(program)) => format!("run {program}"),
            (None, None) => "run nothing".to_owned(),
        };
        let request = Request::Exec {
            command: Command {
                argv,
                script,
                env: command.env,
                cwd: command.cwd.unwrap_or_else(|| "/".into()),
                user: command.user.unwrap_or_else(|| "root".into()),
                network: command.network || self.stage == Stage::Booted,
            },
        };
        let mut take = |error: bool, bytes: Vec<u8>| {
            sink(Output { stream: if error { Stream::Err } else { Stream::Out }, bytes });
        };
        ended(&self.guest()?.run(&doing, request, text, command.timeout, &mut take).await?)
    }

    pub(super) async fn do_shell(
        &mut self,
        command: Exec,
        size: TerminalSize,
        mut input: tokio::sync::mpsc::Receiver<TerminalInput>,
        sink: Sink<'_>,
    ) -> Result<ExecEnd, DriverError> {
        self.expect(&[Stage::Mounted, Stage::Booted], "open a shell")?;
        let Program::Argv(argv) = command.program else {
            return Err(DriverError::Unsupported { what: "a script has no terminal".into() });
        };
        let command = Command {
            argv,
            script: None,
            env: command.env,
            cwd: command.cwd.unwrap_or_else(|| "/".into()),
            user: command.user.unwrap_or_else(|| "root".into()),
            network: true,
        };
        let (rows, columns) = (size.rows.into(), size.columns.into());
        let (sender, upload) = tokio::sync::mpsc::channel(4);
        let typing = async move {
            while let Some(input) = input.recv().await {
                let piece = match input {
                    TerminalInput::Typed(bytes) => Chunk::Bytes(bytes),
                    TerminalInput::Resized(size) => Chunk::Resize(size.rows.into(), size.columns.into()),
                };
                if sender.send(Ok(piece)).await.is_err() {
                    break;
                }
            }
            // The stream has ended with its sender; what is left is to wait for the answer.
            drop(sender);
            std::future::pending::<()>().await;
        };
        let mut take = |error: bool, bytes: Vec<u8>| {
            sink(Output { stream: if error { Stream::Err } else { Stream::Out }, bytes });
        };
        let request = Request::Terminal { command, rows, columns };
        let guest = self.guest()?;
        let answer = tokio::select! {
            answer = guest.terminal("open a shell", request, upload, &mut take) => answer?,
            () = typing => return Err(unexpected_answer()),
        };
        ended(&answer)
    }

    pub(super) async fn do_put(&mut self, mut tar: Box<dyn Read + Send>) -> Result<(), DriverError> {
        self.expect(&[Stage::Mounted, Stage::Booted], "write files")?;
        let (sender, upload) = tokio::sync::mpsc::channel(4);
        // Reading is blocking work; the channel makes it wait for the guest.
        let reading = tokio::task::spawn_blocking(move || {
            loop {
                let mut chunk = Vec::with_capacity(CHUNK);
                let result = tar.by_ref().take(CHUNK as u64).read_to_end(&mut chunk);
                let last = chunk.is_empty() || result.is_err();
                let empty = chunk.is_empty() && result.is_ok();
                let chunk = result.map(|_| Chunk::Bytes(chunk));
                if empty || sender.blocking_send(chunk).is_err() || last {
                    return;
                }
            }
        });
        let result = self.guest()?.upload("write files", Request::Put, upload).await;
        // Its channel is closed by now, so it has ended or is about to.
        let _ = reading.await;
        result.map(|_| ())
    }

    pub(super) async fn do_get(&mut self, path: &str, limit: u64) -> Result<Vec<u8>, DriverError> {
        self.expect(&[Stage::Mounted, Stage::Booted], "read a file")?;
        let request = Request::Get { path: path.to_owned(), limit, truncate: false };
        self.guest()?.download(&format!("read {path}"), request, limit).await
    }
}

/// How a command ended, by the agent's answer.
fn ended(answer: &Answer) -> Result<ExecEnd, DriverError> {
    match answer {
        Answer::Ended { how: Ended::Code { code } } => Ok(ExecEnd::Code(*code)),
        Answer::Ended { how: Ended::Signal { signal } } => Ok(ExecEnd::Signal(*signal)),
        Answer::Ended { how: Ended::TimedOut } => Ok(ExecEnd::TimedOut),
        _ => Err(unexpected_answer()),
    }
}

/// A script's name as a file name.
fn file_name(name: &str) -> String {
    let name = name.rsplit('/').next().unwrap_or(name);
    let sound = |char: char| if char.is_ascii_alphanumeric() || "._-".contains(char) { char } else { '_' };
    let name: String = name.chars().take(64).map(sound).collect();
    if name.trim_matches('.').is_empty() { "script".to_owned() } else { name }
}

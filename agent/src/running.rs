//! A command at work: what it says goes to the host, and when it has ended nothing of it is left.

use std::io::{self, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::time::{Duration, Instant};

use imgfile_agent::protocol::frame::CHUNK;
use imgfile_agent::protocol::message::{Body, Ended, Reply, ToGuest};
use imgfile_agent::protocol::wire::Bytes;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;

use crate::error::Result;
use crate::exec::Group;
use crate::port::Port;
use crate::serve::{Agent, Event};

/// How long output may still come after all processes of a command are gone.
const DRAIN: Duration = Duration::from_secs(2);

/// A stream to read, and whether what it says is of the error stream.
pub type Stream = (Box<dyn Read + Send>, bool);

/// A command that was started as the request of this number.
pub struct Running<'a> {
    agent: &'a Agent,
    id: u32,
    group: Group,
    leader: Pid,
    /// Streams that have not ended.
    open: usize,
    /// Nothing more is to be sent.
    discarded: Arc<AtomicBool>,
}

impl<'a> Running<'a> {
    /// Reads its streams, and waits for it, in threads of their own.
    pub fn watch(agent: &'a Agent, id: u32, group: Group, child: Child, streams: Vec<Stream>) -> Self {
        let leader = Pid::from_raw(child.id().cast_signed());
        let discarded = Arc::new(AtomicBool::new(false));
        let open = streams.len();
        for (stream, error) in streams {
            let (port, discarded, sender) =
                (agent.port.clone(), Arc::clone(&discarded), agent.sender.clone());
            thread::spawn(move || {
                copy(stream, &port, id, error, &discarded);
                let _ = sender.send(Event::Drained { id });
            });
        }
        let sender = agent.sender.clone();
        thread::spawn(move || {
            if let Ok(status) = wait(child) {
                let _ = sender.send(Event::Exited { id, status });
            }
        });
        Self { agent, id, group, leader, open, discarded }
    }

    /// Waits for its end. What the host says meanwhile goes to `enough`, which answers whether the command is to
    /// be killed for it.
    pub fn end(mut self, mut enough: impl FnMut(Body) -> bool) -> Result<Option<ExitStatus>> {
        let mut ended = None;
        let mut limit: Option<Instant> = None;
        while ended.is_none() || self.open > 0 {
            // Until it has ended, the host says when it is enough.
            let event = match limit {
                None => self.agent.events.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(limit) => {
                    self.agent.events.recv_timeout(limit.saturating_duration_since(Instant::now()))
                }
            };
            match event {
                Ok(Event::Exited { id, status }) if id == self.id => {
                    ended = Some(status);
                    limit = Some(Instant::now() + DRAIN);
                    self.group.kill(self.leader);
                }
                Ok(Event::Drained { id }) if id == self.id => self.open -= 1,
                Ok(Event::Message(ToGuest { id, body })) if id == self.id => {
                    if enough(body) {
                        self.group.kill(self.leader);
                    }
                }
                Ok(Event::Lost(error)) => return Err(error.into()),
                Ok(_) => {}
                // Its processes are gone, and something else holds its output open: enough is enough.
                Err(_) => break,
            }
        }
        self.discarded.store(true, Ordering::Release);
        self.group.remove();
        Ok(ended)
    }
}

/// An exit status in the protocol's words.
pub fn how(status: ExitStatus) -> Ended {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Code { code },
        (None, signal) => Ended::Signal { signal: signal.unwrap_or(0) },
    }
}

/// Sends what a stream says. An error is its end, as Linux has it for a terminal once nobody holds its other side.
fn copy(mut stream: impl Read, port: &Port, id: u32, error: bool, discarded: &AtomicBool) {
    let mut buffer = vec![0; CHUNK];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(len) => {
                let bytes = Bytes(buffer[..len].to_vec());
                if discarded.load(Ordering::Acquire) || port.send(id, Reply::Output { error, bytes }).is_err()
                {
                    return;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// Waits for the child and, as PID 1, for every orphan that ends meanwhile.
fn wait(mut child: Child) -> io::Result<ExitStatus> {
    let own = child.id().cast_signed();
    while std::process::id() == 1 {
        match waitid(Id::All, WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) {
            Ok(WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, ..)) if pid.as_raw() != own => {
                let _ = waitpid(pid, None);
            }
            Err(nix::Error::EINTR) => {}
            _ => break,
        }
    }
    child.wait()
}

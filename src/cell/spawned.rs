//! A process that was started in namespaces, and the signs by which it reports how far it has come.

use std::ffi::{CString, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::child::{self, EXECUTE, GO, Plan, STEPS};

/// A process that is waited for when it has ended.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) pid: Pid,
    pub(super) pidfd: OwnedFd,
    status: Option<ExitStatus>,
}

impl Child {
    /// Starts what `plan` says; it waits for [`GO`].
    pub(super) fn start(plan: &mut Plan) -> io::Result<Self> {
        let (pid, pidfd) = child::start(plan)?;
        Ok(Self { pid, pidfd, status: None })
    }

    pub(super) fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.wait_with(Some(WaitPidFlag::WNOHANG))
    }

    fn wait_with(&mut self, flags: Option<WaitPidFlag>) -> io::Result<Option<ExitStatus>> {
        if self.status.is_none() {
            self.status = match waitpid(self.pid, flags)? {
                WaitStatus::Exited(_, code) => Some(ExitStatus::from_raw(code << 8)),
                WaitStatus::Signaled(_, signal, _) => Some(ExitStatus::from_raw(signal as i32)),
                _ => None,
            };
        }
        Ok(self.status)
    }

    pub(super) fn kill(&mut self) {
        if let Ok(None) = self.try_wait() {
            // Not waited for yet, so the number is still its own.
            let _ = kill(self.pid, Signal::SIGKILL);
            let _ = self.wait_with(None);
        }
    }

    /// A helper of ours in a user namespace that is there already, with this process's other namespaces; as one
    /// of `nobodies` where that namespace is of those.
    pub(super) fn in_user_namespace(
        program: &Path,
        args: Vec<OsString>,
        user: OwnedFd,
        inherited: Vec<OwnedFd>,
        words: File,
        nobodies: bool,
    ) -> io::Result<Self> {
        let null: OwnedFd = File::options().read(true).write(true).open("/dev/null")?.into();
        let words: OwnedFd = words.into();
        let (ours, theirs) = UnixStream::pair()?;
        let mut plan = Plan {
            namespaces: 0,
            sync: (theirs.as_raw_fd(), ours.as_raw_fd()),
            joins: Some((user.as_raw_fd(), nobodies)),
            groups: nobodies.then(Vec::new),
            become_root: true,
            loopback: false,
            routes: Vec::new(),
            root: None,
            file_size: None,
            keep_capabilities: true,
            landlock: None,
            calls: None,
            streams: [null.as_raw_fd(), words.as_raw_fd(), words.as_raw_fd()],
            inherited: inherited.iter().map(AsRawFd::as_raw_fd).collect(),
            program: text(program.as_os_str().to_owned())?,
            args: [program.as_os_str().to_owned()]
                .into_iter()
                .chain(args)
                .map(text)
                .collect::<io::Result<_>>()?,
            env: Vec::new(),
        };
        let child = Self::start(&mut plan)?;
        drop(theirs);
        let mut sync = ours;
        ready(&mut sync)?;
        sync.write_all(&[GO])?;
        started(sync, program)?;
        Ok(child)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Waits for the child's first sign.
pub(super) fn ready(sync: &mut UnixStream) -> io::Result<()> {
    let mut sign = [0];
    sync.read_exact(&mut sign)
}

/// Waits for a sign, or for the reason why there is none.
pub(super) fn first(sync: &mut UnixStream, program: &Path) -> io::Result<()> {
    let mut sign = [0];
    sync.read_exact(&mut sign)?;
    if sign[0] == child::READY {
        return Ok(());
    }
    let mut number = [0; 4];
    sync.read_exact(&mut number)?;
    Err(failed(sign[0], i32::from_ne_bytes(number), program))
}

/// Waits until the program runs: its end of the connection closes then.
pub(super) fn started(mut sync: UnixStream, program: &Path) -> io::Result<()> {
    let mut report = Vec::new();
    sync.read_to_end(&mut report)?;
    match report[..] {
        [] => Ok(()),
        [step, a, b, c, d] => Err(failed(step, i32::from_ne_bytes([a, b, c, d]), program)),
        _ => Err(io::Error::other("a new process sent nonsense")),
    }
}

fn failed(step: u8, number: i32, program: &Path) -> io::Error {
    let error = io::Error::from_raw_os_error(number);
    if step == EXECUTE {
        return error;
    }
    let what = STEPS.get(usize::from(step)).copied().unwrap_or("go on");
    io::Error::other(format!("the cell of {} could not {what}: {error}", program.display()))
}

pub(super) fn text(text: OsString) -> io::Result<CString> {
    CString::new(text.into_vec()).map_err(|_| {
        io::Error::new(io::ErrorKind::InvalidInput, "a null byte in a path, an argument or a variable")
    })
}

//! A process whose namespaces others make use of.

use std::io;
use std::os::fd::OwnedFd;

use nix::libc;
use nix::unistd::Pid;

use super::clone;

/// A process that waits in a user namespace of its own until this value is dropped.
#[derive(Debug)]
pub(in crate::cell) struct Waiting {
    pid: Pid,
    _pidfd: OwnedFd,
}

impl Waiting {
    pub(in crate::cell) fn in_user_namespace() -> io::Result<Self> {
        match clone(libc::CLONE_NEWUSER as u64)? {
            Some((pid, pidfd)) => Ok(Self { pid, _pidfd: pidfd }),
            None => loop {
                // SAFETY: waits for a signal, which ends it.
                unsafe {
                    libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                    libc::pause();
                }
            },
        }
    }

    pub(in crate::cell) const fn pid(&self) -> Pid {
        self.pid
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = nix::sys::signal::kill(self.pid, nix::sys::signal::Signal::SIGKILL);
        let _ = nix::sys::wait::waitpid(self.pid, None);
    }
}

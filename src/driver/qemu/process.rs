//! The emulator as a child that cannot outlive this process.
#![allow(unsafe_code)] // what a child does between fork and exec

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;

/// A child process that is killed when this value is dropped, and when this process ends in
/// whatever way.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
}

type Job = Box<dyn FnOnce() + Send>;

/// The parent-death signal follows the *thread* that forked, so all forks come from one thread
/// that lives as long as the process.
fn spawner() -> &'static Sender<Job> {
    static SPAWNER: OnceLock<Sender<Job>> = OnceLock::new();
    SPAWNER.get_or_init(|| {
        let (sender, jobs) = channel::<Job>();
        thread::spawn(move || jobs.into_iter().for_each(|job| job()));
        sender
    })
}

impl Process {
    /// Starts `command`; it inherits the given descriptors under their present numbers and no others.
    pub(super) fn spawn(mut command: Command, inherited: Vec<OwnedFd>) -> io::Result<Self> {
        let parent = nix::unistd::getpid();
        let fds: Vec<_> = inherited.iter().map(AsRawFd::as_raw_fd).collect();
        // SAFETY: runs in the child of a fork, where only what needs no lock and no allocation is
        // allowed: these are plain system calls on values made before.
        unsafe {
            command.pre_exec(move || {
                set_pdeathsig(Signal::SIGKILL)?;
                // The parent may have ended before the signal was set.
                if nix::unistd::getppid() != parent {
                    return Err(io::Error::from_raw_os_error(nix::libc::ESRCH));
                }
                for &fd in &fds {
                    let fd = std::os::fd::BorrowedFd::borrow_raw(fd);
                    fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty()))?;
                }
                // Ctrl-C in a terminal goes to the whole foreground group; the build ends its machines itself.
                nix::unistd::setpgid(nix::unistd::Pid::from_raw(0), nix::unistd::Pid::from_raw(0))?;
                Ok(())
            });
        }
        let (answer, result) = channel();
        let job = Box::new(move || {
            let _ = answer.send(command.spawn());
            drop(inherited);
        });
        let gone = || io::Error::other("the thread that starts processes is gone");
        spawner().send(job).map_err(|_| gone())?;
        Ok(Self { child: result.recv().map_err(|_| gone())?? })
    }

    /// The exit status, if it has ended.
    pub(super) fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Ends it now.
    pub(super) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

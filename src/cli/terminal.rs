//! The terminal a person sits at, while a shell of the guest has it.

use std::{
    fs::File,
    io::{Read, Write},
    os::fd::AsFd,
    time::Duration,
};

use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr},
};
use tokio::sync::mpsc::{Receiver, channel};

use crate::driver::{TerminalInput, TerminalSize};

/// How often the window's size is looked at, and whether the shell has ended.
const LOOK: Duration = Duration::from_millis(100);

/// The controlling terminal in raw mode: keys go to the guest, Ctrl-C among them. Dropped, it is as before.
#[derive(Debug)]
pub(super) struct Terminal {
    device: File,
    before: Termios,
}

impl Terminal {
    /// Takes the terminal; an error if this process has none.
    pub(super) fn take() -> std::io::Result<Self> {
        let device = File::options().read(true).write(true).open("/dev/tty")?;
        let before = tcgetattr(&device)?;
        let mut raw = before.clone();
        cfmakeraw(&mut raw);
        tcsetattr(&device, SetArg::TCSAFLUSH, &raw)?;
        Ok(Self { device, before })
    }

    pub(super) fn size() -> TerminalSize {
        size()
    }

    /// What is typed, and how the window changes, until the receiver is dropped.
    pub(super) fn input(&self) -> std::io::Result<Receiver<TerminalInput>> {
        let mut device = self.device.try_clone()?;
        let (sender, receiver) = channel(16);
        let mut shown = size();
        let typing = move || {
            while !sender.is_closed() {
                let now = size();
                if now != shown {
                    shown = now;
                    if sender.blocking_send(TerminalInput::Resized(now)).is_err() {
                        return;
                    }
                }
                let mut fds = [PollFd::new(device.as_fd(), PollFlags::POLLIN)];
                let timeout = PollTimeout::try_from(LOOK).unwrap_or(PollTimeout::ZERO);
                if !matches!(poll(&mut fds, timeout), Ok(1..)) {
                    continue;
                }
                let mut typed = vec![0; 4096];
                match device.read(&mut typed) {
                    // The terminal was closed.
                    Ok(0) | Err(_) => return,
                    Ok(len) => {
                        typed.truncate(len);
                        if sender.blocking_send(TerminalInput::Typed(typed)).is_err() {
                            return;
                        }
                    }
                }
            }
        };
        std::thread::Builder::new().name("keyboard".into()).spawn(typing)?;
        Ok(receiver)
    }

    /// Shows what came from the guest, as it is: a shell may draw what it likes.
    pub(super) fn show(&mut self, bytes: &[u8]) {
        let _ = self.device.write_all(bytes).and_then(|()| self.device.flush());
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Whatever mode a program of the guest has left behind: attributes, cursor, alternate screen.
        let _ = self.device.write_all(b"\x1b[0m\x1b[?25h");
        let _ = tcsetattr(&self.device, SetArg::TCSAFLUSH, &self.before);
    }
}

fn size() -> TerminalSize {
    let (rows, columns) = console::Term::stderr().size();
    TerminalSize { rows, columns }
}

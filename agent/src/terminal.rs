//! A command on a terminal of its own, for a person at the host.
#![allow(unsafe_code)] // one ioctl that nix has no name for

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};

use imgfile_agent::protocol::message::{Answer, Body, Command, Ended, Reply};
use imgfile_agent::protocol::wire::Bytes;
use nix::pty::{Winsize, openpty};

use crate::error::Result;
use crate::exec::{Group, Io, spawn};
use crate::running::{Running, how};
use crate::serve::Agent;

pub fn run(agent: &Agent, id: u32, command: &Command, size: (u32, u32)) -> Result<Answer> {
    let pty = openpty(Some(&window(size)), None::<&nix::sys::termios::Termios>)?;
    let group = Group::new(&agent.stage, id);
    let child = match spawn(agent, command, None, &group, Io::Terminal(pty.slave))? {
        Ok(child) => child,
        Err((code, words)) => {
            let bytes = Bytes(format!("{words}\r\n").into_bytes());
            agent.port.send(id, Reply::Output { error: false, bytes })?;
            return Ok(Answer::Ended { how: Ended::Code { code } });
        }
    };
    let mut keyboard = File::from(pty.master);
    let screen = Box::new(keyboard.try_clone()?);
    let status = Running::watch(agent, id, group, child, vec![(screen, false)]).end(|body| match body {
        Body::Data { bytes } => {
            // What nobody reads any more is nobody's loss.
            let _ = keyboard.write_all(&bytes.0);
            false
        }
        Body::Resize { rows, columns } => {
            resize(&keyboard, (rows, columns));
            false
        }
        Body::End | Body::Cancel => true,
        Body::Ask { .. } => false,
    })?;
    Ok(Answer::Ended { how: status.map_or(Ended::TimedOut, how) })
}

fn window((rows, columns): (u32, u32)) -> Winsize {
    let cells = |count: u32| u16::try_from(count).unwrap_or(u16::MAX);
    Winsize { ws_row: cells(rows), ws_col: cells(columns), ws_xpixel: 0, ws_ypixel: 0 }
}

fn resize(terminal: &File, size: (u32, u32)) {
    let window = window(size);
    // SAFETY: the kernel reads one `winsize`, which lives until the call is over.
    unsafe {
        nix::libc::ioctl(terminal.as_raw_fd(), nix::libc::TIOCSWINSZ, &raw const window);
    }
}

/// Makes the terminal at descriptor 0 that of the calling session leader.
pub fn take_control() -> io::Result<()> {
    // SAFETY: no memory is involved.
    if unsafe { nix::libc::ioctl(0, nix::libc::TIOCSCTTY, 0) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Three descriptors of one terminal.
pub fn streams(terminal: OwnedFd) -> io::Result<[OwnedFd; 3]> {
    Ok([terminal.try_clone()?, terminal.try_clone()?, terminal])
}

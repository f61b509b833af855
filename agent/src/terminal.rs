//! A command on a terminal of its own, for a person at the host.
#![allow(unsafe_code)] // one ioctl that nix has no name for

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::time::{Duration, Instant};

use imgfile_agent::protocol::frame::CHUNK;
use imgfile_agent::protocol::message::{Answer, Body, Command, Ended, Reply, ToGuest};
use imgfile_agent::protocol::wire::Bytes;
use nix::pty::{Winsize, openpty};
use nix::unistd::Pid;

use crate::exec::{Group, Io, how, spawn, wait};
use crate::serve::{Agent, Event};
use crate::trouble::Result;

/// How long output may still come after the command has ended.
const DRAIN: Duration = Duration::from_secs(2);

pub fn run(agent: &Agent, id: u32, command: &Command, size: (u32, u32)) -> Result<Answer> {
    let pty = openpty(Some(&window(size)), None::<&nix::sys::termios::Termios>)?;
    let group = Group::new(&agent.place, id);
    let child = match spawn(agent, command, None, &group, Io::Terminal(pty.slave))? {
        Ok(child) => child,
        Err((code, words)) => {
            let bytes = Bytes(format!("{words}\r\n").into_bytes());
            agent.port.send(id, Reply::Output { error: false, bytes })?;
            return Ok(Answer::Ended { how: Ended::Code { code } });
        }
    };
    let pid = Pid::from_raw(child.id().cast_signed());
    let mut keyboard = File::from(pty.master);
    let screen = keyboard.try_clone()?;
    let (port, sender) = (agent.port.clone(), agent.sender.clone());
    thread::spawn(move || {
        show(screen, id, &port);
        let _ = sender.send(Event::Drained { id });
    });
    let sender = agent.sender.clone();
    thread::spawn(move || {
        if let Ok(status) = wait(child) {
            let _ = sender.send(Event::Exited { id, status });
        }
    });

    let mut ended = None;
    let mut drained = false;
    let mut limit: Option<Instant> = None;
    while ended.is_none() || !drained {
        let event = match limit {
            None => agent.events.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(limit) => agent.events.recv_timeout(limit.saturating_duration_since(Instant::now())),
        };
        match event {
            Ok(Event::Exited { id: of, status }) if of == id => {
                ended = Some(status);
                limit = Some(Instant::now() + DRAIN);
                group.kill(pid);
            }
            Ok(Event::Drained { id: of }) if of == id => drained = true,
            Ok(Event::Message(ToGuest { id: of, body })) if of == id => match body {
                // What nobody reads any more is nobody's loss.
                Body::Data { bytes } => drop(keyboard.write_all(&bytes.0)),
                Body::Resize { rows, columns } => resize(&keyboard, (rows, columns)),
                Body::End | Body::Cancel => group.kill(pid),
                Body::Ask { .. } => {}
            },
            Ok(Event::Lost(error)) => return Err(error.into()),
            Ok(_) => {}
            Err(_) => break,
        }
    }
    group.remove();
    Ok(Answer::Ended { how: ended.map_or(Ended::TimedOut, how) })
}

/// Sends what appears on the terminal; an error is its end, as Linux has it once nobody holds the other side.
fn show(mut screen: File, id: u32, port: &crate::port::Port) {
    let mut buffer = vec![0; CHUNK];
    loop {
        match screen.read(&mut buffer) {
            Ok(0) => return,
            Ok(len) => {
                let bytes = Bytes(buffer[..len].to_vec());
                if port.send(id, Reply::Output { error: false, bytes }).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
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

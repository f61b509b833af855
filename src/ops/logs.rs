//! What a build printed, also while it runs.

use std::{
    fs::File,
    io::{ErrorKind, Read, Write},
    time::Duration,
};

use super::error::{Class, Error};
use crate::store::{Records, records::State};

/// How often a log that is followed is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Copies the log of a build to `out`; with `follow` until the build ends. A reader that has seen enough ends it too.
///
/// # Errors
/// `Host` where the log cannot be read, and what the records answer.
pub fn logs(records: &Records, build: i64, follow: bool, out: &mut impl Write) -> Result<(), Error> {
    let unreadable = |error: std::io::Error| {
        Error::message(Class::Host, format!("the log of build {build} cannot be read: {error}"))
    };
    let mut log = File::open(records.log(build)).map_err(unreadable)?;
    loop {
        // The state first: what was written before it changed is there when it has. A build whose process was killed
        // ends only when somebody looks.
        records.mark_ended()?;
        let state = records.state(build)?.unwrap_or(State::Interrupted);
        match copy(&mut log, out) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => return Err(unreadable(error)),
        }
        if state != State::Running || !follow {
            return Ok(());
        }
        std::thread::sleep(LOOK);
    }
}

/// Copies what is there now.
fn copy(log: &mut File, out: &mut impl Write) -> std::io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match log.read(&mut buffer)? {
            0 => return out.flush(),
            read => out.write_all(&buffer[..read])?,
        }
    }
}

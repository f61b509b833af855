//! `imgfile logs`: everything a build printed, also while it runs.

use std::{
    fs::File,
    io::{Read, Write},
    time::Duration,
};

use super::{
    CommandResult, Exit,
    recorded::{self, refused},
};
use crate::store::{Records, records::State};

/// Show what a build printed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Number of the build; without it the newest of this project.
    #[arg(add = clap_complete::ArgValueCompleter::new(super::candidates::builds))]
    build: Option<i64>,
    /// Go on until the build ends.
    #[arg(long, short)]
    follow: bool,
}

/// How often a log that is followed is looked at.
const LOOK: Duration = Duration::from_millis(100);

pub(super) fn run(args: &Args) -> Exit {
    let result = recorded::records().and_then(|(_store, records)| {
        let (build, state) = recorded::build(&records, args.build)?;
        show(&records, build, state, args.follow)
    });
    result.err().unwrap_or(Exit::Done)
}

fn show(records: &Records, build: i64, mut state: State, follow: bool) -> CommandResult<()> {
    let path = records.log(build);
    let mut log = File::open(&path).map_err(|error| {
        super::complain(&format!("the log of build {build} cannot be read: {error}"));
        Exit::Host
    })?;
    let mut out = super::screen::out();
    loop {
        // The state first: what was written before it changed is there when it has.
        let ended = state != State::Running;
        match copy(&mut log, &mut out) {
            Ok(()) => {}
            // The reader has seen enough.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => {
                super::complain(&format!("the log of build {build} cannot be read: {error}"));
                return Err(Exit::Host);
            }
        }
        if ended || !follow {
            return Ok(());
        }
        std::thread::sleep(LOOK);
        // A build whose process was killed ends only when somebody looks.
        records.mark_ended().map_err(refused)?;
        state = records.state(build).map_err(refused)?.unwrap_or(State::Interrupted);
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

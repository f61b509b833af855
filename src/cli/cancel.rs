//! `imgfile cancel`: stops a build from another terminal.

use std::time::{Duration, Instant};

use super::{
    Exit, Outcome,
    recorded::{self, refused},
};
use crate::store::{ProcessName, Signal, Store};

/// Stop a running build and clear all that it used.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Number of the build.
    #[arg(add = clap_complete::ArgValueCompleter::new(super::candidates::builds))]
    build: i64,
}

/// How long a build may take to clear up behind itself before it is killed and others do that.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the kernel may take to end a killed process.
const KILLED: Duration = Duration::from_millis(500);

pub(super) fn run(args: &Args) -> Exit {
    cancel(args.build).err().unwrap_or(Exit::Done)
}

fn cancel(build: i64) -> Outcome<()> {
    let (store, records) = recorded::records()?;
    let (_, state) = recorded::build(&records, Some(build))?;
    let Some(process) = records.ask_to_cancel(build).map_err(refused)? else {
        super::complain(&format!("build {build} does not run: {state}"));
        return Err(Exit::Usage);
    };
    stop(&process).map_err(|error| {
        super::complain(&format!("build {build} cannot be stopped: {error}"));
        Exit::Host
    })?;
    // A killed process left its working folder; opening the store clears that.
    let root = store.root().to_owned();
    drop(store);
    Store::open(root).map_err(refused)?;
    records.settle().map_err(refused)?;
    super::print(&format!("build {build} cancelled\n"));
    Ok(())
}

/// Asks the process to end, and ends it if it does not.
fn stop(process: &ProcessName) -> std::io::Result<()> {
    for (signal, patience) in [(Signal::TERM, PATIENCE), (Signal::KILL, KILLED)] {
        match process.signal(signal) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(nix::libc::ESRCH) => return Ok(()),
            Err(error) => return Err(error),
        }
        let until = Instant::now() + patience;
        while Instant::now() < until {
            if !process.is_alive() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    if process.is_alive() { Err(std::io::ErrorKind::TimedOut.into()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    /// A child that says when it is ready, reaped as it ends, like a build in another terminal.
    fn child(script: &str) -> (ProcessName, std::thread::JoinHandle<std::process::ExitStatus>) {
        use std::io::BufRead;
        let mut child = std::process::Command::new("sh")
            .args(["-c", &format!("{script}; echo ready; while :; do sleep 0.1; done")])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        std::io::BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let name = ProcessName::of(child.id()).unwrap();
        (name, std::thread::spawn(move || child.wait().unwrap()))
    }

    #[test]
    fn a_process_is_asked_first_and_killed_if_it_does_not_listen() {
        for (script, signal) in [(":", Signal::TERM), ("trap '' TERM", Signal::KILL)] {
            let (process, ended) = child(script);
            stop(&process).unwrap();
            assert_eq!(ended.join().unwrap().signal(), Some(signal.as_raw()), "{script}");
            stop(&process).expect("it is gone, which is what was wanted");
        }
    }
}

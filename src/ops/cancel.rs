//! Stopping a build that another process runs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{
    error::{Class, Error},
    records,
};
use crate::store::{ProcessName, Records, Signal, Store};

/// How long a build may take to clear up behind itself before it is killed and others do that.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the kernel may take to end a killed process.
const KILLED: Duration = Duration::from_millis(500);

/// Stops a running build and clears all that it used. The process that runs it has two seconds to do that itself.
///
/// # Errors
/// `Usage` if there is no such build, or it does not run; `Host` if its process cannot be stopped.
pub fn cancel(store: Arc<Store>, records: &Records, build: i64) -> Result<(), Error> {
    let (_, state) = records::build(records, Some(build))?;
    let Some(process) = records.ask_to_cancel(build)? else {
        return Err(Error::message(Class::Usage, format!("build {build} does not run: {state}")));
    };
    stop(&process)
        .map_err(|error| Error::message(Class::Host, format!("build {build} cannot be stopped: {error}")))?;
    // A killed process left its working folder; opening the store clears that.
    let root = store.root().to_owned();
    drop(store);
    Store::open(root)?;
    records.mark_ended()?;
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

//! What `build --on-failure` says is done with the machine in which a step or test failed.

use clap::ValueEnum;

use super::terminal::Terminal;
use crate::{driver::DriverEntry, exec::FailedMachine, ops::shown};

/// What becomes of the machine in which a step or test failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnFailure {
    /// Nothing of it is kept.
    Clean,
    /// Its disk is kept, to be looked at.
    Keep,
    /// A shell in it, as the user and in the folder of the failed script; it goes with the shell.
    Shell,
}

/// Deals with the machine; what was built so far is over and shown by now.
pub(super) async fn deal(on_failure: OnFailure, mut failed_machine: FailedMachine, driver: &DriverEntry) {
    match on_failure {
        OnFailure::Clean => {}
        OnFailure::Keep => keep(failed_machine, driver).await,
        OnFailure::Shell => match Terminal::take() {
            Ok(terminal) => shell(&mut failed_machine, terminal).await,
            Err(error) => {
                super::complain(&format!(
                    "there is no terminal for a shell ({error}); the disk is kept instead"
                ));
                keep(failed_machine, driver).await;
            }
        },
    }
}

async fn keep(failed_machine: FailedMachine, driver: &DriverEntry) {
    let image = failed_machine.image.clone();
    match failed_machine.keep().await {
        Ok(path) => {
            let path = shown(&path);
            super::screen::say!(
                "the disk of `{image}` as the failure left it is kept: {path}\n  \
                 look into it with `guestfish --ro -i -a {path}`, or boot it with `{boot}`\n  \
                 `imgfile gc` removes it",
                boot = (driver.boot)(&path),
            );
        }
        Err(failure) => super::complain(&format!("the disk of `{image}` could not be kept: {failure}")),
    }
}

async fn shell(failed_machine: &mut FailedMachine, mut terminal: Terminal) {
    terminal.show(b"a shell in the failed machine; it goes when you leave (exit, or Ctrl-D)\r\n");
    let term = std::env::var("TERM").unwrap_or_else(|_| "linux".to_owned());
    let size = Terminal::size();
    let ended = match terminal.input() {
        Ok(input) => {
            let mut sink = |output: crate::driver::Output| terminal.show(&output.bytes);
            failed_machine.shell(size, &term, input, &mut sink).await.map(|_| ())
        }
        Err(source) => Err(crate::driver::DriverError::Host { doing: "read the keyboard".into(), source }),
    };
    // The terminal is as it was before anything else is printed.
    drop(terminal);
    if let Err(fault) = ended {
        super::complain(&format!("the shell ended: {fault}"));
    }
}

//! Ctrl-C and SIGTERM end any command within two seconds, whatever it waits for: a command that listens ends by
//! itself and clears up, and where that takes too long, or nobody listens, this does both. Whoever cannot wait for
//! that presses it again: what is left then is for the next command to clear.

use std::io;
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use super::Exit;
use crate::store;

/// How long a command may take to clear up behind itself.
const PATIENCE: Duration = Duration::from_millis(1400);
/// How long clearing up for it may take: it may wait for the very thing that the command waits for.
const CLEARING: Duration = Duration::from_millis(400);

/// Tells the command that runs to stop, if it listens.
static STOP: Mutex<Option<oneshot::Sender<()>>> = Mutex::new(None);

/// The signals that end a command.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

/// Listens from now on, on a thread of its own: nothing that a command does keeps it from that.
pub(super) fn listen() -> io::Result<()> {
    let (ready, listening) = mpsc::channel();
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => return drop(ready.send(Err(error))),
        };
        runtime.block_on(async {
            match Signals::listen() {
                Ok(signals) => {
                    let _ = ready.send(Ok(()));
                    signals.end_the_process().await;
                }
                Err(error) => drop(ready.send(Err(error))),
            }
        });
    })?;
    listening.recv().map_err(io::Error::other)?
}

/// What a command that clears up by itself waits for beside its work.
pub(super) fn stopped() -> oneshot::Receiver<()> {
    let (stop, stopped) = oneshot::channel();
    *STOP.lock().unwrap_or_else(PoisonError::into_inner) = Some(stop);
    stopped
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    async fn end_the_process(mut self) {
        self.next().await;
        let stop = STOP.lock().unwrap_or_else(PoisonError::into_inner).take();
        // The command may have ended by itself just now: then the process does too.
        if stop.is_some_and(|stop| stop.send(()).is_ok()) {
            tokio::select! {
                () = tokio::time::sleep(PATIENCE) => {}
                () = self.next() => exit(),
            }
        }
        let (done, cleared) = oneshot::channel();
        std::thread::spawn(move || {
            store::clear_own();
            let _ = done.send(());
        });
        tokio::select! {
            _ = cleared => {}
            () = tokio::time::sleep(CLEARING) => {}
            () = self.next() => {}
        }
        exit()
    }
}

/// Without what other threads would do at the end of the process: one of them may be stuck.
fn exit() -> ! {
    std::process::exit(Exit::Cancelled.status())
}

//! Work that waits for others' answers, on a thread of its own: whoever gives it up waits until it has cleared up.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

/// Does some work, which ends soon after its flag is set, and has cleared up by then. `given_up` makes an error of the
/// reason why nothing came of it, a sentence without a full stop.
pub(super) async fn on_a_thread<T: Send + 'static, E: Send + 'static>(
    work: impl FnOnce(&AtomicBool) -> Result<T, E> + Send + 'static,
    given_up: impl Fn(String) -> E,
) -> Result<T, E> {
    let stop = Arc::new(AtomicBool::new(false));
    let (send, receive) = tokio::sync::oneshot::channel();
    let seen = Arc::clone(&stop);
    let work = move || {
        let _ = send.send(work(&seen));
    };
    let thread = std::thread::Builder::new().name("live machine".into()).spawn(work);
    let thread = thread.map_err(|error| given_up(error.to_string()))?;
    let _worker = Worker { stop, thread: Some(thread) };
    receive.await.unwrap_or_else(|_| Err(given_up("it was given up".into())))
}

/// The thread; dropped, it ends and has cleared up.
struct Worker {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It has panicked if this fails, and nobody waits for it.
            let _ = thread.join();
        }
    }
}

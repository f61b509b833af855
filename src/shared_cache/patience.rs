//! How long a build waits for registries: what they cost without being of use comes out of one budget, and what would
//! take longer than doing the work is not waited for.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::Fault;

/// What a build may lose in all to registries that are down or slow.
const BUDGET: Duration = Duration::from_secs(5);
/// Between two looks at how far a transfer is.
const LOOK: Duration = Duration::from_millis(100);
/// How long a transfer may stand still.
const STILL: Duration = Duration::from_secs(2);
/// After so long its pace is known.
const JUDGED: Duration = Duration::from_secs(1);
/// Bytes in a second that are not waited for when something is sent.
const SLOWEST: u64 = 128 << 10;

/// What is left of the budget.
#[derive(Debug)]
pub(super) struct Patience {
    left: Mutex<Duration>,
}

/// What a transfer has to be worth.
#[derive(Debug, Clone, Copy)]
pub(super) enum Worth {
    /// What is fetched took so long to make.
    Making(Duration),
    /// What is sent is of use to others only.
    Sending,
}

impl Default for Patience {
    fn default() -> Self {
        Self { left: Mutex::new(BUDGET) }
    }
}

impl Patience {
    /// What is left.
    pub(super) fn left(&self) -> Duration {
        *self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets what is left: what was asked since proved to be of use.
    pub(super) fn restore(&self, left: Duration) {
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = left;
    }

    fn spend(&self, time: Duration) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        *left = left.saturating_sub(time);
    }

    /// Asks something, as long as there is patience left.
    pub(super) async fn ask<T>(&self, asking: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        let began = Instant::now();
        let answer = tokio::time::timeout(self.left(), asking).await;
        self.spend(began.elapsed());
        answer.unwrap_or(Err(Fault::Slow))
    }

    /// Transfers something, of which `bytes` says how much has gone of `total`, as long as it is worth its time.
    pub(super) async fn transfer<T>(
        &self,
        (bytes, total): (&AtomicU64, u64),
        worth: Worth,
        transfer: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        let began = Instant::now();
        let left = self.left();
        let watch = async {
            let (mut last, mut moved) = (0, began);
            loop {
                tokio::time::sleep(LOOK).await;
                let done = bytes.load(Ordering::Relaxed);
                if done != last {
                    (last, moved) = (done, Instant::now());
                }
                if moved.elapsed() >= STILL.min(left)
                    || !is_worth(began.elapsed(), (done, total), worth, left)
                {
                    return;
                }
            }
        };
        let result = tokio::select! {
            biased;
            result = transfer => result,
            () = watch => Err(Fault::Slow),
        };
        if result.is_err() {
            self.spend(began.elapsed());
        }
        result
    }
}

/// Whether a transfer that took so long for `done` of `total` bytes is to go on.
fn is_worth(elapsed: Duration, (done, total): (u64, u64), worth: Worth, left: Duration) -> bool {
    if elapsed < JUDGED {
        return true;
    }
    let pace = done as f64 / elapsed.as_secs_f64();
    match worth {
        Worth::Making(made) => total.saturating_sub(done) as f64 <= pace * (made + left).as_secs_f64(),
        Worth::Sending => done >= total || pace >= SLOWEST as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_never_answers_costs_the_budget_and_not_more() {
        let (patience, began) = (Patience::default(), Instant::now());
        for _ in 0..3 {
            let answer = patience.ask(std::future::pending::<Result<(), Fault>>()).await;
            assert!(matches!(answer, Err(Fault::Slow)));
        }
        assert_eq!(began.elapsed().as_secs(), BUDGET.as_secs());
        let bytes = AtomicU64::new(0);
        let worth = Worth::Making(Duration::from_mins(10));
        let sent = patience.transfer((&bytes, 1), worth, std::future::pending::<Result<(), Fault>>()).await;
        assert!(matches!(sent, Err(Fault::Slow)));
        assert_eq!(began.elapsed().as_secs(), BUDGET.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn many_slow_answers_cost_no_more_than_the_budget_unless_they_were_of_use() {
        let answer = || async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            Ok(())
        };
        let patience = Patience::default();
        assert!(patience.ask(answer()).await.is_ok());
        assert!(patience.ask(answer()).await.is_ok());
        assert!(patience.ask(answer()).await.is_err(), "a second is left");
        let patience = Patience::default();
        for _ in 0..5 {
            let before = patience.left();
            assert!(patience.ask(answer()).await.is_ok());
            patience.restore(before);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_transfer_that_stands_still_or_would_outlast_the_work_is_given_up() {
        // So many bytes of a thousand each 100 ms, and how long the work took: whether it is waited for.
        let cases =
            [(0, 600, false), (1, 60, false), (1, 120, true), (100, 1, true), (10, 0, false), (30, 0, true)];
        for (pace, made, waited) in cases {
            let (patience, bytes) = (Patience::default(), AtomicU64::new(0));
            let transfer = async {
                for _ in 0..=1000 / pace.max(1) {
                    tokio::time::sleep(LOOK).await;
                    bytes.fetch_add(pace, Ordering::Relaxed);
                }
                if pace == 0 { std::future::pending().await } else { Ok(()) }
            };
            let began = Instant::now();
            let worth = Worth::Making(Duration::from_secs(made));
            let result = patience.transfer((&bytes, 1000), worth, transfer).await;
            assert_eq!(result.is_ok(), waited, "{pace} {made}");
            if !waited {
                assert!(began.elapsed() < Duration::from_secs(3));
                assert!(patience.left() < BUDGET);
            }
        }
    }

    #[test]
    fn what_is_sent_by_drops_is_not_sent() {
        let seconds = Duration::from_secs;
        let is = |elapsed, done| is_worth(seconds(elapsed), (done, 1 << 30), Worth::Sending, seconds(5));
        assert_eq!([is(0, 0), is(2, 1 << 10), is(2, 1 << 20)], [true, false, true]);
    }
}

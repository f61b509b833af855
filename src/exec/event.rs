//! What happens during a build, as data: the terminal, the plain log, `--progress json` and the build
//! record are all made from this one stream.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PlanSummary;
use crate::text::Digest;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// Milliseconds since the command began.
    pub at_ms: u64,
    /// The image it belongs to; none for what concerns the whole command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// What happened; its name is the key `event`, its fields are beside `at_ms`.
    #[serde(flatten)]
    pub what: EventKind,
}

/// What can happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum EventKind {
    /// The command begins; comes first. `build` is the number `logs` and `cancel` take.
    Begun {
        /// Its number in the store's records.
        build: i64,
        /// Version of imgfile.
        version: String,
    },
    /// What an image's build is going to do, as far as a reader of the record wants to know it.
    Planned(Box<PlanSummary>),
    /// An image's build begins; `steps` are the names of all steps and tests, in order.
    Started {
        /// Such as `packages`, `script announce`, `test front`.
        steps: Vec<String>,
    },
    /// One line worth knowing, such as why KVM is not used.
    Note {
        /// A sentence without a full stop.
        text: String,
    },
    /// A step, test or download begins.
    StepStarted {
        /// Name of the step, such as `script announce`.
        step: String,
        /// The step that it is a part of; none where it stands for itself, perhaps beside others.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        within: Option<String>,
    },
    /// A piece of a step's output; pieces may end anywhere. Invalid UTF-8 is replaced.
    Output {
        /// Name of the step, such as `script announce`.
        step: String,
        /// Which stream of the command it comes from.
        stream: Stream,
        /// The piece itself, with its line ends; secrets are masked.
        text: String,
    },
    /// The last line of the console of a machine that comes up in this step; not part of any log.
    Console {
        /// Name of the step, such as `script announce`.
        step: String,
        /// The line without its end.
        line: String,
    },
    /// How far a transfer or conversion is, in bytes.
    Progress {
        /// Name of the step that transfers, such as `download the base's packages`.
        task: String,
        /// Bytes so far.
        done: u64,
        /// Bytes in all; 0 where nobody knows.
        total: u64,
    },
    /// How the command of a step ended; a step with retries has several.
    Exited {
        /// Name of the step, such as `script announce`.
        step: String,
        /// Exit status, signal or timeout.
        exit: Exit,
    },
    /// A step, test or download ends.
    StepFinished {
        /// Name of the step, such as `script announce`.
        step: String,
        /// How it ended.
        outcome: Outcome,
        /// Milliseconds that it took; 0 for one that is reused.
        elapsed_ms: u64,
    },
    /// The artifact passed its tests and is in the output folder.
    Artifact {
        /// Where it is, such as `out/web.qcow2`.
        path: String,
        /// Digest of the whole file.
        sha256: Digest,
        /// In bytes.
        size: u64,
    },
    /// An image's build ended.
    Finished {
        /// How it ended: `done` or `failed`.
        outcome: Outcome,
        /// Milliseconds that it took.
        elapsed_ms: u64,
        /// Why it failed.
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// The command ended; comes last.
    Ended {
        /// How it ended; done only if every image is.
        outcome: Outcome,
    },
}

/// How a command in the guest ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    /// It ended by itself, with this exit status: 0 to 255.
    Status(i32),
    /// A signal ended it, by number, such as 9.
    Signal(i32),
    /// It took too long and was killed.
    TimedOut,
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Status(status) => write!(f, "exit status {status}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
            Self::TimedOut => f.write_str("timed out"),
        }
    }
}

/// A stream of a command in the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Its standard output.
    Stdout,
    /// Its error stream.
    Stderr,
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It ran and ended well.
    Done,
    /// The result of an earlier run was there.
    Reused,
    /// It ended with an error.
    Failed,
    /// Somebody stopped the command before it ended.
    Cancelled,
}

/// Takes the events of a build. Called in order from the thread that runs the build: one that blocks
/// slows the guest down, which is what keeps a flood of output from filling memory.
pub trait Observer: Send + Sync {
    /// Takes one event, in the order of the stream; no error of an observer stops a build.
    fn event(&self, event: &Event);
}

/// Several observers of one stream, each in turn.
#[derive(Clone, Default)]
pub struct Tee(pub Vec<std::sync::Arc<dyn Observer>>);

impl std::fmt::Debug for Tee {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Tee").field(&self.0.len()).finish()
    }
}

impl Observer for Tee {
    fn event(&self, event: &Event) {
        for observer in &self.0 {
            observer.event(event);
        }
    }
}

/// The clock and the address of the events of one image.
#[derive(Clone)]
pub struct Reporter {
    observer: std::sync::Arc<dyn Observer>,
    began: std::time::Instant,
    image: Option<String>,
}

impl std::fmt::Debug for Reporter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reporter").field("image", &self.image).finish_non_exhaustive()
    }
}

impl Reporter {
    /// A stream that begins now: [`Event::at_ms`] counts from this call. It speaks of no image.
    #[must_use]
    pub fn new(observer: std::sync::Arc<dyn Observer>) -> Self {
        Self { observer, began: std::time::Instant::now(), image: None }
    }

    /// The same stream, speaking of one image.
    #[must_use]
    pub fn of_image(&self, image: &str) -> Self {
        Self { image: Some(image.to_owned()), ..self.clone() }
    }

    /// Passes an event on, with the time and the image; what matters goes to the trace as well.
    pub fn report(&self, what: EventKind) {
        let image = self.image.as_deref().unwrap_or_default();
        // What a guest prints may hold secrets that are masked further on.
        match &what {
            EventKind::Output { step, text, .. } => {
                tracing::trace!(image, step, bytes = text.len(), "output");
            }
            EventKind::Console { .. } | EventKind::Progress { .. } => tracing::trace!(image, ?what, "event"),
            // The message may have lines of a console.
            EventKind::Finished { outcome, elapsed_ms, .. } => {
                tracing::info!(image, ?outcome, elapsed_ms, "finished");
            }
            _ => tracing::info!(image, ?what, "event"),
        }
        self.observer.event(&Event { at_ms: millis(self.began), image: self.image.clone(), what });
    }

    /// Reports a [`EventKind::Note`].
    pub fn note(&self, text: impl Into<String>) {
        self.report(EventKind::Note { text: text.into() });
    }

    /// A piece of a step's standard output.
    pub fn output(&self, step: &str, text: &str) {
        self.report(EventKind::Output {
            step: step.to_owned(),
            stream: Stream::Stdout,
            text: text.to_owned(),
        });
    }

    /// A step that need not run: its result is there.
    pub fn reused(&self, step: &str) {
        self.report(EventKind::StepFinished {
            step: step.to_owned(),
            outcome: Outcome::Reused,
            elapsed_ms: 0,
        });
    }

    /// Runs `work` as a named step: started and finished are reported whatever comes of it.
    pub async fn step<T, E>(&self, step: &str, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let began = std::time::Instant::now();
        let within = STEP.try_with(Clone::clone).ok();
        self.report(EventKind::StepStarted { step: step.to_owned(), within });
        let result = STEP.scope(step.to_owned(), work).await;
        let outcome = if result.is_ok() { Outcome::Done } else { Outcome::Failed };
        self.report(EventKind::StepFinished { step: step.to_owned(), outcome, elapsed_ms: millis(began) });
        result
    }
}

tokio::task_local! {
    /// The step that runs here, which steps of the same task may be parts of.
    static STEP: String;
}

fn millis(since: std::time::Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Default)]
    struct Seen(Mutex<Vec<(String, Option<String>)>>);

    impl Observer for Seen {
        fn event(&self, event: &Event) {
            if let EventKind::StepStarted { step, within } = &event.what {
                self.0.lock().unwrap().push((step.clone(), within.clone()));
            }
        }
    }

    #[tokio::test]
    async fn a_step_within_another_says_so_and_one_beside_it_does_not() {
        let seen = Arc::new(Seen::default());
        let reporter = Reporter::new(seen.clone());
        let done = || async {
            tokio::task::yield_now().await;
            Ok::<_, ()>(())
        };
        let make = reporter.step("make", reporter.step("mount", done()));
        tokio::try_join!(make, reporter.step("boot", done())).unwrap();
        let expected = [("make", None), ("mount", Some("make")), ("boot", None)];
        let expected = expected.map(|(step, within)| (step.to_owned(), within.map(str::to_owned)));
        assert_eq!(*seen.0.lock().unwrap(), expected);
    }
}

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
    #[serde(flatten)]
    pub what: EventKind,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum EventKind {
    /// The command begins; comes first. `build` is the number `logs` and `cancel` take.
    Begun {
        build: i64,
        /// Version of imgfile.
        version: String,
    },
    /// What an image's build is going to do, as far as a reader of the record wants to know it.
    Planned(Box<PlanSummary>),
    /// An image's build begins; `steps` are the names of all steps and tests, in order.
    Started {
        steps: Vec<String>,
    },
    /// One line worth knowing, such as why KVM is not used.
    Note {
        text: String,
    },
    StepStarted {
        step: String,
    },
    /// A piece of a step's output; pieces may end anywhere. Invalid UTF-8 is replaced.
    Output {
        step: String,
        stream: Stream,
        text: String,
    },
    /// The last line of the console of a machine that comes up in this step; not part of any log.
    Console {
        step: String,
        line: String,
    },
    /// How far a transfer or conversion is, in bytes.
    Progress {
        task: String,
        done: u64,
        total: u64,
    },
    /// How the command of a step ended; a step with retries has several.
    Exited {
        step: String,
        exit: Exit,
    },
    StepFinished {
        step: String,
        outcome: Outcome,
        elapsed_ms: u64,
    },
    /// The artifact passed its tests and is in the output folder.
    Artifact {
        path: String,
        sha256: Digest,
        size: u64,
    },
    /// An image's build ended.
    Finished {
        outcome: Outcome,
        elapsed_ms: u64,
        /// Why it failed.
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// The command ended; comes last.
    Ended {
        outcome: Outcome,
    },
}

/// How a command in the guest ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    Status(i32),
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    Stdout,
    Stderr,
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Done,
    /// The result of an earlier run was there.
    Reused,
    Failed,
    Cancelled,
}

/// Takes the events of a build. Called in order from the thread that runs the build: one that blocks
/// slows the guest down, which is what keeps a flood of output from filling memory.
pub trait Observer: Send + Sync {
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
    #[must_use]
    pub fn new(observer: std::sync::Arc<dyn Observer>) -> Self {
        Self { observer, began: std::time::Instant::now(), image: None }
    }

    /// The same stream, speaking of one image.
    #[must_use]
    pub fn of_image(&self, image: &str) -> Self {
        Self { image: Some(image.to_owned()), ..self.clone() }
    }

    pub fn report(&self, what: EventKind) {
        let image = self.image.as_deref().unwrap_or_default();
        // What a guest prints may hold secrets that are masked further on.
        match &what {
            EventKind::Output { step, text, .. } => {
                tracing::trace!(image, step, bytes = text.len(), "output");
            }
            EventKind::Console { .. } | EventKind::Progress { .. } => tracing::trace!(image, ?what, "event"),
            _ => tracing::info!(image, ?what, "event"),
        }
        self.observer.event(&Event { at_ms: millis(self.began), image: self.image.clone(), what });
    }

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
        self.report(EventKind::StepStarted { step: step.to_owned() });
        let result = work.await;
        let outcome = if result.is_ok() { Outcome::Done } else { Outcome::Failed };
        self.report(EventKind::StepFinished { step: step.to_owned(), outcome, elapsed_ms: millis(began) });
        result
    }
}

fn millis(since: std::time::Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

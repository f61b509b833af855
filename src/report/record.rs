//! Events into the store's record of a build: rows for states and times, a log file for output.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::progress::{Buffered, Lines, Plain, Tail, size};
use crate::{
    exec::{Event, EventKind, Observer, Outcome, PlanSummary, Stream},
    store::{
        Records,
        records::{Ending, NewArtifact, State, StepId},
    },
    text::Digest,
};

/// How much output goes to the log; of what a step prints after that only the end is kept, so that a guest that
/// floods fills no disk, nor does one that floods in each of a hundred steps.
#[derive(Debug, Clone, Copy)]
struct Room {
    /// Bytes of one step.
    step: u64,
    /// Bytes of the whole build.
    build: u64,
}

const ROOM: Room = Room { step: 64 << 20, build: 256 << 20 };

/// Writes a build's record. What goes wrong with that is told at the end and never stops the build.
#[derive(Debug)]
pub struct Recorder {
    records: Records,
    build: i64,
    log: Plain<Buffered<std::fs::File>>,
    /// The lock the artifacts are built by; read when the first of them is there. None where there cannot be one.
    lock: Option<PathBuf>,
    room: Room,
    state: Mutex<Recording>,
}

#[derive(Debug, Default)]
struct Recording {
    lines: Lines,
    running: Vec<Running>,
    images: Vec<String>,
    plans: HashMap<String, PlanSummary>,
    /// Bytes of output in the log.
    logged: u64,
    problem: Option<String>,
}

/// A step that has begun.
#[derive(Debug)]
struct Running {
    image: String,
    name: String,
    id: Option<StepId>,
    output: u64,
    unlogged: u64,
    tail: Tail,
    exit: Option<String>,
}

impl Recorder {
    /// The record of a build that `records.begin` has given the number `build`. `lock` is the path of the
    /// lock it is built by, if there is one.
    pub fn new(records: Records, build: i64, lock: Option<PathBuf>) -> crate::store::Result<Self> {
        let log = Plain::new(Buffered::new(records.begin_log(build)?));
        Ok(Self { records, build, log, lock, room: ROOM, state: Mutex::default() })
    }

    /// The build's number in the store.
    #[must_use]
    pub fn build(&self) -> i64 {
        self.build
    }

    /// The store's records that it writes to.
    #[must_use]
    pub fn records(&self) -> &Records {
        &self.records
    }

    /// Keeps what is shown of a failure.
    pub fn diagnosed(&self, text: &str) {
        let result = self.records.diagnosed(self.build, text);
        self.state.lock().unwrap_or_else(PoisonError::into_inner).note(result);
    }

    /// Writes the build's end.
    pub fn end(&self, outcome: Outcome, elapsed_ms: u64, message: Option<&str>) {
        let ending = Ending { state: state(outcome), elapsed_ms, message };
        let result = self.records.end(self.build, ending);
        let mut recording = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        recording.note(result);
    }

    /// The first thing that could not be recorded.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).problem.clone()
    }

    fn record(&self, recording: &mut Recording, event: &Event) {
        let image = event.image.as_deref().unwrap_or_default();
        let result = match &event.what {
            EventKind::Planned(plan) => {
                recording.plans.insert(image.to_owned(), (**plan).clone());
                let json = serde_json::to_string(plan).unwrap_or_default();
                self.image_begun(recording, event)
                    .and_then(|()| self.records.image_planned(self.build, image, &json))
            }
            EventKind::Started { .. } => self.image_begun(recording, event),
            EventKind::StepStarted { step, .. } => {
                let begun = self.image_begun(recording, event);
                recording.note(begun);
                let id = self.records.step_began(self.build, image, step, event.at_ms);
                let running = Running {
                    image: image.to_owned(),
                    name: step.clone(),
                    id: id.as_ref().ok().copied(),
                    output: 0,
                    unlogged: 0,
                    tail: Tail::default(),
                    exit: None,
                };
                recording.running.push(running);
                id.map(|_| ())
            }
            EventKind::Exited { step, exit } => {
                if let Some(running) = recording.running(image, step) {
                    running.exit = Some(exit.to_string());
                }
                Ok(())
            }
            EventKind::StepFinished { step, outcome, elapsed_ms } => {
                self.step_finished(recording, event, step, *outcome, *elapsed_ms)
            }
            EventKind::Artifact { path, sha256, size } => {
                let plan = recording.plans.get(image).cloned().unwrap_or_default();
                let path = std::path::absolute(path).unwrap_or_else(|_| path.into());
                let lock_path = self.lock.as_ref().and_then(|lock| std::path::absolute(lock).ok());
                self.records.add_artifact(&NewArtifact {
                    build: self.build,
                    image,
                    path: &path.to_string_lossy(),
                    sha256: *sha256,
                    size: *size,
                    plan_key: &plan.key,
                    lock: self.lock.as_ref().and_then(|lock| std::fs::read(lock).ok()).map(Digest::of),
                    lock_path: lock_path.as_deref().and_then(Path::to_str),
                    labels: &plan.labels,
                    description: plan.description.as_deref(),
                    base: Some(plan.base.as_str()).filter(|base| !base.is_empty() && plan.captured.is_none()),
                    base_key: plan.base_key.map(|key| key.to_string()).as_deref(),
                    parent: plan.parent.as_deref(),
                    appliance: plan.appliance.as_ref(),
                    captured: plan.captured.as_deref(),
                })
            }
            EventKind::Finished { outcome, elapsed_ms, message } => {
                let ending =
                    Ending { state: state(*outcome), elapsed_ms: *elapsed_ms, message: message.as_deref() };
                self.records.image_ended(self.build, image, ending)
            }
            EventKind::Begun { .. }
            | EventKind::Note { .. }
            | EventKind::Output { .. }
            | EventKind::Progress { .. }
            | EventKind::Console { .. }
            | EventKind::Ended { .. } => Ok(()),
        };
        recording.note(result);
    }

    /// An image begins with the first that is heard of it: its base may be made before its plan is told.
    fn image_begun(&self, recording: &mut Recording, event: &Event) -> crate::store::Result<()> {
        let Some(image) = &event.image else { return Ok(()) };
        if recording.images.contains(image) {
            return Ok(());
        }
        recording.images.push(image.clone());
        self.records.image_began(self.build, image, event.at_ms)
    }

    /// Counts a piece of output; says whether the log gets it.
    fn output(
        &self,
        recording: &mut Recording,
        event: &Event,
        step: &str,
        stream: Stream,
        text: &str,
    ) -> bool {
        let image = event.image.as_deref().unwrap_or_default();
        let Recording { lines, running, logged, .. } = recording;
        let bytes = text.len() as u64;
        let room = *logged + bytes <= self.room.build;
        let running = running.iter_mut().rev().find(|running| running.is(image, step));
        let Some(running) = running else { return room };
        running.output += bytes;
        lines.push(Some(image), step, stream, text, |line| running.tail.push(line));
        // What was cut once stays cut: the log has the head of a step, and its end.
        let kept = room && running.unlogged == 0 && running.output <= self.room.step;
        if kept {
            *logged += bytes;
        } else {
            running.unlogged += bytes;
        }
        kept
    }

    fn step_finished(
        &self,
        recording: &mut Recording,
        event: &Event,
        step: &str,
        outcome: Outcome,
        elapsed_ms: u64,
    ) -> crate::store::Result<()> {
        let image = event.image.as_deref().unwrap_or_default();
        let index = recording.running.iter().rposition(|running| running.is(image, step));
        let Some(mut running) = index.map(|index| recording.running.remove(index)) else {
            // Reused steps never began.
            let id = self.records.step_began(self.build, image, step, event.at_ms)?;
            let ending = Ending { state: state(outcome), elapsed_ms, message: None };
            return self.records.step_ended(id, ending, 0, "");
        };
        recording.lines.end(Some(image), step, |line| running.tail.push(line));
        let tail = running.tail.text();
        if running.unlogged > 0 {
            let unlogged = size(running.unlogged);
            let text = format!("\n[{unlogged} more are not kept in this log; their end:]\n{tail}\n");
            let what = EventKind::Output { step: step.to_owned(), stream: Stream::Stdout, text };
            self.log.event(&Event { what, ..event.clone() });
        }
        let Some(id) = running.id else { return Ok(()) };
        let ending = Ending { state: state(outcome), elapsed_ms, message: running.exit.as_deref() };
        self.records.step_ended(id, ending, running.output, &tail)
    }
}

impl Running {
    fn is(&self, image: &str, step: &str) -> bool {
        self.image == image && self.name == step
    }
}

impl Recording {
    fn running(&mut self, image: &str, step: &str) -> Option<&mut Running> {
        self.running.iter_mut().rev().find(|running| running.is(image, step))
    }

    /// Remembers the first thing that went wrong.
    fn note(&mut self, result: crate::store::Result<()>) {
        if let Err(error) = result {
            self.problem.get_or_insert(error.to_string());
        }
    }
}

impl Observer for Recorder {
    fn event(&self, event: &Event) {
        let mut recording = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let EventKind::Output { step, stream, text } = &event.what {
            if self.output(&mut recording, event, step, *stream, text) {
                self.log.event(event);
            }
        } else {
            self.record(&mut recording, event);
            self.log.event(event);
        }
    }
}

const fn state(outcome: Outcome) -> State {
    match outcome {
        Outcome::Done => State::Done,
        Outcome::Reused => State::Reused,
        Outcome::Failed => State::Failed,
        Outcome::Cancelled => State::Cancelled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::Exit;

    fn recorder() -> (tempfile::TempDir, Recorder) {
        let dir = tempfile::tempdir().unwrap();
        let records = Records::open(dir.path()).unwrap();
        let build = records.begin(dir.path(), "0.1.0").unwrap();
        let lock = dir.path().join("ImageFile.lock");
        std::fs::write(&lock, "lock").unwrap();
        (dir, Recorder::new(records, build, Some(lock)).unwrap())
    }

    fn send(recorder: &Recorder, at_ms: u64, what: EventKind) {
        recorder.event(&Event { at_ms, image: Some("web".into()), what });
    }

    #[test]
    fn the_stream_becomes_rows_and_a_log() {
        let (dir, recorder) = recorder();
        let plan = PlanSummary {
            key: "k".into(),
            labels: [("team".to_owned(), "shop".to_owned())].into(),
            ..PlanSummary::default()
        };
        let finished =
            |step: &str, outcome| EventKind::StepFinished { step: step.into(), outcome, elapsed_ms: 7 };
        let output = |text: &str| EventKind::Output {
            step: "script".into(),
            stream: Stream::Stdout,
            text: text.into(),
        };
        let artifact = dir.path().join("web.qcow2").to_string_lossy().into_owned();
        for (at, what) in [
            EventKind::Planned(Box::new(plan)),
            EventKind::Started { steps: vec!["grow".into(), "script".into()] },
            finished("grow", Outcome::Reused),
            EventKind::StepStarted { step: "script".into(), within: None },
            output("first\nsec"),
            output("ond\n\u{1b}[31mlast"),
            EventKind::Exited { step: "script".into(), exit: Exit::Status(0) },
            finished("script", Outcome::Done),
            EventKind::Artifact { path: artifact.clone(), sha256: Digest::of("a"), size: 5 },
            EventKind::Finished { outcome: Outcome::Done, elapsed_ms: 9, message: None },
        ]
        .into_iter()
        .enumerate()
        {
            send(&recorder, at as u64, what);
        }
        recorder.end(Outcome::Done, 10, None);
        assert_eq!(recorder.problem(), None);

        let record = recorder.records.build(recorder.build).unwrap().unwrap();
        let image = &record.details[0];
        assert_eq!(
            (record.summary.state, image.state, image.elapsed_ms),
            (State::Done, State::Done, Some(9))
        );
        let script = &image.steps[1];
        assert_eq!((script.tail.as_str(), script.output_bytes), ("first\nsecond\nlast", 22));
        assert_eq!((script.exit.as_deref(), script.began_ms), (Some("exit status 0"), 3));
        assert_eq!(image.steps[0].state, State::Reused);
        let made = &image.artifacts[0];
        assert_eq!((made.path.as_str(), made.plan_key.as_str()), (artifact.as_str(), "k"));
        assert_eq!((made.lock, made.labels["team"].as_str()), (Some(Digest::of("lock")), "shop"));

        let log = recorder.records.log(recorder.build);
        drop(recorder);
        let log = std::fs::read_to_string(log).unwrap();
        let end = "    0.0s web: > script\n    0.0s web:   | first\n    0.0s web:   | second\n    0.0s web:   | last\n";
        assert!(log.contains(end), "{log}");
    }

    #[test]
    fn a_flood_leaves_a_log_of_bounded_size_with_its_beginning_and_its_end() {
        let (_dir, mut recorder) = recorder();
        recorder.room = Room { step: 1 << 20, build: 3 << 20 };
        let piece = ("x".repeat(127) + "\n").repeat(512);
        let output =
            |step: &str, text: String| EventKind::Output { step: step.into(), stream: Stream::Stdout, text };
        for step in ["a", "b", "c", "d", "e"] {
            send(&recorder, 0, EventKind::StepStarted { step: step.into(), within: None });
            send(&recorder, 1, output(step, format!("the beginning of {step}\n")));
            for _ in 0..32 {
                send(&recorder, 1, output(step, piece.clone()));
            }
            send(&recorder, 2, output(step, format!("the end of {step}")));
            let done = EventKind::StepFinished { step: step.into(), outcome: Outcome::Done, elapsed_ms: 2 };
            send(&recorder, 2, done);
        }
        let path = recorder.records.log(recorder.build);
        drop(recorder);
        // Each line has the image and the time before it.
        let size = std::fs::metadata(&path).unwrap().len();
        assert!(size < 2 * (3 << 20), "{size}");
        let log = std::fs::read_to_string(path).unwrap();
        for (step, unlogged) in
            [("a", "1.0 MiB"), ("b", "1.0 MiB"), ("c", "1.0 MiB"), ("d", "1.8 MiB"), ("e", "2.0 MiB")]
        {
            let cut = log.split_once(&format!("> {step}\n")).unwrap().1;
            let note = format!("[{unlogged} more are not kept in this log");
            assert!(cut.contains(&note), "{step}: `{note}`");
            assert!(cut.contains(&format!("| the end of {step}\n")), "{step}");
        }
        assert!(log.contains("| the beginning of a\n"));
    }
}

//! How fast a gigabyte of script output passes the observers of a build, and what memory that takes.
//!
//! `cargo bench --bench flood [-- tree|plain|json|grouped [BYTES A PIECE]]`; the record is always written.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a measurement ends where it cannot go on

use std::{
    io::{Result, Write},
    sync::Arc,
    time::Instant,
};

use imgfile::{
    exec::{Event, EventKind, Observer, Outcome, Stream, Tee},
    report::{
        progress::{Buffered, Ci, Grouped, JsonLines, Look, Plain, Tree},
        record::Recorder,
    },
    store::Records,
};

const TOTAL: usize = 1 << 30;

/// Reads nothing, like a fast reader.
struct Gone;

impl Write for Gone {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

fn view(name: &str) -> Arc<dyn Observer> {
    match name {
        "tree" => {
            Arc::new(Tree::new(Gone, || Look { colour: true, unicode: true, width: 100, height: Some(40) }))
        }
        "plain" => Arc::new(Plain::new(Buffered::new(Gone))),
        "grouped" => Arc::new(Grouped::new(Buffered::new(Gone), Ci::GitHub)),
        _ => Arc::new(JsonLines::new(Buffered::new(Gone))),
    }
}

/// Resident memory at its highest so far, in KiB (proc(5), `VmHWM`).
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn flood(name: &str, piece: &str) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let records = Records::open(dir.path()).expect("records in it");
    let build = records.begin(dir.path(), "bench").expect("a build in them");
    let recorder = Arc::new(Recorder::new(records, build, Some(dir.path().join("lock"))).expect("its log"));
    let tee = Tee(vec![view(name), Arc::clone(&recorder) as Arc<dyn Observer>]);
    let send = |what| tee.event(&Event { at_ms: 1, image: Some("web".into()), what });
    let before = peak();
    let began = Instant::now();
    send(EventKind::StepStarted { step: "flood".into(), within: None });
    for _ in 0..TOTAL / piece.len() {
        send(EventKind::Output { step: "flood".into(), stream: Stream::Stdout, text: piece.to_owned() });
    }
    send(EventKind::StepFinished { step: "flood".into(), outcome: Outcome::Done, elapsed_ms: 1 });
    recorder.end(Outcome::Done, 1, None);
    drop(tee);
    let rate = TOTAL as f64 / 1e6 / began.elapsed().as_secs_f64();
    let kib = piece.len() / 1024;
    println!("{name:8} {kib:3} KiB pieces: {rate:6.0} MB/s, memory +{} KiB", peak() - before);
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let names = match words.first() {
        Some(name) => vec![name.as_str()],
        None => vec!["tree", "plain", "grouped", "json"],
    };
    let line = "Setting up a-package-with-a-name (1:2.3.4-5+deb13u6) over and over again ...\n";
    for name in names {
        for bytes in [4096, 65536] {
            flood(name, &line.repeat(bytes / line.len() + 1));
        }
    }
}

//! What a machine says on its console while it comes up, so that a person sees that it does.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::event::{EventKind, Reporter};

/// How often the console is looked at.
const EVERY: Duration = Duration::from_millis(250);
/// Bytes of the console's end that are looked at: many lines.
const END: u64 = 4096;

/// Runs `work` as a named step, and reports the last line of the console while it lasts.
pub(super) async fn step<T, E>(
    reporter: &Reporter,
    step: &str,
    console: &Path,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    reporter.step(step, watched(reporter, step, console, work)).await
}

async fn watched<T>(reporter: &Reporter, step: &str, console: &Path, work: impl Future<Output = T>) -> T {
    let mut seen = Seen::default();
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            _ = ticks.tick() => {
                if let Some(line) = seen.news(console) {
                    reporter.report(EventKind::Console { step: step.to_owned(), line });
                }
            }
        }
    }
}

/// The line that was reported last.
#[derive(Debug, Default)]
struct Seen(Option<String>);

impl Seen {
    /// The last line of the console, if it is another than before.
    fn news(&mut self, console: &Path) -> Option<String> {
        // Before the emulator runs there is no console.
        let line = last_line(&end(console).ok()?)?;
        if self.0.as_ref() == Some(&line) {
            return None;
        }
        self.0.insert(line).clone().into()
    }
}

fn end(console: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(console)?;
    let size = file.metadata()?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(END)))?;
    let mut end = Vec::new();
    file.take(END).read_to_end(&mut end)?;
    Ok(end)
}

/// The last whole line that says something, without what would disturb a terminal.
fn last_line(end: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(end);
    let (whole, _) = text.rsplit_once(['\n', '\r'])?;
    let clean = |line: &str| -> String {
        console::strip_ansi_codes(line).chars().filter(|c| !crate::text::is_hidden(*c)).collect()
    };
    let mut lines = whole.rsplit(['\n', '\r']).map(clean);
    lines.find(|line| !line.trim().is_empty()).map(|line| line.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_whole_and_clean() {
        for (end, line) in [
            (&b"[    1.0] one\r\n[    2.0] tw"[..], Some("[    1.0] one")),
            (b"\x1b[32m  OK  \x1b[0m Reached target\r\n\r\n \n", Some("OK   Reached target")),
            (b"no end", None),
            (b"\xff\n", Some("\u{FFFD}")),
            (b"", None),
        ] {
            assert_eq!(last_line(end).as_deref(), line);
        }
    }

    #[test]
    fn a_line_is_news_once() {
        let folder = tempfile::tempdir().unwrap();
        let console = folder.path().join("console.log");
        let mut seen = Seen::default();
        assert_eq!(seen.news(&console), None, "there is no console yet");
        for (text, news) in [
            ("", None),
            ("one\nt", Some("one")),
            ("one\ntw", None),
            ("one\ntwo\n", Some("two")),
            ("one\n", Some("one")),
        ] {
            std::fs::write(&console, text).unwrap();
            assert_eq!(seen.news(&console).as_deref(), news, "{text:?}");
        }
    }
}

//! The tests of images as JUnit XML, which every CI system shows: a suite for each image, a case for each test and each
//! boot of the artifact.
//!
//! The form is the one that Jenkins' schema describes and its readers share: `testsuites`, `testsuite`, `testcase` with
//! `failure`, `error` or `skipped`, then `system-out`. What a guest printed is text of a stranger: it is bounded, and
//! has no character that XML 1.0 does not have.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Mutex, PoisonError},
};

use crate::exec::{Event, EventKind, Observer, Outcome};

/// Bytes of a test's output that are kept: the end.
const MOST_OUTPUT: usize = 64 << 10;
/// Lines of it that a failure quotes.
const QUOTED: usize = 20;

/// Collects what the tests of a build or of `imgfile test` do.
#[derive(Debug, Default)]
pub struct Junit(Mutex<BTreeMap<String, Suite>>);

/// The tests of an image.
#[derive(Debug, Default)]
struct Suite {
    /// In the order in which they were announced, or began.
    cases: Vec<Case>,
    elapsed_ms: u64,
}

#[derive(Debug, Default)]
struct Case {
    name: String,
    outcome: Option<Outcome>,
    elapsed_ms: u64,
    output: String,
    /// How its last command ended.
    exit: Option<String>,
}

/// Whether a step is a test, by its name in the stream of events.
fn is_test(step: &str) -> bool {
    step.starts_with("test ") || is_boot(step)
}

/// Whether it is a boot of the artifact, which is a test of its own.
fn is_boot(step: &str) -> bool {
    step.starts_with("boot the artifact") || step.starts_with("open the artifact")
}

impl Suite {
    fn case(&mut self, name: &str) -> &mut Case {
        let at = self.cases.iter().position(|case| case.name == name).unwrap_or_else(|| {
            self.cases.push(Case { name: name.to_owned(), ..Case::default() });
            self.cases.len() - 1
        });
        &mut self.cases[at]
    }
}

impl Observer for Junit {
    fn event(&self, event: &Event) {
        let mut suites = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(image) = &event.image else { return };
        let suite = suites.entry(image.clone()).or_default();
        match &event.what {
            EventKind::Started { steps } => {
                for step in steps.iter().filter(|step| is_test(step)) {
                    suite.case(step);
                }
            }
            EventKind::Output { step, text, .. } => {
                // What a step printed is wanted where it fails.
                let case = suite.case(step);
                case.output.push_str(text);
                let over = case.output.len().saturating_sub(MOST_OUTPUT);
                let cut = (over..over + 4).find(|at| case.output.is_char_boundary(*at)).unwrap_or_default();
                case.output.drain(..cut);
            }
            EventKind::Exited { step, exit } => suite.case(step).exit = Some(exit.to_string()),
            EventKind::StepFinished { step, outcome, elapsed_ms } => {
                let case = suite.case(step);
                (case.outcome, case.elapsed_ms) = (Some(*outcome), *elapsed_ms);
            }
            EventKind::Finished { elapsed_ms, .. } => suite.elapsed_ms = *elapsed_ms,
            _ => {}
        }
    }
}

impl Junit {
    /// The document.
    #[must_use]
    pub fn xml(&self) -> String {
        let suites = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out =
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"imgfile\">\n".to_owned();
        for (image, suite) in &*suites {
            let shown: Vec<&Case> = suite.cases.iter().filter(|case| case.is_shown()).collect();
            let count = |wanted: Verdict| shown.iter().filter(|case| case.verdict() == wanted).count();
            let total: u64 = shown.iter().map(|case| case.elapsed_ms).sum();
            let _ = writeln!(
                out,
                "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{}\">",
                escaped(image),
                shown.len(),
                count(Verdict::Failed),
                count(Verdict::Broken),
                count(Verdict::Skipped),
                seconds(suite.elapsed_ms.max(total)),
            );
            for case in shown {
                case.write(image, &mut out);
            }
            out.push_str("  </testsuite>\n");
        }
        out.push_str("</testsuites>\n");
        out
    }
}

/// What became of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Passed,
    Failed,
    /// A step failed that is no test, and so the tests did not run.
    Broken,
    Skipped,
}

impl Case {
    /// Steps that are no tests are shown where they failed.
    fn is_shown(&self) -> bool {
        is_test(&self.name) || self.outcome == Some(Outcome::Failed)
    }

    fn verdict(&self) -> Verdict {
        match self.outcome {
            Some(Outcome::Done | Outcome::Reused) => Verdict::Passed,
            Some(Outcome::Failed) if is_test(&self.name) => Verdict::Failed,
            Some(Outcome::Failed) => Verdict::Broken,
            Some(Outcome::Cancelled) | None => Verdict::Skipped,
        }
    }

    fn write(&self, image: &str, out: &mut String) {
        let _ = write!(
            out,
            "    <testcase classname=\"{}\" name=\"{}\" time=\"{}\">",
            escaped(image),
            escaped(&self.name),
            seconds(self.elapsed_ms)
        );
        let exit = self.exit.as_deref().unwrap_or("it could not be done");
        let lines: Vec<&str> = self.output.lines().collect();
        let quoted = lines[lines.len().saturating_sub(QUOTED)..].join("\n");
        let _ = match self.verdict() {
            Verdict::Passed => Ok(()),
            Verdict::Failed => {
                write!(out, "<failure message=\"{}\">{}</failure>", escaped(exit), escaped(&quoted))
            }
            Verdict::Broken => {
                write!(out, "<error message=\"{}\">{}</error>", escaped(exit), escaped(&quoted))
            }
            Verdict::Skipped => write!(out, "<skipped message=\"it did not run\"/>"),
        };
        if self.outcome == Some(Outcome::Reused) {
            out.push_str("<system-out>passed before, and nothing has changed since</system-out>");
        } else if !self.output.is_empty() {
            let _ = write!(out, "<system-out>{}</system-out>", escaped(&self.output));
        }
        out.push_str("</testcase>\n");
    }
}

fn seconds(milliseconds: u64) -> String {
    format!("{}.{:03}", milliseconds / 1000, milliseconds % 1000)
}

/// Text of XML, also for attributes: with nothing that XML 1.0 does not have (its production `Char`), nor what a
/// terminal would obey.
fn escaped(text: &str) -> String {
    let plain = console::strip_ansi_codes(text);
    let mut out = String::with_capacity(plain.len());
    for c in plain.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            c if crate::text::is_hidden(c) || matches!(c, '\u{FFFE}' | '\u{FFFF}') => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::{Exit, Stream};

    fn told(junit: &Junit, what: EventKind) {
        junit.event(&Event { at_ms: 0, image: Some("web".into()), what });
    }

    fn printed(junit: &Junit, step: &str, text: &str) {
        told(junit, EventKind::Output { step: step.into(), stream: Stream::Stdout, text: text.into() });
    }

    fn finished(junit: &Junit, step: &str, outcome: Outcome) {
        told(junit, EventKind::StepFinished { step: step.into(), outcome, elapsed_ms: 1500 });
    }

    #[test]
    fn each_test_is_a_case_with_its_end() {
        let junit = Junit::default();
        let steps = ["packages", "test one", "test two", "test three"].map(str::to_owned).into();
        told(&junit, EventKind::Started { steps });
        finished(&junit, "packages", Outcome::Done);
        finished(&junit, "boot the artifact", Outcome::Done);
        printed(&junit, "test one", "fine\n");
        finished(&junit, "test one", Outcome::Done);
        printed(&junit, "test two", "no <such> \"thing\" & \x1b[31mred\x1b[0m\u{1}\n");
        told(&junit, EventKind::Exited { step: "test two".into(), exit: Exit::Status(7) });
        finished(&junit, "test two", Outcome::Failed);
        let xml = junit.xml();
        for wanted in [
            "<testsuite name=\"web\" tests=\"4\" failures=\"1\" errors=\"0\" skipped=\"1\" time=\"4.500\">",
            "<testcase classname=\"web\" name=\"test one\" time=\"1.500\"><system-out>fine\n</system-out></testcase>",
            "<failure message=\"exit status 7\">no &lt;such&gt; &quot;thing&quot; &amp; red</failure>",
            "name=\"test three\" time=\"0.000\"><skipped message=\"it did not run\"/></testcase>",
            "name=\"boot the artifact\" time=\"1.500\"></testcase>",
        ] {
            assert!(xml.contains(wanted), "{wanted}\n{xml}");
        }
        assert!(!xml.contains("packages") && !xml.contains('\u{1}'), "{xml}");
    }

    #[test]
    fn a_step_that_fails_is_an_error_and_output_is_bounded() {
        let junit = Junit::default();
        printed(&junit, "script x", &"€".repeat(MOST_OUTPUT));
        finished(&junit, "script x", Outcome::Failed);
        finished(&junit, "test a", Outcome::Reused);
        let xml = junit.xml();
        assert!(xml.contains("errors=\"1\"") && xml.contains("<error message="), "{}", &xml[..300]);
        assert!(xml.contains("passed before"));
        assert!(xml.len() < 3 * MOST_OUTPUT, "{}", xml.len());
    }
}

//! Which line of a script failed. bash tells, if it is asked by a file it reads first (`BASH_ENV`, see bash(1));
//! other shells have nothing of the kind.

use super::{
    BuildError,
    pack::{Meta, Pack},
};
use crate::{
    driver::Machine,
    plan::ScriptStep,
    text::{SourceId, Sources, Span},
};

/// What bash reads first, and where it leaves its word.
const TRACE: &str = "/run/imgfile/trace";
const WORD: &str = "/run/imgfile/failed";
/// The variable by which bash finds the file.
pub(super) const VARIABLE: &str = "BASH_ENV";

/// Each command that fails leaves its status and line; the last is the one that ended a script with `-e`. A
/// script's own trap takes the place of this one, and programs it starts know nothing of it. Inside functions
/// bash would have to be asked by an option that changes what a script's own traps mean: there it says nothing.
const TRACER: &str = "unset BASH_ENV
trap 'printf \"%s %s\\n\" \"$?\" \"$LINENO\" >/run/imgfile/failed 2>/dev/null' ERR
";

/// A line of a script, in whatever file it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScriptLine {
    /// The file that the script is written in: an ImageFile, or a file of its own.
    pub source: SourceId,
    /// Where the script's first line starts, in bytes.
    pub start: u32,
    /// From 0.
    pub line: u32,
}

impl ScriptLine {
    /// The line itself without its indentation; none if the script is not that long.
    #[must_use]
    pub fn span(self, sources: &Sources) -> Option<Span> {
        let source = sources.get(self.source);
        let first = source.lines().line_col(self.start).line;
        let line = first.checked_add(self.line)?;
        let start = source.lines().line_start(line)? as usize;
        let text = source.text.get(start..)?.lines().next()?;
        let indent = text.len() - text.trim_start().len();
        let (from, to) = (start + indent, start + text.trim_end().len());
        (from < to).then_some(Span::new(self.source, u32::try_from(from).ok()?, u32::try_from(to).ok()?))
    }
}

/// Whether a script's failing line can be known.
pub(super) fn is_known(script: &ScriptStep) -> bool {
    let first = script.content.lines().next().unwrap_or_default();
    let mut words = first.trim_start_matches("#!").split_ascii_whitespace();
    let program = words.next().unwrap_or_default();
    let program = if program.ends_with("/env") { words.next().unwrap_or_default() } else { program };
    program.rsplit('/').next() == Some("bash") && !script.env.contains_key(VARIABLE) && script.at.is_some()
}

/// Lays what bash reads first; whoever runs the script may write the word.
pub(super) fn lay(pack: &mut Pack) -> Result<(), BuildError> {
    pack.parents(TRACE)?;
    pack.file(TRACE, Meta::root(0o644), TRACER.as_bytes())?;
    pack.file(WORD, Meta::root(0o666), b"")
}

/// The variable for a script's environment.
pub(super) fn variable() -> (String, String) {
    (VARIABLE.to_owned(), TRACE.to_owned())
}

/// The line of the command that ended a script with `code`, if bash said so.
pub(super) async fn of(machine: &mut dyn Machine, script: &ScriptStep, code: i32) -> Option<ScriptLine> {
    let word = machine.get(WORD, 64).await.ok()?;
    let (source, start) = script.at?;
    Some(ScriptLine { source, start, line: read(&word, code)? })
}

/// The line, from 0, in what bash left; the guest may have written anything.
fn read(word: &[u8], code: i32) -> Option<u32> {
    let (status, line) = std::str::from_utf8(word).ok()?.trim_end().split_once(' ')?;
    // A command that failed earlier, and was forgiven, is not the reason.
    (status.parse::<i32>().ok()? == code).then_some(())?;
    line.parse::<u32>().ok()?.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::plan::RunAs;

    #[test]
    fn bash_says_which_line_ended_a_script() {
        let dir = tempfile::tempdir().unwrap();
        let (trace, word, script) =
            (dir.path().join("trace"), dir.path().join("failed"), dir.path().join("script"));
        std::fs::write(&trace, TRACER.replace(WORD, word.to_str().unwrap())).unwrap();
        let line = |text: &str| {
            let _ = std::fs::remove_file(&word);
            std::fs::write(&script, text).unwrap();
            let status =
                std::process::Command::new("bash").arg(&script).env(VARIABLE, &trace).status().unwrap();
            read(&std::fs::read(&word).unwrap_or_default(), status.code().unwrap())
        };
        assert_eq!(line("set -e\ntrue\nfalse\necho no\n"), Some(2));
        assert_eq!(line("set -e\ntrue\n(exit 7)\n"), Some(2));
        assert_eq!(line("set -e\ntrap 'echo own' ERR\nfalse\n"), None, "a trap of its own stays its own");
        assert_eq!(line("false\nexit 3\n"), None, "what was forgiven is not the reason");
        assert_eq!(line("set -e\nif false; then :; fi\ntest \"$BASH_ENV\" = ''\n"), None);
    }

    #[test]
    fn a_word_of_the_guest_is_read_with_care() {
        for word in ["", "1", "x 2", "1 x", "1 0", "1 -3", "1 99999999999", "2 5"] {
            assert_eq!(read(word.as_bytes(), 1), None, "{word}");
        }
        assert_eq!(read(b"1 5\n", 1), Some(4));
    }

    #[test]
    fn the_line_is_found_where_it_is_written() {
        let mut sources = Sources::default();
        let text = "image {\n  script <<-SH\n    #!/bin/bash -e\n    false\n  SH\n}\n";
        let source = sources.add("ImageFile", text);
        let start = u32::try_from(text.find("#!").unwrap()).unwrap();
        let at = |line| ScriptLine { source, start, line }.span(&sources).map(|span| sources.slice(span));
        assert_eq!(at(1), Some("false"));
        assert_eq!(at(99), None);
    }

    #[test]
    fn only_bash_is_asked() {
        let script = |content: &str| ScriptStep {
            network: false,
            content: content.into(),
            user: RunAs::Root,
            env: BTreeMap::new(),
            timeout_secs: 1,
            retries: 0,
            with: Vec::new(),
            secrets: Vec::new(),
            at: Some((Sources::default().add("f", ""), 0)),
        };
        assert!(is_known(&script("#!/bin/bash -e\n")) && is_known(&script("#!/usr/bin/env bash\n")));
        assert!(!is_known(&script("#!/bin/sh -e\n")) && !is_known(&script("#!/usr/bin/python3\n")));
    }
}

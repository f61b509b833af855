//! A program on a terminal, and somebody who types.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

use super::built::Project;

/// Both ends of a program on a terminal.
pub struct Talk {
    pub child: Child,
    seen: String,
}

impl Talk {
    /// `script` gives the command a terminal and passes on what we type.
    pub fn start(project: &Project, command: &str) -> Self {
        let mut script = Command::new("script");
        script.args(["-qfec", command, "/dev/null"]).current_dir(project.path("."));
        script.env("IMGFILE_STORE", &project.store).env("IMGFILE_ACCEL", "tcg").env("TERM", "vt100");
        let child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        Self { child, seen: String::new() }
    }

    /// Reads until a text has appeared, and forgets what came before its end.
    pub fn until(&mut self, text: &str) {
        let mut before = self.seen.clone();
        loop {
            if let Some(at) = self.seen.find(text) {
                self.seen.drain(..at + text.len());
                return;
            }
            let mut bytes = [0; 1024];
            let len = self.child.stdout.as_mut().unwrap().read(&mut bytes).unwrap();
            assert!(len > 0, "`{text}` never came:\n{before}");
            let piece = String::from_utf8_lossy(&bytes[..len]);
            before.push_str(&piece);
            self.seen.push_str(&piece);
        }
    }

    pub fn type_in(&mut self, text: &str) {
        self.child.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }
}

//! A program of the user's own as a target: it is started for each image, told what is asked in a line of JSON on its
//! standard input, and answers in lines of JSON on its standard output ([`protocol`]). What it prints on its error stream
//! is shown where it fails.

mod protocol;
mod talk;

use super::{
    ConfigKey, KeyKind, Op, OpenContext, Progress, Published, Request, Target, TargetConfig, TargetEntry,
};

pub use protocol::{FromProgram, Reason, ToProgram};

/// Its line of the registry.
pub const ENTRY: TargetEntry = TargetEntry {
    name: "program",
    about: "a program of your own, which speaks lines of JSON",
    // It says itself what it does not take.
    takes: |_| true,
    has_regions: true,
    keys: &[ConfigKey {
        name: "command",
        kind: KeyKind::Texts,
        required: true,
        about: "the program and its arguments",
    }],
    open: |config, _: OpenContext<'_>| Box::pin(async { Ok(open(config)) }),
};

fn open(config: &TargetConfig) -> Box<dyn Target> {
    Box::new(Program { target: config.name.clone(), command: config.texts("command").to_vec() })
}

#[derive(Debug)]
struct Program {
    target: String,
    /// Never empty.
    command: Vec<String>,
}

impl Target for Program {
    fn publish<'a>(&'a self, request: &'a Request, progress: Progress<'a>) -> Op<'a, Published> {
        Box::pin(talk::publish(&self.target, &self.command, request, progress))
    }
}

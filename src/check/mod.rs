//! `Ast` to `Spec`: what the file means, without a catalogue, a network or a clock.
//!
//! `load` reads and parses the files, `structure` reports broken tokens and brackets, `image` and its
//! neighbours read the statements, `script` looks into user scripts. Each adds diagnostics; none
//! ever stops the others. A statement whose tokens are broken is still read, so that later
//! statements find it, but in silence: one defect, one message.

mod accounts;
mod archives;
mod checker;
mod contents;
mod driver;
mod env;
mod files;
mod former_names;
mod image;
mod load;
mod names;
mod operands;
mod outputs;
mod params;
mod paths;
mod profiles;
mod project;
mod publish;
mod repeated_token;
mod script;
mod script_text;
mod shebang;
mod shell;
mod shown;
mod size;
mod spec;
mod steps;
mod structure;
mod suggest;
mod suppress;
mod system_paths;
mod typed;
mod value;

pub use driver::beyond;
pub use files::{FileEntry, FileError, FileKind, Files, MemoryFiles};
pub use load::FILE_LIMIT;
pub(crate) use paths::normalise;
pub use script::SCRIPT_LIMIT;
pub use size::{Size, parse_duration};
pub use spec::*;
pub use suppress::finished;

use checker::Checker;

use crate::diagnostic::Diagnostic;
use crate::syntax::{Ast, OperandKind};
use crate::text::Sources;

/// Most findings that are kept: a file of rubbish of some megabytes would make gigabytes of them. Far more
/// than are shown ([`finished`]).
const MOST: usize = 20_000;

/// `--set NAME=VALUE`, in the order given.
pub type Settings = [(String, String)];

/// What was understood, and what is wrong. There are errors if and only if a diagnostic says so;
/// the spec is the best reading of the rest.
#[derive(Debug, Clone, Default)]
pub struct Checked {
    /// The meaning, as far as it was understood.
    pub spec: Spec,
    /// Sorted by place.
    pub diagnostics: Vec<Diagnostic>,
    /// The trees of the ImageFile and of what it includes, the ImageFile first; empty if it cannot be
    /// read.
    pub units: Vec<Ast>,
}

impl Checked {
    /// Whether a build must not go on.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// Checks the ImageFile at `entry`, a path relative to the project's folder as `files` serves it.
/// Every text looked at is added to `sources`.
pub fn check(entry: &str, sources: &mut Sources, files: &dyn Files, set: &Settings) -> Checked {
    let mut checker = Checker::new(sources, files);
    let project = checker.load(entry);
    let spec = checker.project(&project, set);
    let diagnostics = finished(checker.found.out, checker.input.sources);
    Checked { spec, diagnostics, units: project.units.into_iter().map(|unit| unit.ast).collect() }
}

/// Whether the operand could name something, for callers that look at a tree themselves.
#[must_use]
pub fn is_text(kind: &OperandKind) -> bool {
    matches!(kind, OperandKind::Word | OperandKind::String | OperandKind::Param)
}

/// Why a shell would surely not accept a script, and where: bytes of the text.
#[must_use]
pub fn shell_mistake(script: &str) -> Option<(String, std::ops::Range<usize>, String)> {
    let first = script.lines().next().unwrap_or_default();
    let shell = first.strip_prefix("#!").map_or("bash", |program| {
        let words = program.split_whitespace().next().unwrap_or_default();
        words.rsplit('/').next().unwrap_or_default()
    });
    if !script_text::is_shell(shell) {
        return None;
    }
    let facts = shell::look(script, shell != "bash")?;
    let fault = facts.error.as_ref().filter(|fault| fault.sure)?;
    Some((fault.message.clone(), fault.label.start..fault.label.end, fault.label.text.clone()))
}

//! Why a build stopped.

use std::path::PathBuf;

use super::ScriptLine;
use crate::{
    diagnostic::{Diagnostic, codes},
    driver::{DiskError, DriverError, End, ExecEnd},
    store::{StoreError, room},
    text::{Sources, Span},
};

/// Why a build stopped; the step's output has been reported by then.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A script or test ran and said no.
    #[error("`{step}` {}", ended(*end, *timeout_secs))]
    Script {
        /// Name of the step, such as `script announce`.
        step: String,
        /// The statement it comes from; none for steps that imgfile adds.
        span: Option<Span>,
        /// The line that failed, where that is known.
        line: Option<ScriptLine>,
        /// Exit status, signal or timeout; never exit status 0.
        end: ExecEnd,
        /// Seconds that it had, as the message says after a timeout.
        timeout_secs: u64,
        /// The last lines it printed, 20 at most, control characters removed and secrets masked.
        tail: String,
    },
    /// The machine could not do what a step needs.
    #[error("`{step}` could not run: {fault}")]
    Step {
        /// Name of the step, such as `script announce`.
        step: String,
        /// The statement it comes from; none for steps that imgfile adds.
        span: Option<Span>,
        /// What the driver reports.
        fault: DriverError,
    },
    /// The machine could not be had at all.
    #[error(transparent)]
    Machine(#[from] DriverError),
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A project file is not what it was when the plan was made.
    #[error("`{path}` changed while the build was running")]
    InputChanged {
        /// Path in the project, such as `site/index.html`.
        path: String,
    },
    /// A file of the host cannot be read or written; `action` reads as in "cannot {action} `PATH`".
    #[error("cannot {action} `{}`: {source}", path.display())]
    Io {
        /// What was tried, such as `create`.
        action: &'static str,
        /// The file or folder it was tried on.
        path: PathBuf,
        /// What the operating system answers.
        source: std::io::Error,
    },
    /// Artifacts could not be put where they are to go; known before anything is built.
    #[error("artifacts cannot be written to `{}`: {reason}", path.display())]
    NoOutput {
        /// The output folder.
        path: PathBuf,
        /// What is in the way, as a sentence without a full stop.
        reason: String,
    },
    /// There is no artifact to test.
    #[error("there is no `{}`, or it is in a format that cannot be booted here", path.display())]
    NotBuilt {
        /// Where it would be, such as `out/web.qcow2`.
        path: PathBuf,
    },
    /// A program of the host did not do its work.
    #[error("`{program}` failed: {detail}")]
    HostTool {
        /// Its name, such as `qemu-img`; `store` for a file that the store lacks.
        program: &'static str,
        /// What it printed, or what is missing.
        detail: String,
    },
    /// Already explained, with places in files.
    #[error("{} problems", .0.len())]
    Diagnosed(Vec<Diagnostic>),
    /// What a test of the artifact found that no script said; never empty.
    #[error("{}", .0.iter().map(|one| one.message.as_str()).collect::<Vec<_>>().join("; "))]
    Tested(Vec<Diagnostic>),
}

impl From<DiskError> for BuildError {
    fn from(error: DiskError) -> Self {
        match error {
            DiskError::Driver(fault) => Self::Machine(fault),
            DiskError::Io { action, path, source } => Self::Io { action, path, source },
            DiskError::Damaged { path, reason } => StoreError::Damaged { path, reason }.into(),
            DiskError::Tool { program, detail } => Self::HostTool { program, detail },
        }
    }
}

fn ended(end: ExecEnd, timeout_secs: u64) -> String {
    match end {
        ExecEnd::Code(code) => format!("failed with exit status {code}"),
        ExecEnd::Signal(signal) => format!("was killed by signal {signal}"),
        ExecEnd::TimedOut => format!("did not end within {timeout_secs} s and was stopped"),
    }
}

impl BuildError {
    /// The failure at the very line of the script, where that is known.
    #[must_use]
    pub fn located(self, sources: &Sources) -> Self {
        match self {
            Self::Script { step, span, line: Some(line), end, timeout_secs, tail } => {
                let span = line.span(sources).or(span);
                Self::Script { step, span, line: None, end, timeout_secs, tail }
            }
            other => other,
        }
    }

    /// What to show; the list is never empty.
    #[must_use]
    pub fn diagnostics(self) -> Vec<Diagnostic> {
        let message = self.to_string();
        let diagnostic = match self {
            Self::Diagnosed(diagnostics) | Self::Tested(diagnostics) => return diagnostics,
            Self::Script { span, end, tail, .. } => script_diagnostic(message, span, end, &tail),
            Self::Step { span, fault, step } => {
                let mut diagnostic = match &fault {
                    DriverError::MachineEnded { end, console, .. } if is_by_request(end) => {
                        ended_machine(&step, end, console)
                    }
                    _ => fault.diagnostic(),
                };
                if let Some(span) = span {
                    diagnostic = diagnostic.label(span, format!("while running `{step}`"));
                }
                diagnostic
            }
            Self::Machine(fault) => fault.diagnostic(),
            Self::Store(StoreError::NoLinks { root, .. }) => Diagnostic::new(codes::HOST_REFUSED, message)
                .note(format!("the store is {}", root.display()))
                .help("choose a folder on another file system with `IMGFILE_STORE` or the setting `store`"),
            Self::Store(StoreError::NotOwn { .. }) => {
                Diagnostic::new(codes::STORE_NOT_OWN, format!("the store is not used: {message}"))
                    .note("whoever can write there decides what gets into images, and what is removed as a leftover")
                    .help(
                        "if nobody else has used it, take their rights away (`chmod -R go-w`, `chown -R`); else choose \
                         another folder with `IMGFILE_STORE`",
                    )
            }
            Self::Store(StoreError::NotStore { .. }) => Diagnostic::new(codes::HOST_REFUSED, message)
                .note("what is in a store is removed when nothing needs it")
                .help("choose an empty folder, or one that is not there yet, with `--store`, `IMGFILE_STORE` or the setting `store`"),
            Self::Store(error) => host(message, error.is_full()),
            Self::Io { source, .. } => host(message, room::is_full(&source)),
            Self::NoOutput { .. } => {
                Diagnostic::new(codes::HOST_REFUSED, message).help("choose another folder with `--out`")
            }
            Self::InputChanged { .. } => Diagnostic::new(codes::INPUT_CHANGED, message)
                .help("run the build again when the file is at rest"),
            Self::NotBuilt { .. } => {
                Diagnostic::new(codes::NOT_BUILT, message).help("run `imgfile build` first")
            }
            // Programs of the host tell in words only.
            Self::HostTool { detail, .. } if room::says_full(&detail) => {
                host(message, true)
            }
            Self::HostTool { program, detail } if detail.contains('\n') => {
                Diagnostic::new(codes::HOST_TOOL_FAILED, format!("`{program}` failed"))
                    .note(format!("the end of its output:\n{detail}"))
            }
            Self::HostTool { .. } => Diagnostic::new(codes::HOST_TOOL_FAILED, message),
        };
        vec![diagnostic]
    }

    /// Exit status 4 rather than 3: not the image is at fault but this host.
    #[must_use]
    pub const fn is_host_defect(&self) -> bool {
        match self {
            Self::Machine(fault) | Self::Step { fault, .. } => fault.is_host_defect(),
            Self::Store(_) | Self::Io { .. } | Self::HostTool { .. } | Self::NoOutput { .. } => true,
            Self::Script { .. }
            | Self::NotBuilt { .. }
            | Self::InputChanged { .. }
            | Self::Diagnosed(_)
            | Self::Tested(_) => false,
        }
    }
}

/// Whether a machine ends in this way because somebody asked for it.
const fn is_by_request(end: &End) -> bool {
    matches!(end, End::PoweredOff | End::Rebooted)
}

/// A step in which the machine was restarted or powered off.
fn ended_machine(step: &str, end: &End, console: &str) -> Diagnostic {
    let (message, help) = match end {
        End::PoweredOff => (
            format!("the machine was powered off while `{step}` ran"),
            "leave that to imgfile, which powers the machine off after the last step; to restart it between two scripts, write the statement `reboot` there",
        ),
        _ => (
            format!("the machine was restarted while `{step}` ran"),
            "write the statement `reboot` after the script instead: the machine is restarted there, and the build goes on behind it",
        ),
    };
    let diagnostic = Diagnostic::new(codes::SCRIPT_ENDED_MACHINE, message).help(help);
    if console.is_empty() {
        diagnostic
    } else {
        diagnostic.note(format!("the end of its console:\n{console}"))
    }
}

/// A download that is no archive that can be unpacked; `reason` reads as in "cannot be unpacked: {reason}".
#[must_use]
pub fn cannot_unpack(url: &str, reason: &str, span: Option<Span>) -> BuildError {
    let message = format!("`{url}` cannot be unpacked: {reason}");
    let diagnostic = Diagnostic::new(codes::CANNOT_UNPACK, message).help(
        "copy the file as it is, without `unpack`, and unpack it in a `script` with a program that the image has",
    );
    BuildError::Diagnosed(vec![match span {
        Some(span) => diagnostic.label(span, "this archive"),
        None => diagnostic,
    }])
}

/// An archive that holds more than the image's disk or the store has room for; `room` is in bytes.
#[must_use]
pub fn unpacks_too_large(url: &str, room: u64, span: Option<Span>) -> BuildError {
    let message = format!("`{url}` unpacks to more than there is room for");
    let diagnostic = Diagnostic::new(codes::UNPACKS_TOO_LARGE, message)
        .note(format!("the image's disk, or what is free in the store, holds {}", crate::check::Size(room)))
        .help(
            "a larger `min_storage` makes room in the image, `imgfile gc` in the store; an archive from a \
               stranger may be made to fill a disk",
        );
    BuildError::Diagnosed(vec![match span {
        Some(span) => diagnostic.label(span, "this archive"),
        None => diagnostic,
    }])
}

/// What the host's own system refused, one reason for which has a way out.
pub(super) fn host(message: String, full: bool) -> Diagnostic {
    if full {
        Diagnostic::new(codes::HOST_FULL, message)
            .help("free some space where that lies; `imgfile gc` does so in the store")
    } else {
        Diagnostic::new(codes::HOST_REFUSED, message)
    }
}

fn script_diagnostic(message: String, span: Option<Span>, end: ExecEnd, tail: &str) -> Diagnostic {
    let code = if end == ExecEnd::TimedOut { codes::STEP_TIMED_OUT } else { codes::STEP_FAILED };
    let mut diagnostic = Diagnostic::new(code, message);
    if let Some(span) = span {
        diagnostic = diagnostic.label(span, "this one");
    }
    if !tail.is_empty() {
        diagnostic = diagnostic.note(format!("the end of its output:\n{tail}"));
    }
    match end {
        ExecEnd::TimedOut => {
            diagnostic.help("give it longer with `{ timeout = 2h }`, or find out what it waits for")
        }
        ExecEnd::Code(126 | 127) => diagnostic
            .help("the image lacks a program: the interpreter of the first line, or a command it calls"),
        ExecEnd::Code(_) | ExecEnd::Signal(_) => diagnostic,
    }
}

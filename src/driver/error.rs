//! What can go wrong between the host and a machine.

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::cell;
use crate::diagnostic::{Diagnostic, codes};
use crate::model::how_to_install;

/// A failed operation. After any but [`Refused`](DriverError::Refused) and
/// [`Unsupported`](DriverError::Unsupported) the machine is good for nothing but being dropped.
#[derive(Debug, Error)]
pub enum DriverError {
    /// A program or file of the host is missing.
    #[error("{what} is not installed")]
    HostLacks {
        /// Such as "the emulator".
        what: String,
        /// The command that installs it on this host, or what to do.
        install: String,
    },
    /// The host's own system said no.
    #[error("cannot {doing}")]
    Host {
        /// Such as "start `qemu-system-x86_64`".
        doing: String,
        /// What the operating system answers.
        #[source]
        source: std::io::Error,
    },
    /// This host does not keep a machine from what is not its own.
    #[error("{lacking}")]
    WallMissing {
        /// What somebody may do to the host, as [`Wall::lacking`](cell::Wall::lacking) puts it.
        lacking: String,
        /// Why the wall does not stand, as a sentence without a full stop.
        reason: String,
        /// What to do about it.
        raise: String,
    },
    /// The host ran out of space while the guest wrote to its disk.
    #[error("no space is left on the host for the disk of the machine")]
    HostFull,
    /// The machine ended in the middle of an operation.
    #[error("the machine {end} while it was to {doing}")]
    MachineEnded {
        /// How it ended.
        end: End,
        /// Such as `set up the chroot`.
        doing: String,
        /// The end of its console, control characters removed; empty if it printed nothing.
        console: String,
    },
    /// The agent in the machine was stopped in the middle of an operation.
    #[error("the build's agent in the machine was stopped while it was to {doing}")]
    AgentLost {
        /// Such as `set up the chroot`.
        doing: String,
        /// The end of its console, control characters removed; empty if it printed nothing.
        console: String,
    },
    /// An operation took longer than it may.
    #[error("the machine did not {doing} within {} s", after.as_secs())]
    Hang {
        /// Such as `set up the chroot`.
        doing: String,
        /// The time limit, see [`Limits`](super::Limits).
        after: Duration,
        /// The end of its console, control characters removed; empty if it printed nothing.
        console: String,
        /// A PNG file in the machine's folder with what its screen shows, of one that boots by its own boot loader.
        screen: Option<PathBuf>,
    },
    /// The agent could not do it; the machine is still usable.
    #[error("cannot {doing} in the image: {reason}")]
    Refused {
        /// Such as `set up the chroot`.
        doing: String,
        /// What the agent answers; text of the guest.
        reason: String,
    },
    /// The image is built in a way this driver does not handle, such as a root on LVM.
    #[error("{what}")]
    Unsupported {
        /// A sentence without a full stop that names what it is.
        what: String,
    },
    /// The image is no Linux system but Windows.
    #[error("the disk holds Windows: {volume} is NTFS")]
    Windows {
        /// The volume that says so, such as `vda2`.
        volume: String,
    },
    /// The guest sent what no agent sends.
    #[error("the guest sent nonsense: {detail}")]
    Protocol {
        /// What of it does not follow the protocol (`agent/src/protocol`).
        detail: String,
    },
}

impl From<cell::WallMissing> for DriverError {
    fn from(cell::WallMissing { wall, missing }: cell::WallMissing) -> Self {
        let raise = match (&missing.help, missing.package) {
            (Some(help), _) => format!("run `{help}`"),
            (None, Some(package)) => how_to_install(package),
            (None, None) => "build on another host".to_owned(),
        };
        Self::WallMissing { lacking: wall.lacking.to_owned(), reason: missing.reason, raise }
    }
}

fn with_console(diagnostic: Diagnostic, console: &str) -> Diagnostic {
    if console.is_empty() {
        diagnostic
    } else {
        diagnostic.note(format!("the end of its console:\n{console}"))
    }
}

/// How a machine ended without being asked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The guest's kernel panicked.
    Panicked,
    /// The guest powered itself off.
    PoweredOff,
    /// The guest reset itself.
    Rebooted,
    /// The emulator ended by itself; its last words.
    EmulatorDied {
        /// Exit status or signal, in words, such as `signal: 9 (SIGKILL)`.
        status: String,
        /// The end of its error stream; may be empty.
        stderr: String,
    },
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Panicked => f.write_str("panicked"),
            Self::PoweredOff => f.write_str("powered itself off"),
            Self::Rebooted => f.write_str("restarted itself"),
            Self::EmulatorDied { status, stderr } if stderr.is_empty() => {
                write!(f, "lost its emulator ({status})")
            }
            Self::EmulatorDied { status, stderr } => write!(f, "lost its emulator ({status}: {stderr})"),
        }
    }
}

impl DriverError {
    /// The fault as a diagnostic without a place; the caller labels the statement it was for.
    #[must_use]
    pub fn diagnostic(&self) -> Diagnostic {
        let diagnostic = Diagnostic::new(self.code(), self.to_string());
        match self {
            Self::HostLacks { install, .. } => diagnostic.help(install.clone()),
            Self::WallMissing { reason, raise, .. } => diagnostic
                .note(reason.clone())
                .help(format!("{raise}, or allow it for a project that you know: `--allow-weaker-cell`")),
            Self::Host { source, .. } => diagnostic.note(source.to_string()),
            Self::Windows { .. } => diagnostic.help(
                "Linux systems alone are looked into, cleaned and run here; Windows is captured while it runs, by `imgfile capture --sysprep`",
            ),
            Self::HostFull => diagnostic.help("free some space in the store, for example with `imgfile gc`"),
            Self::MachineEnded { console, .. } | Self::AgentLost { console, .. } => {
                with_console(diagnostic, console)
            }
            Self::Hang { console, screen, .. } => {
                let diagnostic = with_console(diagnostic, console);
                match screen {
                    Some(path) => diagnostic
                        .note(format!("what its screen showed: {}", path.display()))
                        .help("`imgfile run` starts the same machine, with its console at the terminal"),
                    None => diagnostic,
                }
            }
            _ => diagnostic,
        }
    }

    fn code(&self) -> crate::diagnostic::Code {
        match self {
            Self::HostLacks { .. } => codes::HOST_LACKS,
            Self::Host { .. } => codes::HOST_REFUSED,
            Self::HostFull => codes::HOST_FULL,
            Self::WallMissing { .. } => codes::WALL_MISSING,
            Self::MachineEnded { .. } => codes::MACHINE_ENDED,
            Self::AgentLost { .. } => codes::AGENT_LOST,
            Self::Hang { .. } => codes::MACHINE_HANGS,
            Self::Refused { .. } => codes::GUEST_REFUSED,
            Self::Unsupported { .. } => codes::IMAGE_UNSUPPORTED,
            Self::Windows { .. } => codes::DISK_OF_WINDOWS,
            Self::Protocol { .. } => codes::GUEST_NONSENSE,
        }
    }

    /// The fault with everything the guest said passed through `mask`.
    #[must_use]
    pub fn masked(self, mask: impl Fn(&str) -> String) -> Self {
        match self {
            Self::MachineEnded { end, doing, console } => {
                Self::MachineEnded { end, doing, console: mask(&console) }
            }
            Self::AgentLost { doing, console } => Self::AgentLost { doing, console: mask(&console) },
            Self::Hang { doing, after, console, screen } => {
                Self::Hang { doing, after, console: mask(&console), screen }
            }
            Self::Refused { doing, reason } => Self::Refused { doing, reason: mask(&reason) },
            Self::Protocol { detail } => Self::Protocol { detail: mask(&detail) },
            other => other,
        }
    }

    /// Exit status 4 (the host lacks something) rather than 3 (a step failed).
    #[must_use]
    pub const fn is_host_defect(&self) -> bool {
        matches!(self, Self::HostLacks { .. } | Self::Host { .. } | Self::HostFull | Self::WallMissing { .. })
    }
}

//! Arguments, one file a command.

/// Runs the command the process was started with.
#[must_use]
pub fn main() -> std::process::ExitCode {
    std::process::ExitCode::from(2)
}

//! What a test cannot do without on this host. Where that is missing it fails and says what brings it: a test that
//! looks at nothing is not one that passes.

use std::process::Command;

/// A program; `package` is what Debian calls the package that has it.
pub fn program(name: &str, package: &str) {
    let found = Command::new(name).arg("--version").output().is_ok();
    assert!(found, "this test needs `{name}`: `scripts/install-host-needs {package}` installs it");
}

/// Debian's archive, of which a command has just said `said`.
pub fn archive(said: &str) {
    let missing = ["E0456", "E0457"].iter().any(|code| said.contains(code));
    assert!(!missing, "this test needs a mirror of Debian's archive, see `imgfile doctor`:\n{said}");
}

//! Packages of the host that imgfile runs on, as messages tell people about them.

/// What installs a package by its name on Debian and Ubuntu, whose names most people know.
#[must_use]
pub fn install_command(package: &str) -> String {
    format!("sudo apt-get install {package}")
}

/// The same as a proposal: the end of a sentence about what is missing.
#[must_use]
pub fn how_to_install(package: &str) -> String {
    format!("install it, on Debian and Ubuntu with `{}`", install_command(package))
}

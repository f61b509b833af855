//! Packages of the host that imgfile runs on, as messages tell people about them.

/// What installs a package by its name on Debian and Ubuntu, whose names most people know.
#[must_use]
pub fn install_command(package: &str) -> String {
    format!("sudo {} {package}", install_words(false))
}

/// The words that install packages on Debian and its relatives, or on Fedora and its own.
#[must_use]
pub const fn install_words(fedora: bool) -> &'static str {
    if fedora { "dnf install" } else { "apt-get install" }
}

/// The same as a proposal: the end of a sentence about what is missing.
#[must_use]
pub fn how_to_install(package: &str) -> String {
    format!("install it, on Debian and Ubuntu with `{}`", install_command(package))
}

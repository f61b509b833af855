//! Where Debian's archives are: what a lock calls them, and at which addresses this host has them.

use super::model::Origin;

/// The name of Debian's main archive in locks.
pub const DEBIAN: &str = "debian";
/// The name of Debian's security archive in locks.
pub const DEBIAN_SECURITY: &str = "debian-security";

/// Where Debian's two archives are to be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirrors {
    /// Root of the main archive, without a slash at its end: `https://mirror.example/debian`.
    pub debian: String,
    /// Root of the security archive, without a slash at its end: `https://mirror.example/debian-security`.
    pub security: String,
}

impl Mirrors {
    /// A mirror from a setting. Without a security mirror of its own, security updates are
    /// expected beside it, as mirrors lay them out: `…/debian` and `…/debian-security`.
    #[must_use]
    pub fn setting(debian: &str, security: Option<&str>) -> Self {
        let debian = debian.trim_end_matches('/').to_owned();
        let security =
            security.map_or_else(|| format!("{debian}-security"), |url| url.trim_end_matches('/').to_owned());
        Self { debian, security }
    }

    /// The URL of a path in an archive that a lock names. Archives that are not Debian's are
    /// named by their URL.
    #[must_use]
    pub fn url(&self, origin: &Origin) -> String {
        let root = match &*origin.archive {
            DEBIAN => &self.debian,
            DEBIAN_SECURITY => &self.security,
            url => url.trim_end_matches('/'),
        };
        format!("{root}/{}", escaped(&origin.path))
    }
}

/// A path as an address has it: `1%3a2.0` is a file's own name, and what a server would take for `1:2.0`.
fn escaped(path: &str) -> String {
    let mut address = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-~+:@!$&'()*,;=".contains(&byte) {
            address.push(char::from(byte));
        } else {
            address += &format!("%{byte:02X}");
        }
    }
    address
}

//! What a wall is: something that holds a program, which a host has or lacks.

/// One wall, and why it does not stand where it does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wall {
    /// One word for lists and messages: `files`, `user`, `network` or `limits`.
    pub name: &'static str,
    /// What holds where it stands, and what does not where it is missing.
    pub what: &'static str,
    /// What somebody may do to this host while it is missing, as a sentence without a full stop.
    pub lacking: &'static str,
    /// Why it does not stand here; none where it stands.
    pub missing: Option<Missing>,
    /// Many hosts lack it, and nothing is refused there for that.
    pub is_optional: bool,
}

/// Why a wall does not stand, and what would raise it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// A sentence without a full stop, such as "`pasta` is not installed, which connects a guest".
    pub reason: String,
    /// A command that raises it, such as `sudo modprobe tun`; none where only a package does, or nothing.
    pub help: Option<String>,
    /// The package that would bring it.
    pub package: Option<&'static str>,
}

impl Missing {
    pub(super) fn new(reason: impl Into<String>, help: Option<String>) -> Self {
        Self { reason: reason.into(), help, package: None }
    }
}

/// The walls of this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walls {
    /// A program sees only the files that were named for it.
    pub files: Wall,
    /// A program has none of its user's rights over the host.
    pub user: Wall,
    /// A guest reaches the outside world and nothing of this host.
    pub network: Wall,
    /// A program takes only so much memory, and has only so many processes.
    pub limits: Wall,
}

impl Walls {
    /// The four of them, in the order in which `doctor` lists them.
    #[must_use]
    pub fn all(&self) -> [&Wall; 4] {
        [&self.files, &self.user, &self.network, &self.limits]
    }

    /// The walls without which a stranger's project is not built.
    pub fn missing(&self) -> impl Iterator<Item = WallMissing> {
        [&self.files, &self.network]
            .into_iter()
            .filter_map(|wall| Some(WallMissing { missing: wall.missing.clone()?, wall: wall.clone() }))
    }

    /// Whether namespaces hold a program; if not, it is what Landlock does.
    pub(super) const fn files_by_namespaces(&self) -> bool {
        self.user.missing.is_none()
    }
}

/// A program is not started because a wall is missing that it needs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {}", wall.lacking, missing.reason)]
pub struct WallMissing {
    /// The wall that is missing.
    pub wall: Wall,
    /// Why it is, and what raises it; the same as `wall.missing`.
    pub missing: Missing,
}

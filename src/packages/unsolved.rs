//! Why packages cannot be had as they are asked for.

use std::fmt;

use super::version::Version;
use super::wanted::VersionWanted;

/// Why there is no solution. Names are as in the request, so that the caller finds their spans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SolveError {
    /// No archive has a package of that name.
    Unknown {
        /// As the request has it.
        name: String,
        /// A real name close to it.
        nearest: Option<String>,
    },
    /// Only other packages provide the name, and there is more than one of them.
    Virtual {
        /// As the request has it.
        name: String,
        /// Real packages that provide it, by name.
        providers: Vec<String>,
    },
    /// The archives have the package, but not in that version; newest first.
    NoVersion {
        /// As the request has it.
        name: String,
        /// What the request says of the version.
        wanted: VersionWanted,
        /// Every version that there is, newest first.
        available: Vec<Version>,
    },
    /// A package to remove is not there, or the distribution does not work without it.
    CannotRemove {
        /// As the request has it.
        name: String,
        /// Which of the two it is.
        because: NotRemovable,
    },
    /// Packages of the base would have to go, and nobody asked for that.
    WouldRemove {
        /// Packages of the base, by name.
        names: Vec<String>,
        /// The wanted packages, each of which alone leads to it; none if only several together do.
        because: Vec<String>,
    },
    /// Something asked for cannot be installed with the rest.
    Unsatisfiable {
        /// The relations that cannot hold.
        unmet: Vec<Unmet>,
    },
    /// More than one of the others.
    Several(Vec<SolveError>),
}

impl SolveError {
    /// One by one.
    #[must_use]
    pub fn all(&self) -> &[Self] {
        match self {
            Self::Several(all) => all,
            one => std::slice::from_ref(one),
        }
    }

    /// One for all of them; nothing where there are none.
    #[must_use]
    pub fn of(mut all: Vec<Self>) -> Option<Self> {
        match all.len() {
            0 | 1 => all.pop(),
            _ => Some(Self::Several(all)),
        }
    }
}

/// Why a package cannot be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotRemovable {
    /// The distribution marks it as one that no system works without (`Essential: yes`).
    Essential,
    /// The base does not have it.
    NotInstalled,
}

/// One relation that cannot hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmet {
    /// The package asked for that leads here.
    pub wanted: String,
    /// The package whose relation it is; `wanted` itself or one it needs.
    pub package: String,
    /// The version of `package` that was tried.
    pub version: Version,
    /// Such as `Depends: libfoo (>= 2) | libbar`.
    pub relation: String,
    /// What the archives have of it, such as `libfoo 1.9-1`; empty when they have nothing.
    pub available: Vec<String>,
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} has `{}`", self.package, self.version, self.relation)?;
        match &*self.available {
            [] => f.write_str(", and no archive has that"),
            available => write!(f, ", and there is {}", available.join(", ")),
        }
    }
}

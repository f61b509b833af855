//! All packages that some archives offer, as those see them who ask for a choice.

use std::fmt::Debug;
use std::sync::Arc;

use super::index::{SignedRelease, Testimony};
use super::model::{InstalledPackage, Request, Selected, Solution, Want};
use super::unsolved::{SolveError, Unmet};
use super::version::Version;

/// All packages of some archives, for one architecture.
pub trait Pool: Debug + Send + Sync {
    /// The architecture, as the manager calls it.
    fn arch(&self) -> &str;

    /// Names of all packages.
    fn names(&self) -> Box<dyn Iterator<Item = &str> + '_>;

    /// The versions that there are of a package, newest first.
    fn versions(&self, name: &str) -> Vec<Version>;

    /// A package in this version.
    fn find(&self, name: &str, version: &Version) -> Option<Selected>;

    /// The package that stands in for one that is no longer there.
    fn took_the_place_of(&self, name: &str) -> Option<String>;

    /// What the indexes say of a package that a lock names.
    fn testimony(&self, package: &Selected) -> Testimony;

    /// The signed file that vouches for a package.
    fn signed_by(&self, package: &Selected) -> Option<Arc<SignedRelease>>;

    /// Its SHA-512 digest, where its archive gives no SHA-256.
    fn sha512(&self, package: &Selected) -> Option<[u8; 64]>;

    /// Chooses the exact packages for a request, on a system that has `installed`.
    ///
    /// # Errors
    ///
    /// Why there is no such set.
    fn solve(&self, installed: &[InstalledPackage], request: &Request) -> Result<Solution, SolveError>;

    /// The packages of a fresh system: those that none is without, and what its recipe names, with all that these need.
    ///
    /// # Errors
    ///
    /// Why there is no such set.
    fn fresh_system(&self, include: &[Want]) -> Result<Vec<Selected>, SolveError>;

    /// What installed packages need and do not have, as far as the archives know it.
    fn lacking(&self, installed: &[InstalledPackage]) -> Vec<Unmet>;
}

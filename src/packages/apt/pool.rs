//! What others ask of all packages that archives offer.

use std::sync::Arc;

use super::universe::Universe;
use super::{
    InstalledPackage, Pool, Request, Selected, SignedRelease, Solution, SolveError, Testimony, Unmet,
    Version, Want, bootstrap_set, lacking, solve,
};

impl Pool for Universe {
    fn arch(&self) -> &str {
        self.arch()
    }

    fn names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        Box::new(self.names())
    }

    fn versions(&self, name: &str) -> Vec<Version> {
        self.versions(name).collect()
    }

    fn find(&self, name: &str, version: &Version) -> Option<Selected> {
        self.find(name, version)
    }

    fn took_the_place_of(&self, name: &str) -> Option<String> {
        self.took_the_place_of(name)
    }

    fn testimony(&self, package: &Selected) -> Testimony {
        self.testimony(package)
    }

    fn signed_by(&self, package: &Selected) -> Option<Arc<SignedRelease>> {
        self.signed_by(package)
    }

    fn sha512(&self, package: &Selected) -> Option<[u8; 64]> {
        self.sha512(package)
    }

    fn solve(&self, installed: &[InstalledPackage], request: &Request) -> Result<Solution, SolveError> {
        solve(self, installed, request)
    }

    fn fresh_system(&self, include: &[Want]) -> Result<Vec<Selected>, SolveError> {
        bootstrap_set(self, include)
    }

    fn lacking(&self, installed: &[InstalledPackage]) -> Vec<Unmet> {
        lacking(self, installed)
    }
}

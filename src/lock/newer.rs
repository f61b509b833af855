//! What there is that is newer than a lock.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::{LockedImage, LockedSource};
use crate::packages::{DEBIAN_SECURITY, Selected};

/// One thing of a locked image that would be another if it were locked now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Newer {
    /// Which part of the image it is.
    pub kind: Kind,
    /// Of the package, application or base.
    pub name: String,
    /// What the lock has: a version, of a base with its name or the start of its digest.
    pub locked: String,
    /// What a lock made now has.
    pub now: String,
    /// Whether what there is now comes from an archive of security updates.
    pub security: bool,
}

/// What is newer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The base itself: another version of its catalogue entry, or another disk.
    Base,
    /// An application's version in the catalogue.
    App,
    /// A package on top of the base.
    Package,
    /// A package that the base is made of.
    BasePackage,
}

impl LockedImage {
    /// What differs between this entry and one made now without it: security updates first, then by
    /// kind and name. Packages that only one of the two has are no news of their own: they come and go
    /// with others.
    #[must_use]
    pub fn newer(&self, now: &Self) -> Vec<Newer> {
        let mut found = Vec::new();
        let differ = |kind, name: &str, locked: String, now: String| {
            let security = false;
            (locked != now).then(|| Newer { kind, name: name.to_owned(), locked, now, security })
        };
        found.extend(differ(Kind::Base, &now.base.name, self.base.shown(), now.base.shown()));
        for (name, app) in &now.apps {
            let then = self.apps.get(name).map(|then| then.version.clone());
            found.extend(then.and_then(|then| differ(Kind::App, name, then, app.version.clone())));
        }
        packages(Kind::BasePackage, self.base.packages(), now.base.packages(), &mut found);
        packages(Kind::Package, &self.packages, &now.packages, &mut found);
        found.sort_by(|a, b| (!a.security, a.kind, &a.name).cmp(&(!b.security, b.kind, &b.name)));
        found
    }
}

impl super::LockedBase {
    /// Name and version, and for a disk which one.
    fn shown(&self) -> String {
        let disk = |digest: &str| digest.chars().take(12).collect::<String>();
        match &self.source {
            LockedSource::Bootstrap { .. } => format!("{} {}", self.name, self.version),
            LockedSource::File { sha256, .. } | LockedSource::Url { sha256, .. } => {
                format!("{} (sha256 {})", self.version, disk(sha256))
            }
            // What moved there is told of that image.
            LockedSource::Image { .. } => format!("the image \"{}\"", self.name),
        }
    }
}

fn packages(kind: Kind, locked: &[Selected], now: &[Selected], found: &mut Vec<Newer>) {
    let known: BTreeMap<(&str, &str), &Selected> =
        locked.iter().map(|package| ((package.name.as_str(), package.arch.as_str()), package)).collect();
    for package in now {
        let Some(then) = known.get(&(package.name.as_str(), package.arch.as_str())) else { continue };
        if then.version != package.version {
            found.push(Newer {
                kind,
                name: package.name.clone(),
                locked: then.version.to_string(),
                now: package.version.to_string(),
                security: package.origin.archive == DEBIAN_SECURITY,
            });
        }
    }
}

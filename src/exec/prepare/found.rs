//! What an inspection found in a disk, as the resolver and the package solver take it.

use crate::{
    catalog::Os,
    driver::inspect::Facts,
    resolve::{BaseFacts, Version},
};

/// What the resolver wants to know of a disk.
#[must_use]
pub fn base_facts(facts: &Facts, virtual_size: u64) -> BaseFacts {
    let field = |name: &str| facts.os_release.get(name).cloned();
    BaseFacts {
        os: Os {
            kind: "linux".to_owned(),
            // What os-release(5) says of a system that does not name itself.
            distro: field("ID").unwrap_or_else(|| "linux".to_owned()),
            version: field("VERSION_ID").and_then(|version| version.parse().ok()).unwrap_or_else(unversioned),
            codename: field("VERSION_CODENAME"),
        },
        arch: facts.arch.clone(),
        firmware: facts.firmware.clone(),
        virtual_size: Some(virtual_size),
        used: Some(facts.root.size.saturating_sub(facts.root.free)),
        user: facts.default_user.as_ref().map(|user| user.name.clone()),
    }
}

/// Rolling systems have no version: they come before every one that has.
fn unversioned() -> Version {
    // A literal that the type's own tests cover.
    "0".parse().unwrap_or_else(|_| unreachable!("`0` is a version"))
}

//! What must not be on a disk that is to have instances, or must be: rules over facts.
//!
//! A disk is looked at as files ([`SystemTree`](crate::model::SystemTree)), as partitions
//! ([`DiskLayout`](crate::model::DiskLayout)) and by the content of the few files that a rule asks for: [`wanted`] says
//! which, as long as there are more, and whoever has the disk reads them into a [`System`]. Then [`look`] answers with
//! every [`Finding`], each of one [`Rule`]; which of them count for an image follows from its clean-up preset
//! ([`Rule::is_of`]) and from what its ImageFile allows.
//!
//! Each rule has a number that keeps its meaning (`H0001`…), a severity, the presets it belongs to, and a page in
//! `pages/`, which `imgfile explain` shows. A rule is a line of `rules.rs`, its page, and a function in the file of its
//! subject. Pure: nothing is read here, everything a stranger's disk says is bounded, and the texts of findings have no
//! control characters.

mod accounts;
mod boot;
mod cloud;
mod drivers;
mod finding;
mod identity;
mod initramfs;
mod kernel_line;
mod mounts;
mod network;
mod owners;
mod permissions;
mod private_keys;
mod rules;
mod secrets;
mod state;
mod system;
#[cfg(test)]
mod tests;
mod texts;
mod traces;

pub use finding::{Finding, Findings};
pub use rules::{RULES, Rule, Severity, rule};
pub use system::{Contents, System, Wanted};

/// What a rule needs to read, and what it says of what was read.
struct Check {
    wants: fn(&System<'_>) -> Vec<Wanted>,
    look: fn(&System<'_>, &mut Findings),
}

/// One for each subject.
const CHECKS: &[Check] = &[
    Check { wants: identity::wants, look: identity::look },
    Check { wants: accounts::wants, look: accounts::look },
    Check { wants: private_keys::wants, look: private_keys::look },
    Check { wants: secrets::wants, look: secrets::look },
    Check { wants: nothing, look: permissions::look },
    Check { wants: mounts::wants, look: mounts::look },
    Check { wants: boot::wants, look: boot::look },
    Check { wants: drivers::wants, look: drivers::look },
    Check { wants: network::wants, look: network::look },
    Check { wants: cloud::wants, look: cloud::look },
    Check { wants: traces::wants, look: traces::look },
    Check { wants: nothing, look: state::look },
];

const fn nothing(_: &System<'_>) -> Vec<Wanted> {
    Vec::new()
}

/// Files that are to be read next; none if everything that matters is known.
#[must_use]
pub fn wanted(system: &System<'_>) -> Vec<Wanted> {
    let mut wanted: Vec<Wanted> = CHECKS.iter().flat_map(|check| (check.wants)(system)).collect();
    wanted.retain(|one| !system.contents.knows(&one.path));
    wanted.sort();
    wanted.dedup_by(|one, other| one.path == other.path);
    wanted
}

/// Everything that is found on a disk, rule by rule, whatever its preset.
#[must_use]
pub fn look(system: &System<'_>) -> Vec<Finding> {
    let mut findings = Findings::default();
    for check in CHECKS {
        (check.look)(system, &mut findings);
    }
    findings.all()
}

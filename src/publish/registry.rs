//! The services there are, by name. Adding one is a folder and a line of [`TARGETS`].

use super::{ConfigKey, Op, OpenContext, Target, TargetConfig, glance, libvirt, program, s3};
use crate::model::OutputFormat;

/// A service that can be named by `driver`, and what is known of it before anything is asked of it.
#[derive(Debug, Clone, Copy)]
pub struct TargetEntry {
    /// As `driver = "…"` names it.
    pub name: &'static str,
    /// One line about it.
    pub about: &'static str,
    /// Whether it takes a file of this format.
    pub takes: fn(OutputFormat) -> bool,
    /// Whether it has regions to choose from.
    pub has_regions: bool,
    /// What its table may have besides `driver`.
    pub keys: &'static [ConfigKey],
    /// Makes a connection of a configuration, with whatever is asked of the service before anything is sent.
    pub open: for<'a> fn(&'a TargetConfig, OpenContext<'a>) -> Op<'a, Box<dyn Target>>,
}

/// All of them.
pub static TARGETS: &[TargetEntry] = &[glance::ENTRY, s3::ENTRY, libvirt::ENTRY, program::ENTRY];

impl TargetEntry {
    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        TARGETS.iter().find(|entry| entry.name == name)
    }
}

/// They have different names.
impl PartialEq for TargetEntry {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for TargetEntry {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_have_names_of_their_own_and_keys_of_different_names() {
        for entry in TARGETS {
            assert!(std::ptr::eq(TargetEntry::named(entry.name).unwrap(), entry), "{}", entry.name);
            let mut keys: Vec<_> = entry.keys.iter().map(|key| key.name).collect();
            keys.sort_unstable();
            keys.dedup();
            assert_eq!(keys.len(), entry.keys.len(), "{}", entry.name);
            assert!(!keys.contains(&"driver"), "{}", entry.name);
            assert!(OutputFormat::ALL.into_iter().any(entry.takes), "{} takes nothing", entry.name);
        }
    }
}

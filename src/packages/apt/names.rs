//! Names, numbered in the order in which they come.
//!
//! A distribution mentions 150,000 of them. They lie one after the other in a single text, and
//! what finds one is a table of their numbers: a third of what a map of strings beside a list of
//! them would take.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

/// A package name, real or virtual; ordered as apt meets them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PkgId(pub u32);

#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    text: String,
    /// Where each name ends in `text`, by its number.
    ends: Vec<u32>,
    table: HashTable<PkgId>,
    hasher: DefaultHashBuilder,
}

impl Names {
    /// Makes room for so many more, and no more than that: growing by doubling would leave half of
    /// it unused.
    pub fn reserve(&mut self, count: usize, bytes: usize) {
        let Self { text, ends, table, hasher } = self;
        text.reserve_exact(bytes);
        ends.reserve_exact(count);
        table.reserve(count, |id| hasher.hash_one(slice(text, ends, *id)));
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.ends.len()).map(|at| self.get(number(at)))
    }

    pub fn get(&self, id: PkgId) -> &str {
        slice(&self.text, &self.ends, id)
    }

    pub fn find(&self, name: &str) -> Option<PkgId> {
        self.table.find(self.hasher.hash_one(name), |id| self.get(*id) == name).copied()
    }

    /// Gives the next number to a name that is not there yet.
    pub fn push(&mut self, name: &str) -> PkgId {
        let id = number(self.ends.len());
        self.text.push_str(name);
        self.ends.push(number(self.text.len()).0);
        let Self { text, ends, table, hasher } = self;
        table.insert_unique(hasher.hash_one(name), id, |id| hasher.hash_one(slice(text, ends, *id)));
        id
    }
}

/// The indexes that are read are bounded far below what 32 bits can count.
fn number(at: usize) -> PkgId {
    PkgId(u32::try_from(at).unwrap_or(u32::MAX))
}

fn slice<'a>(text: &'a str, ends: &[u32], id: PkgId) -> &'a str {
    let at = id.0 as usize;
    let start = at.checked_sub(1).map_or(0, |before| ends[before]);
    &text[start as usize..ends[at] as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_numbers() {
        let mut names = Names::default();
        names.reserve(1, 1);
        let many: Vec<String> =
            (0..1000).map(|number| format!("name-{number}")).chain([String::new()]).collect();
        for name in &many {
            assert_eq!(names.find(name), None);
            names.push(name);
        }
        assert!(names.iter().eq(&many));
        for (at, name) in many.iter().enumerate() {
            assert_eq!(names.find(name), Some(number(at)));
            assert_eq!(names.get(number(at)), name);
        }
    }
}

//! How an image or a base names a package of its file: `libjq1 1.7.1-6 (auto, stage 1)`.

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::packages::Selected;

/// Words that tell a package from the others of its file, and what its manager is to know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference<'t> {
    /// Name, version, architecture, the first digits of the digest, and a number among those of which all that is
    /// equal, beginning with 1: as many of them as are needed.
    pub words: Vec<&'t str>,
    pub auto: bool,
    pub stage: u16,
}

impl<'t> Reference<'t> {
    /// Reads one; nothing where it is none.
    pub fn parse(text: &'t str) -> Option<Self> {
        let (words, marks) = match text.split_once('(') {
            Some((words, rest)) => (words, rest.strip_suffix(')')?),
            None => (text, ""),
        };
        let mut found = Self { words: words.split_ascii_whitespace().collect(), auto: false, stage: 0 };
        for mark in marks.split(',').map(str::trim).filter(|mark| !mark.is_empty()) {
            match mark.strip_prefix("stage ") {
                Some(stage) => found.stage = stage.parse().ok()?,
                None if mark == "auto" => found.auto = true,
                None => return None,
            }
        }
        (1..=5).contains(&found.words.len()).then_some(found)
    }
}

/// The packages of a file, each once, to be named and to be found by name.
#[derive(Debug, Default)]
pub struct Table<'p> {
    packages: Vec<&'p Selected>,
    /// Places in `packages`.
    by_name: HashMap<&'p str, Vec<usize>>,
}

impl<'p> Table<'p> {
    /// In the order given.
    pub fn new(packages: impl IntoIterator<Item = &'p Selected>) -> Self {
        let mut table = Self::default();
        for package in packages {
            table.by_name.entry(&package.name).or_default().push(table.packages.len());
            table.packages.push(package);
        }
        table
    }

    /// Where the packages stand that the words can mean.
    pub fn find(&self, words: &[&str]) -> Vec<usize> {
        let Some((name, rest)) = words.split_first() else { return Vec::new() };
        let named = self.by_name.get(name).into_iter().flatten().copied();
        let mut found: Vec<usize> = named.filter(|at| is_meant(self.packages[*at], rest)).collect();
        if let Some(number) = rest.get(3) {
            let number = number.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
            found = number.and_then(|at| found.get(at).copied()).into_iter().collect();
        }
        found
    }

    /// The words for a package of the table and its marks.
    pub fn name(&self, package: &Selected) -> String {
        let digest = package.sha256.short();
        let all = [package.name.as_str(), package.version.as_str(), &package.arch, &digest];
        let enough = (1..=all.len()).find(|count| self.find(&all[..*count]).len() == 1);
        let mut text = all[..enough.unwrap_or(all.len())].join(" ");
        if enough.is_none() {
            let place = self.find(&all).iter().position(|at| is_same_file(self.packages[*at], package));
            let _ = write!(text, " {}", place.unwrap_or(0) + 1);
        }
        let stage = (package.stage > 0).then(|| format!("stage {}", package.stage));
        let marks: Vec<String> = package.auto.then(|| "auto".to_owned()).into_iter().chain(stage).collect();
        if !marks.is_empty() {
            let _ = write!(text, " ({})", marks.join(", "));
        }
        text
    }
}

/// Version, architecture and digest, as far as they are given.
fn is_meant(package: &Selected, words: &[&str]) -> bool {
    words.first().is_none_or(|version| package.version.as_str() == *version)
        && words.get(1).is_none_or(|arch| package.arch == *arch)
        && words.get(2).is_none_or(|digest| package.sha256.short() == *digest)
}

/// Whether two are one package file from one place: what differs then is how an image has it.
pub fn is_same_file(a: &Selected, b: &Selected) -> bool {
    file_of(a) == file_of(b)
}

/// What makes a line of the table, in the order by which the lines are sorted.
pub fn file_of(
    package: &Selected,
) -> (&str, &str, &str, [u64; 2], &crate::text::Digest, &crate::packages::Origin) {
    let sizes = [package.size, package.installed_size];
    (&package.name, package.version.as_str(), &package.arch, sizes, &package.sha256, &package.origin)
}

/// Whether names of packages and architectures are made of such characters (Debian policy, 5.6.1). Others would not be
/// found again.
pub fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-._".contains(c))
}

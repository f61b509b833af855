//! The files of a captured system that say what its ImageFile would have: accounts, mounts, what packages brought, units.
//! Everything in them is a stranger's text.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    driver::{DriverError, Machine, inspect::Facts},
    model::{FileKind, SystemTree},
    packages::Manager,
};

/// Bytes of a file that people write.
const TEXT: u64 = 64 << 10;
/// Bytes of all that are read together.
const MOST_BYTES: u64 = 128 << 20;
/// Bytes of a list of what a package brought.
const LIST: u64 = 4 << 20;
/// Files that are read of one kind.
const MOST_FILES: usize = 20_000;

const ACCOUNTS: [&str; 4] = ["/etc/passwd", "/etc/group", "/etc/fstab", "/etc/hostname"];
/// Where an administrator puts units of his own.
pub(super) const OWN_UNITS: &str = "/etc/systemd/system";

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Texts {
    files: BTreeMap<String, Vec<u8>>,
    /// Which package brought a file, by path.
    owners: BTreeMap<String, String>,
    /// Files of configuration that are not as their package brought them.
    pub(super) changed: Vec<String>,
}

impl Texts {
    /// Reads them in a machine that views the system.
    pub(super) async fn read(
        machine: &mut dyn Machine,
        tree: &SystemTree,
        facts: &Facts,
    ) -> Result<Self, DriverError> {
        let mut texts = Self::default();
        let accounts = ACCOUNTS.map(str::to_owned).into_iter().chain(own_units(tree)).collect();
        texts.files = contents(machine, accounts, TEXT).await?;
        let Some((manager, packages)) = Manager::of_system(&facts.files) else { return Ok(texts) };
        for (path, list) in contents(machine, lists(manager, tree), LIST).await? {
            let Some(package) = manager.lister(&path).map(str::to_owned) else { continue };
            let brought = String::from_utf8_lossy(&list).into_owned();
            texts.owners.extend(brought.lines().map(|path| (path.to_owned(), package.clone())));
        }
        let wanted = packages.iter().flat_map(|package| manager.configuration(package));
        let wanted: BTreeMap<String, String> = wanted.take(MOST_FILES).collect();
        for (path, content) in contents(machine, wanted.keys().cloned().collect(), TEXT).await? {
            if wanted.get(&path).is_some_and(|checksum| *checksum != md5(&content)) {
                texts.changed.push(path);
            }
        }
        Ok(texts)
    }

    /// A file as text.
    pub(super) fn text(&self, path: &str) -> String {
        self.files.get(path).map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default()
    }

    /// A file, if all of it is text that a person could have written.
    pub(super) fn plain(&self, path: &str) -> Option<&str> {
        let text = std::str::from_utf8(self.files.get(path)?).ok()?;
        let is_plain = |c: char| matches!(c, '\n' | '\t') || !(c.is_control() || crate::text::is_hidden(c));
        text.chars().all(is_plain).then_some(text)
    }

    /// The package that brought a file; the folders of a system with one `/usr` have two names.
    pub(super) fn owner(&self, path: &str) -> Option<&str> {
        let other = path.strip_prefix("/usr").map_or_else(|| format!("/usr{path}"), str::to_owned);
        self.owners.get(path).or_else(|| self.owners.get(&other)).map(String::as_str)
    }
}

/// The units that an administrator wrote, not those that are links.
fn own_units(tree: &SystemTree) -> Vec<String> {
    let folder = tree.resolve(OWN_UNITS).into_iter();
    let files =
        folder.flat_map(|folder| tree.entries(folder)).filter(|(_, node)| node.kind() == FileKind::File);
    let names = files.filter_map(|(_, node)| std::str::from_utf8(&node.name).ok());
    names.map(|name| format!("{OWN_UNITS}/{name}")).take(MOST_FILES).collect()
}

/// The lists of what packages brought.
fn lists(manager: Manager, tree: &SystemTree) -> Vec<String> {
    let mut found = BTreeSet::new();
    for pattern in manager.facts().file_lists {
        let Some((folder, end)) = pattern.rsplit_once("/*") else { continue };
        for (_, node) in tree.resolve(folder).into_iter().flat_map(|number| tree.entries(number)) {
            let name = std::str::from_utf8(&node.name).ok().filter(|name| name.ends_with(end));
            found.extend(name.map(|name| format!("{folder}/{name}")));
        }
    }
    found.into_iter().take(MOST_FILES).collect()
}

async fn contents(
    machine: &mut dyn Machine,
    paths: Vec<String>,
    each: u64,
) -> Result<BTreeMap<String, Vec<u8>>, DriverError> {
    let bytes: Vec<Vec<u8>> = paths.iter().map(|path| path.clone().into_bytes()).collect();
    let read = machine.read_files(&bytes, each, MOST_BYTES).await?;
    let whole = |content: crate::model::FileContent| content.bytes().map(<[u8]>::to_vec);
    Ok(paths.into_iter().zip(read).filter_map(|(path, content)| Some((path, whole(content)?))).collect())
}

/// As package managers note it: whether a file was changed, not whether somebody made it look as if it were not.
fn md5(content: &[u8]) -> String {
    use md5::Digest as _;
    hex::encode(md5::Md5::digest(content))
}

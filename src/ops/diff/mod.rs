//! What is different between two disks: packages, units, files, and the room that folders take. Each is looked at in a
//! machine of its own, both at once; their files do not change.

mod files;
mod units;

pub(in crate::ops) use self::units::states as unit_states;
use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

pub use self::files::{Aspect, FileChange, FileState};
use self::files::{Digests, Trees, identity, shown};
use super::{
    error::Error,
    host_driver,
    inspect::{failed, harmless, open, unreadable, used_below},
    run::Target,
    settings::Settings,
};
use crate::{
    driver::{DriverError, Machine, RootSource, inspect::Facts},
    exec::{Reporter, instance},
    model::{DiskFormat, FileKind, SystemTree, TreeLimits},
    packages::Manager,
    store::{Records, Store},
};

/// Folders as deep as this are told of.
const FOLDER_DEPTH: u32 = 3;

/// What is compared, and how.
#[derive(Debug, Clone, Default)]
pub struct DiffOptions {
    /// What `imgfile images` lists, or the path of a disk.
    pub before: String,
    /// The same, of the other.
    pub after: String,
    /// Files of the same size and time are taken for equal, without reading them.
    pub quick: bool,
}

/// What is different, as `--format json` prints it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Difference")]
pub struct Difference {
    /// The first disk.
    pub before: ComparedDisk,
    /// The second.
    pub after: ComparedDisk,
    /// Whether nothing below is different.
    pub same: bool,
    /// Packages, by name and architecture; none where the database of one of them is not read here.
    pub packages: Option<Vec<PackageChange>>,
    /// What starts at boot.
    pub units: Vec<UnitChange>,
    /// Files, folders and links, by path.
    pub files: Vec<FileChange>,
    /// Folders that take another room, the greatest change first, each with all that is below it.
    pub folders: Vec<FolderChange>,
    /// False where one of them has more files than are looked at, or a folder could not be read.
    pub whole: bool,
}

/// One of the disks.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ComparedDisk {
    /// Of an image, or its file's without the extension.
    pub name: String,
    /// Path of the file.
    pub path: String,
    /// Format of the file.
    pub format: DiskFormat,
    /// Bytes of the disk.
    pub size: u64,
    /// For people: `Debian GNU/Linux 13 (trixie)`.
    pub system: String,
    /// Bytes that its files take.
    pub used: u64,
}

/// A package that is not the same in both.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PackageChange {
    /// Such as `libc6`.
    pub name: String,
    /// What it is built for.
    pub arch: String,
    /// The version in the first; none if it is not there.
    pub before: Option<String>,
    /// The version in the second.
    pub after: Option<String>,
}

/// A unit that is not in the same state.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct UnitChange {
    /// Such as `nginx.service`; of `OpenRC` a service's name.
    pub name: String,
    /// `enabled in TARGET`, `masked` or `installed`; none if it is not there.
    pub before: Option<String>,
    /// The same in the second.
    pub after: Option<String>,
}

/// A folder that takes another room.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FolderChange {
    /// Path in the system.
    pub path: String,
    /// Bytes on the first disk, those of files with several names once.
    pub before: u64,
    /// Bytes on the second.
    pub after: u64,
}

/// What was seen of one disk.
struct Seen {
    tree: SystemTree,
    facts: Facts,
}

/// Compares two disks, each in a machine that sees a throw-away overlay of it.
///
/// # Errors
/// `Usage` where there is no such disk; `Files` where one holds no system that can be looked at; `Host` for what this host
/// lacks.
pub async fn diff(
    options: &DiffOptions,
    (settings, store): (&Settings, &Arc<Store>),
    records: &Records,
    reporter: &Reporter,
) -> Result<Difference, Error> {
    let before = Target::find(records, Some(&options.before))?;
    let after = Target::find(records, Some(&options.after))?;
    let disks = (settings.driver.value.disks)();
    let driver = host_driver::open(settings, store, reporter).await?;
    let work = store.begin_build(&instance::folder_name(&super::run::unique()))?;
    let used = (driver.as_ref(), disks.as_ref());
    let opening = |target, name: &str| {
        let folder = work.path().join(name);
        async move { open(target, used, &folder, reporter).await }
    };
    let mut one = opening(&before, "before").await.map_err(|failure| unreadable(failure, &before.name))?;
    let mut other = opening(&after, "after").await.map_err(|failure| unreadable(failure, &after.name))?;
    let listing = async { Ok(tokio::join!(see(one.machine.as_mut()), see(other.machine.as_mut()))) };
    let seen: Result<_, DriverError> = reporter.step("list the files of both", listing).await;
    let (seen_before, seen_after) = seen.map_err(|fault| failed(fault.into()))?;
    let seen_before = seen_before.map_err(|fault| unreadable(fault.into(), &before.name))?;
    let seen_after = seen_after.map_err(|fault| unreadable(fault.into(), &after.name))?;

    let trees = Trees { before: &seen_before.tree, after: &seen_after.tree };
    let pairs = trees.pairs();
    let [of_before, of_after] = trees.open(&pairs, options.quick);
    let reading = async {
        tokio::try_join!(
            digests(one.machine.as_mut(), trees.before, &of_before),
            digests(other.machine.as_mut(), trees.after, &of_after)
        )
    };
    let what = format!("read the {} files of one size", of_before.len().max(of_after.len()));
    let (sums_before, sums_after) =
        reporter.step(&what, reading).await.map_err(|fault: DriverError| failed(fault.into()))?;
    let files = trees.changes(&pairs, [&sums_before, &sums_after], options.quick);
    let disks = [(one.format, one.size), (other.format, other.size)];
    let ending = tokio::try_join!(one.machine.power_off(), other.machine.power_off());
    ending.map_err(|fault| failed(fault.into()))?;

    let packages = packages_changed(&seen_before.facts, &seen_after.facts);
    let units = changed(units::states(trees.before), units::states(trees.after));
    let units: Vec<UnitChange> =
        units.map(|(name, before, after)| UnitChange { name, before, after }).collect();
    let same = files.is_empty() && units.is_empty() && packages.as_ref().is_none_or(Vec::is_empty);
    Ok(Difference {
        before: described(&before, disks[0], &seen_before),
        after: described(&after, disks[1], &seen_after),
        same,
        packages,
        units,
        files,
        folders: folders(&trees),
        whole: trees.before.is_whole() && trees.after.is_whole(),
    })
}

async fn see(machine: &mut dyn Machine) -> Result<Seen, DriverError> {
    machine.view(RootSource::Find).await?;
    let tree = machine.tree(TreeLimits::default()).await?;
    Ok(Seen { tree, facts: machine.inspect().await? })
}

async fn digests(
    machine: &mut dyn Machine,
    tree: &SystemTree,
    files: &[u32],
) -> Result<Digests, DriverError> {
    let paths: Vec<Vec<u8>> = files.iter().map(|&number| tree.path(number)).collect();
    let sums = machine.digests(&paths).await?;
    let of = |(&number, sum)| tree.node(number).map(|node| (identity(node), sum));
    Ok(files.iter().zip(sums).filter_map(of).collect())
}

fn described(target: &Target, (format, size): (DiskFormat, u64), seen: &Seen) -> ComparedDisk {
    let field = |name: &str| seen.facts.os_release.get(name).map(|text| harmless(text)).unwrap_or_default();
    let title = Some(field("PRETTY_NAME")).filter(|title| !title.is_empty());
    ComparedDisk {
        name: target.name.clone(),
        path: target.path.to_string_lossy().into_owned(),
        format,
        size,
        system: title.unwrap_or_else(|| format!("{} {}", field("ID"), field("VERSION_ID")).trim().to_owned()),
        used: used_below(&seen.tree).first().copied().unwrap_or(0),
    }
}

/// What is not the same in two maps.
fn changed<K: Ord + Clone>(
    before: BTreeMap<K, String>,
    mut after: BTreeMap<K, String>,
) -> impl Iterator<Item = (K, Option<String>, Option<String>)> {
    let mut all: BTreeMap<K, (Option<String>, Option<String>)> = BTreeMap::new();
    for (key, value) in before {
        let other = after.remove(&key);
        all.insert(key, (Some(value), other));
    }
    all.extend(after.into_iter().map(|(key, value)| (key, (None, Some(value)))));
    all.into_iter()
        .filter(|(_, (before, after))| before != after)
        .map(|(key, (before, after))| (key, before, after))
}

fn packages_changed(before: &Facts, after: &Facts) -> Option<Vec<PackageChange>> {
    let installed = |facts: &Facts| -> Option<BTreeMap<(String, String), String>> {
        let found = Manager::of_system(&facts.files)?.1.into_iter();
        let entries = found.map(|package| {
            let key = (harmless(&package.name), harmless(&package.arch));
            (key, harmless(&package.version.to_string()))
        });
        Some(entries.collect())
    };
    let changes = changed(installed(before)?, installed(after)?);
    Some(changes.map(|((name, arch), before, after)| PackageChange { name, arch, before, after }).collect())
}

/// The folders that take another room, down to a depth that people look at.
fn folders(trees: &Trees<'_>) -> Vec<FolderChange> {
    let room = |tree: &SystemTree| -> BTreeMap<Vec<u8>, u64> {
        let used = used_below(tree);
        let mut depth: Vec<u32> = vec![0; used.len()];
        let mut rooms = BTreeMap::new();
        for (number, node) in tree.numbered() {
            if number > 0 {
                depth[number as usize] = depth[node.parent as usize] + 1;
            }
            if node.kind() == FileKind::Directory && depth[number as usize] <= FOLDER_DEPTH {
                rooms.insert(tree.path(number), used[number as usize]);
            }
        }
        rooms
    };
    let (before, mut after) = (room(trees.before), room(trees.after));
    let mut both: Vec<(Vec<u8>, u64, u64)> = Vec::new();
    for (path, used) in before {
        let other = after.remove(&path).unwrap_or(0);
        both.push((path, used, other));
    }
    both.extend(after.into_iter().map(|(path, used)| (path, 0, used)));
    both.retain(|(_, before, after)| before != after);
    both.sort_by(|(path, before, after), (other_path, other_before, other_after)| {
        let (one, other) = (before.abs_diff(*after), other_before.abs_diff(*other_after));
        other.cmp(&one).then_with(|| path.cmp(other_path))
    });
    both.into_iter().map(|(path, before, after)| FolderChange { path: shown(&path), before, after }).collect()
}

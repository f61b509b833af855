//! Looking at a disk from outside: all its files, its partitions, and what the rules for finished disks say of it. The
//! disk stays as it is.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::driver::{DriverError, Machine, RootSource};
use crate::hygiene::{self, Contents, Finding, System, Wanted};
use crate::model::{DiskLayout, SystemTree, TreeLimits};

/// Most bytes of all files that rules ask for: an initramfs is the largest.
const MOST_BYTES: u64 = 512 << 20;
/// Rules ask for more once they know more; after so many rounds they would not end.
const ROUNDS: usize = 8;

/// What was seen of a disk.
#[derive(Debug)]
pub struct DiskView {
    /// Its partitions, and where they are mounted.
    pub layout: DiskLayout,
    /// All its files.
    pub tree: SystemTree,
    /// Every breach of a rule, whatever the disk's preset.
    pub findings: Vec<Finding>,
}

/// Looks at the first disk of a machine in the offline stage, or where it is mounted; it is viewed afterwards.
pub async fn look(machine: &mut dyn Machine, root: RootSource) -> Result<DiskView, DriverError> {
    let layout = machine.view(root).await?;
    let tree = machine.tree(TreeLimits::default()).await?;
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    let (mut contents, mut left) = (Contents::default(), MOST_BYTES);
    for _ in 0..ROUNDS {
        let wanted = hygiene::wanted(&System { tree: &tree, layout: &layout, contents: &contents, now });
        if wanted.is_empty() {
            break;
        }
        read(machine, wanted, &mut contents, &mut left).await?;
    }
    // Unpacking an initramfs is work for a while, and others share this thread.
    let work = move || {
        let findings = hygiene::look(&System { tree: &tree, layout: &layout, contents: &contents, now });
        DiskView { layout, tree, findings }
    };
    tokio::task::spawn_blocking(work).await.map_err(|error| DriverError::Host {
        doing: "look at a disk".into(),
        source: std::io::Error::other(error),
    })
}

/// Reads files of like size together.
async fn read(
    machine: &mut dyn Machine,
    wanted: Vec<Wanted>,
    contents: &mut Contents,
    left: &mut u64,
) -> Result<(), DriverError> {
    let mut limits: Vec<u64> = wanted.iter().map(|one| one.limit).collect();
    limits.sort_unstable();
    limits.dedup();
    for limit in limits {
        let paths: Vec<Vec<u8>> =
            wanted.iter().filter(|one| one.limit == limit).map(|one| one.path.clone()).collect();
        let read = machine.read_files(&paths, limit, *left).await?;
        for (path, content) in paths.into_iter().zip(read) {
            *left = left.saturating_sub(content.bytes().map_or(0, |bytes| bytes.len() as u64));
            contents.insert(path, content);
        }
    }
    Ok(())
}

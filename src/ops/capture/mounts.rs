//! What a system's fstab(5) mounts, and of which disk.

use crate::model::{DiskLayout, VolumeContent};

/// A line of an fstab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// What is mounted, as it stands there: `UUID=…`.
    pub(super) spec: String,
    /// Where.
    pub(super) target: String,
}

/// The file systems of disks that an fstab names; swap and those of the kernel's own are none.
pub(super) fn entries(fstab: &str) -> Vec<Entry> {
    let lines = fstab.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| {
            let mut fields = line.split_ascii_whitespace();
            let (spec, target) = (fields.next()?, fields.next()?);
            let is_disk = spec.contains('=') || spec.starts_with("/dev/");
            (is_disk && target.starts_with('/'))
                .then(|| Entry { spec: spec.to_owned(), target: target.to_owned() })
        })
        .collect()
}

impl Entry {
    /// Whether it is a volume of this disk.
    pub(super) fn is_of_system(&self, layout: &DiskLayout) -> bool {
        self.is_on(layout) || layout.mounts.iter().any(|mount| mount.target == self.target)
    }

    /// Whether a disk has a volume of this name.
    pub(super) fn is_on(&self, layout: &DiskLayout) -> bool {
        layout.named(&self.spec).is_some_and(|volume| matches!(volume.content, VolumeContent::Fs(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_are_told_from_what_the_kernel_makes() {
        let fstab = "# x\nUUID=1 / ext4 rw 0 1\ntmpfs /tmp tmpfs\nLABEL=data /srv ext4 nofail\nUUID=2 none swap sw\n/dev/vdb1 /x\n";
        let targets: Vec<String> = entries(fstab).into_iter().map(|entry| entry.target).collect();
        assert_eq!(targets, ["/", "/srv", "/x"]);
    }
}

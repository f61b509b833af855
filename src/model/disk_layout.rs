//! What is on a disk beside files: its partitions, and which of them a system has mounted where.

use serde::{Deserialize, Serialize};

/// A disk as its own tables and superblocks tell of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskLayout {
    /// Bytes.
    pub size: u64,
    /// Whether its first sector has code that a BIOS would start.
    pub boot_code: bool,
    /// In the order of the table; of a disk without one, the disk itself.
    pub volumes: Vec<Volume>,
    /// The system's file systems, its root first.
    pub mounts: Vec<MountPoint>,
}

impl DiskLayout {
    /// What is in a volume, by its name in the guest.
    #[must_use]
    pub fn volume(&self, name: &str) -> Option<&Volume> {
        self.volumes.iter().find(|volume| volume.name == name)
    }

    /// The volume that a path of the system is on: the last of those mounted there.
    #[must_use]
    pub fn mounted_at(&self, target: &str) -> Option<&Volume> {
        let mount = self.mounts.iter().rev().find(|mount| mount.target == target)?;
        self.volume(&mount.volume)
    }

    /// The volume that the first field of an fstab names, such as `UUID=0a1b…` or `/dev/disk/by-label/root`.
    #[must_use]
    pub fn named(&self, spec: &str) -> Option<&Volume> {
        let (kind, name) = VolumeName::of(spec)?;
        self.volumes.iter().find(|volume| volume.has_name(kind, &name))
    }
}

/// A partition, or a whole disk without a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// In the guest, such as `vda1`.
    pub name: String,
    /// Bytes from the start of the disk.
    pub start: u64,
    /// Bytes.
    pub size: u64,
    /// What its first bytes say that it holds.
    pub content: VolumeContent,
    /// Of the file system, spelled as an fstab does.
    pub uuid: Option<String>,
    /// Of the file system.
    pub label: Option<String>,
    /// Of the partition.
    pub partuuid: Option<String>,
    /// Of the partition.
    pub partlabel: Option<String>,
}

impl Volume {
    fn has_name(&self, kind: VolumeName, name: &str) -> bool {
        let own = match kind {
            VolumeName::Uuid => &self.uuid,
            VolumeName::Label => &self.label,
            VolumeName::PartUuid => &self.partuuid,
            VolumeName::PartLabel => &self.partlabel,
        };
        own.as_ref().is_some_and(|own| own.eq_ignore_ascii_case(name))
    }
}

/// What a volume holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VolumeContent {
    /// A file system, as the kernel calls it.
    Fs(String),
    /// What cannot be mounted by itself: `LVM`, `LUKS`, `md`, `swap`.
    Layer(String),
    /// Nothing that is known.
    Unknown,
}

/// A mounted file system of a system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountPoint {
    /// Its volume, by its name in the guest.
    pub volume: String,
    /// Where it is: `/`, `/boot/efi`.
    pub target: String,
    /// As the kernel calls it.
    pub fs_type: String,
    /// Bytes of the file system.
    pub size: u64,
    /// Bytes that root may still write.
    pub free: u64,
}

/// The kinds of names that a volume has wherever its disk is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VolumeName {
    /// Of its file system.
    Uuid,
    /// Of its file system.
    Label,
    /// Of its partition.
    PartUuid,
    /// Of its partition.
    PartLabel,
}

impl VolumeName {
    const ALL: [(Self, &'static str, &'static str); 4] = [
        (Self::Uuid, "UUID", "/dev/disk/by-uuid/"),
        (Self::Label, "LABEL", "/dev/disk/by-label/"),
        (Self::PartUuid, "PARTUUID", "/dev/disk/by-partuuid/"),
        (Self::PartLabel, "PARTLABEL", "/dev/disk/by-partlabel/"),
    ];

    /// The kind of name that an fstab or `root=` gives, and the name itself; nothing if it is a path of another kind.
    #[must_use]
    pub fn of(spec: &str) -> Option<(Self, String)> {
        Self::ALL.into_iter().find_map(|(kind, key, folder)| {
            let by_key = spec.strip_prefix(key).and_then(|rest| rest.strip_prefix('='));
            let name = by_key.or_else(|| spec.strip_prefix(folder))?;
            Some((kind, name.trim_matches('"').to_owned()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_is_found_by_any_of_its_names() {
        let volume = Volume {
            name: "vda1".into(),
            start: 1 << 20,
            size: 1 << 30,
            content: VolumeContent::Fs("ext4".into()),
            uuid: Some("0a1b2c3d-0000-4000-8000-0123456789ab".into()),
            label: Some("root".into()),
            partuuid: Some("aaaa-01".into()),
            partlabel: None,
        };
        let layout = DiskLayout { volumes: vec![volume], ..DiskLayout::default() };
        for spec in [
            "UUID=0A1B2C3D-0000-4000-8000-0123456789AB",
            "UUID=\"0a1b2c3d-0000-4000-8000-0123456789ab\"",
            "/dev/disk/by-uuid/0a1b2c3d-0000-4000-8000-0123456789ab",
            "LABEL=root",
            "PARTUUID=AAAA-01",
        ] {
            assert_eq!(layout.named(spec).map(|volume| volume.name.as_str()), Some("vda1"), "{spec}");
        }
        for spec in ["UUID=1", "PARTLABEL=root", "/dev/vda1", "UUID", "tmpfs", ""] {
            assert_eq!(layout.named(spec), None, "{spec}");
        }
    }
}

//! Finding the image's file systems on its first disk.

use imgfile_agent::protocol::message::{Answer, Device, Request};

use super::super::DriverError;
use super::guest::{Guest, unexpected_answer};
use super::superblock::{self, Content, Superblock};
use super::table;
use crate::model::{self, DiskLayout, MountPoint, VolumeContent};

/// The first disk, looked at.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) disk: Device,
    pub(super) table: Vec<u8>,
    pub(super) volumes: Vec<Volume>,
}

/// A partition, or a whole disk without a table.
#[derive(Debug, Clone)]
pub(super) struct Volume {
    /// Such as `vda1`.
    pub(super) name: String,
    /// None for a whole disk.
    pub(super) number: Option<u32>,
    /// Bytes from the start of the disk.
    pub(super) start: u64,
    /// Bytes.
    pub(super) size: u64,
    pub(super) superblock: Superblock,
    partuuid: Option<String>,
    partlabel: Option<String>,
}

impl Layout {
    /// Reads the table and the start of every partition.
    pub(super) async fn look(guest: &mut Guest) -> Result<Self, DriverError> {
        let Answer::Devices { devices } = guest.ask("list its disks", Request::BlockDevices).await? else {
            return Err(unexpected_answer());
        };
        let disk = devices
            .into_iter()
            .find(|device| device.name == "vda")
            .ok_or_else(|| DriverError::Unsupported { what: "the machine has no disk".into() })?;
        let table = read(guest, &disk.name, 0, table::LOOK).await?;
        let mut volumes = Vec::new();
        for partition in &disk.partitions {
            let (partuuid, partlabel) = table::names(&table, partition.number);
            let superblock = identify(guest, &partition.name, partition.size).await?;
            volumes.push(Volume {
                name: partition.name.clone(),
                number: Some(partition.number),
                start: partition.start,
                size: partition.size,
                superblock,
                partuuid,
                partlabel,
            });
        }
        if volumes.is_empty() {
            let superblock = identify(guest, &disk.name, disk.size).await?;
            let name = disk.name.clone();
            volumes.push(Volume {
                name,
                number: None,
                start: 0,
                size: disk.size,
                superblock,
                partuuid: None,
                partlabel: None,
            });
        }
        Ok(Self { disk, table, volumes })
    }

    /// What udev would make below /dev/disk for these volumes: links, each with its device. Programs such as
    /// update-grub name a file system by its UUID only where they find its link.
    pub(super) fn links(&self) -> Vec<(String, String)> {
        let mut links = Vec::new();
        for volume in &self.volumes {
            for (folder, name) in [
                ("by-uuid", &volume.superblock.uuid),
                ("by-label", &volume.superblock.label),
                ("by-partuuid", &volume.partuuid),
                ("by-partlabel", &volume.partlabel),
            ] {
                // udev writes other characters in a notation of its own.
                let plain = |name: &&String| {
                    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
                        && !name.trim_matches('.').is_empty()
                };
                if let Some(name) = name.as_ref().filter(plain) {
                    links.push((format!("{folder}/{name}"), volume.name.clone()));
                }
            }
        }
        links
    }

    /// The volumes that may hold a Linux system's root, as name and file system type.
    pub(super) fn candidates(&self) -> Vec<(&Volume, &'static str)> {
        self.volumes
            .iter()
            .filter_map(|volume| match volume.superblock.content {
                Content::Fs(fs_type) if fs_type != "vfat" => Some((volume, fs_type)),
                _ => None,
            })
            .collect()
    }

    /// Why there is no root to be found. `broken` is what a file system said that could not be mounted.
    pub(super) fn no_root(&self, broken: Option<String>) -> DriverError {
        let layer = self.volumes.iter().find_map(|volume| match volume.superblock.content {
            Content::Layer(name) if name != "swap" => {
                Some(format!("the disk's system is on {name} ({}), which is not supported", volume.name))
            }
            _ => None,
        });
        let windows = self.volumes.iter().find(|volume| volume.superblock.content == Content::Ntfs);
        if let (None, None, Some(volume)) = (&layer, &broken, windows) {
            return DriverError::Windows { volume: volume.name.clone() };
        }
        let nothing = || "the disk has no Linux system on an ext4, xfs or btrfs partition".to_owned();
        DriverError::Unsupported { what: layer.or(broken).unwrap_or_else(nothing) }
    }

    /// The volume that an fstab's first field names.
    pub(super) fn find(&self, spec: &str) -> Option<&Volume> {
        let name = self.told(Vec::new()).named(spec)?.name.clone();
        self.volumes.iter().find(|volume| volume.name == name)
    }

    /// The disk as others are told of it.
    pub(super) fn told(&self, mounts: Vec<MountPoint>) -> DiskLayout {
        let volume = |volume: &Volume| model::Volume {
            name: volume.name.clone(),
            start: volume.start,
            size: volume.size,
            content: match volume.superblock.content {
                Content::Fs(fs_type) => VolumeContent::Fs(fs_type.to_owned()),
                Content::Layer(layer) => VolumeContent::Layer(layer.to_owned()),
                Content::Unknown | Content::Ntfs => VolumeContent::Unknown,
            },
            uuid: volume.superblock.uuid.clone(),
            label: volume.superblock.label.clone(),
            partuuid: volume.partuuid.clone(),
            partlabel: volume.partlabel.clone(),
        };
        DiskLayout {
            size: self.disk.size,
            boot_code: has_boot_code(&self.table),
            volumes: self.volumes.iter().map(volume).collect(),
            mounts,
        }
    }
}

/// Whether a BIOS would start something: an MBR with code in it, while a protective one alone is empty there.
pub(super) fn has_boot_code(disk_start: &[u8]) -> bool {
    disk_start.get(..440).is_some_and(|code| code.iter().any(|&byte| byte != 0))
}

/// What a device of `size` bytes holds.
async fn identify(guest: &mut Guest, device: &str, size: u64) -> Result<Superblock, DriverError> {
    let start = read(guest, device, 0, superblock::LOOK).await?;
    let mut found = superblock::identify(&start);
    if matches!(found.content, Content::Fs(_)) {
        for place in superblock::md_places(size) {
            if place > 0 && superblock::is_md(&read(guest, device, place, 4).await?) {
                found.content = Content::Layer("md");
            }
        }
    }
    Ok(found)
}

async fn read(guest: &mut Guest, device: &str, offset: u64, len: u32) -> Result<Vec<u8>, DriverError> {
    let request = Request::ReadDevice { device: device.to_owned(), offset, len };
    guest.download(&format!("read {device}"), request, u64::from(len)).await
}

/// A line of an fstab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FstabEntry {
    pub(super) spec: String,
    pub(super) target: String,
    pub(super) fs_type: String,
    pub(super) options: String,
}

/// The folders that a change of the system needs, when they are file systems of their own.
const NEEDED: &[&str] = &["/usr", "/var", "/boot", "/boot/efi", "/efi"];

/// The entries to mount beside the root, outer before inner.
pub(super) fn fstab(text: &str) -> Vec<FstabEntry> {
    let mut entries: Vec<FstabEntry> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            let [spec, target, fs_type, options, ..] = fields[..] else { return None };
            let wanted = NEEDED.contains(&target) && !options.split(',').any(|option| option == "noauto");
            wanted.then(|| FstabEntry {
                spec: spec.to_owned(),
                target: target.to_owned(),
                fs_type: fs_type.to_owned(),
                options: options.to_owned(),
            })
        })
        .collect();
    entries.sort_by_key(|entry| entry.target.matches('/').count());
    entries
}

/// The btrfs `subvol=` of an fstab's options, the only one that changes what is mounted.
pub(super) fn subvolume(options: &str) -> &str {
    options.split(',').find(|option| option.starts_with("subvol=")).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_belongs_to_the_system_is_mounted() {
        let text = "# a comment\n\
            UUID=1 / ext4 rw 0 1\n\
            UUID=3 /boot/efi vfat umask=0077 0 1\n\
            UUID=2 /boot ext4 defaults 0 2\n\
            UUID=4 /data ext4 defaults 0 2\n\
            UUID=5 /var xfs noauto 0 2\n\
            broken line\n";
        let entries = fstab(text);
        let targets: Vec<&str> = entries.iter().map(|entry| entry.target.as_str()).collect();
        assert_eq!(targets, ["/boot", "/boot/efi"]);
        assert_eq!(subvolume("compress=zstd,subvol=root,ro"), "subvol=root");
    }
}

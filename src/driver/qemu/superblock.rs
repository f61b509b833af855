//! What a partition holds, told by its first bytes.

/// How many bytes of a partition tell what it is.
pub(super) const LOOK: u32 = 68 * 1024;

const MD_MAGIC: [u8; 4] = 0xa92b_4efc_u32.to_le_bytes();

/// What a partition holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    /// A file system the kernel calls by this name.
    Fs(&'static str),
    /// Something that cannot be mounted by itself: `LVM`, `LUKS`, `md`, `swap`.
    Layer(&'static str),
    /// The file system of Windows.
    Ntfs,
    Unknown,
}

/// A partition's content, and the names an fstab may call it by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Superblock {
    pub(super) content: Content,
    pub(super) uuid: Option<String>,
    pub(super) label: Option<String>,
}

/// Looks at the first [`LOOK`] bytes (fewer for smaller devices).
pub(super) fn identify(bytes: &[u8]) -> Superblock {
    let at = |offset: usize, magic: &[u8]| bytes.get(offset..offset + magic.len()) == Some(magic);
    let none = |content| Superblock { content, uuid: None, label: None };
    let named = |name, uuid: usize, label: usize, len: usize| Superblock {
        content: Content::Fs(name),
        uuid: bytes.get(uuid..uuid + 16).map(hyphenated),
        label: bytes.get(label..label + len).map(text).filter(|label| !label.is_empty()),
    };
    if at(0, b"LUKS\xba\xbe") {
        none(Content::Layer("LUKS"))
    } else if (0..4).any(|sector| at(sector * 512, b"LABELONE") && at(sector * 512 + 24, b"LVM2 001")) {
        none(Content::Layer("LVM"))
    } else if at(4096, &MD_MAGIC) || at(0, &MD_MAGIC) {
        none(Content::Layer("md"))
    } else if at(4086, b"SWAPSPACE2") {
        Superblock { content: Content::Layer("swap"), ..named("swap", 0x40c, 0x41c, 16) }
    } else if at(0, b"XFSB") {
        named("xfs", 32, 108, 12)
    } else if at(0x438, &[0x53, 0xef]) {
        named("ext4", 0x468, 0x478, 16)
    } else if at(0x1_0040, b"_BHRfS_M") {
        named("btrfs", 0x1_0020, 0x1_012b, 256)
    } else if at(3, b"NTFS    ") {
        none(Content::Ntfs)
    } else if at(82, b"FAT32") || at(54, b"FAT1") {
        let serial = if at(82, b"FAT32") { 67 } else { 39 };
        let uuid = bytes
            .get(serial..serial + 4)
            .map(|id| format!("{:02X}{:02X}-{:02X}{:02X}", id[3], id[2], id[1], id[0]));
        let label = bytes.get(serial + 4..serial + 15).map(text).map(|label| label.trim_end().to_owned());
        Superblock { content: Content::Fs("vfat"), uuid, label: label.filter(|label| !label.is_empty()) }
    } else {
        none(Content::Unknown)
    }
}

/// Where md keeps its mark when that is not at the start (versions 1.0 and 0.90), for a device of `size`
/// bytes. A member of such an array looks like what the array holds.
pub(super) fn md_places(size: u64) -> [u64; 2] {
    let at_the_end = (size / 512).saturating_sub(16) & !7;
    [at_the_end * 512, (size & !0xffff).saturating_sub(0x1_0000)]
}

/// Whether the bytes at one of the [`md_places`] are that mark.
pub(super) fn is_md(bytes: &[u8]) -> bool {
    bytes.starts_with(&MD_MAGIC)
}

fn hyphenated(bytes: &[u8]) -> String {
    let hex = hex::encode(bytes);
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(marks: &[(usize, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0; LOOK as usize];
        for (at, mark) in marks {
            bytes[*at..*at + mark.len()].copy_from_slice(mark);
        }
        bytes
    }

    #[test]
    fn every_kind_is_known_by_its_mark() {
        let cases: [(&[(usize, &[u8])], Content); 10] = [
            (&[(0x438, &[0x53, 0xef])], Content::Fs("ext4")),
            (&[(0, b"XFSB")], Content::Fs("xfs")),
            (&[(0x1_0040, b"_BHRfS_M")], Content::Fs("btrfs")),
            (&[(82, b"FAT32   ")], Content::Fs("vfat")),
            (&[(0, b"LUKS\xba\xbe")], Content::Layer("LUKS")),
            (&[(512, b"LABELONE"), (536, b"LVM2 001")], Content::Layer("LVM")),
            (&[(4096, &[0xfc, 0x4e, 0x2b, 0xa9])], Content::Layer("md")),
            (&[(4086, b"SWAPSPACE2")], Content::Layer("swap")),
            (&[(3, b"NTFS    ")], Content::Ntfs),
            (&[], Content::Unknown),
        ];
        for (marks, content) in cases {
            assert_eq!(identify(&with(marks)).content, content);
        }
    }

    #[test]
    fn marks_of_md_at_the_end_are_looked_for_where_mdadm_writes_them() {
        assert_eq!(md_places(64 << 20), [(64 << 20) - 8192, (64 << 20) - 65536]);
        assert_eq!(md_places((64 << 20) + 5 * 512)[0] % 4096, 0);
        assert_eq!(md_places(0), [0, 0]);
    }

    #[test]
    fn names_are_spelled_as_in_an_fstab() {
        let ext4 = identify(&with(&[(0x438, &[0x53, 0xef]), (0x468, &[0xab; 16]), (0x478, b"root")]));
        assert_eq!(ext4.uuid.as_deref(), Some("abababab-abab-abab-abab-abababababab"));
        assert_eq!(ext4.label.as_deref(), Some("root"));
        let vfat =
            identify(&with(&[(82, b"FAT32   "), (67, &[0x34, 0x12, 0xcd, 0xab]), (71, b"EFI        ")]));
        assert_eq!((vfat.uuid.as_deref(), vfat.label.as_deref()), (Some("ABCD-1234"), Some("EFI")));
        let swap = identify(&with(&[(4086, b"SWAPSPACE2"), (0x40c, &[0xcd; 16])]));
        assert_eq!(swap.content, Content::Layer("swap"));
        assert_eq!(swap.uuid.as_deref(), Some("cdcdcdcd-cdcd-cdcd-cdcd-cdcdcdcdcdcd"));
    }

    #[test]
    fn a_device_of_any_length_is_looked_at_safely() {
        let bytes = with(&[(0x1_0040, b"_BHRfS_M")]);
        for len in 0..bytes.len().min(3000) {
            identify(&bytes[..len]);
        }
        assert_eq!(identify(&[]).content, Content::Unknown);
    }
}

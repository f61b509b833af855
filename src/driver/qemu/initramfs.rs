//! An initramfs in the "newc" format of cpio: the agent as `/init`, and the modules it needs before
//! it can speak.

/// Writes an archive of folders, regular files and one character device.
#[derive(Debug, Default)]
struct Archive {
    bytes: Vec<u8>,
    inode: u32,
}

impl Archive {
    /// `mode` with the file type's bits; `device` is major and minor.
    fn entry(&mut self, name: &str, mode: u32, device: (u32, u32), content: &[u8]) {
        self.inode += 1;
        let len = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        let fields = [
            self.inode,
            mode,
            0,
            0,
            1,
            0,
            len(content.len()),
            0,
            0,
            device.0,
            device.1,
            len(name.len() + 1),
            0,
        ];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08X}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

/// The archive with `agent` as `/init` and `modules` (name, content) to be loaded in this order.
pub(super) fn write(agent: &[u8], modules: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut archive = Archive::default();
    archive.entry("dev", 0o040_755, (0, 0), &[]);
    // So that PID 1 has standard streams before it mounts anything.
    archive.entry("dev/console", 0o020_600, (5, 1), &[]);
    archive.entry("init", 0o100_755, (0, 0), agent);
    archive.entry("modules", 0o040_755, (0, 0), &[]);
    for (index, (name, content)) in modules.iter().enumerate() {
        archive.entry(&format!("modules/{index:03}-{name}"), 0o100_644, (0, 0), content);
    }
    archive.entry("TRAILER!!!", 0, (0, 0), &[]);
    archive.bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_finds_every_field_where_it_looks() {
        let archive = write(b"agent", &[("virtio_console".into(), b"module".to_vec())]);
        let text = String::from_utf8_lossy(&archive);
        let header = text.find("init\0").map(|at| &text[at - 110..at]).unwrap();
        assert_eq!(&header[..6], "070701");
        assert_eq!(&header[14..22], "000081ED", "a regular file, executable");
        assert_eq!(&header[54..62], "00000005", "its size");
        assert_eq!(&header[94..102], "00000005", "its name's size with the NUL");
        assert!(text.contains("modules/000-virtio_console\0"));
        assert_eq!(archive.len() % 4, 0);
    }
}

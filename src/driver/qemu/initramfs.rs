//! An initramfs in the "newc" format of cpio: the agent as `/init`, and the modules it needs before
//! it can speak.

use std::io::{self, Write as _};

use cpio::newc::{Builder, trailer};

/// The archive with `agent` as `/init` and `modules` (name, content) to be loaded in this order.
pub(super) fn write(agent: &[u8], modules: &[(String, Vec<u8>)]) -> io::Result<Vec<u8>> {
    let mut archive = Vec::new();
    let mut inode = 0;
    let mut entry = |name: &str, mode, content: &[u8], device: (u32, u32)| {
        inode += 1;
        let entry = Builder::new(name).ino(inode).mode(mode).rdev_major(device.0).rdev_minor(device.1);
        let mut writer = entry.write(&mut archive, u32::try_from(content.len()).unwrap_or(u32::MAX));
        writer.write_all(content)?;
        writer.finish().map(drop)
    };
    entry("dev", 0o040_755, &[], (0, 0))?;
    // So that PID 1 has standard streams before it mounts anything.
    entry("dev/console", 0o020_600, &[], (5, 1))?;
    entry("init", 0o100_755, agent, (0, 0))?;
    entry("modules", 0o040_755, &[], (0, 0))?;
    for (index, (name, content)) in modules.iter().enumerate() {
        entry(&format!("modules/{index:03}-{name}"), 0o100_644, content, (0, 0))?;
    }
    trailer(archive)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_finds_every_field_where_it_looks() {
        let archive = write(b"agent", &[("virtio_console".into(), b"module".to_vec())]).unwrap();
        let text = String::from_utf8_lossy(&archive);
        let header = text.find("init\0").map(|at| &text[at - 110..at]).unwrap();
        assert_eq!(&header[..6], "070701");
        assert_eq!(&header[14..22], "000081ed", "a regular file, executable");
        assert_eq!(&header[54..62], "00000005", "its size");
        assert_eq!(&header[94..102], "00000005", "its name's size with the NUL");
        assert!(text.contains("modules/000-virtio_console\0"));
        assert_eq!(archive.len() % 4, 0);
    }
}

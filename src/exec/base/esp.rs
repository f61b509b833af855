//! The EFI system partition: a FAT file system with the loaders on the removable path, where firmware
//! looks without any entry in its memory.
//!
//! `mkfs.fat` and mtools make it, in a file of its own that is then copied into the disk: what they
//! leave is what `fsck.fat` of a first boot takes for whole. Identifier and times are fixed.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{
    layout::{ESP, Identities},
    work::At,
};
use crate::{driver::DriverError, exec::BuildError, model::how_to_install, store::room};

/// Administrator programs are not in the path of an ordinary user, and `mkfs.fat` is one.
pub(super) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The time of every file and folder, in seconds: that of `mkfs.fat --invariant`.
const TIME: &str = "1426325212";

/// The loaders for UEFI, signed ones: files of the new system.
#[derive(Debug, Clone, Copy)]
pub(super) struct EfiLoaders<'a> {
    pub shim: &'a Path,
    pub grub: &'a Path,
}

/// Makes the file system in `scratch` and copies it into the disk. The signed GRUB reads its first
/// configuration from the distribution's folder, which points to the root file system.
pub(super) fn write(
    disk: &File,
    scratch: &Path,
    loaders: EfiLoaders<'_>,
    distribution: &str,
    ids: &Identities,
) -> Result<(), BuildError> {
    let image = scratch.join("esp.img");
    File::create_new(&image).and_then(|file| file.set_len(ESP.len)).at("create", &image)?;
    let configuration = scratch.join("esp-grub.cfg");
    let text = format!(
        "search.fs_uuid {} root\nset prefix=($root)'/boot/grub'\nconfigfile $prefix/grub.cfg\n",
        ids.root_uuid
    );
    fs::write(&configuration, text).at("write", &configuration)?;

    let id = format!("{:08x}", ids.esp_id);
    let mut format = tool("mkfs.fat");
    format.args(["--invariant", "-F", "32", "-s", "1", "-n", "EFI", "-i", &id]).arg(&image);
    run(format, "mkfs.fat", "dosfstools")?;

    let (own, removable) = (format!("::/EFI/{distribution}"), "::/EFI/BOOT");
    let mut folders = mtools("mmd", &image);
    folders.args(["::/EFI", removable, &own]);
    run(folders, "mmd", "mtools")?;
    let files: [(&Path, String); 5] = [
        (loaders.shim, format!("{removable}/BOOTX64.EFI")),
        (loaders.grub, format!("{removable}/grubx64.efi")),
        (loaders.shim, format!("{own}/shimx64.efi")),
        (loaders.grub, format!("{own}/grubx64.efi")),
        (&configuration, format!("{own}/grub.cfg")),
    ];
    for (from, to) in files {
        let mut copy = mtools("mcopy", &image);
        copy.arg(from).arg(to);
        run(copy, "mcopy", "mtools")?;
    }
    copy_into(disk, &image).at("write", &image)?;
    let spent: [&PathBuf; 2] = [&image, &configuration];
    spent.into_iter().try_for_each(|path| fs::remove_file(path).at("remove", path))
}

/// A program of the host that gets nothing of the caller's environment.
pub(super) fn tool(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear().envs([
        ("PATH", PATH),
        ("LC_ALL", "C.UTF-8"),
        ("TZ", "UTC"),
        ("SOURCE_DATE_EPOCH", TIME),
    ]);
    command.stdin(Stdio::null());
    command
}

fn mtools(program: &str, image: &Path) -> Command {
    let mut command = tool(program);
    // Nobody's configuration of drives counts.
    command.env("MTOOLSRC", "/dev/null").arg("-i").arg(image);
    command
}

pub(super) fn run(mut command: Command, program: &'static str, package: &str) -> Result<(), BuildError> {
    let output = command.output().map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => BuildError::from(DriverError::HostLacks {
            what: format!("`{program}`"),
            install: how_to_install(package),
        }),
        _ => BuildError::Io { action: "start", path: program.into(), source },
    })?;
    if output.status.success() {
        return Ok(());
    }
    let detail = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if room::says_full(&detail) {
        return Err(DriverError::HostFull.into());
    }
    Err(BuildError::HostTool { program, detail })
}

/// Copies the partition to its place; what is empty stays a hole.
fn copy_into(disk: &File, image: &Path) -> io::Result<()> {
    let mut image = File::open(image)?;
    let mut block = vec![0; 1 << 16];
    let mut at = ESP.start;
    loop {
        let mut len = 0;
        while len < block.len() {
            match image.read(&mut block[len..])? {
                0 => break,
                read => len += read,
            }
        }
        if len == 0 {
            return Ok(());
        }
        if block[..len].iter().any(|&byte| byte != 0) {
            disk.write_all_at(&block[..len], at)?;
        }
        at += len as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Digest;

    /// The partition, made twice from loaders of a size beyond one cluster.
    fn made(folder: &Path) -> Vec<u8> {
        let disk = tempfile::tempfile().unwrap();
        disk.set_len(ESP.start + ESP.len).unwrap();
        let (shim, grub) = (folder.join("shim"), folder.join("grub"));
        fs::write(&shim, "shim".repeat(1000)).unwrap();
        fs::write(&grub, "grub").unwrap();
        let ids = Identities::of(&Digest::of("key"));
        write(&disk, folder, EfiLoaders { shim: &shim, grub: &grub }, "debian", &ids).unwrap();
        let mut bytes = vec![0; usize::try_from(ESP.len).unwrap()];
        disk.read_exact_at(&mut bytes, ESP.start).unwrap();
        bytes
    }

    #[test]
    fn firmware_finds_the_loaders_and_the_file_system_has_no_fault() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = made(folder.path());
        let path = folder.path().join("partition");
        fs::write(&path, &bytes).unwrap();

        let check = tool("fsck.fat").arg("-n").arg(&path).output().unwrap();
        assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stdout));
        let read = |file: &str| {
            let output = mtools("mtype", &path).arg(file).output().unwrap();
            assert!(output.status.success(), "{file}: {}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        };
        let ids = Identities::of(&Digest::of("key"));
        assert_eq!(read("::/EFI/BOOT/BOOTX64.EFI"), "shim".repeat(1000));
        assert_eq!(read("::/EFI/BOOT/grubx64.efi"), "grub");
        assert_eq!(read("::/EFI/debian/shimx64.efi"), "shim".repeat(1000));
        assert!(read("::/EFI/debian/grub.cfg").contains(&ids.root_uuid));
        assert_eq!(bytes[67..71], ids.esp_id.to_le_bytes(), "the volume's identifier");
    }

    #[test]
    fn the_same_content_makes_the_same_partition() {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        assert!(made(folders[0].path()) == made(folders[1].path()));
    }
}

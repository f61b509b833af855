//! Disks as other people make them, made by an ordinary user with the usual tools.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};

pub const MIB: u64 = 1 << 20;

/// A command that may be an administrator's program, which is not in everybody's path.
pub fn tool(program: &str) -> Command {
    let mut command = Command::new(program);
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/sbin")).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn run(command: &mut Command) {
    let status = command.status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}");
}

/// An empty disk of `mib` MiB.
pub fn empty(path: &Path, mib: u64) {
    File::create(path).unwrap().set_len(mib * MIB).unwrap();
}

/// Writes into a disk.
pub fn write_at(path: &Path, offset: u64, bytes: &[u8]) {
    File::options().write(true).open(path).unwrap().write_all_at(bytes, offset).unwrap();
}

/// Partitions a disk; `script` is in sfdisk's own language.
pub fn partition(path: &Path, script: &str) {
    use std::io::Write;
    let mut child = tool("sfdisk").arg("--quiet").arg(path).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{script}");
}

/// A system that says what it is: enough to be looked into, not to run.
pub fn system(folder: &Path, os_release: &str, elf_machine: u16) {
    for inner in ["etc", "bin", "boot", "var/lib/dpkg"] {
        fs::create_dir_all(folder.join(inner)).unwrap();
    }
    fs::write(folder.join("etc/os-release"), os_release).unwrap();
    fs::write(folder.join("var/lib/dpkg/status"), "").unwrap();
    let mut program = b"\x7fELF\x02\x01\x01".to_vec();
    program.resize(64, 0);
    program[18..20].copy_from_slice(&elf_machine.to_le_bytes());
    fs::write(folder.join("bin/sh"), program).unwrap();
}

/// An ext4 file system of `mib` MiB with what is in `folder`.
pub fn ext4(path: &Path, mib: u64, folder: &Path) {
    empty(path, mib);
    run(tool("mke2fs").args(["-q", "-F", "-t", "ext4", "-d"]).arg(folder).arg(path));
}

/// A line of an ext4's header, by its name.
pub fn ext4_header(path: &Path, name: &str) -> String {
    let output = tool("dumpe2fs").arg("-h").arg(path).stdout(Stdio::piped()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().find_map(|line| line.strip_prefix(name)).expect(name).trim().to_owned()
}

/// An ext4 file system with what is in `folder`, and a file that leaves next to nothing free.
pub fn full_ext4(path: &Path, mib: u64, folder: &Path) {
    ext4(path, mib, folder);
    let number = |name: &str| ext4_header(path, name).parse::<u64>().unwrap();
    let free = number("Free blocks:") * number("Block size:");
    let filling = usize::try_from(free - 512 * 1024).unwrap();
    fs::write(folder.join("var/filling"), vec![7; filling]).unwrap();
    ext4(path, mib, folder);
}

/// Asks e2fsprogs about the root file system of a raw disk: its last partition.
pub fn debugfs(disk: &Path, request: &str) {
    let table = tool("sfdisk").arg("--json").arg(disk).stdout(Stdio::piped()).output().unwrap();
    let table: serde_json::Value = serde_json::from_slice(&table.stdout).unwrap();
    let root = table["partitiontable"]["partitions"].as_array().unwrap().last().unwrap().clone();
    let volume = format!("{}?offset={}", disk.display(), root["start"].as_u64().unwrap() * 512);
    assert!(tool("debugfs").args(["-R", request]).arg(volume).status().unwrap().success(), "{request}");
}

/// Copies a file system into a partition, leaving holes.
pub fn place(file_system: &Path, disk: &Path, at_mib: u64) {
    run(tool("dd")
        .arg(format!("if={}", file_system.display()))
        .arg(format!("of={}", disk.display()))
        .args(["bs=1M", "conv=notrunc,sparse"])
        .arg(format!("seek={at_mib}")));
}

/// What an independent eye takes the content at an offset for.
pub fn kind_at(path: &Path, offset: u64) -> String {
    let output = tool("blkid")
        .args(["-p", "-o", "value", "-s", "TYPE", "-O", &offset.to_string()])
        .arg(path)
        .stdout(Stdio::piped())
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The start of an LVM physical volume: its label, in the second sector.
pub fn lvm_label() -> Vec<u8> {
    let mut sector = vec![0; 512];
    sector[..8].copy_from_slice(b"LABELONE");
    sector[8..16].copy_from_slice(&1u64.to_le_bytes());
    sector[20..24].copy_from_slice(&32u32.to_le_bytes());
    sector[24..32].copy_from_slice(b"LVM2 001");
    sector[32..64].copy_from_slice(b"abcdefghijklmnopqrstuvwxyz012345");
    let sum = sector[20..].iter().fold(0xf597_a6cf_u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ if sum & 1 == 1 { 0xedb8_8320 } else { 0 })
    });
    sector[16..20].copy_from_slice(&sum.to_le_bytes());
    sector
}

/// The superblock of a member of an md array, version 1; `place` is where it lies, in bytes.
pub fn md_superblock(place: u64) -> Vec<u8> {
    let mut block = vec![0; 256];
    block[..4].copy_from_slice(&0xa92b_4efc_u32.to_le_bytes());
    block[4..8].copy_from_slice(&1u32.to_le_bytes());
    block[16..32].copy_from_slice(&[7; 16]);
    block[144..152].copy_from_slice(&(place / 512).to_le_bytes());
    let words = block.chunks(4).map(|word| u64::from(u32::from_le_bytes(word.try_into().unwrap())));
    let sum: u64 = words.sum();
    let sum = u32::try_from((sum & 0xffff_ffff) + (sum >> 32)).unwrap();
    block[216..220].copy_from_slice(&sum.to_le_bytes());
    block
}

/// The header of a LUKS volume.
pub fn luks_header() -> Vec<u8> {
    let mut header = vec![0; 592];
    header[..6].copy_from_slice(b"LUKS\xba\xbe");
    header[6..8].copy_from_slice(&1u16.to_be_bytes());
    header[8..11].copy_from_slice(b"aes");
    header[168..204].copy_from_slice(b"0a1b2c3d-0000-4000-8000-0123456789ab");
    header
}

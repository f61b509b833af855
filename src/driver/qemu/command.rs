//! QEMU's command line.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::super::{Disk, DiskAccess, DiskFormat, Firmware, Network};
use super::shared::Accelerator;
use crate::cell::Cell;
use imgfile_agent::protocol::PORT_NAME;

/// The machine that a guest is to find itself in.
#[derive(Debug)]
pub(super) struct Front<'a> {
    pub(super) accelerator: Accelerator,
    pub(super) cpus: u8,
    pub(super) memory_mib: u32,
    pub(super) boot: &'a Boot<'a>,
    pub(super) disks: &'a [Disk],
    pub(super) payload: Option<&'a Path>,
    pub(super) network: Network,
    /// Whether there is a line to an agent.
    pub(super) agent: bool,
}

/// Everything a QEMU process is told.
#[derive(Debug)]
pub(super) struct CommandLine<'a> {
    pub(super) program: &'a Path,
    pub(super) front: Front<'a>,
    pub(super) console: Console<'a>,
    /// QEMU's ends of the lines to its monitor and, if the guest has one, to the agent.
    pub(super) monitor: &'a OwnedFd,
    pub(super) agent: Option<&'a OwnedFd>,
    /// Waits for the memory of another machine instead of booting.
    pub(super) resumed: bool,
    /// Ports at which its network is reached: an address and a port where it listens, and the guest's.
    pub(super) forwards: &'a [(Ipv4Addr, u16, u16)],
    /// Whether a guest that restarts itself may go on, instead of ending the machine.
    pub(super) reboots: bool,
}

/// Where the serial console goes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Console<'a> {
    /// To the end of a file.
    File(&'a Path),
    /// To a socket, from which the guest reads as well; QEMU's end of it.
    Socket(&'a OwnedFd),
}

/// What the machine starts with.
#[derive(Debug)]
pub(super) enum Boot<'a> {
    Kernel { kernel: &'a Path, initramfs: &'a Path, arguments: String },
    Firmware { firmware: Firmware, uefi: Option<&'a UefiFiles> },
}

/// OVMF: its code, and variables of this machine's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UefiFiles {
    pub(super) code: PathBuf,
    pub(super) variables: PathBuf,
}

impl Front<'_> {
    /// What the guest sees, and so what its memory was made under. Devices are named after what is behind
    /// them, which the rest of the command line has to offer.
    pub(super) fn arguments(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        let mut add = |option: &str, value: String| arguments.extend([option.to_owned(), value]);
        let uefi = matches!(self.boot, Boot::Firmware { firmware: Firmware::Uefi, .. });
        // The older machine comes up quicker; OVMF is at home on the newer.
        add("-machine", if uefi { "q35" } else { "pc" }.into());
        match self.accelerator {
            Accelerator::Kvm => {
                add("-accel", "kvm".into());
                add("-cpu", "host".into());
            }
            Accelerator::Tcg => {
                add("-accel", "tcg,thread=multi,tb-size=512".into());
                // What nobody runs in it is not looked for: a system would load the modules of a hypervisor.
                add("-cpu", "max,svm=off".into());
            }
        }
        add("-smp", self.cpus.max(1).to_string());
        add("-m", format!("{}M", self.memory_mib));
        add("-serial", "chardev:console".into());
        if self.agent {
            add("-device", "virtio-serial-pci".into());
            add("-device", format!("virtserialport,id=agent,chardev=agent,name={PORT_NAME}"));
        }
        if self.agent && matches!(self.boot, Boot::Kernel { .. }) {
            // A kernel that goes on from a saved state learns by it that others do so too, before anything of
            // the system runs: its random generator starts anew.
            add("-device", "vmgenid,guid=auto".into());
        }
        for index in 0..self.disks.len() {
            add("-device", format!("virtio-blk-pci,drive=disk{index},discard=on,bootindex={}", index + 1));
        }
        if self.payload.is_some() {
            add("-device", format!("virtio-blk-pci,drive=disk{}", self.disks.len()));
        }
        if matches!(self.boot, Boot::Firmware { .. }) {
            // A boot loader may speak to the screen alone, of which there is a picture when the machine hangs.
            add("-device", "VGA".into());
        }
        if self.network != Network::None {
            // No option ROM: nothing here boots from the network.
            add("-device", "virtio-net-pci,netdev=net,romfile=".into());
        }
        arguments
    }
}

impl CommandLine<'_> {
    /// The program with its arguments, in a cell that shows no file yet.
    pub(super) fn cell(&self) -> Cell {
        let mut cell = Cell::new(self.program);
        cell.args(self.back_ends()).args(self.front.arguments());
        cell
    }

    /// What is behind the devices, and how QEMU itself is to behave.
    fn back_ends(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> =
            ["-nodefaults", "-no-user-config", "-machine", "dump-guest-core=off"].map(OsString::from).into();
        if !self.reboots {
            arguments.push("-no-reboot".into());
        }
        let mut add = |option: &str, value: OsString| arguments.extend([OsString::from(option), value]);
        add("-display", "none".into());
        add("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny".into());
        add("-chardev", format!("socket,id=monitor,fd={}", self.monitor.as_raw_fd()).into());
        add("-mon", "chardev=monitor,mode=control".into());
        match self.console {
            Console::File(path) => add("-chardev", with_path("file,id=console,append=on,path=", path)),
            Console::Socket(socket) => {
                add("-chardev", format!("socket,id=console,fd={}", socket.as_raw_fd()).into());
            }
        }
        if let Some(agent) = self.agent {
            add("-chardev", format!("socket,id=agent,fd={}", agent.as_raw_fd()).into());
        }
        let payload = self.front.payload.map(|path| Disk {
            path: path.into(),
            format: DiskFormat::Raw,
            access: DiskAccess::Read,
        });
        for (index, disk) in self.front.disks.iter().chain(&payload).enumerate() {
            add("-blockdev", block_device(index, disk).into());
        }
        if self.front.network != Network::None {
            // Only IPv4 is connected (`cell::network`): a guest without IPv6 tries no address of it.
            let mut network = "user,id=net,ipv6=off".to_owned();
            for (address, port, guest) in self.forwards {
                let _ = write!(network, ",hostfwd=tcp:{address}:{port}-:{guest}");
            }
            if self.front.network == Network::Isolated {
                network.push_str(",restrict=on");
            }
            add("-netdev", network.into());
        }
        match self.front.boot {
            Boot::Kernel { kernel, initramfs, arguments: line } => {
                add("-kernel", kernel.into());
                add("-initrd", initramfs.into());
                add("-append", line.into());
            }
            Boot::Firmware { uefi: Some(files), .. } => {
                add("-drive", with_path("if=pflash,unit=0,format=raw,readonly=on,file=", &files.code));
                add("-drive", with_path("if=pflash,unit=1,format=raw,file=", &files.variables));
            }
            Boot::Firmware { uefi: None, .. } => {}
        }
        if self.resumed {
            add("-incoming", "defer".into());
        }
        arguments
    }
}

/// A path in a comma-separated option: commas are doubled.
fn with_path(option: &str, path: &Path) -> OsString {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let mut bytes = option.as_bytes().to_vec();
    for &byte in path.as_os_str().as_bytes() {
        bytes.push(byte);
        if byte == b',' {
            bytes.push(b',');
        }
    }
    OsString::from_vec(bytes)
}

/// The disk as a node of QEMU's block graph; JSON, so that paths need no escaping.
fn block_device(index: usize, disk: &Disk) -> String {
    node(&format!("disk{index}"), disk).to_string()
}

/// An overlay to be put over another node: it gets its backing file from QEMU, not from its header.
pub(super) fn overlay_node(name: &str, disk: &Disk) -> Value {
    let mut node = node(name, disk);
    node["backing"] = Value::Null;
    node
}

fn node(name: &str, disk: &Disk) -> Value {
    let read_only = disk.access == DiskAccess::Read;
    // Nothing of a build survives a crash of the host, so nothing waits for its disk (`no-flush`).
    let cache = json!({ "direct": false, "no-flush": true });
    json!({
        "driver": disk.format.qemu(),
        "node-name": name,
        "read-only": read_only,
        "cache": cache,
        "discard": "unmap",
        "detect-zeroes": if read_only { "off" } else { "unmap" },
        "file": {
            "driver": "file",
            "filename": disk.path.to_string_lossy(),
            "read-only": read_only,
            "cache": cache,
            "discard": "unmap",
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_in_paths_do_not_end_an_option() {
        assert_eq!(with_path("file,path=", Path::new("/a,b/c")), OsString::from("file,path=/a,,b/c"));
    }

    #[test]
    fn a_disk_to_be_read_cannot_be_written() {
        let disk =
            Disk { path: "/base \"x\",y.qcow2".into(), format: DiskFormat::Qcow2, access: DiskAccess::Read };
        let node: serde_json::Value = serde_json::from_str(&block_device(0, &disk)).unwrap();
        assert_eq!(node["read-only"], json!(true));
        assert_eq!(node["file"]["read-only"], json!(true));
        assert_eq!(node["file"]["filename"], json!("/base \"x\",y.qcow2"));
    }
}

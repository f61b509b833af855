//! Whether the initramfs finds the disk of common machines.

use super::boot::kernels;
use super::finding::Findings;
use super::initramfs;
use super::rules::INITRAMFS_DRIVERS;
use super::system::{System, Wanted};
use super::texts::shown;

/// How machines attach a disk, and the driver for it.
const MACHINES: [(&str, &str); 6] = [
    ("virtio_blk", "virtio"),
    ("virtio_scsi", "virtio-scsi"),
    ("nvme", "NVMe"),
    ("ahci", "SATA"),
    ("xen_blkfront", "Xen"),
    ("hv_storvsc", "Hyper-V"),
];

/// Most bytes of an initramfs and of a list of modules.
const INITRAMFS: u64 = 256 << 20;
const LIST: u64 = 8 << 20;

/// A kernel with the files that go with it.
struct Kernel {
    initramfs: Vec<u8>,
    /// Its modules, and what it has built in.
    lists: [Vec<u8>; 2],
}

/// The newest kernel, if it has an initramfs and modules.
fn kernel(system: &System<'_>) -> Option<Kernel> {
    let path = kernels(system).into_iter().next()?;
    let release = path.strip_prefix(b"/boot/vmlinuz-")?.to_vec();
    let beside = |start: &[u8], end: &[u8]| [b"/boot/", start, &release, end].concat();
    let initramfs = [
        beside(b"initrd.img-", b""),
        beside(b"initramfs-", b".img"),
        beside(b"initrd-", b""),
        beside(b"initramfs-", b""),
    ];
    let initramfs = initramfs.into_iter().find(|path| system.has_file(path))?;
    // Alpine's kernel is `vmlinuz-lts`, and its modules are in `6.12.5-0-lts`.
    let folders = system.folder("/lib/modules");
    let ends_so = |path: &[u8]| path.ends_with(&release);
    let (modules, _) = folders.into_iter().find(|(path, _)| ends_so(path))?;
    let lists = [&b"/modules.dep"[..], b"/modules.builtin"].map(|name| [&modules, name].concat());
    Some(Kernel { initramfs, lists })
}

pub(super) fn wants(system: &System<'_>) -> Vec<Wanted> {
    let Some(Kernel { initramfs, lists }) = kernel(system) else { return Vec::new() };
    let lists = lists.map(|path| Wanted { path, limit: LIST });
    lists.into_iter().chain([Wanted { path: initramfs, limit: INITRAMFS }]).collect()
}

pub(super) fn look(system: &System<'_>, findings: &mut Findings) {
    let Some(Kernel { initramfs, lists }) = kernel(system) else { return };
    let [Some(modules), Some(built_in)] = lists.map(|path| system.text(path)) else { return };
    // One that is packed in a way that is not known here is not judged.
    let inside = system.contents.bytes(&initramfs).and_then(initramfs::modules);
    let Some(inside) = inside else { return };
    let lists = |list: &str, name: &str| {
        list.lines().any(|line| module_of(line.split(':').next().unwrap_or_default()) == Some(name))
    };
    // A kernel that has no such driver at all is another matter: it is made for other machines.
    let lacks = |name: &str| {
        let spelled = [name.to_owned(), name.replace('_', "-")];
        let is_in = |list: &str| spelled.iter().any(|name| lists(list, name));
        is_in(&modules) && !is_in(&built_in) && !inside.contains(name)
    };
    let lacking: Vec<&str> =
        MACHINES.iter().filter(|(driver, _)| lacks(driver)).map(|(_, machine)| *machine).collect();
    if !lacking.is_empty() {
        let message = format!("lacks drivers that the kernel has, for disks of: {}", lacking.join(", "));
        findings.file(INITRAMFS_DRIVERS, &initramfs, shown(message.as_bytes()));
    }
}

/// The module that a path names, such as `kernel/drivers/nvme/host/nvme.ko.xz`.
fn module_of(path: &str) -> Option<&str> {
    let name = path.rsplit('/').next()?;
    name.split_once(".ko").map(|(name, _)| name)
}

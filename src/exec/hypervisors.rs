//! Whether the image has drivers for the hardware that the hypervisors of its formats give a new machine.

use crate::{
    diagnostic::codes,
    model::{DiskFormat, OutputFormat, Package},
    plan::{ImagePlan, Key},
    store::Facts,
};

/// Drivers of an image, by the key of its finished disk.
pub(super) const KIND: &str = "drivers-v1";

/// Where the newest kernel's drivers are listed for the host, a name a line.
pub(super) const LIST: &str = "/run/imgfile/drivers";
/// Of the list: more is not read.
pub(super) const LIST_BYTES: u64 = 4096;

/// A hypervisor, with drivers of which a kernel needs one for its disks and one for its network cards.
struct Hypervisor {
    name: &'static str,
    formats: &'static [OutputFormat],
    disk: &'static [&'static str],
    network: &'static [&'static str],
}

const HYPERVISORS: [Hypervisor; 5] = [
    Hypervisor {
        name: "VirtualBox",
        formats: &[OutputFormat::Disk(DiskFormat::Vdi), OutputFormat::Disk(DiskFormat::Vmdk)],
        disk: &["ahci", "ata_piix"],
        network: &["e1000"],
    },
    Hypervisor {
        name: "VMware",
        formats: &[OutputFormat::Disk(DiskFormat::Vmdk)],
        disk: &["vmw_pvscsi", "mptspi", "mptsas", "nvme"],
        network: &["vmxnet3", "e1000", "e1000e"],
    },
    Hypervisor {
        name: "Hyper-V",
        formats: &[OutputFormat::Disk(DiskFormat::Vhd), OutputFormat::Disk(DiskFormat::Vhdx)],
        disk: &["hv_storvsc", "ata_piix"],
        network: &["hv_netvsc"],
    },
    // What the descriptor of an OVA asks for (`package/ovf.xml`).
    Hypervisor {
        name: "the descriptor of an OVA",
        formats: &[OutputFormat::Packed(Package::Ova)],
        disk: &["mptspi"],
        network: &["e1000"],
    },
    Hypervisor {
        name: "Compute Engine",
        formats: &[OutputFormat::Packed(Package::Gce)],
        disk: &["virtio_scsi", "nvme"],
        network: &["virtio_net", "gve"],
    },
];

/// Shell that lists which of the drivers the newest kernel has, as modules or built in. Run as root in a chroot.
pub(super) fn listing() -> String {
    let mut names: Vec<&str> =
        HYPERVISORS.iter().flat_map(|one| one.disk.iter().chain(one.network)).copied().collect();
    names.sort_unstable();
    names.dedup();
    format!(
        r#"set -- /lib/modules/*/
if [ $# -gt 1 ]; then set -- "$(printf '%s\n' "$@" | sort -V | tail -n 1)"; fi
: >{LIST}
if [ -e "${{1}}modules.dep" ]; then
  sed -nE 's!^[^:]*/({names})[.]ko.*$!\1!p' "${{1}}modules.dep" "${{1}}modules.builtin" >{LIST} 2>/dev/null || :
  echo . >>{LIST}
fi
"#,
        names = names.join("|"),
    )
}

/// Keeps what an image's kernel was found to have.
pub(super) fn remember(facts: Facts<'_>, key: Key, list: &str) {
    let drivers: Vec<&str> = list.lines().collect();
    // Without it there is only no warning.
    let _ = facts.put(KIND, &key.0, &drivers);
}

/// What to say of an image whose kernel lacks drivers for its formats.
pub(super) fn warnings(facts: Facts<'_>, image: &ImagePlan) -> Vec<String> {
    let Some(drivers) = facts.get::<Vec<String>>(KIND, &image.key().0) else { return Vec::new() };
    // An image without a kernel of its own is started with one from elsewhere.
    if !drivers.iter().any(|name| name == ".") {
        return Vec::new();
    }
    let has = |wanted: &[&str]| wanted.iter().any(|name| drivers.iter().any(|driver| driver == name));
    let formats = || image.outputs.iter().map(|output| output.format);
    HYPERVISORS
        .iter()
        .filter(|one| formats().any(|format| one.formats.contains(&format)))
        .filter_map(|one| {
            let lacks = match (has(one.disk), has(one.network)) {
                (true, true) => return None,
                (false, true) => format!("disks ({})", one.disk.join(", ")),
                (true, false) => format!("network cards ({})", one.network.join(", ")),
                (false, false) => {
                    format!("disks ({}) and network cards ({})", one.disk.join(", "), one.network.join(", "))
                }
            };
            Some(format!(
                "warning[{}]: the image's kernel has no driver for what {} gives a machine by default as {lacks}; on \
                 Debian `packages [\"linux-image-{}\"]` brings them",
                codes::DRIVERS_MISSING,
                one.name,
                image.arch.debian(),
            ))
        })
        .collect()
}

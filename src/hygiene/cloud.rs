//! What an instance makes of itself at its first boot.

use super::finding::Findings;
use super::rules::{CLOUD_STATE, NO_GROWTH};
use super::system::{System, Wanted};
use super::texts::lines;

const FSTAB: &str = "/etc/fstab";
const INSTANCE: [&str; 2] = ["/var/lib/cloud/instance", "/var/lib/cloud/data/instance-id"];
const PROGRAMS: [&str; 4] = ["/usr/bin/growpart", "/bin/growpart", "/sbin/growpart", "/usr/sbin/growpart"];
const CLOUD_INIT: [&str; 2] = ["/usr/bin/cloud-init", "/bin/cloud-init"];
/// What does it in the initramfs, and systemd's own.
const BY_ITSELF: [&str; 5] = [
    "/usr/share/initramfs-tools/hooks/growroot",
    "/usr/lib/dracut/modules.d/50growroot",
    "/usr/lib/systemd/system/local-fs.target.wants/systemd-growfs-root.service",
    "/etc/systemd/system/multi-user.target.wants/growroot.service",
    "/etc/init.d/growroot",
];
const PARTITIONS: [&str; 2] = ["/etc/repart.d", "/usr/lib/repart.d"];

pub(super) fn wants(_: &System<'_>) -> Vec<Wanted> {
    vec![Wanted::text(FSTAB)]
}

pub(super) fn look(system: &System<'_>, findings: &mut Findings) {
    for path in INSTANCE.into_iter().filter(|path| system.tree.find(path).is_some()) {
        findings.file(CLOUD_STATE, path, "is of an instance that cloud-init has set up");
    }
    if !grows(system) {
        findings.disk(
            NO_GROWTH,
            "nothing on the disk makes its root larger where it is put on a larger disk, such as cloud-init with growpart",
        );
    }
}

fn grows(system: &System<'_>) -> bool {
    let any = |paths: &[&str]| paths.iter().any(|path| system.exists(path));
    let fstab = system.text(FSTAB).unwrap_or_default();
    (any(&PROGRAMS) && any(&CLOUD_INIT))
        || any(&BY_ITSELF)
        || PARTITIONS.iter().any(|folder| !system.files(folder, &[".conf"]).is_empty())
        || lines(&fstab).any(|line| line.contains("x-systemd.growfs"))
}

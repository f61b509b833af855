//! Units that a build's boot does without, and those that wait until a script asks for them.

use imgfile_agent::protocol::SETTLED;

use crate::packages::MANAGERS;

/// Each either waits for what is not there, speaks to a terminal that nobody sits at, changes the
/// image by itself, or works in the background while a script runs.
const UNITS: &[&str] = &[
    // Waiting for a network that is already configured.
    "systemd-networkd-wait-online.service",
    "NetworkManager-wait-online.service",
    "ifupdown-wait-online.service",
    // First-boot work that belongs to instances, not to the image.
    "cloud-init.target",
    "cloud-init.service",
    "cloud-init-local.service",
    "cloud-init-main.service",
    "cloud-init-network.service",
    "cloud-config.service",
    "cloud-final.service",
    "systemd-firstboot.service",
    "grow-root.service",
    "ssh-host-key-rsa.timer",
    // Traces on the disk that the next real boot makes anew anyway.
    "systemd-random-seed.service",
    "systemd-journal-flush.service",
    "systemd-machine-id-commit.service",
    "systemd-update-done.service",
    "systemd-networkd-persistent-storage.service",
    "grub-common.service",
    "grub2-systemd-integration.service",
    "grub-boot-success.timer",
    // Looking glasses into the kernel and the firmware.
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "modprobe@efi_pstore.service",
    "modprobe@drm.service",
    "modprobe@configfs.service",
    "sys-kernel-config.mount",
    // The module comes with the first that opens /dev/fuse.
    "modprobe@fuse.service",
    "sys-fs-fuse-connections.mount",
    // Of a kernel line and of credentials that are ours and have nothing for them.
    "systemd-network-generator.service",
    "systemd-udev-load-credentials.service",
    // Rebuilding caches because a clock moved: slow, and packages do it themselves.
    "ldconfig.service",
    "systemd-hwdb-update.service",
    "systemd-journal-catalog-update.service",
    // Terminals and remote access; they also make the shutdown wait.
    "getty.target",
    "getty@tty1.service",
    "serial-getty@ttyS0.service",
    "console-getty.service",
    // Background upkeep that would hold package locks or waste emulated time.
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "logrotate.timer",
    "man-db.timer",
    "motd-news.timer",
    "dnf-makecache.timer",
    // Has /run/initramfs of its own, which is where the way back is.
    "dracut-shutdown.service",
    "plymouth-start.service",
];

/// Not started by the boot, since they cost time and do nothing for a script; but a script that has
/// changed their configuration may well restart them, which must work.
const HELD: &[&str] = &[
    "ssh.service",
    "ssh.socket",
    "sshd.service",
    "sshd.socket",
    // Host keys take seconds of an emulated machine and are removed before sealing.
    "ssh-host-keys.service",
    "regenerate_ssh_host_keys.service",
    "sshd-keygen@rsa.service",
    "sshd-keygen@ecdsa.service",
    "sshd-keygen@ed25519.service",
    "unattended-upgrades.service",
    // The host sets the clock.
    "systemd-timesyncd.service",
    // The card has its address and /etc/resolv.conf a server; the bus starts all three when asked for.
    "systemd-networkd.service",
    "systemd-networkd.socket",
    "systemd-resolved.service",
    "systemd-logind.service",
];

/// Generators of units for what a build's machine is not: all others run.
pub(super) const GENERATORS: &[&str] = &[
    // A shell script that takes a second, to find out that cloud-init is not wanted.
    "cloud-init-generator",
    "systemd-debug-generator",
    "systemd-getty-generator",
    "systemd-gpt-auto-generator",
    "systemd-hibernate-resume-generator",
    "systemd-run-generator",
    // Opens a socket of a kind whose modules take longer to load than it to be of use.
    "systemd-ssh-generator",
    "systemd-system-update-generator",
    "systemd-tpm2-generator",
];

/// What of the machine's devices a script may look for: disks and their names, cards, odd ones such as
/// /dev/fuse. The rest, some four hundred, would keep an emulated machine busy for three seconds, with drivers
/// for disks and keys that nobody has and with checksums in yet another way.
const COLDPLUG: &str = "[Service]
ExecStart=
ExecStart=-/usr/bin/udevadm trigger --type=subsystems --action=add
ExecStart=-/usr/bin/udevadm trigger --type=devices --action=add --subsystem-match=block \
  --subsystem-match=net --subsystem-match=misc --subsystem-match=virtio-ports
";

/// Units that do not start, those with which package managers do their upkeep among them.
pub(super) fn units() -> impl Iterator<Item = &'static str> {
    UNITS.iter().copied().chain(MANAGERS.iter().flat_map(|manager| manager.upkeep()).copied())
}

/// Additions to units of the image, by unit.
pub(super) fn drop_ins() -> Vec<(String, String)> {
    // A condition that does not hold is no failure, neither of the unit nor of a boot that wants it.
    let held_back = format!("[Unit]\nConditionPathExists={SETTLED}\n");
    let held = HELD.iter().map(|&unit| (unit.to_owned(), held_back.clone()));
    held.chain([("systemd-udev-trigger.service".to_owned(), COLDPLUG.to_owned())]).collect()
}

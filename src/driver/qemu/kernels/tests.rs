//! Trees as distributions lay them out, and the kernel each would boot.

use std::collections::BTreeMap;

use imgfile_agent::protocol::message::{Entry, Kind};

use super::super::super::DriverError;
use super::{Tree, kernels};

/// Files by path. A content `-> TARGET` is a symbolic link.
#[derive(Debug, Clone, Default)]
struct Fixture(BTreeMap<String, Vec<u8>>);

impl Fixture {
    fn file(mut self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        self.0.insert(path.to_owned(), content.into());
        self
    }

    /// A kernel of this release at `path`, and modules for it.
    fn kernel(self, path: &str, release: &str) -> Self {
        self.file(path, image(release))
            .file(&format!("/usr/lib/modules/{release}/modules.dep"), "")
            .file("/lib", "-> usr/lib")
    }

    fn without(mut self, path: &str) -> Self {
        self.0.remove(path);
        self
    }

    /// The path with links resolved, as a kernel does it.
    fn resolve(&self, path: &str) -> String {
        let mut done = String::new();
        let mut todo: Vec<String> = path.rsplit('/').map(str::to_owned).collect();
        let mut hops = 0;
        while let Some(part) = todo.pop() {
            match part.as_str() {
                "" | "." => {}
                ".." => done.truncate(done.rfind('/').unwrap_or(0)),
                name => {
                    let here = format!("{done}/{name}");
                    match self.0.get(&here).and_then(|content| content.strip_prefix(b"-> ")) {
                        Some(target) if hops < 40 => {
                            hops += 1;
                            let target = String::from_utf8(target.to_vec()).unwrap();
                            if target.starts_with('/') {
                                done.clear();
                            }
                            todo.extend(target.rsplit('/').map(str::to_owned));
                        }
                        _ => done = here,
                    }
                }
            }
        }
        done
    }
}

impl Tree for Fixture {
    async fn list(&mut self, path: &str) -> Result<Vec<Entry>, DriverError> {
        let folder = format!("{}/", self.resolve(path));
        let mut entries: Vec<Entry> = Vec::new();
        for (path, content) in &self.0 {
            let Some(rest) = path.strip_prefix(&folder) else { continue };
            let (name, kind) = match rest.split_once('/') {
                Some((name, _)) => (name, Kind::Directory),
                None if content.starts_with(b"-> ") => (rest, Kind::Symlink),
                None => (rest, Kind::File),
            };
            if entries.iter().all(|entry| entry.name != name) {
                entries.push(Entry { name: name.to_owned(), kind, size: content.len() as u64, link: None });
            }
        }
        Ok(entries)
    }

    async fn peek(&mut self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, DriverError> {
        let found = self.0.get(&self.resolve(path)).filter(|content| !content.starts_with(b"-> "));
        Ok(found.map(|content| content.iter().copied().take(usize::try_from(limit).unwrap()).collect()))
    }
}

/// The start of a kernel's image for x86: a setup header with a version string.
fn image(release: &str) -> Vec<u8> {
    let mut image = vec![0; 0x3000];
    image[0x202..0x206].copy_from_slice(b"HdrS");
    image[0x20e..0x210].copy_from_slice(&0x2a00_u16.to_le_bytes());
    let text = format!("{release} (build@host) #1 SMP\0");
    image[0x2c00..0x2c00 + text.len()].copy_from_slice(text.as_bytes());
    image
}

/// The path and release of what boots, and how many kernels there are.
async fn boots(tree: &Fixture) -> (String, String, usize) {
    let found = kernels(&mut tree.clone()).await.unwrap();
    let first = found.first().cloned().expect("a kernel");
    (first.path, first.release, found.len())
}

fn is(path: &str, release: &str, count: usize) -> (String, String, usize) {
    (path.to_owned(), release.to_owned(), count)
}

const OLD: &str = "6.12.41+deb13-cloud-amd64";
const NEW: &str = "6.12.57+deb13-cloud-amd64";

/// Two kernels and the menu that `update-grub` writes for them.
fn debian(default: &str) -> Fixture {
    let entry = |title: &str, id: &str, release: &str| {
        format!(
            "menuentry '{title}' --class debian --class os $menuentry_id_option '{id}' {{\n\
             \tload_video\n\tif [ x$grub_platform = xxen ]; then insmod xzio; fi\n\
             \techo\t'Loading Linux {release} ...'\n\
             \tlinux\t/boot/vmlinuz-{release} root=UUID=7a2e ro console=ttyS0\n\
             \tinitrd\t/boot/initrd.img-{release}\n}}\n"
        )
    };
    let config = format!(
        "# generated\nif [ -s $prefix/grubenv ]; then\n  set have_grubenv=true\n  load_env\nfi\n\
         if [ \"${{next_entry}}\" ] ; then\n   set default=\"${{next_entry}}\"\n   set next_entry=\n\
         else\n   set default=\"{default}\"\nfi\n\
         function load_video {{\n  insmod all_video\n}}\n\
         {}submenu 'Advanced options for Debian GNU/Linux' $menuentry_id_option 'advanced' {{\n{}{}}}\n\
         menuentry 'UEFI Firmware Settings' $menuentry_id_option 'uefi-firmware' {{\n\tfwsetup\n}}\n",
        entry("Debian GNU/Linux", "simple", NEW),
        entry("Debian GNU/Linux, with Linux new", "advanced-new", NEW),
        entry("Debian GNU/Linux, with Linux old", "advanced-old", OLD),
    );
    Fixture::default()
        .kernel(&format!("/boot/vmlinuz-{OLD}"), OLD)
        .kernel(&format!("/boot/vmlinuz-{NEW}"), NEW)
        .file(&format!("/boot/config-{NEW}"), "")
        .file("/boot/grub/grub.cfg", config)
}

#[tokio::test]
async fn debian_boots_the_entry_that_grub_starts_by_default() {
    let newest = is(&format!("/boot/vmlinuz-{NEW}"), NEW, 2);
    let oldest = is(&format!("/boot/vmlinuz-{OLD}"), OLD, 2);
    assert_eq!(boots(&debian("0")).await, newest);
    assert_eq!(boots(&debian("1>1")).await, oldest);
    assert_eq!(boots(&debian("advanced>advanced-old")).await, oldest);
    assert_eq!(boots(&debian("Debian GNU/Linux")).await, newest);
    // Entries that are not there, or start no kernel, leave the first one.
    assert_eq!(boots(&debian("no such entry")).await, newest);
    assert_eq!(boots(&debian("uefi-firmware")).await, newest);
    let saved = debian("${saved_entry}");
    assert_eq!(boots(&saved).await, newest);
    let saved =
        saved.file("/boot/grub/grubenv", "# GRUB Environment Block\nsaved_entry=advanced>advanced-old\n####");
    assert_eq!(boots(&saved).await, oldest);
}

#[tokio::test]
async fn a_menu_that_was_not_written_anew_is_no_obstacle() {
    let tree = debian("0").without(&format!("/boot/vmlinuz-{NEW}"));
    assert_eq!(boots(&tree).await, is(&format!("/boot/vmlinuz-{OLD}"), OLD, 1));
    let tree = debian("0").without("/boot/grub/grub.cfg");
    assert_eq!(boots(&tree).await, is(&format!("/boot/vmlinuz-{NEW}"), NEW, 2));
    let removed = debian("0").without(&format!("/usr/lib/modules/{NEW}/modules.dep"));
    assert_eq!(boots(&removed).await.1, OLD, "a kernel without modules cannot reach its disk");
}

const MACHINE: &str = "8f4a1c0e5d2b4b6f9a7e3c1d0b2f4a6c";
const FEDORA_OLD: &str = "6.11.4-301.fc41.x86_64";
const FEDORA_NEW: &str = "6.11.10-300.fc41.x86_64";

/// A separate /boot, whose entries name paths from its own root, and a rescue kernel.
fn fedora() -> Fixture {
    let entry = |release: &str, linux: &str| {
        format!(
            "title Fedora Linux ({release}) 41 (Cloud Edition)\nversion {release}\nlinux {linux}\n\
             initrd /initramfs-{release}.img\noptions root=UUID=7a2e ro rootflags=subvol=root\n\
             grub_users $grub_users\ngrub_arg --unrestricted\ngrub_class fedora\n"
        )
    };
    let mut tree = Fixture::default();
    for release in [FEDORA_OLD, FEDORA_NEW] {
        let linux = format!("/vmlinuz-{release}");
        tree = tree
            .kernel(&format!("/boot{linux}"), release)
            .kernel(&format!("/usr/lib/modules/{release}/vmlinuz"), release)
            .file(&format!("/boot/loader/entries/{MACHINE}-{release}.conf"), entry(release, &linux));
    }
    let rescue = format!("/vmlinuz-0-rescue-{MACHINE}");
    tree.file(&format!("/boot{rescue}"), image(FEDORA_OLD))
        .file(&format!("/boot/loader/entries/{MACHINE}-0-rescue.conf"), entry("0-rescue", &rescue))
        .file("/boot/grub2/grub.cfg", "set default=\"${saved_entry}\"\ninsmod blscfg\nblscfg\n")
        .file("/boot/grub2/grubenv", "# GRUB Environment Block\nkernelopts=root=UUID=7a2e ro\n####")
}

#[tokio::test]
async fn fedora_boots_by_entries_of_the_boot_loader_specification() {
    let newest = is(&format!("/boot/vmlinuz-{FEDORA_NEW}"), FEDORA_NEW, 2);
    assert_eq!(boots(&fedora()).await, newest);
    let saved = |id: &str| fedora().file("/boot/grub2/grubenv", format!("saved_entry={MACHINE}-{id}\n####"));
    assert_eq!(boots(&saved(FEDORA_OLD)).await, is(&format!("/boot/vmlinuz-{FEDORA_OLD}"), FEDORA_OLD, 2));
    assert_eq!(boots(&saved("6.0.0-removed")).await, newest);
}

/// RHEL's /boot may be a folder of the root; its entries then say `/boot/…`.
#[tokio::test]
async fn rhel_boots_by_entries_that_name_whole_paths() {
    let release = "5.14.0-570.12.1.el9_6.x86_64";
    let entry = format!("title Red Hat\nversion {release}\nlinux /boot/vmlinuz-{release}\nid rhel\n");
    let tree = Fixture::default()
        .kernel(&format!("/boot/vmlinuz-{release}"), release)
        .kernel("/boot/vmlinuz-5.14.0-503.el9.x86_64", "5.14.0-503.el9.x86_64")
        .file(&format!("/boot/loader/entries/{MACHINE}-{release}.conf"), entry);
    assert_eq!(boots(&tree).await, is(&format!("/boot/vmlinuz-{release}"), release, 2));
}

/// What kernel-install lays out for systemd-boot: a folder a machine, a folder a kernel.
#[tokio::test]
async fn systemd_boot_finds_kernels_in_the_machines_own_folder() {
    let (old, new) = ("6.11.4-arch1-1", "6.12.1-arch1-1");
    let mut tree = Fixture::default();
    for release in [old, new] {
        let linux = format!("/{MACHINE}/{release}/linux");
        let entry = format!(
            "title Arch Linux\nversion {release}\nmachine-id {MACHINE}\nsort-key arch\nlinux {linux}\n"
        );
        tree = tree
            .kernel(&format!("/efi{linux}"), release)
            .file(&format!("/efi/loader/entries/{MACHINE}-{release}.conf"), entry);
    }
    let newest = is(&format!("/efi/{MACHINE}/{new}/linux"), new, 1);
    assert_eq!(boots(&tree).await, newest);
    let pinned = tree.file("/efi/loader/loader.conf", format!("timeout 3\ndefault {MACHINE}-6.11.*\n"));
    assert_eq!(boots(&pinned).await.1, old);
}

#[tokio::test]
async fn opensuse_boots_through_links() {
    let (old, new) = ("6.4.0-150600.21-default", "6.4.0-150600.23.7-default");
    let config = "set default=\"${saved_entry}\"\n\
        menuentry 'openSUSE Leap 15.6' --class opensuse $menuentry_id_option 'gnulinux-simple' {\n\
        \tlinux\t/boot/vmlinuz root=UUID=7a2e ${extra_cmdline} quiet\n\
        \tinitrd\t/boot/initrd\n}\n";
    let leap = Fixture::default()
        .kernel(&format!("/boot/vmlinuz-{old}"), old)
        .kernel(&format!("/boot/vmlinuz-{new}"), new)
        .file("/boot/vmlinuz", format!("-> vmlinuz-{new}"))
        .file("/boot/grub2/grub.cfg", config);
    assert_eq!(boots(&leap).await, is("/boot/vmlinuz", new, 2));

    // Where everything is below /usr, the links in /boot lead there.
    let release = "6.11.8-1-default";
    let tumbleweed = Fixture::default()
        .kernel(&format!("/usr/lib/modules/{release}/vmlinuz"), release)
        .file(&format!("/boot/vmlinuz-{release}"), format!("-> ../usr/lib/modules/{release}/vmlinuz"))
        .file("/boot/vmlinuz-6.10.0-gone", "-> ../usr/lib/modules/6.10.0-gone/vmlinuz");
    assert_eq!(boots(&tumbleweed).await, is(&format!("/boot/vmlinuz-{release}"), release, 1));
}

#[tokio::test]
async fn alpine_names_its_kernel_without_a_release() {
    let tree = Fixture::default()
        .file("/boot/vmlinuz-virt", image("6.12.1-0-virt"))
        .file("/boot/extlinux.conf", "DEFAULT menu.c32\nLABEL virt\n  LINUX vmlinuz-virt\n")
        .file("/lib/modules/6.12.1-0-virt/modules.dep", "");
    assert_eq!(boots(&tree).await, is("/boot/vmlinuz-virt", "6.12.1-0-virt", 1));
}

/// Ubuntu on btrfs: paths in GRUB's menu begin with the subvolume.
#[tokio::test]
async fn a_subvolume_in_grubs_paths_is_left_out() {
    let release = "6.8.0-49-generic";
    let config = format!("menuentry 'Ubuntu' {{\n linux /@/boot/vmlinuz-{release} rootflags=subvol=@\n}}\n");
    let tree = Fixture::default()
        .kernel(&format!("/boot/vmlinuz-{release}"), release)
        .kernel("/boot/vmlinuz-6.11.0-9-generic", "6.11.0-9-generic")
        .file("/boot/grub/grub.cfg", config);
    assert_eq!(boots(&tree).await, is(&format!("/boot/vmlinuz-{release}"), release, 2));
}

#[tokio::test]
async fn a_system_without_a_kernel_has_none() {
    let tree = Fixture::default().file("/boot/vmlinuz-virt", "no kernel").file("/boot/kernel", "");
    assert!(kernels(&mut tree.clone()).await.unwrap().is_empty());
}

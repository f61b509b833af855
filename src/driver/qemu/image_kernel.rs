//! The image's own kernel: found by looking, read out of the guest, booted from the host.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::super::DriverError;
use super::super::inspect::Kernel;
use super::super::kernel::{Modules, companions, decompress};
use super::guest::Guest;
use super::{kernels, look};

/// Largest kernel or module in bytes.
const LIMIT: u64 = 256 * 1024 * 1024;
/// Bytes of a kernel's image that tell it from every other.
const HEAD: u64 = 256 * 1024;
/// modules.dep of a distribution's full kernel is half a megabyte.
const INDEX_LIMIT: u64 = 16 * 1024 * 1024;

/// What an initramfs needs before the line to the host works, and to reach the root's disk.
const DRIVERS: &[&str] = &["virtio_pci", "virtio_console", "virtio_blk"];

/// A kernel read out of an image.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) release: String,
    content: Vec<u8>,
    modules: Modules,
}

/// A kernel of an image, kept beside the machine that runs it.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) release: String,
    pub(super) image: PathBuf,
    /// For the initramfs, in order.
    pub(super) early: Vec<(String, Vec<u8>)>,
    pub(super) modules: Modules,
}

/// The kernel that the mounted image's boot loader would start.
pub(super) async fn first(guest: &mut Guest) -> Result<Kernel, DriverError> {
    kernels::kernels(guest).await?.into_iter().next().ok_or_else(|| DriverError::Unsupported {
        what: "the image has no kernel, so its scripts can only run with `offline = true`".into(),
    })
}

/// Whether a kernel of the image is the one in a file of the host. Its beginning names the build, its compiler
/// and its day, and is compared alone: the whole would take half a second on its way out of an emulated machine.
pub(super) async fn is(guest: &mut Guest, kernel: &Kernel, image: &Path) -> Result<bool, DriverError> {
    let doing = format!("read {}", image.display());
    let mut ours = Vec::new();
    std::fs::File::open(image)
        .and_then(|file| file.take(HEAD).read_to_end(&mut ours))
        .map_err(|source| DriverError::Host { doing, source })?;
    Ok(guest.peek(&kernel.path, HEAD).await?.is_some_and(|theirs| theirs == ours))
}

/// Reads a kernel out of the mounted image.
pub(super) async fn read(guest: &mut Guest, kernel: Kernel) -> Result<Found, DriverError> {
    let content = guest
        .get(&kernel.path, LIMIT)
        .await?
        .ok_or_else(|| DriverError::Unsupported { what: format!("{} leads nowhere", kernel.path) })?;
    let folder = format!("/lib/modules/{}", kernel.release);
    let dep = look::text(guest, &format!("{folder}/modules.dep"), INDEX_LIMIT).await?.unwrap_or_default();
    let builtin =
        look::text(guest, &format!("{folder}/modules.builtin"), INDEX_LIMIT).await?.unwrap_or_default();
    Ok(Found { release: kernel.release, content, modules: Modules::parse(&dep, &builtin) })
}

/// The modules that must be in the initramfs, in order, uncompressed.
pub(super) async fn modules(
    guest: &mut Guest,
    found: &Found,
    root_fs: &str,
) -> Result<Vec<(String, Vec<u8>)>, DriverError> {
    let mut early: Vec<(String, Vec<u8>)> = Vec::new();
    let companions = companions(root_fs).iter().filter(|name| found.modules.order(name).is_some());
    for name in DRIVERS.iter().chain(companions).copied().chain([root_fs]) {
        let order = found.modules.order(name).ok_or_else(|| DriverError::Unsupported {
            what: format!("the image's kernel {} has no driver `{name}`", found.release),
        })?;
        for (name, path) in order {
            if !early.iter().any(|(known, _)| known == name) {
                early.push((name.to_owned(), module(guest, &found.release, path).await?));
            }
        }
    }
    Ok(early)
}

/// A module of the mounted image by its path in the kernel's own index.
pub(super) async fn module(guest: &mut Guest, release: &str, path: &str) -> Result<Vec<u8>, DriverError> {
    let path = format!("/lib/modules/{release}/{path}");
    let broken =
        |reason: String| DriverError::Unsupported { what: format!("the image's driver {path} {reason}") };
    let content = guest.get(&path, LIMIT).await?.ok_or_else(|| broken("is not there".into()))?;
    decompress(&path, &content).map_err(|error| broken(format!("cannot be unpacked: {error}")))
}

impl Found {
    /// Writes the kernel into `folder`, for QEMU to read.
    pub(super) fn keep(self, folder: &Path, early: Vec<(String, Vec<u8>)>) -> Result<Kept, DriverError> {
        let image = folder.join("vmlinuz");
        std::fs::write(&image, &self.content)
            .map_err(|source| DriverError::Host { doing: format!("write {}", image.display()), source })?;
        Ok(Kept { release: self.release, image, early, modules: self.modules })
    }
}

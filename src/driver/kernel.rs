//! The build kernel: one pinned kernel that inspection and offline stages run under, whatever the
//! image has, kept in the store with the modules a build needs.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::DriverError;
use crate::packages::KernelSource;

/// Modules that offline stages may ask for, beside what they depend on. One that the kernel has
/// built in, or not at all, is not missed here but where it is needed.
const WANTED: &[&str] = &[
    "virtio_pci",
    "virtio_console",
    "virtio_blk",
    "virtio_net",
    "isofs",
    "ext4",
    "xfs",
    "btrfs",
    "vfat",
    "overlay",
    "loop",
    "nls_cp437",
    "nls_iso8859_1",
    "nls_ascii",
    "nls_utf8",
    "crc32c_generic",
    "crc32c_intel",
    "xxhash_generic",
    "blake2b_generic",
    "sha256_generic",
];

/// What a file system asks the kernel for by name, when it is mounted: checksums and character sets.
/// No index lists them as needed, and there is no modprobe to answer. A kernel has each as a module,
/// built in, or by another name.
pub(super) fn companions(fs_type: &str) -> &'static [&'static str] {
    match fs_type {
        "ext4" | "xfs" => &["crc32c_generic", "crc32c_intel"],
        "btrfs" => &["crc32c_generic", "crc32c_intel", "xxhash_generic", "blake2b_generic", "sha256_generic"],
        "vfat" => &["nls_cp437", "nls_ascii", "nls_iso8859_1", "nls_utf8"],
        _ => &[],
    }
}

/// Largest module or kernel that is taken seriously, in bytes.
const PART_LIMIT: u64 = 256 * 1024 * 1024;

/// A kernel of the store, ready to boot.
#[derive(Debug, Clone)]
pub struct BuildKernel {
    folder: PathBuf,
    index: Index,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Index {
    /// As `uname -r` says it.
    release: String,
    /// SHA-256 of the kernel's image.
    digest: String,
    modules: Modules,
}

/// Which modules there are, what they need, and what is built in.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
pub(super) struct Modules {
    builtin: Vec<String>,
    /// By name: path, and names of what has to be loaded before.
    loadable: BTreeMap<String, (String, Vec<String>)>,
}

/// Longer than any real chain of modules that need each other.
const DEEPEST: u32 = 32;

impl Modules {
    /// From a kernel's own `modules.dep` and `modules.builtin`.
    pub(super) fn parse(dep: &str, builtin: &str) -> Self {
        let loadable = dep
            .lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(path, needs)| {
                // The file lists the most basic last.
                let needs = needs.split_ascii_whitespace().rev().map(module_name).collect();
                (module_name(path), (path.to_owned(), needs))
            })
            .collect();
        Self { builtin: builtin.lines().map(module_name).collect(), loadable }
    }

    /// Whether the kernel has it from its start.
    pub(super) fn has_built_in(&self, name: &str) -> bool {
        self.builtin.iter().any(|known| known == name)
    }

    /// What to load for `name`, in order, as names and paths; empty if it is built in.
    pub(super) fn order(&self, name: &str) -> Option<Vec<(&str, &str)>> {
        let mut order = Vec::new();
        self.visit(name, DEEPEST, &mut order).then_some(order)
    }

    fn visit<'a>(&'a self, name: &str, depth: u32, order: &mut Vec<(&'a str, &'a str)>) -> bool {
        if self.has_built_in(name) || order.iter().any(|(known, _)| *known == name) {
            return true;
        }
        let Some((key, (path, needs))) = self.loadable.get_key_value(name) else { return false };
        // A broken index with a cycle ends here, as its deepest member is then missing.
        depth > 0 && needs.iter().all(|need| self.visit(need, depth - 1, order)) && {
            order.push((key, path));
            true
        }
    }
}

/// `kernel/fs/xfs/xfs.ko.xz` is `xfs`; `-` and `_` are the same in module names.
fn module_name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split(".ko").next().unwrap_or(file).replace('-', "_")
}

impl BuildKernel {
    /// Unpacks the kernel package of a distribution into `kernels`, a folder of the store, unless it is there already.
    /// Blocking.
    pub fn from_package(
        kernels: &Path,
        package: &Path,
        source: &dyn KernelSource,
    ) -> Result<Self, DriverError> {
        let failed = |source| DriverError::Host {
            doing: format!("unpack the build kernel {}", package.display()),
            source,
        };
        let digest = digest_of(package).map_err(failed)?;
        let folder = kernels.join(&digest);
        if let Some(kernel) = Self::open(&folder) {
            return Ok(kernel);
        }
        fs::create_dir_all(kernels).map_err(failed)?;
        let unpacked = tempfile::Builder::new().prefix(".unpacking-").tempdir_in(kernels).map_err(failed)?;
        unpack(package, unpacked.path(), source).map_err(failed)?;
        // Another process may have been quicker; its result is as good.
        if fs::rename(unpacked.path(), &folder).is_ok() {
            let _ = unpacked.keep();
        }
        Self::open(&folder).ok_or_else(|| failed(io::Error::other("the unpacked kernel is not readable")))
    }

    /// The kernel in a folder that [`from_package`](Self::from_package) made.
    #[must_use]
    pub fn open(folder: &Path) -> Option<Self> {
        let index = serde_json::from_slice(&fs::read(folder.join("index.json")).ok()?).ok()?;
        Some(Self { folder: folder.to_owned(), index })
    }

    /// As `uname -r` says it.
    #[must_use]
    pub fn release(&self) -> &str {
        &self.index.release
    }

    /// SHA-256 of the kernel's image, in hex.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.index.digest
    }

    pub(super) fn image(&self) -> PathBuf {
        self.folder.join("vmlinuz")
    }

    pub(super) const fn modules(&self) -> &Modules {
        &self.index.modules
    }

    /// An uncompressed module by the path that [`Modules::order`] gave.
    pub(super) fn module(&self, path: &str) -> io::Result<Vec<u8>> {
        fs::read(self.folder.join("modules").join(path))
    }
}

/// SHA-256 of a file, in hex.
pub(super) fn digest_of(path: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        let len = file.read(&mut buffer)?;
        if len == 0 {
            return Ok(hex::encode(hash.finalize()));
        }
        hash.update(&buffer[..len]);
    }
}

fn unpack(package: &Path, to: &Path, source: &dyn KernelSource) -> io::Result<()> {
    source.data(&mut File::open(package)?, &mut |data| unpack_data(data, to))
}

/// A reader that undoes the compression that a file name's end tells.
fn decompressor<'a>(extension: &str, content: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    Ok(match extension {
        ".xz" => Box::new(liblzma::read::XzDecoder::new(content)),
        ".zst" => Box::new(zstd::Decoder::new(content)?),
        ".gz" => Box::new(flate2::read::GzDecoder::new(content)),
        "" => Box::new(content),
        other => return Err(io::Error::other(format!("compressed in an unknown way: {other}"))),
    })
}

/// The content of a module file, uncompressed.
pub(super) fn decompress(path: &str, content: &[u8]) -> io::Result<Vec<u8>> {
    let extension = path.rsplit_once(".ko").map_or("", |(_, extension)| extension);
    let mut module = Vec::new();
    decompressor(extension, content)?.take(PART_LIMIT).read_to_end(&mut module)?;
    Ok(module)
}

fn unpack_data(data: impl Read, to: &Path) -> io::Result<()> {
    let mut release = None;
    let mut builtin = String::new();
    // Compressed, by name: dependencies are known only when all have been seen.
    let mut candidates: HashMap<String, (String, Vec<u8>)> = HashMap::new();
    let mut archive = tar::Archive::new(data);
    for entry in archive.entries()? {
        let entry = entry?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = entry.path()?.to_string_lossy().trim_start_matches("./").to_owned();
        let inside = path.strip_prefix("usr/").unwrap_or(&path);
        let mut content = Vec::new();
        if let Some(version) = path.strip_prefix("boot/vmlinuz-") {
            release = Some(version.to_owned());
            entry.take(PART_LIMIT).read_to_end(&mut content)?;
            fs::write(to.join("vmlinuz"), &content)?;
        } else if let Some(file) = inside.strip_prefix("lib/modules/").and_then(|rest| rest.split_once('/')) {
            let file = file.1;
            if file == "modules.builtin" {
                entry.take(PART_LIMIT).read_to_string(&mut builtin)?;
            } else if file.contains(".ko") {
                entry.take(PART_LIMIT).read_to_end(&mut content)?;
                candidates.insert(module_name(file), (file.to_owned(), content));
            }
        }
    }
    let release = release.ok_or_else(|| io::Error::other("no kernel in the package"))?;
    let mut modules =
        Modules { builtin: builtin.lines().map(module_name).collect(), loadable: BTreeMap::new() };
    fs::create_dir(to.join("modules"))?;
    let mut wanted: Vec<String> = WANTED.iter().map(|&name| name.to_owned()).collect();
    while let Some(name) = wanted.pop() {
        let Some((path, content)) = candidates.remove(&name) else { continue };
        let module = decompress(&path, &content)?;
        let needs = depends(&module);
        let file = format!("{name}.ko");
        fs::write(to.join("modules").join(&file), &module)?;
        wanted.extend(needs.iter().cloned());
        modules.loadable.insert(name, (file, needs));
    }
    let index = Index { release, digest: digest_of(&to.join("vmlinuz"))?, modules };
    // Last: a folder with an index is complete.
    fs::write(to.join("index.json"), serde_json::to_vec_pretty(&index)?)
}

/// The `depends=` of a module's information section: strings with a NUL between them.
fn depends(module: &[u8]) -> Vec<String> {
    const KEY: &[u8] = b"\0depends=";
    let Some(at) = module.windows(KEY.len()).position(|window| window == KEY) else { return Vec::new() };
    let value = &module[at + KEY.len()..];
    let end = value.iter().position(|&byte| byte == 0).unwrap_or(0);
    let names = String::from_utf8_lossy(&value[..end]);
    names.split(',').filter(|name| !name.is_empty()).map(|name| name.replace('-', "_")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_come_after_what_they_need() {
        let modules = Modules::parse(
            "kernel/drivers/net/virtio_net.ko.xz: kernel/drivers/net/net_failover.ko.xz kernel/net/core/failover.ko.xz\n\
             kernel/drivers/net/net_failover.ko.xz: kernel/net/core/failover.ko.xz\n\
             kernel/net/core/failover.ko.xz:\n",
            "kernel/fs/ext4/ext4.ko\n",
        );
        let names =
            |name| modules.order(name).map(|order| order.iter().map(|(name, _)| *name).collect::<Vec<_>>());
        assert_eq!(names("virtio_net"), Some(vec!["failover", "net_failover", "virtio_net"]));
        assert_eq!(names("ext4"), Some(Vec::new()), "built in");
        assert_eq!(names("xfs"), None, "not there");
    }

    #[test]
    fn a_cycle_in_a_guests_index_is_no_endless_loop() {
        let modules = Modules::parse("a.ko: b.ko\nb.ko: c.ko\nc.ko: a.ko\n", "");
        // Whatever the answer, there is one.
        let _ = modules.order("a");
    }

    #[test]
    fn needs_are_read_from_the_modules_own_words() {
        let module = b"\x7fELF...license=GPL\0depends=xfs-util,libcrc32c\0retpoline=Y\0";
        assert_eq!(depends(module), ["xfs_util", "libcrc32c"]);
        assert_eq!(depends(b"license=GPL\0depends=\0"), Vec::<String>::new());
    }
}

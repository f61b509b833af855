//! From locked packages to a disk. What differs is where the packages are set up: on the host, in namespaces
//! of their own ([`native`]), or in a machine ([`guest`]). What comes out is the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::{
    BaseMeta, Recipe, Vouched, bootloader,
    esp::{self, EfiLoaders},
    guest,
    layout::{self, Identities},
    native::{self, Stopped},
};
use crate::{
    driver::{DiskFile, DiskForm, Disks, Driver},
    exec::BuildError,
    model::DiskFormat,
    packages::apt::base,
    store::{NewBase, Store},
    text::Digest,
};

/// Lines of what failed that are shown with the failure.
pub(super) const TAIL_LINES: usize = 15;

/// What is left of setting up, each a file of [`outputs`](Work::outputs), with the most bytes it may have.
pub(super) const OUTPUTS: [(&str, u64); 6] = [
    ("boot.img", 1 << 12),
    ("core.img", 1 << 20),
    ("shim.efi", 16 << 20),
    ("grub.efi", 16 << 20),
    ("packages", 4 << 20),
    ("used", 64),
];

/// The file system's parameters, whatever the host's own defaults.
pub(super) const MKE2FS_CONF: &str = include_str!("mke2fs.conf");

/// What both ways work on.
pub(super) struct Work<'a> {
    pub store: &'a Store,
    pub recipe: &'a Recipe,
    /// The file of each package, by its sha256.
    pub debs: &'a BTreeMap<Digest, PathBuf>,
    pub ids: Identities,
    /// The disk, raw, and its path.
    pub disk: File,
    pub raw: PathBuf,
    /// A private folder for what is left of setting up.
    pub outputs: &'a Path,
}

/// Makes the disk of a new base.
pub(super) async fn make(
    (store, driver): (&Store, &dyn Driver),
    (recipe, vouched): (&Recipe, Vouched),
    debs: &BTreeMap<Digest, PathBuf>,
    new: &NewBase<'_>,
    line: &mut (dyn FnMut(&str) + Send),
) -> Result<BaseMeta, BuildError> {
    let raw = new.dir().join("disk.raw");
    let disk = File::options().read(true).write(true).create_new(true).open(&raw).at("create", &raw)?;
    disk.set_len(recipe.virtual_size).at("write", &raw)?;
    let work = Work { store, recipe, debs, ids: Identities::of(&new.key()), disk, raw, outputs: new.dir() };
    let done = match vouched {
        Vouched::Nobody => false,
        Vouched::Ours => {
            // Root of the cell may be nobody on the host. The folders above are private.
            work.disk.set_permissions(Permissions::from_mode(0o666)).at("change", &work.raw)?;
            match native::set_up(&work, line).await {
                Ok(()) => true,
                Err(Stopped::NoCell(reason)) => {
                    line(&format!("made in a machine, where emulated it takes longer: {reason}"));
                    false
                }
                Err(Stopped::Failed(failure)) => return Err(failure),
            }
        }
    };
    if !done {
        guest::set_up(&work, driver, line).await?;
    }

    let out = work.outputs;
    let installed = read_packages(&out.join("packages"), recipe)?;
    let used = fs::read_to_string(out.join("used")).at("read", &out.join("used"))?;
    let Work { disk, raw, ids, .. } = work;
    tokio::task::block_in_place(|| write_boot(disk, recipe.virtual_size, out, &ids))?;
    compress(driver.disks().as_ref(), &raw, &new.disk()).await?;
    Ok(BaseMeta {
        suite: recipe.suite.clone(),
        packages: installed,
        virtual_size: recipe.virtual_size,
        used: used.trim().parse().unwrap_or_default(),
        root_uuid: ids.root_uuid,
    })
}

/// What the scripts know of the disk, as assignments of a shell.
pub(super) fn assignments(size: u64, ids: &Identities) -> String {
    let root = layout::root(size);
    format!(
        "root_uuid={}\nesp_uuid={}\nroot_number={}\nroot_start={}\nroot_kib={}\n",
        ids.root_uuid,
        ids.esp_uuid(),
        layout::ROOT_NUMBER,
        root.start,
        root.len / 1024,
    )
}

/// The recipe's files as an archive; folders are made when it is unpacked.
pub(super) fn write_files(to: impl io::Write, recipe: &Recipe) -> io::Result<()> {
    let mut tar = tar::Builder::new(to);
    let sources = (base::SYSTEM_SOURCES, recipe.apt_sources.as_str());
    let files = recipe.files.iter().map(|(path, content)| (path.as_str(), content.as_str()));
    for (path, content) in files.chain([sources]) {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path.trim_start_matches('/'), content.as_bytes())?;
    }
    tar.into_inner()?.flush()
}

/// Checks that the system consists of exactly the locked packages, all of them set up.
fn read_packages(path: &Path, recipe: &Recipe) -> Result<Vec<String>, BuildError> {
    let text = fs::read_to_string(path).at("read", path)?;
    let mut installed = BTreeSet::new();
    for line in text.lines() {
        let (status, package) = line.split_once(' ').unwrap_or((line, ""));
        if status.trim() != "ii" {
            return Err(wrong(format!("{package} is not set up")));
        }
        installed.insert(package.trim().to_owned());
    }
    let expected: BTreeSet<String> =
        recipe.packages.iter().map(|p| format!("{} {} {}", p.name, p.version, p.arch)).collect();
    if let Some(package) = expected.symmetric_difference(&installed).next() {
        let what =
            if expected.contains(package) { "was not installed" } else { "was installed and is not locked" };
        return Err(wrong(format!("{package} {what}")));
    }
    Ok(installed.into_iter().collect())
}

fn wrong(detail: String) -> BuildError {
    BuildError::HostTool { program: base::PROGRAM, detail }
}

/// Writes all of the disk but the root file system, which is there.
fn write_boot(mut disk: File, size: u64, out: &Path, ids: &Identities) -> Result<(), BuildError> {
    let read = |name: &str| fs::read(out.join(name)).at("read", &out.join(name));
    let (boot, core) = (read("boot.img")?, read("core.img")?);
    // Whatever a guest made of the tables, these are ours.
    layout::write_tables(&mut disk, size)
        .and_then(|()| bootloader::write_bios(&disk, &boot, &core))
        .at("write", &out.join("disk.raw"))?;
    let loaders = EfiLoaders { shim: &out.join("shim.efi"), grub: &out.join("grub.efi") };
    esp::write(&disk, out, loaders, "debian", ids)
}

/// The disk as the store keeps it: qcow2, zstd.
async fn compress(disks: &dyn Disks, raw: &Path, to: &Path) -> Result<(), BuildError> {
    let raw = DiskFile { path: raw, format: DiskFormat::Raw };
    disks.write(raw, to, DiskForm::usual(DiskFormat::Qcow2)).await?;
    Ok(())
}

/// Adds what was tried, and where, to an [`io::Error`].
pub(super) trait At<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, BuildError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, BuildError> {
        self.map_err(|source| BuildError::Io { action, path: path.to_owned(), source })
    }
}

//! From locked packages to a disk. What differs is where the packages are set up: on the host, in namespaces
//! of their own ([`native`]), or in a machine ([`guest`]). What comes out is the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::{
    BaseMeta, Recipe, Vouched, bootloader,
    esp::{self, EfiLoaders},
    guest,
    layout::{self, Identities},
    native::{self, Stopped},
    work::{At, Work},
};
use crate::{
    driver::{DiskFile, DiskForm, Disks, Driver},
    exec::BuildError,
    model::DiskFormat,
    packages::BaseMaker,
    store::{NewBase, Store},
    text::Digest,
};

/// Makes the disk of a new base.
pub(super) async fn make(
    (store, driver): (&Store, &dyn Driver),
    (recipe, vouched): (&Recipe, Vouched),
    files: &BTreeMap<Digest, PathBuf>,
    new: &NewBase<'_>,
    line: &mut (dyn FnMut(&str) + Send),
) -> Result<BaseMeta, BuildError> {
    let maker = recipe.manager.base_maker().ok_or_else(|| no_maker(recipe))?;
    let raw = new.dir().join("disk.raw");
    let disk = File::options().read(true).write(true).create_new(true).open(&raw).at("create", &raw)?;
    disk.set_len(recipe.virtual_size).at("write", &raw)?;
    let ids = Identities::of(&new.key());
    let work = Work { store, recipe, maker, files, ids, disk, raw, outputs: new.dir() };
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
    let installed = read_packages(&out.join("packages"), recipe, maker)?;
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

/// Checks that the system consists of exactly the locked packages, all of them set up.
fn read_packages(path: &Path, recipe: &Recipe, maker: &dyn BaseMaker) -> Result<Vec<String>, BuildError> {
    let wrong = |detail: String| BuildError::HostTool { program: maker.program(), detail };
    let text = fs::read_to_string(path).at("read", path)?;
    let installed = maker.exported(&text).map_err(|package| wrong(format!("{package} is not set up")))?;
    let expected: BTreeSet<String> =
        recipe.packages.iter().map(|p| format!("{} {} {}", p.name, p.version, p.arch)).collect();
    if let Some(package) = expected.symmetric_difference(&installed).next() {
        let what =
            if expected.contains(package) { "was not installed" } else { "was installed and is not locked" };
        return Err(wrong(format!("{package} {what}")));
    }
    Ok(installed.into_iter().collect())
}

/// Nobody gets here with a recipe that cannot be made: its preparation says so at the statement.
fn no_maker(recipe: &Recipe) -> BuildError {
    BuildError::HostTool { program: recipe.manager.name(), detail: "it makes no bases".to_owned() }
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

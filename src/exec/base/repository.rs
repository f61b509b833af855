//! A folder that a package manager takes for an archive: the locked package files and an index of exactly these.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::work::{At, Work};
use crate::{
    exec::BuildError,
    packages::{BaseMaker, Offered, Selected},
};

/// Fills `dir`. The files are copies (reflinks where the file system can): a cell sees nothing of the store. It goes by
/// the recipe's suite, which the host's program selects the first packages by.
pub(super) fn write(dir: &Path, work: &Work<'_>) -> Result<(), BuildError> {
    let mut packages = Vec::new();
    for package in &*work.recipe.packages {
        let from = file(package, work)?;
        let name = work.maker.file_name(package.sha256);
        let to = dir.join(&name);
        let copied =
            fs::copy(from, &to).and_then(|_| fs::set_permissions(&to, Permissions::from_mode(0o644)));
        copied.at("copy", from)?;
        packages.push(offered(package, from, name, work.maker)?);
    }
    for (name, text) in work.maker.folder_index(&work.recipe.suite, &packages) {
        let path = dir.join(name);
        fs::write(&path, text).at("write", &path)?;
    }
    Ok(())
}

/// A package as an archive offers it under a name.
pub(super) fn offered(
    package: &Selected,
    file: &Path,
    name: String,
    maker: &dyn BaseMaker,
) -> Result<Offered, BuildError> {
    let control = fs::File::open(file).and_then(|mut opened| maker.control(&mut opened)).at("read", file)?;
    Ok(Offered { control, name, size: package.size, sha256: package.sha256 })
}

/// Where the file of a package is.
pub(super) fn file<'a>(package: &Selected, work: &Work<'a>) -> Result<&'a Path, BuildError> {
    work.files.get(&package.sha256).map(PathBuf::as_path).ok_or_else(|| BuildError::HostTool {
        program: work.maker.program(),
        detail: format!("the file of {} {} is not in the store", package.name, package.version),
    })
}

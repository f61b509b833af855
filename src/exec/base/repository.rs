//! A folder that apt takes for an archive: the locked package files and an index of exactly these.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::{
    exec::BuildError,
    packages::{
        Selected,
        apt::{
            base::{self, FlatArchive, Offered},
            package_file,
        },
    },
    text::Digest,
};

/// Fills `dir`. The files are copies (reflinks where the file system can): a cell sees nothing of the store.
/// `suite` is the name it goes by, which mmdebstrap selects essential packages by.
pub(super) fn write(
    dir: &Path,
    suite: &str,
    packages: &[Selected],
    debs: &BTreeMap<Digest, PathBuf>,
) -> Result<(), BuildError> {
    let mut archive = FlatArchive { suite, packages: Vec::new() };
    for package in packages {
        let from = file(package, debs)?;
        let name = base::file_name(package.sha256);
        let to = dir.join(&name);
        let copied =
            fs::copy(from, &to).and_then(|_| fs::set_permissions(&to, Permissions::from_mode(0o644)));
        copied.map_err(|source| BuildError::Io { action: "copy", path: from.to_owned(), source })?;
        archive.packages.push(offered(package, from, name)?);
    }
    for (name, text) in archive.index() {
        let path = dir.join(name);
        fs::write(&path, text).map_err(|source| BuildError::Io { action: "write", path, source })?;
    }
    Ok(())
}

/// A package as an archive offers it under a name.
pub(super) fn offered(package: &Selected, file: &Path, name: String) -> Result<Offered, BuildError> {
    let control = fs::File::open(file).and_then(package_file::control);
    let control =
        control.map_err(|source| BuildError::Io { action: "read", path: file.to_owned(), source })?;
    Ok(Offered { control, name, size: package.size, sha256: package.sha256 })
}

/// Where the file of a package is.
pub(super) fn file<'a>(
    package: &Selected,
    debs: &'a BTreeMap<Digest, PathBuf>,
) -> Result<&'a Path, BuildError> {
    debs.get(&package.sha256).map(PathBuf::as_path).ok_or_else(|| missing(package))
}

fn missing(package: &Selected) -> BuildError {
    BuildError::HostTool {
        program: base::PROGRAM,
        detail: format!("the file of {} {} is not in the store", package.name, package.version),
    }
}

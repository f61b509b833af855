//! A folder that apt takes for an archive: the locked package files and an index of exactly these.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::deb;
use crate::{exec::BuildError, packages::Selected, text::Digest};

/// Fills `dir`. The files are copies (reflinks where the file system can): a cell sees nothing of the store.
/// `suite` is the name it goes by, which mmdebstrap selects essential packages by.
pub(super) fn write(
    dir: &Path,
    suite: &str,
    packages: &[Selected],
    debs: &BTreeMap<Digest, PathBuf>,
) -> Result<(), BuildError> {
    let mut indexed = Vec::new();
    for package in packages {
        let from = file(package, debs)?;
        let name = format!("{}.deb", package.sha256);
        let to = dir.join(&name);
        let copied =
            fs::copy(from, &to).and_then(|_| fs::set_permissions(&to, Permissions::from_mode(0o644)));
        copied.map_err(|source| BuildError::Io { action: "copy", path: from.to_owned(), source })?;
        indexed.push(Indexed { package, control: control(from)?, name });
    }
    for (name, text) in index(suite, &indexed) {
        let path = dir.join(name);
        fs::write(&path, text).map_err(|source| BuildError::Io { action: "write", path, source })?;
    }
    Ok(())
}

/// A package as the archive offers it.
#[derive(Debug)]
pub(super) struct Indexed<'a> {
    pub package: &'a Selected,
    /// The text of its control file.
    pub control: String,
    /// Of its file, beside the index.
    pub name: String,
}

/// The archive's own files: name and text of each.
pub(super) fn index(suite: &str, packages: &[Indexed<'_>]) -> [(&'static str, String); 2] {
    let mut index = String::new();
    for Indexed { package, control, name } in packages {
        let _ = writeln!(
            index,
            "{}\nFilename: ./{name}\nSize: {}\nSHA256: {}\n",
            control.trim_end(),
            package.size,
            package.sha256
        );
    }
    let release = format!(
        "Suite: {suite}\nCodename: {suite}\nSHA256:\n {} {} Packages\n",
        Digest::of(&index),
        index.len()
    );
    [("Packages", index), ("Release", release)]
}

/// Where the file of a package is.
pub(super) fn file<'a>(
    package: &Selected,
    debs: &'a BTreeMap<Digest, PathBuf>,
) -> Result<&'a Path, BuildError> {
    debs.get(&package.sha256).map(PathBuf::as_path).ok_or_else(|| missing(package))
}

/// The text of the control file of a package's file.
pub(super) fn control(file: &Path) -> Result<String, BuildError> {
    deb::control(file).map_err(|source| BuildError::Io { action: "read", path: file.to_owned(), source })
}

fn missing(package: &Selected) -> BuildError {
    BuildError::HostTool {
        program: "dpkg",
        detail: format!("the file of {} {} is not in the store", package.name, package.version),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packages::Origin;

    #[test]
    fn the_index_names_each_file_with_its_control_fields() {
        let dir = tempfile::tempdir().unwrap();
        let from = dir.path().join("from.deb");
        deb::tests::write_deb(&from, "Package: a\nVersion: 1\nArchitecture: all\nDescription: x\n");
        let digest = Digest::of(fs::read(&from).unwrap());
        let package = Selected {
            name: "a".into(),
            version: "1".parse().unwrap(),
            arch: "all".into(),
            sha256: digest,
            size: 7,
            installed_size: 1,
            origin: Origin { archive: "debian".into(), path: "pool/a.deb".into() },
            stage: 0,
            auto: false,
        };
        let repository = dir.path().join("repository");
        fs::create_dir(&repository).unwrap();
        write(&repository, "trixie", std::slice::from_ref(&package), &BTreeMap::from([(digest, from)]))
            .unwrap();
        let index = fs::read_to_string(repository.join("Packages")).unwrap();
        assert_eq!(
            index,
            format!(
                "Package: a\nVersion: 1\nArchitecture: all\nDescription: x\nFilename: ./{digest}.deb\nSize: 7\nSHA256: {digest}\n\n"
            )
        );
        let release = fs::read_to_string(repository.join("Release")).unwrap();
        assert!(release.contains(&format!(" {} {} Packages", Digest::of(&index), index.len())), "{release}");
        assert!(repository.join(format!("{digest}.deb")).exists());
        assert!(
            write(&repository, "trixie", &[package], &BTreeMap::new()).is_err(),
            "a package without its file"
        );
    }
}

//! How a system is set up from its packages alone: scripts, and the words of the tools that carry them out.

use std::fmt::Write as _;

use crate::text::{Digest, quoted};

/// Run by `sh -e` inside the new system at its end; assignments of `root_uuid`, `esp_uuid` and `root_number` come before
/// the first. `tidy` leaves out what belongs to the making; `export` lays out, in `/tmp/out`, what the maker of the disk
/// has to see.
pub const TIDY: &str = include_str!("tidy.sh");
/// Run after [`TIDY`] in the same way; the comment at its top says what it lays out.
pub const EXPORT: &str = include_str!("export.sh");

/// Run by mmdebstrap at its end, with the new system's root as its argument; assignments of `here`, `root_uuid`,
/// `root_start`, `root_kib` and `disk_fd` come before.
pub const NATIVE: &str = include_str!("native.sh");

/// The program that sets packages up on a host.
pub const MAKER: &str = "mmdebstrap";

/// Who looks after the packages of the new system, in messages.
pub const PROGRAM: &str = "dpkg";

/// Files without which that program does not begin, by path below the root; `arch` is in Debian's spelling.
#[must_use]
pub fn first_files(arch: &str) -> [(&'static str, String); 2] {
    [("var/lib/dpkg/status", String::new()), ("var/lib/dpkg/arch", format!("{arch}\n"))]
}

/// Shell that sets up the packages that everything else counts on; their files have been unpacked already.
#[must_use]
pub fn install_first(files: &[String]) -> String {
    format!("dpkg --force-unsafe-io --force-confold --force-depends --install {}\n", files.join(" "))
}

/// Shell that installs what was asked for with all that it needs, from a [flat archive](FlatArchive) in a folder of the
/// new system.
#[must_use]
pub fn install(wanted: &[String], archive: &str) -> String {
    let options = format!(
        "-y -o APT::Install-Recommends=false -o APT::Sandbox::User=root -o Acquire::Languages=none \
         -o Dir::Etc::SourceList={archive}/{SOURCES} -o Dir::Etc::SourceParts=/dev/null \
         -o DPkg::Options::=--force-unsafe-io -o DPkg::Options::=--force-confold"
    );
    let names: Vec<String> = wanted.iter().map(|name| quoted(name)).collect();
    format!("apt-get {options} update\napt-get {options} install {}\n", names.join(" "))
}

/// Arguments of [`MAKER`] for a system of `arch` with the packages `wanted`, but for hooks, and for the suite and the
/// archive that come last.
#[must_use]
pub fn maker_arguments(arch: &str, wanted: &[String]) -> Vec<String> {
    [
        // Its own namespaces are those of the cell that it runs in.
        "--mode=root",
        "--variant=essential",
        "--format=null",
        "--skip=check/empty,cleanup",
        &format!("--architectures={arch}"),
        &format!("--include={}", wanted.join(",")),
        "--aptopt=APT::Install-Recommends \"false\"",
        "--dpkgopt=force-unsafe-io",
        "--dpkgopt=force-confold",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// The name of a flat archive's own list of sources, in its folder.
pub const SOURCES: &str = "sources.list";

/// A folder that apt takes for an archive, and that it need not have a signature for: package files, an index of exactly
/// these, and a list of sources that names it.
#[derive(Debug)]
pub struct FlatArchive<'a> {
    /// The name that it goes by.
    pub suite: &'a str,
    /// All that it offers, one version of each.
    pub packages: Vec<Offered>,
}

/// A package as such an archive offers it.
#[derive(Debug)]
pub struct Offered {
    /// The text of its control file.
    pub control: String,
    /// Of its file, beside the index.
    pub name: String,
    /// Of the package file, in bytes.
    pub size: u64,
    /// Of the package file.
    pub sha256: Digest,
}

impl FlatArchive<'_> {
    /// The archive's own files: name and text of each.
    #[must_use]
    pub fn index(&self) -> [(&'static str, String); 2] {
        let mut index = String::new();
        for Offered { control, name, size, sha256 } in &self.packages {
            let control = control.trim_end();
            let _ = writeln!(index, "{control}\nFilename: ./{name}\nSize: {size}\nSHA256: {sha256}\n");
        }
        let release = format!(
            "Suite: {suite}\nCodename: {suite}\nSHA256:\n {} {} Packages\n",
            Digest::of(&index),
            index.len(),
            suite = self.suite,
        );
        [("Packages", index), ("Release", release)]
    }
}

/// What a package file is called by its content.
#[must_use]
pub fn file_name(sha256: Digest) -> String {
    format!("{sha256}.deb")
}

/// Names a flat archive as a line of sources does; `method` is apt's, such as `file` or `copy`.
#[must_use]
pub fn source_line(method: &str, folder: &str) -> String {
    format!("deb [trusted=yes] {method}:{folder} ./")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_names_each_file_with_its_control_fields() {
        let sha256 = Digest::of("a");
        let control = "Package: a\nVersion: 1\nArchitecture: all\nDescription: x\n".to_owned();
        let archive = FlatArchive {
            suite: "trixie",
            packages: vec![Offered { control, name: "0.deb".into(), size: 7, sha256 }],
        };
        let [(_, index), (_, release)] = archive.index();
        assert_eq!(
            index,
            format!(
                "Package: a\nVersion: 1\nArchitecture: all\nDescription: x\nFilename: ./0.deb\nSize: 7\nSHA256: {sha256}\n\n"
            )
        );
        assert!(release.contains(&format!(" {} {} Packages", Digest::of(&index), index.len())), "{release}");
    }
}

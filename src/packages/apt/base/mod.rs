//! How a system of Debian's kind is set up from its packages alone: scripts, and the words of the tools that carry
//! them out.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, Read};

use super::essential::essential;
use super::{
    BaseMaker, BaseScripts, HostProgram, Mirrors, NewSystem, Offered, TakeEntry, package_file, source_files,
};
use crate::text::{Digest, quoted};

/// What Debian's systems are made with.
#[derive(Debug)]
pub struct DebianMaker;

/// The program that sets packages up on a host.
const MMDEBSTRAP: &str = "mmdebstrap";

/// The name of a folder's own list of sources.
const SOURCES: &str = "sources.list";

impl BaseMaker for DebianMaker {
    fn host_program(&self) -> HostProgram {
        HostProgram { name: MMDEBSTRAP, purpose: "makes Debian bases" }
    }

    fn program(&self) -> &'static str {
        "dpkg"
    }

    fn sources_path(&self) -> &'static str {
        source_files::BASE_SOURCES
    }

    fn sources(&self, mirrors: &Mirrors, suites: &[&str], components: &[String]) -> String {
        source_files::of_base(&mirrors.debian, &mirrors.security, suites, components)
    }

    fn file_name(&self, sha256: Digest) -> String {
        format!("{sha256}.deb")
    }

    fn control(&self, file: &mut dyn Read) -> io::Result<String> {
        package_file::control(file)
    }

    fn files(&self, file: &mut dyn Read, take: TakeEntry<'_>) -> io::Result<()> {
        package_file::files(file, take)
    }

    fn folder_index(&self, suite: &str, packages: &[Offered]) -> Vec<(&'static str, String)> {
        let mut index = String::new();
        for Offered { control, name, size, sha256 } in packages {
            let control = control.trim_end();
            let _ = writeln!(index, "{control}\nFilename: ./{name}\nSize: {size}\nSHA256: {sha256}\n");
        }
        let release = format!(
            "Suite: {suite}\nCodename: {suite}\nSHA256:\n {} {} Packages\n",
            Digest::of(&index),
            index.len(),
        );
        vec![("Packages", index), ("Release", release)]
    }

    fn first(&self, packages: &[(&str, &str)]) -> Vec<usize> {
        essential(packages)
    }

    fn first_files(&self, arch: &str) -> Vec<(&'static str, String)> {
        vec![("var/lib/dpkg/status", String::new()), ("var/lib/dpkg/arch", format!("{arch}\n"))]
    }

    fn install_first(&self, files: &[String]) -> String {
        format!("dpkg --force-unsafe-io --force-confold --force-depends --install {}\n", files.join(" "))
    }

    fn install(&self, wanted: &[String], archive: &str) -> String {
        let options = format!(
            "-y -o APT::Install-Recommends=false -o APT::Sandbox::User=root -o Acquire::Languages=none \
             -o Dir::Etc::SourceList={archive}/{SOURCES} -o Dir::Etc::SourceParts=/dev/null \
             -o DPkg::Options::=--force-unsafe-io -o DPkg::Options::=--force-confold"
        );
        let names: Vec<String> = wanted.iter().map(|name| quoted(name)).collect();
        format!("apt-get {options} update\napt-get {options} install {}\n", names.join(" "))
    }

    fn folder_sources(&self, archive: &str) -> (&'static str, String) {
        (SOURCES, format!("{}\n", source_line("file", archive)))
    }

    fn environment(&self) -> &'static [(&'static str, &'static str)] {
        &[("DEBIAN_FRONTEND", "noninteractive"), ("DEBIAN_PRIORITY", "critical")]
    }

    fn scripts(&self) -> BaseScripts {
        BaseScripts {
            native: include_str!("native.sh"),
            tidy: include_str!("tidy.sh"),
            export: include_str!("export.sh"),
        }
    }

    fn host_arguments(&self, system: &NewSystem<'_>) -> Vec<String> {
        let folder = system.folder.to_string_lossy();
        let word = format!("'{}'", folder.replace('\'', r"'\''"));
        [
            // Its own namespaces are those of the cell that it runs in.
            "--mode=root",
            "--variant=essential",
            "--format=null",
            "--skip=check/empty,cleanup",
            &format!("--architectures={}", system.arch),
            &format!("--include={}", system.wanted.join(",")),
            "--aptopt=APT::Install-Recommends \"false\"",
            "--dpkgopt=force-unsafe-io",
            "--dpkgopt=force-confold",
            &format!("--essential-hook=tar-in {word}/files.tar /"),
            &format!("--customize-hook=chroot \"$1\" sh -e < {word}/finish.sh"),
            &format!("--customize-hook=sh {word}/native.sh \"$1\""),
            system.suite,
            "/dev/null",
            &source_line("copy", &format!("{folder}/repository")),
        ]
        .map(str::to_owned)
        .to_vec()
    }

    fn exported(&self, text: &str) -> Result<BTreeSet<String>, String> {
        let mut installed = BTreeSet::new();
        for line in text.lines() {
            let (status, package) = line.split_once(' ').unwrap_or((line, ""));
            if status.trim() != "ii" {
                return Err(package.to_owned());
            }
            installed.insert(package.trim().to_owned());
        }
        Ok(installed)
    }
}

/// Names a folder as a line of sources does; `method` is apt's, such as `file` or `copy`. It need not have a signature.
fn source_line(method: &str, folder: &str) -> String {
    format!("deb [trusted=yes] {method}:{folder} ./")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_names_each_file_with_its_control_fields() {
        let sha256 = Digest::of("a");
        let control = "Package: a\nVersion: 1\nArchitecture: all\nDescription: x\n".to_owned();
        let packages = [Offered { control, name: "0.deb".into(), size: 7, sha256 }];
        let files = DebianMaker.folder_index("trixie", &packages);
        let [(_, index), (_, release)] = &files[..] else { panic!("{files:?}") };
        assert_eq!(
            *index,
            format!(
                "Package: a\nVersion: 1\nArchitecture: all\nDescription: x\nFilename: ./0.deb\nSize: 7\nSHA256: {sha256}\n\n"
            )
        );
        assert!(release.contains(&format!(" {} {} Packages", Digest::of(index), index.len())), "{release}");
    }
}

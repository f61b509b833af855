//! How a package manager makes a system from packages alone.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::io::{self, Read};
use std::path::Path;

use super::mirrors::Mirrors;
use crate::text::Digest;

/// Makes systems from packages alone. There are two ways: a program of the host sets all up, in a cell; or a machine
/// does, in which the first packages are unpacked and the system goes on by itself.
pub trait BaseMaker: Debug + Sync {
    /// The program that sets packages up on a host.
    fn host_program(&self) -> HostProgram;

    /// Who looks after the packages of the new system, in messages.
    fn program(&self) -> &'static str;

    /// The path of the file by which a new system knows the archives it is made from.
    fn sources_path(&self) -> &'static str;

    /// What that file holds: archives of `mirrors` with these suites, of which the first is the release.
    fn sources(&self, mirrors: &Mirrors, suites: &[&str], components: &[String]) -> String;

    /// What a package file is called by its content.
    fn file_name(&self, sha256: Digest) -> String;

    /// What a package says of itself, out of its file.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is no package.
    fn control(&self, file: &mut dyn Read) -> io::Result<String>;

    /// Hands out the files that a package brings, as entries of an archive of tar's.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is no package; or what `take` says.
    fn files(&self, file: &mut dyn Read, take: TakeEntry<'_>) -> io::Result<()>;

    /// The index of a folder that the manager takes for an archive, and needs no signature for: name and text of each of
    /// its files. It goes by the name `suite`.
    fn folder_index(&self, suite: &str, packages: &[Offered]) -> Vec<(&'static str, String)>;

    /// Numbers of the packages that have to be there before any other can be set up, in the order in which they are
    /// unpacked; by name and what each says of itself.
    fn first(&self, packages: &[(&str, &str)]) -> Vec<usize>;

    /// Files without which the manager does not begin, by path below the root; `arch` is as it calls it.
    fn first_files(&self, arch: &str) -> Vec<(&'static str, String)>;

    /// A script for `sh -e`, run in the new system: sets up the first packages, whose files were unpacked already.
    fn install_first(&self, files: &[String]) -> String;

    /// A script for `sh -e`, run in the new system: installs what was asked for, with all that it needs, from a folder
    /// that is an [archive](Self::folder_index).
    fn install(&self, wanted: &[String], archive: &str) -> String;

    /// The list of sources by which [`install`](Self::install) knows that folder: name and text of a file in it.
    fn folder_sources(&self, archive: &str) -> (&'static str, String);

    /// What tells packages' scripts that nobody is there to answer: variables of their environment.
    fn environment(&self) -> &'static [(&'static str, &'static str)];

    /// Scripts that are run in the new system, or on it, when its packages are set up.
    fn scripts(&self) -> BaseScripts;

    /// Arguments of the [program of the host](Self::host_program).
    fn host_arguments(&self, system: &NewSystem<'_>) -> Vec<String>;

    /// The packages that the export lists, each as `name version arch`.
    ///
    /// # Errors
    ///
    /// One that is not set up, as it is listed.
    fn exported(&self, text: &str) -> Result<BTreeSet<String>, String>;
}

/// Takes an entry of an archive of tar's.
pub type TakeEntry<'t> = &'t mut dyn FnMut(&mut tar::Entry<'_, Box<dyn Read + '_>>) -> io::Result<()>;

/// A program of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostProgram {
    /// Its name, which is also that of the package which brings it.
    pub name: &'static str,
    /// What it does: `makes Debian bases`.
    pub purpose: &'static str,
}

/// Shell that finishes a new system. Assignments of `root_uuid`, `esp_uuid` and `root_number` come before the first two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BaseScripts {
    /// Run on the host at the end of its program, with the new system's root as its argument; assignments of `here`,
    /// `root_start`, `root_kib` and `disk_fd` come before it as well.
    pub native: &'static str,
    /// Run in the new system: leaves out what belongs to the making, and lays out the boot loader.
    pub tidy: &'static str,
    /// Run in it after that: lays out, in `/tmp/out`, what the maker of the disk has to see.
    pub export: &'static str,
}

/// A package as a folder offers it that is taken for an archive.
#[derive(Debug)]
pub struct Offered {
    /// What it says of itself: see [`BaseMaker::control`].
    pub control: String,
    /// Of its file, beside the index.
    pub name: String,
    /// Of the package file, in bytes.
    pub size: u64,
    /// Of the package file.
    pub sha256: Digest,
}

/// A system that a program of the host makes.
#[derive(Debug, Clone, Copy)]
pub struct NewSystem<'a> {
    /// As the manager calls it.
    pub arch: &'a str,
    /// Packages that are asked for by name.
    pub wanted: &'a [String],
    /// What the folder `repository` goes by.
    pub suite: &'a str,
    /// Has the folder `repository`, an archive; `files.tar`, to be laid into the system before its packages are set up;
    /// `finish.sh`, to be run in it; and `native.sh`, to be run on the host at the end, with the root as its argument.
    pub folder: &'a Path,
}

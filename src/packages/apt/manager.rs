//! What others ask of apt.

use std::collections::BTreeSet;

use super::archive_format::AptArchives;
use super::base::DebianMaker;
use super::kernel::DebianKernel;
use super::{
    Archive, ArchiveFiles, ArchiveFormat, BaseMaker, InstalledPackage, KeptArchive, KernelSource, KeyError,
    Keyring, Mirrors, MoreOfOwn, PackageManager, Solution, Staged, SystemFile, SystemFiles, Wanted, codename,
    extended_states, growth, source_files, sources, system,
};
use crate::model::{APT, Arch, ManagerFacts};
use crate::text::quoted;

/// dpkg, and apt on it.
#[derive(Debug)]
pub struct Apt;

impl PackageManager for Apt {
    fn facts(&self) -> &'static ManagerFacts {
        &APT
    }

    fn arch(&self, arch: Arch) -> &'static str {
        arch.debian()
    }

    fn wants(&self, found: &SystemFiles) -> Vec<Wanted> {
        system::wants(found)
    }

    fn installed(&self, system: &SystemFiles) -> Option<Vec<InstalledPackage>> {
        system::installed_in(system)
    }

    fn is_of_every_system(&self, package: &InstalledPackage) -> bool {
        system::is_of_every_system(package)
    }

    fn needs(&self, package: &InstalledPackage) -> Vec<String> {
        system::needs(package)
    }

    fn configuration(&self, package: &InstalledPackage) -> Vec<(String, String)> {
        system::conffiles(package)
    }

    fn lister<'p>(&self, list: &'p str) -> Option<&'p str> {
        // With its architecture where several may be installed beside each other: `libc6:amd64.list`.
        let name = list.rsplit('/').next()?.strip_suffix(".list")?;
        name.split(':').next()
    }

    fn archives_of(&self, system: &SystemFiles, mirrors: Option<&Mirrors>) -> Vec<Archive> {
        system::archives_of(system, mirrors)
    }

    fn keys_of(&self, system: &SystemFiles) -> Option<Keyring> {
        system::keys_of(system)
    }

    fn distribution_keys(&self) -> Result<Keyring, KeyError> {
        Keyring::debian()
    }

    fn codename(&self, release: &str) -> Option<&'static str> {
        codename(release)
    }

    fn release_archives(
        &self,
        mirrors: &Mirrors,
        release: &str,
        updates: &[String],
        components: &[String],
    ) -> Vec<Archive> {
        let mut archives = mirrors.suites(codename(release).unwrap_or(release));
        archives.retain(|archive| archive.suite == release || updates.contains(&archive.suite));
        for archive in &mut archives {
            archive.components = components.to_vec();
        }
        archives
    }

    fn archive_format(&self) -> &'static dyn ArchiveFormat {
        &AptArchives
    }

    fn base_maker(&self) -> Option<&'static dyn BaseMaker> {
        Some(&DebianMaker)
    }

    fn kernel_source(&self) -> Option<&'static dyn KernelSource> {
        Some(&DebianKernel)
    }

    fn host_sources(&self) -> (&'static str, &'static str) {
        sources::HOST_SOURCES
    }

    fn host_mirrors(&self, files: &[(String, String)]) -> Option<Mirrors> {
        sources::mirrors_of_files(files)
    }

    fn upkeep(&self) -> &'static [&'static str] {
        &[
            "apt-daily.service",
            "apt-daily.timer",
            "apt-daily-upgrade.service",
            "apt-daily-upgrade.timer",
            "dpkg-db-backup.timer",
        ]
    }

    fn caches(&self) -> &'static [&'static str] {
        &[
            "/var/cache/apt/archives/*.deb",
            "/var/cache/apt/archives/partial/*",
            "/var/cache/apt/pkgcache.bin",
            "/var/cache/apt/srcpkgcache.bin",
            "/var/cache/debconf/*-old",
            "/var/lib/dpkg/*-old",
        ]
    }

    fn payload_name(&self, number: usize) -> String {
        format!("{number}.deb")
    }

    fn marks(&self) -> &'static str {
        system::MARKS
    }

    fn marked(&self, installed: &[InstalledPackage], native: &str) -> String {
        extended_states(installed, native)
    }

    fn growth(&self, before: &[InstalledPackage], solution: &Solution) -> u64 {
        growth(before, solution)
    }

    /// All files of a stage go to one `dpkg`, which configures in dependency order and runs each trigger
    /// once; `Pre-Depends` alone make further stages.
    /// What goes is marked so first and removed last, as apt does it: a package that takes the place of one of
    /// the base, and conflicts with it, then pushes it away itself once it can stand in for it, and nothing that
    /// needs either of them is broken in between.
    /// Nobody is there to answer questions: a changed configuration file of the base is kept
    /// (`--force-confold`), as with unattended upgrades. The disk of a failed build is thrown away, so
    /// syncing every file would only cost time (`--force-unsafe-io`).
    fn transaction(&self, folder: &str, install: &[Staged], remove: &[String]) -> String {
        const DPKG: &str = "dpkg --force-unsafe-io --force-confdef --force-confold --auto-deconfigure";
        let mut script = "export DEBIAN_FRONTEND=noninteractive DEBIAN_PRIORITY=critical\n".to_owned();
        let removed: Vec<String> = remove.iter().map(|name| quoted(name)).collect();
        let removed = removed.join(" ");
        if !removed.is_empty() {
            script += &format!("printf '%s deinstall\\n' {removed} | dpkg --set-selections\n");
        }
        let stages: BTreeSet<u16> = install.iter().map(|package| package.stage).collect();
        for stage in stages {
            let files: Vec<String> = (0..install.len())
                .filter(|number| install[*number].stage == stage)
                .map(|number| format!("{folder}/{}", self.payload_name(number)))
                .collect();
            script += &format!("{DPKG} --install {}\n", files.join(" "));
        }
        if !removed.is_empty() {
            script += &format!(
                "left=\nfor name in {removed}; do\n  case \"$(dpkg-query -W -f='${{db:Status-Status}}' \"$name\" 2>/dev/null)\" in\n    ''|not-installed|config-files) ;;\n    *) left=\"$left $name\" ;;\n  esac\ndone\n[ -z \"$left\" ] || {DPKG} --remove $left\n"
            );
        }
        script
    }

    fn archive_name(&self, url: &str, suite: &str) -> String {
        source_files::file_name(url, suite)
    }

    fn archive_files(&self, archive: &KeptArchive<'_>) -> ArchiveFiles {
        source_files::of_archive(archive)
    }

    fn more_of_own(&self, more: &MoreOfOwn<'_>) -> (&'static str, SystemFile) {
        source_files::more_of_debian(more)
    }

    fn own_suite(&self, release: &str, suite: &str) -> String {
        source_files::own_suite(release, suite)
    }

    fn install_command(&self) -> &'static str {
        "apt-get install"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_marks_installs_by_stages_and_removes_what_is_left() {
        let install = [0, 1, 0].map(|stage| Staged { stage });
        let script = Apt.transaction("/run/p", &install, &["exim4".to_owned()]);
        let at = |part: &str| script.find(part).unwrap_or_else(|| panic!("`{part}` is missing:\n{script}"));
        let order = [
            at("exim4 | dpkg --set-selections"),
            at("--install /run/p/0.deb /run/p/2.deb\n"),
            at("--install /run/p/1.deb\n"),
            at("--remove $left"),
        ];
        assert!(order.is_sorted(), "{script}");
        assert!(!Apt.transaction("/run/p", &install, &[]).contains("remove"));
    }
}

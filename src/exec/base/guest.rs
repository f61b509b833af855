//! Packages set up in a machine, under the build kernel: for recipes and packages that nobody here vouches for,
//! and for hosts without user namespaces. Nothing of them runs on the host: it reads package files as the
//! archives they are, makes an empty file system, and takes bounded files back.
//!
//! The root file system lies in its partition from the start. The files of the essential packages are
//! unpacked into it by the agent, and from there on the new system sets itself up, in the order that
//! `mmdebstrap` has on a host.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;

use super::{
    bootstrap::{self, At, MKE2FS_CONF, OUTPUTS, TAIL_LINES, Work},
    deb, esp, essential, layout,
    repository::{self, Indexed},
};
use crate::{
    driver::{
        Disk, DiskAccess, DiskFormat, Driver, Exec, Limits, Machine, MachineSpec, MountOptions, Network,
        Output, PayloadFile, RootSource, Start,
    },
    exec::BuildError,
    packages::{Solution, after, extended_states},
};

/// An initramfs is made in it, and files of the tmpfs of /tmp and /run lie in it.
const MEMORY_MIB: u32 = 1024;
const CPUS: u8 = 2;

/// Emulated, on a host that is busy with something else.
const TIMEOUT: Duration = Duration::from_hours(1);

/// Where the package files are in the guest, and the archive that apt takes them for.
const PAYLOAD: &str = "/run/imagefile/payload";
const REPOSITORY: &str = "/run/imagefile/repository";

const DPKG: &str = "dpkg --force-unsafe-io --force-confold";

/// Sets the packages up in the root partition.
pub(super) async fn set_up(
    work: &Work<'_>,
    driver: &dyn Driver,
    line: &mut (dyn FnMut(&str) + Send),
) -> Result<(), BuildError> {
    let recipe = work.recipe;
    let mut packages = Vec::new();
    for (number, package) in recipe.packages.iter().enumerate() {
        let control = repository::control(repository::file(package, work.debs)?)?;
        packages.push(Indexed { package, control, name: format!("{number}.deb") });
    }
    let controls: Vec<(&str, &str)> =
        packages.iter().map(|one| (one.package.name.as_str(), one.control.as_str())).collect();
    let first = essential::essential(&controls);
    let (unpacked, archive) = tokio::task::block_in_place(|| {
        make_file_system(work)?;
        Ok::<_, BuildError>((unpack(work, &first)?, repository_tar(work, &packages)?))
    })?;

    let folder = work.store.begin_build(&format!("base-{}-{}", recipe.key().short(), std::process::id()))?;
    let run_dir = folder.path().join("machine");
    fs::create_dir(&run_dir).at("create", &run_dir)?;
    let payload = packages
        .iter()
        .map(|one| {
            let path = repository::file(one.package, work.debs)?.to_owned();
            Ok(PayloadFile { name: one.name.clone(), path })
        })
        .collect::<Result<_, BuildError>>()?;
    let disk = Disk { path: work.raw.clone(), format: DiskFormat::Raw, access: DiskAccess::Write };
    let mut guest = Guest {
        machine: driver
            .start(MachineSpec {
                cpus: CPUS,
                memory_mib: MEMORY_MIB,
                start: Start::Offline,
                disks: vec![disk],
                payload,
                network: Network::None,
                run_dir,
                limits: Limits::default(),
            })
            .await?,
        line,
    };
    let root =
        MountOptions { root: RootSource::Device(format!("vda{}", layout::ROOT_NUMBER)), read_only: false };
    guest.machine.mount(root.clone()).await?;
    guest.machine.put(Box::new(unpacked)).await?;
    // Only now there is a place for what keeps services from being started.
    guest.machine.unmount().await?;
    guest.machine.mount(root).await?;

    let files: Vec<String> =
        first.iter().map(|number| format!("{PAYLOAD}/{}", packages[*number].name)).collect();
    let essential = format!("{DPKG} --force-depends --install {}\n", files.join(" "));
    guest.run("set up the first packages", &essential).await?;
    let mut own = Vec::new();
    bootstrap::write_files(&mut own, recipe).at("write", &work.raw)?;
    guest.machine.put(Box::new(io::Cursor::new(own))).await?;
    guest.machine.put(Box::new(io::Cursor::new(archive))).await?;
    guest.run("set up the packages", &install(&recipe.wanted)).await?;
    guest.machine.put(Box::new(io::Cursor::new(marks(work)?))).await?;
    if let Some(finish) = &recipe.finish {
        guest.run("run the recipe's `finish`", finish).await?;
    }
    let known = bootstrap::assignments(recipe.virtual_size, &work.ids);
    guest.run("prepare the boot loader", &format!("{known}{}", bootstrap::TIDY)).await?;
    guest.run("look at what was made", bootstrap::EXPORT).await?;
    for (name, limit) in OUTPUTS {
        let content = guest.machine.get(&format!("/tmp/out/{name}"), limit).await?;
        let path = work.outputs.join(name);
        fs::write(&path, content).at("write", &path)?;
    }
    guest.machine.trim().await?;
    guest.machine.power_off().await?;
    Ok(())
}

/// A machine, and who is told what it prints.
struct Guest<'a> {
    machine: Box<dyn Machine>,
    line: &'a mut (dyn FnMut(&str) + Send),
}

impl Guest<'_> {
    /// Runs a script as root of the new system.
    async fn run(&mut self, step: &str, script: &str) -> Result<(), BuildError> {
        let mut exec = Exec::script("set-up", format!("#!/bin/sh -e\n{script}"));
        exec.timeout = TIMEOUT;
        exec.env = vec![("DEBIAN_PRIORITY".into(), "critical".into()), ("LC_ALL".into(), "C.UTF-8".into())];
        let mut rest = Vec::new();
        let mut tail = VecDeque::new();
        let line = &mut *self.line;
        let mut tell = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            // Progress bars return to the start of the line; the last state is what counts.
            let text = text.trim_end().rsplit('\r').next().unwrap_or_default();
            line(text);
            tail.push_back(text.to_owned());
            if tail.len() > TAIL_LINES {
                tail.pop_front();
            }
        };
        let end = self
            .machine
            .exec(exec, &mut |Output { bytes, .. }| {
                rest.extend_from_slice(&bytes);
                while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
                    let whole: Vec<u8> = rest.drain(..=end).collect();
                    tell(&whole);
                }
                // A line without an end is shown in pieces, not kept.
                if rest.len() > LINE_LIMIT {
                    tell(&std::mem::take(&mut rest));
                }
            })
            .await?;
        if !rest.is_empty() {
            tell(&rest);
        }
        if end.success() {
            return Ok(());
        }
        Err(BuildError::Script {
            step: step.to_owned(),
            span: None,
            line: None,
            end,
            timeout_secs: TIMEOUT.as_secs(),
            tail: tail.into_iter().collect::<Vec<_>>().join("\n"),
        })
    }
}

/// Longest line that is kept until its end.
const LINE_LIMIT: usize = 1 << 16;

/// The commands that install what was asked for with all that it needs, from the archive in the guest.
fn install(wanted: &[String]) -> String {
    let options = format!(
        "-y -o APT::Install-Recommends=false -o APT::Sandbox::User=root -o Acquire::Languages=none \
         -o Dir::Etc::SourceList={REPOSITORY}/sources.list -o Dir::Etc::SourceParts=/dev/null \
         -o DPkg::Options::=--force-unsafe-io -o DPkg::Options::=--force-confold"
    );
    let names: Vec<String> = wanted.iter().map(|name| crate::text::quoted(name)).collect();
    format!("apt-get {options} update\napt-get {options} install {}\n", names.join(" "))
}

/// What apt remembers about which packages came as dependencies only, in an archive.
fn marks(work: &Work<'_>) -> Result<Vec<u8>, BuildError> {
    let solution = Solution { install: work.recipe.packages.clone(), ..Solution::default() };
    let text = extended_states(&after(&[], &solution), &work.recipe.arch);
    let write = || {
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, "var/lib/apt/extended_states", text.as_bytes())?;
        tar.into_inner()
    };
    write().at("write", work.outputs)
}

/// The empty root file system, in its partition.
fn make_file_system(work: &Work<'_>) -> Result<(), BuildError> {
    let write = |mut disk| layout::write_tables(&mut disk, work.recipe.virtual_size);
    work.disk.try_clone().and_then(write).at("write", &work.raw)?;
    let configuration = work.outputs.join("mke2fs.conf");
    fs::write(&configuration, MKE2FS_CONF).at("write", &configuration)?;
    let root = layout::root(work.recipe.virtual_size);
    let mut make = esp::tool("mke2fs");
    make.env("MKE2FS_CONFIG", &configuration)
        .args(["-q", "-F", "-t", "ext4", "-L", "root", "-U", &work.ids.root_uuid])
        .args(["-E", &format!("offset={}", root.start)])
        .arg(&work.raw)
        .arg(format!("{}k", root.len / 1024));
    esp::run(make, "mke2fs", "e2fsprogs")?;
    fs::remove_file(&configuration).at("remove", &configuration)
}

/// The files of packages as one archive. They say whose they are by number: there are no accounts yet.
fn unpack(work: &Work<'_>, numbers: &[usize]) -> Result<fs::File, BuildError> {
    let temporary = tempfile::tempfile_in(work.outputs).at("create a file in", work.outputs)?;
    let mut tar = tar::Builder::new(io::BufWriter::new(temporary));
    let mut room = work.recipe.virtual_size;
    for number in numbers {
        let file = repository::file(&work.recipe.packages[*number], work.debs)?;
        deb::files(file, |entry| append(&mut tar, entry, &mut room)).at("unpack", file)?;
    }
    let finish = || {
        // What dpkg would not begin without.
        for (path, text) in [("var/lib/dpkg/status", ""), ("var/lib/dpkg/arch", work.recipe.arch.as_str())] {
            let text = if text.is_empty() { String::new() } else { format!("{text}\n") };
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, path, text.as_bytes())?;
        }
        let mut file = tar.into_inner()?.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.seek(SeekFrom::Start(0))?;
        Ok(file)
    };
    finish().at("write", work.outputs)
}

/// Adds an entry of a package to the archive of all.
fn append(
    tar: &mut tar::Builder<impl io::Write>,
    entry: &mut tar::Entry<'_, Box<dyn Read + '_>>,
    room: &mut u64,
) -> io::Result<()> {
    let size = entry.size();
    *room = room.checked_sub(size).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, "what it unpacks to does not fit the disk")
    })?;
    let path = entry.path()?.into_owned();
    let from = entry.header();
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(from.entry_type());
    header.set_mode(from.mode()? & 0o7777);
    header.set_uid(from.uid()?);
    header.set_gid(from.gid()?);
    header.set_mtime(from.mtime()?);
    header.set_size(size);
    match entry.link_name()? {
        Some(link) => {
            let link = link.into_owned();
            tar.append_link(&mut header, &path, &link)
        }
        None => tar.append_data(&mut header, &path, entry),
    }
}

/// The archive that apt takes for one: its index, and links to the package files.
fn repository_tar(work: &Work<'_>, packages: &[Indexed<'_>]) -> Result<Vec<u8>, BuildError> {
    let sources = format!("deb [trusted=yes] file:{REPOSITORY} ./\n");
    let mut texts = repository::index(&work.recipe.suite, packages).to_vec();
    texts.push(("sources.list", sources));
    let write = || {
        let mut tar = tar::Builder::new(Vec::new());
        let folder = Path::new(REPOSITORY.trim_start_matches('/'));
        for (name, text) in &texts {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, folder.join(name), text.as_bytes())?;
        }
        for one in packages {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_mode(0o777);
            header.set_size(0);
            tar.append_link(&mut header, folder.join(&one.name), format!("{PAYLOAD}/{}", one.name))?;
        }
        tar.into_inner()
    };
    write().at("write", work.outputs)
}

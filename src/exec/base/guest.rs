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
    esp, layout, repository,
    work::{self, At, MKE2FS_CONF, OUTPUTS, TAIL_LINES, Work},
};
use crate::{
    driver::{
        Disk, DiskAccess, DiskFormat, Driver, Exec, Limits, Machine, MachineSpec, MountOptions, Network,
        Output, PayloadFile, RootSource, Start,
    },
    exec::BuildError,
    packages::{Offered, Solution, after},
};

/// An initramfs is made in it, and files of the tmpfs of /tmp and /run lie in it.
const MEMORY_MIB: u32 = 1024;
const CPUS: u8 = 2;

/// Emulated, on a host that is busy with something else.
const TIMEOUT: Duration = Duration::from_hours(1);

/// Where the package files are in the guest, and the archive that the package manager takes them for.
const PAYLOAD: &str = "/run/imgfile/payload";
const REPOSITORY: &str = "/run/imgfile/repository";

/// Sets the packages up in the root partition.
pub(super) async fn set_up(
    work: &Work<'_>,
    driver: &dyn Driver,
    line: &mut (dyn FnMut(&str) + Send),
) -> Result<(), BuildError> {
    let recipe = work.recipe;
    let mut packages = Vec::new();
    for (number, package) in recipe.packages.iter().enumerate() {
        let file = repository::file(package, work)?;
        let name = recipe.manager.payload_name(number);
        packages.push(repository::offered(package, file, name, work.maker)?);
    }
    let controls: Vec<(&str, &str)> = recipe
        .packages
        .iter()
        .zip(&packages)
        .map(|(package, offered)| (package.name.as_str(), offered.control.as_str()))
        .collect();
    let first = work.maker.first(&controls);
    let (unpacked, repository) = tokio::task::block_in_place(|| {
        make_file_system(work)?;
        Ok::<_, BuildError>((unpack(work, &first)?, repository_tar(work, &packages)?))
    })?;

    let folder = work.store.begin_build(&format!("base-{}-{}", recipe.key().short(), std::process::id()))?;
    let run_dir = folder.path().join("machine");
    fs::create_dir(&run_dir).at("create", &run_dir)?;
    let payload = recipe
        .packages
        .iter()
        .zip(&packages)
        .map(|(package, offered)| {
            let path = repository::file(package, work)?.to_owned();
            Ok(PayloadFile { name: offered.name.clone(), path })
        })
        .collect::<Result<_, BuildError>>()?;
    let disk = Disk { path: work.raw.clone(), format: DiskFormat::Raw, access: DiskAccess::Write };
    let mut guest = Guest {
        environment: work.maker.environment(),
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
    guest.run("set up the first packages", &work.maker.install_first(&files)).await?;
    let mut own = Vec::new();
    work::write_files(&mut own, work).at("write", &work.raw)?;
    guest.machine.put(Box::new(io::Cursor::new(own))).await?;
    guest.machine.put(Box::new(io::Cursor::new(repository))).await?;
    guest.run("set up the packages", &work.maker.install(&recipe.wanted, REPOSITORY)).await?;
    guest.machine.put(Box::new(io::Cursor::new(marks(work)?))).await?;
    if let Some(finish) = &recipe.finish {
        guest.run("run the recipe's `finish`", finish).await?;
    }
    let scripts = work.maker.scripts();
    let known = work::assignments(recipe.virtual_size, &work.ids);
    guest.run("prepare the boot loader", &format!("{known}{}", scripts.tidy)).await?;
    guest.run("look at what was made", scripts.export).await?;
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
    /// For scripts of packages.
    environment: &'static [(&'static str, &'static str)],
    line: &'a mut (dyn FnMut(&str) + Send),
}

impl Guest<'_> {
    /// Runs a script as root of the new system.
    async fn run(&mut self, step: &str, script: &str) -> Result<(), BuildError> {
        let mut exec = Exec::script("set-up", format!("#!/bin/sh -e\n{script}"));
        exec.timeout = TIMEOUT;
        let variables = self.environment.iter().chain(&[("LC_ALL", "C.UTF-8")]);
        exec.env = variables.map(|(name, value)| ((*name).into(), (*value).into())).collect();
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

/// The marks of what came as a dependency only, in an archive.
fn marks(work: &Work<'_>) -> Result<Vec<u8>, BuildError> {
    let solution = Solution { install: work.recipe.packages.clone(), ..Solution::default() };
    let manager = work.recipe.manager;
    let text = manager.marked(&after(&[], &solution), &work.recipe.arch);
    let write = || {
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, manager.marks().trim_start_matches('/'), text.as_bytes())?;
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
        let file = repository::file(&work.recipe.packages[*number], work)?;
        let unpacked = fs::File::open(file).and_then(|mut opened| {
            work.maker.files(&mut opened, &mut |entry| append(&mut tar, entry, &mut room))
        });
        unpacked.at("unpack", file)?;
    }
    let finish = || {
        for (path, text) in work.maker.first_files(&work.recipe.arch) {
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

/// What the package manager takes for an archive: its index, and links to the package files.
fn repository_tar(work: &Work<'_>, packages: &[Offered]) -> Result<Vec<u8>, BuildError> {
    let mut texts = work.maker.folder_index(&work.recipe.suite, packages);
    texts.push(work.maker.folder_sources(REPOSITORY));
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

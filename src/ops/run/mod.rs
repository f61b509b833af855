//! An image, or any disk, run as its users will run it: by its own boot loader, in a throw-away overlay.

mod ports;
mod target;

use std::{net::Ipv4Addr, path::PathBuf, sync::Arc};

use super::{
    error::{Class, Error},
    host_driver,
    settings::{Origin, Setting, Settings, host_cpus, host_memory},
};
use crate::{
    check::Size,
    diagnostic::{Diagnostic, codes},
    driver::{
        Disk, DiskAccess, DiskFile, DiskFormat, Driver, Instance, InstanceSpec, Limits, MachineSpec, Network,
        Publish, Start, inspect::Facts, seed::Seed,
    },
    exec::{
        BuildError, Reporter,
        instance::{self, InstanceRecord, SshAccess, SshKey},
    },
    model::Firmware,
    store::{Records, Store, WorkFolder},
    text::Sources,
};
pub use ports::{parse as parse_ports, unavailable as port_unavailable};
pub(super) use target::Target;
pub use target::{changes_of_another, nothing as nothing_to_run};

/// Memory of a machine unless somebody says otherwise, in MiB.
const MEMORY_MIB: u64 = 1024;
/// Processors of one.
const CPUS: u32 = 2;
/// The port where ssh listens in the guest.
const SSH: u16 = 22;

/// How an image is run.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// What `imgfile images` lists, or the path of a disk; without it the one image of the project here.
    pub image: Option<String>,
    /// The firmware; without it BIOS, or UEFI where the disk has no other boot loader.
    pub firmware: Option<Firmware>,
    /// Ports of this host that lead to the machine.
    pub publish: Vec<Publish>,
    /// What becomes of what the machine writes.
    pub changes: Changes,
}

/// What becomes of what a machine writes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Changes {
    /// It is gone with the machine.
    #[default]
    Discarded,
    /// It is kept in a file, and the next run goes on from there; without a path in `IMAGE.changes.qcow2` in the working
    /// folder.
    Kept(Option<PathBuf>),
}

/// An image that runs. Dropped, the machine is gone with all its files, but for what is to be kept.
#[derive(Debug)]
pub struct Running {
    /// The machine.
    pub machine: Box<dyn Instance>,
    /// How it is found and logged in to.
    pub record: InstanceRecord,
    /// What is published, the port for ssh included.
    pub published: Vec<Publish>,
    /// Why nobody can log in by ssh; none where somebody can.
    pub without_key: Option<String>,
    /// What it boots by.
    pub firmware: Firmware,
    /// The file that keeps what it writes.
    pub kept: Option<PathBuf>,
    /// The last, so that its files go when nothing uses them any more.
    _work: WorkFolder,
}

/// Starts an image.
///
/// # Errors
/// `Usage` where it is not clear what is meant, or the disk does not have the firmware; `Files` where the disk is none
/// that can be run; `Host` for what this host lacks, such as a port that is taken.
pub async fn run(
    options: &RunOptions,
    (settings, store): (&Settings, &Arc<Store>),
    records: &Records,
    reporter: &Reporter,
) -> Result<Running, Error> {
    let target = Target::find(records, options.image.as_deref())?;
    ports::free(&options.publish)?;
    let disks = (settings.driver.value.disks)();
    let path = target.path.as_path();
    let (format, size) = instance::whole_disk(disks.as_ref(), path).await.map_err(failed)?;
    let driver = host_driver::open(settings, store, reporter).await?;
    let work = store.begin_build(&instance::folder_name(&unique()))?;
    let kept = match &options.changes {
        Changes::Discarded => None,
        Changes::Kept(file) => {
            let file = file.clone().unwrap_or_else(|| format!("{}.changes.qcow2", target.name).into());
            Some(target.persisted(disks.as_ref(), &file, format)?)
        }
    };
    let (path, format) = if format.is_for_machines() {
        (path.to_owned(), format)
    } else {
        // A machine takes no other format; its copy goes with the rest.
        let copy = work.path().join("disk.qcow2");
        let step = format!("convert {}", target.name);
        let file = DiskFile { path, format };
        let copied = async { disks.import(file, &copy).await.map_err(BuildError::from) };
        reporter.step(&step, copied).await.map_err(failed)?;
        (copy, DiskFormat::Qcow2)
    };
    let looking = instance::look((store, driver.as_ref()), &work, (&path, format));
    let facts = reporter.step(&format!("look into {}", target.name), looking).await.map_err(failed)?;
    let firmware = firmware(options.firmware, &facts, &target)?;

    let first = match &kept {
        Some(file) => {
            if !file.exists() {
                disks
                    .overlay(file, DiskFile { path: &path, format }, size)
                    .map_err(|error| failed(error.into()))?;
            }
            Disk { path: file.clone(), format: DiskFormat::Qcow2, access: DiskAccess::Write }
        }
        None => Disk { path, format, access: DiskAccess::Discard },
    };
    let published = options.publish.clone();
    let mut start = Starting { work, target, firmware, published, disks: vec![first], kept };
    let login = start.seed(&facts)?;
    let machine = MachineSpec {
        cpus: u8::try_from(asked(settings.cpus.as_ref(), |cpus| cpus, CPUS, host_cpus())).unwrap_or(u8::MAX),
        memory_mib: memory(settings),
        start: Start::Firmware(firmware),
        disks: start.disks.clone(),
        payload: Vec::new(),
        network: Network::User,
        run_dir: start.run_dir()?,
        limits: Limits::default(),
    };
    start.run(driver.as_ref(), machine, login).await
}

/// A machine that is about to start.
struct Starting {
    work: WorkFolder,
    target: Target,
    firmware: Firmware,
    published: Vec<Publish>,
    disks: Vec<Disk>,
    kept: Option<PathBuf>,
}

/// How a key gets in.
enum Login {
    /// It is in the seed.
    Key { user: SshKey, host: SshKey, ssh: SshAccess },
    /// Not at all, since: a sentence without a full stop.
    None(String),
}

impl Starting {
    fn run_dir(&self) -> Result<PathBuf, Error> {
        let path = self.work.path().join("machine");
        std::fs::create_dir(&path)
            .map_err(|source| failed(BuildError::Io { action: "create", path: path.clone(), source }))?;
        Ok(path)
    }

    /// Gives the system what it is told when it first boots, if it listens.
    fn seed(&mut self, facts: &Facts) -> Result<Login, Error> {
        let Some(user) = facts.default_user.as_ref().map(|user| user.name.clone()) else {
            let why = "it has no cloud-init with a default user, to whom a key could be given";
            return Ok(Login::None(why.to_owned()));
        };
        let unlucky = |_| Error::message(Class::Host, "this host has no random numbers for a key");
        let (key, host) = (
            SshKey::generate("imgfile-run").map_err(unlucky)?,
            SshKey::generate("imgfile-run").map_err(unlucky)?,
        );
        let own = self.published.iter().find(|port| port.guest == SSH).copied();
        let port = match own {
            Some(port) => port,
            None => {
                let port = Publish { address: Ipv4Addr::LOCALHOST, port: ports::unused()?, guest: SSH };
                self.published.push(port);
                port
            }
        };
        let seed = Seed {
            instance_id: format!("imgfile-{}", unique()),
            host_name: host_name(&self.target.name),
            authorized_keys: vec![key.public.clone()],
            host_key: Some((host.private.clone(), host.public.clone())),
        };
        let path = self.work.path().join("seed.iso");
        seed.write(&path)
            .map_err(|source| failed(BuildError::Io { action: "write", path: path.clone(), source }))?;
        self.disks.push(Disk { path, format: DiskFormat::Raw, access: DiskAccess::Read });
        // One that listens on all addresses is reached at this one, too.
        let address = if port.address.is_unspecified() { Ipv4Addr::LOCALHOST } else { port.address };
        Ok(Login::Key { user: key, host, ssh: SshAccess { user, address, port: port.port } })
    }

    async fn run(self, driver: &dyn Driver, machine: MachineSpec, login: Login) -> Result<Running, Error> {
        let Self { work, target, firmware, published, kept, .. } = self;
        let mut record =
            InstanceRecord { name: target.name, disk: target.path, process: std::process::id(), ssh: None };
        let spec = InstanceSpec { machine, published: published.clone() };
        let machine = driver.run(spec).await.map_err(|fault| failed(fault.into()))?;
        let without_key = match login {
            Login::None(why) => Some(why),
            Login::Key { user, host, ssh } => {
                instance::write_keys(work.path(), &user, &host, &ssh).map_err(failed)?;
                record.ssh = Some(ssh);
                None
            }
        };
        // Found from now on.
        instance::write_record(work.path(), &record).map_err(failed)?;
        Ok(Running { machine, record, published, without_key, firmware, kept, _work: work })
    }
}

/// The firmware that is asked for, if the disk has it; else the one it has.
fn firmware(asked: Option<Firmware>, facts: &Facts, target: &Target) -> Result<Firmware, Error> {
    match asked {
        Some(firmware) if facts.firmware.contains(&firmware) => Ok(firmware),
        Some(firmware) => {
            let has = facts.firmware.iter().map(|one| one.as_str()).collect::<Vec<_>>().join(" and ");
            let has = if has.is_empty() {
                "no boot loader that is known here".to_owned()
            } else {
                format!("one for {has}")
            };
            let text =
                format!("`{}` has no boot loader for {}; it has {has}", target.name, firmware.as_str());
            Err(Error::message(Class::Usage, text))
        }
        None => Ok(facts.firmware.first().copied().unwrap_or(Firmware::Bios)),
    }
}

/// What a flag asks for; else what is usual, or what there is where that is less.
fn asked<T: Copy>(setting: Option<&Setting<T>>, plain: impl Fn(T) -> u32, usual: u32, there: u32) -> u32 {
    match setting {
        Some(Setting { value, origin: Origin::Flag(_) }) => plain(*value),
        Some(Setting { value, .. }) => usual.min(plain(*value)).max(1),
        None => usual.min(there).max(1),
    }
}

/// Memory of the machine, in MiB.
fn memory(settings: &Settings) -> u32 {
    let mib = |size: Size| u32::try_from(size.bytes() >> 20).unwrap_or(u32::MAX);
    let there = u32::try_from(host_memory() >> 20).unwrap_or(u32::MAX);
    asked(settings.memory.as_ref(), mib, u32::try_from(MEMORY_MIB).unwrap_or(u32::MAX), there)
}

/// A host name out of the name of an image: letters, digits and hyphens (RFC 1123).
fn host_name(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = name.chars().map(plain).take(63).collect();
    let name = name.trim_matches('-');
    if name.is_empty() { "image".to_owned() } else { name.to_owned() }
}

/// Of this instance alone, on this machine.
pub(super) fn unique() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    format!("{}-{}", since.as_millis(), std::process::id())
}

fn failed(failure: BuildError) -> Error {
    Error::of_build(vec![failure], &Sources::default())
}

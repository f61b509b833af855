//! From a [`MachineSpec`] to a running QEMU with an agent that has said hello.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read};
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::FutureExt;
use tokio::net::UnixStream;

use super::super::{
    Disk, DiskAccess, DiskFormat, DriverError, Firmware, InstanceSpec, MachineSpec, Network, Publish, Start,
};
use super::super::{agent, iso};
use super::channel::Channel;
use super::command::{Boot, CommandLine, Console, Front, UefiFiles};
use super::console::tail;
use super::guest::{Files, Guest};
use super::instance::QemuInstance;
use super::qmp::Qmp;
use super::saved_state::SavedState;
use super::shared::{Accelerator, Host, RunningKernel};
use super::{clock, initramfs, masks, tool};
use crate::cell::{self, Access, Cell, Network as Reach, PublishedPort, WallMissing};
use crate::store::room;
use crate::text::Digest;
use imgfile_agent::protocol::EPOCH_PARAMETER;
use imgfile_agent::protocol::message::Request;
use imgfile_agent::protocol::wire::Bytes;

/// What every kernel of ours is told. `panic=-1` and QEMU's `-no-reboot` make a panic an end;
/// without mitigations and zeroing, an emulated machine is quicker and no less safe. `cloud-init=disabled`
/// is for systems where no unit can be masked.
const KERNEL_LINE: &str = "console=ttyS0 quiet loglevel=4 panic=-1 mitigations=off init_on_alloc=0 \
    no_timer_check net.ifnames=0 enforcing=0 rw \
    systemd.tty.term.ttyS0=dumb systemd.tty.rows.ttyS0=24 systemd.tty.columns.ttyS0=80 \
    systemd.tty.term.console=dumb systemd.tty.rows.console=24 systemd.tty.columns.console=80 \
    systemd.show_status=error plymouth.enable=0 cloud-init=disabled";

/// What the build kernel is told besides: its security modules but those that only measure, and but `bpf`,
/// whose program systemd loads at its start, for most of a second of an emulated machine.
const BUILD_KERNEL_LINE: &str = "lsm=landlock,lockdown,yama,apparmor";

/// Where a machine's payload disk is.
pub(super) fn payload_path(spec: &MachineSpec) -> PathBuf {
    spec.run_dir.join("payload.iso")
}

/// The payload's name in the guest: the disk after the last of the machine's own.
pub(super) fn payload_device(spec: &MachineSpec) -> String {
    let letter = char::from(b'a' + u8::try_from(spec.disks.len()).unwrap_or(0).min(25));
    format!("vd{letter}")
}

fn failed(doing: impl Into<String>) -> impl FnOnce(io::Error) -> DriverError {
    let doing = doing.into();
    move |source| {
        if let Some(missing) = source.get_ref().and_then(|inner| inner.downcast_ref::<WallMissing>()) {
            return missing.clone().into();
        }
        if room::is_full(&source) { DriverError::HostFull } else { DriverError::Host { doing, source } }
    }
}

/// The agent's epoch in the initramfs.
const EPOCH: u32 = 1;

/// A kernel with the agent's initramfs, as QEMU starts it.
struct KernelFiles {
    image: PathBuf,
    initramfs: PathBuf,
    /// What the kernel is told, without what only holds for this host.
    line: String,
    arguments: String,
}

impl KernelFiles {
    fn write(host: &Host, spec: &MachineSpec, kernel: &RunningKernel) -> Result<Self, DriverError> {
        let (image, early): (PathBuf, &[(String, Vec<u8>)]) = match kernel {
            RunningKernel::Build => (host.kernel.image(), &[]),
            RunningKernel::Image(kept) => (kept.image.clone(), &kept.early),
        };
        let initramfs = spec.run_dir.join("initramfs");
        initramfs::write(agent::PROGRAM, early)
            .and_then(|archive| fs::write(&initramfs, archive))
            .map_err(failed("write the initramfs"))?;
        let line = match kernel {
            RunningKernel::Build => format!("{KERNEL_LINE} {BUILD_KERNEL_LINE} {EPOCH_PARAMETER}={EPOCH}"),
            RunningKernel::Image(_) => format!("{KERNEL_LINE} {EPOCH_PARAMETER}={EPOCH}"),
        };
        let mut arguments = line.clone();
        if host.accelerator != Accelerator::Kvm
            && let Some(khz) = clock::tsc_khz()
        {
            let _ = write!(arguments, " tsc=reliable tsc_early_khz={khz}");
        }
        Ok(Self { image, initramfs, line, arguments })
    }

    fn boot(&self) -> Boot<'_> {
        let (kernel, initramfs) = (&*self.image, &*self.initramfs);
        Boot::Kernel { kernel, initramfs, arguments: self.arguments.clone() }
    }
}

/// Starts QEMU with a kernel and the agent's initramfs, or with the memory of a machine that has come so far
/// before.
pub(super) async fn kernel(
    host: &Host,
    spec: &MachineSpec,
    kernel: &RunningKernel,
) -> Result<Guest, DriverError> {
    let files = KernelFiles::write(host, spec, kernel)?;
    let (boot, line) = (files.boot(), &files.line);
    let parts = Parts::of(host, spec).await?;
    let saved = match kernel {
        RunningKernel::Build => SavedState::of(host, &parts.machine(host, spec, &boot), line),
        // It has loaded a driver of its disks by the time its agent speaks.
        RunningKernel::Image(_) => None,
    };
    if let Some(saved) = &saved
        && let Some(memory) = saved.memory()
    {
        match resume(host, spec, &parts, &boot, (memory.path(), EPOCH)).await {
            Ok(Some(mut guest)) => {
                guest.loaded.extend(saved.drivers());
                guest.connected().await?;
                return Ok(guest);
            }
            // That its processor lost a timer is not the memory's fault.
            Ok(None) => {}
            // Of another time, or broken: what a boot makes anew needs no repair.
            Err(_) => memory.forget(),
        }
    }
    let mut guest =
        Guest::that_comes_up(|| parts.launch(host, spec, &boot, None).boxed(), EPOCH, spec.limits.start)
            .await?;
    if let Some(saved) = saved {
        saved.keep(host, &mut guest, &spec.run_dir).await?;
    }
    tell_time_and_seed(&mut guest).await?;
    guest.connected().await?;
    Ok(guest)
}

/// A machine that goes on from `memory`, in which the agent of this epoch listens; none if its kernel is stuck.
async fn resume(
    host: &Host,
    spec: &MachineSpec,
    parts: &Parts,
    boot: &Boot<'_>,
    (memory, epoch): (&Path, u32),
) -> Result<Option<Guest>, DriverError> {
    let mut guest = parts.launch(host, spec, boot, Some(memory)).await?;
    guest.migrate("resume a machine", "migrate-incoming", memory).await?;
    // One that stood still when it was saved stands still.
    guest.go_on("resume a machine").await?;
    guest.take_up(epoch);
    let stuck = guest.stuck();
    tokio::select! {
        biased;
        answered = tell_time_and_seed(&mut guest) => answered?,
        () = stuck => {
            guest.kill().await?;
            return Ok(None);
        }
    }
    Ok(Some(guest))
}

/// Goes on with a machine that was saved after a boot, with the image's disk as it was then; `payload` is the size of
/// a payload disk that it had, which nothing of a booted system looks at.
pub(super) async fn booted(
    host: &Host,
    spec: &MachineSpec,
    kernel: &RunningKernel,
    payload: Option<u64>,
    saved: (&Path, u32),
) -> Result<Guest, DriverError> {
    let files = KernelFiles::write(host, spec, kernel)?;
    let boot = files.boot();
    let mut parts = Parts::of(host, spec).await?;
    if let Some(size) = payload {
        let path = payload_path(spec);
        let made = File::create(&path).and_then(|file| file.set_len(size));
        made.map_err(failed("make a payload disk"))?;
        parts.payload = Some(path);
    }
    let resumed = tokio::time::timeout(RESUME, resume(host, spec, &parts, &boot, saved)).await;
    let stuck = || DriverError::Hang {
        doing: "resume a booted machine".to_owned(),
        after: RESUME,
        console: tail(&spec.console()),
        screen: None,
    };
    let mut guest = resumed.map_err(|_| stuck())??.ok_or_else(stuck)?;
    guest.connected().await?;
    Ok(guest)
}

/// What the guest of a booted machine is, beside what is on its disk: see [`super::super::Driver::make`]. None where
/// booting is as quick.
pub(super) fn make(host: &Host, spec: &MachineSpec) -> Option<Digest> {
    if host.accelerator == Accelerator::Kvm {
        return None;
    }
    let boot = Boot::Kernel { kernel: Path::new(""), initramfs: Path::new(""), arguments: String::new() };
    let parts = Parts { disks: spec.disks.clone(), payload: None };
    let front = parts.machine(host, spec, &boot);
    let mut words = vec![host.fingerprint(), host.kernel.digest().to_owned()];
    words.push(Digest::of(agent::PROGRAM).to_string());
    words.extend([KERNEL_LINE, BUILD_KERNEL_LINE].map(str::to_owned));
    words.push(format!("{:?} {:?}", spec.network, host.outside));
    words.extend(masks::units().map(str::to_owned));
    words.extend(masks::drop_ins().into_iter().map(|(unit, text)| format!("{unit}\n{text}")));
    words.extend(masks::GENERATORS.iter().map(|&generator| generator.to_owned()));
    words.extend(front.arguments());
    Some(Digest::of(words.join("\0")))
}

/// How long a saved machine may take to go on, on however busy a host: then it is booted instead.
const RESUME: Duration = Duration::from_secs(30);

/// Tells the guest what it cannot know: the time, and something that no other machine knows.
pub(super) async fn tell_time_and_seed(guest: &mut Guest) -> Result<(), DriverError> {
    let mut seed = vec![0; 32];
    File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut seed))
        .map_err(failed("read random bytes"))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let request =
        Request::Wake { seconds: now.as_secs(), nanoseconds: now.subsec_nanos(), seed: Bytes(seed) };
    guest.ask("start", request).await.map(|_| ())
}

/// Starts QEMU from its first disk; `epoch` is the planted agent's.
pub(super) async fn firmware(
    host: &Host,
    spec: &MachineSpec,
    firmware: Firmware,
    epoch: u32,
) -> Result<Guest, DriverError> {
    let uefi = match firmware {
        Firmware::Bios => None,
        Firmware::Uefi => Some(uefi(&spec.run_dir)?),
    };
    let boot = Boot::Firmware { firmware, uefi: uefi.as_ref() };
    let mut guest = Parts::of(host, spec).await?.launch(host, spec, &boot, None).await?;
    if let Err(fault) = guest.hello("boot from its own disk", epoch, spec.limits.start).await {
        return Err(guest.pictured(fault).await);
    }
    guest.connected().await?;
    Ok(guest)
}

fn uefi(run_dir: &Path) -> Result<UefiFiles, DriverError> {
    let (code, template) = super::host::firmware()?;
    let variables = run_dir.join("uefi-variables.fd");
    // Read and written, not copied: the template is read-only for everyone.
    fs::read(template)
        .and_then(|content| fs::write(&variables, content))
        .map_err(failed("copy OVMF's variables"))?;
    Ok(UefiFiles { code, variables })
}

/// Beyond the guest's memory, what an emulator may take: it keeps up to 1 GiB of translated code, and parts of the
/// disks.
const EMULATOR_MEMORY: u64 = 2 << 30;

/// A pair of connected sockets: one for QEMU to inherit, one for us.
fn pair() -> io::Result<(OwnedFd, UnixStream)> {
    let (theirs, ours) = StdStream::pair()?;
    ours.set_nonblocking(true)?;
    Ok((theirs.into(), UnixStream::from_std(ours)?))
}

/// The disks of a machine, ready to be attached.
struct Parts {
    disks: Vec<Disk>,
    payload: Option<PathBuf>,
}

impl Parts {
    async fn of(host: &Host, spec: &MachineSpec) -> Result<Self, DriverError> {
        let mut disks = Vec::new();
        for (index, disk) in spec.disks.iter().enumerate() {
            disks.push(if disk.access == DiskAccess::Discard {
                discarded(host, spec, index, disk).await?
            } else {
                disk.clone()
            });
        }
        let payload = if spec.payload.is_empty() { None } else { Some(payload(spec).await?) };
        Ok(Self { disks, payload })
    }

    /// What the guest sees of its machine.
    fn machine<'a>(&'a self, host: &Host, spec: &MachineSpec, boot: &'a Boot<'a>) -> Front<'a> {
        Front {
            accelerator: host.accelerator,
            cpus: spec.cpus,
            memory_mib: spec.memory_mib,
            boot,
            disks: &self.disks,
            payload: self.payload.as_deref(),
            network: spec.network,
            agent: true,
        }
    }

    async fn launch(
        &self,
        host: &Host,
        spec: &MachineSpec,
        boot: &Boot<'_>,
        memory: Option<&Path>,
    ) -> Result<Guest, DriverError> {
        // Sockets that QEMU inherits: no paths, so no length limit and nothing to leave behind.
        let (monitor, our_monitor) = pair().map_err(failed("make a socket"))?;
        let (agent, our_agent) = pair().map_err(failed("make a socket"))?;
        let files = Files { console: spec.console(), stderr: spec.run_dir.join("qemu.log") };
        let line = CommandLine {
            program: &host.qemu,
            front: self.machine(host, spec, boot),
            console: Console::File(&files.console),
            monitor: &monitor,
            agent: Some(&agent),
            resumed: memory.is_some(),
            forwards: &[],
            reboots: false,
        };
        let mut cell = line.cell();
        let stderr = File::create(&files.stderr).map_err(failed("write QEMU's log"))?;
        self.show(host, spec, boot, &mut cell).map_err(failed("look at the machine's disks"))?;
        if let Some(memory) = memory {
            cell.read(memory);
        }
        if spec.network == Network::User {
            cell.network(Reach::Outside(host.outside));
        }
        cell.stderr(stderr).inherit(monitor).inherit(agent);
        let start = format!("start {}", host.qemu.display());
        let process = cell.start().map_err(failed(start.clone()))?;
        let qmp = Qmp::connect(our_monitor).await.map_err(failed(start))?;
        Ok(Guest::new(Channel::new(our_agent), qmp, process, files, spec.limits.operation))
    }
}

/// Ports of a cell that lead to a guest, from the first of them on. They are its own: nothing else listens there.
const FIRST_INNER_PORT: u16 = 20_000;

/// Starts QEMU from the first disk, with nothing of ours in it.
pub(super) async fn instance(host: &Host, spec: &InstanceSpec) -> Result<QemuInstance, DriverError> {
    let machine = &spec.machine;
    let Start::Firmware(firmware) = machine.start else {
        return Err(DriverError::Unsupported { what: "an instance boots by its own boot loader".into() });
    };
    let uefi = match firmware {
        Firmware::Bios => None,
        Firmware::Uefi => Some(uefi(&machine.run_dir)?),
    };
    let boot = Boot::Firmware { firmware, uefi: uefi.as_ref() };
    let parts = Parts::of(host, machine).await?;
    let (monitor, our_monitor) = pair().map_err(failed("make a socket"))?;
    let (console, our_console) = pair().map_err(failed("make a socket"))?;
    // In a network of its own QEMU listens where `pasta` leads to; else it is the host's, and it listens there itself.
    let own_network = cell::walls().network.missing.is_none();
    let inner = (FIRST_INNER_PORT..).zip(&spec.published);
    let forwards: Vec<_> = inner
        .clone()
        .map(|(inner, port)| {
            let at = if own_network { (Ipv4Addr::UNSPECIFIED, inner) } else { (port.address, port.port) };
            (at.0, at.1, port.guest)
        })
        .collect();
    let line = CommandLine {
        program: &host.qemu,
        front: Front { agent: false, ..parts.machine(host, machine, &boot) },
        console: Console::Socket(&console),
        monitor: &monitor,
        agent: None,
        resumed: false,
        forwards: &forwards,
        reboots: true,
    };
    let mut cell = line.cell();
    let log = machine.run_dir.join("qemu.log");
    let stderr = File::create(&log).map_err(failed("write QEMU's log"))?;
    parts.show(host, machine, &boot, &mut cell).map_err(failed("look at the machine's disks"))?;
    if machine.network == Network::User {
        cell.network(Reach::Outside(host.outside));
        for (inner, Publish { address, port, .. }) in inner {
            cell.publish(PublishedPort { address: *address, port: *port, inner });
        }
    }
    cell.stderr(stderr).inherit(monitor).inherit(console);
    let start = format!("start {}", host.qemu.display());
    let process = cell.start().map_err(failed(start.clone()))?;
    let qmp = Qmp::connect(our_monitor).await.map_err(failed(start))?;
    let mut instance = QemuInstance::new(process, qmp, our_console, log);
    instance.connected().await?;
    Ok(instance)
}

impl Parts {
    /// Shows QEMU the files of the machine, and bounds what it writes and takes.
    fn show(&self, host: &Host, spec: &MachineSpec, boot: &Boot<'_>, cell: &mut Cell) -> io::Result<()> {
        cell.write(&spec.run_dir);
        let mut bound = tool::largest_file(u64::from(spec.memory_mib) << 20);
        for disk in &self.disks {
            let access = if disk.access == DiskAccess::Read { Access::Read } else { Access::Write };
            tool::show_disk(cell, &disk.path, access)?;
            bound = bound.max(tool::largest_file(tool::size_of(&disk.path)?));
        }
        cell.file_size(bound).memory((u64::from(spec.memory_mib) << 20).saturating_add(EMULATOR_MEMORY));
        if let Boot::Kernel { kernel, initramfs, .. } = boot {
            cell.read(*kernel).read(*initramfs);
        }
        if host.accelerator == Accelerator::Kvm {
            cell.show("/dev/kvm", Access::Device);
        }
        Ok(())
    }
}

/// An overlay that takes the writes; made once for a machine, whatever number of processes it has.
async fn discarded(host: &Host, spec: &MachineSpec, index: usize, disk: &Disk) -> Result<Disk, DriverError> {
    let path = spec.run_dir.join(format!("discarded-{index}.qcow2"));
    if !path.exists() {
        overlay(&host.qemu_img, disk, &path).await?;
    }
    Ok(Disk { path, format: DiskFormat::Qcow2, access: DiskAccess::Write })
}

async fn overlay(qemu_img: &Path, disk: &Disk, to: &Path) -> Result<(), DriverError> {
    let doing = format!("make an overlay of {}", disk.path.display());
    let backing = fs::canonicalize(&disk.path).map_err(failed(doing.clone()))?;
    let format = disk.format.qemu();
    let start = format!("start {}", qemu_img.display());
    let mut cell = Cell::new(qemu_img);
    cell.args(["create", "-q", "-f", "qcow2", "-F", format, "-b"]).arg(&backing).arg(to);
    let shown = tool::show_disk(&mut cell, &backing, Access::Read);
    shown.and_then(|()| tool::show_output(&mut cell, to)).map_err(failed(doing.clone()))?;
    let (status, reason) = tool::run(cell).await.map_err(failed(start))?;
    if status.success() {
        return Ok(());
    }
    if room::says_full(&reason) {
        return Err(DriverError::HostFull);
    }
    Err(DriverError::Host { doing, source: io::Error::other(reason) })
}

async fn payload(spec: &MachineSpec) -> Result<PathBuf, DriverError> {
    let path = payload_path(spec);
    if path.exists() {
        return Ok(path);
    }
    let (files, to) = (spec.payload.clone(), path.clone());
    let written = tokio::task::spawn_blocking(move || iso::write("PAYLOAD", &files, &to)).await;
    written.map_err(io::Error::other).and_then(|result| result).map_err(failed("write the payload disk"))?;
    Ok(path)
}

/// A small machine without disks or network: does a guest come up at all under `accelerator`?
pub(super) fn bare(run_dir: &Path, limits: super::super::Limits) -> MachineSpec {
    MachineSpec {
        cpus: 1,
        memory_mib: 256,
        start: Start::Offline,
        disks: Vec::new(),
        payload: Vec::new(),
        network: Network::None,
        run_dir: run_dir.to_owned(),
        limits,
    }
}

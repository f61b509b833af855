//! The QEMU driver: real machines, without root, with or without hardware virtualisation.
//!
//! [`start`] makes a process, [`guest`] speaks with the agent in it, [`machine`] knows the stages.
//! The agent only does; what to mount, which kernel to boot, what a disk is, is decided here, by
//! pure functions over what the agent reads ([`superblock`], [`table`], [`layout`], [`look`]).

mod accelerator;
pub mod backing;
mod clock;
mod command;
mod console;
#[doc(hidden)]
pub mod fuzzed;
mod guest;
mod image_kernel;
mod initramfs;
mod inject_agent;
mod iso;
mod kernel;
mod kernels;
mod layout;
mod line;
mod look;
mod machine;
mod masks;
mod qmp;
mod saved_state;
mod start;
mod superblock;
mod table;
pub mod tool;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use futures_util::FutureExt;

use super::inspect::Init;
use super::{
    Accelerator, BootOptions, Capabilities, DiskAccess, Driver, DriverError, Firmware, Machine, MachineSpec,
    Op, Stage, Start,
};
use crate::cell::Outside;
use crate::model::Arch;
use machine::QemuMachine;
use start::{Host, RunningKernel};

pub use accelerator::Choice as AcceleratorChoice;
pub use kernel::BuildKernel;

/// The guest agent's program, built by `build.rs`.
const AGENT: &[u8] = include_bytes!(env!("IMGFILE_AGENT"));

/// Runs machines with `qemu-system-x86_64`.
#[derive(Debug)]
pub struct QemuDriver {
    host: Arc<Host>,
    capabilities: Capabilities,
}

impl QemuDriver {
    /// Finds QEMU and decides on the accelerator, by a probe machine whose answer is kept in
    /// `machines`, a folder of the store, as is the memory of machines that have just come up.
    pub async fn new(
        kernel: BuildKernel,
        accelerator: AcceleratorChoice,
        machines: &Path,
    ) -> Result<Self, DriverError> {
        let (qemu, qemu_img) = programs()?;
        let mut host = Host {
            qemu,
            qemu_img,
            accelerator: Accelerator::Tcg,
            kernel,
            saved_states: machines.to_owned(),
            outside: Outside::default(),
        };
        let decision = accelerator::decide(&mut host, accelerator, machines).await?;
        let capabilities = Capabilities {
            name: "qemu".into(),
            archs: vec![Arch::X86_64],
            os_types: vec!["linux".into()],
            firmware: vec![Firmware::Bios, Firmware::Uefi],
            booted_stage: true,
            accelerator: host.accelerator,
            note: decision,
            agent_version: agent_version(),
        };
        Ok(Self { host: Arc::new(host), capabilities })
    }

    /// Lets guests reach private networks too.
    #[must_use]
    pub fn reaching_private_networks(mut self, allowed: bool) -> Self {
        if let Some(host) = Arc::get_mut(&mut self.host) {
            host.outside.private = allowed;
        }
        self
    }

    async fn do_start(&self, spec: MachineSpec) -> Result<Box<dyn Machine>, DriverError> {
        let host = Arc::clone(&self.host);
        let machine = match spec.start {
            Start::Offline => {
                let guest = start::kernel(&host, &spec, &RunningKernel::Build).await?;
                QemuMachine::new(host, spec, guest, RunningKernel::Build, Stage::Offline, Init::Other)
            }
            Start::Firmware(firmware) => self.start_disk(spec, firmware).await?,
        };
        Ok(Box::new(machine))
    }

    /// Plants the agent in an overlay of the first disk, then lets the disk boot itself.
    async fn start_disk(
        &self,
        mut spec: MachineSpec,
        firmware: Firmware,
    ) -> Result<QemuMachine, DriverError> {
        if let Some(disk) = spec.disks.first_mut() {
            disk.access = DiskAccess::Discard;
        }
        let deadline = Instant::now() + BootOptions::default().timeout;
        let guest = start::kernel(&self.host, &spec, &RunningKernel::Build).await?;
        let mut planting = Box::new(QemuMachine::new(
            Arc::clone(&self.host),
            spec.clone(),
            guest,
            RunningKernel::Build,
            Stage::Offline,
            Init::Other,
        ));
        let init = planting.plant(AGENT).await?;
        planting.power_off().await?;
        let guest = start::firmware(&self.host, &spec, firmware, inject_agent::EPOCH).await?;
        let mut machine =
            QemuMachine::new(Arc::clone(&self.host), spec, guest, RunningKernel::Build, Stage::Booted, init);
        machine.settle(deadline).await?;
        Ok(machine)
    }
}

impl Driver for QemuDriver {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn start(&self, spec: MachineSpec) -> Op<'_, Box<dyn Machine>> {
        self.do_start(spec).boxed()
    }
}

/// Identifies the agent's program in step keys: equal agents do equal things.
#[must_use]
pub fn agent_version() -> String {
    use sha2::{Digest, Sha256};
    hex::encode(&Sha256::digest(AGENT)[..8])
}

/// The emulator and its tool for disks. Asked for before anything is fetched, their absence is told at once.
pub fn programs() -> Result<(PathBuf, PathBuf), DriverError> {
    Ok((find("qemu-system-x86_64", "qemu-system-x86")?, find("qemu-img", "qemu-utils")?))
}

/// A program in PATH, or in the folders that an ordinary user's PATH leaves out.
fn find(program: &str, package: &str) -> Result<PathBuf, DriverError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/libexec"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
        .ok_or_else(|| DriverError::HostLacks {
            what: format!("`{program}`"),
            install: format!("install it, on Debian and Ubuntu with `sudo apt-get install {package}`"),
        })
}

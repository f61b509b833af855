//! The QEMU driver: real machines, without root, with or without hardware virtualisation.
//!
//! [`start`] makes a process, [`guest`] speaks with the agent in it, [`machine`] knows the stages.
//! The agent only does; what to mount, which kernel to boot, what a disk is, is decided here, by
//! pure functions over what the agent reads ([`superblock`], [`table`], [`layout`], [`look`]).

mod accelerator;
mod backing;
mod channel;
mod clock;
mod command;
mod console;
mod disks;
mod format;
#[doc(hidden)]
pub mod fuzzed;
mod guest;
mod host;
mod image_kernel;
mod image_lock;
mod initramfs;
mod inject_agent;
mod instance;
mod kernels;
mod layout;
mod live;
mod look;
mod machine;
mod managed;
mod masks;
mod qcow2;
mod qmp;
mod saved_state;
mod shared;
mod start;
mod superblock;
mod table;
mod tool;
mod tree;
mod worker;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use futures_util::FutureExt;

use super::inspect::Init;
use super::{
    AcceleratorChoice, BootOptions, BuildKernel, Capabilities, DiskAccess, DiskFormat, Disks, Driver,
    DriverEntry, DriverError, DriverOptions, Firmware, Instance, InstanceSpec, Machine, MachineSpec, Op,
    Stage, Start, agent,
};
use crate::cell::Outside;
use crate::model::Arch;
use crate::text::Digest;
use machine::QemuMachine;
use shared::{Accelerator, Host, RunningKernel};

pub use disks::QemuDisks;

/// How `--driver` finds it.
pub(super) const ENTRY: DriverEntry = DriverEntry {
    capabilities: &Capabilities {
        driver: "qemu",
        archs: &[Arch::X86_64],
        firmware: &Firmware::ALL,
        formats: &DiskFormat::ALL,
        boots: true,
    },
    disks: || Arc::new(QemuDisks),
    needs: host::NEEDS,
    accelerator: accelerator::tried,
    boot: |disk| format!("{} -m 2G -snapshot {disk}", Arch::X86_64.emulator()),
    live: |machine| live::copy(machine),
    generalize: |machine| live::generalize(machine),
    look_managed: |machine| managed::look(machine),
    copy_managed: |machine, folder| managed::copy(machine, folder),
    open: |options| open(options).boxed(),
};

async fn open(options: DriverOptions<'_>) -> Result<Box<dyn Driver>, DriverError> {
    let driver = QemuDriver::new(options.kernel, options.accelerator, options.machines).await?;
    Ok(Box::new(driver.reaching_private_networks(options.private_network)))
}

/// Runs machines with QEMU's emulator, or its accelerator.
#[derive(Debug)]
pub struct QemuDriver {
    host: Arc<Host>,
    /// About the accelerator.
    note: Option<String>,
}

impl QemuDriver {
    /// Finds QEMU and decides on the accelerator, by a probe machine whose answer is kept in
    /// `machines`, a folder of the store, as is the memory of machines that have just come up.
    pub async fn new(
        kernel: BuildKernel,
        accelerator: AcceleratorChoice,
        machines: &Path,
    ) -> Result<Self, DriverError> {
        let (qemu, qemu_img) = host::programs()?;
        let mut host = Host {
            qemu,
            qemu_img,
            accelerator: Accelerator::Tcg,
            kernel,
            saved_states: machines.to_owned(),
            outside: Outside::default(),
        };
        let note = accelerator::decide(&mut host, accelerator, machines).await?;
        Ok(Self { host: Arc::new(host), note })
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
        let mut injecting = Box::new(QemuMachine::new(
            Arc::clone(&self.host),
            spec.clone(),
            guest,
            RunningKernel::Build,
            Stage::Offline,
            Init::Other,
        ));
        let init = injecting.inject_agent(agent::PROGRAM).await?;
        injecting.power_off().await?;
        let guest = start::firmware(&self.host, &spec, firmware, inject_agent::EPOCH).await?;
        let mut machine =
            QemuMachine::new(Arc::clone(&self.host), spec, guest, RunningKernel::Build, Stage::Booted, init);
        machine.wait_until_started(deadline).await?;
        Ok(machine)
    }
}

impl Driver for QemuDriver {
    fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    fn is_accelerated(&self) -> bool {
        self.host.accelerator == Accelerator::Kvm
    }

    fn disks(&self) -> Arc<dyn Disks> {
        Arc::new(QemuDisks)
    }

    fn start(&self, spec: MachineSpec) -> Op<'_, Box<dyn Machine>> {
        self.do_start(spec).boxed()
    }

    fn make(&self, spec: &MachineSpec) -> Option<Digest> {
        start::make(&self.host, spec)
    }

    fn resume<'a>(&'a self, spec: MachineSpec, from: &'a Path) -> Op<'a, Box<dyn Machine>> {
        async move {
            let machine = QemuMachine::resume(Arc::clone(&self.host), spec, from).await?;
            Ok(Box::new(machine) as Box<dyn Machine>)
        }
        .boxed()
    }

    fn run(&self, spec: InstanceSpec) -> Op<'_, Box<dyn Instance>> {
        async move {
            let instance = start::instance(&self.host, &spec).await?;
            Ok(Box::new(instance) as Box<dyn Instance>)
        }
        .boxed()
    }
}

//! A machine as it is just after a boot of the image, written into a folder: its memory, its disk, and what this side
//! knows of it. Another process goes on from there, in less than a second, where an emulated machine takes seven to
//! boot.
//!
//! Memory and disk are of one moment: the machine stands still while both are written. What goes on from one folder
//! more than once is told the time, and given a random seed of its own, before anything else is asked of it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::super::kernel::Modules;
use super::super::super::{Disk, DiskAccess, DriverError, Init, MachineSpec, Stage};
use super::super::image_kernel::Kept;
use super::super::saved_state::{ROOM, has_room};
use super::super::shared::{Host, RunningKernel};
use super::super::start;
use super::QemuMachine;
use super::system::Mounted;

/// The files of such a folder. Those of a kernel's drivers are numbered.
const MEMORY: &str = "memory";
const DISK: &str = "disk.qcow2";
const KNOWN: &str = "machine.json";
const KERNEL: &str = "vmlinuz";

/// What is known of a machine on this side.
#[derive(Debug, Serialize, Deserialize)]
struct Known {
    /// Of the agent in the booted system.
    epoch: u32,
    /// Modules that were sent to the running kernel.
    loaded: Vec<String>,
    mounted: Vec<Mounted>,
    links: Vec<(String, String)>,
    init: Init,
    placeholder: bool,
    /// The image's own kernel, if that is what runs.
    kernel: Option<KnownKernel>,
    /// Bytes of its payload disk.
    payload: Option<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
struct KnownKernel {
    release: String,
    modules: Modules,
    /// Names of the drivers in its initramfs.
    early: Vec<String>,
}

/// The file of a driver in the initramfs.
fn driver(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("driver-{number}"))
}

fn host(doing: &str) -> impl FnOnce(io::Error) -> DriverError {
    let doing = doing.to_owned();
    move |source| DriverError::Host { doing, source }
}

impl QemuMachine {
    pub(super) async fn do_save(&mut self, to: &Path) -> Result<bool, DriverError> {
        let doing = "save the booted machine";
        self.expect(&[Stage::Booted], doing)?;
        // Another init's agent is nobody's service, and its shutdown starts the machine anew anyway.
        if self.init != Init::Systemd || !has_room(to, ROOM) {
            return Ok(false);
        }
        let [Disk { path: disk, access: DiskAccess::Write, .. }] = &self.spec.disks[..] else {
            return Ok(false);
        };
        let disk = disk.clone();
        if self.write_known(to).is_err() {
            return Ok(false);
        }
        // QEMU sees no folder but the machine's own.
        let memory = self.spec.run_dir.join(MEMORY);
        let guest = self.guest()?;
        guest.execute(doing, "stop", serde_json::json!({})).await?;
        let written = match guest.migrate(doing, "migrate", &memory).await {
            // The machine stands still, and all it wrote is in the file of its disk.
            Ok(()) => {
                fs::copy(&disk, to.join(DISK)).and_then(|_| fs::rename(&memory, to.join(MEMORY))).is_ok()
            }
            // QEMU's own refusal, for want of room or because it writes no such file (before 8.2).
            Err(DriverError::Host { .. }) => false,
            Err(fault) => return Err(fault),
        };
        guest.go_on(doing).await?;
        // Whoever goes on from what was written is a twin until this.
        start::tell_time_and_seed(guest).await?;
        let _ = fs::remove_file(&memory);
        Ok(written)
    }

    fn write_known(&mut self, to: &Path) -> io::Result<()> {
        let payload = match &self.spec.payload[..] {
            [] => None,
            _ => Some(fs::metadata(start::payload_path(&self.spec))?.len()),
        };
        let kernel = match &self.kernel {
            RunningKernel::Build => None,
            RunningKernel::Image(kept) => {
                fs::copy(&kept.image, to.join(KERNEL))?;
                for (number, (_, content)) in kept.early.iter().enumerate() {
                    fs::write(driver(to, number), content)?;
                }
                Some(KnownKernel {
                    release: kept.release.clone(),
                    modules: kept.modules.clone(),
                    early: kept.early.iter().map(|(name, _)| name.clone()).collect(),
                })
            }
        };
        let guest = self.guest().map_err(io::Error::other)?;
        let epoch = guest.next_epoch() - 1;
        let mut loaded: Vec<String> = guest.loaded.iter().cloned().collect();
        loaded.sort();
        let known = Known {
            epoch,
            loaded,
            mounted: self.mounted.clone(),
            links: self.links.clone(),
            init: self.init,
            placeholder: self.placeholder,
            kernel,
            payload,
        };
        fs::write(to.join(KNOWN), serde_json::to_vec(&known)?)
    }

    /// Goes on from such a folder.
    pub(in super::super) async fn resume(
        shared: Arc<Host>,
        spec: MachineSpec,
        from: &Path,
    ) -> Result<Self, DriverError> {
        let doing = "resume the booted machine";
        let known = read_known(from).map_err(host(doing))?;
        let Some(disk) = spec.disks.first() else {
            return Err(DriverError::Unsupported {
                what: "a machine without a disk was never booted".into(),
            });
        };
        fs::copy(from.join(DISK), &disk.path).map_err(host(doing))?;
        let kernel = match known.kernel {
            None => RunningKernel::Build,
            Some(kernel) => {
                RunningKernel::Image(Arc::new(kernel_of(kernel, from, &spec.run_dir).map_err(host(doing))?))
            }
        };
        let memory = from.join(MEMORY);
        let mut guest = start::booted(&shared, &spec, &kernel, known.payload, (&memory, known.epoch)).await?;
        guest.loaded.extend(known.loaded);
        let mut machine = Self::new(shared, spec, guest, kernel, Stage::Booted, known.init);
        machine.mounted = known.mounted;
        machine.links = known.links;
        machine.placeholder = known.placeholder;
        machine.was_booted = true;
        Ok(machine)
    }
}

fn read_known(from: &Path) -> io::Result<Known> {
    Ok(serde_json::from_slice(&fs::read(from.join(KNOWN))?)?)
}

/// The image's kernel, laid into the machine's own folder: the saved one may go at any time.
fn kernel_of(known: KnownKernel, from: &Path, run_dir: &Path) -> io::Result<Kept> {
    let image = run_dir.join(KERNEL);
    fs::copy(from.join(KERNEL), &image)?;
    let early = known.early.into_iter().enumerate();
    let early = early
        .map(|(number, name)| Ok((name, fs::read(driver(from, number))?)))
        .collect::<io::Result<Vec<_>>>()?;
    Ok(Kept { release: known.release, image, early, modules: known.modules })
}

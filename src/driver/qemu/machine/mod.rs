//! [`Machine`] on QEMU: the stages and the ways between them.

mod boot;
mod commands;
mod saved_boot;
mod system;

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use futures_util::FutureExt;
use imgfile_agent::protocol::message::{Answer, Request};
use serde_json::json;

use super::super::inspect::{Facts, RootFs};
use super::super::{
    BootOptions, Disk, DiskAccess, DiskFormat, DriverError, Exec, ExecEnd, Init, Machine, MachineSpec,
    MountOptions, Network, Op, RootSource, Sink, Stage, TerminalInput, TerminalSize,
};
use super::console::tail;
use super::guest::{Guest, unexpected_answer};
use super::layout::Layout;
use super::shared::{Host, RunningKernel};
use super::start;
use super::table::{self, Growth};
use super::{command, kernels, look, tree};
use crate::model::{DiskLayout, FileContent, MountPoint, SystemTree, TreeLimits};
use crate::text::Digest;
use system::Mounted;

/// QEMU's user-mode network: our address, and the resolver it offers.
const ADDRESS: ([u8; 4], u8, [u8; 4]) = ([10, 0, 2, 15], 24, [10, 0, 2, 2]);
const RESOLVER: &str = "nameserver 10.0.2.3\n";

/// A machine of the QEMU driver.
#[derive(Debug)]
pub(super) struct QemuMachine {
    host: Arc<Host>,
    spec: MachineSpec,
    /// None only between the end of one process and the start of the next.
    guest: Option<Guest>,
    kernel: RunningKernel,
    stage: Stage,
    mounted: Vec<Mounted>,
    /// The links of /dev/disk for the first disk.
    links: Vec<(String, String)>,
    /// Whether this process has already been through a boot of the image's init.
    was_booted: bool,
    /// What runs, or ran last, in [`Stage::Booted`].
    init: Init,
    /// Whether the running boot had to put an empty file where the image has none, to lay ours over it.
    placeholder: bool,
    /// How many overlays this process has put over its first disk.
    cuts: u32,
}

impl QemuMachine {
    /// A machine that has just come up.
    pub(super) const fn new(
        host: Arc<Host>,
        spec: MachineSpec,
        guest: Guest,
        kernel: RunningKernel,
        stage: Stage,
        init: Init,
    ) -> Self {
        Self {
            host,
            spec,
            guest: Some(guest),
            kernel,
            stage,
            mounted: Vec::new(),
            links: Vec::new(),
            was_booted: false,
            init,
            placeholder: false,
            cuts: 0,
        }
    }

    fn guest(&mut self) -> Result<&mut Guest, DriverError> {
        self.guest
            .as_mut()
            .ok_or_else(|| DriverError::Protocol { detail: "the machine is not running".into() })
    }

    fn expect(&self, stages: &[Stage], doing: &str) -> Result<(), DriverError> {
        if stages.contains(&self.stage) {
            return Ok(());
        }
        let reason = format!("the machine is not in the right stage ({:?})", self.stage);
        Err(DriverError::Refused { doing: doing.to_owned(), reason })
    }

    async fn enter(&mut self) -> Result<(), DriverError> {
        let payload = if self.spec.payload.is_empty() {
            None
        } else {
            self.need("virtio_blk").await?;
            self.need("isofs").await?;
            Some(start::payload_device(&self.spec))
        };
        let resolver = self.network().await?;
        let links = self.links.clone();
        self.guest()?.ask("set up the chroot", Request::Enter { payload, resolver, links }).await?;
        self.stage = Stage::Mounted;
        Ok(())
    }

    /// Brings the card up; answers what to resolve names with.
    async fn network(&mut self) -> Result<Option<String>, DriverError> {
        if self.spec.network == Network::None {
            return Ok(None);
        }
        self.need("virtio_net").await?;
        let (address, prefix, gateway) = ADDRESS;
        self.guest()?.ask("bring up the network", Request::Network { address, prefix, gateway }).await?;
        Ok(Some(RESOLVER.to_owned()))
    }

    async fn do_mount(&mut self, options: MountOptions) -> Result<(), DriverError> {
        self.expect(&[Stage::Offline], "mount the image")?;
        self.mount_system(&options.root, options.read_only, false).await?;
        self.enter().await
    }

    async fn do_view(&mut self, root: RootSource) -> Result<DiskLayout, DriverError> {
        self.expect(&[Stage::Offline, Stage::Mounted], "mount the image")?;
        if self.stage == Stage::Offline {
            self.mount_system(&root, true, self.is_read_only()).await?;
        } else {
            // It stays where it is: what was read of it is still in the guest's memory.
            self.guest()?.ask("leave the chroot", Request::Leave).await?;
            self.guest()?.ask("make the image read-only", Request::RemountReadOnly).await?;
        }
        self.stage = Stage::Viewed;
        let mut mounts = Vec::new();
        for Mounted { device, fs_type, target, .. } in self.mounted.clone() {
            let (size, free) = self.space(&target).await?;
            mounts.push(MountPoint { volume: device, target, fs_type, size, free });
        }
        Ok(Layout::look(self.guest()?).await?.told(mounts))
    }

    /// Size and free bytes of a mounted file system.
    async fn space(&mut self, target: &str) -> Result<(u64, u64), DriverError> {
        let request = Request::StatFs { target: target.to_owned() };
        match self.guest()?.ask("measure it", request).await? {
            Answer::Space { size, free } => Ok((size, free)),
            _ => Err(unexpected_answer()),
        }
    }

    /// Whether not even a journal of the first disk can be replayed.
    fn is_read_only(&self) -> bool {
        self.spec.disks.first().is_none_or(|disk| disk.access == DiskAccess::Read)
    }

    async fn do_tree(&mut self, limits: TreeLimits) -> Result<SystemTree, DriverError> {
        self.expect(&[Stage::Viewed, Stage::Mounted], "list all its files")?;
        tree::walk(self.guest()?, limits).await
    }

    async fn do_read_files(
        &mut self,
        paths: &[Vec<u8>],
        each: u64,
        total: u64,
    ) -> Result<Vec<FileContent>, DriverError> {
        self.expect(&[Stage::Viewed, Stage::Mounted], "read files")?;
        tree::read(self.guest()?, paths, each, total).await
    }

    async fn do_digests(&mut self, paths: &[Vec<u8>]) -> Result<Vec<Option<Digest>>, DriverError> {
        self.expect(&[Stage::Viewed, Stage::Mounted], "make digests of files")?;
        tree::digests(self.guest()?, paths).await
    }

    async fn do_unmount(&mut self) -> Result<(), DriverError> {
        self.expect(&[Stage::Mounted, Stage::Viewed], "unmount the image")?;
        if self.stage == Stage::Mounted {
            self.guest()?.ask("leave the chroot", Request::Leave).await?;
        }
        self.unmount_fs().await?;
        self.stage = Stage::Offline;
        Ok(())
    }

    async fn do_inspect(&mut self) -> Result<Facts, DriverError> {
        self.expect(&[Stage::Offline, Stage::Viewed], "look into the disk")?;
        if self.stage == Stage::Offline {
            self.mount_system(&RootSource::Find, true, self.is_read_only()).await?;
        }
        let root = self.mounted[0].clone();
        let layout = Layout::look(self.guest()?).await?;
        let (size, free) = self.space("/").await?;
        let guest = self.guest()?;
        let facts = Facts {
            os_release: look::os_release(guest).await?.unwrap_or_default(),
            arch: look::arch(guest).await?,
            root: RootFs {
                last_partition: layout.volumes.iter().all(|volume| {
                    volume.start
                        <= layout
                            .volumes
                            .iter()
                            .find(|own| own.name == root.device)
                            .map_or(0, |own| own.start)
                }),
                device: root.device,
                fs_type: root.fs_type,
                size,
                free,
            },
            kernels: kernels::kernels(guest).await?,
            init: look::init(guest).await?,
            default_user: look::default_user(guest).await?,
            files: look::files(guest).await?,
            units: look::units(guest).await?,
            firmware: look::firmware(guest, &layout.table).await?,
        };
        if self.stage == Stage::Offline {
            self.unmount_fs().await?;
        }
        Ok(facts)
    }

    async fn do_grow(&mut self) -> Result<u64, DriverError> {
        self.expect(&[Stage::Mounted], "grow the root file system")?;
        let root = self.mounted[0].device.clone();
        let layout = Layout::look(self.guest()?).await?;
        let volume = layout.volumes.iter().find(|volume| volume.name == root).ok_or_else(|| {
            DriverError::Unsupported { what: "the root is on no partition of the first disk".into() }
        })?;
        if let Some(number) = volume.number {
            match table::grow(&layout.table, number, layout.disk.size) {
                Growth::Nothing => {}
                Growth::NotLast => {
                    let what = format!("the root partition {root} cannot grow: another one lies behind it");
                    return Err(DriverError::Unsupported { what });
                }
                Growth::Unknown(what) => {
                    return Err(DriverError::Unsupported { what: format!("the disk has {what}") });
                }
                Growth::To { len, writes } => {
                    let device = layout.disk.name.clone();
                    for table::Write { offset, bytes } in writes {
                        let request = Request::WriteDevice { device: device.clone(), offset };
                        self.guest()?.send("write the partition table", request, bytes).await?;
                    }
                    let request = Request::ResizePartition { device, number, start: volume.start, len };
                    self.guest()?.ask("grow the root partition", request).await?;
                }
            }
        }
        let request = Request::GrowFs { target: "/".into(), device: root };
        match self.guest()?.ask("grow the root file system", request).await? {
            Answer::Number { value } => Ok(value),
            _ => Err(unexpected_answer()),
        }
    }

    async fn do_init(&mut self) -> Result<Init, DriverError> {
        self.expect(&[Stage::Mounted, Stage::Booted], "look for the image's init")?;
        // Packages may bring another, until it runs.
        if self.stage == Stage::Mounted {
            self.init = look::init(self.guest()?).await?;
        }
        Ok(self.init)
    }

    async fn do_cut(&mut self, overlay: &Path) -> Result<(), DriverError> {
        let doing = "keep the state of the disk";
        self.expect(&[Stage::Mounted], doing)?;
        let next = format!("disk0-{}", self.cuts + 1);
        let node = if self.cuts == 0 { "disk0".to_owned() } else { format!("disk0-{}", self.cuts) };
        let disk = Disk { path: overlay.to_owned(), format: DiskFormat::Qcow2, access: DiskAccess::Write };
        // QEMU sees nothing that was made since it started, but what is in its own folder: it gets the file under
        // a name there.
        let seen = self.spec.run_dir.join(format!("{next}.qcow2"));
        let linked = match std::fs::remove_file(&seen) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => std::fs::hard_link(overlay, &seen),
        };
        linked.map_err(|source| DriverError::Host { doing: doing.to_owned(), source })?;
        let seen = Disk { path: seen, ..disk.clone() };
        let guest = self.guest()?;
        guest.execute(doing, "blockdev-add", command::overlay_node(&next, &seen)).await?;
        guest.ask(doing, Request::Freeze).await?;
        let result =
            guest.execute(doing, "blockdev-snapshot", json!({ "node": node, "overlay": next })).await;
        guest.ask(doing, Request::Thaw).await?;
        result?;
        self.cuts += 1;
        // The next process of this machine starts from here.
        self.spec.disks[0] = disk;
        Ok(())
    }

    async fn do_trim(&mut self) -> Result<u64, DriverError> {
        self.expect(&[Stage::Mounted], "trim the disk")?;
        match self.guest()?.ask("trim the disk", Request::Trim).await? {
            Answer::Number { value } => Ok(value),
            _ => Err(unexpected_answer()),
        }
    }
}

impl Machine for QemuMachine {
    fn stage(&self) -> Stage {
        self.stage
    }

    fn inspect(&mut self) -> Op<'_, Facts> {
        self.do_inspect().boxed()
    }

    fn init(&mut self) -> Op<'_, Init> {
        self.do_init().boxed()
    }

    fn mount(&mut self, options: MountOptions) -> Op<'_, ()> {
        self.do_mount(options).boxed()
    }

    fn unmount(&mut self) -> Op<'_, ()> {
        self.do_unmount().boxed()
    }

    fn exec<'a>(&'a mut self, command: Exec, sink: Sink<'a>) -> Op<'a, ExecEnd> {
        self.do_exec(command, sink).boxed()
    }

    fn shell<'a>(
        &'a mut self,
        command: Exec,
        size: TerminalSize,
        input: tokio::sync::mpsc::Receiver<TerminalInput>,
        sink: Sink<'a>,
    ) -> Op<'a, ExecEnd> {
        self.do_shell(command, size, input, sink).boxed()
    }

    fn put(&mut self, tar: Box<dyn Read + Send>) -> Op<'_, ()> {
        self.do_put(tar).boxed()
    }

    fn get<'a>(&'a mut self, path: &'a str, limit: u64) -> Op<'a, Vec<u8>> {
        self.do_get(path, limit).boxed()
    }

    fn view(&mut self, root: RootSource) -> Op<'_, DiskLayout> {
        self.do_view(root).boxed()
    }

    fn tree(&mut self, limits: TreeLimits) -> Op<'_, SystemTree> {
        self.do_tree(limits).boxed()
    }

    fn read_files<'a>(&'a mut self, paths: &'a [Vec<u8>], each: u64, total: u64) -> Op<'a, Vec<FileContent>> {
        self.do_read_files(paths, each, total).boxed()
    }

    fn digests<'a>(&'a mut self, paths: &'a [Vec<u8>]) -> Op<'a, Vec<Option<Digest>>> {
        self.do_digests(paths).boxed()
    }

    fn grow_root(&mut self) -> Op<'_, u64> {
        self.do_grow().boxed()
    }

    fn boot(&mut self, options: BootOptions) -> Op<'_, ()> {
        self.do_boot(options).boxed()
    }

    fn save<'a>(&'a mut self, to: &'a Path) -> Op<'a, bool> {
        self.do_save(to).boxed()
    }

    fn offline(&mut self) -> Op<'_, ()> {
        self.do_offline().boxed()
    }

    fn cut<'a>(&'a mut self, overlay: &'a Path) -> Op<'a, ()> {
        self.do_cut(overlay).boxed()
    }

    fn trim(&mut self) -> Op<'_, u64> {
        self.do_trim().boxed()
    }

    fn power_off(self: Box<Self>) -> Op<'static, ()> {
        self.do_power_off().boxed()
    }

    fn console_tail(&self) -> String {
        tail(&self.spec.console())
    }
}

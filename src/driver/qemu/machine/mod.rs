//! [`Machine`] on QEMU: the stages and the ways between them.

mod system;

use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use imgfile_agent::protocol::frame::CHUNK;
use imgfile_agent::protocol::message::{AgentStage, Answer, Command, Ended, Request};
use serde_json::json;

use super::super::inspect::{Facts, RootFs};
use super::super::{
    BootOptions, Disk, DiskAccess, DiskFormat, DriverError, Exec, ExecEnd, Init, Machine, MachineSpec,
    MountOptions, Network, Op, Output, Program, RootSource, Sink, Stage, Start, Stream, TerminalInput,
    TerminalSize, init,
};
use super::channel::Chunk;
use super::console::tail;
use super::guest::{Guest, unexpected_answer};
use super::layout::Layout;
use super::shared::{Host, RunningKernel};
use super::start;
use super::table::{self, Growth};
use super::{command, image_kernel, inject_agent, kernels, look, masks, tree};
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

    async fn do_exec(&mut self, command: Exec, sink: Sink<'_>) -> Result<ExecEnd, DriverError> {
        self.expect(&[Stage::Mounted, Stage::Booted], "run a command")?;
        let (argv, script, text) = match command.program {
            Program::Argv(argv) => (argv, None, None),
            Program::Script { name, content } => (Vec::new(), Some(file_name(&name)), Some(content)),
        };
        let doing = match (&script, argv.first()) {
            (Some(name), _) => format!("run the script {name}"),
            (None, Some(program)) => format!("run {program}"),
            (None, None) => "run nothing".to_owned(),
        };
        let request = Request::Exec {
            command: Command {
                argv,
                script,
                env: command.env,
                cwd: command.cwd.unwrap_or_else(|| "/".into()),
                user: command.user.unwrap_or_else(|| "root".into()),
                network: command.network || self.stage == Stage::Booted,
            },
        };
        let mut take = |error: bool, bytes: Vec<u8>| {
            sink(Output { stream: if error { Stream::Err } else { Stream::Out }, bytes });
        };
        ended(&self.guest()?.run(&doing, request, text, command.timeout, &mut take).await?)
    }

    async fn do_shell(
        &mut self,
        command: Exec,
        size: TerminalSize,
        mut input: tokio::sync::mpsc::Receiver<TerminalInput>,
        sink: Sink<'_>,
    ) -> Result<ExecEnd, DriverError> {
        self.expect(&[Stage::Mounted, Stage::Booted], "open a shell")?;
        let Program::Argv(argv) = command.program else {
            return Err(DriverError::Unsupported { what: "a script has no terminal".into() });
        };
        let command = Command {
            argv,
            script: None,
            env: command.env,
            cwd: command.cwd.unwrap_or_else(|| "/".into()),
            user: command.user.unwrap_or_else(|| "root".into()),
            network: true,
        };
        let (rows, columns) = (size.rows.into(), size.columns.into());
        let (sender, upload) = tokio::sync::mpsc::channel(4);
        let typing = async move {
            while let Some(input) = input.recv().await {
                let piece = match input {
                    TerminalInput::Typed(bytes) => Chunk::Bytes(bytes),
                    TerminalInput::Resized(size) => Chunk::Resize(size.rows.into(), size.columns.into()),
                };
                if sender.send(Ok(piece)).await.is_err() {
                    break;
                }
            }
            // The stream has ended with its sender; what is left is to wait for the answer.
            drop(sender);
            std::future::pending::<()>().await;
        };
        let mut take = |error: bool, bytes: Vec<u8>| {
            sink(Output { stream: if error { Stream::Err } else { Stream::Out }, bytes });
        };
        let request = Request::Terminal { command, rows, columns };
        let guest = self.guest()?;
        let answer = tokio::select! {
            answer = guest.terminal("open a shell", request, upload, &mut take) => answer?,
            () = typing => return Err(unexpected_answer()),
        };
        ended(&answer)
    }

    async fn do_put(&mut self, mut tar: Box<dyn Read + Send>) -> Result<(), DriverError> {
        self.expect(&[Stage::Mounted, Stage::Booted], "write files")?;
        let (sender, upload) = tokio::sync::mpsc::channel(4);
        // Reading is blocking work; the channel makes it wait for the guest.
        let reading = tokio::task::spawn_blocking(move || {
            loop {
                let mut chunk = Vec::with_capacity(CHUNK);
                let result = tar.by_ref().take(CHUNK as u64).read_to_end(&mut chunk);
                let last = chunk.is_empty() || result.is_err();
                let empty = chunk.is_empty() && result.is_ok();
                let chunk = result.map(|_| Chunk::Bytes(chunk));
                if empty || sender.blocking_send(chunk).is_err() || last {
                    return;
                }
            }
        });
        let result = self.guest()?.upload("write files", Request::Put, upload).await;
        // Its channel is closed by now, so it has ended or is about to.
        let _ = reading.await;
        result.map(|_| ())
    }

    async fn do_get(&mut self, path: &str, limit: u64) -> Result<Vec<u8>, DriverError> {
        self.expect(&[Stage::Mounted, Stage::Booted], "read a file")?;
        let request = Request::Get { path: path.to_owned(), limit, truncate: false };
        self.guest()?.download(&format!("read {path}"), request, limit).await
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

    async fn do_boot(&mut self, options: BootOptions) -> Result<(), DriverError> {
        self.expect(&[Stage::Offline, Stage::Mounted], "boot the image")?;
        let deadline = Instant::now() + options.timeout;
        if self.stage == Stage::Offline {
            self.mount_system(&RootSource::Find, false, false).await?;
        } else {
            self.guest()?.ask("leave the chroot", Request::Leave).await?;
            self.stage = Stage::Offline;
        }
        self.init = look::init(self.guest()?).await?;
        if self.init == Init::Other {
            let what = "the image's init is neither systemd nor OpenRC, so its scripts can only run with \
                        `offline = true`";
            return Err(DriverError::Unsupported { what: what.into() });
        }
        let chosen = image_kernel::first(self.guest()?).await?;
        let running = match &self.kernel {
            RunningKernel::Build => self.host.kernel.image(),
            RunningKernel::Image(running) => running.image.clone(),
        };
        let same = image_kernel::is(self.guest()?, &chosen, &running).await?;
        // A kernel that has already run this system is not fresh: a reboot is a reboot.
        if !same || self.was_booted {
            let root = self.mounted[0].clone();
            let others = self.mounted[1..].to_vec();
            let kernel = if same {
                self.kernel.clone()
            } else {
                let image = image_kernel::read(self.guest()?, chosen).await?;
                let initramfs = image_kernel::modules(self.guest()?, &image, &root.fs_type).await?;
                RunningKernel::Image(Arc::new(image.keep(&self.spec.run_dir, initramfs)?))
            };
            self.unmount_fs().await?;
            self.restart(kernel).await?;
            self.mount_fs(&root, false).await?;
            for other in &others {
                self.mount_fs(other, false).await?;
            }
        }
        let resolver = self.network().await?;
        let beside = !init::system(self.init).hands_back();
        self.placeholder = resolver.is_some() && !look::has_resolver(self.guest()?).await?;
        let guest = self.guest()?;
        let epoch = guest.next_epoch();
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let request = Request::SwitchRoot {
            epoch,
            exit_epoch: epoch + 1,
            init: "/sbin/init".to_owned(),
            resolver,
            masks: masks::units().map(str::to_owned).chain(options.mask).collect(),
            drop_ins: masks::drop_ins(),
            generators: owned(masks::GENERATORS),
            beside,
        };
        let place = guest.hand_over("boot", request, epoch, rest(deadline)).await?;
        if place != AgentStage::Booted {
            return Err(unexpected_answer());
        }
        self.stage = Stage::Booted;
        self.was_booted = true;
        self.wait_until_started(deadline).await
    }

    /// Waits until the booted system has no more jobs to do.
    pub(super) async fn wait_until_started(&mut self, deadline: Instant) -> Result<(), DriverError> {
        let init = init::system(self.init);
        let waiting = Exec { timeout: rest(deadline), ..init.jobs_done() };
        if self.do_exec(waiting, &mut |_| {}).await? != ExecEnd::TimedOut {
            return Ok(());
        }
        let mut jobs = Vec::new();
        self.do_exec(init.starting(), &mut |output| jobs.extend(output.bytes)).await?;
        let jobs = String::from_utf8_lossy(&jobs);
        let units: Vec<&str> =
            jobs.lines().filter_map(|line| line.split_ascii_whitespace().take(2).last()).take(5).collect();
        let doing = format!("finish starting (still starting: {})", units.join(", "));
        let (after, console) = (BootOptions::default().timeout, self.console_tail());
        let hang = DriverError::Hang { doing, after, console, screen: None };
        Err(self.guest()?.pictured(hang).await)
    }

    /// Ends the process and starts another with the same disks.
    async fn restart(&mut self, kernel: RunningKernel) -> Result<(), DriverError> {
        if let Some(guest) = self.guest.take() {
            guest.power_off().await?;
        }
        self.start(kernel).await
    }

    /// Starts another process with the same disks.
    async fn start(&mut self, kernel: RunningKernel) -> Result<(), DriverError> {
        let mut guest = start::kernel(&self.host, &self.spec, &kernel).await?;
        if let RunningKernel::Image(kept) = &kernel {
            guest.loaded.extend(kept.early.iter().map(|(name, _)| name.clone()));
        }
        self.guest = Some(guest);
        self.kernel = kernel;
        self.was_booted = false;
        self.cuts = 0;
        self.need("virtio_blk").await
    }

    async fn do_offline(&mut self) -> Result<(), DriverError> {
        self.expect(&[Stage::Booted], "shut the image down")?;
        if !init::system(self.init).hands_back() {
            return self.offline_by_second_boot().await;
        }
        let limit = self.spec.limits.operation;
        let guest = self.guest()?;
        let epoch = guest.next_epoch();
        if guest.hand_over("shut down", Request::Shutdown, epoch, limit).await? != AgentStage::AfterShutdown {
            return Err(unexpected_answer());
        }
        // The root is where it was; what else belongs to it was unmounted by the shutdown.
        let others = self.mounted.split_off(1);
        for other in &others {
            self.mount_fs(other, false).await?;
        }
        self.enter().await
    }

    /// The way back where the init hands nothing back: it powers off, and the agent starts anew.
    async fn offline_by_second_boot(&mut self) -> Result<(), DriverError> {
        let guest = self.guest.take().ok_or_else(unexpected_answer)?;
        let command = Command {
            argv: init::system(self.init).power_off().iter().map(|&word| word.to_owned()).collect(),
            script: None,
            env: Vec::new(),
            cwd: "/".into(),
            user: "root".into(),
            network: true,
        };
        guest.ends_by("shut down", Request::Exec { command }).await?;
        self.start(RunningKernel::Build).await?;
        self.stage = Stage::Offline;
        for mounted in std::mem::take(&mut self.mounted) {
            self.mount_fs(&mounted, false).await?;
        }
        if std::mem::take(&mut self.placeholder) {
            let path = "/etc/resolv.conf".to_owned();
            self.guest()?.ask("remove a placeholder", Request::RemoveEmpty { path }).await?;
        }
        self.enter().await
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

    async fn do_power_off(mut self: Box<Self>) -> Result<(), DriverError> {
        if self.stage == Stage::Booted {
            // What its boot loader started runs on a disk that is thrown away.
            if matches!(self.spec.start, Start::Firmware(_)) {
                return Ok(());
            }
            self.do_offline().await?;
        }
        match self.guest.take() {
            Some(guest) => guest.power_off().await,
            None => Ok(()),
        }
    }

    /// Lays an agent into the image that its init starts; answers which init that is.
    pub(super) async fn plant(&mut self, agent: &[u8]) -> Result<Init, DriverError> {
        self.mount_system(&RootSource::Find, false, false).await?;
        let init = look::init(self.guest()?).await?;
        self.guest()?
            .send("write files", Request::Put, inject_agent::archive(agent, init::system(init)))
            .await?;
        Ok(init)
    }
}

/// How a command ended, by the agent's answer.
fn ended(answer: &Answer) -> Result<ExecEnd, DriverError> {
    match answer {
        Answer::Ended { how: Ended::Code { code } } => Ok(ExecEnd::Code(*code)),
        Answer::Ended { how: Ended::Signal { signal } } => Ok(ExecEnd::Signal(*signal)),
        Answer::Ended { how: Ended::TimedOut } => Ok(ExecEnd::TimedOut),
        _ => Err(unexpected_answer()),
    }
}

fn rest(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now()).max(Duration::from_secs(1))
}

/// A script's name as a file name.
fn file_name(name: &str) -> String {
    let name = name.rsplit('/').next().unwrap_or(name);
    let sound = |char: char| if char.is_ascii_alphanumeric() || "._-".contains(char) { char } else { '_' };
    let name: String = name.chars().take(64).map(sound).collect();
    if name.trim_matches('.').is_empty() { "script".to_owned() } else { name }
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

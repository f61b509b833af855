//! From the machine of the agent to the booted system, back, and to the end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use imgfile_agent::protocol::message::{AgentStage, Command, Request};

use super::super::super::{
    BootOptions, DriverError, Exec, ExecEnd, Init, Machine, RootSource, Stage, Start, init,
};
use super::super::guest::unexpected_answer;
use super::super::shared::RunningKernel;
use super::super::{image_kernel, inject_agent, look, masks, start};
use super::QemuMachine;

impl QemuMachine {
    pub(super) async fn do_boot(&mut self, options: BootOptions) -> Result<(), DriverError> {
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
    pub(in super::super) async fn wait_until_started(
        &mut self,
        deadline: Instant,
    ) -> Result<(), DriverError> {
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
    pub(super) async fn restart(&mut self, kernel: RunningKernel) -> Result<(), DriverError> {
        if let Some(guest) = self.guest.take() {
            guest.power_off().await?;
        }
        self.start(kernel).await
    }

    /// Starts another process with the same disks.
    pub(super) async fn start(&mut self, kernel: RunningKernel) -> Result<(), DriverError> {
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

    pub(super) async fn do_offline(&mut self) -> Result<(), DriverError> {
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
    pub(super) async fn offline_by_second_boot(&mut self) -> Result<(), DriverError> {
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

    /// Lays an agent into the image that its init starts; answers which init that is.
    pub(in super::super) async fn inject_agent(&mut self, agent: &[u8]) -> Result<Init, DriverError> {
        self.mount_system(&RootSource::Find, false, false).await?;
        let init = look::init(self.guest()?).await?;
        self.guest()?
            .send("write files", Request::Put, inject_agent::archive(agent, init::system(init)))
            .await?;
        Ok(init)
    }

    pub(super) async fn do_power_off(mut self: Box<Self>) -> Result<(), DriverError> {
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
}

fn rest(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now()).max(Duration::from_secs(1))
}

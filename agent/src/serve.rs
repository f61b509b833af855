//! The loop that takes requests and answers them.

use std::fs;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use imgfile_agent::protocol::message::{AgentStage, Answer, Body, Reply, Request, ToGuest};
use imgfile_agent::protocol::wire::Bytes;
use imgfile_agent::protocol::{EPOCH_PARAMETER, VERSION};

use crate::chroot::Chroot;
use crate::error::{AgentError, Result};
use crate::port::{self, Port};
use crate::{device, exec, files, filesystem, mounts, network, switch, tar, terminal, tree, wake};

/// What can happen while a request is worked on.
pub enum Event {
    Message(ToGuest),
    /// The command of this request has ended and has been waited for.
    Exited {
        id: u32,
        status: std::process::ExitStatus,
    },
    /// One of the two output streams of this request is at its end.
    Drained {
        id: u32,
    },
    /// The line to the host broke.
    Lost(io::Error),
}

/// An agent at work.
pub struct Agent {
    pub stage: AgentStage,
    pub port: Port,
    pub events: Receiver<Event>,
    pub sender: SyncSender<Event>,
    pub mounts: mounts::Mounts,
    pub chroot: Option<Chroot>,
    /// File systems that are read-only for as long as the others are frozen.
    pub resting: Vec<PathBuf>,
}

/// Comes up at `stage` and serves until the machine is handed on or off.
pub fn run(stage: AgentStage) -> Result<()> {
    let epoch = match stage {
        AgentStage::Initramfs => {
            mounts::bring_up()?;
            device::load_own_modules()?;
            epoch_of_kernel_line()?
        }
        AgentStage::Booted => switch::booted()?,
        AgentStage::AfterShutdown => switch::after_shutdown()?,
    };
    let (port, mut incoming) = port::open(epoch)?;
    // Small: a host that sends faster than the disk writes has to wait, not the memory to fill.
    let (sender, events) = sync_channel(8);
    let reader = sender.clone();
    thread::spawn(move || {
        loop {
            let (event, last) = match incoming.next_message() {
                Ok(message) => (Event::Message(message), false),
                Err(error) => (Event::Lost(error), true),
            };
            if reader.send(event).is_err() || last {
                return;
            }
        }
    });
    let mounts = mounts::Mounts::at(match stage {
        AgentStage::Initramfs => PathBuf::from("/sysroot"),
        AgentStage::Booted => PathBuf::from("/"),
        AgentStage::AfterShutdown => PathBuf::from(switch::OLD_ROOT),
    });
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim_end().to_owned();
    // systemd hands over to what is in /run/initramfs with what it was asked for as the first argument.
    let verb =
        if stage == AgentStage::AfterShutdown { std::env::args().nth(1) } else { None }.unwrap_or_default();
    port.send(0, Reply::Hello { version: VERSION, stage: stage.clone(), kernel, verb })?;
    let mut agent = Agent { stage, port, events, sender, mounts, chroot: None, resting: Vec::new() };
    loop {
        match agent.events.recv() {
            Ok(Event::Message(ToGuest { id, body: Body::Ask { request } })) => agent.answer(id, request)?,
            // Leftovers of a request that failed before its stream ended, or ended before its cancel.
            Ok(Event::Message(_) | Event::Exited { .. } | Event::Drained { .. }) => {}
            Ok(Event::Lost(error)) => return Err(error.into()),
            Err(_) => return Ok(()),
        }
    }
}

fn epoch_of_kernel_line() -> Result<u32> {
    let line = fs::read_to_string("/proc/cmdline")?;
    line.split_ascii_whitespace()
        .filter_map(|word| word.strip_prefix(EPOCH_PARAMETER)?.strip_prefix('=')?.parse().ok())
        .next_back()
        .ok_or_else(|| AgentError::new(format!("the kernel line has no {EPOCH_PARAMETER}")))
}

impl Agent {
    fn answer(&mut self, id: u32, request: Request) -> io::Result<()> {
        let reply = match self.fulfil(id, request) {
            Ok(result) => Reply::Done { result },
            Err(AgentError { reason, errno }) => Reply::Failed { reason, errno },
        };
        self.port.send(id, reply)
    }

    fn fulfil(&mut self, id: u32, request: Request) -> Result<Answer> {
        let anywhere = matches!(
            request,
            Request::Exec { .. }
                | Request::Terminal { .. }
                | Request::Put
                | Request::Get { .. }
                | Request::List { .. }
                | Request::StatFs { .. }
                | Request::Wake { .. }
        );
        let booted_only = matches!(request, Request::Shutdown);
        if !anywhere && booted_only != (self.stage == AgentStage::Booted) {
            return Err(AgentError::new("not in this stage"));
        }
        match request {
            Request::LoadModule { name } => {
                let mut module = Vec::new();
                self.stream(id).read_to_end(&mut module)?;
                device::load_module(&name, &module)
            }
            Request::BlockDevices => Ok(Answer::Devices { devices: device::list()? }),
            Request::ReadDevice { device, offset, len } => {
                let bytes = device::read(&device, offset, len)?;
                for chunk in bytes.chunks(imgfile_agent::protocol::frame::CHUNK) {
                    self.port.data(id, chunk.to_vec())?;
                }
                Ok(Answer::Nothing)
            }
            Request::WriteDevice { device, offset } => device::write(&device, offset, &mut self.stream(id)),
            Request::ResizePartition { device, number, start, len } => {
                device::resize_partition(&device, number, start, len)
            }
            Request::Mount { device, fs_type, target, options, read_only } => {
                self.mounts.mount(&device, &fs_type, &target, &options, read_only)
            }
            Request::Unmount { target } => self.mounts.unmount(&target),
            Request::RemountReadOnly => self.mounts.remount_read_only(),
            Request::Enter { payload, resolver, links } => {
                self.leave()?;
                device::link(&links)?;
                self.chroot = Some(Chroot::enter(&self.mounts, payload.as_deref(), resolver.as_deref())?);
                Ok(Answer::Nothing)
            }
            Request::Leave => self.leave().map(|()| Answer::Nothing),
            Request::Exec { command } => exec::run(self, id, command),
            Request::Terminal { command, rows, columns } => {
                terminal::run(self, id, &command, (rows, columns))
            }
            Request::Put => {
                let root = self.mounts.root().to_owned();
                let lifted = self.chroot.as_mut();
                let mut stream =
                    Stream { id, events: &self.events, rest: Bytes(Vec::new()), at: 0, ended: false };
                let result = tar::extract(&root, &mut stream, lifted);
                stream.drain()?;
                result
            }
            Request::Get { .. }
            | Request::List { .. }
            | Request::Walk { .. }
            | Request::ReadFiles { .. }
            | Request::Digests { .. } => tree::answer(self, id, request),
            Request::GrowFs { target, device } => filesystem::grow(&self.mounts.path(&target), &device),
            Request::Trim => filesystem::trim(self.mounts.targets()),
            Request::Freeze => {
                // What is kept is the image alone, without the placeholders of the chroot.
                if let Some(chroot) = &mut self.chroot {
                    chroot.take_placeholders(&self.mounts)?;
                }
                self.resting = filesystem::freeze(self.mounts.targets())?;
                Ok(Answer::Nothing)
            }
            Request::RemoveEmpty { path } => files::remove_empty(self.mounts.root(), &path),
            Request::Thaw => self.thaw(),
            Request::StatFs { target } => filesystem::space(&self.mounts.path(&target)),
            Request::Network { address, prefix, gateway } => network::configure(address, prefix, gateway),
            Request::SwitchRoot {
                epoch,
                exit_epoch,
                init,
                resolver,
                masks,
                drop_ins,
                generators,
                beside,
            } => {
                self.leave()?;
                let next = switch::Next { epoch, exit_epoch, masks, drop_ins, generators, beside };
                switch::root(self.mounts.root(), &next, &init, resolver.as_deref())
            }
            Request::Wake { seconds, nanoseconds, seed } => wake::wake(seconds, nanoseconds, &seed.0),
            Request::Shutdown => switch::shut_down(),
            Request::PowerOff => {
                self.leave()?;
                self.mounts.unmount_all()?;
                nix::unistd::sync();
                nix::sys::reboot::reboot(nix::sys::reboot::RebootMode::RB_POWER_OFF)?;
                Ok(Answer::Nothing)
            }
        }
    }

    fn thaw(&mut self) -> Result<Answer> {
        let answer = filesystem::thaw(self.mounts.targets(), &std::mem::take(&mut self.resting));
        if let Some(chroot) = &mut self.chroot {
            chroot.put_placeholders(&self.mounts)?;
        }
        Ok(answer)
    }

    fn leave(&mut self) -> Result<()> {
        self.chroot.take().map_or(Ok(()), |chroot| chroot.leave(&self.mounts))
    }

    /// What the host streams after its request.
    pub fn stream(&self, id: u32) -> Stream<'_> {
        Stream { id, events: &self.events, rest: Bytes(Vec::new()), at: 0, ended: false }
    }
}

/// The host's data messages of one request as a reader.
pub struct Stream<'a> {
    id: u32,
    events: &'a Receiver<Event>,
    rest: Bytes,
    at: usize,
    ended: bool,
}

impl Stream<'_> {
    /// Reads to the end, so that what follows is the next request.
    pub fn drain(&mut self) -> io::Result<()> {
        io::copy(self, &mut io::sink()).map(|_| ())
    }
}

impl Read for Stream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.rest.0.len() && !self.ended {
            match self.events.recv() {
                Ok(Event::Message(ToGuest { id, body })) if id == self.id => match body {
                    Body::Data { bytes } => (self.rest, self.at) = (bytes, 0),
                    _ => self.ended = true,
                },
                Ok(Event::Lost(error)) => return Err(error),
                Ok(_) => {}
                Err(_) => self.ended = true,
            }
        }
        let len = buffer.len().min(self.rest.0.len() - self.at);
        buffer[..len].copy_from_slice(&self.rest.0[self.at..self.at + len]);
        self.at += len;
        Ok(len)
    }
}

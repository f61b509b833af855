//! Starting a cell, and the process that came of it.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use nix::libc;

use super::child::{GO, Plan};
use super::ids::{self, Mapping};
use super::limits::Limits;
use super::spawned::{Child, first, ready, started, text};
use super::{Access, Cell, Ids, Network, Outside, Uplink, WallMissing, calls, network, tree, walls};

/// A program that runs in a cell. It is killed when this value is dropped, and when this process ends in
/// whatever way.
#[derive(Debug)]
pub struct Process {
    child: Child,
    uplink: Option<Uplink>,
}

impl Process {
    /// Its number in this process's namespace.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.pid.as_raw().cast_unsigned()
    }

    /// The exit status, if it has ended.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Waits for its end.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        loop {
            if let Some(status) = self.try_wait()? {
                return Ok(status);
            }
            let (fd, interest) = (self.child.pidfd.as_fd(), tokio::io::Interest::READABLE);
            // SAFETY: the descriptor is open as long as this value lives, which is borrowed.
            #[allow(unsafe_code)]
            let ended = unsafe { tokio::io::unix::AsyncFd::register_with_interest(fd, interest) }?;
            let _ = ended.readable().await?;
        }
    }

    /// Waits until what it may reach of the network is connected.
    pub async fn connected(&mut self) -> io::Result<()> {
        match &mut self.uplink {
            Some(uplink) => uplink.connected().await,
            None => Ok(()),
        }
    }

    /// Ends it now, with all that it started.
    pub fn kill(&mut self) {
        self.child.kill();
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// The parent-death signal follows the *thread* that made a process, so all are made by one thread that lives as
/// long as this process.
fn starter() -> &'static Sender<Job> {
    static STARTER: OnceLock<Sender<Job>> = OnceLock::new();
    STARTER.get_or_init(|| {
        let (sender, jobs) = channel::<Job>();
        thread::spawn(move || jobs.into_iter().for_each(|job| job()));
        sender
    })
}

pub(super) fn start(cell: Cell) -> io::Result<Process> {
    let (answer, result) = channel();
    let job = Box::new(move || {
        let _ = answer.send(start_here(cell));
    });
    let gone = || io::Error::other("the thread that starts processes is gone");
    starter().send(job).map_err(|_| gone())?;
    result.recv().map_err(|_| gone())?
}

fn start_here(cell: Cell) -> io::Result<Process> {
    let walls = walls();
    let held = walls.files_by_namespaces();
    let outside = match cell.network {
        Network::None => None,
        Network::Outside(outside) => Some(outside),
    };
    for wall in [&walls.files].into_iter().chain(outside.map(|_| &walls.network)) {
        if let Some(missing) = wall.missing.clone().filter(|_| !walls::is_weaker_allowed()) {
            let missing = WallMissing { wall: wall.clone(), missing };
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, missing));
        }
    }
    // Without that wall, and with the user's leave, the network of the host is what there is.
    let on_host = outside.is_some() && walls.network.missing.is_some();
    let outside = outside.filter(|_| held && !on_host);
    let resolver = if outside.is_some() { Some(network::resolv_conf()?) } else { None };
    let limits = Limits::of(&cell);
    let root = ids::is_host_root();
    let device_group = cell
        .shown
        .iter()
        .filter(|shown| shown.access == Access::Device)
        .find_map(|shown| ids::group_of(&shown.path));
    let mut mapping = Mapping::of(cell.ids, root, device_group);
    let cwd = std::env::current_dir().unwrap_or_else(|_| "/".into());
    let mut detached = Vec::new();
    let (plan_root, landlock) = if held {
        let host = on_host.then_some(Path::new("/etc/resolv.conf"));
        let resolver = resolver.as_ref().map(tempfile::NamedTempFile::path).or(host);
        let shown = match tree::root(&cell, &cwd, resolver, &mapping, &mut detached) {
            // Nobody cannot be given these files. Root without its powers, among the same files, is next best.
            Err(error) if cell.ids == Ids::One && tree::NotMapped::is(&error) => {
                mapping = Mapping::Own;
                tree::root(&cell, &cwd, resolver, &mapping, &mut detached)?
            }
            other => other?,
        };
        (Some(shown), None)
    } else {
        (None, tree::landlock(&cell)?)
    };
    let null: OwnedFd = File::options().read(true).write(true).open("/dev/null")?.into();
    let stdout = cell.stdout.map_or_else(|| null.try_clone(), Ok)?;
    let stderr = cell.stderr.map_or_else(|| null.try_clone(), Ok)?;
    let (ours, theirs) = UnixStream::pair()?;
    let mut namespaces = 0;
    if held {
        namespaces = libc::CLONE_NEWUSER
            | libc::CLONE_NEWNS
            | libc::CLONE_NEWPID
            | libc::CLONE_NEWIPC
            | libc::CLONE_NEWUTS
            | if on_host { 0 } else { libc::CLONE_NEWNET };
    }
    let env = cell.env.into_iter().map(|(mut name, value)| {
        name.push("=");
        name.push(value);
        name
    });
    let program = cell.program.clone().into_os_string();
    let mut plan = Plan {
        #[allow(clippy::cast_sign_loss)] // bits
        namespaces: u64::from(namespaces as u32),
        sync: (theirs.as_raw_fd(), ours.as_raw_fd()),
        joins: None,
        groups: if held { mapping.groups() } else { None },
        become_root: held,
        loopback: held && !on_host,
        routes: outside.map(Outside::routes).unwrap_or_default(),
        root: plan_root,
        file_size: cell.file_size,
        keep_capabilities: cell.ids == Ids::System,
        landlock: landlock.as_ref().map(AsRawFd::as_raw_fd),
        calls: if cell.ids == Ids::System { Some(calls::filter()?) } else { None },
        streams: [null.as_raw_fd(), stdout.as_raw_fd(), stderr.as_raw_fd()],
        inherited: cell.inherited.iter().map(AsRawFd::as_raw_fd).collect(),
        program: text(program.clone())?,
        args: [program].into_iter().chain(cell.args).map(text).collect::<io::Result<_>>()?,
        env: env.map(text).collect::<io::Result<_>>()?,
    };
    let child = Child::start(&mut plan)?;
    drop(theirs);
    let mut sync = ours;
    ready(&mut sync)?;
    if held {
        mapping.write(child.pid)?;
    }
    if let Some(limits) = limits {
        limits.set(child.pid);
    }
    // Only as long as it waits are the files of its /proc this user's.
    let namespaces = if outside.is_some() { Some(network::Namespaces::of(child.pid)?) } else { None };
    sync.write_all(&[GO])?;
    let uplink = if let Some(namespaces) = namespaces {
        // Its routes are there: whatever is connected now, nothing else is reached.
        first(&mut sync, &cell.program)?;
        Some(Uplink::start(namespaces, matches!(mapping, Mapping::Nobodies { .. }), &cell.published)?)
    } else {
        None
    };
    started(sync, &cell.program)?;
    drop(detached);
    Ok(Process { child, uplink })
}

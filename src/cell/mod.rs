//! A program in a cell of its own: it sees the files that were named for it and nothing else of the host.
//!
//! A [`Cell`] says what to run, which paths it sees and how; [`Cell::start`] runs it in a user, mount, process,
//! IPC, host name and network namespace of its own, on a root file system that holds only what was named,
//! without capabilities (unless asked for inside), with a cleared environment, without core dumps. It is
//! killed when its [`Process`] is dropped, and when this process ends in whatever way.
//!
//! Run by root of the host, the program is not root: its user is a number that nobody has, and the files that
//! are shown to it look as if they were its own (idmapped mounts).
//!
//! Where the host lets nobody make namespaces, [`walls`] says so. A program is then held by what there is
//! (Landlock for files); whether that is enough is the caller's decision.

mod calls;
mod child;
mod ids;
mod limits;
mod network;
mod process;
mod spawned;
mod tree;
mod wall;
mod walls;

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

pub use network::{Outside, PublishedPort, Uplink};
pub use process::Process;
pub use wall::{Missing, Wall, WallMissing, Walls};
pub use walls::{allow_weaker, is_weaker_allowed, walls};

/// What a program may do with a path that is shown to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Read, never written; devices in it are inert.
    Read,
    /// Read and written, and in a folder also created and removed; devices in it are inert.
    Write,
    /// A device: read and written, and opened as the device that it is.
    Device,
}

/// Who the program is inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ids {
    /// One user, without capabilities.
    #[default]
    One,
    /// Root of a system with 65536 users and groups, with capabilities over them and over what the cell
    /// itself has: for programs that unpack or make a system. What reaches past the cell's files into the
    /// kernel or other processes is refused to it. An ordinary user needs subordinate ids.
    System,
}

/// What a program reaches over the network.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Network {
    /// Nothing but a loopback device of its own. Where Landlock alone holds it, it keeps the network of the host.
    #[default]
    None,
    /// The outside world, but nothing of this host and none of the ranges that [`Outside`] excludes.
    Outside(Outside),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Shown {
    path: PathBuf,
    access: Access,
}

/// A program to run, and all it is going to have.
#[derive(Debug)]
pub struct Cell {
    program: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    shown: Vec<Shown>,
    network: Network,
    published: Vec<PublishedPort>,
    ids: Ids,
    proc: bool,
    file_size: Option<u64>,
    memory: Option<u64>,
    stdout: Option<OwnedFd>,
    stderr: Option<OwnedFd>,
    inherited: Vec<OwnedFd>,
}

/// Where an administrator's programs are too, which an ordinary user's own path may lack.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

impl Cell {
    /// A program by its path, or by a name to be looked for in this process's `PATH` and in the folders that
    /// an ordinary user's path leaves out.
    ///
    /// Its environment is `PATH`, `LC_ALL` and `HOME=/`; its streams are on nothing. It sees the host's
    /// programs and libraries.
    #[must_use]
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let env = [("PATH", PATH), ("LC_ALL", "C.UTF-8"), ("HOME", "/")];
        Self {
            program: find(Path::new(program.as_ref())),
            args: Vec::new(),
            env: env.map(|(name, value)| (name.into(), value.into())).into(),
            shown: Vec::new(),
            network: Network::None,
            published: Vec::new(),
            ids: Ids::One,
            proc: false,
            file_size: None,
            memory: None,
            stdout: None,
            stderr: None,
            inherited: Vec::new(),
        }
    }

    /// Appends one argument.
    pub fn arg(&mut self, arg: impl Into<OsString>) -> &mut Self {
        self.args.push(arg.into());
        self
    }

    /// Appends arguments, in order.
    pub fn args<S: Into<OsString>>(&mut self, args: impl IntoIterator<Item = S>) -> &mut Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// A variable of its environment.
    pub fn env(&mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> &mut Self {
        let name = name.into();
        self.env.retain(|(known, _)| *known != name);
        self.env.push((name, value.into()));
        self
    }

    /// Shows a file or a folder with all that is in it, under the path that it has outside. It must exist.
    pub fn show(&mut self, path: impl Into<PathBuf>, access: Access) -> &mut Self {
        self.shown.push(Shown { path: path.into(), access });
        self
    }

    /// Shows a file or folder to be read: [`show`](Self::show) with [`Access::Read`].
    pub fn read(&mut self, path: impl Into<PathBuf>) -> &mut Self {
        self.show(path, Access::Read)
    }

    /// Shows a file or folder to be written: [`show`](Self::show) with [`Access::Write`].
    pub fn write(&mut self, path: impl Into<PathBuf>) -> &mut Self {
        self.show(path, Access::Write)
    }

    /// What it reaches over the network; [`Network::None`] unless this is called.
    pub fn network(&mut self, network: Network) -> &mut Self {
        self.network = network;
        self
    }

    /// A port of this host that leads to one of the cell, where [`network`](Self::network) gives it a network of its own
    /// ([`Walls::has_own_network`]). Where it has the host's, this does nothing: the program takes the port itself.
    pub fn publish(&mut self, port: PublishedPort) -> &mut Self {
        self.published.push(port);
        self
    }

    /// Who it is inside; [`Ids::One`] unless this is called.
    pub fn ids(&mut self, ids: Ids) -> &mut Self {
        self.ids = ids;
        self
    }

    /// Gives it a /proc of its own processes.
    pub fn proc(&mut self) -> &mut Self {
        self.proc = true;
        self
    }

    /// No file that it writes grows beyond so many bytes.
    pub fn file_size(&mut self, bytes: u64) -> &mut Self {
        self.file_size = Some(bytes);
        self
    }

    /// The program with all that it starts takes no more memory than so many bytes, and is killed when it tries;
    /// the number of its processes and threads is bounded, too. Both hold only where control groups are delegated to
    /// this user, which [`Walls::limits`] says.
    pub fn memory(&mut self, bytes: u64) -> &mut Self {
        self.memory = Some(bytes);
        self
    }

    /// Where its output goes; nowhere unless this is called.
    pub fn stdout(&mut self, to: impl Into<OwnedFd>) -> &mut Self {
        self.stdout = Some(to.into());
        self
    }

    /// Where its error stream goes; nowhere unless this is called.
    pub fn stderr(&mut self, to: impl Into<OwnedFd>) -> &mut Self {
        self.stderr = Some(to.into());
        self
    }

    /// Hands a descriptor over, which keeps its number.
    pub fn inherit(&mut self, fd: OwnedFd) -> &mut Self {
        self.inherited.push(fd);
        self
    }

    /// Starts the program. An error of kind `NotFound` says that the program is not there.
    pub fn start(self) -> io::Result<Process> {
        tracing::debug!(program = ?self.program, arguments = ?self.args, "program");
        process::start(self)
    }
}

/// Lets nobody but root see the memory of this process, and writes none of it anywhere when it crashes: secrets of
/// a build are in it. What it starts inherits the limit.
pub fn write_no_core() {
    use nix::sys::{prctl, resource};
    // A kernel without these has no core dumps either.
    let _ = resource::setrlimit(resource::Resource::RLIMIT_CORE, 0, 0);
    let _ = prctl::set_dumpable(false);
}

/// A program's place; its own name where it is nowhere, for the error that follows.
fn find(program: &Path) -> PathBuf {
    if program.components().count() > 1 {
        return program.to_owned();
    }
    let own = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&own)
        .chain(std::env::split_paths(PATH))
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
        .unwrap_or_else(|| program.to_owned())
}

#[cfg(test)]
mod tests;

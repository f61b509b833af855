//! Running a command of the image: its user's login-like environment, its output streamed, its
//! time limited, and nothing it started left behind.
#![allow(unsafe_code)] // what a child does between fork and exec; the closure says why it is sound

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::time::{Duration, Instant};

use imgfile_agent::protocol::RUN_DIR;
use imgfile_agent::protocol::frame::CHUNK;
use imgfile_agent::protocol::message::{Answer, Body, Command, Ended, Place, Reply, ToGuest};
use imgfile_agent::protocol::wire::Bytes;
use nix::sys::signal::{Signal, killpg};
use nix::sys::stat::{Mode, umask};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{Gid, Pid, Uid, setgid, setgroups, setsid, setuid};

use crate::chroot::inside;
use crate::files::{Account, Accounts};
use crate::port::Port;
use crate::serve::{Agent, Event};
use crate::terminal;
use crate::trouble::{At, Result, Trouble};

/// Processes and threads of one command: enough for any build, too few for one that forks without end to take
/// the machine's memory.
const MOST_TASKS: u32 = 4096;

/// How long output may still come after all processes of a command are gone.
const DRAIN: Duration = Duration::from_secs(2);

pub fn run(agent: &Agent, id: u32, command: Command) -> Result<Answer> {
    let script = match &command.script {
        Some(name) => {
            let mut text = Vec::new();
            agent.stream(id).read_to_end(&mut text)?;
            Some(lay_out(agent.mounts.root(), name, &text)?)
        }
        None => None,
    };
    let result = supervise(agent, id, &command, script.as_deref());
    if let Some(path) = script {
        let _ = inside(agent.mounts.root(), || fs::remove_file(&path).at(&path));
    }
    result
}

/// Writes a script to the tmpfs; answers its path in the image.
fn lay_out(root: &Path, name: &str, text: &[u8]) -> Result<String> {
    let folder = format!("{RUN_DIR}/step");
    let path = format!("{folder}/{name}");
    inside(root, || {
        fs::create_dir_all(&folder).at(&folder)?;
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o755).open(&path).at(&path)?;
        file.write_all(text).at(&path)?;
        file.set_permissions(fs::Permissions::from_mode(0o755)).at(&path)?;
        Ok(path.clone())
    })
}

fn supervise(agent: &Agent, id: u32, command: &Command, script: Option<&str>) -> Result<Answer> {
    let group = Group::new(&agent.place, id);
    let mut child = match spawn(agent, command, script, &group, Io::Pipes)? {
        Ok(child) => child,
        Err((code, words)) => {
            let bytes = Bytes(format!("{words}\n").into_bytes());
            agent.port.send(id, Reply::Output { error: true, bytes })?;
            return Ok(Answer::Ended { how: Ended::Code { code } });
        }
    };
    let pid = Pid::from_raw(child.id().cast_signed());
    let muted = Arc::new(AtomicBool::new(false));
    let mut open = 0;
    let pipes: [Option<Box<dyn Read + Send>>; 2] = [
        child.stdout.take().map(|pipe| Box::new(pipe) as _),
        child.stderr.take().map(|pipe| Box::new(pipe) as _),
    ];
    for (pipe, error) in pipes.into_iter().zip([false, true]) {
        if let Some(pipe) = pipe {
            open += 1;
            let (port, muted, sender) = (agent.port.clone(), Arc::clone(&muted), agent.sender.clone());
            thread::spawn(move || {
                copy(pipe, &port, id, error, &muted);
                let _ = sender.send(Event::Drained { id });
            });
        }
    }
    let sender = agent.sender.clone();
    thread::spawn(move || {
        if let Ok(status) = wait(child) {
            let _ = sender.send(Event::Exited { id, status });
        }
    });

    let mut ended = None;
    let mut timed_out = false;
    let mut limit = None;
    while ended.is_none() || open > 0 {
        // Until it has ended, the host says when it is enough.
        let event = match limit {
            None => agent.events.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(limit) => {
                agent.events.recv_timeout(Instant::saturating_duration_since(&limit, Instant::now()))
            }
        };
        match event {
            Ok(Event::Exited { id: of, status }) if of == id => {
                ended = Some(status);
                limit = Some(Instant::now() + DRAIN);
                group.kill(pid);
            }
            Ok(Event::Drained { id: of }) if of == id => open -= 1,
            Ok(Event::Message(ToGuest { id: of, body: Body::Cancel })) if of == id => {
                timed_out = true;
                group.kill(pid);
            }
            Ok(Event::Lost(error)) => return Err(error.into()),
            Ok(_) => {}
            // Its processes are gone, and something else holds its output open: enough is enough.
            Err(_) => break,
        }
    }
    muted.store(true, Ordering::Release);
    group.remove();
    Ok(Answer::Ended { how: if timed_out { Ended::TimedOut } else { ended.map_or(Ended::TimedOut, how) } })
}

pub fn how(status: std::process::ExitStatus) -> Ended {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Code { code },
        (None, signal) => Ended::Signal { signal: signal.unwrap_or(0) },
    }
}

fn copy(mut pipe: impl Read, port: &Port, id: u32, error: bool, muted: &AtomicBool) {
    let mut buffer = vec![0; CHUNK];
    loop {
        match pipe.read(&mut buffer) {
            Ok(0) => return,
            Ok(len) => {
                let bytes = Bytes(buffer[..len].to_vec());
                if muted.load(Ordering::Acquire) || port.send(id, Reply::Output { error, bytes }).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// Waits for the child and, as PID 1, for every orphan that ends meanwhile.
pub fn wait(mut child: Child) -> io::Result<std::process::ExitStatus> {
    let own = child.id().cast_signed();
    while std::process::id() == 1 {
        match waitid(Id::All, WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) {
            Ok(WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, ..)) if pid.as_raw() != own => {
                let _ = waitpid(pid, None);
            }
            Err(nix::Error::EINTR) => {}
            _ => break,
        }
    }
    child.wait()
}

/// What a process reads and writes.
pub enum Io {
    /// Nothing in, two streams out.
    Pipes,
    /// A terminal, which becomes the controlling one.
    Terminal(OwnedFd),
}

/// Starts the process; the inner error is what a shell would say, with its exit status.
#[allow(clippy::type_complexity)]
pub fn spawn(
    agent: &Agent,
    command: &Command,
    script: Option<&str>,
    group: &Group,
    io: Io,
) -> Result<std::result::Result<Child, (i32, String)>> {
    let root = agent.mounts.root().to_owned();
    let accounts = inside(&root, || Ok(Accounts::read()))?;
    let account = accounts
        .account(&command.user)
        .or_else(|| (command.user == "root").then(superuser))
        .ok_or_else(|| Trouble::new(format!("there is no account `{}`", command.user)))?;
    let (program, arguments) = match (script, command.argv.split_first()) {
        (Some(path), _) => (path, command.argv.as_slice()),
        (None, Some((program, arguments))) => (program.as_str(), arguments),
        (None, None) => return Err(Trouble::new("an empty command")),
    };
    let mut process = Process::new(program);
    process.args(arguments).env_clear().envs(environment(&account, agent.place != Place::Booted));
    process.envs(command.env.iter().map(|(name, value)| (name, value)));
    let on_terminal = matches!(io, Io::Terminal(_));
    match io {
        Io::Pipes => {
            process.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        }
        Io::Terminal(terminal) => {
            nix::unistd::fchown(&terminal, Some(Uid::from_raw(account.uid)), None)?;
            let [input, output, error] = terminal::streams(terminal)?;
            process.stdin(input).stdout(output).stderr(error);
        }
    }
    let groups: Vec<Gid> = account.groups.iter().map(|&group| Gid::from_raw(group)).collect();
    let (uid, gid) = (Uid::from_raw(account.uid), Gid::from_raw(account.gid));
    let procs = group.procs();
    let cwd = command.cwd.clone();
    // SAFETY: runs in the child of a fork, where only what needs no lock and no allocation is
    // allowed: these are plain system calls on values made before.
    unsafe {
        process.pre_exec(move || {
            setsid()?;
            if on_terminal {
                terminal::take_control()?;
            }
            if let Some(procs) = &procs {
                nix::unistd::write(procs, b"0")?;
            }
            if root.as_os_str() != "/" {
                nix::unistd::chroot(&root)?;
            }
            setgroups(&groups)?;
            setgid(gid)?;
            setuid(uid)?;
            nix::unistd::chdir(cwd.as_str())?;
            umask(Mode::from_bits_truncate(0o022));
            Ok(())
        });
    }
    Ok(process.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound if script.is_none() => {
            (127, format!("{program}: not found (or {} is)", command.cwd))
        }
        io::ErrorKind::NotFound => {
            (126, format!("{program}: its interpreter (first line) or {} is not there", command.cwd))
        }
        _ => (126, format!("{program}: {error}")),
    }))
}

/// For trees that have no passwd yet.
fn superuser() -> Account {
    Account {
        name: "root".into(),
        uid: 0,
        gid: 0,
        groups: vec![0],
        home: "/root".into(),
        shell: "/bin/sh".into(),
    }
}

fn environment(account: &Account, offline: bool) -> BTreeMap<&'static str, String> {
    let path = if account.uid == 0 {
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    } else {
        "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"
    };
    let mut environment = BTreeMap::from([
        ("HOME", account.home.clone()),
        ("USER", account.name.clone()),
        ("LOGNAME", account.name.clone()),
        ("SHELL", account.shell.clone()),
        ("PATH", path.to_owned()),
        ("LANG", "C.UTF-8".to_owned()),
    ]);
    if offline && account.uid == 0 {
        environment.insert("DEBIAN_FRONTEND", "noninteractive".to_owned());
    }
    environment
}

/// The control group of one command: what is in it can be killed to the last process.
pub struct Group {
    folder: Option<PathBuf>,
}

impl Group {
    /// Without version 2 control groups there is only the process group to kill.
    pub fn new(place: &Place, id: u32) -> Self {
        let base = if *place == Place::Booted {
            fs::read_to_string("/proc/self/cgroup").ok().and_then(|text| {
                let own = text.lines().find_map(|line| line.strip_prefix("0::/"))?.to_owned();
                Some(Path::new("/sys/fs/cgroup").join(own))
            })
        } else {
            Some(PathBuf::from("/sys/fs/cgroup"))
        };
        // Not in the booted system, where this agent is itself in the group: the kernel would let no process into
        // a group below. A service's tasks are limited by the init system.
        let limited = *place != Place::Booted;
        if let Some(base) = base.as_ref().filter(|_| limited) {
            let _ = fs::write(base.join("cgroup.subtree_control"), "+pids");
        }
        let folder = base.map(|base| base.join(format!("imagefile-step-{id}")));
        let folder =
            folder.filter(|folder| fs::create_dir(folder).is_ok() && folder.join("cgroup.procs").exists());
        if let Some(folder) = folder.as_ref().filter(|_| limited) {
            let _ = fs::write(folder.join("pids.max"), MOST_TASKS.to_string());
        }
        Self { folder }
    }

    fn procs(&self) -> Option<File> {
        let file = OpenOptions::new().write(true).open(self.folder.as_ref()?.join("cgroup.procs")).ok()?;
        debug_assert!(file.as_raw_fd() > 2, "standard streams are taken");
        Some(file)
    }

    pub fn kill(&self, leader: Pid) {
        let _ = killpg(leader, Signal::SIGKILL);
        let Some(folder) = &self.folder else { return };
        if fs::write(folder.join("cgroup.kill"), "1").is_err() {
            let procs = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
            for pid in procs.lines().filter_map(|line| line.parse().ok()) {
                let _ = nix::sys::signal::kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
    }

    pub fn remove(&self) {
        let Some(folder) = &self.folder else { return };
        // Killed processes leave in their own time; as PID 1 they are ours to wait for.
        for _ in 0..200 {
            while std::process::id() == 1
                && matches!(waitpid(None, Some(WaitPidFlag::WNOHANG)), Ok(status) if status != WaitStatus::StillAlive)
            {
            }
            if fs::remove_dir(folder).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

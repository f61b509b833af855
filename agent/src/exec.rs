//! Running a command of the image: its user's login-like environment, its output streamed, its
//! time limited, and nothing it started left behind.
#![allow(unsafe_code)] // what a child does between fork and exec; the closure says why it is sound

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use imgfile_agent::protocol::RUN_DIR;
use imgfile_agent::protocol::message::{AgentStage, Answer, Body, Command, Ended, Reply};
use imgfile_agent::protocol::wire::Bytes;
use nix::fcntl::OFlag;
use nix::sys::signal::{Signal, killpg};
use nix::sys::stat::{Mode, umask};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Gid, Pid, Uid, setgid, setgroups, setsid, setuid};

use crate::chroot::inside;
use crate::error::{AgentError, At, Result};
use crate::files::{Account, Accounts};
use crate::network::be_alone;
use crate::running::{Running, how};
use crate::serve::Agent;
use crate::terminal;

/// Processes and threads of one command: enough for any build, too few for one that forks without end to take
/// the machine's memory.
const MOST_TASKS: u32 = 4096;

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
    let group = Group::new(&agent.stage, id);
    let mut child = match spawn(agent, command, script, &group, Io::Pipes)? {
        Ok(child) => child,
        Err((code, words)) => {
            let bytes = Bytes(format!("{words}\n").into_bytes());
            agent.port.send(id, Reply::Output { error: true, bytes })?;
            return Ok(Answer::Ended { how: Ended::Code { code } });
        }
    };
    let out = child.stdout.take().map(|pipe| (Box::new(pipe) as _, false));
    let err = child.stderr.take().map(|pipe| (Box::new(pipe) as _, true));
    let streams = out.into_iter().chain(err).collect();
    let mut cancelled = false;
    let status = Running::watch(agent, id, group, child, streams).end(|body| {
        cancelled |= matches!(body, Body::Cancel);
        cancelled
    })?;
    Ok(Answer::Ended { how: if cancelled { Ended::TimedOut } else { status.map_or(Ended::TimedOut, how) } })
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
        .ok_or_else(|| AgentError::new(format!("there is no account `{}`", command.user)))?;
    let (program, arguments) = match (script, command.argv.split_first()) {
        (Some(path), _) => (path, command.argv.as_slice()),
        (None, Some((program, arguments))) => (program.as_str(), arguments),
        (None, None) => return Err(AgentError::new("an empty command")),
    };
    let mut process = Process::new(program);
    process.args(arguments).env_clear().envs(environment(&account, agent.stage != AgentStage::Booted));
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
    let alone = !command.network;
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
            // The agent is the last to be killed for want of memory; what it runs is like anything else.
            if let Ok(score) = nix::fcntl::open(c"/proc/self/oom_score_adj", OFlag::O_WRONLY, Mode::empty()) {
                nix::unistd::write(&score, b"0")?;
            }
            if alone {
                be_alone()?;
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

/// How long killed processes are waited for: less than the host waits for the answer.
const DEPARTURE: Duration = Duration::from_secs(30);

/// The control group of one command: what is in it can be killed to the last process.
pub struct Group {
    folder: Option<PathBuf>,
}

impl Group {
    /// Without version 2 control groups there is only the process group to kill.
    pub fn new(stage: &AgentStage, id: u32) -> Self {
        let base = if *stage == AgentStage::Booted {
            fs::read_to_string("/proc/self/cgroup").ok().and_then(|text| {
                let own = text.lines().find_map(|line| line.strip_prefix("0::/"))?.to_owned();
                Some(Path::new("/sys/fs/cgroup").join(own))
            })
        } else {
            Some(PathBuf::from("/sys/fs/cgroup"))
        };
        // Not in the booted system, where this agent is itself in the group: the kernel would let no process into
        // a group below. A service's tasks are limited by the init system.
        let limited = *stage != AgentStage::Booted;
        if let Some(base) = base.as_ref().filter(|_| limited) {
            let _ = fs::write(base.join("cgroup.subtree_control"), "+pids");
        }
        let folder = base.map(|base| base.join(format!("imgfile-step-{id}")));
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
        // Killed processes leave in their own time, thousands of them on a busy host in many seconds; as PID 1 they
        // are ours to wait for. One that hangs in the kernel is not.
        let given_up = Instant::now() + DEPARTURE;
        while Instant::now() < given_up {
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

//! Commands that are under way, what works for them, and ways to end both by force.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Lines, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};

use crate::common::built::Project;

/// A process of this host.
pub(super) struct Process {
    pid: i32,
    parent: i32,
    /// How it was called, and what is mounted where it runs.
    command: String,
    pub(super) mounts: String,
}

/// All that run, without those that have ended and were not waited for yet.
pub(super) fn all_processes() -> Vec<Process> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let one = |entry: fs::DirEntry| {
        let read = |name: &str| fs::read(entry.path().join(name)).ok();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let stat = text(read("stat")?);
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let (state, parent) = (fields.next()?, fields.next()?.parse().ok()?);
        (state != "Z").then_some(())?;
        Some(Process {
            pid: entry.file_name().to_str()?.parse().ok()?,
            parent,
            command: text(read("cmdline")?),
            mounts: text(read("mountinfo").unwrap_or_default()),
        })
    };
    entries.filter_map(one).collect()
}

/// Processes that have this folder on their command line, and all that descend from them or from `but`, which
/// itself is left out.
pub(super) fn processes(folder: &Path, but: u32) -> Vec<i32> {
    let (folder, but) = (folder.to_str().unwrap(), but.cast_signed());
    let all = all_processes();
    let mut ours: BTreeSet<i32> =
        all.iter().filter(|one| one.command.contains(folder)).map(|one| one.pid).collect();
    // Zero is nobody: the parent of the first process.
    ours.extend((but != 0).then_some(but));
    while let Some(child) = all.iter().find(|one| ours.contains(&one.parent) && !ours.contains(&one.pid)) {
        ours.insert(child.pid);
    }
    ours.remove(&but);
    ours.into_iter().collect()
}

/// A command that is under way, and its log as it comes.
pub(super) struct Running {
    pub(super) child: Child,
    pub(super) log: Lines<BufReader<ChildStderr>>,
}

impl Running {
    pub(super) fn start(project: &Project, args: &[&str]) -> Self {
        Self::of(&mut project.command(args))
    }

    pub(super) fn of(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, log }
    }

    /// Goes on until the log has so many lines more, or the command ends.
    pub(super) fn lines(&mut self, count: u64) {
        for _ in 0..count {
            if self.log.next().is_none() {
                break;
            }
        }
    }

    /// Goes on until a line of the log ends so.
    pub(super) fn until(&mut self, end: &str) {
        let mut said = String::new();
        loop {
            let line = self.log.next().unwrap_or_else(|| panic!("`{end}` never came:\n{said}")).unwrap();
            if line.ends_with(end) {
                return;
            }
            said += &format!("{line}\n");
        }
    }

    /// Goes on until a condition holds, which must be while the command runs.
    pub(super) fn while_runs(&mut self, what: &str, condition: impl FnMut() -> bool) {
        if !self.until_true(condition) {
            let said: Vec<String> = self.log.by_ref().map_while(Result::ok).collect();
            panic!("{what}: it ended before that:\n{}", said.join("\n"));
        }
    }

    /// Goes on until a condition holds; says whether that was while the command ran.
    pub(super) fn until_true(&mut self, mut condition: impl FnMut() -> bool) -> bool {
        while !condition() {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            std::thread::yield_now();
        }
        true
    }

    /// Ends it by force in one way; says whether there was something to kill. No machine outlives that.
    pub(super) fn kill(mut self, project: &Project, victim: Victim) -> bool {
        let helpers = processes(&project.store, self.child.id());
        let runs = self.child.try_wait().unwrap().is_none();
        let hit = runs && (victim == Victim::Imgfile || !helpers.is_empty());
        if victim != Victim::Imgfile {
            for pid in &helpers {
                let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
            }
        }
        if victim != Victim::Helpers {
            let _ = self.child.kill();
        }
        // Whoever writes to a closed pipe learns of it: the rest is read.
        self.log.map_while(Result::ok).for_each(drop);
        self.child.wait().unwrap();
        eventually(|| !is_running(project, "qemu"));
        hit
    }
}

/// What a kill meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Victim {
    Imgfile,
    /// The emulator, `qemu-img`, `mmdebstrap`: whatever works for imgfile just then.
    Helpers,
    Both,
}

pub(super) const VICTIMS: [Victim; 3] = [Victim::Imgfile, Victim::Helpers, Victim::Both];

/// Waits until a condition holds that is bound to hold soon; a test that waits for ever is ended by its runner.
pub(super) fn eventually(mut condition: impl FnMut() -> bool) {
    while !condition() {
        std::thread::yield_now();
    }
}

/// Whether some process of this project has this word on its command line.
pub(super) fn is_running(project: &Project, word: &str) -> bool {
    processes(&project.store, 0).iter().any(|pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(word)
    })
}

/// A `qemu-img` that stops in the middle: what it was to write is there in part, and it waits.
pub(super) struct Gate {
    folder: tempfile::TempDir,
}

impl Gate {
    /// For command lines that match a pattern of the shell.
    pub(super) fn at(pattern: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (reached, never) = (folder.path().join("reached"), folder.path().join("never"));
        // It runs where it may write nothing but what it makes; a pipe takes words all the same.
        for pipe in [&reached, &never] {
            mkfifo(pipe, Mode::S_IRWXU).unwrap();
        }
        let program = folder.path().join("qemu-img");
        let script = format!(
            "#!/bin/sh\nPATH=${{PATH#*:}}\ncase \"$*\" in\n  {pattern})\n    for last; do :; done\n    \
             if [ -s \"$last\" ]; then size=$(stat -c %s \"$last\"); else size=2000000; fi\n    \
             head -c $((size / 2)) /dev/zero > \"$last\"\n    echo > {}\n    read -r never < {} ;;\nesac\n\
             exec qemu-img \"$@\"\n",
            reached.display(),
            never.display()
        );
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder }
    }

    /// Starts a command for which this is `qemu-img`, and waits until it is at the gate.
    pub(super) fn reach(&self, what: &str, command: &mut Command) -> Running {
        let path = std::env::var("PATH").unwrap();
        let mut reached = fs::File::options()
            .read(true)
            .custom_flags(nix::libc::O_NONBLOCK)
            .open(self.folder.path().join("reached"))
            .unwrap();
        let mut running =
            Running::of(command.env("PATH", format!("{}:{path}", self.folder.path().display())));
        running.while_runs(what, || reached.read(&mut [0]).is_ok_and(|bytes| bytes > 0));
        running
    }
}

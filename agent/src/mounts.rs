//! File systems of the image, and the kernel's own in the initramfs.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use imgfile_agent::protocol::message::Answer;
use nix::mount::{MntFlags, MsFlags, umount2};

use crate::error::{AgentError, At, Result};

/// Mounts a pseudo file system, making its folder.
pub fn pseudo(fs_type: &str, target: &Path, options: &str, flags: MsFlags) -> Result<()> {
    fs::create_dir_all(target).at(target.display())?;
    nix::mount::mount(Some(fs_type), target, Some(fs_type), flags, Some(options)).at(target.display())
}

/// What a process may expect of the world, for the agent itself in the initramfs.
pub fn bring_up() -> Result<()> {
    let none = MsFlags::empty();
    pseudo("proc", Path::new("/proc"), "", none)?;
    pseudo("sysfs", Path::new("/sys"), "", none)?;
    pseudo("devtmpfs", Path::new("/dev"), "mode=755", none)?;
    pseudo("devpts", Path::new("/dev/pts"), "mode=620,gid=5,ptmxmode=666", none)?;
    pseudo("tmpfs", Path::new("/dev/shm"), "mode=1777", none)?;
    // A kernel without version 2 control groups is no reason not to start.
    let _ = pseudo("cgroup2", Path::new("/sys/fs/cgroup"), "", none);
    for (link, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        let _ = symlink(target, Path::new("/dev").join(link));
    }
    fs::create_dir_all("/sysroot")?;
    // A host name that resolves wherever there is an /etc/hosts; apt and sudo ask for it.
    nix::unistd::sethostname("localhost")?;
    Ok(())
}

/// The image's file systems that the host asked for, in the order they were mounted.
pub struct Mounts {
    root: PathBuf,
    targets: Vec<PathBuf>,
}

impl Mounts {
    /// An agent whose image is, or will be, at `root`.
    pub fn at(root: PathBuf) -> Self {
        let mounted = root != Path::new("/sysroot");
        Self { targets: if mounted { vec![root.clone()] } else { Vec::new() }, root }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn targets(&self) -> &[PathBuf] {
        &self.targets
    }

    /// A path of the image as the agent sees it. Only for mount points: symbolic links in it are
    /// not resolved as the image would.
    pub fn path(&self, target: &str) -> PathBuf {
        let relative = target.trim_matches('/');
        if relative.is_empty() { self.root.clone() } else { self.root.join(relative) }
    }

    pub fn mount(
        &mut self,
        device: &str,
        fs_type: &str,
        target: &str,
        options: &str,
        read_only: bool,
    ) -> Result<Answer> {
        let path = self.path(target);
        if path != self.root && self.targets.is_empty() {
            return Err(AgentError::new("the root file system is not mounted"));
        }
        let source = if fs_type == "tmpfs" { PathBuf::from("tmpfs") } else { Path::new("/dev").join(device) };
        let flags = if read_only { MsFlags::MS_RDONLY } else { MsFlags::empty() };
        nix::mount::mount(Some(&source), &path, Some(fs_type), flags, Some(options)).at(source.display())?;
        self.targets.push(path);
        Ok(Answer::Nothing)
    }

    /// The last mounted first: what is below a folder of another may be written through it.
    pub fn remount_read_only(&self) -> Result<Answer> {
        let flags = MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        for path in self.targets.iter().rev() {
            nix::mount::mount(None::<&str>, path, None::<&str>, flags, None::<&str>).at(path.display())?;
        }
        Ok(Answer::Nothing)
    }

    pub fn unmount(&mut self, target: &str) -> Result<Answer> {
        let path = self.path(target);
        let at = self
            .targets
            .iter()
            .rposition(|known| *known == path)
            .ok_or_else(|| AgentError::new("not mounted"))?;
        if path == self.root {
            strip(&self.root, &self.targets)?;
        }
        take_down(&path)?;
        self.targets.remove(at);
        Ok(Answer::Nothing)
    }

    pub fn unmount_all(&mut self) -> Result<()> {
        strip(&self.root, &self.targets)?;
        while let Some(path) = self.targets.pop() {
            take_down(&path)?;
        }
        Ok(())
    }
}

fn take_down(path: &Path) -> Result<()> {
    umount2(path, MntFlags::empty()).at(path.display())
}

/// Whether something is mounted right there.
pub fn is_mounted(path: &str) -> bool {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    table.lines().any(|line| line.split(' ').nth(4) == Some(path))
}

/// Unmounts everything below `root`, deepest and last first, except what `keep` names.
pub fn strip(root: &Path, keep: &[PathBuf]) -> Result<()> {
    let table = fs::read_to_string("/proc/self/mountinfo")?;
    let below: Vec<PathBuf> = table
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(|path| PathBuf::from(unescape(path)))
        .filter(|path| path.starts_with(root) && path != root)
        .collect();
    for path in below.iter().rev() {
        // One that is kept may carry a second mount on top of it: count, keep the first.
        let stacked = below.iter().filter(|other| *other == path).count() > 1;
        if keep.contains(path) && !stacked {
            continue;
        }
        if umount2(path, MntFlags::empty()).is_err() {
            // A stray process holds it; it has no writable part of the disk unless `keep` names it.
            umount2(path, MntFlags::MNT_DETACH).at(path.display())?;
        }
    }
    Ok(())
}

/// Undoes the octal escapes of blanks and backslashes in the kernel's mount table.
fn unescape(path: &str) -> String {
    ["\\040", "\\011", "\\012"]
        .into_iter()
        .zip([" ", "\t", "\n"])
        .fold(path.to_owned(), |path, (escape, plain)| path.replace(escape, plain))
        .replace("\\134", "\\")
}

//! Handing the machine to the image's init, and taking it back.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use imgfile_agent::protocol::message::Answer;
use imgfile_agent::protocol::{FORMER_RUN_DIR, RUN_DIR};
use nix::mount::{MsFlags, mount};
use nix::unistd::Pid;

use crate::chroot::veil_for_boot;
use crate::error::{AgentError, At, Result};
use crate::mounts::{is_mounted, pseudo, strip};

/// Where systemd leaves the old root when it gives way to what is in /run/initramfs.
pub const OLD_ROOT: &str = "/oldroot";

/// What the next agents need to know: their epochs and the placeholders to remove.
const STATE: &str = "/run/imgfile/state";

/// The unit that starts the agent; early, so that a service that hangs can be looked at. One that was killed is
/// started again, and says hello a second time: so the host learns of it at once.
const UNIT: &str = "[Unit]
Description=Build agent
Conflicts=shutdown.target
Before=shutdown.target
DefaultDependencies=no

[Service]
ExecStart=/run/imgfile/agent
Restart=always
RestartSec=0
KillMode=mixed
Delegate=yes
OOMScoreAdjust=-900
StandardOutput=tty
StandardError=tty
TTYPath=/dev/console
";

/// The agents that come after this one.
pub struct Next {
    /// Of the agent in the booted system.
    pub epoch: u32,
    /// Of the agent after its shutdown.
    pub exit_epoch: u32,
    /// Units that are not to start.
    pub masks: Vec<String>,
    /// Additions to units, by unit.
    pub drop_ins: Vec<(String, String)>,
    /// Generators of units that are not to run.
    pub generators: Vec<String>,
    /// The init knows no units: the agent is a process of its own.
    pub beside: bool,
}

/// Gives the machine away; answers only if that fails.
pub fn root(root: &Path, next: &Next, init: &str, resolver: Option<&str>) -> Result<Answer> {
    let mode = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    pseudo("tmpfs", &root.join("run"), "mode=755,size=50%", mode)?;
    let run = root.join("run/imgfile");
    fs::create_dir_all(&run)?;
    symlink(FORMER_RUN_DIR.1, root.join(FORMER_RUN_DIR.0))?;
    if next.beside {
        // Such inits mount /run anew so that nothing in it can be executed. systemd leaves it alone, and
        // what it would unmount at its end must not be where the next agent is.
        pseudo("tmpfs", &run, "mode=755", mode)?;
    }
    let agent_file = run.join("agent");
    fs::copy("/proc/self/exe", &agent_file).at("agent")?;
    fs::set_permissions(&agent_file, fs::Permissions::from_mode(0o755))?;
    if !next.beside {
        arrange_with_systemd(root, &agent_file, next)?;
    }
    if resolver.is_some() {
        keep_network(root)?;
    }
    let placeholder = match resolver {
        Some(text) => veil_for_boot(root, text)?,
        None => None,
    };
    let placeholder = placeholder.unwrap_or_default();
    let Next { epoch, exit_epoch, .. } = next;
    fs::write(run.join("state"), format!("{epoch}\n{exit_epoch}\n{}\n", placeholder.display()))?;

    // From here on there is no way back, except that a failing exec is a kernel panic with its reason.
    let _ = nix::mount::umount2("/sys/fs/cgroup", nix::mount::MntFlags::MNT_DETACH);
    for (from, to) in [("/proc", "proc"), ("/sys", "sys"), ("/dev", "dev")] {
        mount(Some(from), &root.join(to), None::<&str>, MsFlags::MS_MOVE, None::<&str>).at(from)?;
    }
    // The initramfs stays in memory for ever; its one large file need not.
    let _ = fs::remove_file("/init");
    std::env::set_current_dir(root)?;
    mount(Some("."), "/", None::<&str>, MsFlags::MS_MOVE, None::<&str>).at("/")?;
    std::os::unix::fs::chroot(".")?;
    std::env::set_current_dir("/")?;
    if next.beside {
        // It gets the line to the host when this process has let go of it; whoever is PID 1 then is its parent.
        Command::new("/run/imgfile/agent").process_group(0).spawn().at("agent")?;
    }
    let error = Command::new(init)
        .env_clear()
        .env("TERM", "linux")
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .exec();
    eprintln!("imgfile agent: {init}: {error}");
    std::process::exit(1)
}

/// Has systemd start the agent, leave units out and change others for as long as it runs, and give way to the agent at
/// its end.
fn arrange_with_systemd(root: &Path, agent: &Path, next: &Next) -> Result<()> {
    let units = root.join("run/systemd/system");
    let wants = units.join("multi-user.target.wants");
    fs::create_dir_all(&wants)?;
    fs::write(units.join("imgfile-agent.service"), UNIT)?;
    symlink("../imgfile-agent.service", wants.join("imgfile-agent.service"))?;
    // Above /etc in systemd's order, so units that live there are masked as well.
    let control = root.join("run/systemd/system.control");
    fs::create_dir_all(&control)?;
    for mask in next.masks.iter().filter(|mask| !mask.contains('/')) {
        symlink("/dev/null", control.join(mask)).at(mask)?;
    }
    for (unit, text) in next.drop_ins.iter().filter(|(unit, _)| !unit.contains('/')) {
        let folder = control.join(format!("{unit}.d"));
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("imgfile.conf"), text).at(unit)?;
    }
    // One of the same name in /run goes before; one that is nothing is none.
    let generators = root.join("run/systemd/system-generators");
    fs::create_dir_all(&generators)?;
    for generator in next.generators.iter().filter(|generator| !generator.contains('/')) {
        symlink("/dev/null", generators.join(generator)).at(generator)?;
    }
    let exit = root.join("run/initramfs");
    fs::create_dir_all(&exit)?;
    fs::copy(agent, exit.join("shutdown"))?;
    Ok(())
}

/// The card keeps the address it has, whoever manages networks in this system.
fn keep_network(root: &Path) -> Result<()> {
    let networkd = root.join("run/systemd/network");
    fs::create_dir_all(&networkd)?;
    fs::write(
        networkd.join("00-imgfile.network"),
        "[Match]\nType=ether\n\n[Network]\nAddress=10.0.2.15/24\nGateway=10.0.2.2\nDNS=10.0.2.3\n\
         LinkLocalAddressing=no\nKeepConfiguration=yes\n",
    )?;
    let manager = root.join("run/NetworkManager/conf.d");
    fs::create_dir_all(&manager)?;
    fs::write(manager.join("imgfile.conf"), "[keyfile]\nunmanaged-devices=*\n")?;
    Ok(())
}

fn state() -> Result<(u32, u32, PathBuf)> {
    let text = fs::read_to_string(STATE).at(STATE)?;
    let mut lines = text.lines();
    let mut epoch = || {
        lines.next().and_then(|line| line.parse().ok()).ok_or_else(|| AgentError::new("a broken state file"))
    };
    let (booted, after) = (epoch()?, epoch()?);
    Ok((booted, after, PathBuf::from(lines.next().unwrap_or_default())))
}

/// Comes up as a service of the booted system.
pub fn booted() -> Result<u32> {
    // Started by a boot loader instead, there is no state in /run: the planted one is beside the binary.
    if !Path::new(STATE).exists() {
        let own = std::env::current_exe()?;
        let planted = own.with_file_name("state");
        let text = fs::read_to_string(&planted).at(planted.display())?;
        pseudo("tmpfs", Path::new(RUN_DIR), "mode=755", MsFlags::MS_NOSUID | MsFlags::MS_NODEV)?;
        fs::write(STATE, text)?;
    }
    state().map(|(epoch, ..)| epoch)
}

/// Asks systemd to stop everything; as it has /run/initramfs/shutdown, that comes next.
pub fn shut_down() -> Result<Answer> {
    // SIGRTMIN+4 starts poweroff.target, see systemd(1); systemctl would need a working bus.
    let signal = nix::libc::SIGRTMIN() + 4;
    send(Pid::from_raw(1), signal)?;
    Ok(Answer::Nothing)
}

#[allow(unsafe_code)]
fn send(to: Pid, signal: i32) -> Result<()> {
    // SAFETY: kill has no memory to get wrong; nix knows no real-time signals.
    let result = unsafe { nix::libc::kill(to.as_raw(), signal) };
    if result < 0 { Err(std::io::Error::last_os_error().into()) } else { Ok(()) }
}

/// Comes up as PID 1 after systemd's shutdown: the old root is left mounted, read-only.
pub fn after_shutdown() -> Result<u32> {
    let (_, epoch, placeholder) = state()?;
    let old = Path::new(OLD_ROOT);
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)?;
    strip(old, &[])?;
    mount(None::<&str>, old, None::<&str>, MsFlags::MS_REMOUNT, None::<&str>).at("/")?;
    if !placeholder.as_os_str().is_empty() {
        let path = old.join(placeholder);
        if fs::symlink_metadata(&path).is_ok_and(|found| found.is_file() && found.len() == 0) {
            fs::remove_file(&path)?;
        }
    }
    for (fs_type, path, options) in [
        ("devpts", "/dev/pts", "mode=620,gid=5,ptmxmode=666"),
        ("tmpfs", "/dev/shm", "mode=1777"),
        ("cgroup2", "/sys/fs/cgroup", ""),
    ] {
        // Those that survived the shutdown are in place already, and none is worth failing for.
        if !is_mounted(path) {
            let _ = pseudo(fs_type, Path::new(path), options, MsFlags::empty());
        }
    }
    nix::unistd::sethostname("localhost")?;
    Ok(epoch)
}

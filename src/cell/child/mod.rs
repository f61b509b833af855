//! What the new process does between its birth and the program that it becomes.
//!
//! It is a copy of one thread of a process that has others, so nothing here allocates, takes a lock or
//! unwinds: system calls on values that were made before, and nothing else.
#![allow(unsafe_code)]
// system calls that no crate offers in a form that neither allocates nor locks
// Numbers of processes and descriptors, and bits, in the types that each call wants.
#![allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, clippy::cast_sign_loss)]

mod mounts;
mod waiting;

use std::ffi::CString;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::ptr;

use nix::libc::{self, c_char, c_int, c_long, c_uint, c_ulong};
use nix::unistd::Pid;

pub(super) use mounts::id_mapped;
use mounts::{enter, lay_out, mount_proc, show};
pub(super) use waiting::Waiting;

/// What could not be done, for the message: in the order of the numbers that the child sends.
pub(super) const STEPS: &[&str] = &[
    "wait for its parent",
    "take its user and groups",
    "bring up its network",
    "make its root",
    "show a path",
    "mount its /proc",
    "enter its root",
    "set its limits",
    "drop its capabilities",
    "restrict what it opens and calls",
    "take its streams",
    "start the program",
];

/// The step whose error is the program's own.
pub(super) const EXECUTE: u8 = 11;

/// The bytes that go to and fro before the program starts.
pub(super) const READY: u8 = b'r';
pub(super) const GO: u8 = b'g';

/// One thing of the new root, by its path below it.
#[derive(Debug)]
pub(super) enum Entry {
    Folder(CString),
    File(CString),
    Link { to: CString, at: CString },
    Mount { from: From, at: CString, attributes: u64 },
    Scratch { at: CString },
}

#[derive(Debug)]
pub(super) enum From {
    /// A path outside; opened before anything is mounted.
    Path { path: CString, opened: RawFd },
    /// A mount that is not attached yet.
    Detached(RawFd),
}

#[derive(Debug)]
pub(super) struct Root {
    /// Where the new root is mounted first; whatever lies there is not seen any more.
    pub(super) at: CString,
    pub(super) entries: Vec<Entry>,
    /// The folder of the working directory, below the new root.
    pub(super) folder: CString,
    pub(super) proc: bool,
}

/// All that the child needs. Descriptors are open as long as it is not started.
#[derive(Debug)]
pub(super) struct Plan {
    /// Its namespaces, in the bits of clone(2).
    pub(super) namespaces: u64,
    /// Both ends of the connection with the parent; the first is the child's.
    pub(super) sync: (RawFd, RawFd),
    /// A user namespace to enter, and whether that needs a device of its own to make a network with.
    pub(super) joins: Option<(RawFd, bool)>,
    pub(super) groups: Option<Vec<u32>>,
    /// Becomes user 0 of its namespace.
    pub(super) become_root: bool,
    pub(super) loopback: bool,
    /// Messages of rtnetlink(7).
    pub(super) routes: Vec<Vec<u8>>,
    pub(super) root: Option<Root>,
    pub(super) file_size: Option<u64>,
    pub(super) keep_capabilities: bool,
    pub(super) landlock: Option<RawFd>,
    /// A filter of its system calls.
    pub(super) calls: Option<seccompiler::BpfProgram>,
    pub(super) streams: [RawFd; 3],
    pub(super) inherited: Vec<RawFd>,
    pub(super) program: CString,
    pub(super) args: Vec<CString>,
    pub(super) env: Vec<CString>,
}

#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
}

#[repr(C)]
struct MountAttributes {
    set: u64,
    clear: u64,
    propagation: u64,
    userns: u64,
}

/// The family of an address in a message about routes (`linux/socket.h`).
pub(super) const AF_INET6: u8 = 10;

pub(super) const READ_ONLY: u64 = 0x1;
pub(super) const NO_SETUID: u64 = 0x2;
pub(super) const NO_DEVICES: u64 = 0x4;
const ID_MAPPED: u64 = 0x0010_0000;

const OPEN_TREE_CLONE: c_uint = 1;
const AT_RECURSIVE: c_uint = 0x8000;
const MOVE_MOUNT_F_EMPTY_PATH: c_uint = 4;

/// Starts a process with `flags`; the answer is none in the child.
fn clone(flags: u64) -> io::Result<Option<(Pid, OwnedFd)>> {
    let mut pidfd: c_int = -1;
    let signal = libc::SIGCHLD as u64;
    let args = CloneArgs {
        flags: flags | libc::CLONE_PIDFD as u64,
        pidfd: ptr::from_mut(&mut pidfd) as u64,
        exit_signal: signal,
        ..CloneArgs::default()
    };
    // SAFETY: without CLONE_VM and without a stack of its own the child goes on here with a copy of all memory,
    // as after a fork; the arguments live until the call is over.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, ptr::from_ref(&args), size_of::<CloneArgs>()) };
    match pid {
        0 => Ok(None),
        1.. => {
            // SAFETY: the kernel has just made this descriptor for us.
            let fd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok(Some((Pid::from_raw(pid as i32), fd)))
        }
        _ => Err(io::Error::last_os_error()),
    }
}

/// Starts the process of a plan.
///
/// All signals are blocked until the program starts: handlers of this process would do their work a second
/// time in its copy.
pub(super) fn start(plan: &mut Plan) -> io::Result<(Pid, OwnedFd)> {
    let args: Vec<*const c_char> = pointers(&plan.args);
    let env: Vec<*const c_char> = pointers(&plan.env);
    // SAFETY: plain system calls on values of this function.
    let before = unsafe {
        let (mut all, mut before) = (std::mem::zeroed(), std::mem::zeroed());
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
        before
    };
    let result = clone(plan.namespaces);
    if let Ok(None) = result {
        let (step, error) = live(plan, &args, &env);
        let [a, b, c, d] = error.to_ne_bytes();
        let report = [step, a, b, c, d];
        // SAFETY: the process ends here, whatever becomes of its last words.
        unsafe {
            libc::write(plan.sync.0, report.as_ptr().cast(), report.len());
            libc::_exit(127);
        }
    }
    // SAFETY: the mask is the one that was there before.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, ptr::null_mut()) };
    result?.ok_or_else(|| io::Error::other("the process is its own child"))
}

fn pointers(texts: &[CString]) -> Vec<*const c_char> {
    texts.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect()
}

type Step<T> = Result<T, c_int>;

fn call(result: c_long) -> Step<c_long> {
    if result < 0 { Err(last_error()) } else { Ok(result) }
}

fn last_error() -> c_int {
    io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

/// Becomes the program; comes back with what could not be done, and why.
fn live(plan: &mut Plan, args: &[*const c_char], env: &[*const c_char]) -> (u8, c_int) {
    type Part = fn(&mut Plan) -> Step<()>;
    const PARTS: [Part; 11] =
        [wait, identity, network, lay_out, show, mount_proc, enter, limits, capabilities, landlock, streams];
    for (number, part) in PARTS.iter().enumerate() {
        if let Err(error) = part(plan) {
            return (number as u8, error);
        }
    }
    // SAFETY: both lists end with a null pointer, and their texts are the plan's.
    unsafe {
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
        libc::execve(plan.program.as_ptr(), args.as_ptr(), env.as_ptr());
    }
    (EXECUTE, io::Error::last_os_error().raw_os_error().unwrap_or(0))
}

/// Dies with its parent, and waits until that has written its maps.
fn wait(plan: &mut Plan) -> Step<()> {
    let mut answer = [0_u8];
    // SAFETY: descriptors of the plan, buffers of this function.
    unsafe {
        call(libc::close(plan.sync.1).into())?;
        call(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL).into())?;
        // Only so are the files of /proc that the parent writes to its own.
        call(libc::prctl(libc::PR_SET_DUMPABLE, 1).into())?;
        let filter = libc::open(c"/proc/self/coredump_filter".as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        if filter >= 0 {
            // A host that hands dumps to a program asks nobody's limit: there is nothing in them then.
            libc::write(filter, c"0".as_ptr().cast(), 1);
            libc::close(filter);
        }
        call(libc::write(plan.sync.0, ptr::from_ref(&READY).cast(), 1) as c_long)?;
        let got = call(libc::read(plan.sync.0, answer.as_mut_ptr().cast(), 1) as c_long)?;
        if got != 1 {
            return Err(libc::ESRCH);
        }
        call(libc::prctl(libc::PR_SET_DUMPABLE, 0).into())?;
        call(libc::setsid().into())?;
    }
    Ok(())
}

fn identity(plan: &mut Plan) -> Step<()> {
    if let Some((namespace, with_device)) = plan.joins {
        if with_device {
            tunnel_device()?;
        }
        // SAFETY: a descriptor of the plan.
        call(unsafe { libc::setns(namespace, libc::CLONE_NEWUSER) }.into())?;
    }
    // The calls of the C library would tell other threads, of which there are none.
    // SAFETY: system calls on numbers and on a list of the plan.
    unsafe {
        if let Some(groups) = &plan.groups {
            call(libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()))?;
        }
        if plan.become_root {
            call(libc::syscall(libc::SYS_setresgid, 0, 0, 0))?;
            call(libc::syscall(libc::SYS_setresuid, 0, 0, 0))?;
            // A change of the user takes it back.
            call(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL).into())?;
        }
    }
    Ok(())
}

/// The device that network interfaces are made with may be root's alone. Root lends it to the helper that makes
/// one for a cell, in a mount namespace of its own.
fn tunnel_device() -> Step<()> {
    // SAFETY: constant texts.
    unsafe {
        call(libc::unshare(libc::CLONE_NEWNS).into())?;
        let flags = libc::MS_REC | libc::MS_PRIVATE;
        call(libc::mount(ptr::null(), c"/".as_ptr(), ptr::null(), flags, ptr::null()).into())?;
        let options = c"mode=755,size=1m".as_ptr().cast();
        call(libc::mount(c"cell".as_ptr(), c"/dev/net".as_ptr(), c"tmpfs".as_ptr(), 0, options).into())?;
        libc::umask(0);
        call(libc::mknod(c"/dev/net/tun".as_ptr(), libc::S_IFCHR | 0o666, libc::makedev(10, 200)).into())?;
        libc::umask(0o022);
    }
    Ok(())
}

fn network(plan: &mut Plan) -> Step<()> {
    if plan.loopback {
        // SAFETY: the request is zeroed and has a name and flags as netdevice(7) wants them.
        unsafe {
            let socket = call(libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0).into())?;
            let mut request: libc::ifreq = std::mem::zeroed();
            request.ifr_name[0] = b'l'.cast_signed();
            request.ifr_name[1] = b'o'.cast_signed();
            request.ifr_ifru.ifru_flags = libc::IFF_UP as i16;
            call(libc::ioctl(socket as c_int, libc::SIOCSIFFLAGS, &raw mut request).into())?;
            libc::close(socket as c_int);
        }
    }
    if plan.routes.is_empty() {
        return Ok(());
    }
    // SAFETY: constant texts; the messages are whole; the answer has a buffer and is looked at within it.
    unsafe {
        // No interface gets an address of IPv6, over which its own link would be reached whatever the routes say.
        // Where /proc/sys is read-only, nobody answers on that link.
        for switch in
            [c"/proc/sys/net/ipv6/conf/all/disable_ipv6", c"/proc/sys/net/ipv6/conf/default/disable_ipv6"]
        {
            let file = libc::open(switch.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
            if file >= 0 {
                libc::write(file, c"1".as_ptr().cast(), 1);
                libc::close(file);
            }
        }
        let socket = call(
            libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::NETLINK_ROUTE).into(),
        )? as c_int;
        for message in &plan.routes {
            call(libc::send(socket, message.as_ptr().cast(), message.len(), 0) as c_long)?;
            let mut answer = [0_u8; 512];
            let got = call(libc::recv(socket, answer.as_mut_ptr().cast(), answer.len(), 0) as c_long)?;
            // A header of 16 bytes, then the error's number, negative, or zero.
            if got < 20 {
                return Err(libc::EPROTO);
            }
            let error = -i32::from_ne_bytes([answer[16], answer[17], answer[18], answer[19]]);
            // The family is the first byte after the header. What has no IPv6 has no way out by it either.
            let without_6 = matches!(error, libc::EOPNOTSUPP | libc::EAFNOSUPPORT | libc::EACCES);
            if error != 0 && !(without_6 && message.get(16) == Some(&AF_INET6)) {
                return Err(error);
            }
        }
        libc::close(socket);
        // The parent connects it now.
        call(libc::write(plan.sync.0, ptr::from_ref(&READY).cast(), 1) as c_long)?;
    }
    Ok(())
}

fn limits(plan: &mut Plan) -> Step<()> {
    let set = |resource: libc::__rlimit_resource_t, value: u64| {
        let limit = libc::rlimit { rlim_cur: value, rlim_max: value };
        // SAFETY: the limit is a value of this function.
        call(unsafe { libc::setrlimit(resource, &raw const limit) }.into())
    };
    set(libc::RLIMIT_CORE, 0)?;
    if let Some(bytes) = plan.file_size {
        set(libc::RLIMIT_FSIZE, bytes)?;
    }
    Ok(())
}

fn capabilities(plan: &mut Plan) -> Step<()> {
    const SECURE_BITS: c_ulong = 0b10_1111; // root gets none, and nobody keeps any; each locked
    const VERSION: u32 = 0x2008_0522;
    // SAFETY: numbers, and structures as capset(2) wants them.
    unsafe {
        // A program that unpacks systems gives files capabilities of their own; it may not gain any.
        call(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0).into())?;
        if plan.keep_capabilities {
            return Ok(());
        }
        if plan.root.is_some() {
            for capability in 0..64 {
                if libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) < 0 {
                    break;
                }
            }
            call(libc::prctl(libc::PR_SET_SECUREBITS, SECURE_BITS, 0, 0, 0).into())?;
        }
        let header = [VERSION, 0];
        let none = [0_u32; 6];
        call(libc::syscall(libc::SYS_capset, header.as_ptr(), none.as_ptr()))?;
    }
    Ok(())
}

fn landlock(plan: &mut Plan) -> Step<()> {
    if let Some(rules) = plan.landlock {
        // SAFETY: a descriptor of the plan.
        call(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, rules, 0) })?;
    }
    if let Some(filter) = &plan.calls {
        // Two system calls on what was made before.
        seccompiler::apply_filter(filter).map_err(|_| last_error())?;
    }
    Ok(())
}

fn streams(plan: &mut Plan) -> Step<()> {
    // SAFETY: descriptors of the plan.
    unsafe {
        call(libc::syscall(
            libc::SYS_close_range,
            3 as c_uint,
            c_uint::MAX,
            libc::CLOSE_RANGE_CLOEXEC as c_uint,
        ))?;
        for fd in &plan.inherited {
            call(libc::fcntl(*fd, libc::F_SETFD, 0).into())?;
        }
        for (number, fd) in plan.streams.iter().enumerate() {
            // They were opened by a process that has all three, so none of them has one of the numbers.
            call(libc::dup2(*fd, number as c_int).into())?;
        }
        let mut default: libc::sigaction = std::mem::zeroed();
        default.sa_sigaction = libc::SIG_DFL;
        call(libc::sigaction(libc::SIGPIPE, &raw const default, ptr::null_mut()).into())?;
    }
    Ok(())
}

/// Makes namespaces of all kinds that a cell has, for a process that ends at once.
pub(super) fn try_namespaces() -> io::Result<()> {
    let all = libc::CLONE_NEWUSER
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWNET;
    let Some((pid, _)) = clone(u64::from(all as u32))? else {
        // SAFETY: hosts that forbid namespaces by AppArmor let them be made and take all rights in them; the
        // process ends here.
        unsafe {
            let flags = libc::MS_REC | libc::MS_PRIVATE;
            let made = libc::mount(ptr::null(), c"/".as_ptr(), ptr::null(), flags, ptr::null());
            libc::_exit(i32::from(made != 0));
        }
    };
    match nix::sys::wait::waitpid(pid, None)? {
        nix::sys::wait::WaitStatus::Exited(_, 0) => Ok(()),
        _ => Err(io::Error::from(io::ErrorKind::PermissionDenied)),
    }
}

/// The version of the kernel's Landlock; none is below 1.
pub(super) fn landlock_version() -> c_long {
    const VERSION: c_uint = 1;
    // SAFETY: no structure is read for this question.
    unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, ptr::null::<u8>(), 0_usize, VERSION) }
}

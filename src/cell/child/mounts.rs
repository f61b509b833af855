//! The file system that a cell sees, made between clone(2) and execve(2): nothing here allocates.

use std::ffi::CString;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::ptr;

use nix::libc::{self, c_int, c_uint};

use super::{
    AT_RECURSIVE, Entry, From, ID_MAPPED, MOVE_MOUNT_F_EMPTY_PATH, MountAttributes, OPEN_TREE_CLONE, Plan,
    READ_ONLY, Step, call,
};

/// Opens what is to be shown, then mounts the root that it is going to be shown in.
pub(super) fn lay_out(plan: &mut Plan) -> Step<()> {
    let Some(root) = &mut plan.root else { return Ok(()) };
    // SAFETY: paths of the plan.
    unsafe {
        call(
            libc::mount(
                ptr::null(),
                c"/".as_ptr(),
                ptr::null(),
                libc::MS_REC | libc::MS_PRIVATE,
                ptr::null(),
            )
            .into(),
        )?;
        for entry in &mut root.entries {
            if let Entry::Mount { from: From::Path { path, opened }, .. } = entry {
                let fd = call(libc::syscall(
                    libc::SYS_open_tree,
                    libc::AT_FDCWD,
                    path.as_ptr(),
                    OPEN_TREE_CLONE | AT_RECURSIVE | libc::O_CLOEXEC as c_uint,
                ))?;
                *opened = fd as RawFd;
            }
        }
        call(
            libc::mount(
                c"cell".as_ptr(),
                root.at.as_ptr(),
                c"tmpfs".as_ptr(),
                libc::MS_NOSUID | libc::MS_NODEV,
                c"mode=755,size=1m".as_ptr().cast(),
            )
            .into(),
        )?;
        call(libc::chdir(root.at.as_ptr()).into())?;
        libc::umask(0o022);
    }
    Ok(())
}

pub(super) fn show(plan: &mut Plan) -> Step<()> {
    let Some(root) = &plan.root else { return Ok(()) };
    for entry in &root.entries {
        // SAFETY: paths and descriptors of the plan.
        unsafe {
            match entry {
                Entry::Folder(at) => {
                    if let Err(error) = call(libc::mkdir(at.as_ptr(), 0o755).into())
                        && error != libc::EEXIST
                    {
                        return Err(error);
                    }
                }
                Entry::File(at) => {
                    let flags = libc::O_CREAT | libc::O_WRONLY | libc::O_CLOEXEC | libc::O_NOFOLLOW;
                    let fd = call(libc::open(at.as_ptr(), flags, 0o644 as c_uint).into())?;
                    libc::close(fd as c_int);
                }
                Entry::Link { to, at } => {
                    call(libc::symlink(to.as_ptr(), at.as_ptr()).into())?;
                }
                Entry::Scratch { at } => {
                    call(
                        libc::mount(
                            c"cell".as_ptr(),
                            at.as_ptr(),
                            c"tmpfs".as_ptr(),
                            libc::MS_NOSUID | libc::MS_NODEV,
                            c"mode=1777,size=64m".as_ptr().cast(),
                        )
                        .into(),
                    )?;
                }
                Entry::Mount { from, at, attributes } => {
                    let fd = match from {
                        From::Path { opened, .. } => *opened,
                        From::Detached(fd) => *fd,
                    };
                    set_attributes(fd, c"", libc::AT_EMPTY_PATH as c_uint | AT_RECURSIVE, *attributes, None)?;
                    call(libc::syscall(
                        libc::SYS_move_mount,
                        fd,
                        c"".as_ptr(),
                        libc::AT_FDCWD,
                        at.as_ptr(),
                        MOVE_MOUNT_F_EMPTY_PATH,
                    ))?;
                }
            }
        }
    }
    Ok(())
}

pub(super) fn mount_proc(plan: &mut Plan) -> Step<()> {
    if plan.root.as_ref().is_some_and(|root| root.proc) {
        // SAFETY: constant texts.
        call(
            unsafe {
                libc::mount(
                    c"proc".as_ptr(),
                    c"proc".as_ptr(),
                    c"proc".as_ptr(),
                    libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC,
                    ptr::null(),
                )
            }
            .into(),
        )?;
    }
    Ok(())
}

pub(super) fn enter(plan: &mut Plan) -> Step<()> {
    let Some(root) = &plan.root else { return Ok(()) };
    // The old root is put over the new one and taken away: pivot_root(2).
    // SAFETY: constant texts, and a path of the plan.
    unsafe {
        call(libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()))?;
        call(libc::umount2(c".".as_ptr(), libc::MNT_DETACH).into())?;
        call(libc::chdir(c"/".as_ptr()).into())?;
        set_attributes(libc::AT_FDCWD, c"/", 0, READ_ONLY, None)?;
        call(libc::chdir(root.folder.as_ptr()).into())?;
    }
    Ok(())
}

fn set_attributes(
    at: RawFd,
    path: &std::ffi::CStr,
    flags: c_uint,
    set: u64,
    userns: Option<RawFd>,
) -> Step<()> {
    let attributes = MountAttributes {
        set: set | if userns.is_some() { ID_MAPPED } else { 0 },
        clear: 0,
        propagation: 0,
        userns: userns.unwrap_or(0) as u64,
    };
    // SAFETY: the structure lives until the call is over.
    call(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            at,
            path.as_ptr(),
            flags,
            ptr::from_ref(&attributes),
            size_of::<MountAttributes>(),
        )
    })?;
    Ok(())
}

/// A mount of a path, not attached anywhere, whose files belong to others: see `mount_setattr(2)`. Only root of
/// the host can make one.
pub(in crate::cell) fn id_mapped(path: &CString, userns: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: the path ends with a null byte.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_open_tree,
            libc::AT_FDCWD,
            path.as_ptr(),
            OPEN_TREE_CLONE | libc::O_CLOEXEC as c_uint,
        )
    };
    let fd = call(fd).map_err(io::Error::from_raw_os_error)?;
    // SAFETY: the kernel has just made this descriptor for us.
    let mount = unsafe { OwnedFd::from_raw_fd(fd as RawFd) };
    set_attributes(fd as RawFd, c"", libc::AT_EMPTY_PATH as c_uint, 0, Some(userns))
        .map_err(io::Error::from_raw_os_error)?;
    Ok(mount)
}

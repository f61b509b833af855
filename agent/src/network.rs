//! The first network card, given its address by the oldest interface there is: no netlink needed.
#![allow(unsafe_code)] // socket ioctls; each call says why it is sound

use std::ffi::{CString, c_int, c_ulong};
use std::fs;
use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};

use imgfile_agent::protocol::message::Answer;
use nix::libc;

use crate::device::fill;
use crate::error::{AgentError, At, Result};

/// Brings lo and the card up.
pub fn configure(address: [u8; 4], prefix: u8, gateway: [u8; 4]) -> Result<Answer> {
    // Any socket will do to ask through; this one sends nothing. An address given as text would
    // link the C library's resolver, a third of a megabyte.
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    let fd = socket.as_raw_fd();
    up(fd, "lo").at("lo")?;
    let card = fs::read_dir("/sys/class/net")?
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name != "lo")
        .min()
        .ok_or_else(|| AgentError::new("there is no network card"))?;
    let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0).to_be_bytes();
    set_address(fd, &card, libc::SIOCSIFADDR, address).at(&card)?;
    set_address(fd, &card, libc::SIOCSIFNETMASK, mask).at(&card)?;
    up(fd, &card).at(&card)?;
    default_route(fd, gateway).at("default route")?;
    Ok(Answer::Nothing)
}

fn request(name: &str) -> io::Result<libc::ifreq> {
    let name = CString::new(name)?;
    // SAFETY: an ifreq of zeroes is a valid value of every one of its unions.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    fill(&mut request.ifr_name, &name);
    Ok(request)
}

fn internet(address: [u8; 4]) -> libc::sockaddr {
    let mut generic = libc::sockaddr { sa_family: 0, sa_data: [0; 14] };
    generic.sa_family = libc::sa_family_t::try_from(libc::AF_INET).unwrap_or(2);
    // struct sockaddr_in: two bytes of port, then the address in network order.
    for (to, from) in generic.sa_data[2..6].iter_mut().zip(address) {
        *to = from.cast_signed();
    }
    generic
}

fn call<T>(fd: RawFd, code: c_ulong, argument: &mut T) -> io::Result<()> {
    // SAFETY: callers pair each code with the struct the kernel's netdevice(7) names for it.
    let result: c_int = unsafe { libc::ioctl(fd, code, std::ptr::from_mut(argument)) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn set_address(fd: RawFd, card: &str, code: c_ulong, address: [u8; 4]) -> io::Result<()> {
    let mut request = request(card)?;
    request.ifr_ifru.ifru_addr = internet(address);
    call(fd, code, &mut request)
}

fn up(fd: RawFd, card: &str) -> io::Result<()> {
    let mut request = request(card)?;
    call(fd, libc::SIOCGIFFLAGS, &mut request)?;
    // SAFETY: SIOCGIFFLAGS has just filled this member.
    let flags = unsafe { request.ifr_ifru.ifru_flags };
    request.ifr_ifru.ifru_flags =
        flags | libc::c_short::try_from(libc::IFF_UP | libc::IFF_RUNNING).unwrap_or(0);
    call(fd, libc::SIOCSIFFLAGS, &mut request)
}

fn default_route(fd: RawFd, gateway: [u8; 4]) -> io::Result<()> {
    // SAFETY: an rtentry of zeroes is a valid value: no device name, no addresses.
    let mut route: libc::rtentry = unsafe { std::mem::zeroed() };
    route.rt_dst = internet([0; 4]);
    route.rt_genmask = internet([0; 4]);
    route.rt_gateway = internet(gateway);
    route.rt_flags = libc::RTF_UP | libc::RTF_GATEWAY;
    match call(fd, libc::SIOCADDRT, &mut route) {
        Err(error) if error.raw_os_error() == Some(libc::EEXIST) => Ok(()),
        other => other,
    }
}

/// Gives the calling process a network in which there is nothing but itself, its own addresses included: programs
/// talk to themselves over them. System calls only, for the child of a fork.
pub fn be_alone() -> io::Result<()> {
    // SAFETY: unshare(2) takes no pointers; an ifreq of zeroes is a valid value, and the ioctl reads the name and
    // the flags that are set.
    unsafe {
        if libc::unshare(libc::CLONE_NEWNET) < 0 {
            return Err(io::Error::last_os_error());
        }
        let mut request: libc::ifreq = std::mem::zeroed();
        for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
            *to = libc::c_char::from_ne_bytes([*from]);
        }
        request.ifr_ifru.ifru_flags = libc::c_short::try_from(libc::IFF_UP).unwrap_or(1);
        let socket = libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
        if socket < 0 || libc::ioctl(socket, libc::SIOCSIFFLAGS, &raw mut request) < 0 {
            return Err(io::Error::last_os_error());
        }
        libc::close(socket);
    }
    Ok(())
}

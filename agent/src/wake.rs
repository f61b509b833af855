//! Waking up, in whichever stage: the clock stood still while this machine's memory lay in a file, and whatever the random
//! generator knows, other machines resumed from that file know too.
#![allow(unsafe_code)] // two ioctls of random(4) and a system call; each says why it is sound

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use imgfile_agent::protocol::message::Answer;
use nix::libc;

use crate::error::{AgentError, At, Result};

/// Bytes that the kernel's generator is keyed with.
const SEED: usize = 32;
const SEED_BYTES: libc::c_int = 32;

/// `struct rand_pool_info` of `linux/random.h` with its content.
#[repr(C)]
struct PoolInfo {
    /// Bits.
    entropy_count: libc::c_int,
    /// Bytes.
    buf_size: libc::c_int,
    buf: [u8; SEED],
}

/// Sets the clock and keys the random generator anew.
pub fn wake(seconds: u64, nanoseconds: u32, seed: &[u8]) -> Result<Answer> {
    reseed(seed).at("/dev/random")?;
    set_clock(seconds, nanoseconds).at("clock")?;
    Ok(Answer::Nothing)
}

fn reseed(seed: &[u8]) -> Result<()> {
    nix::ioctl_write_ptr!(add_entropy, b'R', 0x03, [libc::c_int; 2]);
    nix::ioctl_none!(reseed_now, b'R', 0x07);
    let buf = seed.try_into().map_err(|_| AgentError::new("a seed of the wrong length"))?;
    let info = PoolInfo { entropy_count: SEED_BYTES * 8, buf_size: SEED_BYTES, buf };
    let file = File::options().write(true).open("/dev/random")?;
    // SAFETY: the kernel reads the two numbers and then as many bytes as the second says, all of which are
    // in `info`; only the numbers count for the request's code.
    unsafe { add_entropy(file.as_raw_fd(), (&raw const info).cast()) }?;
    // What was given only takes part from the next reseeding on: now.
    // SAFETY: has no argument.
    unsafe { reseed_now(file.as_raw_fd()) }?;
    Ok(())
}

fn set_clock(seconds: u64, nanoseconds: u32) -> Result<()> {
    let tv_sec = seconds.try_into().map_err(|_| AgentError::new("an absurd time"))?;
    let time = libc::timespec { tv_sec, tv_nsec: nanoseconds.into() };
    // SAFETY: reads one timespec through a pointer to a live one.
    if unsafe { libc::clock_settime(libc::CLOCK_REALTIME, &raw const time) } < 0 {
        return Err(io::Error::last_os_error().into());
    }
    Ok(())
}

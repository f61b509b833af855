//! The speed of an emulated machine's clock.
//!
//! An emulated CPU's time stamp counter is the host's. A guest that measures its speed while the
//! host is busy gets it wrong, by a factor at times, and then all of its time limits are wrong. So
//! it is measured here, and told.
#![allow(unsafe_code)] // reading the counter

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Kilohertz of the time stamp counter; nothing where there is none or it is not steady.
pub(super) fn tsc_khz() -> Option<u64> {
    static KHZ: OnceLock<Option<u64>> = OnceLock::new();
    *KHZ.get_or_init(|| {
        let (one, other) = (measure()?, measure()?);
        // Being interrupted between two readings spoils a measurement by far less than this.
        (one.abs_diff(other) < one / 1000).then_some(u64::midpoint(one, other))
    })
}

#[cfg(target_arch = "x86_64")]
fn measure() -> Option<u64> {
    // SAFETY: every x86_64 CPU has the instruction, and user programs may use it unless a
    // supervisor took it away, which Linux does on request of the program only.
    let read = || unsafe { std::arch::x86_64::_rdtsc() };
    // The pair of readings closest to each other of a few: the least interrupted.
    let point = || {
        let tries = (0..5).map(|_| {
            let before = read();
            let time = Instant::now();
            (read().wrapping_sub(before), before, time)
        });
        tries.min_by_key(|(gap, ..)| *gap).map(|(_, ticks, time)| (ticks, time))
    };
    let (start, began) = point()?;
    std::thread::sleep(Duration::from_millis(10));
    let (end, ended) = point()?;
    let micros =
        u64::try_from(ended.duration_since(began).as_nanos() / 1000).ok().filter(|&micros| micros > 0)?;
    Some(end.wrapping_sub(start) * 1000 / micros)
}

#[cfg(not(target_arch = "x86_64"))]
fn measure() -> Option<u64> {
    None
}

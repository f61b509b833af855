//! The command line; everything it does is in the library.

fn main() -> std::process::ExitCode {
    give_memory_back();
    imgfile::cell::write_no_core();
    imgfile::cli::main()
}

/// Keeps glibc from learning: after an index of tens of megabytes was freed it takes blocks of that size from
/// its arenas too, which it does not give back (mallopt(3), `M_MMAP_THRESHOLD`). A build would hold 25 MB more
/// to its end.
#[cfg(target_env = "gnu")]
#[allow(unsafe_code)] // a call into the allocator
fn give_memory_back() {
    const BYTES: i32 = 128 * 1024;
    // SAFETY: no other thread runs yet, and the value is the one that the allocator starts with.
    unsafe { nix::libc::mallopt(nix::libc::M_MMAP_THRESHOLD, BYTES) };
}

#[cfg(not(target_env = "gnu"))]
const fn give_memory_back() {}

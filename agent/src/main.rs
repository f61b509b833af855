//! The agent: PID 1 of the initramfs, then a service of the booted system, then PID 1 again after
//! its shutdown. It does what the host asks, one request at a time, and decides nothing.

mod chroot;
mod device;
mod exec;
mod files;
mod filesystem;
mod mounts;
mod network;
mod port;
mod running;
mod serve;
mod switch;
mod tar;
mod terminal;
mod trouble;
mod wake;

use imgfile_agent::protocol::message::Place;

fn main() {
    let place = if std::process::id() == 1 {
        if std::path::Path::new(switch::OLD_ROOT).is_dir() { Place::AfterShutdown } else { Place::Initramfs }
    } else {
        Place::Booted
    };
    if let Err(trouble) = serve::run(place) {
        // As PID 1 this ends in a kernel panic, whose report on the console shows these words.
        eprintln!("imagefile agent: {trouble}");
        std::process::exit(1);
    }
}

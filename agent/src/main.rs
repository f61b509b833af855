//! The agent: PID 1 of the initramfs, then a service of the booted system, then PID 1 again after
//! its shutdown. It does what the host asks, one request at a time, and decides nothing.

mod chroot;
mod device;
mod error;
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
mod tree;
mod wake;

use imgfile_agent::protocol::message::AgentStage;

fn main() {
    let stage = if std::process::id() == 1 {
        if std::path::Path::new(switch::OLD_ROOT).is_dir() {
            AgentStage::AfterShutdown
        } else {
            AgentStage::Initramfs
        }
    } else {
        AgentStage::Booted
    };
    if let Err(error) = serve::run(stage) {
        // As PID 1 this ends in a kernel panic, whose report on the console shows these words.
        eprintln!("imgfile agent: {error}");
        std::process::exit(1);
    }
}

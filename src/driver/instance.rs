//! A machine that runs an image as its users will: nothing of ours in it, a person at its console.

use std::fmt::Debug;
use std::net::Ipv4Addr;
use std::path::Path;

use tokio::net::UnixStream;

use super::{End, MachineSpec, Op};

/// A machine to run.
#[derive(Debug, Clone)]
pub struct InstanceSpec {
    /// What it is made of. It has no payload; its disks may be written, or their writes thrown away.
    pub machine: MachineSpec,
    /// What of it this host's users reach; nothing unless it has a network.
    pub published: Vec<Publish>,
}

/// A TCP port of the guest that is reached by one of this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Publish {
    /// The address of this host, such as `127.0.0.1`.
    pub address: Ipv4Addr,
    /// The port of this host, such as 8080.
    pub port: u16,
    /// The port of the guest, such as 80.
    pub guest: u16,
}

/// A running instance. Dropping it kills it.
pub trait Instance: Debug + Send {
    /// Its serial console, both ways, as bytes; once. While nobody reads it the guest waits.
    fn console(&mut self) -> Option<UnixStream>;

    /// Waits until it has ended by itself, and tells how.
    fn ended(&mut self) -> Op<'_, End>;

    /// Presses the power button: a system that listens shuts down in order.
    fn press_power_button(&mut self) -> Op<'_, ()>;

    /// Writes what its screen shows as a PNG file, which must not be there yet, into its run folder.
    fn screenshot<'a>(&'a mut self, to: &'a Path) -> Op<'a, ()>;
}

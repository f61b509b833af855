//! Framed, length-bounded, versioned messages over a byte stream that may lose data when the agent
//! changes hands (virtio-serial has no framing and drops data on reopen).
//!
//! [`frame`] finds messages in the stream and resynchronises, [`wire`] turns values into bytes,
//! [`message`] says what there is to say, [`tree`] how a system's files are told of.

pub mod frame;
pub mod message;
pub mod tree;
pub mod wire;

/// Changes whenever an agent and a host of different builds could misunderstand each other.
pub const VERSION: u32 = 5;

/// The name of the virtio-serial port, as /sys/class/virtio-ports/*/name shows it.
pub const PORT_NAME: &str = "imgfile.agent";

/// Where the agent lives in a booted guest, and all else that is only there during a build.
pub const RUN_DIR: &str = "/run/imgfile";

/// A link, below the root, by which scripts find [`RUN_DIR`] under the name it had before, and what it says. It goes with
/// the next version.
pub const FORMER_RUN_DIR: (&str, &str) = ("run/imagefile", "imgfile");

/// There once the boot has finished: what was held back may start from then on.
pub const SETTLED: &str = "/run/imgfile/settled";

/// Kernel parameter with the epoch of the first agent, such as `imgfile.epoch=1`.
pub const EPOCH_PARAMETER: &str = "imgfile.epoch";

//! The language of host and guest, shared by the agent and the host's driver.

pub mod protocol;

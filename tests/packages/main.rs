//! Archives, keys and packages: what is believed, chosen, locked and installed.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in helpers too, this is how a test fails")]

#[path = "../common/mod.rs"]
mod common;

mod agrees_with_apt;
mod archive_forms;
mod archive_keys;
mod archives;
mod catalogue;
mod lock;
mod preparation;
mod repositories;

//! Which base, which versions and which steps come of an ImageFile.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in helpers too, this is how a test fails")]

#[path = "../common/mod.rs"]
mod common;

mod elements;
mod keys;
mod plans;
mod resolution;
mod storage;

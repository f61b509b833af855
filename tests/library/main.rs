//! The crate as a library: the rules of its architecture, and a program that embeds it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in helpers too, this is how a test fails")]

mod architecture;
mod circles;
mod cleanup;
mod embed;
mod rules;

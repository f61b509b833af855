//! The program as a person and a CI system meet it: commands, options, output, exit statuses, trust.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in helpers too, this is how a test fails")]

#[path = "../common/mod.rs"]
mod common;

mod bad_input;
mod command_line;
mod commands;
mod documentation;
mod failures;
mod help;
mod images;
mod libvirt;
mod on_failure;
mod output;
mod publish;
mod safety;
mod several;
mod trace;
mod trust;
mod wrong_call;

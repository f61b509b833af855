//! What the language says, and what it makes of any input: parsing, checking, formatting, explaining.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in helpers too, this is how a test fails")]

#[path = "../common/mod.rs"]
mod common;

mod arbitrary;
mod corpus;
mod explain;
mod keywords;
mod mutation;
mod report;
mod schemas;
mod shell;
mod sizes;
mod stages;
mod strangers;
mod ui;

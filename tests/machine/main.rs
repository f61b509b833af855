//! Real machines: bases, drivers, builds, artifacts and their instances.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in helpers too, this is how a test fails")]

#[path = "../common/mod.rs"]
mod common;

mod accounts;
mod artifacts;
mod capture;
mod clouds;
mod described;
mod driver;
mod embed;
mod examples;
mod faults;
mod given_bases;
mod given_systems;
mod inspect;
mod instances;
mod kernel;
mod limits;
mod made_bases;
mod network;
mod published;
mod run;
mod saved_boots;
mod shared_cache;
mod statements;
mod system_tree;

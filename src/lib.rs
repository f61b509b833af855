//! `imgfile` compiles a checked-in ImageFile into a validated plan and runs the plan in a
//! virtual machine to make a disk image and a lockfile.
//!
//! The modules are declared in the order of the architecture: a module may use those above it in this
//! list, never one below. `tests/library/architecture.rs` holds the tree to that. The modules up to `front` are
//! pure (`clippy.toml` says what they may not call): what they need comes in as values.

#![warn(missing_docs)]

#[deny(clippy::disallowed_methods)]
pub mod text;

#[deny(clippy::disallowed_methods)]
pub mod model;

#[deny(clippy::disallowed_methods)]
pub mod diagnostic;

#[deny(clippy::disallowed_methods)]
pub mod hygiene;

#[deny(clippy::disallowed_methods)]
pub mod syntax;

#[deny(clippy::disallowed_methods)]
pub mod check;

#[deny(clippy::disallowed_methods)]
pub mod catalog;

#[deny(clippy::disallowed_methods)]
pub mod resolve;

#[deny(clippy::disallowed_methods)]
pub mod packages;

#[deny(clippy::disallowed_methods)]
pub mod lock;

#[deny(clippy::disallowed_methods)]
pub mod advisory;

#[deny(clippy::disallowed_methods)]
pub mod plan;

#[deny(clippy::disallowed_methods)]
pub mod describe;

#[deny(clippy::disallowed_methods)]
pub mod front;

pub mod store;

pub mod oci;

pub mod cell;

pub mod driver;

pub mod exec;

pub mod shared_cache;

pub mod publish;

pub mod report;

pub mod ide;

pub mod ops;

pub mod cli;

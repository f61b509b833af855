//! `imgfile` compiles a checked-in ImageFile into a validated plan and runs the plan in a
//! virtual machine to make a disk image and a lockfile.
//!
//! The modules are declared in the order of the house: a module may use those above it in this
//! list, never one below. `tests/architecture.rs` holds the tree to that.

pub mod text;

pub mod diagnostic;

pub mod syntax;

pub mod check;

pub mod catalog;

pub mod resolve;

pub mod packages;

pub mod lock;

pub mod plan;

pub mod store;

pub mod driver;

pub mod exec;

pub mod report;

pub mod ide;

pub mod cli;

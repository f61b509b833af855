//! What editors are given: the language server and the files for them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in helpers too, this is how a test fails")]

#[path = "../common/mod.rs"]
mod common;

mod client;
mod editors;
mod lsp;
mod shared_files;

//! The language server: the protocol, the open documents and the disk around the editor features.
//!
//! One thread reads messages and one answers them, in order. All waiting messages are taken in
//! before anything is published, so that diagnostics are always about the latest text, and a flood
//! of changes costs one check. A check takes milliseconds, so nothing runs in the background.
//!
//! The server trusts neither side: a message that makes no sense is answered with an error and
//! skipped, a defect of ours costs one answer and not the session, and files outside of a project's
//! folder are never read, nothing ever executed or downloaded. One thing is written: a compiled-in
//! catalogue file that somebody wants to see.

mod builtin;
mod convert;
mod documents;
mod features;
mod image_files;
mod method;
mod position;
mod projects;
mod server;
mod session;
mod transport;
mod uri;
mod workspace;

pub use server::{Ended, serve};

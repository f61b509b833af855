//! The product's verbs as a library: what the command line does, for programs that do it without one.
//!
//! [`Workspace::open`] reads, checks and resolves a project and opens its store; the other verbs are methods of it. A
//! verb returns its result as data, or an [`Error`] that has what went wrong as data and a [`Class`]. What there is to
//! say besides goes to a [`Listener`]. Nothing here prints, ends the process or reads its arguments; the environment is
//! read where settings are looked up.

mod apps;
mod bases;
mod build;
pub mod builds;
pub mod cache;
mod cancel;
pub mod capture;
mod check;
mod describing;
pub mod diff;
pub mod doctor;
mod earlier_plan;
mod error;
mod format;
pub mod gc;
mod host_driver;
pub mod image;
mod image_export;
pub mod image_files;
mod images;
mod init;
pub mod inspect;
mod keys;
pub mod lifecycle;
mod listener;
mod lock;
mod logs;
mod outdated;
mod paths;
mod plan;
pub mod project;
pub mod publish;
mod recording;
pub mod records;
pub mod resolved;
pub mod revoked;
mod rewrite;
pub mod run;
mod sbom;
pub mod settings;
mod sharing;
pub mod ssh;
mod test;
mod trust;
pub mod verify;
mod why;
mod why_step;
mod workspace;

pub use apps::{App, AppOption, Conflict, Version, apps};
pub use bases::{ListedBase, bases};
pub use build::BuildOptions;
pub use cancel::cancel;
pub use check::{Checked, check};
pub use doctor::{HostReport, doctor};
pub use error::{Begun, Class, Error, Reason};
pub use format::{LaidOut, format};
pub use image_export::Export;
pub use images::{FileState, ImagesOptions, ListedImage, LockState, images, listed};
pub use init::init;
pub use listener::{Listener, Silent, Waiting};
pub use logs::logs;
pub use outdated::Outdated;
pub use paths::shown;
pub use rewrite::rewrite;
pub use sbom::sbom;
pub use trust::{Listing, Revoked, TrustedNow, revoke, trust, trusted};
pub use verify::Verification;
pub use why::{Why, why};
pub use why_step::{Since, StepFate};
pub use workspace::{Workspace, WorkspaceOptions, mirrors};

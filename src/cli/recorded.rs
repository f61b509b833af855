//! What the commands about builds and images share: the store's records, and tables for people.

use std::sync::Arc;

use super::{CommandResult, failed, listener::OnScreen, setting_args::given};
use crate::{
    ops::{records, settings::Settings},
    store::{Records, Store, StoreError, records::State},
};

/// How a list is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A table.
    Human,
    /// JSON.
    Json,
}

/// The settings that hold in this folder.
pub(super) fn settings() -> CommandResult<Settings> {
    records::settings(&given(), &OnScreen::default()).map_err(failed)
}

/// Opens the store, and says what a crash had left in it.
pub(super) fn store(settings: &Settings) -> CommandResult<Arc<Store>> {
    records::open_store(settings, &OnScreen::default()).map_err(failed)
}

/// The store and its records.
pub(super) fn records() -> CommandResult<(Arc<Store>, Records)> {
    records::open(&given(), &OnScreen::default()).map_err(failed)
}

/// Says what the store refused.
pub(super) fn refused(error: StoreError) -> super::Exit {
    failed(error.into())
}

/// The build a command means: the one named, else the newest of this project.
pub(super) fn build(records: &Records, named: Option<i64>) -> CommandResult<(i64, State)> {
    records::build(records, named).map_err(failed)
}

/// Writes a value as JSON to stdout.
pub(super) fn print_json<T: serde::Serialize>(value: &T) {
    // Plain data with text keys always has a JSON form.
    super::print_json(&(serde_json::to_string_pretty(value).unwrap_or_default() + "\n"));
}

/// A table as wide as the terminal.
pub(super) fn table<const N: usize>(headings: [&str; N], rows: &[[String; N]]) -> String {
    super::table::table(headings, rows, super::console::width())
}

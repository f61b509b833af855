//! The scheduler: events, cache, cancel, journal.

mod event;

pub use event::{Event, Observer, Outcome, Reporter, Stream, What};

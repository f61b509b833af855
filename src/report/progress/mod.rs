//! Events for whoever waits: a live view on a terminal, lines in a log, groups in CI, JSON for programs.

mod buffered;
mod ci;
mod grouped;
mod json;
mod lines;
mod named;
mod plain;
mod tree;
mod waiting;
mod words;

pub use buffered::Buffered;
pub use ci::Ci;
pub use grouped::Grouped;
pub use json::JsonLines;
pub use lines::{LONGEST_LINE, Lines, Tail, clean};
pub use named::VisibleNames;
pub use plain::Plain;
pub use tree::{Look, Times, Tree};
pub use waiting::Waiting;
pub use words::{duration, size};

//! One diagnostic or event, many renderers.

mod fix;
mod human;
mod machine;
pub mod progress;

pub use fix::fixed;
pub use human::{human, summary};
pub use machine::{Change, Finding, Place, Position, Repair, Report, SCHEMA, github, json, sarif};

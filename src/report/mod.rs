//! One diagnostic or event, many renderers.

mod fix;
mod human;
mod machine;
mod plan;
pub mod progress;

pub use plan::{plan, plan_json};

pub use fix::fixed;
pub use human::{human, summary};
pub use machine::{Change, Finding, Place, Position, Repair, Report, SCHEMA, github, json, sarif};

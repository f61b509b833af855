//! One diagnostic or event, many renderers.

mod fix;
mod graph;
mod html;
mod human;
mod hygiene;
mod junit;
mod machine;
mod pipeline;
mod plan;
pub mod progress;
pub mod record;
mod sink;
mod terminal_filter;
mod time;

pub use plan::{plan, plan_json};

pub use fix::fixed;
pub use graph::{dot as plan_dot, mermaid as plan_mermaid};
pub use html::{Beside, build_report};
pub use human::{HumanHandler, human, summary};
pub use hygiene::disk_sarif;
pub use junit::Junit;
pub use machine::{Change, Finding, Place, Position, Repair, Report, SCHEMA, github, json, sarif};
pub use pipeline::{
    GithubMatrix, JobCommand, MATRIX_LIMIT, MatrixEntry, github_matrix, gitlab as gitlab_child_pipeline,
};
pub use sink::{Content, Sink};
pub use terminal_filter::TerminalFilter;
pub use time::{local, relative, utc};

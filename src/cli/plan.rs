//! `imgfile plan`: what `build` would do.

use std::sync::Arc;

use clap::ValueEnum;

use super::{CommandResult, Exit, failed, file_args::FileArgs, listener::OnScreen};
use crate::{
    ops::{Workspace, WorkspaceOptions},
    report,
};

/// Show the steps a build would take, without a virtual machine.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub file: FileArgs,
    /// Plan only this image.
    #[arg(long, value_name = "NAME", add = clap_complete::ArgValueCompleter::new(super::candidates::images))]
    pub image: Option<String>,
    /// Start from this base of the catalogue, if it is compatible.
    #[arg(long, value_name = "NAME")]
    pub base: Option<String>,
    /// Fail if the lock would change.
    #[arg(long)]
    pub locked: bool,
    /// Use only what is in the store.
    #[arg(long)]
    pub offline: bool,
    /// How it is written.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
    /// Draw the steps and how they hang together, in the language of a program that draws.
    #[arg(long, value_enum, conflicts_with = "format")]
    pub graph: Option<Graph>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Graph {
    /// Graphviz: `imgfile plan --graph dot | dot -Tsvg`.
    Dot,
    /// Mermaid, for Markdown.
    Mermaid,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A list for people.
    Human,
    /// The whole plan as JSON (`schemas/plan.schema.json`).
    Json,
}

pub(super) fn run(args: Args) -> Exit {
    super::block_on(async { plan(args).await.err().unwrap_or(Exit::Done) })
}

async fn plan(args: Args) -> CommandResult<()> {
    let options = WorkspaceOptions {
        image: args.image,
        base: args.base,
        offline: args.offline,
        locked: args.locked,
        ..args.file.options()
    };
    let workspace = Workspace::open(options, Arc::new(OnScreen::default())).await.map_err(failed)?;
    let plan = workspace.plan().await.map_err(failed)?;
    match (args.graph, args.format) {
        (Some(Graph::Dot), _) => super::print(&report::plan_dot(&plan)),
        (Some(Graph::Mermaid), _) => super::print(&report::plan_mermaid(&plan)),
        (None, Format::Human) => super::print(&report::plan(&plan)),
        (None, Format::Json) => super::print_json(&report::plan_json(&plan)),
    }
    Ok(())
}

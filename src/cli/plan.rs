//! `imgfile plan`: what `build` would do.

use clap::ValueEnum;

use super::file_args::FileArgs;
use super::{
    Exit,
    workspace::{Workspace, WorkspaceOptions},
};
use crate::{
    plan::{PLAN_FORMAT, Plan},
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
    let choices = WorkspaceOptions {
        file: args.file,
        image: args.image,
        base: args.base,
        offline: args.offline,
        locked: args.locked,
        ..WorkspaceOptions::default()
    };
    super::block_on(async {
        let workspace = match Workspace::open(&choices).await {
            Ok(workspace) => workspace,
            Err(exit) => return exit,
        };
        let prepared = match workspace.prepare_all(&choices).await {
            Ok(prepared) => prepared,
            Err(exit) => return exit,
        };
        let plan = Plan { format: PLAN_FORMAT, images: prepared.into_iter().map(|one| one.plan).collect() };
        match (args.graph, args.format) {
            (Some(Graph::Dot), _) => super::print(&report::plan_dot(&plan)),
            (Some(Graph::Mermaid), _) => super::print(&report::plan_mermaid(&plan)),
            (None, Format::Human) => super::print(&report::plan(&plan)),
            (None, Format::Json) => super::print_json(&report::plan_json(&plan)),
        }
        Exit::Done
    })
}

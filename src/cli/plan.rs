//! `imgfile plan`: what `build` would do.

use std::{path::Path, sync::Arc};

use clap::ValueEnum;

use super::{CommandResult, Exit, failed, file_args::FileArgs, listener::OnScreen};
use crate::{
    ops::{Workspace, WorkspaceOptions, shown},
    plan::Pipeline,
    report::{self, JobCommand, MATRIX_LIMIT},
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
    /// Of a matrix, only the images that stand on so many others.
    #[arg(long, value_name = "NUMBER")]
    pub level: Option<usize>,
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
    /// The images as a matrix of jobs of GitHub Actions (`schemas/github-matrix.schema.json`).
    GithubMatrix,
    /// The images as a child pipeline of GitLab CI.
    GitlabChildPipeline,
}

pub(super) fn run(args: Args) -> Exit {
    super::block_on(async { plan(args).await.err().unwrap_or(Exit::Done) })
}

async fn plan(args: Args) -> CommandResult<()> {
    if args.level.is_some() && args.format != Format::GithubMatrix {
        super::complain("`--level` is for `--format github-matrix`");
        return Err(Exit::Usage);
    }
    let command = job_command(&args);
    let options = WorkspaceOptions {
        image: args.image,
        base: args.base,
        offline: args.offline,
        locked: args.locked,
        ..args.file.options()
    };
    let workspace = Workspace::open(options, Arc::new(OnScreen::default())).await.map_err(failed)?;
    if matches!(args.format, Format::GithubMatrix | Format::GitlabChildPipeline) {
        let pipeline = workspace.pipeline().await.map_err(failed)?;
        let command = JobCommand { out: folder(&workspace.out()), ..command };
        return match args.format {
            Format::GitlabChildPipeline => {
                super::print(&report::gitlab_child_pipeline(&pipeline, &command));
                Ok(())
            }
            _ => matrix(&pipeline, args.level, &command),
        };
    }
    let plan = workspace.plan().await.map_err(failed)?;
    match (args.graph, args.format) {
        (Some(Graph::Dot), _) => super::print(&report::plan_dot(&plan)),
        (Some(Graph::Mermaid), _) => super::print(&report::plan_mermaid(&plan)),
        (None, Format::Json) => super::print_json(&report::plan_json(&plan)),
        (None, _) => super::print(&report::plan(&plan)),
    }
    Ok(())
}

/// Prints a matrix that GitHub takes.
fn matrix(pipeline: &Pipeline, level: Option<usize>, command: &JobCommand) -> CommandResult<()> {
    let (matrix, jobs) = report::github_matrix(pipeline, level, command);
    if jobs > MATRIX_LIMIT {
        let way = if level.is_none() { "; `--level` parts it by what stands on what" } else { "" };
        super::complain(&format!("that are {jobs} jobs, and GitHub makes {MATRIX_LIMIT} of a matrix{way}"));
        return Err(Exit::Files);
    }
    super::print_json(&matrix);
    Ok(())
}

/// How the jobs of another system build what is planned here: with the options of this call that decide what it is.
fn job_command(args: &Args) -> JobCommand {
    let mut options = vec!["--locked".to_owned()];
    let mut add = |flag: &str, value: String| options.push(format!("{flag}={value}"));
    if let Some(base) = &args.base {
        add("--base", base.clone());
    }
    for (name, value) in &args.file.set {
        add("--set", format!("{name}={value}"));
    }
    for (name, outside) in &args.file.secrets {
        add("--secret", format!("{name}={outside}"));
    }
    for file in &args.file.allow_file {
        add("--allow-file", file.display().to_string());
    }
    JobCommand { path: args.file.path.display().to_string(), options, out: String::new() }
}

/// A folder from where the command was typed, as patterns take it.
fn folder(path: &Path) -> String {
    let text = shown(path);
    text.strip_prefix("./").map_or(text.clone(), str::to_owned)
}

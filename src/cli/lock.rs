//! `imgfile lock`: pin everything an image is made of, without a virtual machine.

use std::path::Path;

use super::file_args::FileArgs;
use super::{
    Exit,
    workspace::{Workspace, WorkspaceOptions},
};

/// Resolve and pin bases, applications and packages into `ImageFile.lock`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub file: FileArgs,
    /// Lock anew what is there: every image, or only this one.
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "")]
    pub update: Option<String>,
    /// Fail if the lock would change.
    #[arg(long)]
    pub locked: bool,
    /// Use only what is in the store.
    #[arg(long)]
    pub offline: bool,
}

pub(super) fn run(args: Args) -> Exit {
    if let Some(name) = args.update.as_ref().filter(|name| name.contains('/') && Path::new(name).exists()) {
        super::complain(&format!(
            "`{name}` is a path, and `--update` takes the name of an image; write `imgfile lock {name} --update`"
        ));
        return Exit::Usage;
    }
    let choices = WorkspaceOptions {
        file: args.file,
        offline: args.offline,
        locked: args.locked,
        update: args.update,
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
        // Without a network nobody can be asked; a build asks again.
        if !choices.offline
            && let Err(exit) = workspace.vouch(&prepared, false).await
        {
            return exit;
        }
        if !choices.offline
            && let Err(exit) = workspace.whole(&prepared).await
        {
            return exit;
        }
        let path = workspace.lock_path();
        match workspace.write_lock(&workspace.lock_with(&prepared), &choices) {
            Ok(true) => super::screen::say!("wrote {}", super::shown(&path)),
            Ok(false) => super::screen::say!("{} is up to date", super::shown(&path)),
            Err(exit) => return exit,
        }
        Exit::Done
    })
}

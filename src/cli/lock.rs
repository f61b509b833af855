//! `imgfile lock`: pin everything an image is made of, without a virtual machine.

use std::{path::Path, sync::Arc};

use super::{CommandResult, Exit, failed, file_args::FileArgs, listener::OnScreen};
use crate::ops::{Workspace, WorkspaceOptions, shown};

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
    super::block_on(async { lock(args).await.err().unwrap_or(Exit::Done) })
}

async fn lock(args: Args) -> CommandResult<()> {
    let options = WorkspaceOptions {
        offline: args.offline,
        locked: args.locked,
        update: args.update,
        ..args.file.options()
    };
    let workspace = Workspace::open(options, Arc::new(OnScreen::default())).await.map_err(failed)?;
    let path = shown(&workspace.lock_path());
    if workspace.write_lock().await.map_err(failed)? {
        super::screen::say!("wrote {path}");
    } else {
        super::screen::say!("{path} is up to date");
    }
    Ok(())
}

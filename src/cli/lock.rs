//! `imgfile lock`: pin everything an image is made of, without a virtual machine.

use super::file_args::FileArgs;
use super::{
    Exit,
    workshop::{Choices, Workshop},
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
    let choices = Choices {
        file: args.file,
        offline: args.offline,
        locked: args.locked,
        update: args.update,
        ..Choices::default()
    };
    super::block_on(async {
        let workshop = match Workshop::open(&choices).await {
            Ok(workshop) => workshop,
            Err(exit) => return exit,
        };
        let prepared = match workshop.prepare_all(&choices).await {
            Ok(prepared) => prepared,
            Err(exit) => return exit,
        };
        // Without a network nobody can be asked; a build asks again.
        if !choices.offline
            && let Err(exit) = workshop.vouch(&prepared, false).await
        {
            return exit;
        }
        let path = workshop.lock_path();
        match workshop.write_lock(&workshop.lock_with(&prepared)) {
            Ok(true) => super::screen::say!("wrote {}", super::shown(&path)),
            Ok(false) => super::screen::say!("{} is up to date", super::shown(&path)),
            Err(exit) => return exit,
        }
        Exit::Done
    })
}

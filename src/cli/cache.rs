//! `imgfile cache`: the states of build disks that are kept for reuse.

use super::{
    CommandResult, Exit, failed, gc,
    recorded::{self, Format, refused},
};
use crate::{check::Size, ops::cache, report, store::Store, text::counted};

/// Look at the layers that builds reuse, and thin them out.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List the layers, least recently used first.
    Ls {
        /// How the list is written.
        #[arg(long, value_enum, default_value_t = Format::Human)]
        format: Format,
    },
    /// Remove the least recently used layers and saved boots; what a running build uses stays.
    Prune {
        /// Bytes they may still take together, such as `20GiB`; without it all go.
        #[arg(long, value_name = "SIZE", value_parser = gc::parse_size)]
        size: Option<Size>,
        /// Say what would go, and remove nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Read every layer, base and file that is kept, and name those that are not as they were kept.
    Verify,
}

pub(super) fn run(args: &Args) -> Exit {
    let result = recorded::settings().and_then(|settings| recorded::store(&settings)).and_then(|store| {
        match &args.action {
            Action::Ls { format } => list(&store, *format),
            Action::Prune { size, dry_run: true } => {
                gc::would_go(&store.would_shrink_layers(size.map_or(0, Size::bytes)).map_err(refused)?);
                Ok(())
            }
            Action::Prune { size, dry_run: false } => {
                let freed = store.shrink_layers(size.map_or(0, Size::bytes)).map_err(refused)?;
                super::screen::say!("freed {} of layers and saved boots", report::progress::size(freed));
                Ok(())
            }
            Action::Verify => verify(&store),
        }
    });
    result.err().unwrap_or(Exit::Done)
}

fn list(store: &Store, format: Format) -> CommandResult<()> {
    let layers = cache::layers(store).map_err(failed)?;
    match format {
        Format::Json => recorded::print_json(&layers),
        Format::Human if layers.is_empty() => super::screen::say!("no layer is kept"),
        Format::Human => {
            let rows: Vec<_> = layers
                .iter()
                .map(|layer| {
                    [
                        layer.key.short(),
                        report::progress::size(layer.size),
                        report::local(layer.used_ms),
                        layer.image.clone(),
                        layer.step.clone(),
                    ]
                })
                .collect();
            super::print(&recorded::table(["KEY", "SIZE", "USED", "IMAGE", "STEP"], &rows));
            let total = layers.iter().map(|layer| layer.size).sum();
            super::screen::say!("{}, {}", counted(layers.len(), "layer"), report::progress::size(total));
            let boots = store.saved_boots().list();
            if !boots.is_empty() {
                let size = report::progress::size(boots.iter().map(|boot| boot.size).sum());
                super::screen::say!("{} saved after booting, {size}", counted(boots.len(), "machine"));
            }
        }
    }
    Ok(())
}

/// Reads everything that is kept, and has the tables of every layer gone through.
fn verify(store: &Store) -> CommandResult<()> {
    let mut damaged = 0;
    let mut wrong = |what: &str, reason: &str| {
        damaged += 1;
        super::complain(&format!("{what}: {reason}"));
    };
    let layers = async { cache::verify_layers(store, &mut wrong).await.map_err(failed) };
    let layers = super::until_stopped(layers)?;
    let cache::Verified { bases, files } = cache::verify_files(store, &mut wrong).map_err(failed)?;
    super::screen::say!("{layers} layers, {bases} bases and {files} files checked, {damaged} damaged");
    if damaged == 0 { Ok(()) } else { Err(Exit::Failed) }
}

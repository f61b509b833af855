//! `imgfile cache`: the states of build disks that are kept for reuse.

use serde::Serialize;

use super::{
    Exit, Outcome, gc,
    recorded::{self, Format, refused},
};
use crate::{
    check::Size,
    driver::{DiskError, DiskFile, DiskFormat, DriverEntry},
    report,
    store::Store,
    text::Digest,
};

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
    /// Remove the least recently used layers; what a running build uses stays.
    Prune {
        /// Bytes the layers may still take together, such as `20GiB`; without it all go.
        #[arg(long, value_name = "SIZE", value_parser = gc::parse_size)]
        size: Option<Size>,
        /// Say what would go, and remove nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Read every layer, base and file that is kept, and name those that are not as they were kept.
    Verify,
}

/// A layer as `cache ls --format json` prints it.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Listed {
    /// Key of the step it is the state after.
    pub key: Digest,
    /// Name of that step, such as `script announce`.
    pub step: String,
    /// The image it was first made for.
    pub image: String,
    /// Key of the layer it stands on.
    pub parent: Option<Digest>,
    /// Bytes on disk.
    pub size: u64,
    /// Milliseconds since 1970.
    pub used_ms: i64,
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
                super::screen::say!("freed {} of layers", report::progress::size(freed));
                Ok(())
            }
            Action::Verify => verify(&store),
        }
    });
    result.err().unwrap_or(Exit::Done)
}

fn listed(store: &Store) -> Outcome<Vec<Listed>> {
    let entries = store.layers().list().map_err(refused)?;
    let since = |time: std::time::SystemTime| time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Ok(entries
        .into_iter()
        .map(|entry| Listed {
            key: entry.key,
            step: entry.meta.step,
            image: entry.meta.image,
            parent: entry.meta.parent,
            size: entry.size,
            used_ms: i64::try_from(since(entry.used).as_millis()).unwrap_or(i64::MAX),
        })
        .collect())
}

fn list(store: &Store, format: Format) -> Outcome<()> {
    let layers = listed(store)?;
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
            super::screen::say!("{} layers, {}", layers.len(), report::progress::size(total));
        }
    }
    Ok(())
}

/// What is said of a layer or base that is another than it was.
const CHANGED: &str = "it is not as it was kept; the next build that needs it makes it anew";

/// Reads everything that is kept, and has the tables of every layer gone through.
fn verify(store: &Store) -> Outcome<()> {
    let layers = listed(store)?;
    let mut damaged = super::until_stopped(wrong_layers(store, &layers))?;
    let mut wrong = |what: String, reason: &str| {
        damaged += 1;
        super::complain(&format!("{what}: {reason}"));
    };
    let bases = store.bases().list().map_err(refused)?;
    for key in &bases {
        let Some(held) = store.bases().hold(key) else { continue };
        if !store.bases().is_as_kept(&held) {
            wrong(format!("base {key}"), CHANGED);
        }
    }
    let blobs = store.blobs().list();
    for digest in &blobs {
        if !store.blobs().is_as_kept(digest) {
            let reason = "it is not as it was kept; the next build that needs it fetches it anew";
            wrong(format!("file {digest}"), reason);
        }
    }
    let (layers, bases, blobs) = (layers.len(), bases.len(), blobs.len());
    super::screen::say!("{layers} layers, {bases} bases and {blobs} files checked, {damaged} damaged");
    if damaged == 0 { Ok(()) } else { Err(Exit::Failed) }
}

/// Says which layers are damaged, and answers how many.
async fn wrong_layers(store: &Store, layers: &[Listed]) -> Outcome<usize> {
    let disks = (DriverEntry::usual().disks)();
    let mut damaged = 0;
    let mut wrong = |layer: &Listed, reason: &str| {
        damaged += 1;
        super::complain(&format!("layer {} ({}): {reason}", layer.key, layer.step));
    };
    for layer in layers {
        // Held, so that nobody evicts it meanwhile; one that went before is no defect.
        let Some(held) = store.layers().hold(&layer.key) else { continue };
        if !store.layers().is_as_kept(&held) {
            wrong(layer, CHANGED);
            continue;
        }
        match disks.check(DiskFile { path: &held.disk, format: DiskFormat::Qcow2 }).await {
            Ok(()) => {}
            Err(DiskError::Tool { detail, .. }) => wrong(layer, &detail),
            Err(error) => {
                super::complain(&error.to_string());
                return Err(Exit::Host);
            }
        }
    }
    Ok(damaged)
}

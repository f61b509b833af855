//! `imgfile publish`: images to where others start instances from them.

use std::path::PathBuf;

use super::{
    CommandResult, Exit, failed,
    listener::OnScreen,
    recorded::{self, Format},
    setting_args::given,
};
use crate::ops::{
    self,
    publish::{PublishOptions, PublishedImage, Publishing, publish},
};

/// Bring images that passed their tests to where others start instances from them.
///
/// `publish to "NAME"` in the ImageFile says where an image goes. Your own
/// ~/.config/imgfile/config.toml says what NAME is, with address and credentials:
///
///   [targets.prod]
///   driver = "glance"      # OpenStack
///   cloud = "mycloud"      # a name in clouds.yaml
///
/// The same content is not sent twice, and what one target refuses keeps no image
/// from the others. `imgfile images` shows where each image is.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// An image of the ImageFile, or what `imgfile images` lists; without it, every image that says where it goes.
    #[arg(add = clap_complete::ArgValueCompleter::new(super::candidates::images))]
    image: Option<String>,
    /// Only to this target of your configuration, whether the ImageFile names it or not.
    #[arg(long, value_name = "NAME", add = clap_complete::ArgValueCompleter::new(super::candidates::targets))]
    to: Option<String>,
    /// Give a `param` a value.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = super::key_value)]
    set: Vec<(String, String)>,
    /// Another ImageFile, or a folder with one.
    #[arg(long, value_name = "PATH", default_value = ".")]
    project: PathBuf,
    /// Show what would be published; nothing is asked of a service.
    #[arg(long)]
    dry_run: bool,
    /// How the result is written.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

pub(super) fn run(args: &Args) -> Exit {
    super::block_on(async { bring(args).await.err().unwrap_or(Exit::Done) })
}

async fn bring(args: &Args) -> CommandResult<()> {
    let listener = OnScreen::default();
    let settings = ops::records::settings(&given(), &listener).map_err(failed)?;
    let store = recorded::store(&settings)?;
    let records = store.records().map_err(recorded::refused)?;
    // By a proxy of the project's, others would see the credentials.
    let own = ops::records::own_settings(&given()).map_err(failed)?;
    let options = PublishOptions {
        path: &args.project,
        set: &args.set,
        image: args.image.as_deref(),
        to: args.to.as_deref(),
        dry_run: args.dry_run,
    };
    let Publishing { images, failed: failure } =
        publish(&own, &store, &records, &options, &listener).await.map_err(failed)?;
    match args.format {
        Format::Json => recorded::print_json(&images),
        Format::Human => {
            let rows: Vec<_> = images.iter().map(row).collect();
            super::print(&recorded::table(["IMAGE", "TARGET", "NAME", "OUTCOME", "ID"], &rows));
        }
    }
    match failure {
        Some(error) => Err(failed(error)),
        None => Ok(()),
    }
}

fn row(one: &PublishedImage) -> [String; 5] {
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let place = match &one.region {
        Some(region) => format!("{}/{region}", one.target),
        None => one.target.clone(),
    };
    [one.image.clone(), place, or_none(&one.name), one.outcome.word().to_owned(), or_none(&one.id)]
}

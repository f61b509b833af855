//! OpenStack: an image of Glance, in a project of Keystone's.
//!
//! Everything goes through this machine: the copy that Glance could make by itself (`glance-download`) is not switched on
//! in every cloud, and tells nobody when it fails.

mod clouds;
mod image;
mod properties;
mod refusal;
mod session;

use super::{
    ConfigKey, KeyKind, Op, OpenContext, Progress, Published, Request, Target, TargetConfig, TargetEntry,
};
use clouds::Cloud;
use image::Region;
use session::Session;

/// Its line of the registry.
pub const ENTRY: TargetEntry = TargetEntry {
    name: "glance",
    about: "OpenStack's image service; credentials come from clouds.yaml",
    takes: |format| properties::disk_format(format).is_some(),
    has_regions: true,
    keys: &[
        ConfigKey {
            name: "cloud",
            kind: KeyKind::Text,
            required: true,
            about: "name of the cloud in clouds.yaml",
        },
        ConfigKey {
            name: "config",
            kind: KeyKind::Path,
            required: false,
            about: "that file, where it is not the usual one",
        },
        ConfigKey {
            name: "region",
            kind: KeyKind::Text,
            required: false,
            about: "region unless `publish` names some, in place of the cloud's `region_name`",
        },
    ],
    open: |config, context| Box::pin(open(config, context)),
};

async fn open(
    config: &TargetConfig,
    context: OpenContext<'_>,
) -> Result<Box<dyn Target>, super::PublishError> {
    let mut cloud = Cloud::of(config, context.env)?;
    if let Some(region) = config.text("region") {
        cloud.region = Some(region.to_owned());
    }
    Ok(Box::new(Glance { session: Session::open(cloud, context.network).await? }))
}

#[derive(Debug)]
struct Glance {
    session: Session,
}

impl Target for Glance {
    fn publish<'a>(&'a self, request: &'a Request, progress: Progress<'a>) -> Op<'a, Published> {
        Box::pin(async move {
            let (region, url) = self.session.glance(request.region.as_deref()).await?;
            Region { session: &self.session, name: region, url }.publish(request, progress).await
        })
    }
}

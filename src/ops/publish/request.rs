//! What is asked of a target: what the statement says, and what is known of the artifact.

use std::path::PathBuf;

use super::chosen::Asked;
use crate::{
    check::{MinDisk, Visibility},
    exec::Description,
    model::{DiskFormat, OutputFormat},
    publish::{ImageFacts, Request},
    store::{Store, records::ArtifactRecord},
    text::Spanned,
};

/// The request for one region.
pub fn of(store: &Store, artifact: &ArtifactRecord, asked: &Asked, region: Option<String>) -> Request {
    let publish = &asked.publish;
    let facts = Description::of(store, &artifact.sha256).map(|description| {
        let manifest = description.manifest;
        ImageFacts {
            os: manifest.os,
            os_version: manifest.os_version,
            arch: manifest.arch,
            firmware: manifest.firmware,
            disk_size: manifest.disk_size,
        }
    });
    // An instance with a smaller disk than the image has would not start.
    let own = facts.as_ref().map(|facts| facts.disk_size);
    let min_disk = match publish.min_disk {
        MinDisk::Auto => own,
        MinDisk::Size(size) => Some(size.bytes().max(own.unwrap_or(0))),
    };
    let usual = if publish.share.is_empty() { Visibility::Private } else { Visibility::Shared };
    let texts = |list: &[Spanned<String>]| list.iter().map(|one| one.value.clone()).collect();
    let name = publish.name.as_ref().map_or_else(|| artifact.name().to_owned(), |name| name.value.clone());
    let at_target = |region: Option<&str>| {
        let known = artifact.published.iter().find(|known| {
            known.target == publish.target.value
                && known.name == name
                && (region.is_none() || known.region.as_deref() == region)
        });
        known.and_then(|known| known.id.clone())
    };
    Request {
        image: asked.image.clone(),
        known: at_target(region.as_deref()),
        name,
        region,
        file: PathBuf::from(&artifact.path),
        format: OutputFormat::of(artifact.path.as_ref()).unwrap_or(OutputFormat::Disk(DiskFormat::Raw)),
        sha256: artifact.sha256,
        size: u64::try_from(artifact.size).unwrap_or(0),
        facts,
        min_disk,
        visibility: publish.visibility.as_ref().map_or(usual, |visibility| visibility.value),
        protect: publish.protect,
        share: texts(&publish.share),
        tags: texts(&publish.tags),
        properties: publish
            .properties
            .iter()
            .map(|one| (one.key.value.clone(), one.value.value.clone()))
            .collect(),
    }
}

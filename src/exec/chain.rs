//! The files of a build disk: the base, the layers on it, and the overlay that is written to now.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Failure, Supplies, disk};
use crate::{
    driver::Machine,
    plan::{BaseSource, ImagePlan, Key},
    store::{Claim, Layer, LayerMeta, Store, WorkFolder},
    text::Digest,
};

/// Deeper chains make every read of old data slower; a build that would go deeper keeps its last
/// steps in one layer.
const DEEPEST: u32 = 32;

/// Somebody else is making, or has just made, what this build was about to make: start over from it.
#[derive(Debug)]
pub(super) struct Overtaken;

/// A build disk in the making.
pub(super) struct Chain<'a> {
    store: &'a Arc<Store>,
    work: &'a WorkFolder,
    image: &'a ImagePlan,
    /// Where the next layer's backing file is.
    parent: Option<Digest>,
    depth: u32,
    /// The overlay that is written to, and its number in the working folder.
    active: PathBuf,
    number: u32,
    /// Which start this is, after having been overtaken.
    attempt: u32,
    /// The right to make the layer the active overlay will become; none when nothing is kept.
    claim: Option<Claim>,
    /// Layers below, held in use.
    held: Vec<Layer>,
    /// Keeps finished overlays while the build goes on, one after the other: a layer must never be
    /// there without what it stands on.
    keeping: Option<tokio::task::JoinHandle<Result<Vec<Layer>, Failure>>>,
}

/// How many steps are done already, and the layer that says so. With none done that is the finished
/// disk of the image it is based on, if it is based on one.
pub(super) fn deepest(store: &Store, image: &ImagePlan) -> (usize, Option<Layer>) {
    let done = (1..=image.steps.len())
        .rev()
        .find_map(|done| Some((done, store.layers().get(&image.steps[done - 1].key.0)?)));
    match (done, &image.base.source) {
        (Some((done, layer)), _) => (done, Some(layer)),
        (None, BaseSource::Image { key, .. }) => (0, store.layers().get(&key.0)),
        (None, _) => (0, None),
    }
}

impl<'a> Chain<'a> {
    /// An overlay on a layer, or on the base at `base`. With a claim its states are kept as layers.
    pub(super) async fn start(
        store: &'a Arc<Store>,
        work: &'a WorkFolder,
        attempt: u32,
        image: &'a ImagePlan,
        supplies: &Supplies,
        on: Option<Layer>,
        claim: Option<Claim>,
    ) -> Result<Self, Failure> {
        let active = work.path().join(format!("disk-{attempt}.0.qcow2"));
        match &on {
            Some(layer) => disk::overlay(&layer_path(&layer.key), "qcow2", &active, image.disk_size).await?,
            None => {
                // Inside the store the path is relative, so that the store can be moved.
                let backing = match supplies.base.strip_prefix(store.root()) {
                    Ok(inside) => Path::new("../..").join(inside),
                    Err(_) => supplies.base.clone(),
                };
                disk::overlay(&backing, supplies.base_format.name(), &active, image.disk_size).await?;
            }
        }
        let parent = on.as_ref().map(|layer| layer.key);
        let depth = on.as_ref().map_or(0, |layer| layer.meta.depth + 1);
        let held = on.into_iter().collect();
        Ok(Self { store, work, image, parent, depth, active, number: 0, attempt, claim, held, keeping: None })
    }

    pub(super) const fn attempt(&self) -> u32 {
        self.attempt
    }

    pub(super) fn active(&self) -> &Path {
        &self.active
    }

    /// Keeps the state after the step of `key` as a layer and goes on in a new overlay; `next` is the
    /// step that comes then. The machine is mounted.
    pub(super) async fn cut(
        &mut self,
        machine: &mut dyn Machine,
        step: &str,
        key: Key,
        next: Key,
    ) -> Result<Result<(), Overtaken>, Failure> {
        if self.claim.is_none() || self.depth >= DEEPEST {
            return Ok(Ok(()));
        }
        let Some(next_claim) = self.store.layers().try_claim(&next.0)? else { return Ok(Err(Overtaken)) };
        self.number += 1;
        let overlay = self.work.path().join(format!("disk-{}.{}.qcow2", self.attempt, self.number));
        disk::overlay(&layer_path(&key.0), "qcow2", &overlay, self.image.disk_size).await?;
        machine.cut(&overlay).await?;
        let finished = std::mem::replace(&mut self.active, overlay);
        let claim = self.claim.replace(next_claim);
        self.keep(finished, step, key, claim);
        Ok(Ok(()))
    }

    /// Keeps the state after the last step; the machine is off. Returns the disk to seal.
    pub(super) async fn finish(mut self, step: &str, key: Key) -> Result<FinishedDisk, Failure> {
        if let Some(claim) = self.claim.take() {
            let finished = self.active.clone();
            self.keep(finished, step, key, Some(claim));
            self.active = self.store.layers().disk(&key.0);
        }
        self.settle().await?;
        Ok(FinishedDisk { path: self.active, held: self.held })
    }

    /// Waits until all layers made so far are safe, also when the build has failed: the next one
    /// starts from them.
    pub(super) async fn settle(&mut self) -> Result<(), Failure> {
        if let Some(keeping) = self.keeping.take() {
            self.held.extend(finished(keeping).await?);
        }
        Ok(())
    }

    /// Moves a finished overlay into the store while the build goes on.
    fn keep(&mut self, disk: PathBuf, step: &str, key: Key, claim: Option<Claim>) {
        let meta = LayerMeta {
            step: step.to_owned(),
            image: self.image.image.clone(),
            parent: self.parent,
            depth: self.depth,
        };
        let store = Arc::clone(self.store);
        let before = self.keeping.take();
        self.keeping = Some(tokio::spawn(async move {
            let mut layers = match before {
                Some(before) => finished(before).await?,
                None => Vec::new(),
            };
            let put = tokio::task::spawn_blocking(move || {
                let layer = store.layers().put(&key.0, &disk, &meta);
                drop(claim);
                layer.map_err(Failure::from)
            });
            layers.push(finished(put).await?);
            Ok(layers)
        }));
        self.parent = Some(key.0);
        self.depth += 1;
    }
}

async fn finished<T>(task: tokio::task::JoinHandle<Result<T, Failure>>) -> Result<T, Failure> {
    task.await.map_err(|error| Failure::HostTool {
        program: "store",
        detail: format!("keeping a layer was interrupted: {error}"),
    })?
}

/// A disk that no machine writes to any more.
#[derive(Debug)]
pub(super) struct FinishedDisk {
    pub path: PathBuf,
    /// What it stands on stays until it is sealed.
    #[expect(dead_code, reason = "held for its lock")]
    pub held: Vec<Layer>,
}

/// A layer's disk as seen from any working folder or layer folder.
fn layer_path(key: &Digest) -> PathBuf {
    format!("../../layers/{key}/disk.qcow2").into()
}

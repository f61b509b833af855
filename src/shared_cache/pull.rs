//! What a registry has of an image, taken into the store.

use std::{
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::{
    Fault, Local, PARALLEL, Remote, SharedCache,
    chunks::{Chunk, unpack},
    entry::{Below, Entry, FileParts, Kind},
    patience::Worth,
    shown,
};
use crate::{
    driver::DiskFile,
    exec::{DISK_FACTS, EventKind, deepest},
    model::DiskFormat,
    plan::ImagePlan,
    store::{Base, BaseSlot, Layer, LayerMeta, layer_content},
    text::Digest,
};

/// The step that a transfer is reported as.
const STEP: &str = "fetch from the shared cache";
/// Layers that an entry may have below it.
const DEEPEST: usize = 256;
/// What making something took where nobody noted it.
const USUAL_MAKING: Duration = Duration::from_mins(1);
const DISK: &str = "disk.qcow2";

/// What came from a registry, held in use.
#[derive(Debug, Default)]
pub struct Brought {
    layers: Vec<Layer>,
    base: Option<Base>,
}

/// What is fetched for one image: the base, if it is missing, and the layers, from the lowest on.
#[derive(Default)]
struct Wanted {
    base: Option<Entry>,
    layers: Vec<Entry>,
    /// The number of the last step that is done then.
    done: usize,
}

impl Wanted {
    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.base.iter().chain(&self.layers)
    }
}

impl SharedCache {
    /// Has in the store what a registry has of an image and the store lacks: the base with this key, and layers of the
    /// first `shareable` steps. Nothing that goes wrong is an error of the build.
    pub async fn bring(
        &self,
        local: Local<'_>,
        plan: &ImagePlan,
        shareable: usize,
        base: Option<Digest>,
    ) -> Brought {
        let mut brought = Brought::default();
        for remote in &self.from {
            let (done, _) = deepest(local.store, plan);
            let missing = base.filter(|key| done == 0 && local.store.bases().get(key).is_none());
            if done >= shareable && missing.is_none() {
                break;
            }
            if !remote.is_asked() {
                continue;
            }
            let before = self.patience.left();
            let looked = Box::pin(self.look(remote, local, plan, done..shareable, base, missing));
            let fetched = match shown(local.reporter, self.patience.ask(looked)).await {
                Ok(wanted) if wanted.entries().next().is_none() => continue,
                Ok(wanted) => self.fetch(remote, local, wanted, &mut brought, plan).await,
                Err(fault) => Err(fault),
            };
            match fetched {
                Ok(()) => self.patience.restore(before),
                Err(fault) => remote.end(&fault, local.reporter),
            }
        }
        brought
    }

    /// Looks for the deepest layer that a registry has, and for what of the chain below it is missing here.
    async fn look(
        &self,
        remote: &Remote,
        local: Local<'_>,
        plan: &ImagePlan,
        steps: std::ops::Range<usize>,
        base: Option<Digest>,
        missing: Option<Digest>,
    ) -> Result<Wanted, Fault> {
        let found = stream::iter(steps.rev())
            .map(|number| async move {
                let key = plan.steps[number].key.0;
                let found = self.find(remote, local, (Kind::Layer, &key), &Kind::Layer.tag(&key)).await?;
                Ok::<_, Fault>(found.map(|entry| (number + 1, entry)))
            })
            .buffered(PARALLEL)
            .try_filter_map(|found| async { Ok(found) });
        let mut found = std::pin::pin!(found);
        while let Some((done, entry)) = found.try_next().await? {
            if let Some(wanted) = self.chain(remote, local, entry, base).await? {
                return Ok(Wanted { done, ..wanted });
            }
        }
        let base = match missing {
            Some(key) => self.find(remote, local, (Kind::Base, &key), &Kind::Base.tag(&key)).await?,
            None => None,
        };
        Ok(Wanted { base, ..Wanted::default() })
    }

    /// A layer with all below it that is missing here; none if something of it cannot be had, or what is here is another
    /// disk than the one that it was made on.
    async fn chain(
        &self,
        remote: &Remote,
        local: Local<'_>,
        entry: Entry,
        base: Option<Digest>,
    ) -> Result<Option<Wanted>, Fault> {
        let mut layers = vec![entry];
        let mut wanted = Wanted::default();
        while let Some(lowest) = layers.last() {
            let Some(below) = lowest.parent else {
                let Some(bottom) = lowest.base.filter(|bottom| base.is_none_or(|key| key == bottom.key))
                else {
                    return Ok(None);
                };
                match local.store.bases().get(&bottom.key) {
                    Some(_) if local.store.bases().content(&bottom.key) == Some(bottom.content) => {}
                    Some(_) => return Ok(self.unfit(local)),
                    None => match self.below(remote, local, Kind::Base, bottom).await? {
                        Some(entry) => wanted.base = Some(entry),
                        None => {
                            self.break_off(&layers);
                            return Ok(None);
                        }
                    },
                }
                break;
            };
            match local.store.layers().get(&below.key) {
                Some(here) if here.meta.content == Some(below.content) => break,
                Some(_) => return Ok(self.unfit(local)),
                None => {}
            }
            match self.below(remote, local, Kind::Layer, below).await? {
                Some(entry) if layers.len() < DEEPEST => layers.push(entry),
                _ => {
                    self.break_off(&layers);
                    return Ok(None);
                }
            }
        }
        layers.reverse();
        Ok(Some(Wanted { layers, ..wanted }))
    }

    /// What is here was made here, and differs in its bytes.
    fn unfit<T>(&self, local: Local<'_>) -> Option<T> {
        if !self.unfit.swap(true, Ordering::Relaxed) {
            local.reporter.note(
                "the shared cache has layers of another making of what this store has made itself; they are not used",
            );
        }
        None
    }

    /// The entry of what a layer stands on, which is the very one that it names.
    async fn below(
        &self,
        remote: &Remote,
        local: Local<'_>,
        kind: Kind,
        below: Below,
    ) -> Result<Option<Entry>, Fault> {
        let reference = format!("sha256:{}", below.manifest);
        let entry = self.find(remote, local, (kind, &below.key), &reference).await?;
        Ok(entry.filter(|entry| entry.content == below.content))
    }

    async fn find(
        &self,
        remote: &Remote,
        local: Local<'_>,
        what: (Kind, &Digest),
        reference: &str,
    ) -> Result<Option<Entry>, Fault> {
        match Self::manifest(remote, reference).await? {
            Some((manifest, _)) => self.entry(remote, what, &manifest, local.reporter).await,
            None => Ok(None),
        }
    }

    /// Fetches what is wanted, from the bottom on; what came before something went wrong stays.
    async fn fetch(
        &self,
        remote: &Remote,
        local: Local<'_>,
        wanted: Wanted,
        brought: &mut Brought,
        plan: &ImagePlan,
    ) -> Result<(), Fault> {
        let total = wanted.entries().map(Entry::travels).sum();
        let made =
            wanted.entries().map(|entry| entry.made_ms.map_or(USUAL_MAKING, Duration::from_millis)).sum();
        let bytes = AtomicU64::new(0);
        let count = |piece: u64| {
            let done = bytes.fetch_add(piece, Ordering::Relaxed) + piece;
            local.reporter.report(EventKind::Progress { task: STEP.to_owned(), done, total });
        };
        let fetching = Box::pin(async {
            if let Some(base) = &wanted.base {
                match self.fetch_base(remote, local, base, &count).await? {
                    Some(base) => brought.base = Some(base),
                    None => return Ok(()),
                }
            }
            for (number, layer) in wanted.layers.iter().enumerate() {
                match self.fetch_layer(remote, local, layer, &count).await? {
                    Some(layer) => brought.layers.push(layer),
                    None => return Ok(()),
                }
                if number + 1 == wanted.layers.len() {
                    self.fetch_facts(remote, local, layer, &count).await?;
                }
            }
            Ok(())
        });
        let transfer = self.patience.transfer((&bytes, total), Worth::Making(made), fetching);
        let mut fault = None;
        let step = async {
            // It is no failure of the build, which does the work itself then.
            fault = transfer.await.err();
            Ok::<_, std::convert::Infallible>(())
        };
        let _ = local.reporter.step(STEP, step).await;
        if let Some(fault) = fault {
            return Err(fault);
        }
        let what = match (wanted.layers.is_empty(), wanted.base.is_some()) {
            (true, _) => "the base".to_owned(),
            (false, base) => {
                let steps = format!("{} of {} steps", wanted.done, plan.steps.len());
                if base { format!("{steps}, and the base,") } else { steps }
            }
        };
        let repository = remote.registry.repository();
        local.reporter.note(format!("{what} came from the shared cache {repository}"));
        Ok(())
    }

    /// None where another process makes the base, which is waited for elsewhere.
    async fn fetch_base(
        &self,
        remote: &Remote,
        local: Local<'_>,
        entry: &Entry,
        count: &(dyn Fn(u64) + Sync),
    ) -> Result<Option<Base>, Fault> {
        let new = match local.store.bases().try_claim(&entry.key)? {
            Some(BaseSlot::Missing(new)) => new,
            Some(BaseSlot::Ready(base)) => return Ok(Some(base)),
            None => return Ok(None),
        };
        let path = new.disk();
        assemble(remote, &entry.file, &path, count).await?;
        let broken = |reason: &str| Fault::Broken("a base".into(), reason.into());
        let disk = DiskFile { path: &path, format: DiskFormat::Qcow2 };
        let facts = local.disks.look(disk).await.map_err(|error| broken(&error.to_string()))?;
        if facts.is_part || facts.encrypted {
            return Err(broken("its disk is not whole"));
        }
        Ok(Some(tokio::task::block_in_place(|| new.commit(&entry.meta))?))
    }

    /// None where another process makes the layer.
    async fn fetch_layer(
        &self,
        remote: &Remote,
        local: Local<'_>,
        entry: &Entry,
        count: &(dyn Fn(u64) + Sync),
    ) -> Result<Option<Layer>, Fault> {
        let layers = local.store.layers();
        let Some(_claim) = layers.try_claim(&entry.key)? else { return Ok(None) };
        if let Some(here) = layers.get(&entry.key) {
            return Ok((here.meta.content == Some(entry.content)).then_some(here));
        }
        let broken = |reason: &str| Fault::Broken(format!("`{}`", entry.step), reason.into());
        let (below, depth, stands_on) = match (entry.parent, entry.base) {
            (Some(parent), _) => {
                let here = layers.get(&parent.key).ok_or_else(|| broken("what it stands on is not here"))?;
                (parent, here.meta.depth + 1, format!("../../layers/{}/{DISK}", parent.key))
            }
            (None, Some(base)) => (base, 0, format!("../../bases/{}/{DISK}", base.key)),
            (None, None) => return Err(broken("it stands on nothing")),
        };
        let folder = local.store.temp_dir("shared")?;
        let path = folder.path().join(DISK);
        assemble(remote, &entry.file, &path, count).await?;
        // One that was put on its base later holds what it held before, in another file.
        if entry.parent.is_some() && layer_content(below.content, entry.file.blake3) != entry.content {
            return Err(broken("it has the name of another content"));
        }
        // An overlay opens what its header names.
        let named = local.disks.stands_on(&path).map_err(|error| Fault::Host(error.to_string()))?;
        if named != Some(PathBuf::from(stands_on)) {
            return Err(broken("it stands on another file"));
        }
        let meta = LayerMeta {
            step: entry.step.clone(),
            image: entry.image.clone(),
            parent: entry.parent.map(|parent| parent.key),
            depth,
            base: entry.base.map(|base| base.key),
            content: Some(entry.content),
            made_ms: entry.made_ms,
            // None that stands on one is sent.
            secrets: Some(false),
        };
        Ok(Some(tokio::task::block_in_place(|| layers.put(&entry.key, &path, &meta))?))
    }

    /// What is known of a finished disk, so that nobody has to look at it.
    async fn fetch_facts(
        &self,
        remote: &Remote,
        local: Local<'_>,
        entry: &Entry,
        count: &(dyn Fn(u64) + Sync),
    ) -> Result<(), Fault> {
        let Some(chunk) = &entry.facts else { return Ok(()) };
        let packed = remote.registry.blob(&chunk.digest, chunk.size, count).await?;
        let broken = |reason: String| Fault::Broken(format!("`{}`", entry.step), reason);
        let bytes = unpack(&packed, chunk).map_err(|error| broken(error.to_string()))?;
        let facts: serde_json::Value =
            serde_json::from_slice(&bytes).map_err(|error| broken(error.to_string()))?;
        for kind in DISK_FACTS {
            if let Some(fact) = facts.get(kind)
                && !local.store.facts().has(kind, &entry.key)
            {
                local.store.facts().put(kind, &entry.key, fact)?;
            }
        }
        Ok(())
    }
}

/// Writes a file from its chunks, and holds it to its digest.
async fn assemble(
    remote: &Remote,
    parts: &FileParts,
    path: &Path,
    count: &(dyn Fn(u64) + Sync),
) -> Result<(), Fault> {
    let host = |error: std::io::Error| Fault::Host(format!("cannot write {}: {error}", path.display()));
    let mut file = File::create_new(path).map_err(host)?;
    let mut hasher = blake3::Hasher::new();
    let mut pieces = stream::iter(&parts.chunks)
        .map(|chunk: &Chunk| async move {
            let packed = remote.registry.blob(&chunk.digest, chunk.size, count).await?;
            let chunk = *chunk;
            let raw = tokio::task::spawn_blocking(move || unpack(&packed, &chunk)).await;
            let raw = raw.map_err(|error| Fault::Host(error.to_string()))?;
            raw.map_err(|error| Fault::Broken(format!("the chunk {}", chunk.digest), error.to_string()))
        })
        .buffered(PARALLEL);
    while let Some(piece) = pieces.next().await {
        let piece = piece?;
        hasher.update(&piece);
        file.write_all(&piece).map_err(host)?;
    }
    if Digest::from_bytes(hasher.finalize().into()) != parts.blake3 {
        return Err(Fault::Broken("a file".into(), "its digest is another one".into()));
    }
    Ok(())
}

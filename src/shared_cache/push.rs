//! What a build made, put into a registry for others.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::{
    Fault, Local, PARALLEL, Remote, SharedCache,
    chunks::{Chunk, cut, pack, pack_bytes},
    entry::{Below, Entry, FileParts, Kind, Manifest},
    patience::Worth,
    shown,
};
use crate::{
    describe::SigningKey,
    exec::{DISK_FACTS, EventKind},
    plan::ImagePlan,
    store::{Layer, Store},
    text::Digest,
};

/// Whether a registry has something already.
enum There {
    /// The very same, under this manifest.
    Same(Digest),
    /// Not; it is to be put under this tag.
    Free(String),
}

/// What is in the registry for sure, and what was sent.
#[derive(Default)]
struct Sent {
    known: BTreeMap<Digest, Below>,
    /// What stands below something that is there is there as well.
    implied: BTreeSet<Digest>,
    layers: usize,
    bases: usize,
    /// Bytes that were sent.
    bytes: AtomicU64,
}

impl SharedCache {
    /// Sends what the store has of these images, of each the first so many steps, as far as it is not there. Nothing that
    /// goes wrong is an error of the build.
    pub async fn send(&self, local: Local<'_>, plans: &[(&ImagePlan, usize)]) {
        let (Some(remote), Some(key)) = (&self.to, &self.key) else { return };
        // The same registry may have been given up by another name of it.
        let given_up =
            |one: &Remote| !one.is_asked() && one.registry.repository() == remote.registry.repository();
        if self.from.iter().any(given_up) {
            return;
        }
        let mut sent = Sent::default();
        let result = self.send_all((remote, key), local, plans, &mut sent).await;
        if sent.layers + sent.bases > 0 {
            let mut what = Vec::new();
            match sent.layers {
                0 => {}
                1 => what.push("a layer".to_owned()),
                count => what.push(format!("{count} layers")),
            }
            if sent.bases > 0 {
                what.push("the base".to_owned());
            }
            let what = what.join(" and ");
            let mebibytes = sent.bytes.load(Ordering::Relaxed) as f64 / f64::from(1 << 20);
            let repository = remote.registry.repository();
            local.reporter.note(format!(
                "{what} went to the shared cache {repository}: {mebibytes:.1} MiB were new there"
            ));
        }
        if let Err(fault) = result {
            remote.end(&fault, local.reporter);
        }
    }

    async fn send_all(
        &self,
        to: (&Remote, &SigningKey),
        local: Local<'_>,
        plans: &[(&ImagePlan, usize)],
        sent: &mut Sent,
    ) -> Result<(), Fault> {
        for (plan, shareable) in plans {
            // What stands on most comes first: where that is there, so is the rest.
            for step in plan.steps[..*shareable].iter().rev() {
                let key = step.key.0;
                if !sent.known.contains_key(&key)
                    && !sent.implied.contains(&key)
                    && let Some(layer) = local.store.layers().get(&key)
                {
                    self.send_chain(to, local, layer, sent).await?;
                }
            }
        }
        Ok(())
    }

    /// Sends a layer, after what it stands on.
    async fn send_chain(
        &self,
        to: (&Remote, &SigningKey),
        local: Local<'_>,
        top: Layer,
        sent: &mut Sent,
    ) -> Result<(), Fault> {
        let mut todo: Vec<(Layer, Digest, String)> = Vec::new();
        let mut next = Some(top);
        while let Some(layer) = next {
            // One of an older version does not say what it holds.
            let Some(content) = layer.meta.content else { return Ok(()) };
            if sent.known.contains_key(&layer.key) {
                break;
            }
            let parent = layer.meta.parent;
            match self.there(to.0, local, (Kind::Layer, &layer.key), content).await? {
                There::Same(manifest) => {
                    sent.known.insert(layer.key, Below { key: layer.key, content, manifest });
                    sent.implied.extend(below(local.store, parent));
                    break;
                }
                There::Free(tag) => todo.push((layer, content, tag)),
            }
            next = match parent.map(|parent| local.store.layers().get(&parent)) {
                Some(None) => return Ok(()),
                Some(parent) => parent,
                None => None,
            };
        }
        let Some((lowest, ..)) = todo.last() else { return Ok(()) };
        let Some(base) = lowest.meta.base else { return Ok(()) };
        let Some(base) = self.send_base(to, local, base, sent).await? else { return Ok(()) };
        for (layer, content, tag) in todo.into_iter().rev() {
            let key = layer.key;
            let Some(blake3) = local.store.layers().file_digest(&key) else { return Ok(()) };
            let parent = layer.meta.parent.and_then(|parent| sent.known.get(&parent).copied());
            if layer.meta.parent.is_some() && parent.is_none() {
                return Ok(());
            }
            let parts = self.send_file(to.0, local, (&layer.meta.step, &layer.disk, blake3), sent).await?;
            let mut entry = Entry::new(Kind::Layer, key, content, parts);
            (entry.step, entry.image) = (layer.meta.step.clone(), layer.meta.image.clone());
            (entry.made_ms, entry.parent, entry.base) = (layer.meta.made_ms, parent, Some(base));
            entry.facts = self.send_facts(to.0, local, &key, sent).await?;
            let manifest = self.send_entry(to, &entry, &tag, sent).await?;
            sent.known.insert(key, Below { key, content, manifest });
            sent.layers += 1;
        }
        Ok(())
    }

    /// Sends a base; none if it is no longer here.
    async fn send_base(
        &self,
        to: (&Remote, &SigningKey),
        local: Local<'_>,
        key: Digest,
        sent: &mut Sent,
    ) -> Result<Option<Below>, Fault> {
        if let Some(known) = sent.known.get(&key) {
            return Ok(Some(*known));
        }
        let bases = local.store.bases();
        let (Some(base), Some(content)) = (bases.get(&key), bases.content(&key)) else { return Ok(None) };
        let manifest = match self.there(to.0, local, (Kind::Base, &key), content).await? {
            There::Same(manifest) => manifest,
            There::Free(tag) => {
                let parts = self.send_file(to.0, local, ("base", &base.disk, content), sent).await?;
                let mut entry = Entry::new(Kind::Base, key, content, parts);
                entry.meta = Some(base.meta()?);
                let manifest = self.send_entry(to, &entry, &tag, sent).await?;
                sent.bases += 1;
                manifest
            }
        };
        let below = Below { key, content, manifest };
        sent.known.insert(key, below);
        Ok(Some(below))
    }

    /// Whether a registry has this very content. What somebody who is trusted has put there under the same key stays, and
    /// this goes beside it: others may stand on it.
    async fn there(
        &self,
        remote: &Remote,
        local: Local<'_>,
        (kind, key): (Kind, &Digest),
        content: Digest,
    ) -> Result<There, Fault> {
        let looking = async {
            let tag = kind.tag(key);
            let beside = format!("{tag}-{}", content.short());
            for (tag, other) in [(tag, Some(&beside)), (beside.clone(), None)] {
                let Some((manifest, digest)) = Self::manifest(remote, &tag).await? else {
                    return Ok(There::Free(tag));
                };
                match self.entry(remote, (kind, key), &manifest, local.reporter).await? {
                    Some(_) if self.is_broken(key) => return Ok(There::Free(tag)),
                    Some(entry) if entry.content == content => return Ok(There::Same(digest)),
                    Some(_) if other.is_some() => {}
                    _ => return Ok(There::Free(tag)),
                }
            }
            Ok(There::Free(beside))
        };
        let before = self.patience.left();
        let there = shown(local.reporter, self.patience.ask(looking)).await?;
        if matches!(there, There::Free(_)) {
            self.patience.restore(before);
        }
        Ok(there)
    }

    /// Sends the chunks of a file that are not there.
    async fn send_file(
        &self,
        remote: &Remote,
        local: Local<'_>,
        (name, path, blake3): (&str, &Path, Digest),
        sent: &Sent,
    ) -> Result<FileParts, Fault> {
        let host = |error: std::io::Error| Fault::Host(format!("cannot read {}: {error}", path.display()));
        let file = Arc::new(File::open(path).map_err(host)?);
        let size = file.metadata().map_err(host)?.len();
        let parts = blocking(&file, cut).await?.map_err(host)?;
        let gone = AtomicU64::new(0);
        let task = &format!("send {name} to the shared cache");
        let sending = stream::iter(parts)
            .map(|part| {
                let (file, gone) = (&file, &gone);
                async move {
                    let (chunk, packed) =
                        blocking(file, move |file| pack(file, part)).await?.map_err(host)?;
                    let bytes = remote.registry.put_blob(packed.into()).await?;
                    sent.bytes.fetch_add(bytes, Ordering::Relaxed);
                    let done = gone.fetch_add(chunk.raw, Ordering::Relaxed) + chunk.raw;
                    local.reporter.report(EventKind::Progress { task: task.clone(), done, total: size });
                    Ok::<_, Fault>(chunk)
                }
            })
            .buffered(PARALLEL)
            .try_collect::<Vec<Chunk>>();
        let mut result = Err(Fault::Slow);
        let step = async {
            // It is no failure of the build.
            result = self.patience.transfer((&gone, size), Worth::Sending, sending).await;
            Ok::<_, std::convert::Infallible>(())
        };
        let _ = local.reporter.step(task, step).await;
        Ok(FileParts { blake3, size, chunks: result? })
    }

    /// Sends what is known of a finished disk.
    async fn send_facts(
        &self,
        remote: &Remote,
        local: Local<'_>,
        key: &Digest,
        sent: &Sent,
    ) -> Result<Option<Chunk>, Fault> {
        let facts = DISK_FACTS.iter().filter_map(|kind| {
            Some(((*kind).to_owned(), local.store.facts().get::<serde_json::Value>(kind, key)?))
        });
        let facts: serde_json::Map<String, serde_json::Value> = facts.collect();
        if facts.is_empty() {
            return Ok(None);
        }
        let bytes = serde_json::to_vec(&facts).unwrap_or_default();
        let (chunk, packed) = pack_bytes(&bytes).map_err(|error| Fault::Host(error.to_string()))?;
        let sending = async { Ok(remote.registry.put_blob(packed.into()).await?) };
        sent.bytes.fetch_add(self.useful(sending).await?, Ordering::Relaxed);
        Ok(Some(chunk))
    }

    async fn send_entry(
        &self,
        (remote, key): (&Remote, &SigningKey),
        entry: &Entry,
        tag: &str,
        sent: &Sent,
    ) -> Result<Digest, Fault> {
        let envelope = entry.sign(key).ok_or_else(|| Fault::Host("the key cannot sign now".to_owned()))?;
        let manifest = Manifest::of(entry, &envelope).bytes();
        let length = manifest.len() as u64;
        let sending = async {
            let bytes = remote.registry.put_blob(envelope).await?;
            Ok((bytes, remote.registry.put_manifest(tag, manifest).await?))
        };
        let (bytes, digest) = self.useful(sending).await?;
        sent.bytes.fetch_add(bytes + length, Ordering::Relaxed);
        Ok(digest)
    }

    /// Asks what costs no patience where it is answered.
    async fn useful<T>(&self, asking: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        let before = self.patience.left();
        let answer = self.patience.ask(asking).await?;
        self.patience.restore(before);
        Ok(answer)
    }
}

/// The layers from one on downwards.
fn below(store: &Store, mut key: Option<Digest>) -> Vec<Digest> {
    let mut all = Vec::new();
    while let Some(layer) = key.and_then(|key| store.layers().hold(&key)) {
        all.push(layer.key);
        key = layer.meta.parent;
    }
    all
}

/// Does something with a file where others are not kept waiting.
async fn blocking<T: Send + 'static>(
    file: &Arc<File>,
    work: impl FnOnce(&File) -> T + Send + 'static,
) -> Result<T, Fault> {
    let file = Arc::clone(file);
    let done = tokio::task::spawn_blocking(move || work(&file)).await;
    done.map_err(|error| Fault::Host(error.to_string()))
}

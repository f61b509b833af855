//! The files of a build disk: the base, the layers on it, and the overlay that is written to now.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{BaseFormat, Failure, Supplies, disk};
use crate::{
    driver::Machine,
    plan::{BaseSource, ImagePlan, Key},
    store::{Claim, Layer, LayerMeta, Store, WorkFolder},
    text::Digest,
};

/// Deeper chains make every read of old data slower: a build that would start from one puts its topmost
/// layer on the base first.
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
    /// The base at the very bottom, if it is one of the store.
    base: Option<Digest>,
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
        let base = supplies.held.as_ref().map(|base| base.key);
        let base = base.or_else(|| on.as_ref().and_then(|layer| layer.meta.base));
        // Inside the store the path is relative, so that the store can be moved.
        let backing = match supplies.base.strip_prefix(store.root()) {
            Ok(inside) => Path::new("../..").join(inside),
            Err(_) => supplies.base.clone(),
        };
        let on = match on {
            Some(layer) if layer.meta.depth >= DEEPEST => {
                let bottom = match (layer.meta.base, is_chained(image)) {
                    // The layer says itself what is at the bottom, whatever images are in between.
                    (Some(base), _) => Some((base_path(&base), BaseFormat::Qcow2)),
                    (None, false) => Some((backing.clone(), supplies.base_format)),
                    (None, true) => None,
                };
                match bottom {
                    Some((bottom, format)) => Some(flattened(store, work, layer, &bottom, format).await?),
                    None => Some(layer),
                }
            }
            on => on,
        };
        match &on {
            Some(layer) => disk::overlay(&layer_path(&layer.key), "qcow2", &active, image.disk_size)?,
            None => disk::overlay(&backing, supplies.base_format.name(), &active, image.disk_size)?,
        }
        let parent = on.as_ref().map(|layer| layer.key);
        let depth = on.as_ref().map_or(0, |layer| layer.meta.depth + 1);
        let held = on.into_iter().collect();
        Ok(Self { store, image, work, parent, depth, active, number: 0, attempt, claim, held, base })
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
        if self.claim.is_none() {
            return Ok(Ok(()));
        }
        let Some(next_claim) = self.store.layers().try_claim(&next.0)? else { return Ok(Err(Overtaken)) };
        self.number += 1;
        let overlay = self.work.path().join(format!("disk-{}.{}.qcow2", self.attempt, self.number));
        disk::overlay(&layer_path(&key.0), "qcow2", &overlay, self.image.disk_size)?;
        machine.cut(&overlay).await?;
        // Nothing waits between the cut and this: a build that is dropped loses no finished layer.
        let finished = std::mem::replace(&mut self.active, overlay);
        let result = self.keep(&finished, step, key);
        self.claim = Some(next_claim);
        result.map(Ok)
    }

    /// Keeps the state after the last step; the machine is off. Returns the disk to seal.
    pub(super) fn finish(mut self, step: &str, key: Key) -> Result<FinishedDisk, Failure> {
        if self.claim.is_some() {
            let finished = self.active.clone();
            self.keep(&finished, step, key)?;
            self.active = self.store.layers().disk(&key.0);
        }
        Ok(FinishedDisk { path: self.active, held: self.held })
    }

    /// What the active overlay stands on, still in use.
    pub(super) fn into_held(self) -> Vec<Layer> {
        self.held
    }

    /// Takes a finished overlay into the store. The claim goes with the layer in place.
    fn keep(&mut self, disk: &Path, step: &str, key: Key) -> Result<(), Failure> {
        let meta = LayerMeta {
            step: step.to_owned(),
            image: self.image.image.clone(),
            parent: self.parent,
            depth: self.depth,
            base: self.base,
        };
        self.held.push(self.store.layers().put(&key.0, disk, &meta)?);
        self.claim = None;
        self.parent = Some(key.0);
        self.depth += 1;
        Ok(())
    }
}

/// Whether the base is another image's disk, which is a layer itself.
const fn is_chained(image: &ImagePlan) -> bool {
    matches!(image.base.source, BaseSource::Image { .. })
}

/// Puts a layer on the base directly: what those between them hold is in it afterwards.
async fn flattened(
    store: &Store,
    work: &WorkFolder,
    mut layer: Layer,
    backing: &Path,
    format: BaseFormat,
) -> Result<Layer, Failure> {
    // As deep below the root as the layer itself, so the relative paths are right in both places.
    let flat = work.path().join("flat.qcow2");
    let copied = std::fs::copy(&layer.disk, &flat);
    copied.map_err(|source| Failure::Io { action: "write", path: flat.clone(), source })?;
    disk::stand_on(&flat, backing, format.name()).await?;
    store.layers().replace(&mut layer, &flat)?;
    Ok(layer)
}

/// A disk that no machine writes to any more.
#[derive(Debug)]
pub(super) struct FinishedDisk {
    pub path: PathBuf,
    /// What it stands on stays until it is sealed.
    #[expect(dead_code, reason = "held for its lock")]
    pub held: Vec<Layer>,
}

/// A base's disk as seen from any working folder or layer folder.
fn base_path(key: &Digest) -> PathBuf {
    format!("../../bases/{key}/disk.qcow2").into()
}

/// A layer's disk as seen from any working folder or layer folder.
fn layer_path(key: &Digest) -> PathBuf {
    format!("../../layers/{key}/disk.qcow2").into()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::{
        driver::fake::FakeDriver,
        exec::{
            Artifact, Budget, Executor, Options, Reporter, Standing,
            simulation::{NoFiles, Nobody, image},
        },
        store::{BaseSlot, LayerEntry},
    };

    /// A store with one base, and images built on it by machines that do nothing.
    struct World {
        _dir: tempfile::TempDir,
        store: Arc<Store>,
        supplies: Supplies,
    }

    impl World {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let store = Arc::new(Store::open(dir.path().join("store")).unwrap());
            let Some(BaseSlot::Missing(new)) = store.bases().try_claim(&Digest::of("base")).unwrap() else {
                panic!("the store is new")
            };
            qemu_img(&["create", "-q", "-f", "qcow2", &new.disk().to_string_lossy(), "1G"]);
            let base = new.commit(&()).unwrap();
            let supplies = Supplies { base: base.disk.clone(), held: Some(base), ..Supplies::default() };
            Self { _dir: dir, store, supplies }
        }

        fn build(&self, plans: &[&ImagePlan]) -> Vec<Artifact> {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
            let driver = FakeDriver::new();
            let (reporter, budget) = (Reporter::new(Arc::new(Nobody)), Budget::new(1024, 2));
            let standing = Standing::new(plans.iter().copied());
            let executor = Executor {
                store: &self.store,
                driver: &driver,
                project: &NoFiles,
                reporter: &reporter,
                budget: &budget,
                standing: &standing,
                wrecks: None,
            };
            let options = Options { out: self.store.root().join("out"), test: false, cache: true };
            let built = plans.iter().map(|plan| {
                let supplies = match plan.base.source {
                    BaseSource::Image { .. } => Supplies::default(),
                    _ => self.supplies.clone(),
                };
                runtime.block_on(executor.build(plan, &supplies, &options)).unwrap()
            });
            built.flatten().collect()
        }

        fn layer(&self, plan: &ImagePlan, step: usize) -> LayerEntry {
            let key = plan.steps[step].key.0;
            self.store.layers().list().unwrap().into_iter().find(|entry| entry.key == key).unwrap()
        }

        /// How many files a layer's disk consists of, by what the files themselves say.
        fn files(&self, entry: &LayerEntry) -> usize {
            let disk = self.store.layers().disk(&entry.key);
            let said = qemu_img(&["info", "--backing-chain", "--output=json", &disk.to_string_lossy()]);
            serde_json::from_slice::<Vec<serde_json::Value>>(&said).unwrap().len()
        }
    }

    fn qemu_img(args: &[&str]) -> Vec<u8> {
        let output = Command::new("qemu-img").args(args).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// Plans of so many offline steps; the last third differs between variants.
    fn plans(steps: usize) -> [ImagePlan; 2] {
        [1, 2].map(|variant| image("deep", &"o".repeat(steps), variant))
    }

    #[test]
    fn a_layer_on_too_many_others_is_put_on_the_base_by_the_next_build() {
        let world = World::new();
        // The first step that differs is the 35th: what it stands on has 33 below.
        let [first, second] = plans(51);
        world.build(&[&first]);
        let shared = world.layer(&first, 33);
        assert_eq!((shared.meta.depth, world.files(&shared)), (33, 35));
        let above = world.layer(&first, 50);
        assert_eq!(above.meta.depth, 50);

        world.build(&[&second]);
        let shared = world.layer(&first, 33);
        assert_eq!((shared.meta.parent, shared.meta.depth, world.files(&shared)), (None, 0, 2));
        assert_eq!(shared.meta.base, world.supplies.held.as_ref().map(|base| base.key));
        // Those above it stand on it as before, and are as many files less.
        assert_eq!(world.files(&above), 2 + 17);
        assert_eq!(world.layer(&second, 34).meta.depth, 1);

        // What nothing stands on any more can go; the rest is whole.
        let below = first.steps[..33].iter().rev();
        for step in below {
            assert!(world.store.layers().evict(&step.key.0).unwrap(), "{}", step.name);
        }
        assert!(!world.store.layers().evict(&first.steps[33].key.0).unwrap(), "others stand on it");
        qemu_img(&["check", "-q", &world.store.layers().disk(&above.key).to_string_lossy()]);
    }

    #[test]
    fn what_stands_on_another_image_is_put_on_the_base_at_the_bottom() {
        let world = World::new();
        let [below, _] = plans(20);
        let [mut first, mut second] = plans(30);
        for plan in [&mut first, &mut second] {
            plan.base.source = BaseSource::Image { image: below.image.clone(), key: below.key() };
            let mut parent = below.key();
            for step in &mut plan.steps {
                step.key = Key::of(parent, &step.parts);
                parent = step.key;
            }
        }
        world.build(&[&below, &first]);
        let shared = world.layer(&first, 19);
        assert_eq!((shared.meta.depth, world.files(&shared)), (39, 41));
        world.build(&[&below, &second]);
        let shared = world.layer(&first, 19);
        assert_eq!((shared.meta.parent, world.files(&shared)), (None, 2));
        assert_eq!(shared.meta.base, world.supplies.held.as_ref().map(|base| base.key));
    }
}

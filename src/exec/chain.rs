//! The files of a build disk: the base, the layers on it, and the overlay that is written to now.

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use super::{BuildError, BuildInputs, examination::Examination, saved_boot::shows_secrets};
use crate::{
    driver::{DiskFile, Disks, Machine},
    model::DiskFormat,
    plan::{BaseSource, ImagePlan, Key},
    store::{Claim, Layer, LayerMeta, Store, WorkFolder},
    text::Digest,
};

/// A layer has at most so many below it: deeper chains make every read of old data slower. What would stand on
/// such a layer waits until that is put on the base.
const DEEPEST: u32 = 32;

/// Why a build leaves its machine and starts over, from the deepest layer there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// Somebody else is making, or has just made, what this build was about to make.
    Overtaken,
    /// The layers are as deep as they may be: no machine may run on a disk that is put on the base.
    Deep,
}

/// A build disk in the making.
pub(super) struct Chain<'a> {
    store: &'a Arc<Store>,
    disks: Arc<dyn Disks>,
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
    /// Whether a step that led here was shown a secret, or may have been.
    secrets: bool,
    /// Layers below, held in use.
    held: Vec<Layer>,
    /// The base at the very bottom, if it is one of the store.
    base: Option<Digest>,
    /// The file of that base, as seen from a layer, and its format; none where the bottom is not known.
    bottom: Option<(PathBuf, DiskFormat)>,
    /// When the making of the next layer began.
    since: Instant,
}

/// How many steps are done already, and the layer that says so. With none done that is the finished
/// disk of the image it is based on, if it is based on one.
#[must_use]
pub fn deepest(store: &Store, image: &ImagePlan) -> (usize, Option<Layer>) {
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
        (store, disks): (&'a Arc<Store>, Arc<dyn Disks>),
        work: &'a WorkFolder,
        attempt: u32,
        image: &'a ImagePlan,
        inputs: &BuildInputs,
        on: Option<Layer>,
        claim: Option<Claim>,
    ) -> Result<Self, BuildError> {
        let active = work.path().join(format!("disk-{attempt}.0.qcow2"));
        let base = inputs.held.as_ref().map(|base| base.key);
        let base = base.or_else(|| on.as_ref().and_then(|layer| layer.meta.base));
        // Inside the store the path is relative, so that the store can be moved.
        let backing = match inputs.base.strip_prefix(store.root()) {
            Ok(inside) => Path::new("../..").join(inside),
            Err(_) => inputs.base.clone(),
        };
        let bottom = match (base, is_chained(image)) {
            // The layer says itself what is at the bottom, whatever images are in between.
            (Some(base), _) => Some((base_path(&base), DiskFormat::Qcow2)),
            (None, false) => Some((backing.clone(), inputs.base_format)),
            (None, true) => None,
        };
        let on = match (on, &bottom) {
            (Some(layer), Some((bottom, format))) if layer.meta.depth >= DEEPEST => {
                let bottom = DiskFile { path: bottom, format: *format };
                Some(flattened(store, disks.as_ref(), work, layer, bottom).await?)
            }
            (on, _) => on,
        };
        match &on {
            Some(layer) => disks.overlay(&active, layer_file(&layer_path(&layer.key)), image.disk_size)?,
            None => {
                let base = DiskFile { path: &backing, format: inputs.base_format };
                disks.overlay(&active, base, image.disk_size)?;
            }
        }
        let parent = on.as_ref().map(|layer| layer.key);
        // Of a base no step was shown any.
        let secrets = on.as_ref().is_some_and(|layer| layer.meta.secrets != Some(false));
        let depth = on.as_ref().map_or(0, |layer| layer.meta.depth + 1);
        let held = on.into_iter().collect();
        Ok(Self {
            store,
            disks,
            image,
            work,
            parent,
            depth,
            active,
            number: 0,
            attempt,
            claim,
            secrets,
            held,
            base,
            bottom,
            since: Instant::now(),
        })
    }

    pub(super) const fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Whether what it ends with stays in the store.
    pub(super) const fn is_kept(&self) -> bool {
        self.claim.is_some()
    }

    /// The layer that the active overlay is on, or the base of the store, and the bytes of it and of all that it stands
    /// on; nothing where these are not known.
    pub(super) fn stands_on(&self) -> Option<(Digest, Digest)> {
        match (self.parent, self.base) {
            (Some(layer), _) => Some((layer, self.store.layers().content(&layer)?)),
            (None, Some(base)) => Some((base, self.store.bases().content(&base)?)),
            (None, None) => None,
        }
    }

    /// Whether a layer that this is on may have seen a secret.
    pub(super) const fn may_hold_secrets(&self) -> bool {
        self.secrets
    }

    /// An empty overlay in the place of the active one, which nobody writes to.
    pub(super) fn renew(&self) -> Result<(), BuildError> {
        match std::fs::remove_file(&self.active) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(BuildError::Io { action: "remove", path: self.active.clone(), source });
            }
            _ => {}
        }
        let layer = self.parent.map(|parent| layer_path(&parent));
        let on = match (&layer, &self.bottom) {
            (Some(layer), _) => layer_file(layer),
            (None, Some((path, format))) => DiskFile { path, format: *format },
            (None, None) => return Ok(()),
        };
        Ok(self.disks.overlay(&self.active, on, self.image.disk_size)?)
    }

    pub(super) fn active(&self) -> &Path {
        &self.active
    }

    /// Keeps the state after the step of `key` as a layer and goes on in a new overlay; `next` is the
    /// step that comes then. The machine is mounted. Breaks where the build has to start over.
    pub(super) async fn cut(
        &mut self,
        machine: &mut dyn Machine,
        step: &str,
        key: Key,
        next: Key,
    ) -> Result<ControlFlow<Again>, BuildError> {
        if self.claim.is_none() {
            return Ok(ControlFlow::Continue(()));
        }
        let Some(next_claim) = self.store.layers().try_claim(&next.0)? else {
            return Ok(ControlFlow::Break(Again::Overtaken));
        };
        let deep = self.depth >= DEEPEST && self.bottom.is_some();
        self.number += 1;
        let overlay = self.work.path().join(format!("disk-{}.{}.qcow2", self.attempt, self.number));
        self.disks.overlay(&overlay, layer_file(&layer_path(&key.0)), self.image.disk_size)?;
        machine.cut(&overlay).await?;
        // Nothing waits between the cut and this: a build that is dropped loses no finished layer.
        let finished = std::mem::replace(&mut self.active, overlay);
        let result = self.keep(&finished, step, key);
        self.claim = Some(next_claim);
        result.map(|()| if deep { ControlFlow::Break(Again::Deep) } else { ControlFlow::Continue(()) })
    }

    /// Keeps the state after the last step; the machine is off. Returns the disk to seal.
    pub(super) fn finish(mut self, step: &str, key: Key) -> Result<FinishedDisk, BuildError> {
        if self.claim.is_some() {
            let finished = self.active.clone();
            self.keep(&finished, step, key)?;
            self.active = self.store.layers().disk(&key.0);
        }
        Ok(FinishedDisk { path: self.active, held: self.held, seen: None })
    }

    /// What the active overlay stands on, still in use.
    pub(super) fn into_held(self) -> Vec<Layer> {
        self.held
    }

    /// Takes a finished overlay into the store. The claim goes with the layer in place.
    fn keep(&mut self, disk: &Path, step: &str, key: Key) -> Result<(), BuildError> {
        let done = self.image.steps.iter().position(|step| step.key == key).map_or(0, |last| last + 1);
        self.secrets |= shows_secrets(&self.image.steps[..done]);
        let meta = LayerMeta {
            step: step.to_owned(),
            image: self.image.image.clone(),
            parent: self.parent,
            depth: self.depth,
            base: self.base,
            secrets: Some(self.secrets),
            content: None,
            made_ms: u64::try_from(self.since.elapsed().as_millis()).ok(),
        };
        self.since = Instant::now();
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
    disks: &dyn Disks,
    work: &WorkFolder,
    mut layer: Layer,
    base: DiskFile<'_>,
) -> Result<Layer, BuildError> {
    // As deep below the root as the layer itself, so the relative paths are right in both places.
    let flat = work.path().join("flat.qcow2");
    let copied = std::fs::copy(&layer.disk, &flat);
    copied.map_err(|source| BuildError::Io { action: "write", path: flat.clone(), source })?;
    disks.stand_on(&flat, base).await?;
    store.layers().replace(&mut layer, &flat)?;
    Ok(layer)
}

/// A disk that no machine writes to any more.
#[derive(Debug)]
pub(super) struct FinishedDisk {
    pub path: PathBuf,
    /// What it stands on stays until it is sealed.
    pub held: Vec<Layer>,
    /// What its own machine saw of it, if it had one.
    pub seen: Option<Examination>,
}

/// A base's disk as seen from any working folder or layer folder.
fn base_path(key: &Digest) -> PathBuf {
    format!("../../bases/{key}/disk.qcow2").into()
}

/// Layers are overlays.
const fn layer_file(path: &Path) -> DiskFile<'_> {
    DiskFile { path, format: DiskFormat::Qcow2 }
}

/// A layer's disk as seen from any working folder or layer folder.
fn layer_path(key: &Digest) -> PathBuf {
    format!("../../layers/{key}/disk.qcow2").into()
}

#[cfg(test)]
pub(super) mod tests {
    use std::{process::Command, sync::Mutex};

    use super::*;
    use crate::{
        driver::fake::FakeDriver,
        exec::{
            Artifact, Budget, Event, EventKind, Executor, Observer, Options, Outcome, ParentDisks, Reporter,
            Tests,
            simulation::{NoFiles, image},
        },
        plan::Step,
        store::{BaseSlot, LayerEntry},
    };

    /// A store with one base, and images built on it by machines that do nothing.
    pub(in crate::exec) struct World {
        _dir: tempfile::TempDir,
        store: Arc<Store>,
        inputs: BuildInputs,
    }

    /// How steps ended.
    #[derive(Default)]
    pub(in crate::exec) struct Ends(Mutex<Vec<(String, Outcome)>>);

    impl Observer for Ends {
        fn event(&self, event: &Event) {
            if let EventKind::StepFinished { step, outcome, .. } = &event.what {
                self.0.lock().unwrap().push((step.clone(), *outcome));
            }
        }
    }

    impl Ends {
        /// Whether a step of this name was done.
        pub(in crate::exec) fn done(&self, step: &str) -> bool {
            self.0.lock().unwrap().contains(&(step.to_owned(), Outcome::Done))
        }

        fn of_scripts(&self) -> Vec<(String, Outcome)> {
            let all = self.0.lock().unwrap().clone();
            all.into_iter().filter(|(step, _)| step.starts_with("script")).collect()
        }
    }

    impl World {
        pub(in crate::exec) fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let store = Arc::new(Store::open(dir.path().join("store")).unwrap());
            let Some(BaseSlot::Missing(new)) = store.bases().try_claim(&Digest::of("base")).unwrap() else {
                panic!("the store is new")
            };
            qemu_img(&["create", "-q", "-f", "qcow2", &new.disk().to_string_lossy(), "1G"]);
            let base = new.commit(&()).unwrap();
            let inputs = BuildInputs { base: base.disk.clone(), held: Some(base), ..BuildInputs::default() };
            Self { _dir: dir, store, inputs }
        }

        fn build(&self, plans: &[&ImagePlan]) -> Vec<Artifact> {
            self.build_by(&FakeDriver::new(), &Arc::default(), plans)
        }

        fn build_by(&self, driver: &FakeDriver, ends: &Arc<Ends>, plans: &[&ImagePlan]) -> Vec<Artifact> {
            self.try_build(driver, ends, plans, Tests::None).unwrap()
        }

        pub(in crate::exec) fn try_build(
            &self,
            driver: &FakeDriver,
            ends: &Arc<Ends>,
            plans: &[&ImagePlan],
            tests: Tests,
        ) -> Result<Vec<Artifact>, BuildError> {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
            let reporter = Reporter::new(Arc::clone(ends) as Arc<dyn Observer>);
            let budget = Budget::new(1024, 2);
            let parent_disks = ParentDisks::new(plans.iter().copied());
            let executor = Executor {
                store: &self.store,
                driver,
                project: &NoFiles,
                reporter: &reporter,
                budget: &budget,
                parent_disks: &parent_disks,
                failed_machines: None,
            };
            let options = Options {
                out: self.store.root().join("out"),
                out_given: false,
                force: false,
                tests,
                cache: true,
                describe: None,
            };
            let mut built = Vec::new();
            for plan in plans {
                let inputs = match plan.base.source {
                    BaseSource::Image { .. } => BuildInputs::default(),
                    _ => self.inputs.clone(),
                };
                built.extend(runtime.block_on(executor.build(plan, &inputs, &options))?);
            }
            Ok(built)
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

    /// A plan of so many offline steps.
    fn plan(steps: usize) -> ImagePlan {
        image("deep", &"o".repeat(steps), 0)
    }

    #[test]
    fn a_build_of_many_steps_puts_its_disk_on_the_base_on_its_way() {
        let world = World::new();
        let plan = plan(70);
        let (driver, ends) = (FakeDriver::new(), Arc::<Ends>::default());
        world.build_by(&driver, &ends, &[&plan]);
        let depths: Vec<u32> = (0..70).map(|step| world.layer(&plan, step).meta.depth).collect();
        // The 33rd layer has 32 below it until it is put on the base; the next 32 steps bring that again.
        let expected: Vec<u32> = (0..32).chain(0..32).chain(0..6).collect();
        assert_eq!(depths, expected);
        let last = world.layer(&plan, 69);
        assert_eq!(world.files(&last), 7);
        qemu_img(&["check", "-q", &world.store.layers().disk(&last.key).to_string_lossy()]);
        // Each step ran once and was told once, in three machines that are all gone.
        let names: Vec<_> = plan.steps.iter().map(|step| (step.name.clone(), Outcome::Done)).collect();
        assert_eq!(ends.of_scripts(), names);
        assert_eq!(driver.operations().iter().filter(|name| **name == "start").count(), 3);
        assert_eq!(driver.running(), 0);
        // Those that nothing stands on any more can go; the rest is whole.
        for step in plan.steps[..32].iter().rev() {
            assert!(world.store.layers().evict(&step.key.0).unwrap(), "{}", step.name);
        }
        assert!(!world.store.layers().evict(&plan.steps[32].key.0).unwrap(), "others stand on it");
    }

    #[test]
    fn a_layer_on_too_many_others_is_put_on_the_base_by_the_next_build() {
        let world = World::new();
        let [first, second] = [33, 34].map(plan);
        world.build(&[&first]);
        let shared = world.layer(&first, 32);
        assert_eq!((shared.meta.depth, world.files(&shared)), (32, 34), "nothing stands on it");

        let ends = Arc::<Ends>::default();
        world.build_by(&FakeDriver::new(), &ends, &[&second]);
        let shared = world.layer(&first, 32);
        assert_eq!((shared.meta.parent, shared.meta.depth, world.files(&shared)), (None, 0, 2));
        assert_eq!(shared.meta.base, world.inputs.held.as_ref().map(|base| base.key));
        assert_eq!(world.layer(&second, 33).meta.depth, 1);
        let outcome = |(number, step): (usize, &Step)| {
            (step.name.clone(), if number < 33 { Outcome::Reused } else { Outcome::Done })
        };
        assert_eq!(ends.of_scripts(), second.steps.iter().enumerate().map(outcome).collect::<Vec<_>>());
    }

    #[test]
    fn what_stands_on_another_image_is_put_on_the_base_at_the_bottom() {
        let world = World::new();
        let (below, mut above) = (plan(20), plan(30));
        above.base.source = BaseSource::Image { image: below.image.clone(), key: below.key() };
        let mut parent = below.key();
        for step in &mut above.steps {
            step.key = Key::of(parent, &step.parts);
            parent = step.key;
        }
        world.build(&[&below, &above]);
        let depth = |step| world.layer(&above, step).meta.depth;
        assert_eq!([0, 11, 12, 13, 29].map(depth), [20, 31, 0, 1, 17]);
        let put = world.layer(&above, 12);
        assert_eq!((put.meta.parent, world.files(&put)), (None, 2));
        assert_eq!(put.meta.base, world.inputs.held.as_ref().map(|base| base.key));
    }
}

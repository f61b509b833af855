//! The executor under faults, thousands of times: builds that share a store, on machines that fail by chance,
//! cancelled or killed at any moment. Whatever happened, every layer is whole, nothing is lost that was
//! finished, nothing runs on, and the next build succeeds.
//!
//! `IMGFILE_SIMULATIONS` says how many seeds are tried instead of the usual few hundred of each kind.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
    task::{Context, Poll, Waker},
};

use futures_util::{FutureExt, future::LocalBoxFuture};

use super::*;
use crate::{
    driver::fake::FakeDriver,
    plan::{
        Action, BasePlan, BaseSource, Conditions, Gate, ImagePlan, Key, MachinePlan, OsPlan, RunAs,
        ScriptStep, Stage, Step, key_parts,
    },
    store::Store,
    text::Digest,
};

/// Watches nothing.
pub(super) struct Nobody;

impl Observer for Nobody {
    fn event(&self, _: &Event) {}
}

/// No step of these plans reads a file.
pub(super) struct NoFiles;

impl ProjectFiles for NoFiles {
    fn open(&self, path: &str) -> Result<Box<dyn std::io::Read>, BuildError> {
        panic!("{path} was read")
    }
}

/// An image of scripts, `o` offline and `b` booted; images with the same beginning share layers.
pub(crate) fn image(name: &str, stages: &str, variant: usize) -> ImagePlan {
    let base = BasePlan {
        name: "base".into(),
        source: BaseSource::File { path: "base".into(), sha256: Digest::of("base") },
        virtual_size: 1 << 30,
        firmware: Vec::new(),
    };
    let mut parent = crate::plan::base_key(&base);
    let count = stages.chars().count();
    let steps = stages.chars().enumerate().map(|(number, stage)| {
        let stage = if stage == 'b' { Stage::Booted } else { Stage::Offline };
        // The last third differs between variants.
        let own = if number * 3 >= count * 2 { variant } else { 0 };
        let action = Action::Script(ScriptStep {
            network: false,
            content: format!("#!/bin/sh\n: {number} {own}\n"),
            user: RunAs::Root,
            env: BTreeMap::new(),
            timeout_secs: 60,
            retries: 0,
            with: Vec::new(),
            secrets: Vec::new(),
            at: None,
        });
        let name = format!("script {number}");
        let conditions = Conditions { agent_version: "agent", user: "root", network: false };
        let parts = key_parts(&name, stage, &action, conditions);
        parent = Key::of(parent, &parts);
        Step { name, stage, action, key: parent, parts, span: None }
    });
    let steps = steps.collect();
    ImagePlan {
        image: name.into(),
        description: None,
        labels: BTreeMap::new(),
        os: OsPlan { distro: "debian".into(), version: "13".into() },
        arch: crate::model::Arch::X86_64,
        base,
        disk_size: 1 << 30,
        machine: MachinePlan { cpus: 1, memory_mib: 512 },
        network: false,
        user: "root".into(),
        secrets: Vec::new(),
        steps,
        tests: Vec::new(),
        gate: Gate::default(),
        outputs: Vec::new(),
    }
}

struct World {
    dir: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        // Thousands of small files: in memory where there is such a place.
        let shm = Path::new("/dev/shm");
        let dir = if shm.is_dir() { tempfile::tempdir_in(shm) } else { tempfile::tempdir() };
        let world = Self { dir: dir.unwrap() };
        std::fs::write(world.base(), "a disk").unwrap();
        world
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    fn base(&self) -> PathBuf {
        self.dir.path().join("base.qcow2")
    }
}

async fn build(root: &Path, base: &Path, driver: &FakeDriver, image: &ImagePlan) -> Result<(), BuildError> {
    let store = Arc::new(Store::open(root)?);
    let reporter = Reporter::new(Arc::new(Nobody));
    let (budget, parent_disks) = (Budget::new(1024, 2), ParentDisks::default());
    let executor = Executor {
        store: &store,
        driver,
        project: &NoFiles,
        reporter: &reporter,
        budget: &budget,
        parent_disks: &parent_disks,
        failed_machines: None,
    };
    let inputs = BuildInputs { base: base.to_owned(), ..BuildInputs::default() };
    let options = Options {
        out: root.join("out"),
        out_given: false,
        force: false,
        tests: Tests::Own,
        cache: true,
        describe: None,
    };
    executor.build(image, &inputs, &options).await.map(|_| ())
}

/// Keys of the layers that are there.
fn layers(root: &Path) -> BTreeSet<String> {
    let Ok(entries) = std::fs::read_dir(root.join("layers")) else { return BTreeSet::new() };
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name != "claims").collect()
}

/// What must hold whenever nobody builds.
fn sound(root: &Path, seed: u64) {
    let (store, _) = Store::open_and_sweep(root).unwrap();
    let entries = store.layers().list().unwrap();
    let keys: BTreeSet<String> = entries.iter().map(|entry| entry.key.to_string()).collect();
    assert_eq!(keys, layers(root), "seed {seed}: a layer is there in part");
    for entry in &entries {
        let held = store.layers().get(&entry.key).unwrap_or_else(|| panic!("seed {seed}: {entry:?}"));
        let bytes = std::fs::read(&held.disk).unwrap();
        assert_eq!(&bytes[..4], b"QFI\xfb", "seed {seed}: the disk of {entry:?} is not whole");
        if let Some(parent) = entry.meta.parent {
            assert!(keys.contains(&parent.to_string()), "seed {seed}: {entry:?} stands on nothing");
        }
        // Whoever waited for it when its build was dropped still gets it, and lets it go; one that is stuck
        // would hold this up for ever.
        drop(store.layers().claim(&entry.key).unwrap());
    }
    // A folder that was just being made has no owner yet; it is swept when it is older.
    let left = |folder: &str| {
        let entries = std::fs::read_dir(root.join(folder)).unwrap().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| !name.starts_with(".new-")).collect::<Vec<_>>()
    };
    assert_eq!(left("builds"), Vec::<String>::new(), "seed {seed}: something is left behind");
    // Only the folder of this very store; another goes with the thread that still waits for a claim.
    while left("tmp").len() > 1 {
        std::thread::yield_now();
    }
}

/// A small generator of its own, so that a seed says everything.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }
}

fn seeds(usual: u64) -> std::ops::Range<u64> {
    let wanted = std::env::var("IMGFILE_SIMULATIONS").ok().and_then(|count| count.parse().ok());
    0..wanted.unwrap_or(usual)
}

/// Polls one of the builds at a time, as the dice fall, and drops some before they have ended.
fn interleave(
    mut running: Vec<(usize, LocalBoxFuture<'_, Result<(), BuildError>>)>,
    dice: &mut Dice,
) -> Vec<(usize, Result<(), BuildError>)> {
    let mut ended = Vec::new();
    let mut context = Context::from_waker(Waker::noop());
    while !running.is_empty() {
        let at = dice.below(running.len());
        // One in 150 polls is a Ctrl-C.
        if dice.below(150) == 0 {
            drop(running.swap_remove(at));
            continue;
        }
        match running[at].1.poll_unpin(&mut context) {
            Poll::Ready(result) => ended.push((running.swap_remove(at).0, result)),
            // One may wait for a lock that a thread of its own waits for.
            Poll::Pending => std::thread::yield_now(),
        }
    }
    ended
}

#[test]
fn builds_that_share_a_store_survive_faults_in_any_order() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let _inside = runtime.enter();
    let (mut failed, mut built) = (0, 0);
    for seed in seeds(800) {
        let world = World::new();
        let (root, base) = (world.root(), world.base());
        let mut dice = Dice(seed.wrapping_mul(0x2545_F491_4F6C_DD1D) | 1);
        let plans: Vec<ImagePlan> =
            (0..3).map(|number| image(&format!("image {number}"), "ooboobo", number / 2)).collect();
        let driver = FakeDriver::new().chaos(seed + 1, 40);
        let builds = plans
            .iter()
            .enumerate()
            .map(|(number, plan)| (number, build(&root, &base, &driver, plan).boxed_local()));
        for (_, result) in interleave(builds.collect(), &mut dice) {
            match result {
                Ok(()) => built += 1,
                Err(_) => failed += 1,
            }
        }
        assert_eq!(driver.running(), 0, "seed {seed}: a machine runs on");
        sound(&root, seed);
        let before = layers(&root);
        // The next build succeeds, and does none of the finished work again.
        let driver = FakeDriver::new().chaos(seed + 1, 0);
        for plan in &plans {
            let done = plan.steps.iter().rposition(|step| before.contains(&step.key.0.to_string()));
            let alone = build(&root, &base, &driver, plan).boxed_local();
            let result = interleave_alone(alone);
            result.unwrap_or_else(|failure| panic!("seed {seed}: {failure}"));
            let last = plan.steps.last().unwrap().key.0.to_string();
            assert!(layers(&root).contains(&last), "seed {seed}: the last state is not kept");
            assert!(before.is_subset(&layers(&root)), "seed {seed}: a finished layer is lost");
            let repeated = driver.events().into_iter().filter(|event| {
                let crate::driver::fake::Event::Exec { what, .. } = event else { return false };
                plan.steps[..done.map_or(0, |done| done + 1)].iter().any(|step| step.name == *what)
                    && plan.image == "image 0"
            });
            assert_eq!(repeated.count(), 0, "seed {seed}: a finished step ran again");
        }
        sound(&root, seed);
    }
    // A simulation in which nothing fails, or nothing succeeds, shows nothing.
    assert!(failed > 0 && built > 0, "{failed} failed, {built} built");
}

fn interleave_alone(mut build: LocalBoxFuture<'_, Result<(), BuildError>>) -> Result<(), BuildError> {
    let mut context = Context::from_waker(Waker::noop());
    loop {
        match build.poll_unpin(&mut context) {
            Poll::Ready(result) => return result,
            Poll::Pending => std::thread::yield_now(),
        }
    }
}

#[test]
fn an_emulator_that_dies_before_it_is_up_is_started_once_more() {
    let died = || {
        let end = crate::driver::End::EmulatorDied { status: "signal: 6".into(), stderr: String::new() };
        crate::driver::DriverError::MachineEnded { end, doing: "start".into(), console: String::new() }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    for deaths in [1, 2] {
        let world = World::new();
        let driver = (0..deaths).fold(FakeDriver::new(), |driver, _| driver.fail("start", 0, died()));
        let plan = image("image", "oo", 0);
        let built = runtime.block_on(build(&world.root(), &world.base(), &driver, &plan));
        assert_eq!(built.is_ok(), deaths == 1, "{deaths} deaths: {built:?}");
        assert_eq!(driver.operations()[..2], ["start", "start"]);
        assert_eq!(driver.running(), 0);
    }
}

/// The other half of the next test: builds until it is killed.
#[test]
#[ignore = "run by `a_process_that_is_killed_loses_nothing`"]
fn a_process_that_builds() {
    let folder = PathBuf::from(std::env::var_os("SIMULATION").unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    println!("ready");
    for variant in 1.. {
        let driver = FakeDriver::new().chaos(variant as u64, 0);
        let plan = image("killed", "ooooooboo", variant);
        let _ = runtime.block_on(build(&folder.join("store"), &folder.join("base.qcow2"), &driver, &plan));
    }
}

#[test]
fn a_process_that_is_killed_loses_nothing() {
    use std::io::{BufRead, BufReader};
    let mut world = World::new();
    let mut dice = Dice(42);
    for seed in seeds(400) {
        // Each look takes as long as there are layers.
        if seed % 10 == 0 {
            world = World::new();
        }
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "exec::simulation::a_process_that_builds", "--ignored", "--nocapture"])
            .env("SIMULATION", world.dir.path())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.map_while(Result::ok).any(|line| line.contains("ready")));
        // By what is seen to be done, not by time: any number of layers more, and then some.
        let wanted = layers(&world.root()).len() + dice.below(6);
        while layers(&world.root()).len() < wanted {
            std::thread::yield_now();
        }
        for _ in 0..dice.below(2000) {
            std::hint::spin_loop();
        }
        let before = layers(&world.root());
        // SIGKILL: nothing of it gets to clean up.
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(before.is_subset(&layers(&world.root())), "seed {seed}: a finished layer is lost");
        sound(&world.root(), seed);
    }
}

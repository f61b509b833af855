use std::sync::{Arc, Mutex};

use super::super::{
    Budget, BuildInputs, Consent, Event, EventKind, Observer, Options, Outside, ParentDisks, Reporter,
    Secrets, Tests,
    simulation::{NoFiles, image},
};
use super::*;
use crate::{
    check::{Cleanup, CleanupItem},
    driver::fake::FakeDriver,
    plan::{Conditions, Key, SecretPlan, SecretSource, cleanup, key_parts},
    store::{ProjectFolder, Store},
    text::{Span, Spanned},
};

/// A store in which images are built by machines that do nothing, and can be saved.
struct World {
    dir: tempfile::TempDir,
    store: Arc<Store>,
    most: u64,
}

/// What a build was told, beside steps.
#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Observer for Notes {
    fn event(&self, event: &Event) {
        if let EventKind::Note { text } = &event.what {
            self.0.lock().unwrap().push(text.clone());
        }
    }
}

/// An offline step, a booted one of this variant, and a clean-up of everything but these.
fn plan(variant: usize, keep: &[CleanupItem]) -> ImagePlan {
    let mut plan = image("web", "oob", variant);
    let keep = keep.iter().map(|item| Spanned::new(item.clone(), Span::default())).collect();
    let wanted = Cleanup { keep, ..Cleanup::default() };
    let action = Action::Cleanup(cleanup::of(&wanted, "root"));
    let conditions = Conditions { agent_version: "agent", user: "root", network: false };
    let parts = key_parts("clean up", Stage::Offline, &action, conditions);
    let key = Key::of(plan.steps[2].key, &parts);
    // What a fake machine is given stays in it.
    plan.gate.allow = vec!["H0024".into()];
    plan.steps.push(Step { name: "clean up".into(), stage: Stage::Offline, action, key, parts, span: None });
    plan
}

fn plain(variant: usize) -> ImagePlan {
    plan(variant, &[])
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(dir.path().join("store")).unwrap());
        std::fs::write(dir.path().join("base.qcow2"), "a disk").unwrap();
        Self { dir, store, most: 1 << 30 }
    }

    /// Builds on machines of this driver; answers what they were asked until the booted script, and what was noted.
    fn build(&self, driver: FakeDriver, plan: &ImagePlan) -> (Vec<&'static str>, Vec<String>) {
        let notes = Arc::<Notes>::default();
        let reporter = Reporter::new(Arc::clone(&notes) as Arc<dyn Observer>);
        let budget = Budget::new(1024, 2).saving_boots(self.most);
        let parent_disks = ParentDisks::default();
        let executor = Executor {
            store: &self.store,
            driver: &driver,
            project: &NoFiles,
            reporter: &reporter,
            budget: &budget,
            parent_disks: &parent_disks,
            failed_machines: None,
        };
        let base = self.dir.path().join("base.qcow2");
        let token = self.dir.path().join("token");
        std::fs::write(&token, "s3cr3t-t0k3n").unwrap();
        let consent =
            Consent { secrets: [("token".to_owned(), Outside::File(token))].into(), ..Consent::default() };
        let project = ProjectFolder::open(self.dir.path()).unwrap();
        let secrets = Secrets::read(plan, &project, &consent);
        let inputs = BuildInputs { base, secrets, ..BuildInputs::default() };
        let options = Options {
            out: self.store.root().join("out"),
            out_given: false,
            force: false,
            tests: Tests::None,
            cache: true,
            describe: None,
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(executor.build(plan, &inputs, &options)).unwrap();
        assert_eq!(driver.running(), 0);
        let interesting = ["start", "resume", "cut", "boot", "save", "offline"];
        let mut operations = driver.operations();
        operations.retain(|name| interesting.contains(name));
        let end = operations.iter().position(|name| *name == "offline").unwrap();
        operations.truncate(end);
        (operations, std::mem::take(&mut *notes.0.lock().unwrap()))
    }

    fn asked(&self, plan: &ImagePlan) -> Vec<&'static str> {
        self.build(FakeDriver::new().saving(), plan).0
    }
}

/// What a build does that boots the layer below its booted script.
const BOOTED: [&str; 3] = ["start", "boot", "save"];

#[test]
fn the_next_build_that_would_boot_the_same_goes_on_from_the_boot() {
    let world = World::new();
    assert_eq!(world.asked(&plain(0)), ["start", "cut", "cut", "boot", "save"]);
    assert_eq!(world.store.saved_boots().list().len(), 1);
    // Saved once, gone on from by as many as come.
    for variant in 1..4 {
        assert_eq!(world.asked(&plain(variant)), ["resume"]);
    }
    assert_eq!(world.store.saved_boots().list().len(), 1);
    // Another machine is another make.
    let larger = |variant| {
        let mut plan = plain(variant);
        plan.machine.memory_mib = 768;
        plan
    };
    assert_eq!(world.asked(&larger(4)), BOOTED);
    assert_eq!(world.asked(&larger(5)), ["resume"]);
    // What one image's boot made is in no other image.
    let other = ImagePlan { image: "other".into(), ..plain(6) };
    assert_eq!(world.asked(&other), BOOTED);
}

#[test]
fn what_cannot_be_gone_on_from_is_forgotten_and_the_machine_boots() {
    let world = World::new();
    world.asked(&plain(0));
    let stuck = DriverError::Hang {
        doing: "resume".into(),
        after: std::time::Duration::from_secs(30),
        console: String::new(),
        screen: None,
    };
    let before = world.store.saved_boots().list();
    let (asked, notes) = world.build(FakeDriver::new().saving().fail("resume", 0, stuck), &plain(1));
    assert_eq!(asked, ["resume", "start", "boot", "save"]);
    assert!(notes.iter().any(|note| note.ends_with("booting it instead")), "{notes:?}");
    assert_ne!(world.store.saved_boots().list()[0].used, before[0].used, "it is another");
    // One that is damaged is not even tried.
    let folder = world.store.saved_boots().get(&before[0].key).unwrap();
    std::fs::write(folder.join("disk.qcow2"), "damaged").unwrap();
    assert_eq!(world.asked(&plain(2)), BOOTED);
    assert_eq!(world.asked(&plain(3)), ["resume"]);
}

#[test]
fn a_boot_of_a_layer_that_was_made_anew_is_another() {
    let world = World::new();
    world.asked(&plain(0));
    let plan = plain(1);
    let below = world.store.layers().hold(&plan.steps[1].key.0).unwrap();
    let other = world.dir.path().join("other.qcow2");
    let mut bytes = std::fs::read(&below.disk).unwrap();
    bytes.extend([0; 512]);
    std::fs::write(&other, bytes).unwrap();
    let meta = below.meta.clone();
    drop(below);
    for step in [&plain(0).steps[3], &plain(0).steps[2], &plan.steps[1]] {
        assert!(world.store.layers().evict(&step.key.0).unwrap());
    }
    drop(world.store.layers().put(&plan.steps[1].key.0, &other, &meta).unwrap());
    assert_eq!(world.asked(&plan), BOOTED);
}

#[test]
fn nothing_is_saved_or_gone_on_from_where_the_user_says_so() {
    let mut world = World::new();
    world.asked(&plain(0));
    world.most = 0;
    assert_eq!(world.asked(&plain(1)), ["start", "boot"]);
    // Less than one takes: it goes as soon as it is there.
    world.most = 1;
    world
        .store
        .saved_boots()
        .list()
        .iter()
        .for_each(|boot| assert!(world.store.saved_boots().forget(&boot.key)));
    assert_eq!(world.asked(&plain(2)), BOOTED);
    assert_eq!(world.store.saved_boots().list(), []);
}

#[test]
fn after_a_secret_nothing_is_saved_by_this_build_or_one_that_goes_on_from_its_layers() {
    let with_secret = |number: usize, variant: usize| {
        let mut plan = plain(variant);
        let Action::Script(script) = &mut plan.steps[number].action else { panic!() };
        script.secrets = vec!["token".into()];
        plan.secrets = vec![SecretPlan { name: "token".into(), source: SecretSource::User, span: None }];
        plan
    };
    let world = World::new();
    assert_eq!(world.asked(&with_secret(0, 0)), ["start", "cut", "cut", "boot"]);
    assert_eq!(world.asked(&with_secret(0, 1)), ["start", "boot"]);
    // The layers say so themselves: these keys do not depend on it, as those of real steps do.
    assert_eq!(world.asked(&plain(2)), ["start", "boot"]);
    assert_eq!(world.store.saved_boots().list(), []);
    // Of one that is shown later nothing is known yet.
    let world = World::new();
    assert_eq!(world.asked(&with_secret(2, 0)), ["start", "cut", "cut", "boot", "save"]);
    assert_eq!(world.asked(&with_secret(2, 1)), ["resume"]);
}

#[test]
fn a_layer_of_which_nothing_is_known_may_have_seen_a_secret() {
    let world = World::new();
    world.asked(&plain(0));
    let meta = world.store.root().join(format!("layers/{}/meta.json", plain(0).steps[1].key.0));
    let text = std::fs::read_to_string(&meta).unwrap();
    std::fs::write(&meta, text.replace(",\"secrets\":false", "")).unwrap();
    assert_eq!(world.asked(&plain(1)), ["start", "boot"]);
}

#[test]
fn an_image_that_keeps_what_tells_systems_apart_shares_no_boot() {
    for keep in [CleanupItem::Topic(CleanupTopic::MachineId), CleanupItem::Path("/etc/machine-id".into())] {
        let world = World::new();
        let keep = [keep];
        assert_eq!(world.asked(&plan(0, &keep)), ["start", "cut", "cut", "boot"]);
        assert_eq!(world.asked(&plan(1, &keep)), ["start", "boot"]);
    }
    // That of another image, of the same layer, is nothing for it either.
    let world = World::new();
    world.asked(&plain(0));
    assert_eq!(world.asked(&plan(1, &[CleanupItem::Topic(CleanupTopic::SshHostKeys)])), ["start", "boot"]);
    // What makes no difference between systems may stay.
    assert_eq!(world.asked(&plan(2, &[CleanupItem::Topic(CleanupTopic::Logs)])), ["resume"]);
}

//! What one store sends and another one takes, through registries that behave and such as do not.

mod registry;

use std::{
    process::Command,
    sync::{Arc, Mutex},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::{rand::SystemRandom, signature::Ed25519KeyPair};

use self::registry::{FakeRegistry, Fault, Guard};
use super::{CacheConfig, Local, Remote, SharedCache, entry::PAYLOAD_TYPE, shareable};
use crate::{
    describe::{Envelope, SigningKey},
    driver::{Disks, Driver as _, fake::FakeDriver},
    exec::{DISK_FACTS, Event, EventKind, Observer, Reporter, deepest, simulation::image},
    oci::{MANIFEST, Repository},
    plan::{Action, BaseSource, ImagePlan},
    store::{BaseSlot, LayerMeta, Store, fetch::Network},
    text::Digest,
};

/// Hears notes.
#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Observer for Notes {
    fn event(&self, event: &Event) {
        if let EventKind::Note { text } = &event.what {
            self.0.lock().unwrap().push(text.clone());
        }
    }
}

/// A host: a store, a home, a key.
struct Host {
    home: tempfile::TempDir,
    store: Arc<Store>,
    disks: Arc<dyn Disks>,
    key: Arc<SigningKey>,
    notes: Arc<Notes>,
}

fn new_key() -> Arc<SigningKey> {
    let der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der));
    Arc::new(SigningKey::from_pem(&pem).unwrap())
}

impl Host {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(home.path().join("store")).unwrap());
        let disks = FakeDriver::new().disks();
        Self { home, store, disks, key: new_key(), notes: Arc::default() }
    }

    /// Makes what a build of the image would leave: the base, a layer a step, facts of the disk.
    fn build(&self, plan: &ImagePlan) {
        let base = base_of(plan);
        if let Some(BaseSlot::Missing(new)) = self.store.bases().try_claim(&base).unwrap() {
            qemu_img(&["create", "-q", "-f", "qcow2", &new.disk().to_string_lossy(), "64M"]);
            qemu_io(&new.disk(), 0, 4 << 20, 1);
            new.commit(&serde_json::json!({"suite": "trixie"})).unwrap();
        }
        let (done, _) = deepest(&self.store, plan);
        let mut parent = done.checked_sub(1).map(|last| plan.steps[last].key.0);
        for (number, step) in plan.steps.iter().enumerate().skip(done) {
            let work = self.store.begin_build(&format!("{number}-{}", plan.image)).unwrap();
            let disk = work.path().join("disk-0.qcow2");
            let below = match parent {
                Some(parent) => format!("../../layers/{parent}/disk.qcow2"),
                None => format!("../../bases/{base}/disk.qcow2"),
            };
            qemu_img(&["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", &below, &disk.to_string_lossy()]);
            qemu_io(
                &disk,
                (number as u64) << 20,
                1 << 20,
                u8::from_str_radix(&step.key.0.to_string()[..2], 16).unwrap() | 1,
            );
            let depth = u32::try_from(number).unwrap();
            let meta = LayerMeta {
                step: step.name.clone(),
                image: plan.image.clone(),
                parent,
                depth,
                base: Some(base),
                content: None,
                made_ms: Some(60_000),
                secrets: Some(false),
            };
            self.store.layers().put(&step.key.0, &disk, &meta).unwrap();
            parent = Some(step.key.0);
        }
        self.store
            .facts()
            .put(DISK_FACTS[0], &plan.key().0, &serde_json::json!({"seen": plan.image}))
            .unwrap();
    }

    fn cache(&self, config: CacheConfig) -> SharedCache {
        let home = self.home.path().as_os_str().to_owned();
        let env = move |name: &str| (name == "HOME").then(|| home.clone());
        SharedCache::new(config, &Network::default(), &env).unwrap().unwrap()
    }

    fn writer(&self, registry: &FakeRegistry) -> SharedCache {
        let to = Some(repository(registry));
        self.cache(CacheConfig { to, key: Some(Arc::clone(&self.key)), ..CacheConfig::default() })
    }

    /// Reads, and trusts these.
    fn reader(&self, registry: &FakeRegistry, trusted: &[&Host]) -> SharedCache {
        let trusted = trusted.iter().map(|host| host.key.public().clone()).collect();
        self.cache(CacheConfig { from: vec![repository(registry)], trusted, ..CacheConfig::default() })
    }

    async fn send(&self, cache: &SharedCache, plans: &[&ImagePlan]) {
        let counts = shareable(plans.iter().copied());
        let plans: Vec<_> = plans.iter().copied().zip(counts).collect();
        cache.send(self.local(&Reporter::new(self.notes.clone())), &plans).await;
    }

    async fn bring(&self, cache: &SharedCache, plan: &ImagePlan) -> usize {
        let count = shareable([plan])[0];
        let reporter = Reporter::new(self.notes.clone());
        drop(cache.bring(self.local(&reporter), plan, count, Some(base_of(plan))).await);
        deepest(&self.store, plan).0
    }

    fn local<'a>(&'a self, reporter: &'a Reporter) -> Local<'a> {
        Local { store: &self.store, disks: self.disks.as_ref(), reporter }
    }

    fn notes(&self) -> Vec<String> {
        std::mem::take(&mut self.notes.0.lock().unwrap())
    }

    /// The file of each step's layer that is there.
    fn files(&self, plan: &ImagePlan) -> Vec<Option<Vec<u8>>> {
        let layers = self.store.layers();
        plan.steps.iter().map(|step| std::fs::read(layers.get(&step.key.0)?.disk).ok()).collect()
    }
}

fn repository(registry: &FakeRegistry) -> Repository {
    Repository::parse(&format!("oci://{}/team", registry.host)).unwrap()
}

/// The key of the recipe of an image's base.
fn base_of(_: &ImagePlan) -> Digest {
    Digest::of("recipe")
}

fn qemu_img(args: &[&str]) {
    assert!(Command::new("qemu-img").args(args).status().unwrap().success(), "{args:?}");
}

fn qemu_io(disk: &std::path::Path, at: u64, length: u64, pattern: u8) {
    // No backing file is opened: it need not be there by that name.
    let write = format!("write -q -P {pattern} {at} {length}");
    let status = Command::new("qemu-io").args(["-f", "qcow2", "-c", &write]).arg(disk).status().unwrap();
    assert!(status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_host_has_built_another_has_without_building() {
    let (registry, here, there) = (FakeRegistry::start(), Host::new(), Host::new());
    let plan = image("web", "ooob", 0);
    here.build(&plan);
    here.send(&here.writer(&registry), &[&plan]).await;
    let note = format!("4 layers and the base went to the shared cache oci://{}/team", registry.host);
    assert!(here.notes()[0].starts_with(&note));
    assert_eq!(registry.tags().len(), 5);

    assert_eq!(there.bring(&there.reader(&registry, &[&here]), &plan).await, 4);
    let notes = there.notes();
    assert!(notes.len() == 1 && notes[0].starts_with("4 of 4 steps, and the base, came from"), "{notes:?}");
    assert_eq!(there.files(&plan), here.files(&plan));
    let disk = there.store.layers().disk(&plan.key().0);
    qemu_img(&["check", "-q", &disk.to_string_lossy()]);
    qemu_img(&[
        "compare",
        "-q",
        &disk.to_string_lossy(),
        &here.store.layers().disk(&plan.key().0).to_string_lossy(),
    ]);
    let base = there.store.bases().get(&base_of(&plan)).unwrap();
    assert_eq!(base.meta::<serde_json::Value>().unwrap()["suite"], "trixie");
    let fact: serde_json::Value = there.store.facts().get(DISK_FACTS[0], &plan.key().0).unwrap();
    assert_eq!(fact["seen"], "web");

    // Whoever has it all asks nothing, and has nothing to send.
    registry.asked();
    assert_eq!(there.bring(&there.reader(&registry, &[&here]), &plan).await, 4);
    assert_eq!(registry.asked(), [""; 0]);
    here.send(&here.writer(&registry), &[&plan]).await;
    let asked = registry.asked();
    assert!(asked.len() == 2 && asked.iter().all(|line| line.starts_with("GET ")), "{asked:?}");
    // What came from a registry goes to another one as it is, by whoever it came to.
    let second = FakeRegistry::start();
    there.send(&there.writer(&second), &[&plan]).await;
    let third = Host::new();
    assert_eq!(third.bring(&third.reader(&second, &[&there]), &plan).await, 4);
    assert_eq!(third.files(&plan), here.files(&plan));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_step_sends_its_own_layers_only() {
    let (registry, here, there) = (FakeRegistry::start(), Host::new(), Host::new());
    let (before, after) = (image("web", "ooo", 0), image("web", "ooo", 1));
    here.build(&before);
    here.send(&here.writer(&registry), &[&before]).await;
    let bytes = || registry.blobs().iter().map(Vec::len).sum::<usize>();
    let (blobs, all) = (registry.blobs().len(), bytes());
    here.build(&after);
    here.send(&here.writer(&registry), &[&after]).await;
    assert!(here.notes()[1].starts_with("a layer went to the shared cache"));
    assert!(registry.blobs().len() > blobs && bytes() - all < all / 2, "{} of {all}", bytes() - all);
    assert_eq!(there.bring(&there.reader(&registry, &[&here]), &after).await, 3);
    assert_eq!(there.files(&after), here.files(&after));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_on_a_secret_and_the_stores_own_key_stay_here() {
    let (registry, here, there) = (FakeRegistry::start(), Host::new(), Host::new());
    let mut below = image("below", "ooo", 0);
    let Action::Script(script) = &mut below.steps[1].action else { panic!("a script") };
    script.secrets = vec!["token".into()];
    let mut above = image("above", "o", 0);
    above.base.source = BaseSource::Image { image: "below".into(), key: below.key() };
    assert_eq!(shareable([&below, &above]), [1, 0]);
    assert_eq!(shareable([&above]), [0], "what it stands on is not known");
    here.store.keyed_digest(b"hunter22").unwrap();
    here.build(&below);
    here.send(&here.writer(&registry), &[&below, &above]).await;
    let tags = [format!("base-{}", base_of(&below)), format!("layer-{}", below.steps[0].key)];
    assert_eq!(registry.tags(), tags);
    let own = std::fs::read(here.store.root().join("secret.key")).unwrap();
    for blob in registry.blobs() {
        let plain = zstd::decode_all(&blob[..]).unwrap_or(blob);
        assert!(!plain.windows(own.len()).any(|window| window == own), "the store's own key");
    }
    // Nor is it asked for.
    registry.asked();
    assert_eq!(there.bring(&there.reader(&registry, &[&here]), &below).await, 1);
    let asked = registry.asked();
    assert!(!asked.iter().any(|line| line.contains(&below.steps[1].key.to_string())), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_a_trusted_key_signed_is_used() {
    let (registry, here, there, stranger) = (FakeRegistry::start(), Host::new(), Host::new(), Host::new());
    let plan = image("web", "ooo", 0);
    here.build(&plan);
    here.send(&here.writer(&registry), &[&plan]).await;
    assert_eq!(there.bring(&there.reader(&registry, &[&stranger]), &plan).await, 0);
    let notes = there.notes();
    assert!(notes.len() == 1 && notes[0].starts_with("warning[W0661]"), "once: {notes:?}");
    assert!(
        there.store.bases().get(&base_of(&plan)).is_none()
            && there.store.blobs().get(&base_of(&plan)).is_none()
    );

    // A stranger's entries are in the way of nobody: whoever is trusted puts the right ones there.
    let taken = FakeRegistry::start();
    stranger.build(&plan);
    stranger.send(&stranger.writer(&taken), &[&plan]).await;
    here.send(&here.writer(&taken), &[&plan]).await;
    assert_eq!(there.bring(&there.reader(&taken, &[&here]), &plan).await, 3);
    assert_eq!(there.files(&plan), here.files(&plan));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_is_of_its_key_and_its_type_only() {
    let (registry, here) = (FakeRegistry::start(), Host::new());
    let plan = image("web", "ooo", 0);
    here.build(&plan);
    here.send(&here.writer(&registry), &[&plan]).await;
    // Another layer, rightly signed, under the tag of the last one; its own is gone.
    let (first, last) = (format!("layer-{}", plan.steps[0].key), format!("layer-{}", plan.steps[2].key));
    registry.change_manifests(|manifests| {
        let of_first = manifests[&first].clone();
        manifests.insert(last.clone(), of_first);
        manifests.remove(&format!("layer-{}", plan.steps[1].key));
    });
    let there = Host::new();
    assert_eq!(there.bring(&there.reader(&registry, &[&here]), &plan).await, 1, "the first, by its own tag");
    // What the same key signed for another purpose.
    let there = Host::new();
    let statement = Envelope::sign("{}", &here.key).unwrap().line();
    assert!(!statement.contains(PAYLOAD_TYPE));
    let size = statement.len();
    let config = format!("sha256:{}", Digest::of(&statement));
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": "application/vnd.imgfile.cache.entry.v1.dsse+json", "digest": config, "size": size},
        "layers": [],
    });
    registry.change_manifests(|manifests| {
        manifests.retain(|name, _| name.contains(':'));
        manifests.insert(first, manifest.to_string().into());
    });
    registry.put_blob(statement.as_bytes());
    assert_eq!(there.bring(&there.reader(&registry, &[&here]), &plan).await, 0);
    assert!(there.notes()[0].starts_with("warning[W0661]"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_is_not_put_on_another_making_of_what_it_was_made_on() {
    let (registry, here, there) = (FakeRegistry::start(), Host::new(), Host::new());
    let plan = image("web", "ooo", 0);
    here.build(&plan);
    // The same keys, other bytes.
    let mut one = plan.clone();
    one.steps.truncate(1);
    there.build(&one);
    let disk = there.store.layers().disk(&one.key().0);
    here.send(&here.writer(&registry), &[&plan]).await;
    let before = std::fs::read(&disk).unwrap();
    let same = here.files(&one) == there.files(&one);
    assert!(same, "what qemu-img makes is the same, so it is told apart below");
    drop(there);

    let there = Host::new();
    there.build(&one);
    there.store.layers().evict(&one.key().0).unwrap();
    let work = there.store.begin_build("other").unwrap();
    let other = work.path().join("disk-0.qcow2");
    std::fs::write(&other, before).unwrap();
    qemu_io(&other, 32 << 20, 1 << 20, 9);
    let meta = LayerMeta {
        step: "script 0".into(),
        image: "web".into(),
        base: Some(base_of(&plan)),
        ..LayerMeta::default()
    };
    drop(there.store.layers().put(&one.key().0, &other, &meta).unwrap());
    assert_eq!(there.bring(&there.reader(&registry, &[&here]), &plan).await, 1);
    let notes = there.notes();
    assert!(notes.len() == 1 && notes[0].contains("another making"), "{notes:?}");

    // Both are in the registry side by side: neither takes the other's place.
    there.build(&plan);
    let trusting = CacheConfig {
        to: Some(repository(&registry)),
        key: Some(Arc::clone(&there.key)),
        trusted: vec![here.key.public().clone()],
        ..CacheConfig::default()
    };
    there.send(&there.cache(trusting), &[&plan]).await;
    assert_eq!(registry.tags().len(), 4 + 3, "{:?}", registry.tags());
    let third = Host::new();
    assert_eq!(third.bring(&third.reader(&registry, &[&here, &there]), &plan).await, 3);
    assert_eq!(third.files(&plan), here.files(&plan));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lost_a_part_is_sent_anew_by_who_builds_it() {
    let (registry, here, there) = (FakeRegistry::start(), Host::new(), Host::new());
    let plan = image("web", "ooo", 0);
    here.build(&plan);
    here.send(&here.writer(&registry), &[&plan]).await;
    // Somebody clears up: the second layer goes, by its tag and its digest.
    registry.change_manifests(|manifests| {
        let gone = manifests[&format!("layer-{}", plan.steps[1].key)].clone();
        manifests.retain(|_, bytes| *bytes != gone);
    });
    let cache = there.cache(CacheConfig {
        from: vec![repository(&registry)],
        to: Some(repository(&registry)),
        trusted: vec![here.key.public().clone()],
        key: Some(Arc::clone(&there.key)),
        ..CacheConfig::default()
    });
    assert_eq!(there.bring(&cache, &plan).await, 1);
    there.build(&plan);
    there.send(&cache, &[&plan]).await;
    let third = Host::new();
    assert_eq!(third.bring(&third.reader(&registry, &[&here, &there]), &plan).await, 3);
    assert_eq!(third.files(&plan), there.files(&plan));
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_registry_does_nothing_wrong_comes_into_the_store() {
    let (registry, here) = (FakeRegistry::start(), Host::new());
    let plan = image("web", "ooo", 0);
    here.build(&plan);
    here.send(&here.writer(&registry), &[&plan]).await;
    let whole = here.files(&plan);
    for requests in ["GET /v2/team/manifests/layer-", "GET /v2/team/manifests/sha256", "GET /v2/team/blobs/"]
    {
        let faults = [401, 403, 429, 500, 503].map(Fault::Status);
        for fault in faults.into_iter().chain([Fault::Cut, Fault::Flip, Fault::More]) {
            let there = Host::new();
            registry.fault(requests, fault.clone());
            let cache = there.reader(&registry, &[&here]);
            let done = there.bring(&cache, &plan).await;
            let case = format!("{requests} {fault:?}");
            // A manifest by its tag that is another one is none that anybody signed, or more than was signed.
            let tag = requests.ends_with("layer-") && matches!(fault, Fault::Flip | Fault::More);
            let notes = there.notes();
            let warnings = notes.iter().filter(|note| note.starts_with("warning[W0660]")).count();
            assert_eq!((done, warnings), (0, usize::from(!tag)), "{case}: {notes:?}");
            assert!(there.files(&plan).iter().all(Option::is_none), "{case}");
            // It is not asked again in this build; the next build takes what is right.
            // Of those that were asked at once some arrive when the first has failed: what they asked says nothing.
            assert_eq!(cache.from.iter().any(Remote::is_asked), tag, "{case}");
            if !tag {
                assert_eq!(there.bring(&cache, &plan).await, 0, "{case}");
            }
            registry.behave();
            assert_eq!(there.bring(&there.reader(&registry, &[&here]), &plan).await, 3, "{case}");
            assert_eq!(there.files(&plan), whole, "{case}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_takes_nothing_is_said_once() {
    let here = Host::new();
    let plan = image("web", "ooo", 0);
    here.build(&plan);
    for requests in ["GET ", "HEAD ", "POST ", "PUT /v2/team/blobs", "PUT /v2/team/manifests"] {
        for fault in [Fault::Status(401), Fault::Status(413), Fault::Status(507)] {
            let registry = FakeRegistry::start();
            registry.fault(requests, fault.clone());
            let cache = here.writer(&registry);
            here.send(&cache, &[&plan]).await;
            let notes = here.notes();
            let case = format!("{requests} {fault:?}: {notes:?}");
            assert!(notes.len() == 1 && notes[0].starts_with("warning[W0660]"), "{case}");
            assert!(registry.tags().is_empty(), "{case}");
        }
    }
}

/// Time passes at once here, so a registry that says nothing is given up at once.
#[tokio::test(start_paused = true)]
async fn a_registry_that_says_nothing_is_waited_for_once() {
    let (registry, there) = (FakeRegistry::start(), Host::new());
    registry.fault("GET ", Fault::Hang);
    let plan = image("web", "ooo", 0);
    let began = tokio::time::Instant::now();
    let cache = there.reader(&registry, &[&there]);
    for _ in 0..3 {
        assert_eq!(there.bring(&cache, &plan).await, 0);
    }
    assert!(began.elapsed().as_secs() <= 5);
    let notes = there.notes();
    assert!(notes.len() == 1 && notes[0].contains("it is too slow"), "{notes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_no_error() {
    let there = Host::new();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let from = vec![Repository::parse(&format!("oci://{closed}/team")).unwrap()];
    let trusted = vec![there.key.public().clone()];
    let cache = there.cache(CacheConfig { from, trusted, ..CacheConfig::default() });
    assert_eq!(there.bring(&cache, &image("web", "o", 0)).await, 0);
    let notes = there.notes();
    assert!(notes.len() == 1 && notes[0].contains("refused"), "{notes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_knows_who_asks() {
    let plan = image("web", "oo", 0);
    let basic = format!("Basic {}", STANDARD.encode("user:hunter22"));
    for guard in [Guard::Basic(basic.clone()), Guard::Token(basic)] {
        let (registry, here, there) = (FakeRegistry::start(), Host::new(), Host::new());
        registry.guard(guard.clone());
        here.build(&plan);
        here.send(&here.writer(&registry), &[&plan]).await;
        let notes = here.notes();
        assert!(notes.len() == 1 && notes[0].contains("lets nobody in"), "{notes:?}");
        for (host, password) in [(&here, "hunter22"), (&there, "wrong")] {
            let folder = host.home.path().join(".docker");
            std::fs::create_dir(&folder).unwrap();
            let auth = STANDARD.encode(format!("user:{password}"));
            let auths = serde_json::json!({"auths": {&registry.host: {"auth": auth}}});
            std::fs::write(folder.join("config.json"), auths.to_string()).unwrap();
        }
        here.send(&here.writer(&registry), &[&plan]).await;
        assert!(here.notes()[0].starts_with("2 layers and the base went to"));
        assert_eq!(there.bring(&there.reader(&registry, &[&here]), &plan).await, 0);
        let notes = there.notes();
        assert!(notes.len() == 1 && notes[0].starts_with("warning[W0660]"), "{notes:?}");
        assert!(!notes[0].contains("wrong") && notes[0].contains("lets nobody in"), "{notes:?}");
        std::fs::copy(
            here.home.path().join(".docker/config.json"),
            there.home.path().join(".docker/config.json"),
        )
        .unwrap();
        assert_eq!(there.bring(&there.reader(&registry, &[&here]), &plan).await, 2, "{guard:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_overlay_names_no_file_but_the_one_below() {
    let (registry, here, there) = (FakeRegistry::start(), Host::new(), Host::new());
    let mut plan = image("web", "o", 0);
    here.build(&plan);
    // The right key signs whatever its holder has made, such as this.
    plan.steps[0].key = crate::plan::Key(Digest::of("other"));
    let work = here.store.begin_build("other").unwrap();
    let disk = work.path().join("disk-0.qcow2");
    qemu_img(&[
        "create",
        "-q",
        "-u",
        "-f",
        "qcow2",
        "-F",
        "raw",
        "-b",
        "/etc/shadow",
        &disk.to_string_lossy(),
        "64M",
    ]);
    let meta = LayerMeta {
        step: "script 0".into(),
        image: "web".into(),
        base: Some(base_of(&plan)),
        ..LayerMeta::default()
    };
    drop(here.store.layers().put(&plan.key().0, &disk, &meta).unwrap());
    here.send(&here.writer(&registry), &[&plan]).await;
    assert_eq!(there.bring(&there.reader(&registry, &[&here]), &plan).await, 0);
    let notes = there.notes();
    assert!(notes.len() == 1 && notes[0].contains("it stands on another file"), "{notes:?}");
}

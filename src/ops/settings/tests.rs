//! Which value holds, and what is said of those that do not.

use std::collections::BTreeSet;

use super::*;

struct World {
    dir: tempfile::TempDir,
    env: Vec<(&'static str, String)>,
    sources: Sources,
}

impl World {
    fn new(project: &str, user: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("home/.config/imgfile")).unwrap();
        std::fs::write(dir.path().join("home/.config/imgfile/config.toml"), user).unwrap();
        std::fs::write(dir.path().join(PROJECT_FILE), project).unwrap();
        let home = dir.path().join("home").display().to_string();
        Self { dir, env: vec![("HOME", home)], sources: Sources::default() }
    }

    fn env(&self, name: &str) -> Option<OsString> {
        self.env.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into())
    }

    fn project_file(&self) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join(PROJECT_FILE)
    }

    /// Trusts the project as it is.
    fn trust(&self) {
        let project = self.dir.path().canonicalize().unwrap();
        let settings = crate::text::Digest::of(std::fs::read(project.join(PROJECT_FILE)).unwrap());
        let trusted = TrustedProjects::of_user(&|name: &str| self.env(name));
        trusted.add(&Record { project, settings, sources: BTreeSet::new() }).unwrap();
    }

    fn load(&mut self, flags: &Flags) -> Result<Settings, Vec<Diagnostic>> {
        let env = |name: &str| self.env.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into());
        let context = LookupContext { project: Some(self.dir.path()), env };
        Settings::load(flags, &context, &mut self.sources)
    }
}

#[test]
fn a_flag_beats_the_environment_beats_the_project_beats_the_user() {
    let mut world = World::new(
        "cpus = 3\nmemory = '3GiB'",
        "cpus = 4\nmemory = '4GiB'\naccel = 'kvm'\nmirror = 'http://m.example/debian/'",
    );
    world.env.push(("IMGFILE_CPUS", "2".into()));
    let flags = Flags::default().with(Key::Cpus, Some("1".into())).with(Key::Memory, None);
    let settings = world.load(&flags).unwrap();
    let user = world.dir.path().join("home/.config/imgfile/config.toml");
    assert_eq!(settings.cpus, Some(Setting { value: 1, origin: Origin::Flag("--cpus") }));
    let memory = Setting { value: Size(3 << 30), origin: Origin::File(world.project_file()) };
    assert_eq!(settings.memory, Some(memory));
    assert_eq!(settings.accel, Setting { value: AcceleratorChoice::Kvm, origin: Origin::File(user.clone()) });
    assert_eq!(
        settings.mirror,
        Some(Setting { value: "http://m.example/debian".into(), origin: Origin::File(user) })
    );
    assert_eq!(
        world.load(&Flags::default()).unwrap().cpus,
        Some(Setting { value: 2, origin: Origin::Env("IMGFILE_CPUS") })
    );
}

#[test]
fn the_store_is_in_the_users_cache_unless_set() {
    let mut world = World::new("", "");
    let home = world.dir.path().join("home");
    assert_eq!(
        world.load(&Flags::default()).unwrap().store,
        Setting { value: home.join(".cache/imgfile"), origin: Origin::Default }
    );
    world.env.push(("XDG_CACHE_HOME", "/cache".into()));
    assert_eq!(world.load(&Flags::default()).unwrap().store.value, Path::new("/cache/imgfile"));
    world.env.push(("IMGFILE_STORE", "~/store".into()));
    assert_eq!(
        world.load(&Flags::default()).unwrap().store,
        Setting { value: home.join("store"), origin: Origin::Env("IMGFILE_STORE") }
    );
}

#[test]
fn a_path_in_a_file_starts_from_the_file() {
    let mut world = World::new("store = 'store'", "");
    world.trust();
    assert_eq!(world.load(&Flags::default()).unwrap().store.value, world.dir.path().join("store"));
}

#[test]
fn every_mistake_is_told_at_its_place() {
    let mut world = World::new("memry = '1GiB'\ncpus = 0\naccel = true\nmirror = 'ftp://x'", "store = ");
    world.trust();
    let errors = world.load(&Flags::default()).unwrap_err();
    let told: Vec<_> = errors
        .iter()
        .map(|error| (error.message.as_str(), error.span().map(|span| world.sources.slice(span))))
        .collect();
    assert_eq!(
        told[..5],
        [
            ("there is no setting `memry`", Some("memry")),
            ("`0` is not a value of the setting `cpus`", Some("0")),
            ("the setting `accel` has a value of the wrong type", Some("true")),
            ("`ftp://x` is not a value of the setting `mirror`", Some("'ftp://x'")),
            ("the settings are not valid TOML", Some("")),
        ]
    );
    assert_eq!(errors[0].helps, ["did you mean `memory`?"]);
}

/// The settings that a project does not get, as text of its file with what is said of them.
fn ignored(world: &World, settings: &Settings) -> Vec<(String, String)> {
    let line = |found: &Diagnostic| {
        found.span().map(|span| world.sources.slice(span).to_owned()).unwrap_or_default()
    };
    settings.ignored.iter().map(|found| (line(found), found.labels[0].text.clone())).collect()
}

#[test]
fn a_project_that_is_not_trusted_sets_nothing_of_the_user() {
    let project = "mirror = 'http://m'\nsecurity-mirror = 'http://s'\ndisk-mirror = 'http://d'\nproxy = 'http://p'\n\
                   ca = '/dev/zero'\nstore = 'st'\nstore-size = '1MiB'\nsaved-boots = '0'\naccel = 'tcg'\ndriver = 'qemu'\n\
                   advisories = 'cves.json'\nmemory = '1MiB'\ncpus = 1\n";
    let mut world = World::new(project, "proxy = 'http://own'");
    let untrusted = world.load(&Flags::default()).unwrap();
    let lines: Vec<String> = ignored(&world, &untrusted).into_iter().map(|(line, _)| line).collect();
    let expected: Vec<&str> = project.lines().take(11).collect();
    assert_eq!(lines, expected);
    assert_eq!(untrusted.proxy.as_ref().map(|proxy| proxy.value.as_str()), Some("http://own"));
    assert_eq!(untrusted.store.origin, Origin::Default);
    for (key, value, origin) in untrusted.rows() {
        let of_project = origin == Origin::File(world.project_file());
        assert_eq!(of_project, key.of_project(), "{key:?} {value:?}");
    }

    world.trust();
    let trusted = world.load(&Flags::default()).unwrap();
    assert!(trusted.ignored.is_empty());
    for (key, value, origin) in trusted.rows().into_iter().filter(|(key, ..)| !key.is_never_of_project()) {
        assert_eq!(origin, Origin::File(world.project_file()), "{key:?} {value:?}");
    }

    std::fs::write(world.dir.path().join(PROJECT_FILE), format!("{project}# more\n")).unwrap();
    let changed = world.load(&Flags::default()).unwrap();
    assert_eq!(changed.project.as_ref().map(|(_, trust)| *trust), Some(Trust::Changed));
    assert_eq!(changed.ignored.len(), 11);
    assert!(changed.ignored[0].message.ends_with("has changed since the project was trusted"));
}

#[test]
fn a_project_takes_less_than_the_user_has_and_not_more() {
    let mut world = World::new("memory = '9GiB'\ncpus = 1", "memory = '4GiB'\ncpus = 2");
    let settings = world.load(&Flags::default()).unwrap();
    assert_eq!(settings.memory.as_ref().map(|memory| memory.value), Some(Size(4 << 30)));
    assert_eq!(settings.cpus.as_ref().map(|cpus| cpus.value), Some(1));
    let expected = ("memory = '9GiB'".to_owned(), "more memory than the 4GiB of this user".to_owned());
    assert_eq!(ignored(&world, &settings), [expected]);

    // What the host has counts where the user says nothing.
    let mut world = World::new("memory = '1000000GiB'\ncpus = 1000000", "");
    let settings = world.load(&Flags::default()).unwrap();
    assert_eq!((settings.memory.as_ref(), settings.cpus.as_ref()), (None, None));
    assert_eq!(settings.ignored.len(), 2);

    // A flag is the user's.
    let flags = Flags::default().with(Key::Memory, Some("99GiB".into()));
    assert_eq!(world.load(&flags).unwrap().memory.map(|memory| memory.value), Some(Size(99 << 30)));
}

#[test]
fn a_configuration_that_is_no_file_is_an_error_at_once() {
    for kind in ["pipe", "device"] {
        let mut world = World::new("", "");
        let file = world.dir.path().join("home/.config/imgfile/config.toml");
        std::fs::remove_file(&file).unwrap();
        match kind {
            "pipe" => nix::unistd::mkfifo(&file, nix::sys::stat::Mode::S_IRWXU).unwrap(),
            _ => std::os::unix::fs::symlink("/dev/zero", &file).unwrap(),
        }
        let errors = world.load(&Flags::default()).unwrap_err();
        assert!(
            errors[0].message.ends_with("config.toml: it is not a regular file"),
            "{}",
            errors[0].message
        );
    }
}

#[test]
fn no_project_names_a_key_that_signs() {
    let mut world = World::new("sign-key = 'theirs.pem'", "sign-key = '~/mine.pem'");
    world.trust();
    let settings = world.load(&Flags::default()).unwrap();
    assert!(settings.ignored[0].message.ends_with("no project may set it"));
    assert!(settings.sign_key.unwrap().value.ends_with("home/mine.pem"));
}

#[test]
fn no_project_says_whose_layers_are_used_nor_where_they_go_not_even_one_that_is_trusted() {
    let set = |host: &str| {
        format!(
            "cache-from = 'oci://{host}/a,oci://{host}/b'\ncache-to = 'oci://{host}/a'\ncache-trust = 'team.pub'\n\
             cache-plain-http = true"
        )
    };
    let (theirs, mine) = (set("theirs.example"), set("mine.example"));
    let mut world = World::new(&theirs, "");
    world.trust();
    let settings = world.load(&Flags::default()).unwrap();
    assert_eq!(settings.ignored.len(), 4);
    assert!(settings.ignored.iter().all(|one| one.message.ends_with("no project may set it")));
    assert_eq!((settings.cache_from, settings.cache_to, settings.cache_trust), (None, None, None));
    assert_eq!(settings.cache_plain_http, None);
    let mut world = World::new(&theirs, &mine);
    world.trust();
    let settings = world.load(&Flags::default()).unwrap();
    let from = settings.cache_from.unwrap().value.to_string();
    assert_eq!(from, "oci://mine.example/a,oci://mine.example/b");
    assert_eq!(settings.cache_to.unwrap().value.to_string(), "oci://mine.example/a");
    assert!(settings.cache_trust.unwrap().value.ends_with("team.pub"));
}

#[test]
fn no_project_opens_private_networks_or_weaker_cells_not_even_one_that_is_trusted() {
    let set = "allow-private-network = true\nallow-weaker-cell = true";
    let mut world = World::new(set, "");
    let found = |settings: Settings| (settings.allow_private_network, settings.allow_weaker_cell);
    assert_eq!(found(world.load(&Flags::default()).unwrap()), (None, None));
    world.trust();
    let trusted = world.load(&Flags::default()).unwrap();
    assert_eq!(trusted.ignored.len(), 2);
    assert!(trusted.ignored[0].message.ends_with("no project may set it"));
    assert_eq!(found(trusted), (None, None));
    let (network, cell) = found(World::new("", set).load(&Flags::default()).unwrap());
    assert!(network.is_some_and(|allowed| allowed.value) && cell.is_some_and(|allowed| allowed.value));
}

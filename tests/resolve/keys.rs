//! What decides whether a step's result is used again: each input of a step is changed alone, and
//! exactly the steps that depend on it get other keys.
//!
//! A step stands on the one before it, so its key changes with every key above it; what is listed
//! here is whose *own* parts change.

use std::{fs, os::unix::fs::PermissionsExt};

use imgfile::{
    plan::{Conditions, Key, KeyPart, key_parts},
    text::Digest,
};

use crate::common::planned::World;

const IMAGE: &str = r#"param release = "1"

image "web" {
  os linux debian 13
  min_storage 8GiB
  packages ["jq"]
  app chrony { servers = ["ntp.example.org"] }
  account deploy { groups = [adm] }
  env STAGE = "test"
  copy "site/" to "/srv" { owner = www-data, mode = 0640 }
  copy <<-TEXT to "/etc/motd"
    welcome
  TEXT
  script "setup.sh" { offline = true, user = root }
  script <<-SH { name = "mine", with = ["lib/"], env = { RELEASE = ${release} }, timeout = 5m }
    #!/bin/sh -e
    echo mine
  SH
  script <<-SH { name = "theirs", user = deploy }
    #!/bin/sh -e
    echo theirs
  SH
  reboot
  service chrony enabled
  kernel_args ["quiet"]
}
"#;

/// The steps that are planned from [`IMAGE`], in their order.
const STEPS: [&str; 14] = [
    "grow the disk",
    "packages",
    "app chrony",
    "user debian",
    "account deploy",
    "copy site to /srv",
    "copy text to /etc/motd",
    "script setup.sh",
    "script mine",
    "script theirs",
    "reboot",
    "services",
    "kernel arguments",
    "clean up",
];
const SCRIPTS: [&str; 3] = ["script setup.sh", "script mine", "script theirs"];
const NOTHING: [&str; 0] = [];

fn world() -> World {
    let mut world = World::new(IMAGE);
    world.packages = vec!["jq"];
    world.write("site/index.html", "hello");
    world.write("site/run", "#!/bin/sh\n");
    world.link("site/latest", "index.html");
    world.write("lib/functions.sh", "true\n");
    world.write("setup.sh", "#!/bin/sh -e\ntrue\n");
    world.write("README.md", "belongs to no step");
    world
}

/// Rewrites what stands once in the ImageFile.
fn replace(world: &mut World, from: &str, to: &str) {
    assert_eq!(world.text.matches(from).count(), 1, "{from}");
    world.text = world.text.replace(from, to);
}

/// A statement more, at the image's end.
fn add(world: &mut World, statement: &str) {
    let end = world.text.trim_end().len() - 1;
    world.text.insert_str(end, &format!("  {statement}\n"));
}

/// A change, and the steps whose own part of the key it changes.
type Case = (&'static str, fn(&mut World), &'static [&'static str]);

const DEPENDS: &[Case] = &[
    ("a script's text", |w| w.write("setup.sh", "#!/bin/sh -e\nfalse || true\n"), &["script setup.sh"]),
    ("a heredoc's text", |w| replace(w, "echo mine", "echo yours"), &["script mine"]),
    ("a script's name, which is its $0", |w| replace(w, "\"mine\"", "\"ours\""), &["script mine"]),
    ("a script's own env", |w| replace(w, "RELEASE = ${release}", "RELEASE = 9"), &["script mine"]),
    ("a param's value in a script's env", |w| w.set.push(("release".into(), "2".into())), &["script mine"]),
    ("the image's env, in every script", |w| replace(w, "STAGE = \"test\"", "STAGE = \"live\""), &SCRIPTS),
    ("one more env of the image", |w| add(w, "env MORE = \"1\""), &SCRIPTS),
    ("the image's name, which scripts see", |w| replace(w, "image \"web\"", "image \"front\""), &SCRIPTS),
    ("a script's user", |w| replace(w, "user = deploy", "user = root"), &["script theirs"]),
    ("the default user", |w| add(w, "user admin"), &["user debian", "script mine"]),
    ("the stage of a script", |w| replace(w, "offline = true, ", ""), &["script setup.sh"]),
    ("a file beside a script", |w| w.write("lib/functions.sh", "false\n"), &["script mine"]),
    ("one more file beside a script", |w| w.write("lib/more.sh", "true\n"), &["script mine"]),
    ("a copied file's content", |w| w.write("site/index.html", "bye"), &["copy site to /srv"]),
    (
        "a copied file's x bit",
        |w| fs::set_permissions(w.path("site/run"), fs::Permissions::from_mode(0o755)).unwrap(),
        &["copy site to /srv"],
    ),
    ("a copied link's target", |w| w.link("site/latest", "run"), &["copy site to /srv"]),
    ("one more copied file", |w| w.write("site/about.html", ""), &["copy site to /srv"]),
    ("one copied file less", |w| w.write(".imagefileignore", "run\n"), &["copy site to /srv"]),
    ("a copy's owner", |w| replace(w, "owner = www-data", "owner = games"), &["copy site to /srv"]),
    ("a copy's mode", |w| replace(w, "mode = 0640", "mode = 0600"), &["copy site to /srv"]),
    ("a copied text", |w| replace(w, "welcome", "hello"), &["copy text to /etc/motd"]),
    ("the packages", |w| w.packages = vec!["yq"], &["packages"]),
    ("apt's marks", |w| w.marks = "Package: jq\n", &["packages"]),
    ("an application's options", |w| replace(w, "ntp.example.org", "ntp.example.com"), &["app chrony"]),
    ("an account", |w| replace(w, "groups = [adm]", "groups = [adm, games]"), &["account deploy"]),
    ("the disk's size", |w| replace(w, "8GiB", "9GiB"), &["grow the disk"]),
    ("a service", |w| replace(w, "chrony enabled", "chrony masked"), &["services"]),
    ("kernel arguments", |w| replace(w, "quiet", "noisy"), &["kernel arguments"]),
    ("the cleanup", |w| add(w, "cleanup none"), &["clean up"]),
    (
        "the network, which all that runs code of others may use, but offline scripts",
        |w| add(w, "network none"),
        &["packages", "app chrony", "script mine", "script theirs", "reboot"],
    ),
    (
        "the network of an offline script",
        |w| replace(w, "offline = true,", "offline = true, network = true,"),
        &["script setup.sh"],
    ),
    ("the agent, which does every step", |w| w.agent = "2", &STEPS),
];

const DOES_NOT_MATTER: &[(&str, fn(&mut World))] = &[
    ("the build machine", |w| add(w, "machine { cpus = 1, memory = 4GiB }")),
    ("the description", |w| add(w, "description \"the front end\"")),
    ("a label", |w| add(w, "label team = web")),
    ("a test", |w| add(w, "test \"it is there\" \"setup.sh\"")),
    ("an output", |w| add(w, "output raw { name = \"front\" }")),
    ("a time limit, which only decides whether a script succeeds", |w| {
        replace(w, "timeout = 5m", "timeout = 6m");
    }),
    ("retries, for the same reason", |w| replace(w, "timeout = 5m", "retries = 2")),
    ("a file that no step takes", |w| w.write("README.md", "rewritten")),
    ("a param nobody uses, comments and blanks", |w| {
        replace(w, "param release", "# more\n\nparam unused = \"1\"\nparam release");
    }),
];

/// Each step's name, what its key is made of beside its parent's, and the key.
fn keys(world: &World) -> Vec<(String, Key, Key)> {
    let plan = world.plan().unwrap_or_else(|said| panic!("{said}"));
    let mut parent = plan.base_key();
    let conditions = Conditions { agent_version: world.agent, user: &plan.user, network: plan.network };
    plan.steps
        .iter()
        .map(|step| {
            let parts = key_parts(&step.name, step.stage, &step.action, conditions);
            assert_eq!(Key::of(parent, &parts), step.key, "a key is made of its parent and its parts only");
            parent = step.key;
            // The parts alone: as if the step stood on nothing.
            (step.name.clone(), Key::of(Key(Digest::of("")), &parts), step.key)
        })
        .collect()
}

/// The names (as they were) of the steps whose own parts changed; every key from the first of them
/// on must have changed, and none above.
fn changed(edit: fn(&mut World)) -> Vec<String> {
    let mut world = world();
    let before = keys(&world);
    edit(&mut world);
    let after = keys(&world);
    assert_eq!(before.len(), after.len(), "the steps are the same ones");
    let own = |index: usize| before[index].1 != after[index].1;
    let first = (0..before.len()).find(|index| own(*index)).unwrap_or(before.len());
    for index in 0..before.len() {
        assert_eq!(before[index].2 != after[index].2, index >= first, "{}", before[index].0);
    }
    (0..before.len()).filter(|index| own(*index)).map(|index| before[index].0.clone()).collect()
}

#[test]
fn a_change_of_an_input_changes_the_keys_that_depend_on_it() {
    let planned: Vec<String> = keys(&world()).into_iter().map(|(name, ..)| name).collect();
    assert_eq!(planned, STEPS);
    for (what, edit, steps) in DEPENDS {
        assert_eq!(changed(*edit), *steps, "{what}");
    }
}

#[test]
fn a_change_of_anything_else_changes_none() {
    for (what, edit) in DOES_NOT_MATTER {
        assert_eq!(changed(*edit), NOTHING, "{what}");
    }
}

#[test]
fn another_base_changes_every_key_and_no_steps_own_part() {
    let mut world = world();
    let before = keys(&world);
    world.base = Digest::of("another");
    for (before, after) in before.iter().zip(keys(&world)) {
        assert_eq!(before.1, after.1, "{}", after.0);
        assert_ne!(before.2, after.2, "{}", after.0);
    }
}

#[test]
fn the_same_project_in_another_folder_has_the_same_keys() {
    assert_eq!(keys(&world()), keys(&world()));
}

/// A path can hold a line end; what reads like two parts is still one.
#[test]
fn no_two_lists_of_parts_have_one_key() {
    let part = |name: &str, of: &str| KeyPart {
        name: name.to_owned(),
        digest: Digest::of(of),
        value: of.to_owned(),
    };
    let parent = Key(Digest::of(""));
    let two = [part("files of a", "1"), part("env", "2")];
    let one = [part(&format!("files of a\n{} env", Digest::of("2")), "1")];
    assert_ne!(Key::of(parent, &two), Key::of(parent, &one));
}

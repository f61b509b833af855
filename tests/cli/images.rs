//! What becomes of images after they were built: by records that are written here, of files that are no disks. The real
//! program, without a machine.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use imgfile::store::{Records, Store, records::NewArtifact};
use imgfile::text::Digest;

/// A home with a store, and projects in it.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        Store::open(home.path("store")).unwrap();
        home
    }

    fn path(&self, inner: &str) -> PathBuf {
        self.0.path().canonicalize().unwrap().join(inner)
    }

    fn records(&self) -> Records {
        Records::open(&self.path("store")).unwrap()
    }

    /// Records a file of a project's image: what it was made of is `key`, and what that stands on.
    fn built(&self, (project, image): (&str, &str), file: &str, key: &str, stands: (Option<&str>, &str)) {
        let folder = self.path(project);
        fs::create_dir_all(folder.join("out")).unwrap();
        fs::write(folder.join("ImageFile"), "image \"web\" {\n  os linux debian 13\n}\n").unwrap();
        let lock = folder.join("ImageFile.lock");
        fs::write(&lock, "the lock").unwrap();
        let path = folder.join("out").join(file);
        fs::write(&path, file).unwrap();
        let records = self.records();
        let build = records.begin(&folder, "0").unwrap();
        let (plan_key, base_key) = (Digest::of(key).to_string(), Digest::of(stands.1).to_string());
        records
            .add_artifact(&NewArtifact {
                build,
                image,
                path: path.to_str().unwrap(),
                sha256: Digest::of(file),
                size: file.len() as u64,
                plan_key: &plan_key,
                lock: Some(Digest::of("the lock")),
                lock_path: lock.to_str(),
                labels: &BTreeMap::new(),
                description: Some("as the ImageFile says"),
                base: Some(stands.0.unwrap_or("debian-13")),
                base_key: Some(&base_key),
                parent: stands.0,
                appliance: None,
                captured: None,
            })
            .unwrap();
    }

    fn command(&self, project: &str, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_imgfile"));
        command
            .args(args)
            .current_dir(self.path(project))
            .env("HOME", self.path(""))
            .env("IMGFILE_STORE", self.path("store"))
            .env("NO_COLOR", "1")
            .env_remove("XDG_CONFIG_HOME");
        command
    }

    /// The exit status of a command, and all that it printed.
    fn run(&self, project: &str, args: &[&str]) -> (i32, String) {
        let output = self.command(project, args).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), text)
    }

    #[track_caller]
    fn done(&self, project: &str, args: &[&str]) -> String {
        let (status, text) = self.run(project, args);
        assert_eq!(status, 0, "{args:?}: {text}");
        text
    }

    fn listed(&self, project: &str, args: &[&str]) -> Vec<serde_json::Value> {
        let text = self.done(project, &[&["images", "--format", "json"], args].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    fn names(&self, project: &str) -> Vec<String> {
        let listed = self.listed(project, &[]);
        listed.iter().map(|image| image["name"].as_str().unwrap().to_owned()).collect()
    }
}

const ALONE: (Option<&str>, &str) = (None, "base");

#[test]
fn what_somebody_needs_is_not_removed_and_the_message_says_who_does() {
    let home = Home::new();
    home.built(("shop", "common"), "common.qcow2", "common", ALONE);
    home.built(("shop", "web"), "web.qcow2", "web", (Some("common"), "common"));
    let refused = |args: &[&str], words: &str| {
        let (status, text) = home.run("shop", args);
        assert!(status == 2 && text.contains(words), "{args:?}: {text}");
    };
    refused(
        &["image", "rm", "common"],
        "`common` is what `web` was made from; `imgfile image rm common web`",
    );
    home.done("shop", &["image", "protect", "web"]);
    refused(&["image", "rm", "common", "web"], "`web` is protected; `imgfile image unprotect web`");
    assert_eq!(home.names("shop"), ["web", "common"], "all or none");
    home.done("shop", &["image", "unprotect", "web"]);
    home.built(("shop", "other"), "other.qcow2", "other", ALONE);
    home.done("shop", &["image", "tag", "other", "prod"]);
    refused(&["image", "rm", "prod"], "`other` is tagged `prod`; `imgfile image untag prod`");
    home.done("shop", &["image", "untag", "prod"]);
    // A build that goes on from the disk that it was made of.
    let store = Store::open(home.path("store")).unwrap();
    let held = layer(&home, &store, "other");
    refused(&["image", "rm", "other"], "a running build uses the disk that `other` was made of");
    drop(held);
    assert!(home.done("shop", &["image", "rm", "other"]).contains("removed"));

    // Another file of the same content is as good to stand on, and together they all go.
    home.done("shop", &["image", "copy", "common", "spare"]);
    home.done("shop", &["image", "rm", "common"]);
    refused(&["image", "rm", "spare"], "is what `web` was made from");
    home.done("shop", &["image", "rm", "spare", "web"]);
    assert_eq!(home.names("shop"), [""; 0]);
    assert_eq!(fs::read_dir(home.path("shop/out")).unwrap().count(), 0);
}

/// A layer of the key that an image has, held.
fn layer(home: &Home, store: &Store, key: &str) -> imgfile::store::Layer {
    let disk = home.path("disk.qcow2");
    let made = Command::new("qemu-img").args(["create", "-q", "-f", "qcow2"]).arg(&disk).arg("1M").status();
    assert!(made.unwrap().success());
    let meta = serde_json::json!({ "step": "script", "image": "other", "parent": null, "depth": 0 });
    let meta = serde_json::from_value(meta).unwrap();
    store.layers().put(&Digest::of(key), &disk, &meta).unwrap()
}

#[test]
fn an_image_on_an_older_state_of_its_base_is_outdated_and_a_lock_that_changed_is_told() {
    let home = Home::new();
    home.built(("shop", "common"), "common-1.qcow2", "common 1", ALONE);
    home.built(("shop", "web"), "web.qcow2", "web", (Some("common"), "common 1"));
    let state = |name: &str| {
        let listed = home.listed("shop", &[]);
        let image = listed.iter().find(|image| image["name"] == name).unwrap().clone();
        (image["base_outdated"] == true, image["lock_state"].as_str().unwrap().to_owned())
    };
    assert_eq!(state("web"), (false, "same".into()));
    home.built(("shop", "common"), "common-2.qcow2", "common 2", (None, "base 2"));
    fs::write(home.path("shop/ImageFile.lock"), "another").unwrap();
    assert_eq!(state("web"), (true, "changed".into()));
    assert_eq!((state("common-1").0, state("common-2").0), (true, false));
    let shown = home.done("shop", &["images"]);
    assert!(shown.contains("image common (outdated)") && shown.contains("just now"), "{shown}");
    fs::remove_file(home.path("shop/ImageFile.lock")).unwrap();
    assert_eq!(state("web").1, "missing");
}

#[test]
fn images_are_listed_by_project_and_by_image() {
    let home = Home::new();
    home.built(("shop", "web"), "web.qcow2", "web", ALONE);
    home.built(("shop", "web"), "web.tar.gz", "web", ALONE);
    home.built(("shop", "db"), "db.qcow2", "db", ALONE);
    home.built(("blog", "web"), "blog.ova", "blog", ALONE);
    assert_eq!(home.names("shop"), ["db", "web", "web"]);
    let kinds = |args: &[&str]| {
        let listed = home.listed("shop", args);
        listed.iter().map(|image| image["kind"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(kinds(&["web"]), ["gce", "qcow2"]);
    assert_eq!(kinds(&["--project", "../blog"]), ["ova"]);
    assert_eq!(kinds(&["--all"]), ["ova", "qcow2", "gce", "qcow2"], "project by project");
    let shown = home.done("shop", &["images", "--all"]);
    let blog = home.path("blog").to_str().unwrap().to_owned();
    assert!(shown.starts_with(&(blog + "\n")), "{shown}");
    // A name that two have is that of the project here; a package keeps its whole extension.
    let renamed = home.done("blog", &["image", "rename", "blog", "news"]);
    assert!(renamed.ends_with("news.ova\n"), "{renamed}");
    let by_path = home.path("shop/out/web.tar.gz");
    let renamed = home.done("shop", &["image", "rename", by_path.to_str().unwrap(), "cloud"]);
    assert!(renamed.ends_with("cloud.tar.gz\n"), "{renamed}");
    let (status, said) = home.run("shop", &["image", "inspect", "clud"]);
    assert!(status == 2 && said.contains("did you mean `cloud`?"), "{said}");
    let inspected = home.done("shop", &["image", "inspect", "cloud"]);
    assert!(inspected.contains("as the ImageFile says"), "{inspected}");
}

#[test]
fn the_users_rules_let_images_go_in_two_steps() {
    let home = Home::new();
    for number in 1..=4 {
        let file = format!("web-{number}.qcow2");
        home.built(("src/shop", "web"), &file, &format!("web {number}"), ALONE);
    }
    home.done("src/shop", &["image", "tag", "web-1", "prod"]);
    let rules = |text: &str| {
        fs::create_dir_all(home.path(".config/imgfile")).unwrap();
        let text = format!("[projects.\"~/src/shop\"]\n{text}\n");
        fs::write(home.path(".config/imgfile/config.toml"), text).unwrap();
    };
    // A project has no say in it.
    fs::write(home.path("src/shop/.imgfile.toml"), "keep = 1\n").unwrap();
    let (_, said) = home.run("src/shop", &["gc", "--dry-run"]);
    assert!(said.contains("there is no setting `keep`"), "{said}");
    fs::remove_file(home.path("src/shop/.imgfile.toml")).unwrap();
    assert!(!home.done("src/shop", &["gc"]).contains("deprecated"));

    rules("keep = 2\ngrace = \"0s\"");
    let dry = home.done("src/shop", &["gc", "--dry-run"]);
    assert!(dry.contains("web-2.qcow2") && dry.contains("keep = 2") && !dry.contains("web-1"), "{dry}");
    assert!(home.listed("src/shop", &[]).iter().all(|image| image["deprecated_ms"].is_null()));
    // From another folder as well.
    let said = home.done("", &["gc"]);
    assert!(said.contains("web-2.qcow2 is deprecated (keep = 2)") && !said.contains("removed"), "{said}");
    assert!(home.done("src/shop", &["images"]).contains("deprecated"));
    assert!(home.done("src/shop", &["gc", "--dry-run"]).contains("removed"));
    let (_, json) = home.run("src/shop", &["gc", "--dry-run", "--format", "json"]);
    assert!(json.contains("\"fate\": \"removed\"") && json.contains("\"rule\": \"keep = 2\""), "{json}");
    assert!(home.done("src/shop", &["gc"]).contains("removed"));
    assert_eq!(home.names("src/shop"), ["web-4", "web-3", "web-1"]);
    assert!(!home.path("src/shop/out/web-2.qcow2").exists());

    // What is deprecated stays where nothing wants it to go any more.
    rules("quota = \"25 B\"");
    assert!(home.done("src/shop", &["gc"]).contains("web-3.qcow2 is deprecated (quota = \"25B\")"));
    assert!(home.done("src/shop", &["gc", "--dry-run"]).contains("removed in 7 days"));
    rules("quota = \"1GiB\"\nmax_age = \"90d\"");
    assert!(home.done("src/shop", &["gc"]).contains("web-3.qcow2 is deprecated no more"));
    rules("keep = \"many\"");
    let (status, said) = home.run("src/shop", &["gc"]);
    assert!(status == 1 && said.contains("a number of images, 1 or more"), "{said}");
}

#[test]
fn names_and_tags_are_completed() {
    let home = Home::new();
    home.built(("shop", "web"), "web.qcow2", "web", ALONE);
    home.built(("blog", "news"), "news.qcow2", "news", ALONE);
    home.done("shop", &["image", "tag", "web", "prod"]);
    home.done("blog", &["image", "tag", "news", "live"]);
    let completed = |words: &[&str]| {
        let index = words.len() - 1;
        let mut command = home.command("shop", &[&["--"], words].concat());
        let output = command
            .env("COMPLETE", "bash")
            .env("_CLAP_COMPLETE_INDEX", index.to_string())
            .env("_CLAP_COMPLETE_COMP_TYPE", "9")
            .env("_CLAP_IFS", "\n")
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let mut names: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        names.retain(|name| !name.starts_with('-'));
        names.sort();
        names
    };
    assert_eq!(completed(&["imgfile", "image", "rm", ""]), ["live", "news", "prod", "web"]);
    assert_eq!(completed(&["imgfile", "image", "untag", ""]), ["prod"]);
    assert_eq!(completed(&["imgfile", "images", "n"]), ["news"]);
}

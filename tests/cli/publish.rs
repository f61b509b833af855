//! `publish` against a cloud that does not always do what is asked: the real program, without a machine. What it says is
//! in `publish.expected`; `SNAPSHOTS=overwrite cargo test --test cli publish::` writes it anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use imgfile::exec::TestState;
use imgfile::store::{Records, Store, records::NewArtifact};
use imgfile::text::Digest;
use serde_json::Value;
use snapbox::{assert_data_eq, file};

use crate::common::openstack::{Fault, OpenStack, PASSWORD};
use crate::common::s3::{self, S3};
use crate::common::virsh::Virsh;

/// Somebody's home, with a project, a store and a cloud.
struct Home {
    folder: tempfile::TempDir,
    cloud: OpenStack,
}

const CONTENT: &[u8] = &[7; 3 << 20];

fn image_file(publish: &str) -> String {
    format!("param version = \"1\"\n\nimage \"web\" {{\n  os linux debian 13\n{publish}}}\n")
}

const PUBLISH: &str = "  publish to \"prod\" { name = \"web-${version}\" }\n";

impl Home {
    fn new(publish: &str) -> Self {
        let home = Self { folder: tempfile::tempdir().unwrap(), cloud: OpenStack::start() };
        Store::open(home.path("store")).unwrap();
        fs::create_dir_all(home.path("shop/out")).unwrap();
        fs::write(home.path("shop/ImageFile"), image_file(publish)).unwrap();
        home.cloud.clouds(&home.path("clouds.yaml"));
        home.configure("[targets.prod]\ndriver = \"glance\"\ncloud = \"mine\"\nconfig = \"~/clouds.yaml\"\n");
        home.built("web.qcow2", CONTENT, Some(TestState::Passed));
        home
    }

    fn path(&self, inner: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(inner)
    }

    fn configure(&self, text: &str) {
        fs::create_dir_all(self.path(".config/imgfile")).unwrap();
        fs::write(self.path(".config/imgfile/config.toml"), text).unwrap();
    }

    /// Lets a program be the target `prod`.
    fn program(&self, command: &[&str]) {
        let command = serde_json::to_string(command).unwrap();
        self.configure(&format!("[targets.prod]\ndriver = \"program\"\ncommand = {command}\n"));
    }

    /// Writes a file, and records it as if a build had.
    fn built(&self, file: &str, content: &[u8], tests: Option<TestState>) {
        let store = Store::open(self.path("store")).unwrap();
        let path = self.path("shop/out").join(file);
        fs::write(&path, content).unwrap();
        let records = Records::open(&self.path("store")).unwrap();
        let build = records.begin(&self.path("shop"), "0").unwrap();
        records
            .add_artifact(&NewArtifact {
                captured: None,
                build,
                image: "web",
                path: path.to_str().unwrap(),
                sha256: Digest::of(content),
                size: content.len() as u64,
                plan_key: &Digest::of(file).to_string(),
                lock: None,
                lock_path: None,
                labels: &BTreeMap::new(),
                description: None,
                base: None,
                base_key: None,
                parent: None,
                appliance: None,
            })
            .unwrap();
        if let Some(state) = tests {
            state.remember(&store, &Digest::of(content)).unwrap();
        }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_imgfile"));
        command
            .args(args)
            .current_dir(self.path("shop"))
            .env("HOME", self.path(""))
            .env("IMGFILE_STORE", self.path("store"))
            .env("NO_COLOR", "1")
            .env("IMGFILE_LOG", "trace")
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("OS_CLIENT_CONFIG_FILE")
            .env_remove("AWS_ACCESS_KEY_ID")
            .env_remove("AWS_PROFILE")
            .env_remove("AWS_SHARED_CREDENTIALS_FILE")
            .env_remove("http_proxy")
            .env_remove("HTTP_PROXY")
            .env("no_proxy", "127.0.0.1");
        command
    }

    /// The exit status of `publish`, its rows, and what it said. No secret is in it, however much is traced.
    #[track_caller]
    fn publish(&self, args: &[&str]) -> (i32, Vec<Value>, String) {
        let args = [&["publish", "--format", "json"], args].concat();
        let output = self.command(&args).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!said.contains(PASSWORD) && !said.contains("token-number"), "{said}");
        let text = String::from_utf8(output.stdout).unwrap();
        let rows = serde_json::from_str(&text).unwrap_or_default();
        let told =
            |line: &&str| !line.contains(" TRACE ") && !line.contains(" DEBUG ") && !line.contains(" INFO ");
        let said: Vec<&str> = said.lines().filter(told).collect();
        (output.status.code().unwrap(), rows, said.join("\n") + "\n")
    }

    #[track_caller]
    fn published(&self, args: &[&str]) -> Vec<Value> {
        let (status, rows, said) = self.publish(args);
        assert_eq!(status, 0, "{said}");
        rows
    }

    fn listed(&self) -> Value {
        let output = self.command(&["images", "--format", "json"]).output().unwrap();
        serde_json::from_slice::<Value>(&output.stdout).unwrap()[0].clone()
    }
}

#[test]
fn the_same_content_is_sent_once_and_what_is_asked_of_it_follows() {
    let home = Home::new(PUBLISH);
    let rows = home.published(&[]);
    assert_eq!(rows[0]["outcome"], "sent");
    assert_eq!(rows[0]["region"], "here");
    let asked = home.cloud.asked();
    assert_eq!(asked.iter().filter(|asked| asked.starts_with("PUT")).count(), 1, "{asked:?}");
    assert_eq!(asked.iter().filter(|asked| *asked == "log in").count(), 1, "{asked:?}");
    let image = home.cloud.images()[0].clone();
    assert_eq!(
        (&image["name"], &image["disk_format"], &image["visibility"]),
        (&"web-1".into(), &"qcow2".into(), &"private".into())
    );

    assert_eq!(home.published(&[])[0]["outcome"], "there");
    let asked = home.cloud.asked();
    assert!(!asked.iter().any(|asked| asked.starts_with('P')), "{asked:?}");
    // Also by a store that knows nothing of it: the cloud has its digest.
    fs::remove_file(home.path("store/records/builds.sqlite")).unwrap();
    home.built("web.qcow2", CONTENT, None);
    assert_eq!(home.published(&[])[0]["outcome"], "there");

    let more = "  publish to \"prod\" {\n    name = \"web-${version}\"\n    protect = true\n    share = [\"other-id\"]\n    \
                min_disk = 10GiB\n    tags = [\"b\", \"a\"]\n    properties = { hw_disk_bus = \"virtio\" }\n  }\n";
    fs::write(home.path("shop/ImageFile"), image_file(more)).unwrap();
    home.cloud.asked();
    let rows = home.published(&[]);
    assert_eq!(rows[0]["outcome"], "updated");
    assert!(rows[0]["notes"][0].as_str().unwrap().contains("other-id has to accept it"), "{rows:?}");
    let image = home.cloud.images()[0].clone();
    assert_eq!(image["protected"], true);
    assert_eq!(image["visibility"], "shared");
    assert_eq!(image["min_disk"], 10);
    assert_eq!(image["hw_disk_bus"], "virtio");
    assert_eq!(image["tags"], serde_json::json!(["a", "b"]));
    assert_eq!(home.cloud.members(), [("image-1".to_owned(), "other-id".to_owned())]);
    assert_eq!(home.published(&[])[0]["outcome"], "there");

    let listed = home.listed();
    assert_eq!(listed["published"][0]["target"], "prod");
    assert_eq!(listed["published"][0]["id"], "image-1");
    let output = home.command(&["image", "inspect", "web"]).output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains("published  prod/here: web-1 (image-1), "), "{shown}");
    let output = home.command(&["images"]).output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains("at prod/here"));
}

#[test]
fn what_breaks_is_done_again_and_what_cannot_be_had_whole_does_not_stay() {
    let home = Home::new(PUBLISH);
    // A token that has ended, whatever is asked by it.
    for (method, path) in
        [("GET", "/v2/images"), ("POST", "/v2/images"), ("PUT", "/file"), ("PATCH", "image-1")]
    {
        let home = Home::new("  publish to \"prod\" { name = \"web-${version}\", protect = true }\n");
        home.cloud.fault(Fault::Answer(
            method,
            path,
            401,
            "This server could not verify that you are authorized",
        ));
        assert_eq!(home.published(&[])[0]["outcome"], "sent", "{method} {path}");
        assert!(home.cloud.faults_are_over());
        assert_eq!(home.cloud.asked().iter().filter(|asked| *asked == "log in").count(), 2);
    }
    // A connection that breaks, at any byte.
    for (number, bytes) in [0, 1, 1 << 20, CONTENT.len() - 1, CONTENT.len()].into_iter().enumerate() {
        home.cloud.fault(Fault::Cut(bytes));
        let rows = home.published(&["--set", &format!("version=cut-{number}")]);
        assert_eq!(rows[0]["outcome"], "sent", "cut after {bytes}");
        assert!(home.cloud.faults_are_over());
    }
    // For good.
    for _ in 0..3 {
        home.cloud.fault(Fault::Cut(5));
    }
    let before = home.cloud.images().len();
    let (status, rows, said) = home.publish(&["--set", "version=cut-for-good"]);
    assert_eq!((status, &rows[0]["outcome"]), (4, &"failed".into()), "{said}");
    assert!(said.contains("error[E0676]") && said.contains("it was tried 3 times"), "{said}");
    assert_eq!(home.cloud.images().len(), before);
    // What an earlier upload left, killed before it could clear up, is gone on with.
    home.cloud.leave_begun("web-7", &Digest::of(CONTENT));
    home.cloud.asked();
    assert_eq!(home.published(&["--set", "version=7"])[0]["outcome"], "sent");
    assert!(!home.cloud.asked().iter().any(|asked| asked == "POST /v2/images"));
}

#[test]
fn every_refusal_is_told_in_the_services_words_with_a_way_out() {
    let mut shown = String::new();
    let mut show = |what: &str, home: &Home, args: &[&str]| {
        let (status, _, said) = home.publish(args);
        // Places that differ from run to run.
        let said = said.replace(&home.path("").display().to_string(), "HOME/");
        write!(shown, "# {what}: {status}\n\n{}\n\n", said.trim_end()).unwrap();
    };
    let home = Home::new(PUBLISH);
    home.cloud.change_password();
    show("the password is wrong", &home, &[]);

    let home = Home::new(PUBLISH);
    let quota = "Request returned failure status 413: image_size_total is over limit of 1000 due to current usage 990";
    home.cloud.fault(Fault::Answer("PUT", "/file", 413, quota));
    show("the project has no room", &home, &[]);
    home.cloud.fault(Fault::Answer("POST", "/v2/images", 403, "Quota has been reached: 10 images"));
    show("the project may have no image more", &home, &[]);
    home.cloud.fault(Fault::Answer(
        "PATCH",
        "image-1",
        403,
        "Image image-1 is protected and cannot be changed.",
    ));
    let protected = image_file("  publish to \"prod\" { name = \"web-${version}\", protect = true }\n");
    fs::write(home.path("shop/ImageFile"), protected).unwrap();
    show("an image is protected", &home, &[]);
    home.cloud.fault(Fault::Damage);
    show("the checksum differs", &home, &["--set", "version=2"]);
    home.built("web.qcow2", b"other content", Some(TestState::Passed));
    fs::write(home.path("shop/ImageFile"), image_file("  publish to \"prod\" { name = \"web-1\" }\n"))
        .unwrap();
    show("the name is taken", &home, &[]);

    let home = Home::new("  publish to \"prod\" { visibility = public }\n");
    let text = "You are not authorized to complete publicize_image action.";
    home.cloud.fault(Fault::Answer("POST", "/v2/images", 403, text));
    show("it may not be public", &home, &[]);
    home.cloud.fault(Fault::Answer("POST", "/v2/images", 500, "The server has either erred"));
    show("the service has a defect", &home, &[]);

    let home = Home::new("  publish to \"prod\" { regions = [\"everywhere\"] }\n");
    show("the region is unknown", &home, &[]);
    home.configure("[targets.prod]\ndriver = \"glance\"\ncloud = \"yours\"\nconfig = \"~/clouds.yaml\"\n");
    show("the cloud is unknown", &home, &[]);
    home.configure("[targets.production]\ndriver = \"glance\"\ncloud = \"mine\"\n");
    show("the target is unknown", &home, &[]);
    home.configure("[targets.prod]\ndriver = \"glace\"\n");
    show("the driver is unknown", &home, &[]);
    home.configure("[targets.prod]\ndriver = \"glance\"\ncluod = \"mine\"\n");
    show("a key is unknown", &home, &[]);
    home.configure("");
    fs::write(home.path("shop/.imgfile.toml"), "[targets.prod]\ndriver = \"glance\"\n").unwrap();
    show("a project says what a target is", &home, &[]);

    let home = Home::new(PUBLISH);
    home.built("web.qcow2", b"not tested", Some(TestState::Skipped));
    show("tests were left out", &home, &[]);
    home.built("web.qcow2", b"failed", Some(TestState::Failed));
    show("tests failed", &home, &[]);
    home.built("web.qcow2", b"of an older version", None);
    show("nothing is known of tests", &home, &[]);
    home.built("web.qcow2", b"as built", Some(TestState::Passed));
    fs::write(home.path("shop/out/web.qcow2"), "as chngd").unwrap();
    show("the file changed", &home, &[]);
    fs::remove_file(home.path("shop/out/web.qcow2")).unwrap();
    show("the file is gone", &home, &[]);
    home.built("web.ova", b"an OVA", Some(TestState::Passed));
    show("the format is not taken", &home, &[]);
    show("no such image", &home, &["wbe"]);
    show("no such target for an image", &home, &["--to", "prodd"]);
    fs::write(home.path("shop/ImageFile"), image_file("")).unwrap();
    show("nothing says where", &home, &[]);

    let home = Home::new(PUBLISH);
    let hello = r#"echo '{"type":"hello","protocol":1}'; read -r asked;"#;
    let answer = |json: &str| format!("{hello} echo '{json}'");
    let digest = Digest::of("other").to_string();
    let other = format!(r#"{{"type":"published","id":"a","sent":"sent","sha256":"{digest}"}}"#);
    let failed = r#"{"type":"failed","reason":"quota","message":"the bucket is full","help":"empty it"}"#;
    for (what, script) in [
        ("a program prints what is for people", "echo 'uploading...'".to_owned()),
        ("a program speaks another version", r#"echo '{"type":"hello","protocol":2}'"#.to_owned()),
        ("a program does not keep to it and stays", "echo nonsense; sleep 1000".to_owned()),
        ("a program ends without a word", "echo 'no such bucket' >&2; exit 7".to_owned()),
        ("a program ends in the middle", format!("{hello} exit 1")),
        ("a program says too much", answer(r#"{"type":"published","id":"a","sent":"sent","url":"b"}"#)),
        ("a program has no id", answer(r#"{"type":"published","id":"","sent":"sent"}"#)),
        ("a program has another file", answer(&other)),
        ("a program says why it failed", answer(failed)),
    ] {
        home.program(&["sh", "-c", &script]);
        show(what, &home, &[]);
    }
    home.program(&["/nowhere/send"]);
    show("there is no such program", &home, &[]);
    home.configure("[targets.prod]\ndriver = \"program\"\ncommand = \"send\"\n");
    show("a command is a list", &home, &[]);
    assert_data_eq!(shown, file!["publish.expected"].raw());
}

/// A project that is trusted may set a proxy for downloads; credentials do not go there.
#[test]
fn a_project_does_not_say_how_a_target_is_reached() {
    let home = Home::new(PUBLISH);
    fs::write(home.path("shop/.imgfile.toml"), "proxy = \"http://127.0.0.1:9\"\nca = \"none.pem\"\n")
        .unwrap();
    assert!(home.command(&["trust"]).status().unwrap().success());
    // Nor does a clouds.yaml of the project's.
    fs::write(home.path("shop/clouds.yaml"), "clouds: {mine: {auth: {auth_url: 'http://127.0.0.1:9'}}}\n")
        .unwrap();
    assert_eq!(home.published(&[])[0]["outcome"], "sent");
    home.configure("[targets.prod]\ndriver = \"glance\"\ncloud = \"mine\"\n");
    let (status, _, said) = home.publish(&[]);
    assert!(status == 1 && said.contains("there is no clouds.yaml"), "{said}");
}

#[test]
fn one_failure_keeps_no_image_from_the_other_places() {
    let home = Home::new(
        "  publish to \"prod\" { regions = [\"nowhere\", \"there\"] }\n  publish to \"test\" { regions = [\"here\"], name = \"b\" }\n",
    );
    let config = "driver = \"glance\"\ncloud = \"mine\"\nconfig = \"~/clouds.yaml\"\n";
    home.configure(&format!("[targets.prod]\n{config}[targets.test]\n{config}"));
    let (status, rows, said) = home.publish(&[]);
    let outcomes: Vec<&str> = rows.iter().map(|row| row["outcome"].as_str().unwrap()).collect();
    assert_eq!((status, outcomes.as_slice()), (1, &["failed", "sent", "sent"][..]), "{said}");
    let listed = home.listed();
    let failures: Vec<&Value> =
        listed["published"].as_array().unwrap().iter().map(|one| &one["failure"]).collect();
    assert!(failures[0].as_str().unwrap().contains("no region `nowhere`"), "{listed}");
    assert_eq!(failures[1..], [&Value::Null, &Value::Null]);
    // Without a statement, by the name of the image and of the target alone.
    fs::write(home.path("shop/ImageFile"), image_file("")).unwrap();
    let rows = home.published(&["web", "--to", "test", "--dry-run"]);
    assert_eq!((&rows[0]["outcome"], &rows[0]["name"]), (&"planned".into(), &"web".into()));
}

/// The example of a program, as docs/publish.md shows it.
#[test]
fn a_program_brings_images_into_a_folder() {
    let home = Home::new(PUBLISH);
    let example = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/publish/to_folder.py");
    let shelf = home.path("shelf");
    home.program(&["python3", example.to_str().unwrap(), shelf.to_str().unwrap()]);
    let rows = home.published(&[]);
    assert_eq!((&rows[0]["outcome"], &rows[0]["region"]), (&"sent".into(), &Value::Null));
    let there = shelf.join("web-1.qcow2");
    assert_eq!(rows[0]["id"].as_str(), there.to_str());
    assert_eq!(fs::read(&there).unwrap(), CONTENT);
    assert_eq!(fs::read_dir(&shelf).unwrap().count(), 1, "nothing else lies there");
    assert_eq!(home.published(&[])[0]["outcome"], "there");
    assert_eq!(home.listed()["published"][0]["id"].as_str(), there.to_str());
    home.built("web.qcow2", b"other content", Some(TestState::Passed));
    let (status, _, said) = home.publish(&[]);
    assert!(status == 1 && said.contains("error[E0678]") && said.contains("with other content"), "{said}");
    assert_eq!(fs::read(&there).unwrap(), CONTENT);
}

/// What a program started keeps its streams open: nobody waits for that, and what failed leaves nobody behind.
#[test]
fn what_a_program_starts_holds_nobody_up() {
    let home = Home::new(PUBLISH);
    let number = home.path("number");
    let published = r#"{"type":"published","id":"a","sent":"sent"}"#;
    let script = |last: &str| {
        format!(
            "echo '{{\"type\":\"hello\",\"protocol\":1}}'; read -r asked; sleep 1000 & echo $! >{}; echo '{last}'",
            number.display()
        )
    };
    let lives = || {
        let process = fs::read_to_string(&number).unwrap();
        let stat = fs::read_to_string(format!("/proc/{}/stat", process.trim())).unwrap_or_default();
        (process.trim().parse().unwrap(), !stat.is_empty() && !stat.contains(") Z "))
    };
    home.program(&["sh", "-c", &script(published)]);
    assert_eq!(home.published(&[])[0]["id"], "a");
    let (left, is_there) = lives();
    assert!(is_there, "it was left on purpose");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(left), nix::sys::signal::Signal::SIGKILL).unwrap();
    home.program(&["sh", "-c", &script("nonsense")]);
    let (status, _, said) = home.publish(&[]);
    assert!(status == 1 && said.contains("error[E0683]"), "{said}");
    assert!(!lives().1, "what a failed program started is ended with it");
}

/// What is said on the streams of a program is as the schemas say.
#[test]
fn a_program_is_told_what_the_schema_says() {
    let home = Home::new("  publish to \"prod\" { name = \"a\", share = [\"b\"], min_disk = 1GiB }\n");
    let heard = home.path("heard");
    let answer = r#"{"type":"published","id":"a","sent":"sent"}"#;
    let script = format!(
        "echo '{{\"type\":\"hello\",\"protocol\":1}}'; cat > {}; echo '{{\"type\":\"progress\",\"done\":5}}'; echo '{answer}'",
        heard.display()
    );
    home.program(&["sh", "-c", &script]);
    assert_eq!(home.published(&[])[0]["outcome"], "sent");
    let schema = |name: &str| {
        let (.., make) = imgfile::cli::schema::SCHEMAS.iter().find(|(known, ..)| *known == name).unwrap();
        jsonschema::validator_for(make().as_value()).unwrap()
    };
    let heard: Value = serde_json::from_str(&fs::read_to_string(heard).unwrap()).unwrap();
    let schema_of_requests = schema("publish-request");
    let wrong: Vec<String> = schema_of_requests.iter_errors(&heard).map(|one| one.to_string()).collect();
    assert!(wrong.is_empty(), "{wrong:?} {heard}");
    assert_eq!(heard["request"]["min_disk"], 1 << 30);
    assert!(schema("publish-answer").is_valid(&serde_json::from_str(answer).unwrap()));
    assert!(!schema("publish-answer").is_valid(&serde_json::json!({ "type": "published", "sent": "sent" })));
}

#[test]
fn an_object_is_sent_in_parts_and_what_cannot_be_had_whole_does_not_stay() {
    let home = Home::new("  publish to \"prod\" { name = \"web ${version}\" }\n");
    let s3 = S3::start();
    let config = "[targets.prod]\ndriver = \"s3\"\nbucket = \"images\"\nprefix = \"disks/\"\n";
    home.configure(&format!("{config}endpoint = \"{}\"\n", s3.url));
    fs::create_dir(home.path(".aws")).unwrap();
    let credentials = format!("[default]\naws_access_key_id = ann\naws_secret_access_key = {PASSWORD}\n");
    fs::write(home.path(".aws/credentials"), credentials).unwrap();
    // Of two parts.
    let content = vec![9; (17 << 20) + 5];
    home.built("web.qcow2", &content, Some(TestState::Passed));
    s3.fault(s3::Fault::Cut);
    let rows = home.published(&[]);
    assert_eq!(
        (&rows[0]["outcome"], &rows[0]["id"]),
        (&"sent".into(), &"s3://images/disks/web 1.qcow2".into())
    );
    assert!(s3.object("/images/disks/web%201.qcow2").is_some_and(|there| there == content));
    assert_eq!(s3.asked(), ["HEAD", "POST", "PUT", "PUT", "PUT", "POST", "HEAD"]);
    assert_eq!(home.published(&[])[0]["outcome"], "there");
    assert_eq!(s3.asked(), ["HEAD"]);

    for (faults, status, words) in [
        (vec![s3::Fault::Cut, s3::Fault::Cut, s3::Fault::Cut], 4, "error[E0676]"),
        (vec![s3::Fault::Answer("PUT", 403, "AccessDenied")], 4, "you may not write `web 2`"),
        (
            vec![s3::Fault::Answer("POST", 403, "InvalidAccessKeyId")],
            4,
            "`prod` says: 403 InvalidAccessKeyId so it is",
        ),
        (vec![s3::Fault::Answer("POST", 400, "ExpiredToken")], 4, "your session at the service has ended"),
        (vec![s3::Fault::Answer("POST", 404, "NoSuchBucket")], 1, "there is no bucket `images`"),
        (vec![s3::Fault::Answer("POST", 301, "PermanentRedirect")], 1, "error[E0681]"),
        (vec![s3::Fault::Answer("PUT", 400, "EntityTooLarge")], 4, "error[E0677]"),
        (vec![s3::Fault::Damage], 4, "error[E0680]"),
    ] {
        for fault in &faults {
            s3.fault(fault.clone());
        }
        let (ended, _, said) = home.publish(&["--set", "version=2"]);
        assert!(ended == status && said.contains(words), "{faults:?}: {ended}\n{said}");
        assert!(s3.faults_are_over() && !s3.has_loose_parts(), "{faults:?}");
        assert!(s3.object("/images/disks/web%202.qcow2").is_none(), "{faults:?}");
    }
    home.built("web.qcow2", b"other content", Some(TestState::Passed));
    let (status, _, said) = home.publish(&[]);
    assert!(status == 1 && said.contains("error[E0678]"), "{said}");
    for (options, words) in [
        ("share = [\"a\"]", "nothing like `share`"),
        ("protect = true", "`protect`"),
        ("name = \"a/../b\"", "cannot be the name"),
    ] {
        fs::write(
            home.path("shop/ImageFile"),
            image_file(&format!("  publish to \"prod\" {{ {options} }}\n")),
        )
        .unwrap();
        let (status, _, said) = home.publish(&[]);
        assert!(status == 1 && said.contains("error[E0682]") && said.contains(words), "{said}");
    }
}

impl Home {
    /// A libvirt whose pool is the target `prod`.
    fn libvirt(&self, more: &str) -> Virsh {
        self.configure(&format!("[targets.prod]\ndriver = \"libvirt\"\n{more}"));
        Virsh::in_folder(&self.path("libvirt"))
    }

    /// As `publish`, with that libvirt's program.
    fn to_pool(&self, virsh: &Virsh) -> (Option<i32>, Vec<Value>, String) {
        let mut command = self.command(&["publish", "--format", "json"]);
        let output = command.env("PATH", virsh.path()).output().unwrap();
        let rows = serde_json::from_slice(&output.stdout).unwrap_or_default();
        (output.status.code(), rows, String::from_utf8(output.stderr).unwrap())
    }

    fn pool(&self) -> Vec<String> {
        let volumes = fs::read_dir(self.path("libvirt/pool")).unwrap();
        let mut names: Vec<String> =
            volumes.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

#[test]
fn a_volume_is_sent_once_and_is_what_was_built() {
    let home = Home::new(PUBLISH);
    let virsh = home.libvirt("connection = \"qemu:///system\"\n");
    let (status, rows, said) = home.to_pool(&virsh);
    assert_eq!((status, rows[0]["outcome"].as_str()), (Some(0), Some("sent")), "{said}");
    assert!(rows[0]["id"].as_str().unwrap().ends_with("pool/web-1.qcow2"), "{rows:?}");
    assert!(fs::read(home.path("libvirt/pool/web-1.qcow2")).unwrap() == CONTENT);
    assert_eq!(home.pool(), ["web-1.qcow2"], "no marker stays");
    assert!(virsh.asked().lines().all(|line| line.starts_with("qemu:///system ")), "{}", virsh.asked());

    virsh.forget("asked");
    let (status, rows, said) = home.to_pool(&virsh);
    assert_eq!((status, rows[0]["outcome"].as_str()), (Some(0), Some("there")), "{said}");
    assert!(!virsh.asked().contains("vol-upload"));
    // Somebody changed it there.
    fs::write(home.path("libvirt/pool/web-1.qcow2"), "other").unwrap();
    let (status, _, said) = home.to_pool(&virsh);
    assert!(status == Some(1) && said.contains("error[E0678]"), "{said}");
    assert_eq!(fs::read(home.path("libvirt/pool/web-1.qcow2")).unwrap(), b"other");
}

#[test]
fn what_a_pool_does_not_take_is_told_and_no_half_volume_stays() {
    let home = Home::new(PUBLISH);
    let virsh = home.libvirt("");
    for (file, content, status, words) in [
        ("full", "", 4, &["error[E0677]", "No space left on device"][..]),
        ("damage", "", 4, &["error[E0680]", "is not what was sent"]),
        ("fail-pool-dumpxml", "failed to connect to the hypervisor", 4, &["error[E0676]"]),
        (
            "fail-pool-dumpxml",
            "Storage pool not found: no storage pool with matching name 'default'",
            1,
            &["error[E0671]", "libvirt has no pool `default`"],
        ),
        (
            "fail-vol-key",
            "storage pool 'default' is not active",
            1,
            &["error[E0671]", "virsh pool-start default"],
        ),
        ("fail-vol-create-as", "authentication unavailable: no polkit agent", 4, &["error[E0675]"]),
        ("pool.xml", "<pool type='logical'>", 1, &["error[E0671]", "of the kind `logical`"]),
    ] {
        virsh.say(file, content);
        let (ended, _, said) = home.to_pool(&virsh);
        virsh.forget(file);
        assert_eq!(ended, Some(status), "{file}: {said}");
        assert!(words.iter().all(|word| said.contains(word)), "{words:?}: {said}");
        assert_eq!(home.pool(), [] as [&str; 0], "{file}");
    }
    let absent = home.command(&["publish"]).env("PATH", "/nonexistent").output().unwrap();
    let said = String::from_utf8(absent.stderr).unwrap();
    assert!(absent.status.code() == Some(4) && said.contains("the package `libvirt-clients`"), "{said}");

    for option in ["share = [\"p\"]", "protect = true", "tags = [\"a\"]", "properties = { a = \"b\" }"] {
        let publish = format!("  publish to \"prod\" {{ {option} }}\n");
        fs::write(home.path("shop/ImageFile"), image_file(&publish)).unwrap();
        let (status, _, said) = home.to_pool(&virsh);
        assert!(status == Some(1) && said.contains("error[E0682]"), "{option}: {said}");
    }
}

#[test]
fn half_a_volume_goes_when_its_sender_is_stopped_or_with_the_next_one() {
    use nix::sys::{signal, stat::Mode};
    let home = Home::new(PUBLISH);
    let virsh = home.libvirt("");
    let begin = || {
        let pipe = home.path("libvirt/begun");
        nix::unistd::mkfifo(&pipe, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
        let mut command = home.command(&["publish"]);
        let command = command.env("PATH", virsh.path()).stderr(std::process::Stdio::null());
        let child = command.spawn().unwrap();
        assert_eq!(fs::read_to_string(&pipe).unwrap(), "begun\n");
        fs::remove_file(pipe).unwrap();
        child
    };
    let mut stopped = begin();
    let process = nix::unistd::Pid::from_raw(i32::try_from(stopped.id()).unwrap());
    signal::kill(process, signal::Signal::SIGTERM).unwrap();
    assert_eq!(stopped.wait().unwrap().code(), Some(130));
    assert_eq!(home.pool(), [] as [&str; 0]);

    let mut killed = begin();
    // While it works nobody else takes it away.
    let (status, _, said) = home.to_pool(&virsh);
    assert!(status == Some(1) && said.contains("is being sent by somebody else"), "{said}");
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(home.pool(), ["web-1.qcow2", "web-1.qcow2.imgfile-sending"]);
    let (status, rows, said) = home.to_pool(&virsh);
    assert_eq!((status, rows[0]["outcome"].as_str()), (Some(0), Some("sent")), "{said}");
    assert_eq!(home.pool(), ["web-1.qcow2"]);
    assert!(fs::read(home.path("libvirt/pool/web-1.qcow2")).unwrap() == CONTENT);
}

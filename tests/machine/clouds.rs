//! Services of other makers, which are installed and started here: what is published is read back by clients that are not
//! ours, what is captured goes on: `make test-clouds`. No other run has these tests.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Output, Stdio},
};

use serde_json::Value;

use crate::common::built::Project;

/// A service that a script of tests/clouds installs and starts, until this is dropped.
struct Service {
    folder: PathBuf,
    process: Child,
    /// It ends with it.
    stdin: Option<ChildStdin>,
}

impl Service {
    /// The service, and the line by which it says that it is ready.
    fn start(name: &str) -> (Self, String) {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/clouds/{name}.py"));
        let mut process = Command::new("python3")
            .arg(script)
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = process.stdin.take();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "see the logs in {}", folder.display());
        (Self { folder, process, stdin }, line.trim().to_owned())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.process.wait();
    }
}

/// Keystone and three Glances.
struct OpenStack(Service);

impl OpenStack {
    fn start() -> Self {
        Self(Service::start("openstack").0)
    }

    fn clouds(&self) -> PathBuf {
        self.0.folder.join("run/clouds.yaml")
    }

    fn project(&self, name: &str) -> String {
        let projects = fs::read_to_string(self.0.folder.join("run/projects.json")).unwrap();
        serde_json::from_str::<Value>(&projects).unwrap()[name].as_str().unwrap().to_owned()
    }

    /// OpenStack's own client.
    fn client(&self, cloud: &str, args: &[&str]) -> Output {
        Command::new(self.0.folder.join("venv/bin/openstack"))
            .args(args)
            .env("OS_CLIENT_CONFIG_FILE", self.clouds())
            .env("OS_CLOUD", cloud)
            .env("no_proxy", "127.0.0.1")
            .output()
            .unwrap()
    }

    #[track_caller]
    fn json(&self, cloud: &str, args: &[&str]) -> Value {
        let output = self.client(cloud, &[args, &["-f", "json"]].concat());
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// The exit status of `publish`, its rows, and what it said.
fn publish(project: &Project, args: &[&str]) -> (i32, Vec<Value>, String) {
    let output = project
        .command(&[&["publish", "--format", "json"], args].concat())
        .env("HOME", project.path("home"))
        .env_remove("XDG_CONFIG_HOME")
        .env("no_proxy", "127.0.0.1")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!said.contains("ann's password") && !said.contains("robot's secret"), "{said}");
    (output.status.code().unwrap(), serde_json::from_slice(&output.stdout).unwrap_or_default(), said)
}

fn outcomes(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["outcome"].as_str().unwrap()).collect()
}

const IMAGE: &str = r#"image "web" {
  os linux debian 13
  output qcow2
  output raw
  test "it is Debian" <<-SH { offline = true, user = root }
    #!/bin/sh -e
    grep -q trixie /etc/os-release
  SH
"#;

#[test]
fn an_image_is_in_both_regions_of_a_real_openstack_as_it_was_built() {
    let cloud = OpenStack::start();
    let other = cloud.project("other");
    let publish_to = format!(
        "  publish to \"prod\" {{\n    name = \"web-1\"\n    regions = [\"RegionOne\", \"RegionTwo\"]\n    share = \
         [\"{other}\"]\n    protect = true\n    tags = [\"b\", \"a\"]\n    properties = {{ hw_disk_bus = \"virtio\" }}\n  }}\n"
    );
    let project = Project::new(&format!("{IMAGE}{publish_to}}}\n"));
    let config = project.path("home/.config/imgfile");
    fs::create_dir_all(&config).unwrap();
    let target = |name: &str, cloud_name: &str| {
        format!(
            "[targets.{name}]\ndriver = \"glance\"\ncloud = \"{cloud_name}\"\nconfig = \"{}\"\n",
            cloud.clouds().display()
        )
    };
    let targets = [target("prod", "ann"), target("robot", "robot"), target("wrong", "wrong")].concat();
    fs::write(config.join("config.toml"), targets).unwrap();
    project.build(&[]);

    let (status, rows, said) = publish(&project, &[]);
    assert_eq!((status, outcomes(&rows)), (0, vec!["sent", "sent"]), "{said}");
    assert!(said.contains("has to accept it"), "{said}");
    let built = fs::read(project.path("out/web.qcow2")).unwrap();
    for (cloud_name, row) in ["ann", "ann-two"].iter().zip(&rows) {
        let id = row["id"].as_str().unwrap();
        let saved = project.path(&format!("{cloud_name}.qcow2"));
        let output = cloud.client(cloud_name, &["image", "save", "--file", saved.to_str().unwrap(), id]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(fs::read(&saved).unwrap() == built, "{cloud_name} has other bytes");
        let shown = cloud.json(cloud_name, &["image", "show", id]);
        assert_eq!(shown["name"], "web-1");
        assert_eq!(shown["disk_format"], "qcow2");
        assert_eq!(shown["protected"], true);
        assert_eq!(shown["visibility"], "shared");
        assert_eq!(shown["properties"]["os_distro"], "debian");
        assert_eq!(shown["properties"]["hw_disk_bus"], "virtio");
        assert_eq!(
            shown["min_disk"].as_u64(),
            shown["virtual_size"].as_u64().map(|size| size.div_ceil(1 << 30))
        );
        let members = cloud.json(cloud_name, &["image", "member", "list", id]);
        assert_eq!(members[0]["Status"], "pending");
    }
    // Who it is shared with accepts it, and has it.
    let id = rows[0]["id"].as_str().unwrap();
    assert!(cloud.client("other", &["image", "set", "--accept", id]).status.success());
    let listed = cloud.json("other", &["image", "list"]);
    assert_eq!(listed[0]["Name"], "web-1");
    // What is protected stays.
    let refused = cloud.client("ann", &["image", "delete", id]);
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("protected"));

    // The same again sends nothing, and an application credential sees the same.
    let (status, rows, said) = publish(&project, &[]);
    assert_eq!((status, outcomes(&rows)), (0, vec!["there", "there"]), "{said}");
    assert!(!said.contains(&format!("accept {id}")), "it was accepted: {said}");
    let without = format!("{IMAGE}  publish to \"robot\" {{ name = \"web-1\" }}\n}}\n");
    fs::write(project.path("ImageFile"), without).unwrap();
    let (status, rows, said) = publish(&project, &[]);
    assert_eq!((status, outcomes(&rows)), (0, vec!["updated"]), "{said}");
    assert_eq!(cloud.json("ann", &["image", "show", id])["protected"], false);

    // Refusals, in the words of the real ones.
    for (options, target, words, status) in [
        ("{ name = \"web-1\", format = raw }", "prod", "error[E0678]", 1),
        ("{ name = \"full\", regions = [\"Full\"] }", "prod", "exceed", 4),
        ("{ regions = [\"RegionThree\"] }", "prod", "there are `Full`, `RegionOne`, `RegionTwo`", 1),
        ("{ name = \"public\", visibility = public }", "prod", "publicize", 1),
        ("{ name = \"x\" }", "wrong", "requires authentication", 4),
    ] {
        let text = format!("{IMAGE}  publish to \"{target}\" {options}\n}}\n");
        fs::write(project.path("ImageFile"), text).unwrap();
        let (ended, _, said) = publish(&project, &[]);
        assert!(ended == status && said.contains(words), "{options}: {ended}\n{said}");
    }
    // What could not be had whole is not left there.
    assert_eq!(cloud.json("ann", &["image", "list"]).as_array().unwrap().len(), 1);
}

/// A service that speaks S3, and its address.
struct S3 {
    service: Service,
    url: String,
}

impl S3 {
    fn start() -> Self {
        let (service, url) = Service::start("s3");
        Self { service, url }
    }

    /// What a program that uses boto3, as `s3`, prints.
    #[track_caller]
    fn boto(&self, program: &str) -> String {
        let program = format!(
            "import boto3, json\ns3 = boto3.client('s3', endpoint_url='{}', region_name='us-east-1', \
             aws_access_key_id='key', aws_secret_access_key='secret key')\n{program}\n",
            self.url
        );
        let python = self.service.folder.join("venv/bin/python");
        let output =
            Command::new(python).args(["-c", &program]).env("no_proxy", "127.0.0.1").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

#[test]
fn an_image_is_in_a_bucket_as_it_was_built() {
    let s3 = S3::start();
    let publish_to =
        "  publish to \"bucket\" { name = \"web 1\", tags = [\"a b\"], properties = { team = \"web\" } }\n";
    let project = Project::new(&format!("{IMAGE}{publish_to}}}\n"));
    let config = project.path("home/.config/imgfile");
    fs::create_dir_all(&config).unwrap();
    fs::create_dir_all(project.path("home/.aws")).unwrap();
    let credentials = "[default]\naws_access_key_id = key\naws_secret_access_key = secret key\n";
    fs::write(project.path("home/.aws/credentials"), credentials).unwrap();
    let target = |name: &str, bucket: &str| {
        format!(
            "[targets.{name}]\ndriver = \"s3\"\nbucket = \"{bucket}\"\nprefix = \"disks/\"\nendpoint = {:?}\n",
            s3.url
        )
    };
    fs::write(config.join("config.toml"), target("bucket", "images") + &target("none", "nobody")).unwrap();
    project.build(&[]);
    let (status, rows, said) = publish(&project, &[]);
    assert_eq!((status, outcomes(&rows)), (0, vec!["sent"]), "{said}");
    assert!(!said.contains("secret key"), "{said}");
    assert_eq!(rows[0]["id"], "s3://images/disks/web 1.qcow2");
    let saved = project.path("saved.qcow2");
    let shown = s3.boto(&format!(
        "s3.download_file('images', 'disks/web 1.qcow2', {:?})\nprint(json.dumps([s3.head_object(Bucket='images', \
         Key='disks/web 1.qcow2')['Metadata'], s3.get_object_tagging(Bucket='images', Key='disks/web 1.qcow2')['TagSet'], \
         s3.list_multipart_uploads(Bucket='images').get('Uploads', [])]))",
        saved.to_str().unwrap()
    ));
    assert!(
        fs::read(&saved).unwrap() == fs::read(project.path("out/web.qcow2")).unwrap(),
        "it has other bytes"
    );
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown[0]["team"], "web");
    assert_eq!(shown[0]["imgfile-sha256"], rows[0]["sha256"]);
    assert_eq!(shown[1][0]["Key"], "a b");
    assert_eq!(shown[2], serde_json::json!([]), "nothing half sent is left");

    let (status, rows, said) = publish(&project, &[]);
    assert_eq!((status, outcomes(&rows)), (0, vec!["there"]), "{said}");
    s3.boto("s3.put_object(Bucket='images', Key='disks/web 1.qcow2', Body=b'other')");
    let (status, _, said) = publish(&project, &[]);
    assert!(status == 1 && said.contains("error[E0678]"), "{said}");
    let (status, _, said) = publish(&project, &["web", "--to", "none"]);
    assert!(status == 1 && said.contains("error[E0671]") && said.contains("NoSuchBucket"), "{said}");
}

#[test]
fn jobs_are_written_as_gitlab_and_github_take_them() {
    let (service, _) = Service::start("schemas");
    let judge = |schema: &str, file: &Path| {
        let judge = service.folder.join("venv/bin/check-jsonschema");
        Command::new(judge).args(["--builtin-schema", schema]).arg(file).output().unwrap()
    };
    #[track_caller]
    fn fine(output: Output, what: &str) {
        assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stdout));
    }
    let project = Project::new(
        "image \"common\" {\n  os linux debian 13\n}\nimage \"it's: \\\"odd\\\" #1\" {\n  base image \"common\"\n  \
         output qcow2 { name = \"odd\" }\n}\n",
    );
    let output = project.imgfile(&["plan", "--format", "gitlab-child-pipeline"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let file = project.path("images.yml");
    fs::write(&file, &output.stdout).unwrap();
    fine(judge("vendor.gitlab-ci", &file), "the child pipeline");
    // It does judge.
    fs::write(&file, String::from_utf8(output.stdout).unwrap().replace("needs:", "script: 1\n  needs:"))
        .unwrap();
    assert!(!judge("vendor.gitlab-ci", &file).status.success());

    let mut judged = Vec::new();
    for block in crate::common::markdown::blocks() {
        if block.page != "docs/ci.md" || block.kind != "yaml" {
            continue;
        }
        let schema = if block.body.contains("runs-on") { "github-workflows" } else { "gitlab-ci" };
        fs::write(&file, &block.body).unwrap();
        fine(judge(&format!("vendor.{schema}"), &file), &block.place());
        judged.push(schema);
    }
    judged.sort_unstable();
    assert_eq!(judged, ["github-workflows", "github-workflows", "gitlab-ci", "gitlab-ci"]);
}

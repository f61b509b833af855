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

#[track_caller]
fn fine(output: Output, what: &str) {
    assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn jobs_are_written_as_gitlab_and_github_take_them() {
    let (service, _) = Service::start("schemas");
    let judge = |schema: &str, file: &Path| {
        let judge = service.folder.join("venv/bin/check-jsonschema");
        Command::new(judge).args(["--builtin-schema", schema]).arg(file).output().unwrap()
    };
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

/// A libvirt of one's own, and its URI.
struct Libvirt {
    _service: Service,
    uri: String,
}

impl Libvirt {
    fn start() -> Self {
        let (service, uri) = Service::start("libvirt");
        Self { _service: service, uri }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut virsh = Command::new("virsh");
        virsh.args(["--quiet", "--connect", &self.uri]).args(args).env("LC_ALL", "C");
        virsh
    }

    /// What `virsh` prints, which has to do what it is told.
    #[track_caller]
    fn virsh(&self, args: &[&str]) -> String {
        let output = self.command(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

#[test]
fn machines_of_libvirt_are_captured_running_and_shut_off() {
    let libvirt = Libvirt::start();
    let project = Project::new("image \"shop\" {\n  os linux debian 13\n  app qemu-guest-agent\n}\n");
    project.build(&["--no-test"]);
    let (system, data) = (project.path("system.qcow2"), project.path("data.raw"));
    fs::rename(project.path("out/shop.qcow2"), &system).unwrap();
    fs::remove_dir_all(project.path("out")).unwrap();
    fs::File::create(&data).unwrap().set_len(64 << 20).unwrap();
    let disk = |file: &Path, format: &str, target: &str| {
        format!(
            "<disk type='file' device='disk'><driver name='qemu' type='{format}'/><source file='{}'/><target \
             dev='{target}' bus='virtio'/></disk>",
            file.display()
        )
    };
    let description = format!(
        "<domain type='qemu'><name>shop</name><memory unit='GiB'>1</memory><os><type arch='x86_64'>hvm</type></os>\
         <features><acpi/><apic/></features><cpu mode='maximum'/><devices>{}{}<channel type='unix'>\
         <target type='virtio' name='org.qemu.guest_agent.0'/></channel></devices></domain>",
        disk(&data, "raw", "vdb"),
        disk(&system, "qcow2", "vda").replace("<target", "<boot order='1'/><target"),
    );
    let file = project.path("shop.xml");
    fs::write(&file, description).unwrap();
    libvirt.virsh(&["define", file.to_str().unwrap()]);
    let capture = |args: &[&str]| {
        let words = ["capture", "--progress", "plain", "--connect", &libvirt.uri, "--libvirt"];
        let output = project.command(&[&words[..], args].concat()).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (status, said) = capture(&["nobody"]);
    assert!(status == 2 && said.contains("error[E0660]") && said.contains("it has shop"), "{said}");

    // A line each, at once.
    let mut events = Command::new("stdbuf");
    events.args([
        "-oL",
        "virsh",
        "--quiet",
        "--connect",
        &libvirt.uri,
        "event",
        "shop",
        "agent-lifecycle",
        "--loop",
    ]);
    let mut events = events.env("LC_ALL", "C").stdout(Stdio::piped()).spawn().unwrap();
    libvirt.virsh(&["start", "shop"]);
    let mut lines = BufReader::new(events.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("'connected'")), "the agent was never connected");
    events.kill().unwrap();
    events.wait().unwrap();
    let (status, said) = capture(&["shop"]);
    assert_eq!(status, 0, "{said}");
    assert!(said.contains("frozen for the moment of the copy") && !said.contains("W0651"), "{said}");
    let manifest = fs::read_to_string(project.path("out/shop.manifest.json")).unwrap();
    assert!(manifest.contains("\"name\": \"vda of shop\""), "{manifest}");
    for made in ["shop.qcow2", "shop.imagefile", "shop-vdb.qcow2"] {
        assert!(project.path(&format!("out/{made}")).is_file(), "{made}");
    }
    // It goes on, thawed, with no job of ours.
    assert_eq!(libvirt.virsh(&["domstate", "shop"]), "running");
    let frozen = libvirt.virsh(&["qemu-agent-command", "shop", "{\"execute\":\"guest-fsfreeze-status\"}"]);
    assert!(frozen.contains("thawed"), "{frozen}");
    assert_eq!(libvirt.virsh(&["domjobinfo", "shop"]), "Job type:         None");
    // What a killed one would have left there is ended and removed.
    let store = project.store.to_str().unwrap();
    assert!(!String::from_utf8_lossy(&tree(store)).contains("imgfile-"), "copies are left");

    libvirt.virsh(&["suspend", "shop"]);
    let (status, said) = capture(&["shop", "--name", "paused"]);
    assert!(status == 1 && said.contains("error[E0661]") && said.contains("it is paused"), "{said}");
    libvirt.virsh(&["resume", "shop"]);
    libvirt.virsh(&["destroy", "shop"]);
    let (status, said) = capture(&["shop", "--name", "off", "--preset", "identity"]);
    assert_eq!(status, 0, "{said}");
    assert!(project.path("out/off.qcow2").is_file() && project.path("out/off-vdb.qcow2").is_file());
}

/// Names of all files below a folder.
fn tree(folder: &str) -> Vec<u8> {
    Command::new("find").args([folder, "-name", "imgfile-*.qcow2"]).output().unwrap().stdout
}

#[test]
fn an_image_is_in_a_pool_of_libvirt_as_it_was_built() {
    let libvirt = Libvirt::start();
    let project = Project::new(&format!("{IMAGE}  publish to \"pool\" {{ name = \"web 1\" }}\n}}\n"));
    let config = project.path("home/.config/imgfile");
    fs::create_dir_all(&config).unwrap();
    let target = |name: &str, pool: &str| {
        format!("[targets.{name}]\ndriver = \"libvirt\"\nconnection = {:?}\npool = \"{pool}\"\n", libvirt.uri)
    };
    fs::write(config.join("config.toml"), target("pool", "default") + &target("none", "nobody")).unwrap();
    project.build(&[]);
    let (status, rows, said) = publish(&project, &[]);
    assert_eq!((status, outcomes(&rows)), (0, vec!["sent"]), "{said}");
    let saved = project.path("saved.qcow2");
    libvirt.virsh(&["vol-download", "--pool", "default", "web 1.qcow2", saved.to_str().unwrap()]);
    assert!(
        fs::read(&saved).unwrap() == fs::read(project.path("out/web.qcow2")).unwrap(),
        "it has other bytes"
    );
    let volume = libvirt.virsh(&["vol-dumpxml", "--pool", "default", "web 1.qcow2"]);
    assert!(volume.contains("<format type='qcow2'/>"), "libvirt sees what it is: {volume}");
    let volumes = libvirt.virsh(&["vol-list", "default"]);
    assert!(!volumes.contains("imgfile-sending"), "{volumes}");

    let (status, rows, said) = publish(&project, &[]);
    assert_eq!((status, outcomes(&rows)), (0, vec!["there"]), "{said}");
    libvirt.virsh(&["vol-upload", "--pool", "default", "web 1.qcow2", "/etc/os-release"]);
    let (status, _, said) = publish(&project, &[]);
    assert!(status == 1 && said.contains("error[E0678]"), "{said}");
    let (status, _, said) = publish(&project, &["web", "--to", "none"]);
    assert!(status == 1 && said.contains("error[E0671]") && said.contains("no pool `nobody`"), "{said}");
}

//! The examples, built for real: real packages, real machines, the artifacts booted.
//!
//! One store is shared by all of them, as on a user's machine, so the base is made once. It lies in the
//! target folder and is used again by the next run.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use sha2::{Digest as _, Sha512};

use imgfile::driver::{
    AcceleratorChoice, BuildKernel, Disk, DiskAccess, DiskFormat, Driver, Exec, Firmware, Limits, Machine,
    MachineSpec, Network, Start, qemu::QemuDriver,
};

use crate::common::built::{self, store};
use crate::common::server::{Answer, Server};

/// A copy of an example in a folder of its own, with what an earlier build left taken out.
struct Project {
    folder: tempfile::TempDir,
    store: PathBuf,
}

impl Project {
    fn of(example: &str) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(example);
        for entry in walkdir::WalkDir::new(&from).min_depth(1) {
            let entry = entry.unwrap();
            let inner = entry.path().strip_prefix(&from).unwrap();
            if inner.starts_with("out") || inner == Path::new("ImageFile.lock") {
                continue;
            }
            let to = folder.path().join(inner);
            if entry.file_type().is_dir() {
                std::fs::create_dir(&to).unwrap();
            } else {
                std::fs::copy(entry.path(), &to).unwrap();
            }
        }
        Self { folder, store: store() }
    }

    fn imgfile(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_imgfile"));
        command
            .args(args)
            .current_dir(self.folder.path())
            .env("IMGFILE_STORE", &self.store)
            .env("IMGFILE_ACCEL", "tcg")
            .env("IMGFILE_CPUS", "1")
            // What is trusted here is nothing of who runs the tests.
            .env("XDG_CONFIG_HOME", self.path("config"));
        command.output().unwrap()
    }

    fn build(&self, args: &[&str]) -> String {
        let output = self.imgfile(&[&["build", "--progress", "plain"], args].concat());
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{text}");
        text
    }

    fn path(&self, inner: &str) -> PathBuf {
        self.folder.path().join(inner)
    }
}

/// What an independent eye says of a disk.
fn qemu_img_check(disk: &Path) {
    let status = Command::new("qemu-img").arg("check").arg("-q").arg(disk).status().unwrap();
    assert!(status.success(), "{} is damaged", disk.display());
}

/// Boots a disk by its own boot loader in a throw-away overlay and runs a script there as root.
fn booted(disk: &Path, firmware: Firmware, script: &str) -> String {
    let pin = std::fs::read_to_string(store().join("kernels/pinned")).unwrap();
    let kernel = BuildKernel::open(&store().join("kernels").join(pin.trim())).unwrap();
    let run_dir = tempfile::tempdir().unwrap();
    let spec = MachineSpec {
        cpus: 1,
        memory_mib: 1024,
        start: Start::Firmware(firmware),
        disks: vec![Disk { path: disk.to_owned(), format: DiskFormat::Qcow2, access: DiskAccess::Discard }],
        payload: Vec::new(),
        network: Network::User,
        run_dir: run_dir.path().to_owned(),
        limits: Limits::default(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let machines = store().join("machines");
        let driver = QemuDriver::new(kernel, AcceleratorChoice::Tcg, &machines).await.unwrap();
        let mut machine: Box<dyn Machine> = driver.start(spec).await.unwrap();
        let mut text = String::new();
        let mut sink =
            |output: imgfile::driver::Output| text.push_str(&String::from_utf8_lossy(&output.bytes));
        let end =
            machine.exec(Exec::script("look", format!("#!/bin/sh -e\n{script}")), &mut sink).await.unwrap();
        assert!(end.success(), "{text}");
        text
    })
}

#[test]
fn hello_is_built_once_and_found_again_and_can_be_built_upon() {
    let hello = Project::of("hello");
    hello.build(&[]);
    let disk = hello.path("out/hello.qcow2");
    qemu_img_check(&disk);
    assert!(hello.path("ImageFile.lock").is_file());

    let again = hello.build(&["--locked"]);
    assert!(!again.contains("start the machine"), "nothing changed, so nothing is to run:\n{again}");

    // The same image is the disk that another project starts from.
    let upon = Project::of("from-disk");
    let set = format!("disk={}", disk.display());
    let allowed = disk.to_str().unwrap();
    upon.build(&["--set", &set, "--allow-file", allowed]);
    qemu_img_check(&upon.path("out/from-disk.qcow2"));
}

#[test]
fn web_serves_its_page() {
    let web = Project::of("web");
    let log = web.build(&[]);
    for test in ["test services are active", "test verify nginx", "test the front page answers"] {
        assert!(log.contains(&format!("done {test}")), "{test} did not run:\n{log}");
    }
    // That its instances share nothing is for tests/instances.rs to see.
    qemu_img_check(&web.path("out/web.qcow2"));
    // Rules for finished disks find nothing to complain of, in the build as afterwards.
    assert!(log.contains("done inspect the disk") && !log.contains("warning[H"), "{log}");
    let inspected = web.imgfile(&["inspect", "web", "--format", "json"]);
    let found: serde_json::Value = serde_json::from_slice(&inspected.stdout).unwrap();
    assert_eq!(found["findings"], serde_json::json!([]), "{found:#}");
}

#[test]
fn a_chain_is_built_in_order_and_its_parts_are_reused() {
    let mut chain = Project::of("chain");
    // An earlier run of the tests may have left layers of it in their store.
    chain.store = built::own_store(&chain.path("store"));
    let log = chain.build(&["--no-test"]);
    let sealed = log.find("common:   done seal common.qcow2").expect("the base image is sealed");
    let begun = log.find("shop:   done packages").expect("the other one stands on it");
    assert!(sealed < begun, "the base image comes first:\n{log}");
    assert!(!log.contains("shop:   done app nginx"), "what the base has is not set up again:\n{log}");
    qemu_img_check(&chain.path("out/common.qcow2"));
    qemu_img_check(&chain.path("out/shop.qcow2"));
    let lock = std::fs::read_to_string(chain.path("ImageFile.lock")).unwrap();
    assert!(lock.contains("      image:\n        plan: \""), "the lock pins the base image:\n{lock}");

    // A change above leaves the base image as it is; one below moves both, and the lock follows.
    let text = std::fs::read_to_string(chain.path("ImageFile")).unwrap();
    std::fs::write(chain.path("ImageFile"), text.replace("<h1>Shop", "<h1>Shop again")).unwrap();
    let above = chain.build(&["--image", "shop", "--no-test"]);
    assert!(!above.contains("common: > start the machine"), "{above}");
    assert!(above.contains("shop:   done copy text to /var/www/html/index.html"), "{above}");
    std::fs::write(chain.path("ImageFile"), text.replace("hello from", "good day from")).unwrap();
    let below = chain.build(&["--no-cache", "--no-test"]);
    assert!(below.contains("shop:   done packages"), "{below}");
    let again = std::fs::read_to_string(chain.path("ImageFile.lock")).unwrap();
    assert_ne!(lock, again);
    let greeting = booted(
        &chain.path("out/shop.qcow2"),
        Firmware::Uefi,
        "test ! -e /run/imgfile/project; systemctl is-active --quiet nginx; cat /etc/greeting",
    );
    assert_eq!(greeting.trim(), "good day from the common image");
}

#[test]
fn a_listed_base_is_locked_by_its_publishers_checksum_and_built_on_when_that_is_meant() {
    let published = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let converted = Command::new("qemu-img")
        .args(["convert", "-c", "-O", "qcow2"])
        .args([&built::disk(), published.path()])
        .status();
    assert!(converted.unwrap().success());
    let disk = std::fs::read(published.path()).unwrap();
    let server = Server::start();
    let folder = "/cloud.debian.org/images/cloud/trixie/latest";
    let sum: String = Sha512::digest(&disk).iter().map(|byte| format!("{byte:02x}")).collect();
    let sums = format!("{sum}  debian-13-genericcloud-amd64.qcow2\n");
    server.put(&format!("{folder}/SHA512SUMS"), Answer::Content(sums.into_bytes()));
    server.put(&format!("{folder}/debian-13-genericcloud-amd64.qcow2"), Answer::CutOnce(disk));

    let cloud = Project::of("hello");
    std::fs::write(
        cloud.path("ImageFile"),
        "image \"cloud\" {\n  os linux debian 13\n  base debian-13-cloud\n  packages [\"htop\"]\n  \
         test \"it is there\" <<-SH\n    #!/bin/sh -e\n    htop --version\n  SH\n}\n",
    )
    .unwrap();
    std::fs::write(cloud.path(".imgfile.toml"), format!("disk-mirror = \"{}\"\n", server.url)).unwrap();
    assert!(cloud.imgfile(&["trust"]).status.success());

    let refused = cloud.imgfile(&["build", "--progress", "plain"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("E0310") && said.contains("--unproven"), "{said}");
    assert!(server.asked().is_empty(), "nothing is fetched for what is refused");

    let locked = cloud.imgfile(&["lock"]);
    assert!(locked.status.success(), "{}", String::from_utf8_lossy(&locked.stderr));
    let lock = std::fs::read_to_string(cloud.path("ImageFile.lock")).unwrap();
    assert!(lock.contains("url: \"https://cloud.debian.org/images/cloud/trixie/latest/"), "{lock}");
    let log = cloud.build(&["--unproven", "--locked"]);
    assert!(log.contains("done test it is there"), "{log}");
}

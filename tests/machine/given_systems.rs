//! Real systems on disks that imgfile did not make: other file systems, another init. Looked into, grown,
//! changed offline and booted, sealed, and booted by their own boot loader.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use imgfile::driver::{
    Disk, DiskAccess, DiskFormat, Driver, Exec, ExecEnd, Limits, Machine, MachineSpec, MountOptions, Network,
    RootSource, Start, Stream,
};
use tempfile::TempDir;

use crate::common::disks::{self, empty, partition, place, tool};
use crate::common::ground::Ground;
use crate::common::project::Project;

/// A started machine with its own folder.
async fn machine(
    ground: &Ground,
    path: &Path,
    format: DiskFormat,
    access: DiskAccess,
) -> (TempDir, Box<dyn Machine>) {
    let run = tempfile::tempdir().unwrap();
    let spec = MachineSpec {
        cpus: 2,
        memory_mib: 1024,
        start: Start::Offline,
        disks: vec![Disk { path: path.to_owned(), format, access }],
        payload: Vec::new(),
        network: Network::None,
        run_dir: run.path().to_owned(),
        limits: Limits { start: Duration::from_mins(15), operation: Duration::from_mins(15) },
    };
    let machine = ground.driver().await.start(spec).await.unwrap();
    (run, machine)
}

async fn run(machine: &mut dyn Machine, exec: Exec, mut out: impl Write + Send) {
    let mut errors = Vec::new();
    let mut sink = |piece: imgfile::driver::Output| match piece.stream {
        Stream::Out => out.write_all(&piece.bytes).unwrap(),
        Stream::Err => errors.extend(piece.bytes),
    };
    let end = machine.exec(exec, &mut sink).await.unwrap();
    assert_eq!(end, ExecEnd::Code(0), "{}", String::from_utf8_lossy(&errors));
}

/// The files of the base made here as a tar archive, made once.
async fn tree(ground: &Ground) -> PathBuf {
    let path = ground.store.join(".test-tree.tar");
    let lock = File::create(ground.store.join(".test-tree-lock")).unwrap();
    lock.lock().unwrap();
    if !path.exists() {
        let (_run, mut machine) = machine(ground, &ground.disk, DiskFormat::Qcow2, DiskAccess::Read).await;
        machine.mount(MountOptions { read_only: true, ..MountOptions::default() }).await.unwrap();
        let part = path.with_extension("part");
        let tar = ["tar", "--create", "--numeric-owner", "--one-file-system", "--directory=/"];
        // What the machine mounts over the image, and what nobody reads here.
        let not = ["dev", "proc", "run", "sys", "tmp", "usr/share/doc", "usr/share/man", "usr/share/locale"];
        let not = not.map(|folder| format!("--exclude=./{folder}"));
        let words = tar.map(str::to_owned).into_iter().chain(not).chain([".".to_owned()]);
        run(machine.as_mut(), Exec::argv(words), File::create(&part).unwrap()).await;
        machine.power_off().await.unwrap();
        fs::rename(part, &path).unwrap();
    }
    path
}

/// Debian on another file system, with GRUB: a raw disk of 3 GiB.
async fn debian_on(fs_type: &str, disk: &Path) {
    let ground = Ground::find();
    let tree = tree(&ground).await;
    let root = disk.with_extension("root");
    empty(disk, 3072);
    partition(
        disk,
        "label: gpt\nstart=1MiB, size=1MiB, type=21686148-6449-6E6F-744E-656564454649\nstart=2MiB, size=3068MiB\n",
    );
    empty(&root, 3068);
    assert!(tool(&format!("mkfs.{fs_type}")).arg("-q").arg(&root).status().unwrap().success());
    place(&root, disk, 2);
    fs::remove_file(root).unwrap();

    let (_run, mut machine) = machine(&ground, disk, DiskFormat::Raw, DiskAccess::Write).await;
    let root = RootSource::Device("vda2".into());
    machine.mount(MountOptions { root, read_only: false }).await.unwrap();
    machine.put(Box::new(File::open(tree).unwrap())).await.unwrap();
    let settle = format!(
        "#!/bin/sh -ex\n\
         echo \"UUID=$(blkid -s UUID -o value /dev/vda2) / {fs_type} defaults 0 0\" > /etc/fstab\n\
         grub-install --target=i386-pc /dev/vda\nupdate-grub\n"
    );
    run(machine.as_mut(), Exec::script("settle", settle), std::io::sink()).await;
    machine.power_off().await.unwrap();
}

/// Builds an image of 5 GiB on the disk, with steps in every stage, and has it boot by itself.
async fn is_built_upon(fs_type: &str) {
    let project = Project::new(&format!(
        r#"image "on-{fs_type}" {{
  os linux debian 13
  base file "base.raw"
  min_storage 5GiB
  script <<-SH {{ name = "offline", offline = true, user = root }}
    #!/bin/sh -e
    stat --file-system --format %T / > /etc/offline
    test "$(df --output=size -B1G / | tail -n 1)" -ge 4
  SH
  script <<-SH {{ name = "booted" }}
    #!/bin/sh -e
    sudo cp /etc/offline /etc/booted
    test "$(cat /proc/1/comm)" = systemd
  SH
  test "it is what it was, and larger" <<-SH
    #!/bin/sh -e
    grep -qx {fs_type} /etc/offline
    grep -qx {fs_type} /etc/booted
    findmnt --noheadings --output SOURCE,FSTYPE / | grep -q "vda2.*{fs_type}"
    test "$(df --output=size -B1G / | tail -n 1)" -ge 4
  SH
}}
"#
    ));
    debian_on(fs_type, &project.path("base.raw")).await;
    let text = build(&project);
    assert!(text.contains("done test it is what it was"), "{text}");
    let sealed = project.path(&format!("out/on-{fs_type}.qcow2"));
    assert!(tool("qemu-img").args(["check", "-q"]).arg(&sealed).status().unwrap().success());

    // An independent look at what was sealed.
    let raw = project.path("sealed.raw");
    let convert = tool("qemu-img").args(["convert", "-O", "raw"]).args([&sealed, &raw]).status().unwrap();
    assert!(convert.success());
    assert_eq!(fs::metadata(&raw).unwrap().len(), 5 << 30);
    assert_eq!(disks::kind_at(&raw, 2 << 20), fs_type);
}

/// For `make test-long` (.config/nextest.toml): what the other one shows, of another file system.
mod long {
    #[tokio::test(flavor = "multi_thread")]
    async fn debian_on_xfs_is_built_upon() {
        super::is_built_upon("xfs").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn debian_on_btrfs_is_built_upon() {
    is_built_upon("btrfs").await;
}

/// Builds a project; answers what it said.
fn build(project: &Project) -> String {
    let output = project.imgfile(&["build", "--progress", "plain"], None);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}");
    text
}

/// `OpenRC` hands nothing back at its end: after booted scripts the machine starts a second time.
#[test]
fn debian_with_openrc_is_built_upon() {
    let ground = Ground::find();
    let made = Project::on_ground(
        &ground,
        r#"image "openrc" {
  os linux debian 13
  script <<-SH { name = "change the init", offline = true, network = true, user = root }
    #!/bin/sh -e
    apt-get update -q
    apt-get install -q -y --no-install-recommends --allow-remove-essential openrc sysvinit-core systemd-sysv-
  SH
}
"#,
    );
    build(&made);

    let project = Project::new(
        r#"image "on-openrc" {
  os linux debian 13
  base file "base.qcow2"
  script <<-SH { name = "booted" }
    #!/bin/sh -e
    test "$(cat /proc/1/comm)" = init
    rc-status default | sudo tee /etc/booted
  SH
  script <<-SH { name = "offline", offline = true, user = root }
    #!/bin/sh -e
    test ! -e /run/openrc
    grep -q default /etc/booted
    touch /etc/offline
  SH
  test "OpenRC runs" <<-SH
    #!/bin/sh -e
    test "$(cat /proc/1/comm)" = init
    test -e /etc/offline
  SH
}
"#,
    );
    fs::copy(made.path("out/openrc.qcow2"), project.path("base.qcow2")).unwrap();
    let text = build(&project);
    assert!(text.contains("done test OpenRC runs"), "{text}");
}

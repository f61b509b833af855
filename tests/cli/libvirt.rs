//! `imgfile capture --libvirt`, with a stand-in for `virsh`: what goes wrong, and that nothing is left of it. With libvirt
//! itself it is tried by tests/machine/clouds.rs.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};

use crate::common::built::{self, Project};
use crate::common::virsh::Virsh;

/// A project beside a libvirt with one machine, `shop`.
struct Host {
    project: Project,
    virsh: Virsh,
}

impl Host {
    fn new(devices: &str) -> Self {
        let project = Project::new("");
        let virsh = Virsh::in_folder(&project.path("libvirt"));
        virsh.say("domain.xml", &format!("<domain><name>shop</name><devices>{devices}</devices></domain>"));
        virsh.say("disk", "no disk at all");
        Self { project, virsh }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.project.command(&[&["capture", "--progress", "plain"], args].concat());
        command.env("PATH", self.virsh.path()).env_remove("LIBVIRT_DEFAULT_URI");
        command
    }

    fn capture(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// A capture of the machine that has to be refused so; nothing is left of it.
    #[track_caller]
    fn refused(&self, status: i32, words: &[&str]) -> String {
        let output = self.capture(&["--libvirt", "shop"]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(status), "{said}");
        for word in words {
            assert!(said.contains(word), "no `{word}` in\n{said}");
        }
        assert!(!self.project.path("out").exists() && self.copies().is_empty(), "{said}");
        said
    }

    /// Copies of disks that are there.
    fn copies(&self) -> Vec<PathBuf> {
        let targets = self.virsh.said("targets");
        targets.lines().map(PathBuf::from).filter(|target| target.exists()).collect()
    }

    /// Starts a capture whose backup does not end, and waits until it has begun.
    fn begun(&self) -> std::process::Child {
        self.virsh.say("endless", "");
        let pipe = self.project.path("libvirt/begun");
        mkfifo(&pipe, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
        let mut command = self.command(&["--libvirt", "shop"]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut told = String::new();
        fs::File::open(&pipe).unwrap().read_to_string(&mut told).unwrap();
        assert_eq!(told, "begun\n");
        fs::remove_file(pipe).unwrap();
        child
    }
}

fn disk(target: &str, file: &Path) -> String {
    format!(
        "<disk type='file' device='disk'><source file='{}'/><target dev='{target}'/></disk>",
        file.display()
    )
}

const AGENT: &str =
    "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0' state='connected'/></channel>";

#[test]
fn what_stands_in_the_way_is_said_before_anything_is_done() {
    let host = Host::new(&disk("vda", Path::new("/srv/shop.qcow2")));
    let ways = [
        ("fail-uri", "failed to connect to the hypervisor", 4, &["error[E0659]", "failed to connect"][..]),
        ("uri", "qemu+ssh://root@far/system", 1, &["error[E0661]", "libvirt of another host"]),
        ("uri", "xen:///system", 1, &["error[E0661]", "runs no machines by QEMU"]),
        ("state", "paused", 1, &["error[E0661]", "it is paused", "virsh resume shop"]),
        ("state", "in shutdown", 1, &["error[E0661]", "it is in shutdown"]),
        ("state", "pmsuspended", 1, &["error[E0661]", "it is pmsuspended"]),
    ];
    for (file, content, status, words) in ways {
        host.virsh.say(file, content);
        host.refused(status, words);
        host.virsh.forget(file);
    }
    host.virsh.say("state", "shut off");
    host.virsh.say("info", "Id:             -\nManaged save:   yes");
    host.refused(1, &["error[E0661]", "it was saved while it ran", "virsh start shop"]);
    host.virsh.forget("info");
    host.refused(4, &["error[E0502]", "/srv/shop.qcow2"]);

    let near = host.capture(&["--libvirt", "shp", "--connect", "qemu:///system"]);
    let said = String::from_utf8(near.stderr).unwrap();
    assert!(near.status.code() == Some(2) && said.contains("error[E0660]"), "{said}");
    assert!(said.contains("did you mean `shop`?"), "{said}");
    let asked = host.virsh.asked();
    assert!(asked.lines().last().is_some_and(|line| line == "qemu:///system list"), "{asked}");

    let absent = host.command(&["--libvirt", "shop"]).env("PATH", "/nonexistent").output().unwrap();
    let said = String::from_utf8(absent.stderr).unwrap();
    assert!(absent.status.code() == Some(4) && said.contains("error[E0659]"), "{said}");
    assert!(said.contains("the package `libvirt-clients`"), "{said}");
}

#[test]
fn disks_that_are_no_files_here_are_named_with_the_way_out() {
    for (devices, state, words) in [
        (
            "<disk type='network' device='disk'><source protocol='rbd' name='p/i'/><target dev='vdb'/></disk>",
            "running",
            &["its disk vdb cannot be: it is reached over the network (rbd)", "qemu-img convert"][..],
        ),
        (
            "<disk type='volume' device='disk'><source pool='far' volume='v'/><target dev='vdb'/></disk>",
            "running",
            &["it is a volume of the pool `far`, and no file here"],
        ),
        (
            "<disk type='block' device='disk'><source dev='/dev/null'/><target dev='vdb'/></disk>",
            "shut off",
            &["its disk vdb is the device /dev/null, and no file", "start it"],
        ),
        (
            "<disk type='file' device='disk'><target dev='vdb'/></disk>",
            "running",
            &["nothing says where it is"],
        ),
        (
            "<disk type='file' device='cdrom'><source file='/x.iso'/><target dev='sda'/></disk>",
            "running",
            &["it has no disk that it writes to"],
        ),
    ] {
        let host = Host::new(devices);
        host.virsh.say("state", state);
        host.virsh.say("volume", "rbd:p/v");
        host.refused(1, &[&["error[E0661]"], words].concat());
        assert!(!host.virsh.asked().contains("freeze"));
    }
}

#[test]
fn a_machine_is_thawed_whatever_becomes_of_the_copy() {
    let host = Host::new(&(disk("vda", Path::new("/srv/shop.qcow2")) + AGENT));
    host.virsh.say("fail-domfsfreeze", "Guest agent is not responding");
    host.refused(1, &["error[E0657]", "Guest agent is not responding"]);
    // One that did not answer in time may have frozen it all the same.
    assert_eq!(host.virsh.asked_from("domfsfreeze"), ["domfsfreeze", "domfsthaw"]);
    host.virsh.forget("fail-domfsfreeze");

    host.virsh.say("fail-backup-begin", "operation failed: domain 'shop' is being migrated");
    host.refused(1, &["error[E0658]", "is being migrated"]);
    // A job of somebody else goes on.
    let asked = ["domfsfreeze", "backup-begin", "domfsthaw", "backup-dumpxml"];
    assert_eq!(host.virsh.asked_from("domfsfreeze"), asked);
    host.virsh.forget("fail-backup-begin");

    host.virsh.say("ended", "Job type:         Failed   ");
    host.refused(1, &["error[E0658]", "its backup has failed"]);
    host.virsh.forget("ended");
    // A copy that is whole is looked at, thawed long before.
    let said = host.refused(1, &["2 file systems were frozen for the moment of the copy"]);
    assert!(!said.contains("W0651"), "{said}");
    let asked = host.virsh.asked_from("domfsfreeze");
    assert_eq!(asked[..3], ["domfsfreeze", "backup-begin", "domfsthaw"]);
    host.virsh.say("domain.xml", &host.virsh.said("domain.xml").replace("'connected'", "'disconnected'"));
    host.refused(1, &["warning[W0651]", "libvirt has it frozen"]);
    assert!(!host.virsh.asked_from("dumpxml").contains(&"domfsfreeze".to_owned()));
}

#[test]
fn nothing_is_left_by_who_is_stopped_or_killed() {
    let host = Host::new(&(disk("vda", Path::new("/srv/shop.qcow2")) + AGENT));
    let mut stopped = host.begun();
    kill(Pid::from_raw(i32::try_from(stopped.id()).unwrap()), Signal::SIGTERM).unwrap();
    assert_eq!(stopped.wait().unwrap().code(), Some(130));
    let asked = host.virsh.asked_from("domfsfreeze");
    assert!(
        asked.contains(&"domfsthaw".to_owned()) && asked.contains(&"domjobabort".to_owned()),
        "{asked:?}"
    );
    assert_eq!((host.copies(), host.virsh.said("job")), (Vec::new(), String::new()));

    // Who is killed clears nothing; the next one does.
    let mut killed = host.begun();
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert!(host.virsh.said("job").contains("domainbackup") && host.copies().len() == 1);
    host.virsh.forget("endless");
    host.refused(1, &["frozen for the moment of the copy"]);
    let asked = host.virsh.asked_from("dumpxml");
    let at = |command: &str| asked.iter().position(|one| one == command).unwrap();
    assert!(at("domjobabort") < at("domfsfreeze"), "{asked:?}");
}

#[test]
fn a_machine_that_is_shut_off_is_captured_with_all_its_disks() {
    let place = Project::new("");
    let (system, data) = (place.path("shop.qcow2"), place.path("data.raw"));
    fs::copy(built::disk(), &system).unwrap();
    fs::File::create(&data).unwrap().set_len(64 << 20).unwrap();
    let cdrom = "<disk type='file' device='cdrom'><source file='/x.iso'/><target dev='sda'/></disk>";
    let host = Host::new(&(disk("vda", &system) + cdrom + &disk("vdb", &data)));
    host.virsh.say("state", "shut off");
    let output = host.capture(&["--libvirt", "shop", "--preset", "none"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("sda is left out: it is a cdrom"), "{said}");
    for made in ["shop.qcow2", "shop.imagefile", "shop.manifest.json", "shop-vdb.qcow2"] {
        assert!(host.project.path(&format!("out/{made}")).is_file(), "no {made}\n{said}");
    }
    assert!(!host.virsh.asked().contains("backup-begin"));
}

//! All files of a system at once, as a machine tells of them: the same that the system's own `find` and `sha256sum` tell,
//! and of disks that were made to mislead, nothing but what is on them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use imgfile::driver::{
    Disk, DiskAccess, DiskFormat, Driver, Exec, ExecEnd, Limits, Machine, MachineSpec, MountOptions, Network,
    RootSource, Stage, Start, Stream,
};
use imgfile::model::{FileContent, FileKind, SystemTree, TreeLimits};
use imgfile::text::Digest;
use tempfile::TempDir;

use crate::common::disks::{self, tool};
use crate::common::ground::Ground;

/// A started machine with its own folder; what it writes to the disk is lost.
async fn machine(ground: &Ground, path: &Path, format: DiskFormat) -> (TempDir, Box<dyn Machine>) {
    let run = tempfile::tempdir().unwrap();
    let spec = MachineSpec {
        cpus: 1,
        memory_mib: 512,
        start: Start::Offline,
        disks: vec![Disk { path: path.to_owned(), format, access: DiskAccess::Discard }],
        payload: Vec::new(),
        network: Network::None,
        run_dir: run.path().to_owned(),
        limits: Limits { start: Duration::from_mins(15), operation: Duration::from_mins(15) },
    };
    let machine = ground.driver().await.start(spec).await.unwrap();
    (run, machine)
}

async fn out(machine: &mut dyn Machine, script: &str) -> Vec<u8> {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut sink = |piece: imgfile::driver::Output| match piece.stream {
        Stream::Out => out.extend(piece.bytes),
        Stream::Err => err.extend(piece.bytes),
    };
    let exec = Exec::script("judge", format!("#!/bin/sh -e\n{script}\n"));
    let end = machine.exec(exec, &mut sink).await.unwrap();
    assert_eq!(end, ExecEnd::Code(0), "{}", String::from_utf8_lossy(&err));
    out
}

/// A tree as `find` prints it by [`FIND`], without what a machine lays over the image.
fn lines(tree: &SystemTree) -> Vec<String> {
    let line = |number: u32| {
        let node = tree.node(number).unwrap();
        let kind = match node.kind() {
            FileKind::File => "f",
            FileKind::Directory => "d",
            FileKind::Symlink => "l",
            FileKind::Other => "?",
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        // `find` knows no size of a folder that means the same everywhere.
        let size = if kind == "d" { 0 } else { node.size };
        format!(
            "{kind} {:o} {} {} {size} {} {} {} {}",
            node.permissions(),
            node.uid,
            node.gid,
            node.mtime,
            node.links,
            text(&node.target),
            text(&tree.path(number))
        )
    };
    let mut lines: Vec<String> = tree.numbered().map(|(number, _)| line(number)).collect();
    lines.retain(|line| !is_covered(line));
    lines.sort();
    lines
}

/// Mount points are the machine's own folders where it has mounted something for the image's programs.
fn is_covered(line: &str) -> bool {
    let covered = ["/dev", "/proc", "/run", "/sys", "/tmp"];
    covered.iter().any(|path| line.ends_with(&format!(" {path}")) || line.contains(&format!(" {path}/")))
}

const FIND: &str = r"find / /boot/efi -xdev \( -path /dev -o -path /proc -o -path /run -o -path /sys -o -path /tmp \) -prune \
    -o \( -type d -printf '%y %m %U %G 0 %Ts %n %l %p\n' -o -printf '%y %m %U %G %s %Ts %n %l %p\n' \)";

#[tokio::test(flavor = "multi_thread")]
async fn a_systems_own_programs_tell_the_same_of_its_files() {
    let ground = Ground::find();
    let before = Digest::of(fs::read(&ground.disk).unwrap());
    let (_run, mut machine) = machine(&ground, &ground.disk, DiskFormat::Qcow2).await;
    machine.view(RootSource::Find).await.unwrap();
    assert_eq!(machine.stage(), Stage::Viewed);
    let began = std::time::Instant::now();
    let tree = machine.tree(TreeLimits::default()).await.unwrap();
    println!("{} files in {:?}", tree.nodes().len(), began.elapsed());
    assert!(tree.is_whole());
    // Nothing of the machine is in it: these are folders of the disk.
    for empty in ["/proc", "/sys"] {
        assert_eq!(tree.entries(tree.find(empty).unwrap()).count(), 0, "{empty}");
    }
    let programs: Vec<Vec<u8>> = tree
        .entries(tree.find("/usr/bin").unwrap())
        .filter(|(_, node)| node.kind() == FileKind::File)
        .map(|(number, _)| tree.path(number))
        .collect();
    assert!(programs.len() > 100);
    let began = std::time::Instant::now();
    let digests = machine.digests(&programs).await.unwrap();
    println!("{} digests in {:?}", digests.len(), began.elapsed());
    let texts =
        [b"/etc/os-release".to_vec(), b"/etc/nothing".to_vec(), b"/etc".to_vec(), b"/usr/bin/perl".to_vec()];
    let contents = machine.read_files(&texts, 100_000, 1_000_000).await.unwrap();
    assert!(contents[0].bytes().unwrap().starts_with(b"PRETTY_NAME"), "{contents:?}");
    assert_eq!(contents[1..3], [FileContent::Absent, FileContent::NotAFile]);
    assert!(matches!(contents[3], FileContent::TooLong(size) if size > 100_000), "{:?}", contents[3]);
    // No more than was allowed, and it says so.
    let few = machine.tree(TreeLimits { nodes: 100, ..TreeLimits::default() }).await.unwrap();
    assert_eq!((few.nodes().len(), few.is_whole()), (100, false));
    assert_eq!(few.nodes(), &tree.nodes()[..100]);
    machine.unmount().await.unwrap();

    machine.mount(MountOptions { read_only: true, ..MountOptions::default() }).await.unwrap();
    let found = String::from_utf8(out(machine.as_mut(), FIND).await).unwrap();
    let mut found: Vec<String> = found.lines().map(str::to_owned).collect();
    found.retain(|line| !is_covered(line));
    found.sort();
    // A mount point is come by twice.
    found.dedup();
    let told = lines(&tree);
    let differs = told.iter().zip(&found).find(|(told, found)| told != found);
    assert_eq!(differs, None);
    assert_eq!(told.len(), found.len());
    let sums =
        String::from_utf8(out(machine.as_mut(), "sha256sum $(find /usr/bin -maxdepth 1 -type f)").await)
            .unwrap();
    let mut sums: Vec<(String, String)> = sums
        .lines()
        .map(|line| line.split_once("  ").unwrap())
        .map(|(sum, path)| (path.into(), sum.into()))
        .collect();
    sums.sort();
    let ours: Vec<(String, String)> = programs
        .iter()
        .zip(&digests)
        .map(|(path, sum)| (String::from_utf8(path.clone()).unwrap(), sum.unwrap().to_string()))
        .collect();
    assert_eq!(ours, sums);
    machine.power_off().await.unwrap();
    assert_eq!(Digest::of(fs::read(&ground.disk).unwrap()), before, "the disk was written to");
}

fn debugfs(disk: &Path, commands: &str) -> String {
    use std::io::Write as _;
    let mut child = tool("debugfs")
        .args(["-w", "-f", "-"])
        .arg(disk)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(commands.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{commands}");
    String::from_utf8(output.stdout).unwrap()
}

/// A system on a file system of its own, with what misleads whoever takes its names for names of the host: links that
/// lead out of it, names that are no text. And in its journal is a change that was not made yet.
fn hostile(disk: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    disks::system(root, "ID=debian\nVERSION_ID=\"13\"\n", 62);
    for (number, target) in
        ["/../../../../etc/hostname", "../../../../../etc/hostname", "/proc/self/root/etc/hostname"]
            .iter()
            .enumerate()
    {
        symlink(target, root.join(format!("etc/out-{number}"))).unwrap();
    }
    symlink("/etc/circle-b", root.join("etc/circle-a")).unwrap();
    symlink("/etc/circle-a", root.join("etc/circle-b")).unwrap();
    for name in ["new\nline", "esc\u{1b}[2J", "\\x2e", "-rf", "%s"] {
        fs::write(root.join("etc").join(name), name).unwrap();
    }
    let not_text = std::ffi::OsStr::new(std::str::from_utf8(b"umlaut-").unwrap()).to_owned();
    let mut not_text = std::os::unix::ffi::OsStringExt::into_vec(not_text);
    not_text.push(0xe4);
    fs::write(
        root.join("etc").join(<std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(not_text)),
        "",
    )
    .unwrap();
    fs::write(root.join("etc/journalled"), "before it").unwrap();
    fs::hard_link(root.join("etc/journalled"), root.join("etc/other-name")).unwrap();
    let deep: std::path::PathBuf = (0..12).map(|_| "a-folder-with-a-name-that-is-long").collect();
    fs::create_dir_all(root.join(deep)).unwrap();
    disks::ext4(disk, 64, root);
    // A transaction with the block of that file, as a crash leaves it.
    let blocks = debugfs(disk, "blocks /etc/journalled\n");
    let block =
        blocks.lines().rev().find_map(|line| line.trim().parse::<u64>().ok()).expect("it has one block");
    let new = folder.path().join("block");
    let mut content = b"after that".to_vec();
    content.resize(disks::ext4_header(disk, "Block size:").parse().unwrap(), 0);
    fs::write(&new, content).unwrap();
    debugfs(disk, &format!("jo\njw -b {block} {}\njc\n", new.display()));
    assert!(
        disks::ext4_header(disk, "Filesystem features:").contains("needs_recovery"),
        "the journal is to be replayed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_made_to_mislead_is_told_of_as_it_is_and_never_written() {
    let ground = Ground::find();
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk.raw");
    hostile(&disk);
    let before = Digest::of(fs::read(&disk).unwrap());
    let (_run, mut machine) = machine(&ground, &disk, DiskFormat::Raw).await;
    machine.view(RootSource::Find).await.unwrap();
    let tree = machine.tree(TreeLimits::default()).await.unwrap();
    assert!(tree.is_whole());
    let etc = tree.find("/etc").unwrap();
    let names: Vec<&[u8]> = tree.entries(etc).map(|(_, node)| &*node.name).collect();
    for name in [&b"new\nline"[..], b"esc\x1b[2J", b"\\x2e", b"-rf", b"%s", b"umlaut-\xe4"] {
        assert!(names.contains(&name), "{}", String::from_utf8_lossy(name));
    }
    let nodes =
        ["/etc/journalled", "/etc/other-name"].map(|path| tree.node(tree.find(path).unwrap()).unwrap());
    assert_eq!((nodes[0].device, nodes[0].inode, nodes[0].links), (nodes[1].device, nodes[1].inode, 2));

    // Links lead to what the system itself has there, which is nothing.
    let paths: Vec<Vec<u8>> = ["out-0", "out-1", "out-2", "circle-a", "new\nline", "journalled"]
        .iter()
        .map(|name| format!("/etc/{name}").into_bytes())
        .collect();
    let contents = machine.read_files(&paths, 4096, 4096).await.unwrap();
    assert_eq!(contents[..4], [const { FileContent::Absent }; 4]);
    assert_eq!(contents[4].bytes(), Some(&b"new\nline"[..]));
    assert_eq!(contents[5].bytes(), Some(&b"after tha"[..]), "the journal was replayed");
    let digests = machine.digests(&paths[3..5]).await.unwrap();
    assert_eq!(digests, [None, Some(Digest::of("new\nline"))]);
    machine.power_off().await.unwrap();
    assert_eq!(Digest::of(fs::read(&disk).unwrap()), before, "the disk was written to");
}

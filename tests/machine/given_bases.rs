//! Bases that other people made: what is refused and how that reads, and what is built upon.
//!
//! Each message is a golden file, `tests/machine/bases/NAME.expected`; `SNAPSHOTS=overwrite` writes them anew. Nothing of a
//! disk that was refused may be left behind.

use std::fs;
use std::path::PathBuf;

use sha2::{Digest as _, Sha512};

use crate::common::disks::{self, MIB, ext4, kind_at, partition, place, system, tool, write_at};
use crate::common::golden;
use crate::common::project::Project;
use crate::common::server::{Answer, Server};

const DEBIAN_13: &str = "ID=debian\nVERSION_ID=\"13\"\nVERSION_CODENAME=trixie\n";
/// `e_machine` of the ELF header.
const X86_64: u16 = 62;
const AARCH64: u16 = 183;

/// A folder for what goes into a project's disks.
fn system_for(project: &Project, os_release: &str, machine: u16) -> PathBuf {
    let folder = project.folder.path().join("system");
    system(&folder, os_release, machine);
    folder
}

/// How a refusal ends.
#[derive(Clone, Copy)]
struct End<'a> {
    status: i32,
    proxy: Option<&'a str>,
    /// The disk can be built upon, only not for this image: the store keeps it.
    kept: bool,
    /// A part of a download has come, and is kept.
    partial: bool,
}

const REFUSED: End<'_> = End { status: 1, proxy: None, kept: false, partial: false };

/// The build is refused with the golden message, and leaves nothing; answers all it said.
fn refused(project: &Project, golden: &str, end: End<'_>) -> String {
    let output = project.imgfile(&["build", "--progress", "plain"], end.proxy);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(end.status), "{text}");
    let shown = diagnostics(&text);
    golden::assert_golden([(format!("machine/bases/{golden}.expected").into(), shown)]);
    assert!(!project.path("out").exists() && !project.path("ImageFile.lock").exists());
    let entries = |folder: &str| {
        fs::read_dir(project.store(folder)).into_iter().flatten().flatten().map(|entry| entry.path())
    };
    let bases = entries("bases").filter(|path| path.is_dir() && !end.kept);
    // What has come of a download that broke is for the next try.
    let partial = |path: &PathBuf| path.extension().is_some_and(|end| end == "partial");
    let partials = entries("tmp").filter(partial).count();
    assert_eq!(partials, usize::from(end.partial), "{golden}");
    let left: Vec<_> =
        entries("builds").chain(entries("tmp")).chain(bases).filter(|path| !partial(path)).collect();
    assert_eq!(left, [] as [PathBuf; 0], "{golden} leaves something behind");
    text
}

/// As [`refused`], for a disk that was looked into: that is done once.
fn refused_knowing(project: &Project, golden: &str) {
    let end = End { kept: true, ..REFUSED };
    assert!(refused(project, golden, end).contains("look into base.raw"));
    let again = refused(project, golden, end);
    assert!(!again.contains("look into"), "{again}");
}

/// From the first diagnostic on, with digests of disks (which have random identities) made alike.
fn diagnostics(text: &str) -> String {
    let lines = text.lines().skip_while(|line| !line.starts_with("error"));
    let alike = |word: &str| {
        let is_digest = word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_digest && word.bytes().any(|byte| byte != b'0') {
            "<sha256>".to_owned()
        } else {
            word.to_owned()
        }
    };
    lines.map(|line| line.split(' ').map(alike).collect::<Vec<_>>().join(" ") + "\n").collect()
}

/// An image on the disk `base.raw`, with more statements.
fn on_disk(more: &str) -> String {
    format!("image \"x\" {{\n  os linux debian 13\n  base file \"base.raw\"\n{more}}}\n")
}

/// A disk whose first partition is an ext4 without a system, as /boot is, and whose second has `mark` at
/// an offset.
fn behind_boot(project: &Project, offset: u64, mark: &[u8], kind: &str) {
    let disk = project.path("base.raw");
    disks::empty(&disk, 64);
    partition(&disk, "label: gpt\nstart=1MiB, size=16MiB\nstart=20MiB, size=40MiB\n");
    let boot = project.path("boot.raw");
    let folder = project.path("empty");
    fs::create_dir(&folder).unwrap();
    ext4(&boot, 16, &folder);
    place(&boot, &disk, 1);
    write_at(&disk, 20 * MIB + offset, mark);
    assert_eq!(kind_at(&disk, 20 * MIB), kind, "the disk is not what it is to be");
}

#[test]
fn lvm_luks_and_md_are_refused_by_name() {
    for (name, offset, mark, kind) in [
        ("lvm", 512, disks::lvm_label(), "LVM2_member"),
        ("luks", 0, disks::luks_header(), "crypto_LUKS"),
        ("md", 4096, disks::md_superblock(4096), "linux_raid_member"),
    ] {
        let project = Project::new(&on_disk(""));
        behind_boot(&project, offset, &mark, kind);
        refused(&project, name, REFUSED);
    }
}

/// A mirror's member with its mark at the end looks like the file system it mirrors.
#[test]
fn a_member_of_an_array_is_not_taken_for_what_the_array_holds() {
    let project = Project::new(&on_disk(""));
    let disk = project.path("base.raw");
    ext4(&disk, 64, &system_for(&project, DEBIAN_13, X86_64));
    write_at(&disk, 64 * MIB - 8192, &disks::md_superblock(64 * MIB - 8192));
    refused(&project, "md-at-the-end", REFUSED);
}

#[test]
fn a_truncated_disk_is_refused() {
    let project = Project::new(&on_disk("").replace("base.raw", "base.qcow2"));
    let (raw, disk) = (project.path("raw"), project.path("base.qcow2"));
    fs::write(&raw, vec![7; 8 << 20]).unwrap();
    let made = tool("qemu-img").args(["convert", "-O", "qcow2"]).args([&raw, &disk]).status().unwrap();
    assert!(made.success());
    fs::File::options().write(true).open(&disk).unwrap().set_len(4 << 20).unwrap();
    refused(&project, "truncated", REFUSED);
}

#[test]
fn what_is_no_disk_or_has_no_linux_is_refused() {
    let project = Project::new(&on_disk(""));
    fs::write(project.path("base.raw"), "this is no disk\n").unwrap();
    refused(&project, "no-disk", REFUSED);

    let project = Project::new(&on_disk(""));
    fs::write(project.path("base.raw"), "this is no disk\n".repeat(1 << 17)).unwrap();
    refused(&project, "no-file-system", REFUSED);

    let project = Project::new(&on_disk(""));
    let folder = system_for(&project, DEBIAN_13, X86_64);
    fs::remove_file(folder.join("etc/os-release")).unwrap();
    ext4(&project.path("base.raw"), 32, &folder);
    refused(&project, "no-linux", REFUSED);

    let project = Project::new(&on_disk(""));
    fs::create_dir(project.path("base.raw")).unwrap();
    refused(&project, "folder", REFUSED);

    refused(&Project::new(&on_disk("")), "not-found", REFUSED);
}

#[test]
fn a_root_that_cannot_be_mounted_says_so() {
    let project = Project::new(&on_disk(""));
    let disk = project.path("base.raw");
    ext4(&disk, 32, &system_for(&project, DEBIAN_13, X86_64));
    // The group descriptors behind the superblock.
    write_at(&disk, 2048, &[0xff; 6144]);
    refused(&project, "broken", REFUSED);
}

#[test]
fn a_base_that_is_not_what_os_says_is_an_error_on_os() {
    for (name, os_release, machine) in [
        ("another-distribution", "ID=ubuntu\nID_LIKE=debian\nVERSION_ID=\"24.04\"\n", X86_64),
        ("another-version", "ID=debian\nVERSION_ID=\"12\"\n", X86_64),
        ("another-architecture", DEBIAN_13, AARCH64),
        ("nameless", "NAME=\"Somebody's own\"\n", X86_64),
    ] {
        let project = Project::new(&on_disk(""));
        ext4(&project.path("base.raw"), 32, &system_for(&project, os_release, machine));
        refused_knowing(&project, name);
    }
}

#[test]
fn a_disk_that_is_too_small_or_cannot_grow_is_refused_before_anything_is_built() {
    let project = Project::new(&on_disk("  min_storage 16MiB\n"));
    ext4(&project.path("base.raw"), 32, &system_for(&project, DEBIAN_13, X86_64));
    refused_knowing(&project, "min-storage-smaller");

    let project = Project::new(&on_disk("  min_storage 1GiB\n"));
    let (disk, root) = (project.path("base.raw"), project.path("root.raw"));
    disks::empty(&disk, 64);
    partition(&disk, "label: gpt\nstart=1MiB, size=32MiB\nstart=40MiB, size=16MiB, type=swap\n");
    ext4(&root, 32, &system_for(&project, DEBIAN_13, X86_64));
    place(&root, &disk, 1);
    refused_knowing(&project, "root-not-last");
}

const ZEROS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

#[test]
fn a_disk_with_another_sha256_is_refused_before_it_is_looked_at() {
    let project = Project::new(&on_disk("").replace(".raw\"", &format!(".raw\" sha256 \"{ZEROS}\"")));
    ext4(&project.path("base.raw"), 32, &system_for(&project, DEBIAN_13, X86_64));
    refused(&project, "wrong-sha256", REFUSED);
}

/// The host is only a name: the server stands in as the proxy, so that messages are the same every time.
const URL: &str = "http://images.example/base.raw";

fn on_download(pin: &str) -> String {
    format!("image \"x\" {{\n  os linux debian 13\n  base url \"{URL}\" {pin}\n}}\n")
}

/// As an ImageFile says it.
fn sha256(digest: &str) -> String {
    format!("sha256 \"{digest}\"")
}

fn sha512(content: &[u8]) -> String {
    format!("sha512 \"{}\"", hex::encode(Sha512::digest(content)))
}

#[test]
fn a_download_that_cannot_be_used_is_refused_at_the_statement() {
    let server = Server::start();
    for (name, answer, status, partial) in [
        ("url-wrong-sha256", Answer::Content(b"something else".to_vec()), 1, false),
        ("url-gone", Answer::Status(404), 1, false),
        ("url-forbidden", Answer::Status(403), 4, false),
        ("url-cut", Answer::CutAlways(vec![1; 100_000]), 4, true),
    ] {
        server.put(URL, answer);
        let end = End { status, proxy: Some(&server.url), partial, ..REFUSED };
        refused(&Project::new(&on_download(&sha256(ZEROS))), name, end);
    }
    server.put(URL, Answer::Content(b"something else".to_vec()));
    let end = End { proxy: Some(&server.url), ..REFUSED };
    refused(&Project::new(&on_download(&sha512(b"what is pinned"))), "url-wrong-sha512", end);
}

#[test]
fn a_download_is_followed_resumed_checked_and_used() {
    let project = Project::new("");
    let disk = project.folder.path().join("disk.raw");
    ext4(&disk, 32, &system_for(&project, DEBIAN_13, X86_64));
    let content = fs::read(&disk).unwrap();
    let digest = imgfile::text::Digest::of(&content);
    fs::write(project.path("ImageFile"), on_download(&sha256(&digest.to_string()))).unwrap();
    let server = Server::start();
    let elsewhere = "http://mirror.example/pool/base.raw";
    server.put(URL, Answer::Redirect(elsewhere.into()));
    server.put(elsewhere, Answer::CutOnce(content.clone()));
    let output = project.imgfile(&["lock"], Some(&server.url));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let asked = server.asked();
    assert_eq!(&asked[..2], [URL, elsewhere]);
    assert!(asked.last().unwrap().starts_with(&format!("{elsewhere} from ")), "{asked:?}");
    let lock = fs::read_to_string(project.path("ImageFile.lock")).unwrap();
    assert!(lock.contains(URL) && lock.contains(&digest.to_string()), "{lock}");
    // It is in the store: no network is needed any more.
    let again = project.imgfile(&["plan", "--locked", "--offline"], None);
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    assert_eq!(server.asked().len(), asked.len());

    // For publishers who give the other checksum: it is fetched for that once, and the lock names it as before.
    let other = Project::new(&on_download(&sha512(&content)));
    for (offline, proxy) in [(false, Some(&*server.url)), (true, None)] {
        let args: &[&str] = if offline { &["lock", "--locked", "--offline"] } else { &["lock"] };
        let output = other.imgfile(args, proxy);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(fs::read_to_string(other.path("ImageFile.lock")).unwrap(), lock);
}

#[test]
fn a_base_file_that_changed_since_it_was_locked_is_explained() {
    let project = Project::new(&on_disk(""));
    let folder = system_for(&project, DEBIAN_13, X86_64);
    ext4(&project.path("base.raw"), 32, &folder);
    let output = project.imgfile(&["lock"], None);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::write(folder.join("etc/motd"), "changed\n").unwrap();
    ext4(&project.path("base.raw"), 32, &folder);
    let output = project.imgfile(&["build", "--progress", "plain"], None);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("E0402") && text.contains("base.raw") && !project.path("out").exists(), "{text}");
}

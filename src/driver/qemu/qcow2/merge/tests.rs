use std::path::PathBuf;
use std::process::Command;

use proptest::prelude::*;

use super::*;

fn tool(program: &str, args: &[&str], dir: &Path) {
    let output = Command::new(program).args(args).current_dir(dir).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let failed = !output.status.success() || said.contains("failed");
    assert!(!failed, "{program} {args:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
}

fn merged(dir: &Path, disk: &str) -> io::Result<PathBuf> {
    let to = dir.join("merged");
    merge(&dir.join(disk), &to, 3, &AtomicBool::new(false)).map(|()| to)
}

/// Sectors of the disk that others are compared with: 8 MiB.
const SECTORS: u64 = (8 << 20) / SECTOR;

/// One change of a disk, at a place in sectors.
#[derive(Debug, Clone)]
enum Change {
    /// Compresses well.
    Pattern(u8),
    /// Zeroes that are written.
    Zeroes,
    /// Zeroes that the format knows of.
    Marked,
    Discarded,
}

fn changes() -> impl Strategy<Value = Vec<(u64, u64, Change)>> {
    let change = prop_oneof![
        (1..=255u8).prop_map(Change::Pattern),
        Just(Change::Zeroes),
        Just(Change::Marked),
        Just(Change::Discarded),
    ];
    // Up to the end of the disk, and not beyond.
    let change =
        (0..SECTORS, 1..600u64, change).prop_map(|(at, len, change)| (at, len.min(SECTORS - at), change));
    prop::collection::vec(change, 0..12)
}

fn apply(dir: &Path, disk: &str, changes: &[(u64, u64, Change)]) {
    let commands = changes.iter().flat_map(|(at, len, change)| {
        let place = format!("{} {}", at * SECTOR, len * SECTOR);
        let command = match change {
            Change::Pattern(byte) => format!("write -q -P {byte} {place}"),
            Change::Zeroes => format!("write -q -P 0 {place}"),
            Change::Marked => format!("write -q -z {place}"),
            Change::Discarded => format!("discard -q {place}"),
        };
        ["-c".to_owned(), command]
    });
    let args: Vec<String> =
        ["-f", "qcow2", "-d", "unmap", disk].map(str::to_owned).into_iter().chain(commands).collect();
    if args.len() > 5 {
        tool("qemu-io", &args.iter().map(String::as_str).collect::<Vec<_>>(), dir);
    }
}

/// Bytes of which no two clusters are alike, and some cannot be compressed.
fn filling(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut bytes = Vec::with_capacity(len);
    while bytes.len() < len {
        let noisy = bytes.len() / (192 << 10) % 2 == 0;
        bytes.extend(if noisy { next() } else { next() & 0x0707 }.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// QEMU finds nothing wrong with it, and reads the same from it as from the chain.
    #[test]
    fn it_is_the_same_disk(below in changes(), above in changes(), grown in 0..3u64) {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        std::fs::write(dir.join("raw"), filling(8 << 20)).unwrap();
        let options = "compression_type=zstd";
        tool("qemu-img", &["convert", "-q", "-c", "-o", options, "-f", "raw", "-O", "qcow2", "raw", "base"], dir);
        let size = (8 << 20) + grown * ((700 << 20) + 512);
        super::super::overlay(&dir.join("one"), Path::new("base"), "qcow2", size).unwrap();
        apply(dir, "one", &below);
        tool("qemu-img", &["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", "one", "two"], dir);
        apply(dir, "two", &above);
        merged(dir, "two").unwrap();
        tool("qemu-img", &["check", "-q", "merged"], dir);
        tool("qemu-img", &["compare", "-q", "-f", "qcow2", "-F", "qcow2", "two", "merged"], dir);
        // No more than the tool's own, but for its tables.
        tool("qemu-img", &["convert", "-q", "-c", "-o", options, "-O", "qcow2", "two", "theirs"], dir);
        let len = |name: &str| std::fs::metadata(dir.join(name)).unwrap().len();
        prop_assert!(len("merged") <= len("theirs") + 8 * CLUSTER, "{} and {}", len("merged"), len("theirs"));
    }
}

#[test]
fn what_only_qemu_reads_is_left_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("raw"), filling(1 << 20)).unwrap();
    let made = |options: &[&str], name: &str| {
        let args = [&["convert", "-q", "-f", "raw", "-O", "qcow2"], options, &["raw", name]].concat();
        tool("qemu-img", &args, dir);
    };
    made(&["-c"], "zlib");
    made(&["-o", "cluster_size=4k"], "small-clusters");
    made(&["-o", "extended_l2=on"], "subclusters");
    made(&["-o", "compat=0.10"], "old");
    tool("qemu-img", &["create", "-q", "-f", "qcow2", "-F", "raw", "-b", "raw", "on-raw"], dir);
    for name in ["zlib", "small-clusters", "subclusters", "old", "on-raw"] {
        let error = merged(dir, name).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported, "{name}: {error}");
        let _ = std::fs::remove_file(dir.join("merged"));
    }
}

#[test]
fn a_file_that_lies_is_an_error_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("raw"), filling(1 << 20)).unwrap();
    tool(
        "qemu-img",
        &["convert", "-q", "-c", "-o", "compression_type=zstd", "-f", "raw", "-O", "qcow2", "raw", "good"],
        dir,
    );
    let good = std::fs::read(dir.join("good")).unwrap();
    // The header and the beginnings of all tables.
    let clusters = 1..good.len() / index(CLUSTER);
    for at in
        (0..256).chain(clusters.flat_map(|cluster| (0..24).map(move |byte| cluster * index(CLUSTER) + byte)))
    {
        let mut bad = good.clone();
        bad[at] ^= 0xff;
        std::fs::write(dir.join("bad"), &bad).unwrap();
        // Whatever comes of it: no panic, no endless work.
        let _ = merged(dir, "bad");
        let _ = std::fs::remove_file(dir.join("merged"));
    }
    std::fs::write(dir.join("short"), &good[..good.len() / 2]).unwrap();
    let _ = merged(dir, "short");
}

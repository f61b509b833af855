//! What clean-up clears, topic by topic: the very commands of a build, run by the shells and tools of a minimal Debian
//! (dash, coreutils) and of Alpine (busybox) on a system on which much has happened, in namespaces of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use imgfile::check::{Cleanup, CleanupItem, CleanupPreset, CleanupTopic};
use imgfile::plan::cleanup;
use imgfile::syntax::Keyword;
use imgfile::syntax::keywords::STATEMENTS;
use imgfile::text::{Span, Spanned};

/// What is there, by which topics it is cleared, and what becomes of it.
struct Dirt {
    topics: Vec<&'static str>,
    after: &'static str,
    path: &'static str,
}

fn dirt() -> Vec<Dirt> {
    include_str!("cleanup/dirty.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let mut words = line.split_whitespace();
            let mut word = || words.next().unwrap_or_else(|| panic!("{line}"));
            Dirt { topics: word().split(',').collect(), after: word(), path: word() }
        })
        .collect()
}

/// Where a file's content decides. Others hold a line.
fn content(path: &str) -> Vec<u8> {
    match path {
        "/etc/passwd" => b"root:x:0:0::/root:/bin/sh\ndebian:x:1000:1000::/home/debian:/bin/sh\n\
            postgres:x:100:100::/var/lib/postgresql:/bin/sh\nnobody:x:65534:65534::/nonexistent:/bin/false\n"
            .to_vec(),
        "/etc/fstab" => b"UUID=1 / ext4 defaults 0 1\n/swap.img none swap sw 0 0\n".to_vec(),
        "/etc/NetworkManager/system-connections/wired.nmconnection" => {
            b"[ethernet]\nmac-address=52:54:00:12:34:56\n".to_vec()
        }
        "/etc/sysconfig/network-scripts/ifcfg-eth0" => {
            b"DEVICE=eth0\nHWADDR=52:54:00:12:34:56\nUUID=1\nHOSTNAME=a\nDHCP_HOSTNAME=a\nONBOOT=yes\n"
                .to_vec()
        }
        "/var/lib/snmp/snmpd.conf" => b"rwuser a\noldEngineID 0x80001f88\nengineBoots 3\n".to_vec(),
        "/swap.img" => swap_file(b"SWAPSPACE2"),
        _ => b"something\n".to_vec(),
    }
}

/// A swap area with pages that were written to; the mark is the end of the first page. Not of a whole number of MiB.
fn swap_file(mark: &[u8; 10]) -> Vec<u8> {
    let mut bytes = vec![0; (3 << 20) + (12 << 10)];
    let end = bytes.len();
    for at in [4096, (1 << 20) - 7, (2 << 20) + 5, end - 14] {
        bytes[at..at + 14].copy_from_slice(b"swapped secret");
    }
    bytes[1036..1052].copy_from_slice(b"the-area's-uuid.");
    bytes[4086..4096].copy_from_slice(mark);
    bytes[8192..8206].copy_from_slice(b"swapped secret");
    bytes
}

/// A shell with the programs that clean-up calls.
struct Tools {
    name: &'static str,
    folder: PathBuf,
}

/// Two systems' programs, made once: copies, so that nothing of the host is in reach.
fn tools() -> &'static [Tools] {
    static TOOLS: OnceLock<Vec<Tools>> = OnceLock::new();
    TOOLS.get_or_init(|| {
        let scratch = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap().keep();
        let folders = ["debian", "busybox"].map(|name| Tools { name, folder: scratch.join(name) });
        for tools in &folders {
            fs::create_dir_all(tools.folder.join("bin")).unwrap();
            fs::create_dir_all(tools.folder.join("lib")).unwrap();
        }
        let of_debian = [
            "blkid",
            "cat",
            "chmod",
            "cut",
            "dd",
            "fallocate",
            "find",
            "grep",
            "head",
            "ln",
            "mkdir",
            "mount",
            "printf",
            "rm",
            "rmdir",
            "sed",
            "sort",
            "tr",
            "umount",
            "wc",
        ];
        for program in of_debian {
            place(program, program, &folders[0].folder);
        }
        place("dash", "sh", &folders[0].folder);
        place("busybox", "busybox", &folders[1].folder);
        let applets = Command::new("busybox").arg("--list").output().expect("busybox is installed").stdout;
        for applet in String::from_utf8(applets).unwrap().lines().filter(|applet| *applet != "busybox") {
            symlink("busybox", folders[1].folder.join("bin").join(applet)).unwrap();
        }
        folders.into()
    })
}

/// Copies a program of the host with the libraries that it wants.
fn place(program: &str, name: &str, tools: &Path) {
    let path = ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    let found = Command::new("sh").envs([path]).args(["-c", "command -v \"$0\"", program]).output().unwrap();
    let found = String::from_utf8(found.stdout).unwrap();
    // A word of the shell is a program as well.
    let found =
        if found.starts_with('/') { found.trim_end().to_owned() } else { format!("/usr/bin/{program}") };
    let copied = fs::copy(&found, tools.join("bin").join(name));
    copied.unwrap_or_else(|error| panic!("{program} is not installed: {found}: {error}"));
    let libraries = Command::new("ldd").arg(&found).output().unwrap();
    for word in
        String::from_utf8_lossy(&libraries.stdout).split_whitespace().filter(|word| word.starts_with('/'))
    {
        let library = Path::new(word);
        let to = tools.join("lib").join(library.file_name().unwrap());
        if !to.exists() {
            fs::copy(library, to).unwrap();
        }
    }
}

/// A system in a folder.
struct System {
    folder: tempfile::TempDir,
}

impl System {
    fn bare() -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let system = Self { folder };
        for path in ["/tools", "/dev", "/run", "/etc", "/var/spool", "/usr", "/tmp", "/root", "/srv", "/home"]
        {
            fs::create_dir_all(system.at(path)).unwrap();
        }
        for path in ["/dev/null", "/dev/zero"] {
            fs::write(system.at(path), "").unwrap();
        }
        for (link, to) in [("/bin", "tools/bin"), ("/lib64", "tools/lib"), ("/lib", "tools/lib")] {
            symlink(to, system.at(link)).unwrap();
        }
        symlink("/run", system.at("/var/run")).unwrap();
        system
    }

    fn dirty() -> Self {
        let system = Self::bare();
        fs::create_dir_all(system.at("/var/mail")).unwrap();
        symlink("../mail", system.at("/var/spool/mail")).unwrap();
        for dirt in dirt() {
            system.write(dirt.path, &content(dirt.path));
        }
        // Programs whose keys are to be made anew; clean-up only asks whether they are there.
        for program in ["nvme", "rndc-confgen"] {
            system.write(&format!("/opt/bin/{program}"), b"");
            fs::set_permissions(system.at(&format!("/opt/bin/{program}")), fs::Permissions::from_mode(0o755))
                .unwrap();
        }
        system
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path.trim_start_matches('/'))
    }

    fn write(&self, path: &str, content: &[u8]) {
        fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
        fs::write(self.at(path), content).unwrap();
    }

    /// Runs a clean-up; `copied` is what statements put there. Answers what it said.
    fn clean(&self, tools: &Tools, wish: &Cleanup, copied: &[&str]) -> String {
        let plan = cleanup::of(wish, "debian");
        let lines = |paths: Vec<&str>| paths.iter().map(|path| format!("{path}\n")).collect::<String>();
        let stage = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        for (path, text) in [
            (cleanup::COPIED, lines(copied.to_vec())),
            (cleanup::KEPT, lines(plan.keep.iter().map(String::as_str).collect())),
            (cleanup::SHARED, cleanup::FUNCTIONS.to_owned()),
            ("/run/imgfile/clean-up", cleanup::whole(&plan)),
        ] {
            fs::write(stage.path().join(path.rsplit('/').next().unwrap()), text).unwrap();
        }
        // As a guest has it: a file system in memory on /run, and the tree's own below it.
        let script = r#"
            mount --bind "$1" "$1"
            mount --bind "$2" "$1/tools"
            mount --bind /dev/null "$1/dev/null"
            mount --bind /dev/zero "$1/dev/zero"
            mount -t tmpfs none "$1/run"
            cp -r "$3" "$1/run/imgfile"
            export PATH=/bin:/opt/bin LD_LIBRARY_PATH=/lib
            exec env -C / "$(command -v "$4")" "$1" /bin/sh -e /run/imgfile/clean-up
        "#;
        let chroot = if Path::new("/usr/sbin/chroot").exists() { "/usr/sbin/chroot" } else { "chroot" };
        let output = Command::new("unshare")
            .args([
                "--user",
                "--map-root-user",
                "--mount",
                "--pid",
                "--fork",
                "--kill-child",
                "sh",
                "-ec",
                script,
                "sh",
            ])
            .args([self.folder.path(), &tools.folder, stage.path(), Path::new(chroot)])
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env_remove("LD_LIBRARY_PATH")
            .output()
            .unwrap();
        let said =
            String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{}: {:?}: {said}", tools.name, wish);
        said
    }

    /// Every file and link, with what is in it.
    fn files(&self) -> BTreeMap<String, Vec<u8>> {
        walkdir::WalkDir::new(self.folder.path())
            .into_iter()
            .filter_entry(|entry| !entry.path().ends_with("tools"))
            .map(Result::unwrap)
            .filter(|entry| !entry.file_type().is_dir())
            .map(|entry| {
                let path = format!("/{}", entry.path().strip_prefix(self.folder.path()).unwrap().display());
                let content = match fs::read_link(entry.path()) {
                    Ok(to) => to.into_os_string().into_encoded_bytes(),
                    Err(_) => fs::read(entry.path()).unwrap(),
                };
                (path, content)
            })
            .collect()
    }
}

fn items(items: &[&str]) -> Vec<Spanned<CleanupItem>> {
    let item = |text: &&str| {
        let topic = CleanupTopic::ALL.into_iter().find(|topic| topic.as_str() == *text);
        Spanned::new(
            topic.map_or_else(|| CleanupItem::Path((*text).to_owned()), CleanupItem::Topic),
            Span::default(),
        )
    };
    items.iter().map(item).collect()
}

/// All topics, those on request too, but what `keep` names.
fn all_but(keep: &[&str]) -> Cleanup {
    let kept: BTreeSet<&str> = keep.iter().copied().collect();
    let topics: Vec<&str> =
        CleanupTopic::ALL.iter().map(|topic| topic.as_str()).filter(|topic| !kept.contains(topic)).collect();
    Cleanup { preset: CleanupPreset::None, keep: items(keep), remove: items(&topics), ..Cleanup::default() }
}

/// What became of a file.
fn became(before: &[u8], after: Option<&Vec<u8>>) -> &'static str {
    match after {
        None => "gone",
        Some(after) if after == before => "-",
        Some(after) if after.is_empty() => "emptied",
        Some(_) => "edited",
    }
}

/// Holds a system to the table: what `clears` names is cleared, all else as it was.
fn judge(
    name: &str,
    before: &BTreeMap<String, Vec<u8>>,
    after: &BTreeMap<String, Vec<u8>>,
    clears: impl Fn(&str) -> bool,
) {
    let known: BTreeMap<&str, Dirt> = dirt().into_iter().map(|dirt| (dirt.path, dirt)).collect();
    let mut wrong = Vec::new();
    for (path, content) in before {
        let wanted = known
            .get(path.as_str())
            .filter(|dirt| dirt.topics.iter().any(|topic| clears(topic)))
            .map_or("-", |dirt| dirt.after);
        let found = became(content, after.get(path));
        if found != wanted {
            wrong.push(format!("{path}: {found} instead of {wanted}"));
        }
    }
    // The unit that makes keys anew.
    let own = |path: &str| path.contains("imgfile-first-boot");
    let added = after.keys().filter(|path| !before.contains_key(*path) && !own(path));
    wrong.extend(added.map(|path| format!("{path}: was not there")));
    assert!(wrong.is_empty(), "{name}: {wrong:#?}");
}

/// One topic after the other on one system: each clears what is its own, and all else that is still there stays. In
/// the other order with the other tools, so that none is seen only behind another.
#[test]
fn each_topic_clears_what_is_its_own_and_nothing_else() {
    for (tools, backwards) in tools().iter().zip([false, true]) {
        let mut topics = CleanupTopic::ALL.map(CleanupTopic::as_str);
        if backwards {
            topics.reverse();
        }
        let system = System::dirty();
        let mut before = system.files();
        for topic in topics {
            assert!(dirt().iter().any(|dirt| dirt.topics.contains(&topic)), "{topic} has nothing to clear");
            let wish = Cleanup { preset: CleanupPreset::None, remove: items(&[topic]), ..Cleanup::default() };
            system.clean(tools, &wish, &[]);
            let after = system.files();
            judge(&format!("{} {topic}", tools.name), &before, &after, |of| of == topic);
            before = after;
        }
    }
}

#[test]
fn a_preset_and_a_topic_that_is_kept_leave_the_rest_as_it_is() {
    for (tools, preset, kept) in [
        (&tools()[0], CleanupPreset::Cloud, "histories"),
        (&tools()[1], CleanupPreset::Identity, "dhcp-leases"),
        (&tools()[0], CleanupPreset::Minimal, "swap"),
        (&tools()[1], CleanupPreset::None, "logs"),
    ] {
        let system = System::dirty();
        let before = system.files();
        system.clean(tools, &Cleanup { preset, keep: items(&[kept]), ..Cleanup::default() }, &[]);
        judge(&format!("{preset:?} but {kept}"), &before, &system.files(), |of| {
            of != kept
                && CleanupTopic::ALL.iter().any(|topic| topic.as_str() == of && preset.includes(*topic))
        });
    }
    for kept in CleanupTopic::ALL.map(CleanupTopic::as_str) {
        let cleared: BTreeSet<String> =
            cleanup::of(&all_but(&[kept]), "debian").items.into_iter().map(|item| item.name).collect();
        let all = CleanupTopic::ALL.map(CleanupTopic::as_str);
        assert_eq!(cleared, all.into_iter().filter(|topic| *topic != kept).map(str::to_owned).collect());
    }
}

#[test]
fn what_is_edited_keeps_the_rest_of_its_lines() {
    for tools in tools() {
        let system = System::dirty();
        system.clean(tools, &all_but(&[]), &[]);
        let text = |path: &str| fs::read_to_string(system.at(path)).unwrap();
        assert_eq!(text("/etc/sysconfig/network-scripts/ifcfg-eth0"), "DEVICE=eth0\nONBOOT=yes\n");
        assert_eq!(text("/var/lib/snmp/snmpd.conf"), "rwuser a\n");
        assert_eq!(
            fs::read_link(system.at("/var/lib/dbus/machine-id")).unwrap(),
            Path::new("/etc/machine-id")
        );
        for folder in ["/var/mail", "/var/log/apt", "/var/log/journal", "/var/spool/postfix/deferred", "/tmp"]
        {
            assert!(system.at(folder).is_dir(), "{folder}");
        }
    }
}

#[test]
fn a_swap_area_keeps_its_name_and_nothing_of_its_content() {
    for tools in tools() {
        for mark in [b"SWAPSPACE2", b"S1SUSPEND\0"] {
            let system = System::dirty();
            system.write("/swap.img", &swap_file(mark));
            system.clean(tools, &all_but(&[]), &[]);
            let mut wanted = swap_file(b"SWAPSPACE2");
            wanted[4096..].fill(0);
            assert!(fs::read(system.at("/swap.img")).unwrap() == wanted, "{}", tools.name);
        }
    }
}

#[test]
fn what_a_statement_brought_stays_and_so_does_what_keep_names() {
    for tools in tools() {
        let system = System::dirty();
        let before = system.files();
        let paths: Vec<&str> = dirt().iter().map(|dirt| dirt.path).collect();
        system.clean(tools, &all_but(&[]), &paths);
        // A swap file is no file of anybody's: its pages are the build's.
        judge(&format!("{} copied", tools.name), &before, &system.files(), |_| false);

        let system = System::dirty();
        let kept = [
            "/var/log/apt/*",
            "/root/.bash_history",
            "/var/lib/[c]loud",
            "/tmp/left",
            "/etc/ssh/ssh_host_*_key",
        ];
        system.clean(tools, &all_but(&kept), &["/etc/nvme/"]);
        let after = system.files();
        for (path, stays) in [
            ("/var/log/apt/history.log", true),
            ("/root/.bash_history", true),
            ("/home/debian/.bash_history", false),
            ("/var/lib/cloud/data/instance-id", true),
            ("/tmp/left", true),
            ("/tmp/.X11-unix/X0", false),
            ("/etc/ssh/ssh_host_ed25519_key", true),
            ("/etc/ssh/ssh_host_ed25519_key.pub", false),
            ("/etc/nvme/hostid", true),
        ] {
            assert_eq!(
                after.get(path).is_some_and(|content| !content.is_empty()),
                stays,
                "{}: {path}",
                tools.name
            );
        }
        assert_eq!(after["/var/log/syslog"], b"");
    }
}

/// Links that lead elsewhere, names that mean something to a shell, and second names of files.
#[test]
fn a_hostile_tree_leads_clean_up_nowhere() {
    for tools in tools() {
        let system = System::dirty();
        for path in ["/srv/data/precious", "/srv/data/ssh_host_x_key", "/srv/data/sub/file", "/etc/important"]
        {
            system.write(path, b"precious\n");
        }
        system.write("/etc/ssl/kept", b"precious\n");
        for (link, to) in [
            ("/var/log/journal", "/srv/data"),
            ("/var/crash", "/srv/data"),
            ("/var/cache/dnf", "/srv/data"),
            ("/var/lib/puppet", "/srv/data"),
            ("/var/mail", "/srv/data"),
            ("/var/lib/samba", "/srv/data"),
            ("/var/spool/cron", "/srv/data"),
            ("/var/lib/cloud", "/srv"),
            ("/etc/puppet", "."),
            ("/etc/machine-id", "important"),
            ("/var/log/link.log", "/srv/data/precious"),
            ("/home/debian", "/srv/data"),
            ("/root/.ssh", "/srv/data"),
            ("/var/tmp", "/srv/data"),
            ("/var/lib/systemd/coredump", "../../../srv/data"),
        ] {
            let at = system.at(link);
            let _ = fs::remove_dir_all(&at).or_else(|_| fs::remove_file(&at));
            symlink(to, at).unwrap();
        }
        fs::create_dir_all(system.at("/srv/data/data")).unwrap();
        system.write("/srv/data/data/precious", b"precious\n");
        system.write("/srv/data/id_x.pub", b"precious\n");
        system.write("/srv/data/.bash_history", b"precious\n");
        for second in
            ["/var/log/hard.log", "/etc/security/opasswd", "/etc/iscsi/initiatorname.iscsi", "/swap2"]
        {
            let _ = fs::remove_file(system.at(second));
            fs::hard_link(system.at("/etc/important"), system.at(second)).unwrap();
        }
        // A second name of a swap file is a file that somebody wants.
        system.write("/srv/data/area", &swap_file(b"SWAPSPACE2"));
        fs::hard_link(system.at("/srv/data/area"), system.at("/swap3")).unwrap();
        system.write(
            "/etc/fstab",
            b"/etc/important none swap sw 0 0\n/swap2 none swap sw 0 0\n/swap3 none swap sw 0 0\n/srv/data/precious\t$(rm) swap swap 0 0\n",
        );
        system.write(
            "/etc/passwd",
            b"a:x:1:1::/srv/data/../../etc:/bin/sh\nb:x:1:1::$(rm -rf /etc):/\nc:x:1:1::*:/\n-:x:::-rf:\n",
        );
        for name in [
            "/var/log/-rf",
            "/var/log/--help.log",
            "/var/log/new\nline.log",
            "/var/log/new\n/etc/important.gz",
            "/var/log/$(rm -rf etc).log",
            "/var/log/`rm -rf etc`.1",
            "/var/log/a b*.log",
            "/tmp/-delete",
            "/tmp/x\n/etc/important",
            "/var/log/'; rm -rf /etc; '.log",
        ] {
            system.write(name, b"something\n");
        }
        system.write("/etc/key\n-e\n/etc/important", b"-----BEGIN PRIVATE KEY-----\n");
        let before = system.files();
        system.clean(tools, &all_but(&[]), &[]);
        let after = system.files();
        for (path, content) in &before {
            let precious =
                path.starts_with("/srv/data/") || path == "/etc/important" || path == "/etc/ssl/kept";
            // Names that a topic clears wherever a link of their folder leads; they are as precise as that.
            assert!(
                !precious || after.get(path) == Some(content),
                "{}: {path} is {:?}",
                tools.name,
                after.get(path).map(|now| String::from_utf8_lossy(now))
            );
        }
        let left: Vec<&String> = after
            .iter()
            .filter(|(path, content)| path.starts_with("/var/log/") && !content.is_empty())
            .map(|(path, _)| path)
            .collect();
        assert_eq!(left, ["/var/log/journal", "/var/log/link.log"], "{}", tools.name);
        assert!(!after.keys().any(|path| path.starts_with("/tmp/")), "{}", tools.name);
        assert!(fs::symlink_metadata(system.at("/etc/machine-id")).unwrap().is_file());
    }
}

/// The rows of a table of the documentation, by the first words of its head: cells without their blanks.
fn table(head: &str) -> Vec<Vec<String>> {
    let rows: Vec<Vec<String>> = include_str!("../../docs/cleanup.md")
        .lines()
        .skip_while(|line| !line.starts_with(head))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect())
        .collect();
    assert!(!rows.is_empty(), "{head}");
    rows
}

/// The words between backticks.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[test]
fn the_documented_topics_and_presets_are_those_that_there_are() {
    let documented: BTreeMap<String, [bool; 3]> = table("| topic")
        .into_iter()
        .map(|row| {
            assert_eq!(row[5] == "on request", row[2].is_empty(), "{row:?}");
            (quoted(&row[0])[0].to_owned(), [2, 3, 4].map(|column: usize| row[column] == "yes"))
        })
        .collect();
    let presets = [CleanupPreset::Cloud, CleanupPreset::Identity, CleanupPreset::Minimal];
    let known: BTreeMap<String, [bool; 3]> = CleanupTopic::ALL
        .into_iter()
        .map(|topic| (topic.as_str().to_owned(), presets.map(|preset| preset.includes(topic))))
        .collect();
    assert_eq!(documented, known);
    assert!(CleanupTopic::ALL.iter().all(|topic| !CleanupPreset::None.includes(*topic)));
    // What an editor offers.
    for (option, wanted) in [("keep", false), ("remove", true)] {
        let offered: BTreeSet<&str> = STATEMENTS
            .iter()
            .find(|info| info.keyword == Keyword::Cleanup)
            .and_then(|info| info.options().iter().find(|one| one.name == option))
            .unwrap()
            .words
            .iter()
            .map(|word| word.0)
            .collect();
        let topics = CleanupTopic::ALL.into_iter().filter(|topic| wanted || !topic.is_on_request());
        assert_eq!(offered, topics.map(CleanupTopic::as_str).collect(), "{option}");
    }
}

#[test]
fn each_operation_of_virt_sysprep_has_its_answer() {
    let operations: Vec<&str> =
        include_str!("cleanup/virt-sysprep.txt").lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(operations.len(), 43);
    let rows = table("| virt-sysprep");
    let answered: Vec<&str> = rows.iter().map(|row| quoted(&row[0])[0]).collect();
    assert_eq!(answered, operations);
    for row in &rows {
        let topics: Vec<CleanupTopic> = quoted(&row[1])
            .into_iter()
            .filter_map(|word| CleanupTopic::ALL.into_iter().find(|topic| topic.as_str() == word))
            .collect();
        let answer = &row[1];
        if answer.starts_with("no: ")
            || answer.starts_with("statements ")
            || answer.starts_with("the statement ")
        {
            continue;
        }
        let is_statement = answer.starts_with("`user NAME");
        assert!(is_statement || !topics.is_empty(), "{row:?}");
        assert_eq!(
            topics.iter().any(|topic| topic.is_on_request()),
            answer.contains("on request"),
            "{row:?}"
        );
    }
}

//! The product's choice of packages is the image's own apt's choice.
//!
//! Needs `apt-get` on the host and a Debian archive among the host's own sources; without them it
//! says so and passes. A private apt root is made for each release: its sources are the
//! release's suites, its dpkg status our own bootstrap set. Then the host's apt is asked about
//! many packages (`apt-get --simulate`), and every answer is compared, names and versions.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use sha2::{Digest, Sha256};

use imgfile::catalog::{self, Catalog};
use imgfile::packages::apt::{
    Universe, bootstrap_set, extended_states, read_index, read_list, read_sources, solve, verify_release,
};
use imgfile::packages::stanzas;
use imgfile::packages::{
    IndexSource, InstalledPackage, Keyring, Mirrors, Moment, Request, Selected, Signed, Upgrade, Want, after,
};
use imgfile::text::Sources;

/// What is compared beyond the sample: everything that is known to be hard, or that people build
/// images of.
const HARD: &[&str] = &[
    "nginx",
    "nginx-light",
    "apache2",
    "haproxy",
    "lighttpd",
    "caddy",
    "mariadb-server",
    "postgresql",
    "redis-server",
    "memcached",
    "rabbitmq-server",
    "nodejs",
    "npm",
    "python3",
    "python3-pip",
    "python3-venv",
    "default-jdk-headless",
    "default-jre",
    "tomcat10",
    "php-fpm",
    "php",
    "docker.io",
    "podman",
    "prometheus-node-exporter",
    "fail2ban",
    "unattended-upgrades",
    "chrony",
    "curl",
    "git",
    "exim4",
    "postfix",
    "bsd-mailx",
    "dovecot-imapd",
    "samba",
    "bind9",
    "wordpress",
    "gitlab-runner",
    "jenkins",
    "ansible",
    "build-essential",
    "gcc",
    "clang",
    "rustc",
    "golang",
    "ruby",
    "ruby-full",
    "perl",
    "tcl",
    "r-base-core",
    "octave",
    "emacs-nox",
    "emacs",
    "vim",
    "nano",
    "tmux",
    "screen",
    "zsh",
    "fish",
    "openssh-server",
    "openvpn",
    "wireguard",
    "strongswan",
    "ufw",
    "nftables",
    "iptables-persistent",
    "squid",
    "varnish",
    "mosquitto",
    "influxdb",
    "grafana",
    "zabbix-agent",
    "snmpd",
    "rsyslog",
    "syslog-ng",
    "logrotate",
    "cron",
    "anacron",
    "systemd-cron",
    "at",
    "sudo",
    "policykit-1",
    "network-manager",
    "ifupdown",
    "netplan.io",
    "systemd-resolved",
    "resolvconf",
    "dnsmasq",
    "avahi-daemon",
    "cups",
    "gnome-core",
    "xfce4",
    "lightdm",
    "xorg",
    "firefox-esr",
    "chromium",
    "libreoffice-writer",
    "texlive-latex-base",
    "imagemagick",
    "ffmpeg",
    "vlc-bin",
    "qemu-system-x86",
    "libvirt-daemon-system",
    "lxc",
    "buildah",
    "skopeo",
    "cloud-init",
    "grub-pc",
    "grub-efi-amd64",
    "grub-cloud-amd64",
    "linux-image-amd64",
    "linux-image-cloud-amd64",
    "dracut",
    "initramfs-tools",
    "plymouth",
    "lvm2",
    "mdadm",
    "cryptsetup",
    "btrfs-progs",
    "xfsprogs",
    "zfs-fuse",
    "nfs-kernel-server",
    "glusterfs-server",
    "ceph-common",
    "slapd",
    "sssd",
    "krb5-kdc",
    "freeradius",
    "mercurial",
    "subversion",
    "cvs",
    "maven",
    "gradle",
    "ant",
    "scala",
    "erlang",
    "elixir",
    "ghc",
    "ocaml",
    "sbcl",
    "mono-complete",
    "qt6-base-dev",
    "libgtk-4-dev",
    "libboost-all-dev",
    "libssl-dev",
    "default-libmysqlclient-dev",
    "libpq-dev",
    "phpmyadmin",
    "roundcube",
    "mediawiki",
    "drupal9",
    "moodle",
    "nagios4",
    "icinga2",
    "munin",
    "collectd",
    "sysvinit-core",
    "runit-init",
    "mawk",
    "gawk",
    "default-mta",
    "mail-transport-agent",
    "awk",
    "init",
    "debconf-kde-helper",
    "libc6-dev",
    "busybox-static",
    "dash",
];

/// How many further packages are taken, evenly spread over the index: apt takes a second for each.
const SAMPLE: usize = 40;

/// For `make test-long`: minutes each (.config/nextest.toml).
mod long {
    use super::*;

    #[test]
    fn debian_12() {
        compare("bookworm", 1);
    }

    #[test]
    fn debian_13() {
        compare("trixie", 1);
    }
}

/// Every second question: apt takes a second for each.
#[test]
fn debian_13() {
    compare("trixie", 2);
}

/// Asks one of so many questions.
fn compare(codename: &str, every: usize) {
    let root = AptRoot::make(codename);
    let universe = root.universe();
    let include: Vec<Want> =
        ["systemd-sysv", "openssh-server", "sudo", "dbus", "ca-certificates"].into_iter().map(want).collect();
    let base = bootstrap_set(&universe, &include).unwrap();
    let installed = root.install(&universe, &base);
    let questions: Vec<_> = questions(&universe).into_iter().step_by(every).collect();
    let (agree, unsolvable, differences) = root.compare_all(&universe, &installed, &questions);
    println!("{codename}: {} installed, {agree} agree, of which apt refuses {unsolvable}", installed.len());
    assert!(differences.is_empty(), "{codename}: {} differ\n{}", differences.len(), differences.join("\n"));
    assert!(agree >= 180 / every, "only {agree} packages were compared");
}

fn questions(universe: &Universe) -> Vec<Vec<String>> {
    let names: BTreeSet<&str> = universe.names().collect();
    let step = (names.len() / SAMPLE).max(1);
    let sample = names.iter().step_by(step).map(|name| vec![(*name).to_owned()]);
    let known = HARD.iter().filter(|name| names.contains(*name)).map(|name| vec![(*name).to_owned()]);
    let together = [
        &["nginx", "php-fpm", "mariadb-server"][..],
        &["docker.io", "git", "curl", "jq"],
        &["postgresql", "redis-server", "python3-venv"],
        &["default-jdk-headless", "tomcat10", "haproxy"],
        &["apache2", "libapache2-mod-php", "wordpress"],
        &["exim4", "postfix"],
    ]
    .into_iter()
    .filter(|set| set.iter().all(|name| names.contains(name)))
    .map(|set| set.iter().map(|name| (*name).to_owned()).collect());
    known.chain(together).chain(catalogue(&names)).chain(sample).collect()
}

/// The packages of each application of the built-in catalogue, as one request. Names that depend
/// on options are left out here; an application of another release asks for nothing that is known.
fn catalogue(names: &BTreeSet<&str>) -> Vec<Vec<String>> {
    let mut sources = Sources::default();
    let layer = catalog::builtin(&mut sources);
    let (catalogue, diagnostics) = Catalog::load(&[layer], &sources);
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    let mut sets: Vec<Vec<String>> = Vec::new();
    for app in catalogue.apps() {
        let of_versions = app.versions.iter().filter_map(|version| version.packages.as_ref());
        for packages in of_versions.chain([&app.packages]) {
            let constant = packages
                .of(&imgfile::model::APT)
                .iter()
                .filter(|package| package.is_constant())
                .map(imgfile::catalog::Template::text);
            let set: Vec<String> = constant.filter(|name| names.contains(name)).map(str::to_owned).collect();
            if !set.is_empty() && !sets.contains(&set) {
                sets.push(set);
            }
        }
    }
    assert!(sets.len() >= 20, "the catalogue has {} sets of packages", sets.len());
    sets
}

fn want(name: &str) -> Want {
    Want { name: name.to_owned(), version: None }
}

/// The files of all packages to install or upgrade; or that nothing can be done.
type Answer = Option<BTreeSet<String>>;

/// The name under which apt keeps a package: name, version and architecture.
fn file_name(one: &Selected) -> String {
    format!("{}_{}_{}.deb", one.name, one.version.as_str().replace(':', "%3a"), one.arch)
}

struct AptRoot {
    dir: PathBuf,
}

impl AptRoot {
    /// A private root with fresh lists.
    fn make(codename: &str) -> Self {
        let mirrors = host_mirrors().expect("this test needs apt sources that name Debian's archive");
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("apt-{codename}"));
        for folder in
            ["etc/apt/apt.conf.d", "etc/apt/preferences.d", "state/lists/partial", "cache/archives/partial"]
        {
            std::fs::create_dir_all(dir.join(folder)).unwrap();
        }
        std::fs::write(dir.join("status"), "").unwrap();
        let keys = dir.join("keys.asc");
        std::fs::write(&keys, include_str!("../../src/packages/keys/debian-archive.asc")).unwrap();
        let mut list = String::new();
        for archive in mirrors.suites(codename) {
            writeln!(
                list,
                "deb [arch=amd64 signed-by={}] {} {} {}",
                keys.display(),
                archive.url,
                archive.suite,
                archive.components.join(" ")
            )
            .unwrap();
        }
        std::fs::write(dir.join("etc/apt/sources.list"), list).unwrap();
        let root = Self { dir };
        let update = root.apt().arg("update").output().unwrap();
        let complaints = String::from_utf8_lossy(&update.stderr);
        assert!(update.status.success() && root.lists("_Packages").len() >= 3, "{complaints}");
        root
    }

    /// `apt-get` with nothing of the host's own configuration: apt reads the file that
    /// `APT_CONFIG` names first, and that moves every other place into the private root.
    fn apt(&self) -> Command {
        let dir = self.dir.display();
        let configuration = format!(
            "APT::Architecture \"amd64\";\nAPT::Architectures {{ \"amd64\"; }};\nDir \"{dir}/\";\n\
             Dir::Etc \"{dir}/etc/apt/\";\nDir::State \"{dir}/state/\";\nDir::State::status \"{dir}/status\";\n\
             Dir::State::extended_states \"{dir}/extended_states\";\nDir::Cache \"{dir}/cache/\";\n\
             Acquire::Languages \"none\";\nAcquire::GzipIndexes \"false\";\nAPT::Sandbox::User \"\";\n\
             Debug::NoLocking \"true\";\n"
        );
        let file = self.dir.join("apt.conf");
        if std::fs::read_to_string(&file).unwrap_or_default() != configuration {
            std::fs::write(&file, configuration).unwrap();
        }
        let mut command = Command::new("apt-get");
        command.env("LC_ALL", "C.UTF-8").env("APT_CONFIG", file);
        command
    }

    fn lists(&self, suffix: &str) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.dir.join("state/lists")).unwrap();
        let mut lists: Vec<_> = entries
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.to_string_lossy().ends_with(suffix))
            .collect();
        lists.sort();
        lists
    }

    /// The same lists that apt has just fetched, through our own reader and signature check.
    fn universe(&self) -> Universe {
        let keys = Keyring::debian().unwrap();
        let list = std::fs::read_to_string(self.dir.join("etc/apt/sources.list")).unwrap();
        let sources: Vec<_> = read_list(&list)
            .into_iter()
            .map(|entry| {
                let suite = format!("_dists_{}_", entry.suites[0]);
                let find = |suffix: &str| {
                    self.lists(suffix)
                        .into_iter()
                        .find(|path| path.to_string_lossy().contains(&suite))
                        .unwrap()
                };
                let signed = Signed::Inline(std::fs::read(find("_InRelease")).unwrap());
                let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
                let release = verify_release(&signed, &keys, Moment::Now(now)).unwrap();
                let packages = std::fs::read(find("_Packages")).unwrap();
                IndexSource {
                    archive: entry.uris[0].clone(),
                    priority: release.priority,
                    release: None,
                    index: read_index(&*packages).unwrap(),
                }
            })
            .collect();
        Universe::new("amd64", &sources)
    }

    /// Writes dpkg's status and apt's marks as if the set were installed.
    fn install(&self, universe: &Universe, base: &[Selected]) -> Vec<InstalledPackage> {
        let mut wanted: BTreeMap<(String, String), bool> =
            base.iter().map(|one| ((one.name.clone(), one.version.to_string()), false)).collect();
        let mut status = String::new();
        for path in self.lists("_Packages") {
            for stanza in stanzas(&std::fs::read_to_string(path).unwrap()) {
                let key =
                    (stanza.get("Package").unwrap().to_owned(), stanza.get("Version").unwrap().to_owned());
                if let Some(done @ false) = wanted.get_mut(&key) {
                    *done = true;
                    status.push_str("Status: install ok installed\n");
                    status.push_str(stanza.text());
                    status.push('\n');
                }
            }
        }
        assert!(wanted.values().all(|done| *done));
        let installed =
            after(&[], &imgfile::packages::Solution { install: base.into(), ..Default::default() });
        let marks = extended_states(&installed, universe.arch());
        std::fs::write(self.dir.join("status"), &status).unwrap();
        std::fs::write(self.dir.join("extended_states"), &marks).unwrap();
        let read = InstalledPackage::read_status(&status, &marks);
        assert_eq!(read.len(), installed.len());
        let autos = |all: &[InstalledPackage]| -> BTreeSet<String> {
            all.iter().filter(|one| one.auto).map(|one| one.name.clone()).collect()
        };
        assert_eq!(autos(&read), autos(&installed));
        // apt's cache is built once, before the questions run side by side.
        assert!(self.apt().arg("check").output().unwrap().status.success(), "the base is not sound");
        read
    }

    fn ask(&self, names: &[String]) -> Answer {
        let output = self
            .apt()
            .args([
                "--print-uris",
                "-qq",
                "--no-install-recommends",
                "--no-remove",
                "--assume-yes",
                "install",
            ])
            .args(names)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let files = text
            .lines()
            .filter_map(|line| Some(line.strip_prefix('\'')?.split_whitespace().nth(1)?.to_owned()));
        output.status.success().then(|| files.collect())
    }

    /// apt's answers so far. They are kept, under a digest of everything that decides them: apt
    /// takes a second for each.
    fn answers(&self) -> (PathBuf, BTreeMap<String, Answer>) {
        let mut digest = Sha256::new();
        for path in self
            .lists("_InRelease")
            .into_iter()
            .chain([self.dir.join("status"), self.dir.join("extended_states")])
        {
            digest.update(std::fs::read(path).unwrap());
        }
        let path = self.dir.join(format!("answers-{}.json", hex::encode(&digest.finalize()[..8])));
        let known = std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        (path, known.unwrap_or_default())
    }

    fn compare_all(
        &self,
        universe: &Universe,
        installed: &[InstalledPackage],
        questions: &[Vec<String>],
    ) -> (usize, usize, Vec<String>) {
        let next = AtomicUsize::new(0);
        let (path, known) = self.answers();
        let fresh = Mutex::new(known.clone());
        let results = Mutex::new((0, 0, Vec::new()));
        std::thread::scope(|scope| {
            for _ in 0..std::thread::available_parallelism().map_or(2, std::num::NonZero::get) {
                scope.spawn(|| {
                    while let Some(names) = questions.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let key = names.join(" ");
                        let theirs = known.get(&key).cloned().unwrap_or_else(|| self.ask(names));
                        let mut fresh = fresh.lock().unwrap();
                        fresh.insert(key, theirs.clone());
                        if fresh.len() % 20 == 0 {
                            std::fs::write(&path, serde_json::to_vec(&*fresh).unwrap()).unwrap();
                        }
                        drop(fresh);
                        let request = Request {
                            install: names.iter().map(|name| want(name)).collect(),
                            upgrade: Upgrade::No,
                            ..Request::default()
                        };
                        let ours = solve(universe, installed, &request);
                        let reason = ours.as_ref().err().map(|error| format!("{error:?}"));
                        let ours: Answer = ours.ok().map(|all| all.install.iter().map(file_name).collect());
                        let mut results = results.lock().unwrap();
                        if ours == theirs {
                            results.0 += 1;
                            results.1 += usize::from(theirs.is_none());
                        } else {
                            results.2.push(difference(names, theirs.as_ref(), ours.as_ref(), reason));
                        }
                    }
                });
            }
        });
        std::fs::write(&path, serde_json::to_vec(&fresh.into_inner().unwrap()).unwrap()).unwrap();
        let (agree, unsolvable, mut differences) = results.into_inner().unwrap();
        differences.sort();
        (agree, unsolvable, differences)
    }
}

fn difference(
    names: &[String],
    theirs: Option<&BTreeSet<String>>,
    ours: Option<&BTreeSet<String>>,
    reason: Option<String>,
) -> String {
    let only = |a: Option<&BTreeSet<String>>, b: Option<&BTreeSet<String>>| match (a, b) {
        (None, _) => "no answer".to_owned(),
        (Some(a), None) => format!("{} packages", a.len()),
        (Some(a), Some(b)) => a.difference(b).cloned().collect::<Vec<_>>().join(" "),
    };
    let names = names.join(" ");
    format!(
        "{names}: only apt [{}], only here [{}] {}",
        only(theirs, ours),
        only(ours, theirs),
        reason.unwrap_or_default()
    )
}

fn host_mirrors() -> Option<Mirrors> {
    let mut entries = read_list(&std::fs::read_to_string("/etc/apt/sources.list").unwrap_or_default());
    let mut files: Vec<_> = std::fs::read_dir("/etc/apt/sources.list.d")
        .map(|folder| folder.filter_map(|entry| Some(entry.ok()?.path())).collect())
        .unwrap_or_default();
    files.sort();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        match file.extension().and_then(|ext| ext.to_str()) {
            Some("list") => entries.extend(read_list(&text)),
            Some("sources") => entries.extend(read_sources(&text)),
            _ => {}
        }
    }
    Mirrors::of_host(&entries)
}

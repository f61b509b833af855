//! The options of statements, and the fixed words of their values.

use super::ValueKind::{
    self, Account, Boolean, Choice, Duration, FileOrText, Integer, Mode, Pairs, Secrets, Size, Sources, Text,
    Texts,
};
use super::{OptionInfo, When, Word};
use crate::hygiene::RULES;
use crate::model::OutputFormat;

const BOOLEAN: &[Word] = &[("true", ""), ("false", "")];

/// An option; a truth value has the words for it.
const fn option(name: &'static str, value: ValueKind, about: &'static str) -> OptionInfo {
    let words = if matches!(value, ValueKind::Boolean) { BOOLEAN } else { &[] };
    OptionInfo { name, about, value, words, when: When::Always }
}

impl OptionInfo {
    const fn words(self, words: &'static [Word]) -> Self {
        Self { words, ..self }
    }

    const fn when(self, when: When) -> Self {
        Self { when, ..self }
    }
}

pub(super) const BASE: &[OptionInfo] = &[
    option("upgrade", Boolean, "`true`: bring the base's packages up to date before anything else"),
    option("firmware", Choice, "only bases that boot under it: `bios` or `uefi`")
        .words(&[("bios", ""), ("uefi", "")]),
];

pub(super) const PACKAGES: &[OptionInfo] = &[
    option("remove", Texts, "packages to remove"),
    option("recommends", Boolean, "`true`: take the packages that they recommend along"),
    option("keep", Boolean, "`false`: there for the scripts, gone before clean-up"),
];

pub(super) const ARCHIVE: &[OptionInfo] = &[
    option("components", Texts, "components of the archive, such as `contrib`").words(&[
        ("contrib", ""),
        ("non-free", ""),
        ("non-free-firmware", ""),
    ]),
    option("suites", Texts, "further suites of the distribution, such as `backports`")
        .words(&[
            ("backports", "newer packages, chosen only where asked for"),
            ("proposed-updates", "what the next point release brings"),
            ("updates", "what cannot wait for it, there unless the base has another choice"),
        ])
        .when(When::NoAddress),
    option("suite", Text, "the suite of another archive").when(When::Address),
    option("key", FileOrText, "the key that signs it: a file of the project, or its text")
        .when(When::Address),
    option("fingerprint", Text, "fingerprint that the key must have").when(When::Address),
    option("priority", Integer, "apt's pin, 1 to 1000").when(When::Address),
    option("keep", Boolean, "`false`: it does not stay among the image's sources"),
];

pub(super) const ACCOUNT: &[OptionInfo] = &[
    option("groups", Texts, "supplementary groups"),
    option("sudo", Boolean, "`true`: may use sudo without a password"),
    option("shell", Text, "login shell, such as `/bin/bash`"),
    option("uid", Integer, "user number"),
    option("gid", Integer, "number of its own group"),
    option("home", Text, "home folder; the default is below /home, and none for a system account"),
    option(
        "system",
        Boolean,
        "`true`: for a service, with a low number, no shell and no home unless they are named",
    ),
    option("comment", Text, "what it is for, in a few words"),
    option("ssh_keys", Texts, "lines for authorized_keys"),
    option("password_hash", Text, "a crypt(3) hash, such as `$y$…`"),
];

pub(super) const GROUP: &[OptionInfo] = &[
    option("gid", Integer, "group number"),
    option("system", Boolean, "`true`: a number below those of people"),
];

pub(super) const USER: &[OptionInfo] =
    &[option("keep", Boolean, "`false`: the account is taken away at the end of the build")];

pub(super) const COPY: &[OptionInfo] = &[
    option("owner", Account, "account name or number; the default is `root`"),
    option("group", Account, "group name or number; the default is `root`"),
    option("mode", Mode, "octal mode of files, such as `0644`; folders get x where it has r"),
    option("dir_mode", Mode, "octal mode of folders, such as `0750`").when(When::NoHeredoc),
    option("unpack", Boolean, "`true`: unpack the downloaded archive into the destination")
        .when(When::OneOf(0, &["url"])),
    option("strip", Integer, "leading path components to drop when unpacking").when(When::OneOf(0, &["url"])),
    option("early", Boolean, "`true`: before packages are installed, such as settings of dpkg"),
];

pub(super) const SCRIPT: &[OptionInfo] = &[
    option("name", Text, "what the step is called in reports; the default is its path"),
    option(
        "user",
        Account,
        "who runs it; the default is the image's default user, `root` is the other likely one",
    ),
    option("env", Pairs, "variables on top of the image's: `{ KEY = \"value\" }`"),
    option("timeout", Duration, "how long it may run, such as `10m`; the default is `1h`"),
    option("retries", Integer, "how often to try again after a failure, 0 to 20"),
    option("secrets", Secrets, "names of `secret`s that appear under /run/secrets while it runs"),
    option("offline", Boolean, "`true`: in a chroot, as root, without booting the system"),
    option("network", Boolean, "`true`: an offline script reaches the network, as booted ones do"),
    option(
        "with",
        Sources,
        "files and folders of the project to lay at /run/imgfile/project, its working directory",
    ),
];

pub(super) const SERVICE: &[OptionInfo] =
    &[option("active", Boolean, "`false`: the test boot does not require the unit to be active")];

pub(super) const MACHINE: &[OptionInfo] = &[
    option("cpus", Integer, "virtual processors of the machine that builds"),
    option("memory", Size, "memory of the machine that builds, such as `2GiB`"),
];

const TOPICS: &[Word] = &[
    ("machine-id", "the machine's identity, made again at first boot"),
    ("ssh-host-keys", "made again at first boot"),
    ("random-seed", "the saved seed of the random generator"),
    ("service-identities", "keys and names that packages made, made again at first boot"),
    ("registrations", "with domains and management systems"),
    ("cloud-init", "state of cloud-init, so that it runs as on a new machine"),
    ("network-state", "names of network cards, hardware addresses, seen networks"),
    ("hardware-state", "lists and names of disks, the clock's drift"),
    ("dhcp-leases", "addresses that the build machine was given"),
    ("logs", "below /var/log"),
    ("crash-dumps", "core dumps and reports of crashes"),
    ("mail", "mailboxes, and what waits to be sent"),
    ("at-jobs", "what `at` was to run"),
    ("histories", "of shells"),
    ("user-ssh-keys", "key pairs and known hosts of accounts"),
    ("account-backups", "/etc/passwd- and its like"),
    ("package-caches", "downloaded packages and indexes"),
    ("swap", "what was swapped out, or left by hibernation"),
    ("tmp", "temporary files"),
];

/// Those of the presets, and those that only `remove` clears.
const REMOVABLE: &[Word] = &{
    let mut words = [("", ""); TOPICS.len() + ON_REQUEST.len()];
    let mut number = 0;
    while number < words.len() {
        words[number] =
            if number < TOPICS.len() { TOPICS[number] } else { ON_REQUEST[number - TOPICS.len()] };
        number += 1;
    }
    words
};

const ON_REQUEST: &[Word] = &[
    ("crontabs", "of accounts; no preset clears them"),
    ("backup-files", "`*.bak` and `*~`; no preset clears them"),
    ("authorized-keys", "who may log in by a key; no preset clears it"),
    ("builder-sudo", "the default user's right to use sudo; no preset clears it"),
    ("kerberos-data", "a key distribution centre's database; no preset clears it"),
    ("samba-data", "Samba's accounts and databases; no preset clears them"),
];

pub(super) const CLEANUP: &[OptionInfo] = &[
    option("keep", Texts, "what the preset would clear and this image keeps").words(TOPICS),
    option("remove", Texts, "topics or absolute paths to clear besides").words(REMOVABLE),
    option("allow", Texts, "rules that the finished disk may break, by their numbers").words(RULES_BY_NUMBER),
];

/// Every rule for finished disks, with what breaks it.
const RULES_BY_NUMBER: &[(&str, &str)] = &{
    let mut words = [("", ""); RULES.len()];
    let mut at = 0;
    while at < words.len() {
        words[at] = (RULES[at].id, RULES[at].title);
        at += 1;
    }
    words
};

pub(super) const OUTPUT: &[OptionInfo] = &[
    option("name", Text, "the image's name where it is used, 1 to 255 printable ASCII characters"),
    option("compression", Choice, "`zstd`, `zlib`, `fast` or `none`")
        .words(&[
            ("zstd", "fast, for qcow2"),
            ("zlib", "slower, for formats and programs that lack zstd"),
            ("fast", "zstd at its quickest, for qcow2"),
            ("none", "as large as its contents"),
        ])
        .when(When::OneOf(0, &["qcow2", "vmdk", "gce"])),
    option("subformat", Choice, "of a `vhd`: `fixed`, what Azure takes, or `dynamic`")
        .words(&[("fixed", "as large as its disk, the default"), ("dynamic", "grows with its content")])
        .when(When::OneOf(0, &["vhd"])),
];

pub(super) const PUBLISH: &[OptionInfo] = &[
    option("name", Text, "what it is called there; the default is the output's name"),
    option("format", Choice, "which `output` is sent; the default is the first that the target takes")
        .words(&FORMAT_NAMES),
    option("regions", Texts, "regions of the service; the default is the target's own"),
    option("share", Texts, "projects that may use it, by their ids; they accept it there"),
    option("protect", Boolean, "`true`: it cannot be deleted there until somebody takes that off"),
    option("visibility", Choice, "who sees it; the default is `private`, and `shared` with `share`").words(
        &[
            ("private", "the project that it is published to"),
            ("shared", "and the projects that it is shared with"),
            ("community", "everybody who knows its id"),
            ("public", "everybody, which services let administrators say"),
        ],
    ),
    option("min_disk", Size, "smallest disk of an instance; the default is that of the image")
        .words(&[("auto", "as large as the image's own disk")]),
    option("properties", Pairs, "more of what the service is told of it: `{ hw_disk_bus = \"virtio\" }`"),
    option("tags", Texts, "words to find it by"),
];

/// The formats of `output`; who takes them is told there.
const FORMAT_NAMES: [Word; OutputFormat::ALL.len()] = {
    let mut words = [("", ""); OutputFormat::ALL.len()];
    let mut at = 0;
    while at < words.len() {
        words[at] = (OutputFormat::ALL[at].as_str(), "");
        at += 1;
    }
    words
};

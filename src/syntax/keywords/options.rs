//! Words of the language with what they mean: option keys and fixed values, for completion and hover.
//! Statements themselves are described by [`super::statements::STATEMENTS`].

use crate::model::DiskFormat;

/// A key or value with one line about it.
pub(crate) type Word = (&'static str, &'static str);

/// The formats of `output`, each with who takes it.
const FORMATS: [Word; DiskFormat::ALL.len()] = {
    let mut words = [("", ""); DiskFormat::ALL.len()];
    let mut number = 0;
    while number < words.len() {
        words[number] = (DiskFormat::ALL[number].as_str(), DiskFormat::ALL[number].about());
        number += 1;
    }
    words
};

const SCRIPT: &[Word] = &[
    ("name", "what the step is called in reports; the default is its path"),
    ("user", "who runs it; the default is the image's default user, `root` is the other likely one"),
    ("env", "variables on top of the image's: `{ KEY = \"value\" }`"),
    ("timeout", "how long it may run, such as `10m`; the default is `1h`"),
    ("retries", "how often to try again after a failure, 0 to 20"),
    ("secrets", "names of `secret`s that appear under /run/secrets while it runs"),
    ("offline", "`true`: in a chroot, as root, without booting the system"),
    ("network", "`true`: an offline script reaches the network, as booted ones do"),
    ("with", "files and folders of the project to lay at /run/imagefile/project, its working directory"),
];

/// The options of a statement, but for `app`, whose options the catalogue declares.
pub(crate) fn options(keyword: &str) -> &'static [Word] {
    match keyword {
        "base" => &[
            ("upgrade", "`true`: bring the base's packages up to date before anything else"),
            ("firmware", "only bases that boot under it: `bios` or `uefi`"),
        ],
        "packages" => &[
            ("remove", "packages to remove"),
            ("recommends", "`true`: take the packages that they recommend along"),
            ("keep", "`false`: there for the scripts, gone before clean-up"),
        ],
        "archive" => &[
            ("components", "components of the archive, such as `contrib`"),
            ("suites", "further suites of the distribution, such as `backports`"),
            ("suite", "the suite of another archive"),
            ("key", "the key that signs it: a file of the project, or its text"),
            ("fingerprint", "fingerprint that the key must have"),
            ("priority", "apt's pin, 1 to 1000"),
            ("keep", "`false`: it does not stay among the image's sources"),
        ],
        "account" => &[
            ("groups", "supplementary groups"),
            ("sudo", "`true`: may use sudo without a password"),
            ("shell", "login shell, such as `/bin/bash`"),
            ("uid", "user number"),
            ("gid", "number of its own group"),
            ("home", "home folder; the default is below /home, and none for a system account"),
            (
                "system",
                "`true`: for a service, with a low number, no shell and no home unless they are named",
            ),
            ("comment", "what it is for, in a few words"),
            ("ssh_keys", "lines for authorized_keys"),
            ("password_hash", "a crypt(3) hash, such as `$y$…`"),
        ],
        "group" => &[("gid", "group number"), ("system", "`true`: a number below those of people")],
        "user" => &[("keep", "`false`: the account is taken away at the end of the build")],
        "copy" => &[
            ("owner", "account name or number; the default is `root`"),
            ("group", "group name or number; the default is `root`"),
            ("mode", "octal mode of files, such as `0644`; folders get x where it has r"),
            ("dir_mode", "octal mode of folders, such as `0750`"),
            ("unpack", "`true`: unpack the downloaded archive into the destination"),
            ("strip", "leading path components to drop when unpacking"),
            ("early", "`true`: before packages are installed, such as settings of dpkg"),
        ],
        "script" | "test" => SCRIPT,
        "service" => &[("active", "`false`: the test boot does not require the unit to be active")],
        "machine" => &[
            ("cpus", "virtual processors of the machine that builds"),
            ("memory", "memory of the machine that builds, such as `2GiB`"),
        ],
        "cleanup" => &[
            ("keep", "what the preset would clear and this image keeps"),
            ("remove", "topics or absolute paths to clear besides"),
        ],
        "output" => &[
            ("name", "the image's name where it is used, 1 to 255 printable ASCII characters"),
            ("compression", "`zstd`, `zlib`, `fast` or `none`"),
            ("subformat", "of a `vhd`: `fixed`, what Azure takes, or `dynamic`"),
        ],
        _ => &[],
    }
}

/// Whether a statement whose first operand is written so can have this option.
pub(crate) fn can_have(keyword: &str, first: Option<&str>, key: &str) -> bool {
    match (keyword, key) {
        ("archive", "suites") => first.is_none_or(|of| !of.contains("://")),
        ("archive", "suite" | "key" | "fingerprint" | "priority") => {
            first.is_none_or(|of| of.contains("://"))
        }
        ("copy", "unpack" | "strip") => first.is_none_or(|of| of == "url"),
        ("copy", "dir_mode") => first.is_none_or(|of| !of.starts_with("<<")),
        ("output", "subformat") => first.is_none_or(|of| of == "vhd"),
        ("output", "compression") => first.is_none_or(|of| matches!(of, "qcow2" | "vmdk")),
        _ => true,
    }
}

const BOOLEAN: &[Word] = &[("true", ""), ("false", "")];

const TOPICS: &[Word] = &[
    ("machine-id", "the machine's identity, made again at first boot"),
    ("ssh-host-keys", "made again at first boot"),
    ("random-seed", "the saved seed of the random generator"),
    ("service-identities", "keys and names that packages made, made again at first boot"),
    ("registrations", "with domains and management systems"),
    ("cloud-init", "state of cloud-init, so that it runs as on a new machine"),
    ("network-state", "names of network cards, hardware addresses, seen networks"),
    ("dhcp-leases", "addresses that the build machine was given"),
    ("logs", "below /var/log"),
    ("crash-dumps", "core dumps and reports of crashes"),
    ("mail", "mailboxes below /var/mail"),
    ("histories", "of shells"),
    ("user-ssh-keys", "key pairs and known hosts of accounts"),
    ("account-backups", "/etc/passwd- and its like"),
    ("package-caches", "downloaded packages and indexes"),
    ("tmp", "temporary files"),
];

/// The values an option takes, where they are few words.
pub(crate) fn values(keyword: &str, key: &str) -> &'static [Word] {
    match (keyword, key) {
        ("base", "upgrade")
        | ("account", "sudo")
        | ("account" | "group", "system")
        | ("archive" | "packages" | "user", "keep")
        | ("packages", "recommends" | "remove")
        | ("copy", "early" | "unpack")
        | ("script" | "test", "offline" | "network")
        | ("service", "active") => BOOLEAN,
        ("base", "firmware") => &[("bios", ""), ("uefi", "")],
        ("output", "compression") => &[
            ("zstd", "fast, for qcow2"),
            ("zlib", "slower, for formats and programs that lack zstd"),
            ("fast", "zstd at its quickest, for qcow2"),
            ("none", "as large as its contents"),
        ],
        ("output", "subformat") => {
            &[("fixed", "as large as its disk, the default"), ("dynamic", "grows with its content")]
        }
        ("archive", "components") => &[("contrib", ""), ("non-free", ""), ("non-free-firmware", "")],
        ("archive", "suites") => &[
            ("backports", "newer packages, chosen only where asked for"),
            ("proposed-updates", "what the next point release brings"),
            ("updates", "what cannot wait for it, there unless the base has another choice"),
        ],
        ("cleanup", "keep" | "remove") => TOPICS,
        _ => &[],
    }
}

/// The fixed words of an operand, by its number.
pub(crate) fn operands(keyword: &str, index: usize, first: Option<&str>) -> &'static [Word] {
    match (keyword, index) {
        ("os", 0) => &[("linux", "")],
        ("archive", 0) => {
            &[("debian", "more of the distribution's own archive; others by their web address")]
        }
        ("arch", 0) => &[("x86_64", "the default, whatever the host"), ("aarch64", "64-bit ARM")],
        ("base", 0) => &[
            ("auto", "the resolver chooses, the default"),
            ("file", "a disk on this machine: `file \"PATH\"`"),
            ("url", "a download: `url \"URL\" sha256 \"…\"`"),
            ("image", "another image of this project: `image \"NAME\"`"),
        ],
        ("base", 2) if first == Some("file") => &[("sha256", "digest of the disk, 64 hexadecimal digits")],
        ("base", 2) if first == Some("url") => &[
            ("sha256", "digest of the disk, 64 hexadecimal digits"),
            ("sha512", "the same for publishers who give this one, 128 digits"),
        ],
        ("copy", 0) => &[("url", "a download: `url \"URL\" sha256 \"…\"`")],
        ("copy", 1) if first != Some("url") => &[("to", "the place in the image follows")],
        ("copy", 2) if first == Some("url") => &[
            ("sha256", "digest of the download, 64 hexadecimal digits"),
            ("sha512", "the same for publishers who give this one, 128 digits"),
        ],
        ("copy", 4) if first == Some("url") => &[("to", "the place in the image follows")],
        ("secret", 1) => {
            &[("from", "where it comes from follows; without it the user says that, by `--secret`")]
        }
        ("secret", 2) => {
            &[("env", "a variable of the environment of imgfile"), ("file", "a file on this machine")]
        }
        ("service", 1) => &[
            ("enabled", "started at boot"),
            ("disabled", "not started at boot"),
            ("masked", "cannot be started at all"),
        ],
        ("cleanup", 0) => &[
            ("cloud", "all that instances must not share, and all waste; the default"),
            ("identity", "only what makes an instance unique"),
            ("minimal", "only what it would be unsafe to share"),
            ("none", "nothing but the traces of the build"),
        ],
        ("network", 0) => {
            &[("full", "scripts reach the network, the default"), ("none", "scripts reach nothing")]
        }
        ("output", 0) => &FORMATS,
        ("param", 1) => &[
            ("string", "any text, the default"),
            ("integer", "such as `8080`"),
            ("boolean", "`true` or `false`"),
            ("size", "such as `8GiB`"),
            ("duration", "such as `10m`"),
            ("version", "such as `1.26`"),
        ],
        _ => &[],
    }
}

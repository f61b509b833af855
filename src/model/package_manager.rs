//! Package managers, as everybody may speak of them; what they do is in `packages`.

/// What is known of a package manager without any of its work.
#[derive(Debug, PartialEq, Eq)]
pub struct ManagerFacts {
    /// As locks, plans and catalogue files name it.
    pub name: &'static str,
    /// The program that a system with it has.
    pub program: &'static str,
    /// The systems that have it, as the end of a sentence: `of the Debian family`.
    pub family: &'static str,
    /// Distributions whose own it is, by the `ID` of os-release(5).
    pub distributions: &'static [&'static str],
    /// Folders of a system where it keeps what it knows. Without them no package can be installed, and in them nothing is
    /// a user's own.
    pub records: &'static [&'static str],
    /// Files that list the paths which packages brought, one a line, as a shell takes them.
    pub file_lists: &'static [&'static str],
    /// Folders where it keeps what it fetched, in files by the thousand of which none is a user's own.
    pub fetched: &'static [&'static str],
    /// The folder with its settings, among them the addresses of archives.
    pub settings: &'static str,
    /// How the paths of its files with passwords begin.
    pub passwords: &'static str,
    /// How a line begins that people take from its lists of sources.
    pub source_lines: &'static [&'static str],
    /// What such a list is called.
    pub source_list: &'static str,
}

/// All of them; the first is that of a system which nobody tells apart.
pub static PACKAGE_MANAGERS: &[&ManagerFacts] = &[&APT];

/// Debian's: dpkg, and apt on it.
pub static APT: ManagerFacts = ManagerFacts {
    name: "apt",
    program: "dpkg",
    family: "of the Debian family",
    distributions: &["debian", "ubuntu"],
    records: &["/var/lib/dpkg"],
    file_lists: &["/var/lib/dpkg/info/*.list"],
    fetched: &["/var/lib/apt"],
    settings: "/etc/apt",
    passwords: "/etc/apt/auth.conf",
    source_lines: &["deb ", "deb-src "],
    source_list: "sources.list",
};

/// Distributions that are known to have a package manager of another kind than any that is known here.
const OTHERS: [&str; 10] = [
    "almalinux",
    "alpine",
    "amazon",
    "arch",
    "centos",
    "fedora",
    "opensuse",
    "opensuse-leap",
    "rhel",
    "rocky",
];

impl ManagerFacts {
    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        PACKAGE_MANAGERS.iter().copied().find(|facts| facts.name == name)
    }

    /// That of a distribution; the first for one of which nothing is known.
    #[must_use]
    pub fn of_distribution(id: &str) -> &'static Self {
        let own = PACKAGE_MANAGERS.iter().copied().find(|facts| facts.distributions.contains(&id));
        own.unwrap_or(PACKAGE_MANAGERS[0])
    }

    /// Whether a distribution is known to have none of them.
    #[must_use]
    pub fn is_of_another_kind(id: &str) -> bool {
        OTHERS.contains(&id) && PACKAGE_MANAGERS.iter().all(|facts| !facts.distributions.contains(&id))
    }

    /// On which systems packages can be installed, as a sentence.
    #[must_use]
    pub fn where_packages_are() -> String {
        let families: Vec<&str> = PACKAGE_MANAGERS.iter().map(|facts| facts.family).collect();
        format!("packages can be installed on systems {} only, as yet", families.join(" and "))
    }

    /// What a system has that packages can be installed on: their programs.
    #[must_use]
    pub fn programs() -> String {
        let programs: Vec<&str> = PACKAGE_MANAGERS.iter().map(|facts| facts.program).collect();
        programs.join(" and no ")
    }
}

//! What somebody asked a package manager for: less than it remembers, since a system that was set up from packages alone has
//! most of them marked as asked for.

use std::collections::{BTreeMap, BTreeSet};

use crate::packages::{InstalledPackage, Manager};

/// The packages that have to be named so that a base with the packages of `base` gets all that somebody asked for: those
/// that nothing else brings along.
pub(super) fn asked_for<'p>(
    manager: Manager,
    installed: &'p [InstalledPackage],
    base: &BTreeSet<&str>,
) -> Vec<&'p InstalledPackage> {
    let needs: BTreeMap<&str, Vec<String>> =
        installed.iter().map(|package| (package.name.as_str(), manager.needs(package))).collect();
    let is_there = |package: &InstalledPackage| {
        manager.is_of_every_system(package) || base.contains(package.name.as_str())
    };
    let mut brought = BTreeSet::new();
    installed.iter().filter(|one| is_there(one)).for_each(|one| bring(&one.name, &needs, &mut brought));
    let mut asked: Vec<&InstalledPackage> =
        installed.iter().filter(|one| !one.auto && !brought.contains(one.name.as_str())).collect();
    // Of two that need each other, one is left.
    let mut number = 0;
    while number < asked.len() {
        let mut by_others = BTreeSet::new();
        for other in asked.iter().filter(|other| other.name != asked[number].name) {
            bring(&other.name, &needs, &mut by_others);
        }
        if by_others.contains(asked[number].name.as_str()) {
            asked.remove(number);
        } else {
            number += 1;
        }
    }
    asked
}

/// Adds a package with all that it needs.
fn bring<'n>(name: &'n str, needs: &'n BTreeMap<&str, Vec<String>>, brought: &mut BTreeSet<&'n str>) {
    let mut open = vec![name];
    while let Some(name) = open.pop() {
        let Some(more) = needs.get(name) else { continue };
        if brought.insert(name) {
            open.extend(more.iter().map(String::as_str));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packages::Version;

    fn package(name: &str, auto: bool, control: &str) -> InstalledPackage {
        let control = format!("Package: {name}\n{control}\n");
        let version = Version::trusted("1");
        InstalledPackage { name: name.into(), version, arch: "all".into(), auto, hold: false, control }
    }

    #[test]
    fn what_comes_along_is_not_asked_for() {
        let installed = [
            package("core", false, "Essential: yes\nPre-Depends: libcore"),
            package("libcore", false, "Priority: optional"),
            package("sshd", false, "Depends: libssh"),
            package("libssh", false, ""),
            package("jq", false, "Depends: libjq (= 1) | libother"),
            package("libjq", false, ""),
            package("pulled", true, ""),
            package("one", false, "Depends: other"),
            package("other", false, "Depends: one"),
        ];
        let manager = Manager::default();
        let asked = asked_for(manager, &installed, &BTreeSet::from(["sshd"]));
        let names: Vec<&str> = asked.iter().map(|package| package.name.as_str()).collect();
        assert_eq!(names, ["jq", "other"]);
    }
}

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
    // The fewest that bring all the others. What was left last, once all that it brings had been gone through, is brought by
    // none of those left before it: whatever the order began with, and of several that need each other one stays.
    let mut left = Vec::new();
    let mut seen = BTreeSet::new();
    for one in &asked {
        go_through(&one.name, &needs, &mut seen, &mut left);
    }
    let names: BTreeSet<&str> = asked.iter().map(|one| one.name.as_str()).collect();
    let (mut first, mut brought) = (BTreeSet::new(), BTreeSet::new());
    for name in left.into_iter().rev().filter(|name| names.contains(name)) {
        if !brought.contains(name) {
            first.insert(name);
            bring(name, &needs, &mut brought);
        }
    }
    asked.retain(|one| first.contains(one.name.as_str()));
    asked
}

/// Goes through all that a package needs, the deepest first; `left` is in the order in which packages were done with.
fn go_through<'n>(
    name: &'n str,
    needs: &'n BTreeMap<&str, Vec<String>>,
    seen: &mut BTreeSet<&'n str>,
    left: &mut Vec<&'n str>,
) {
    let more = |name: &str| needs.get(name).map_or(&[][..], Vec::as_slice).iter();
    if !needs.contains_key(name) || !seen.insert(name) {
        return;
    }
    let mut open = vec![(name, more(name))];
    while let Some((name, rest)) = open.last_mut() {
        match rest.next() {
            Some(next) if needs.contains_key(next.as_str()) && seen.insert(next) => {
                open.push((next, more(next)));
            }
            Some(_) => {}
            None => {
                left.push(name);
                open.pop();
            }
        }
    }
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
        assert_eq!(names, ["jq", "one"]);
    }

    #[test]
    fn a_disk_that_claims_a_hundred_thousand_packages_is_gone_through_once() {
        let name = |number: usize| format!("p{number}");
        let needs = |number: usize| format!("Depends: {}", name((number + 1) % 100_000));
        let installed: Vec<_> =
            (0..100_000).map(|number| package(&name(number), false, &needs(number))).collect();
        let asked = asked_for(Manager::default(), &installed, &BTreeSet::new());
        assert_eq!(asked.len(), 1, "they all need each other");
    }
}

//! The rules by example: a little archive, a little system, a request, and what apt makes of it.

use std::fmt::Write as _;

use super::{NotRemovable, SolveError, lacking, solve};
use crate::packages::apt::{Universe, bootstrap_set, read_index};
use crate::packages::{Index, IndexSource, InstalledPackage, Request, Solution, Upgrade, Want};

/// An archive from lines such as `a 1 | Depends: b (>= 2) | Multi-Arch: foreign`.
fn index(lines: &str) -> Index {
    let mut text = String::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let mut parts = line.split(" ; ");
        let (name, version) = parts.next().unwrap().split_once(' ').unwrap();
        write!(
            text,
            "Package: {name}\nVersion: {version}\nArchitecture: amd64\nFilename: pool/{name}_{version}.deb\nSize: 1\nSHA256: {}\n",
            "0".repeat(64)
        )
        .unwrap();
        let fields: Vec<&str> = parts.collect();
        if !fields.iter().any(|field| field.starts_with("Priority")) {
            text += "Priority: optional\n";
        }
        for field in fields {
            text += field;
            text.push('\n');
        }
        text.push('\n');
    }
    read_index(text.as_bytes()).unwrap()
}

fn universe(lines: &str) -> Universe {
    Universe::new(
        "amd64",
        &[IndexSource { archive: "debian".into(), priority: 500, release: None, index: index(lines) }],
    )
}

fn installed(name: &str, version: &str, control: &str) -> InstalledPackage {
    InstalledPackage {
        name: name.into(),
        version: version.parse().unwrap(),
        arch: "amd64".into(),
        auto: false,
        hold: false,
        control: control.into(),
    }
}

fn request(words: &str) -> Request {
    let mut request = Request::default();
    for word in words.split_whitespace() {
        if let Some(name) = word.strip_suffix('-') {
            request.remove.push(name.into());
        } else {
            let (name, version) =
                word.split_once('=').map_or((word, None), |(name, version)| (name, Some(version)));
            request
                .install
                .push(Want { name: name.into(), version: version.map(|version| version.parse().unwrap()) });
        }
    }
    request
}

/// `name=version`, a star for the auto mark, a plus for each stage after the first.
fn shown(solution: &Solution) -> String {
    let one = |package: &crate::packages::Selected| {
        let auto = if package.auto { "*" } else { "" };
        format!("{}={}{auto}{}", package.name, package.version, "+".repeat(package.stage.into()))
    };
    let mut words: Vec<String> = solution.install.iter().map(one).collect();
    words.extend(solution.remove.iter().map(|name| format!("{name}-")));
    words.join(" ")
}

fn solved(archive: &str, system: &[InstalledPackage], words: &str) -> String {
    match solve(&universe(archive), system, &request(words)) {
        Ok(solution) => shown(&solution),
        Err(error) => format!("{error:?}"),
    }
}

#[test]
fn a_system_lacks_what_none_of_it_is_and_is_not_judged_where_a_version_is_unknown() {
    let archive = "a 1 ; Depends: b | v\nb 1\nc 1 ; Provides: v\nd 1 ; Conflicts: a";
    let shown = |system: &[&str]| -> Vec<String> {
        let system: Vec<InstalledPackage> = system
            .iter()
            .map(|word| {
                let (name, version) = word.split_once('=').unwrap_or((word, "1"));
                installed(name, version, "")
            })
            .collect();
        lacking(&universe(archive), &system)
            .iter()
            .map(|one| format!("{} {}", one.package, one.relation))
            .collect()
    };
    assert_eq!(shown(&["a"]), ["a Depends: b | v"]);
    assert_eq!(shown(&["a", "d"]), ["a Depends: b | v", "d Conflicts: a"]);
    for whole in [&["a", "b"][..], &["a", "c"], &["b", "d"], &[]] {
        assert!(shown(whole).is_empty(), "{whole:?}");
    }
    // Of another version than the archive's it may provide anything.
    assert!(shown(&["a", "c=2"]).is_empty());
    // What a disk has of itself is not the lock's fault; what the lock adds is.
    let disk = installed("a", "1", "Depends: b | v");
    assert!(lacking(&universe(archive), std::slice::from_ref(&disk)).is_empty());
    assert_eq!(lacking(&universe(archive), &[disk, installed("d", "1", "")]).len(), 1);
}

#[test]
fn the_first_alternative_is_taken() {
    let archive = "a 1 ; Depends: b | c\nb 1\nc 1";
    assert_eq!(solved(archive, &[], "a"), "a=1 b=1*");
}

#[test]
fn an_alternative_that_is_there_is_as_good() {
    let archive = "a 1 ; Depends: b | c\nb 1\nc 1";
    assert_eq!(solved(archive, &[installed("c", "1", "")], "a"), "a=1");
    // One that is asked for in the same breath counts too, wherever it stands.
    assert_eq!(solved(archive, &[], "a c"), "a=1 c=1");
}

#[test]
fn an_installed_alternative_is_upgraded_before_another_is_installed() {
    let archive = "a 1 ; Depends: b | c (>= 2)\nb 1\nc 2";
    assert_eq!(solved(archive, &[installed("c", "1", "")], "a"), "a=1 c=2");
}

#[test]
fn an_alternative_that_cannot_be_had_is_passed_over() {
    let archive = "a 1 ; Depends: gone | b | c\nb 1 ; Depends: gone\nc 1";
    assert_eq!(solved(archive, &[], "a"), "a=1 c=1*");
}

#[test]
fn a_real_package_is_preferred_to_those_that_provide_its_name() {
    let archive = "a 1 ; Depends: mta\nx 1 ; Provides: mta\nmta 1";
    assert_eq!(solved(archive, &[], "a"), "a=1 mta=1*");
}

#[test]
fn of_providers_the_more_important_wins_then_the_one_mentioned_last() {
    let archive =
        "a 1 ; Depends: mta\nx 1 ; Provides: mta\ny 1 ; Provides: mta\nz 1 ; Provides: mta ; Priority: extra";
    assert_eq!(solved(archive, &[], "a"), "a=1 y=1*");
    // `y` is mentioned by `a` already, so `x` is the later of the two.
    let archive = "a 1 ; Depends: mta ; Suggests: y\nx 1 ; Provides: mta\ny 1 ; Provides: mta";
    assert_eq!(solved(archive, &[], "a"), "a=1 x=1*");
    let archive = "a 1 ; Depends: mta\nx 1 ; Provides: mta ; Priority: standard\ny 1 ; Provides: mta";
    assert_eq!(solved(archive, &[], "a"), "a=1 x=1*");
}

#[test]
fn only_a_versioned_provide_meets_a_versioned_dependency() {
    let archive = "a 1 ; Depends: v (>= 2)\nx 1 ; Provides: v\ny 1 ; Provides: v (= 3)";
    assert_eq!(solved(archive, &[], "a"), "a=1 y=1*");
}

#[test]
fn any_is_met_by_packages_that_allow_it() {
    let archive = "a 1 ; Depends: python:any\npython 3 ; Multi-Arch: allowed";
    assert_eq!(solved(archive, &[], "a"), "a=1 python=3*");
    let archive = "a 1 ; Depends: python:any\npython 3";
    assert!(solved(archive, &[], "a").contains("Unsatisfiable"));
    let archive = "a 1 ; Depends: python:native, c:amd64\npython 3\nc 1";
    assert_eq!(solved(archive, &[], "a"), "a=1 c=1* python=3*");
}

#[test]
fn recommends_are_not_followed() {
    assert_eq!(solved("a 1 ; Recommends: b ; Suggests: c\nb 1\nc 1", &[], "a"), "a=1");
}

#[test]
fn what_is_installed_stays_unless_a_newer_one_is_needed() {
    let archive = "a 2 ; Depends: lib (>= 2)\nb 1 ; Depends: lib\nlib 2";
    let system = [installed("lib", "1", "")];
    assert_eq!(solved(archive, &system, "b"), "b=1");
    assert_eq!(solved(archive, &system, "a"), "a=2 lib=2");
}

#[test]
fn what_would_not_fit_the_new_version_is_upgraded_along() {
    let archive = "lib 2\ntool 2 ; Depends: lib (= 2)\nnew 1 ; Depends: lib (= 2)";
    let system = [installed("lib", "1", ""), installed("tool", "1", "Depends: lib (= 1)\n")];
    assert_eq!(solved(archive, &system, "new"), "lib=2 new=1 tool=2");
}

#[test]
fn binaries_of_one_source_move_together() {
    let archive = "lib 2 ; Source: s\nextra 2 ; Source: s\nnew 1 ; Depends: lib (= 2)";
    let system = [installed("lib", "1", "Source: s\n"), installed("extra", "1", "Source: s\n")];
    assert_eq!(solved(archive, &system, "new"), "extra=2 lib=2 new=1");
}

#[test]
fn a_pinned_version_is_that_version() {
    let archive = "a 2\na 1 ; Depends: b\nb 1";
    assert_eq!(solved(archive, &[], "a"), "a=2");
    assert_eq!(solved(archive, &[], "a=1"), "a=1 b=1*");
    assert!(matches!(
        solve(&universe(archive), &[], &request("a=3")),
        Err(SolveError::NoVersion { available, .. }) if available.len() == 2
    ));
}

#[test]
fn an_archive_that_must_be_asked_for_is_not_taken_by_itself() {
    let source = |archive: &str, priority, lines| IndexSource {
        archive: archive.into(),
        priority,
        release: None,
        index: index(lines),
    };
    let universe =
        Universe::new("amd64", &[source("debian", 500, "a 1"), source("backports", 100, "a 2\nb 1")]);
    let solve = |words| shown(&solve(&universe, &[], &request(words)).unwrap());
    assert_eq!(solve("a"), "a=1");
    assert_eq!(solve("b"), "b=1");
    assert_eq!(solve("a=2"), "a=2");
}

#[test]
fn nothing_goes_that_nobody_named() {
    let archive = "a 1 ; Conflicts: old\nold 1";
    let system = [installed("old", "1", "")];
    assert_eq!(
        solve(&universe(archive), &system, &request("a")),
        Err(SolveError::WouldRemove { names: vec!["old".into()], because: vec!["a".into()] })
    );
    assert_eq!(solved(archive, &system, "a old-"), "a=1 old-");
}

#[test]
fn removals_have_limits() {
    let archive = "a 1\ne 1 ; Essential: yes\nuser 1 ; Depends: a";
    let system = [
        installed("a", "1", ""),
        installed("e", "1", "Essential: yes\n"),
        installed("user", "1", "Depends: a\n"),
    ];
    let refused = |name: &str, because| Err(SolveError::CannotRemove { name: name.into(), because });
    let universe = universe(archive);
    assert_eq!(solve(&universe, &system, &request("e-")), refused("e", NotRemovable::Essential));
    assert_eq!(solve(&universe, &system, &request("x-")), refused("x", NotRemovable::NotInstalled));
    assert_eq!(
        solve(&universe, &system, &request("a-")),
        Err(SolveError::WouldRemove { names: vec!["user".into()], because: Vec::new() })
    );
    assert_eq!(shown(&solve(&universe, &system, &request("a- user-")).unwrap()), "a- user-");
}

#[test]
fn a_name_that_is_no_package_is_explained() {
    let archive = "nginx 1\nexim 1 ; Provides: mta\npostfix 1 ; Provides: mta\nonly 1 ; Provides: single";
    let universe = universe(archive);
    assert_eq!(
        solve(&universe, &[], &request("ngnix")),
        Err(SolveError::Unknown { name: "ngnix".into(), nearest: Some("nginx".into()) })
    );
    assert_eq!(
        solve(&universe, &[], &request("mta")),
        Err(SolveError::Virtual { name: "mta".into(), providers: vec!["exim".into(), "postfix".into()] })
    );
    assert_eq!(shown(&solve(&universe, &[], &request("single")).unwrap()), "only=1");
}

#[test]
fn what_cannot_be_had_is_traced_to_the_relation_at_fault() {
    let archive = "a 1 ; Depends: b\nb 1 ; Depends: c (>= 2)\nc 1";
    let Err(SolveError::Unsatisfiable { unmet }) = solve(&universe(archive), &[], &request("a")) else {
        panic!()
    };
    assert_eq!(
        unmet.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["b 1 has `Depends: c (>= 2)`, and there is c 1"]
    );
    assert_eq!(unmet[0].wanted, "a");
}

#[test]
fn two_that_conflict_cannot_both_be_asked_for() {
    assert!(solved("a 1 ; Conflicts: b\nb 1", &[], "a b").contains("Unsatisfiable"));
}

#[test]
fn pre_depends_make_stages() {
    let archive = "a 1 ; Pre-Depends: b\nb 1 ; Depends: c\nc 1 ; Pre-Depends: d\nd 1\ne 1 ; Depends: a";
    assert_eq!(solved(archive, &[], "a"), "a=1++ b=1*+ c=1*+ d=1*");
    assert_eq!(solved(archive, &[], "e"), "a=1*++ b=1*+ c=1*+ d=1* e=1++");
    // What is configured already makes none.
    let system = ["b", "c", "d"].map(|name| installed(name, "1", ""));
    assert_eq!(solved(archive, &system, "a"), "a=1");
    let circle = "a 1 ; Pre-Depends: b\nb 1 ; Depends: a";
    assert!(solve(&universe(circle), &[], &request("a")).is_ok(), "a circle must end");
}

#[test]
fn an_upgrade_takes_everything_that_needs_no_removal() {
    let archive = "a 2 ; Depends: new\nnew 1\nb 2 ; Conflicts: c\nc 1\nd 2\nheld 2";
    let mut held = installed("held", "1", "");
    held.hold = true;
    let system = [
        installed("a", "1", ""),
        installed("b", "1", ""),
        installed("c", "1", ""),
        installed("d", "1", ""),
        held,
    ];
    let request = Request { upgrade: Upgrade::All, ..Request::default() };
    assert_eq!(shown(&solve(&universe(archive), &system, &request).unwrap()), "a=2 d=2 new=1*");
}

#[test]
fn an_auto_mark_goes_when_the_package_is_asked_for() {
    let mut lib = installed("lib", "1", "");
    lib.auto = true;
    let solution = solve(&universe("lib 1"), &[lib], &request("lib")).unwrap();
    assert_eq!((solution.install.len(), solution.now_manual), (0, vec!["lib".to_owned()]));
}

#[test]
fn an_installed_package_that_no_archive_has_still_counts() {
    let archive = "a 1 ; Depends: local (>= 1)";
    let system = [installed("local", "2", "")];
    assert_eq!(solved(archive, &system, "a"), "a=1");
    let system = [installed("mine", "2", "Provides: local (= 2)\n")];
    assert_eq!(solved(archive, &system, "a"), "a=1");
}

#[test]
fn a_fresh_system_has_the_essential_the_required_and_the_named() {
    let archive = "base 1 ; Essential: yes ; Pre-Depends: awk ; Priority: required\n\
                   mawk 1 ; Provides: awk ; Priority: required\n\
                   gawk 1 ; Provides: awk\napt 1\ntool 1 ; Depends: lib\nlib 1\nother 1";
    let set = bootstrap_set(&universe(archive), &request("tool").install).unwrap();
    let names: Vec<_> = set.iter().map(|one| (one.name.as_str(), one.auto)).collect();
    assert_eq!(names, [("apt", false), ("base", false), ("lib", true), ("mawk", false), ("tool", false)]);
}

#[test]
fn a_chain_as_long_as_an_archive_can_make_it_is_no_trouble() {
    let mut archive = String::new();
    for i in 0..5000 {
        writeln!(archive, "p{i} 1 ; Depends: p{}", i + 1).unwrap();
    }
    archive += "p5000 1";
    // apt itself gives up beyond 3000; here the chain only must not take the process down.
    let _ = solved(&archive, &[], "p0");
}

//! What is chosen when there is a choice.

use super::{Case, show_resolution};
use crate::resolve::{Preferences, base_choices, passed_over, resolve};

const NGINX: &str = "name: nginx\nversions:\n  - {version: 1.26, os: [debian 13]}\n  - {version: 1.22, os: [debian 12]}\n\
                     claims: [\"tcp/{{ port }}\"]\nprovides: [web-server]\noptions: {port: {type: port, default: 80}}\n\
                     packages: {apt: [nginx-light, \"x={{ version }}\"], version_of: nginx}\n\
                     files: [{path: /etc/p, content: \"{{ port }} {{ os.codename }}\"}]\ninstall: \"echo {{ name }}\"\n\
                     verify: \"#!/bin/bash\\ntrue\"";
const LIB: &str = "name: lib\nversions: [{version: 1.0}, {version: 1.5}, {version: 2.0}]";

fn solves(apps: &[&str], image: &str, expected: &str) {
    assert_eq!(Case::new(apps, image).solution(), expected, "{image}");
}

#[test]
fn the_newest_proven_system_unless_an_application_needs_another() {
    solves(&[], "", "debian-13:");
    solves(&[], "os linux debian", "debian-13:");
    solves(&[], "os linux debian <13", "debian-12:");
    solves(&[], "os linux rocky", "rocky-9:");
    solves(&[NGINX], "app nginx", "debian-13: nginx=1.26");
    solves(&[NGINX], "app nginx 1.22", "debian-12: nginx=1.22");
    solves(&[NGINX], "base debian-12\napp nginx", "debian-12: nginx=1.22");
}

#[test]
fn the_newest_versions_that_go_together() {
    let app = "name: app\nversions: [{version: 1, requires: [lib ^1]}, {version: 2, requires: [lib ^2]}]";
    let other = "name: other\nversions: [{version: 1}]\nrequires: [\"lib <1.5\"]";
    solves(&[LIB, app], "app app", "debian-13: lib=2.0 app=2");
    solves(&[LIB, app, other], "app app\napp other", "debian-13: lib=1.0 app=1 other=1");
}

#[test]
fn who_provides_what_is_required() {
    let site = "name: site\nversions: [{version: 1}]\nrequires: [web-server]";
    let apache = "name: apache2\nversions: [{version: 2.4}]\nprovides: [web-server]\nclaims: [\"tcp/80\"]";
    // The first by name, unless the image has another anyway.
    solves(&[NGINX, site, apache], "app site", "debian-13: apache2=2.4 site=1");
    solves(&[NGINX, site, apache], "app site\napp nginx", "debian-13: nginx=1.26 site=1");
}

#[test]
fn the_lock_is_kept_where_it_still_fits() {
    let case = Case::new(&[NGINX, LIB], "app lib\napp nginx\n");
    let with = |apps: &[(&str, &str)], base: Option<(&str, &str)>| {
        let preferences = Preferences {
            apps: apps.iter().map(|(name, version)| ((*name).to_owned(), version.parse().unwrap())).collect(),
            base: base.map(|(name, version)| (name.to_owned(), version.parse().unwrap())),
            only_base: None,
        };
        show_resolution(&resolve(&case.wanted, &case.catalog, &preferences).unwrap())
    };
    assert_eq!(with(&[("lib", "1.5")], None), "debian-13: lib=1.5 nginx=1.26");
    assert_eq!(with(&[("lib", "9")], Some(("debian-12", "1"))), "debian-12: lib=2.0 nginx=1.22");
    assert_eq!(with(&[], Some(("rocky-9", "1"))), "debian-13: lib=2.0 nginx=1.26");
}

#[test]
fn everything_is_rendered() {
    let resolution = Case::new(&[NGINX], "os linux debian 13\nfirmware uefi\napp nginx { port = 81 }\n")
        .resolve()
        .unwrap();
    let app = &resolution.apps[0];
    assert_eq!(app.claims, ["tcp/81"]);
    let packages: Vec<_> = app.packages.iter().map(|p| (p.name.as_str(), p.version.as_deref())).collect();
    assert_eq!(packages, [("nginx-light", None), ("x", Some("1.26"))]);
    assert_eq!(app.version_of.as_deref(), Some("nginx"));
    assert_eq!(
        (app.files[0].path.as_str(), app.files[0].content.as_str(), app.files[0].mode),
        ("/etc/p", "81 trixie", 0o644)
    );
    assert_eq!(app.install.as_deref(), Some("#!/bin/sh -e\necho nginx"));
    assert_eq!(app.verify.as_deref(), Some("#!/bin/bash\ntrue"));
    assert_eq!(resolution.base.firmware.len(), 1);
    assert_eq!(resolution.base.because, "it is the best fit: proven, with debian 13");
}

#[test]
fn every_base_passed_over_has_a_reason() {
    let case = Case::new(&[NGINX], "app nginx\n");
    let resolution = case.resolve().unwrap();
    let told: Vec<_> = passed_over(&case.wanted, &case.catalog, &Preferences::default(), &resolution);
    let told: Vec<_> =
        told.iter().map(|base| (base.name.as_str(), base.possible, base.reasons[0].text.as_str())).collect();
    assert_eq!(
        told,
        [
            ("debian-12", true, "possible, but `debian-13` holds a newer system"),
            ("rocky-9", false, "`nginx` does not run on rocky 9"),
        ]
    );
    let case = Case::new(&[NGINX], "os linux debian 12\nfirmware uefi\napp nginx\n");
    let choices = base_choices(&case.wanted, &case.catalog, &Preferences::default());
    let told: Vec<_> = choices
        .iter()
        .map(|base| (base.name.as_str(), base.reasons.iter().map(|r| r.text.as_str()).collect::<Vec<_>>()))
        .collect();
    assert_eq!(
        told,
        [
            ("debian-13", vec!["it holds debian 13, the image is debian 12"]),
            ("debian-12", vec![]),
            ("rocky-9", vec!["it holds rocky 9, the image is debian 12", "`nginx` does not run on rocky 9"]),
        ]
    );
}

#[test]
fn a_base_chosen_on_the_command_line() {
    let case = Case::new(&[NGINX], "app nginx\n");
    let choose = |name: &str| {
        let preferences = Preferences { only_base: Some(name.to_owned()), ..Preferences::default() };
        match resolve(&case.wanted, &case.catalog, &preferences) {
            Ok(resolution) => show_resolution(&resolution),
            Err(errors) => errors[0].message.clone(),
        }
    };
    assert_eq!(choose("debian-12"), "debian-12: nginx=1.22");
    assert_eq!(choose("rocky-9"), "`nginx` does not run on the base `rocky-9`");
    assert_eq!(choose("debian-9"), "the catalogue has no base `debian-9`");
    let named = Case::new(&[], "base debian-13\n");
    let other = Preferences { only_base: Some("debian-12".to_owned()), ..Preferences::default() };
    let errors = resolve(&named.wanted, &named.catalog, &other).unwrap_err();
    assert_eq!(errors[0].message, "the image names the base `debian-13`, and `debian-12` was chosen");
}

/// Every built-in application, on every system it is said to run on, by itself.
#[test]
fn the_built_in_applications_resolve_and_render() {
    use crate::catalog::{Catalog, builtin};
    use crate::text::Sources;

    let mut sources = Sources::default();
    let layer = builtin(&mut sources);
    let (catalog, mistakes) = Catalog::load(&[layer], &sources);
    assert_eq!(mistakes, []);
    assert!(catalog.apps().count() >= 25);
    for def in catalog.apps() {
        for version in &def.versions {
            assert!(!version.os.is_empty(), "{} says where it runs", def.name.value);
            for os in &version.os {
                let text = format!(
                    "os linux {} {}\napp {} ={}\n",
                    os.distro, os.requirement, def.name.value, version.version.value
                );
                let wanted = super::parse(crate::text::SourceId(0), &text);
                let resolution = resolve(&wanted, &catalog, &Preferences::default())
                    .unwrap_or_else(|errors| panic!("{text}: {errors:#?}"));
                let app = resolution.apps.last().unwrap();
                assert!(!app.packages.is_empty() && app.verify.is_some(), "{text}");
            }
        }
    }
}

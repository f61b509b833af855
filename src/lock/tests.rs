use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{
    Class, FORMAT, Lock, LockedApp, LockedBase, LockedImage, LockedRepository, LockedSource, OptionValue,
    Point,
};
use crate::packages::{Origin, Selected, Version};
use crate::text::{Digest, Sources};

fn package(name: &str, version: &str) -> Selected {
    Selected {
        name: name.into(),
        version: version.parse().unwrap(),
        arch: "amd64".into(),
        sha256: Digest::of(name),
        size: 1234,
        installed_size: 56,
        origin: Origin { archive: "debian".into(), path: format!("pool/main/{name}_{version}_amd64.deb") },
        stage: u16::from(name == "jq"),
        auto: name.starts_with("lib"),
    }
}

fn image() -> LockedImage {
    let options = [
        ("port", OptionValue::Integer(8080)),
        ("workers", OptionValue::Text("auto".into())),
        ("gzip", OptionValue::Bool(true)),
    ];
    LockedImage {
        os: "debian".into(),
        os_version: "13".into(),
        arch: "x86_64".into(),
        base: LockedBase {
            name: "debian".into(),
            version: "13".into(),
            source: LockedSource::Bootstrap {
                recipe: Digest::of("recipe").to_string(),
                packages: vec![package("bash", "5.2.37-2+b5"), package("libc6", "2.41-12")],
            },
        },
        apps: BTreeMap::from([(
            "nginx".into(),
            LockedApp {
                version: "1.26".into(),
                definition: Digest::of("nginx.yaml").to_string(),
                options: options.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
            },
        )]),
        inputs: BTreeMap::from([
            ("script provision.sh".into(), Digest::of("#!/bin/sh").to_string()),
            ("copy site/ to /var/www/html".into(), Digest::of("site").to_string()),
        ]),
        repositories: vec![LockedRepository {
            url: "https://packages.example.org/deb".into(),
            suite: "stable".into(),
            components: vec!["main".into()],
            fingerprint: "0123456789ABCDEF0123456789ABCDEF01234567".into(),
        }],
        requested: vec!["jq".into(), "kubelet=1.36.1-1.1".into(), "nano-".into()],
        upgrade: true,
        packages: vec![package("jq", "1.7.1-6"), package("libjq1", "1.7.1-6")],
        removed: vec!["nano".into()],
        now_manual: vec!["zlib1g".into()],
        temporary: Vec::new(),
        artifact: None,
    }
}

fn lock() -> Lock {
    Lock { version: FORMAT, images: BTreeMap::from([("web".to_owned(), image())]) }
}

fn read(text: &str) -> Result<Lock, Vec<String>> {
    let mut sources = Sources::default();
    let source = sources.add("ImageFile.lock", text);
    Lock::read(source, &sources).map_err(|diagnostics| {
        let line = |diagnostic: &crate::diagnostic::Diagnostic| {
            let labels: Vec<_> = diagnostic
                .labels
                .iter()
                .map(|label| {
                    let at = sources.line_col(label.span);
                    format!("{}:{} `{}` {}", at.line + 1, at.col + 1, sources.slice(label.span), label.text)
                })
                .collect();
            format!("{} {}: {}", diagnostic.code, diagnostic.message, labels.join("; "))
        };
        diagnostics.iter().map(line).collect()
    })
}

#[test]
fn the_form_of_a_lock() {
    insta::assert_snapshot!(lock().to_yaml());
}

#[test]
fn a_lock_reads_back() {
    assert_eq!(read(&lock().to_yaml()), Ok(lock()));
    let empty = Lock { version: FORMAT, images: BTreeMap::new() };
    assert_eq!(read(&empty.to_yaml()), Ok(empty));
}

#[test]
fn mistakes_have_a_place_and_a_code() {
    let text = lock().to_yaml();
    let cases = [
        ("not YAML", "version: 1\nimages: [".to_owned()),
        ("not a lock", "hello".to_owned()),
        ("empty", String::new()),
        ("a format of the future", text.replacen("version: 1", "version: 9", 1)),
        ("no format", text.replacen("version: 1\n", "", 1)),
        ("a key too much", text.replacen("    os: debian\n", "    os: debian\n    ox: debian\n", 1)),
        ("a key too few", text.replacen("    arch: x86_64\n", "", 1)),
        ("a digest that is none", text.replace(&Digest::of("jq").to_string(), "abc")),
        (
            "a version that is none",
            text.replace(
                "version: \"1.7.1-6\", arch: amd64, sha256: ",
                "version: \"1 7\", arch: amd64, sha256: ",
            ),
        ),
        ("a number that is none", text.replacen("size: 1234", "size: many", 1)),
        ("anchors", "version: 1\nimages: &a { x: *a }".to_owned()),
        (
            "a conflict",
            text.replace(
                "    upgrade: true\n",
                "<<<<<<< ours\n    upgrade: true\n=======\n    upgrade: false\n>>>>>>> theirs\n",
            ),
        ),
        ("a package twice", {
            let line = text.lines().find(|line| line.contains("name: jq,")).unwrap();
            text.replace(line, &format!("{line}\n{}", line.replace("1.7.1-6", "1.8-1")))
        }),
    ];
    let mut report = String::new();
    for (what, text) in cases {
        let messages = read(&text).expect_err(what);
        report += &format!("{what}\n    {}\n", messages.join("\n    "));
    }
    insta::assert_snapshot!(report);
}

#[test]
fn a_satisfied_lock_has_no_reasons() {
    let mut wanted = image();
    // Answers may differ: they are the lock's to give.
    wanted.packages.clear();
    wanted.artifact = Some(Digest::of("x").to_string());
    assert_eq!(image().stale(&wanted), []);
}

#[test]
fn every_point_is_explained() {
    let cases: [(&str, &dyn Fn(&mut LockedImage)); 17] = [
        ("os", &|image| image.os_version = "12".into()),
        ("arch", &|image| image.arch = "aarch64".into()),
        ("another base", &|image| image.base.name = "debian-minimal".into()),
        ("a base file", &|image| {
            image.base.source =
                LockedSource::File { path: "b.qcow2".into(), sha256: "0".repeat(64), size: 1 };
        }),
        ("the recipe", &|image| {
            image.base.source = LockedSource::Bootstrap { recipe: "0".repeat(64), packages: Vec::new() };
        }),
        ("upgrade", &|image| image.upgrade = false),
        ("an app more", &|image| {
            let nginx = image.apps["nginx"].clone();
            image.apps.insert("git".into(), nginx);
        }),
        ("an app less", &|image| image.apps.clear()),
        ("an app's version", &|image| image.apps.get_mut("nginx").unwrap().version = "1.28".into()),
        ("an app's entry", &|image| image.apps.get_mut("nginx").unwrap().definition = "0".repeat(64)),
        ("an app's option", &|image| {
            let options = &mut image.apps.get_mut("nginx").unwrap().options;
            options.insert("port".into(), OptionValue::Integer(80));
            options.remove("gzip");
        }),
        ("an input changed", &|image| *image.inputs.get_mut("script provision.sh").unwrap() = "0".repeat(64)),
        ("an input renamed", &|image| {
            let digest = image.inputs.remove("script provision.sh").unwrap();
            image.inputs.insert("script setup.sh".into(), digest);
        }),
        ("an archive less", &|image| image.repositories.clear()),
        ("an archive's key", &|image| image.repositories[0].fingerprint = "F".repeat(40)),
        ("a package more", &|image| image.requested.push("curl".into())),
        ("other packages", &|image| image.requested = vec!["jq=1.7.1-6".into()]),
    ];
    let mut report = String::new();
    for (what, change) in cases {
        let mut wanted = image();
        change(&mut wanted);
        let reasons = image().stale(&wanted);
        assert!(!reasons.is_empty(), "{what}");
        report += &format!("{what}\n");
        for reason in reasons {
            report += &format!("    {:?}: {}\n", reason.class, reason.point);
        }
    }
    insta::assert_snapshot!(report);
}

#[test]
fn what_is_newer_is_told_security_updates_first() {
    assert_eq!(image().newer(&image()), []);
    let mut now = image();
    now.apps.get_mut("nginx").unwrap().version = "1.28".into();
    let mut jq = package("jq", "1.8-1");
    jq.origin.archive = "debian-security".into();
    now.packages.retain(|package| package.name != "jq");
    now.packages.extend([jq, package("new-dependency", "1")]);
    if let LockedSource::Bootstrap { packages, .. } = &mut now.base.source {
        packages[0] = package("bash", "5.3-1");
    }
    let told: Vec<String> = image()
        .newer(&now)
        .iter()
        .map(|newer| {
            let security = if newer.security { " (security)" } else { "" };
            format!("{:?} {}: {} -> {}{security}", newer.kind, newer.name, newer.locked, newer.now)
        })
        .collect();
    assert_eq!(
        told,
        [
            "Package jq: 1.7.1-6 -> 1.8-1 (security)",
            "App nginx: 1.26 -> 1.28",
            "BasePackage bash: 5.2.37-2+b5 -> 5.3-1"
        ]
    );
}

#[test]
fn only_additions_are_additions() {
    let mut wanted = image();
    wanted.requested.push("curl".into());
    let reasons = image().stale(&wanted);
    assert_eq!(reasons.len(), 1);
    assert_eq!(reasons[0].class, Class::Missing);
    assert_eq!(reasons[0].point, Point::RequestAdded { request: "curl".into() });
}

fn option_value() -> impl Strategy<Value = OptionValue> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(OptionValue::Bool),
        any::<i64>().prop_map(OptionValue::Integer),
        any::<String>().prop_map(OptionValue::Text),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| proptest::collection::vec(inner, 0..4).prop_map(OptionValue::List))
}

proptest! {
    #[test]
    fn any_text_survives(
        name in any::<String>(),
        os in any::<String>(),
        inputs in proptest::collection::btree_map(any::<String>(), any::<String>(), 0..4),
        requested in proptest::collection::vec(any::<String>(), 0..4),
        options in proptest::collection::btree_map(any::<String>(), option_value(), 0..4),
        packages in proptest::collection::btree_map("[a-z][a-z0-9.+-]{1,8}", "[0-9]{1,3}[a-z0-9.+~]{0,8}(-[0-9]{1,2})?", 0..4),
        path in "[ -~]{0,20}",
    ) {
        let packages: Vec<_> = packages
            .iter()
            .map(|(name, version)| Selected {
                version: version.parse::<Version>().unwrap(),
                origin: Origin { archive: path.clone(), path: path.clone() },
                ..package(name, "1")
            })
            .collect();
        let app = LockedApp { version: os.clone(), definition: path.clone(), options };
        let image = LockedImage {
            os,
            inputs,
            requested,
            packages,
            apps: BTreeMap::from([(name.clone(), app)]),
            base: LockedBase {
                name: name.clone(),
                version: path.clone(),
                source: LockedSource::Url { url: path, sha256: name.clone(), size: None },
            },
            ..image()
        };
        let lock = Lock { version: FORMAT, images: BTreeMap::from([(name, image)]) };
        let text = lock.to_yaml();
        prop_assert_eq!(read(&text), Ok(lock), "{}", text);
    }

    #[test]
    fn no_text_is_too_strange(text in any::<String>()) {
        let _ = read(&text);
    }
}

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{
    Class, FORMAT, Lock, LockedApp, LockedBase, LockedImage, LockedRepository, LockedSource, OptionValue,
    Point,
};
use crate::model::Arch;
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
        manager: crate::packages::Manager::default(),
        os: "debian".into(),
        os_version: "13".into(),
        arch: Arch::X86_64,
        base: LockedBase {
            name: "debian".into(),
            version: "13".into(),
            source: LockedSource::Bootstrap {
                recipe: Digest::of("recipe").to_string(),
                packages: [package("bash", "5.2.37-2+b5"), package("libc6", "2.41-12")].into(),
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
        packages: [package("jq", "1.7.1-6"), package("libjq1", "1.7.1-6")].into(),
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
fn a_lock_of_format_1_says_the_same() {
    let mut old = read(include_str!("format_1.lock")).unwrap();
    assert_eq!(old.version, 1);
    old.version = FORMAT;
    assert_eq!(old, lock());
}

/// A lock of two images that have all in common, one that has less, and one that was locked at another time.
fn lock_of_several() -> Lock {
    let newer = |version: &str| {
        let mut image = image();
        image.packages = [package("jq", version), package("libjq1", "1.7.1-6")].into();
        image
    };
    let mut older_base = newer("1.6-1");
    if let LockedSource::Bootstrap { packages, .. } = &mut older_base.base.source {
        *packages = [package("bash", "5.2.37-2+b4")].into();
    }
    // The same file from two places, and other files of the same name and version.
    let mut foreign = newer("1.7.1-6");
    let mut packages = foreign.packages.to_vec();
    packages[0].origin.archive = "https://packages.example.org/deb".into();
    packages[1].sha256 = Digest::of("of somebody else");
    foreign.packages = packages.into();
    let plain = LockedImage { packages: [].into(), removed: Vec::new(), now_manual: Vec::new(), ..image() };
    let images =
        [("api", image()), ("batch", older_base), ("foreign", foreign), ("plain", plain), ("web", image())];
    Lock { version: FORMAT, images: images.map(|(name, image)| (name.to_owned(), image)).into() }
}

#[test]
fn what_images_have_in_common_is_said_once() {
    let text = lock_of_several().to_yaml();
    assert_eq!(read(&text), Ok(lock_of_several()), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn a_thousand_images_that_have_all_in_common_have_a_small_lock() {
    let set = |of: &str, count: usize| -> std::sync::Arc<[Selected]> {
        (0..count).map(|number| package(&format!("{of}-package-{number:03}"), "1.2.3-4+deb13u1")).collect()
    };
    let mut one = image();
    one.packages = set("lib", 400);
    if let LockedSource::Bootstrap { packages, .. } = &mut one.base.source {
        *packages = set("base", 300);
    }
    let images = (0..1000).map(|number| {
        let mut image = one.clone();
        image.inputs =
            BTreeMap::from([("script setup.sh".to_owned(), Digest::of(number.to_string()).to_string())]);
        (format!("image-{number:04}"), image)
    });
    let text = Lock { version: FORMAT, images: images.collect() }.to_yaml();
    assert!(text.len() < 2 << 20, "{} bytes", text.len());
}

#[test]
fn images_that_have_the_same_packages_share_them_in_memory() {
    let read = read(&lock_of_several().to_yaml()).unwrap();
    let (api, web) = (&read.images["api"], &read.images["web"]);
    assert!(std::sync::Arc::ptr_eq(&api.packages, &web.packages));
    assert_eq!(api.base.packages().as_ptr(), web.base.packages().as_ptr());
}

#[test]
fn mistakes_have_a_place_and_a_code() {
    let text = lock().to_yaml();
    let cases = [
        ("not YAML", "version: 1\nimages: [".to_owned()),
        ("not a lock", "hello".to_owned()),
        ("empty", String::new()),
        ("a format of the future", text.replacen("version: 2", "version: 9", 1)),
        ("no format", text.replacen("version: 2\n", "", 1)),
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
                "      upgrade: true\n",
                "<<<<<<< ours\n      upgrade: true\n=======\n      upgrade: false\n>>>>>>> theirs\n",
            ),
        ),
        ("a package in two versions", {
            let line = text.lines().find(|line| line.contains("name: jq,")).unwrap();
            text.replace(line, &format!("{line}\n{}", line.replace("1.7.1-6", "1.8-1")))
        }),
        ("a line twice", {
            let line = text.lines().find(|line| line.contains("name: jq,")).unwrap();
            text.replace(line, &format!("{line}\n{line}"))
        }),
        ("an image has a package twice", {
            let line = text.lines().find(|line| line.ends_with("- libjq1 (auto)")).unwrap();
            text.replace(line, &format!("{line}\n{line}"))
        }),
        ("a package that is not there", text.replace("- libjq1 (auto)", "- libjq2 (auto)")),
        ("its end is cut off", {
            let (kept, _) = text.split_once("  apt:\n    - { name: bash").unwrap();
            format!("{kept}  apt: []\n")
        }),
        ("a tab", text.replacen("    os: debian", "\tos: debian", 1)),
        ("a base that is not there", text.replace("base: debian", "base: ubuntu")),
        (
            "an image that is not there",
            text.replace("      packages:\n", "      same_as: api\n      packages:\n"),
        ),
        ("no reference", text.replace("- libjq1 (auto)", "- libjq1 (automatic)")),
        ("a name that is none", text.replace("{ name: libjq1,", "{ name: \"lib jq\",")),
        ("format 1: a package twice", {
            let text = include_str!("format_1.lock");
            let line = text.lines().find(|line| line.contains("name: jq,")).unwrap();
            text.replace(line, &format!("{line}\n{}", line.replace("1.7.1-6", "1.8-1")))
        }),
        (
            "format 1: a name that is none",
            include_str!("format_1.lock").replace("{ name: bash,", "{ name: \"a b\","),
        ),
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
    wanted.packages = [].into();
    wanted.artifact = Some(Digest::of("x").to_string());
    assert_eq!(image().stale(&wanted), []);
}

#[test]
fn every_point_is_explained() {
    let cases: [(&str, &dyn Fn(&mut LockedImage)); 17] = [
        ("os", &|image| image.os_version = "12".into()),
        ("arch", &|image| image.arch = Arch::Aarch64),
        ("another base", &|image| image.base.name = "debian-minimal".into()),
        ("a base file", &|image| {
            image.base.source =
                LockedSource::File { path: "b.qcow2".into(), sha256: "0".repeat(64), size: 1 };
        }),
        ("the recipe", &|image| {
            image.base.source = LockedSource::Bootstrap { recipe: "0".repeat(64), packages: [].into() };
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
    let rest = now.packages.iter().filter(|package| package.name != "jq").cloned();
    now.packages = rest.chain([jq, package("new-dependency", "1")]).collect();
    if let LockedSource::Bootstrap { packages, .. } = &mut now.base.source {
        *packages = packages.iter().skip(1).cloned().chain([package("bash", "5.3-1")]).collect();
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
            packages: packages.into(),
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

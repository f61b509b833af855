//! What `plan`, `lock` and `build` find where `check` cannot look, before the first machine starts: the files
//! of the project, the archives and their packages, the disks of others, the values of secrets. Each as it is
//! shown; whether the network and the archives bring them about is for `repositories`, `published` and
//! `bad_input` to say.
//!
//! `SNAPSHOTS=overwrite cargo test --test packages preparation::` writes them anew; read the difference.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;
use std::time::Duration;

use imgfile::diagnostic::Diagnostic;
use imgfile::exec::prepare::{PackageRequest, Pins, Unvouched, errors, suites, unsolved, versions};
use imgfile::exec::{BuildError, Consent, Outside, Secrets};
use imgfile::front::Project;
use imgfile::lock;
use imgfile::packages::{
    IndexError, IndexSource, InstalledPackage, Keyring, Manager, Origin, ReleaseError, Selected,
    SignatureError,
    apt::{Universe, lacking, read_index},
};
use imgfile::report;
use imgfile::resolve::Resolution;
use imgfile::store::archive::ArchiveError;
use imgfile::store::fetch::{FetchError, Pace};
use imgfile::text::{Digest, Sources};
use snapbox::{assert_data_eq, file};

use crate::common;
use crate::common::planned::World;
use crate::common::signer::Signer;

const MIRROR: &str = "https://mirror.example/debian";
const THEIRS: &str = "https://packages.example/tool";
const DISK: &str = "https://images.example/13/disk.qcow2";

/// An image with more statements.
fn image(more: &str) -> String {
    format!("image \"web\" {{\n  os linux debian 13\n  {more}\n}}\n")
}

/// An image with one statement, and what is wrong once it was checked and resolved.
fn shown(more: &str, wrong: impl FnOnce(&Project) -> Vec<Diagnostic>) -> String {
    let (project, sources) = common::checked(image(more), &[]);
    assert!(!project.has_errors(), "{}", report::human(&project.diagnostics, &sources, false));
    report::human(&wrong(&project), &sources, false)
}

/// What is wrong with the files that an image takes in, laid out by `prepare`.
fn planned(more: &str, prepare: impl FnOnce(&World)) -> String {
    let world = World::new(&image(more));
    prepare(&world);
    world.plan().unwrap_err()
}

/// A small archive: several mail servers, a library that is missing.
fn universe() -> Universe {
    let stanza = |name: &str, version: &str, more: &str| {
        format!(
            "Package: {name}\nVersion: {version}\nArchitecture: amd64\nFilename: pool/{name}.deb\nSize: 1000\n\
             SHA256: {}\n{more}\n",
            Digest::of(name)
        )
    };
    let text = [
        stanza("nginx-light", "1.26.3-3", "Depends: libssl3\n"),
        stanza("libssl3", "3.0.1", ""),
        stanza("curl", "8.14.1-2", "Conflicts: wget\n"),
        stanza("wget", "1.25.0-2", ""),
        stanza("exim4", "4.98-1", "Provides: mail-transport-agent\n"),
        stanza("postfix", "3.10-1", "Provides: mail-transport-agent\n"),
        stanza("half", "1.0", "Depends: other-half (>= 2)\n"),
        stanza("other-half", "1.0", ""),
    ];
    let index = read_index(text.join("\n").as_bytes()).unwrap();
    Universe::new("amd64", &[IndexSource { archive: "debian".into(), priority: 500, release: None, index }])
}

/// What the base has.
fn installed() -> Vec<InstalledPackage> {
    let status = "Package: wget\nStatus: install ok installed\nVersion: 1.25.0-2\nArchitecture: amd64\n\n\
                  Package: init\nEssential: yes\nStatus: install ok installed\nVersion: 1.69\nArchitecture: amd64\n";
    InstalledPackage::read_status(status, "")
}

/// What the choice of packages says about a statement.
fn packages(more: &str) -> String {
    shown(more, |project| {
        let (spec, resolution) = (&project.spec.images[0], &project.resolutions["web"]);
        let (universe, wish) = (universe(), PackageRequest::Found(installed().into()));
        let error =
            Pins::choose((Manager::default(), &universe, &universe), &wish, spec, resolution).unwrap_err();
        unsolved::packages(&error, Manager::default(), (spec, resolution), &BTreeMap::new()).diagnostics()
    })
}

/// A package of a lock that nobody vouches for.
fn unvouched(archive_says: Option<Digest>) -> String {
    let text =
        "version: 1\nimages:\n  web:\n    packages:\n    - { name: curl, version: 8.14.1-2, arch: amd64 }\n";
    let mut sources = Sources::default();
    let source = sources.add("ImageFile.lock", text);
    let places = lock::package_places(source, &sources);
    let package = Selected {
        name: "curl".to_owned(),
        version: "8.14.1-2".parse().unwrap(),
        arch: "amd64".to_owned(),
        sha256: Digest::of("the lock's"),
        size: 1,
        installed_size: 1,
        origin: Origin { archive: "debian".to_owned(), path: "pool/curl.deb".to_owned() },
        stage: 0,
        auto: false,
    };
    let one = [Unvouched { of_base: false, package, archive_says }];
    let line = |one: &Unvouched| places.find("web", one.of_base, &one.package);
    report::human(&errors::unvouched("web", &one, line), &sources, false)
}

/// The version of an application that the base brings as another.
fn version_of(status: &str) -> String {
    shown("app nginx", |project| {
        let installed = InstalledPackage::read_status(status, "");
        versions::check(&project.spec.images[0], &project.resolutions["web"], &installed).unwrap_err()
    })
}

fn of(failure: BuildError) -> String {
    report::human(&failure.diagnostics(), &Sources::default(), false)
}

fn archive(error: ArchiveError) -> String {
    of(errors::archive(&error, None))
}

/// What is wrong with the archive of an application.
fn brought(wrong: impl FnOnce(&Resolution) -> BuildError) -> String {
    let signer = Signer::new("tool");
    let key = String::from_utf8(signer.armored()).unwrap();
    let files = common::Fixture::new(image("app tool")).with(
        "catalog/apps/tool.yaml",
        &format!(
            "schema: imgfile/app/v1\nname: tool\nsummary: from elsewhere\nversions: [{{ version: \"1\" }}]\n\
             packages: {{ apt: [tool] }}\nrepositories:\n  - {{ url: \"{THEIRS}\", suite: stable, \
             components: [main], key: {key:?}, fingerprint: \"{}\" }}\n",
            signer.fingerprint()
        ),
    );
    let (project, sources) = common::compiled(&files, &[]);
    assert!(!project.has_errors(), "{}", report::human(&project.diagnostics, &sources, false));
    report::human(&wrong(&project.resolutions["web"]).diagnostics(), &sources, false)
}

/// What an `archive` statement asks for that its archive does not have.
fn asked(statement: &str, error: &ArchiveError) -> String {
    let key = include_str!("../../src/packages/keys/debian-archive.asc");
    let files = common::Fixture::new(image(statement)).with("debian.asc", key);
    let (project, sources) = common::compiled(&files, &[]);
    assert!(!project.has_errors(), "{}", report::human(&project.diagnostics, &sources, false));
    let wrong =
        suites::unknown(error, &project.spec.images[0], (Manager::default(), Some("trixie"))).unwrap();
    report::human(&[wrong], &sources, false)
}

/// A download of a `copy url` that could not be had.
fn copied(error: &FetchError) -> String {
    let world =
        World::new(&image(&format!("copy url \"{DISK}\" sha256 \"{}\" to \"/srv/disk\"", "0".repeat(64))));
    let plan = world.plan().unwrap();
    in_image_file(errors::supply(error, &plan), &world)
}

/// What was found in a plan, whose sources begin with the ImageFile.
fn in_image_file(failure: BuildError, world: &World) -> String {
    let mut sources = Sources::default();
    sources.add("ImageFile", world.text.clone());
    report::human(&failure.diagnostics(), &sources, false)
}

fn release(error: ReleaseError) -> String {
    archive(ArchiveError::Release { url: MIRROR.into(), suite: "trixie".into(), error })
}

fn fetch(error: FetchError) -> String {
    of(errors::fetch(&error))
}

/// The disk that a lock pins.
fn locked_disk(error: &FetchError) -> String {
    shown("base debian-13-cloud", |project| {
        errors::fetch_failure(error, Some(&project.spec.images[0])).diagnostics()
    })
}

/// A secret that a script is to get.
fn secret(source: &str) -> String {
    let world = World::new(&image(&format!(
        "secret token {source}\n  script <<-SH {{ secrets = [token] }}\n    #!/bin/sh -e\n    true\n  SH"
    )));
    let plan = world.plan().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let project = imgfile::store::ProjectFolder::open(folder.path()).unwrap();
    let allowed = Outside::Env("IMGFILE_TEST_NOBODY_SETS_THIS".into());
    let consent = Consent { sources: [allowed].into(), ..Consent::default() };
    let found = Secrets::read(&plan, &project, &consent).suffice(&plan, &plan.steps, true).unwrap_err();
    in_image_file(found, &world)
}

/// What is found in the project, and what the archives' packages are not.
fn of_the_project() -> Vec<(&'static str, String)> {
    vec![
        ("a pipe among the files to copy", {
            planned("copy \"site/\" to \"/srv\"", |world| {
                world.write("site/index.html", "hello");
                let made = Command::new("mkfifo").arg(world.path("site/queue")).status().unwrap();
                assert!(made.success());
            })
        }),
        ("a file whose name is no text", {
            planned("copy \"site/\" to \"/srv\"", |world| {
                world.write("site/index.html", "hello");
                fs::write(world.path("site").join(OsStr::from_bytes(b"caf\xe9.html")), "hello").unwrap();
            })
        }),
        ("an application's package is another version", {
            version_of(
                "Package: nginx\nStatus: install ok installed\nVersion: 1.27.0-1\nArchitecture: amd64\n",
            )
        }),
        ("an application's package is not there", version_of("")),
        ("no such package", packages("packages [\"culr\"]")),
        ("nothing like this package", packages("packages [\"kubernetes\"]")),
        ("a package that several provide", packages("packages [\"mail-transport-agent\"]")),
        ("no such version", packages("packages [\"curl=7.0-1\"]")),
        ("a package takes the place of one of the base", packages("packages [\"curl\"]")),
        ("packages that cannot be together", packages("packages [\"half\"]")),
        ("a package to remove is not there", packages("packages [] { remove = [\"curl\"] }")),
        ("a package to remove is essential", packages("packages [] { remove = [\"init\"] }")),
        ("a lock with another digest than the archive's", { unvouched(Some(Digest::of("the archive's"))) }),
        ("a lock with a package that nobody knows", unvouched(None)),
        ("a lock whose packages do not make a whole", {
            shown("packages [\"nginx-light\"]", |project| {
                let status =
                    "Package: half\nStatus: install ok installed\nVersion: 1.0\nArchitecture: amd64\n";
                // Of what a lock names nothing else is known.
                let mut system = InstalledPackage::read_status(status, "");
                for package in &mut system {
                    package.control.clear();
                }
                let unmet = lacking(&universe(), &system);
                vec![errors::lacking("web", project.spec.images[0].name.span, &unmet)]
            })
        }),
        ("packages for a system without dpkg", {
            shown("packages [\"curl\"]", |project| errors::no_packages(&project.spec.images[0]).diagnostics())
        }),
        ("a base that nothing can start from", {
            shown("base debian-13-cloud", |project| {
                errors::unsupported_base(&project.spec.images[0]).diagnostics()
            })
        }),
    ]
}

/// What `archive` statements ask for, and no archive has.
fn of_archives() -> Vec<(&'static str, String)> {
    let gone = |url: String| ArchiveError::Fetch(FetchError::Gone { url, status: 404 });
    vec![
        ("a suite of Debian's that is like no other", {
            asked(
                "archive debian { suites = [testing] }",
                &gone(format!("{MIRROR}/dists/trixie-testing/InRelease")),
            )
        }),
        ("a suite that an archive does not have", {
            asked(
                &format!("archive \"{THEIRS}/\" {{ suite = stabel, key = \"debian.asc\" }}"),
                &gone(format!("{THEIRS}/dists/stabel/InRelease")),
            )
        }),
        ("a component that an archive does not have", {
            asked(
                &format!(
                    "archive \"{THEIRS}\" {{ suite = stable, components = [mian], key = \"debian.asc\" }}"
                ),
                &ArchiveError::NoComponent {
                    url: THEIRS.into(),
                    suite: "stable".into(),
                    component: "mian".into(),
                    arch: "amd64".into(),
                },
            )
        }),
    ]
}

/// What cannot be had.
fn of_the_world() -> Vec<(&'static str, String)> {
    let gone = || FetchError::Gone { url: DISK.into(), status: 404 };
    vec![
        ("no mirror", of(errors::no_mirror())),
        ("a mirror without a kernel", of(errors::no_kernel("linux-image-…-cloud-amd64 of Debian 13"))),
        ("an application's key is none", {
            brought(|resolution| {
                let error = Keyring::read(b"").unwrap_err();
                errors::keyring(&error, resolution.apps.first())
            })
        }),
        ("an application's archive has no such suite", {
            brought(|resolution| {
                let url = format!("{THEIRS}/dists/stable/InRelease");
                let error = ArchiveError::Fetch(FetchError::Gone { url, status: 404 });
                errors::archive(&error, Some(resolution))
            })
        }),
        ("an index that somebody else signed", {
            release(SignatureError::UnknownSigner { signers: vec!["0123456789ABCDEF".into()] }.into())
        }),
        ("an index that was changed", release(SignatureError::Bad("0123456789ABCDEF".into()).into())),
        ("an index that is too old", {
            archive(ArchiveError::Expired { url: MIRROR.into(), suite: "trixie".into() })
        }),
        ("a mirror in the middle of an update", {
            archive(ArchiveError::Inconsistent { url: format!("{MIRROR}/dists/trixie/main/Packages.xz") })
        }),
        ("an index that is none", {
            archive(ArchiveError::Index { url: MIRROR.into(), error: IndexError::NotUtf8 })
        }),
        ("an archive without the component", {
            archive(ArchiveError::NoComponent {
                url: MIRROR.into(),
                suite: "trixie".into(),
                component: "contrib".into(),
                arch: "amd64".into(),
            })
        }),
        ("a package that is gone", fetch(gone())),
        ("a file to copy that is gone", copied(&gone())),
        ("a file to copy that was changed", {
            let (expected, actual) = (Digest::of("promised"), Digest::of("came"));
            copied(&FetchError::Wrong { url: DISK.into(), expected, actual })
        }),
        ("a file to copy that the server refuses", {
            copied(&FetchError::Refused { url: DISK.into(), status: 403 })
        }),
        ("a locked disk that is gone", locked_disk(&gone())),
        ("a download that was changed", {
            let (expected, actual) = (Digest::of("promised"), Digest::of("came"));
            fetch(FetchError::Wrong { url: DISK.into(), expected, actual })
        }),
        ("a download that is too large", fetch(FetchError::TooLarge { url: DISK.into(), limit: 4 << 20 })),
        ("no network", {
            fetch(FetchError::Unreachable {
                url: DISK.into(),
                reason: "connection refused".into(),
                lasting: true,
            })
        }),
        ("a server that refuses", fetch(FetchError::Refused { url: DISK.into(), status: 503 })),
        ("a server that sends next to nothing", {
            let pace = Pace { bytes: 61440, window: Duration::from_mins(1) };
            fetch(FetchError::Slow { url: DISK.into(), bytes: 20, pace })
        }),
        ("the network is off", fetch(FetchError::Offline { name: "nginx-light 1.26.3-3".into() })),
        ("a proxy that is none", {
            fetch(FetchError::Setting("the proxy cannot be used: it is no address".into()))
        }),
        ("a disk that its publisher does not vouch for", {
            let expected = imgfile::text::Checksum::Sha256(Digest::of("promised"));
            fetch(FetchError::NotPublished { url: DISK.into(), expected })
        }),
        ("a secret whose variable is not set", secret("from env IMGFILE_TEST_NOBODY_SETS_THIS")),
        ("a secret that nobody gives a source", secret("")),
        ("a secret whose file is not there", secret("from file \"token.txt\"")),
    ]
}

#[test]
fn everything_that_preparation_finds_has_its_words() {
    let mut text = String::new();
    for (name, shown) in of_the_project().into_iter().chain(of_archives()).chain(of_the_world()) {
        writeln!(text, "# {name}\n{}\n", shown.trim_end()).unwrap();
    }
    assert_data_eq!(text, file!["preparation.expected"]);
}

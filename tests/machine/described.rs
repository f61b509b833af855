//! What is said of an image beside its disk, judged by programs that are not ours: the published schemas of SPDX and
//! CycloneDX, debsbom, securesystemslib, and openssl's keys. One image, looked at from many sides.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use crate::common::{
    built::{Project, sha256},
    server::{Answer, Server},
};

const PACKAGES: [&str; 4] =
    ["cyclonedx-python-lib[json-validation]", "spdx-tools", "debsbom", "securesystemslib[crypto]"];

/// A Python that has them; or why there is none.
fn python() -> Result<PathBuf, String> {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("described-1");
    let python = home.join("bin/python");
    let there = Command::new(&python)
        .args(["-c", "import cyclonedx, spdx_tools, debsbom, securesystemslib"])
        .output();
    if there.is_ok_and(|output| output.status.success()) {
        return Ok(python);
    }
    let run = |program: &Path, args: &[&str]| match Command::new(program).args(args).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Err(format!("{}: {error}", program.display())),
    };
    run(Path::new("python3"), &["-m", "venv", home.to_str().unwrap()])?;
    run(&python, &[&["-m", "pip", "install", "--quiet"][..], &PACKAGES].concat())?;
    Ok(python)
}

fn run(project: &Project, program: &str, args: &[&str]) -> String {
    let output = Command::new(program)
        .args(args)
        .current_dir(project.path(""))
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{program} {args:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

fn names(project: &Project) -> BTreeSet<String> {
    let entries = fs::read_dir(project.path("out")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn read(project: &Project, name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(project.path(&format!("out/{name}"))).unwrap()).unwrap()
}

/// Takes what an independent program needs out of an artifact: dpkg's status, and which system it is.
fn taken_out(project: &Project, artifact: &str, to: &str) {
    run(project, "qemu-img", &["convert", "-O", "raw", artifact, "disk.raw"]);
    let table: Value = serde_json::from_str(&run(project, "sfdisk", &["--json", "disk.raw"])).unwrap();
    let root = table["partitiontable"]["partitions"].as_array().unwrap().last().unwrap().clone();
    let disk = format!("disk.raw?offset={}", root["start"].as_u64().unwrap() * 512);
    for folder in ["var/lib/dpkg", "etc"] {
        fs::create_dir_all(project.path(to).join(folder)).unwrap();
    }
    for (from, place) in
        [("/var/lib/dpkg/status", "var/lib/dpkg/status"), ("/usr/lib/os-release", "etc/os-release")]
    {
        run(project, "debugfs", &["-R", &format!("dump {from} {to}/{place}"), &disk]);
    }
    fs::remove_file(project.path("disk.raw")).unwrap();
}

#[test]
#[expect(clippy::too_many_lines, reason = "one image, built once, is shown to one judge after the other")]
fn others_agree_with_what_is_said_of_an_image() {
    let server = Server::start();
    server.put("/tool?token=confidential", Answer::Content(b"a tool".to_vec()));
    let project = Project::new(&format!(
        r#"image "described" {{
  os linux debian 13
  description "for others to judge"
  label team = "shop"
  packages ["jq"]
  copy url "{}/tool?token=confidential" sha256 "{}" to "/opt/tool"
  output qcow2
  output vdi
}}

image "upon" {{
  base image "described"
  packages ["tree"] {{ remove = ["jq"] }}
  script <<-SH {{ name = "by hand", offline = true, user = root }}
    #!/bin/sh -e
    mkdir -p /lib/apk/db
    printf 'P:busybox\nV:1.37.0-r18\nA:x86_64\nL:GPL-2.0-only\no:busybox\n\n' > /lib/apk/db/installed
  SH
}}
"#,
        server.url,
        sha256(b"a tool")
    ));
    let python = python().unwrap_or_else(|why| panic!("there is no Python to judge with: {why}"));
    run(&project, "openssl", &["genpkey", "-algorithm", "ed25519", "-out", "ed25519.pem"]);
    run(
        &project,
        "openssl",
        &["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "p256.pem"],
    );
    for key in ["ed25519", "p256"] {
        let (private, public) = (format!("{key}.pem"), format!("{key}.pub"));
        run(&project, "openssl", &["pkey", "-in", &private, "-pubout", "-out", &public]);
    }

    // Everything, with a time that somebody set.
    let all = ["--sbom", "spdx,cyclonedx", "--provenance", "--sign-key", "ed25519.pem"];
    let build = |args: &[&str]| {
        let mut command = project.command(&[&["build", "--progress", "plain"], args].concat());
        let output = command.env("SOURCE_DATE_EPOCH", "1700000000").output().unwrap();
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (status, said) = build(&all);
    assert_eq!(status, 0, "{said}");
    let documents = ["manifest.json", "spdx.json", "cdx.json", "provenance.json", "intoto.jsonl"];
    let of = |image: &str, ends: &[&str]| {
        let ends = documents.iter().chain(ends);
        ends.map(|end| format!("{image}.{end}")).collect::<Vec<_>>()
    };
    let expected = [of("described", &["qcow2", "vdi"]), of("upon", &["qcow2"])].concat();
    assert_eq!(names(&project), expected.into_iter().collect());
    taken_out(&project, "out/described.qcow2", "root");
    let judge = |key: &str| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/machine/described.py");
        let args = [script.to_str().unwrap(), "out", "described", "root", key];
        run(&project, python.to_str().unwrap(), &args)
    };
    let counts: Value = serde_json::from_str(&judge("ed25519.pub")).unwrap();
    let count = |name: &str| counts[name].as_u64().unwrap();
    assert!(count("packages") > 150, "{counts}");
    // Each package was locked, and nearly each says its licence so that a program understands it; the download too.
    assert_eq!(count("vouched"), count("packages") + 1, "{counts}");
    assert!(count("licences") * 10 > count("packages") * 7, "{counts}");

    // The manifest says the rest, by its schema, and nothing that is nobody's business.
    let manifest = read(&project, "described.manifest.json");
    let (.., schema) = imgfile::cli::schema::SCHEMAS.iter().find(|(name, ..)| *name == "manifest").unwrap();
    let validator = jsonschema::validator_for(schema().as_value()).unwrap();
    assert!(validator.is_valid(&manifest), "{:?}", validator.iter_errors(&manifest).next());
    assert_eq!(manifest["created"], "2023-11-14T22:13:20Z");
    assert_eq!(manifest["labels"]["team"], "shop");
    assert_eq!(manifest["lock"], json!(sha256(&fs::read(project.path("ImageFile.lock")).unwrap())));
    for artifact in manifest["artifacts"].as_array().unwrap() {
        let file = fs::read(project.path(&format!("out/{}", artifact["file"].as_str().unwrap()))).unwrap();
        assert_eq!((&artifact["sha256"], &artifact["size"]), (&json!(sha256(&file)), &json!(file.len())));
    }
    let folder = project.path("").canonicalize().unwrap();
    let (user, host) = (std::env::var("USER").unwrap_or_default(), run(&project, "uname", &["-n"]));
    for name in documents {
        let text = fs::read_to_string(project.path(&format!("out/described.{name}"))).unwrap();
        for private in ["confidential", folder.to_str().unwrap(), host.trim(), &user] {
            // A name of three letters is in every text.
            assert!(private.len() < 5 || !text.contains(private), "{name}: {private}");
        }
    }
    let dependencies =
        &read(&project, "described.provenance.json")["predicate"]["buildDefinition"]["resolvedDependencies"];
    let has = |uri: &str| dependencies.as_array().unwrap().iter().any(|one| one["uri"] == uri);
    assert!(has(&format!("{}/tool", server.url)), "{dependencies}");
    let purl = |name: &str| {
        let packages = manifest["packages"].as_array().unwrap();
        packages.iter().find(|one| one["name"] == name).unwrap()["purl"].as_str().unwrap().to_owned()
    };
    assert!(has(&purl("jq")) && has(&purl("bash")));

    // An image on it has what dpkg says of it, and the lock vouches for what came from below, too.
    taken_out(&project, "out/upon.qcow2", "upon-root");
    let listed = run(
        &project,
        "dpkg-query",
        &["--admindir=upon-root/var/lib/dpkg", "-W", "-f=${Package} ${Version} ${Architecture}\n"],
    );
    let upon = read(&project, "upon.manifest.json");
    assert_eq!(upon["databases"], json!(["dpkg", "apk"]));
    let packages = upon["packages"].as_array().unwrap();
    let (of_dpkg, of_apk): (Vec<_>, Vec<_>) =
        packages.iter().partition(|one| one["purl"].as_str().unwrap().starts_with("pkg:deb/"));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let said: BTreeSet<String> = of_dpkg
        .iter()
        .map(|one| format!("{} {} {}", text(&one["name"]), text(&one["version"]), text(&one["arch"])))
        .collect();
    assert_eq!(said, listed.lines().map(str::to_owned).collect());
    assert!(
        said.iter().any(|one| one.starts_with("tree ")) && !said.iter().any(|one| one.starts_with("jq "))
    );
    assert!(of_dpkg.iter().all(|one| one["sha256"].is_string()));
    assert_eq!(of_apk.len(), 1);
    assert_eq!(of_apk[0]["purl"], "pkg:apk/debian/busybox@1.37.0-r18?arch=x86_64&distro=13");

    // It is verified where it lies, and where only the bill of materials can be had later it is the same.
    let verified = project.imgfile(&["verify", "out/described.qcow2", "--key", "ed25519.pub"]);
    let said = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(verified.status.success(), "{said}{}", String::from_utf8_lossy(&verified.stderr));
    let wrong = project.imgfile(&["verify", "out/described.qcow2", "--key", "p256.pub"]);
    assert_eq!(wrong.status.code(), Some(1));
    let later = project.imgfile(&["sbom", "out/described.vdi", "--format", "cyclonedx"]);
    assert_eq!(later.stdout, fs::read(project.path("out/described.cdx.json")).unwrap());

    // Another key and fewer documents: no machine starts for that, no disk is written, and what would describe an
    // earlier build is gone.
    let before = fs::metadata(project.path("out/described.qcow2")).unwrap().modified().unwrap();
    let (status, said) = build(&["--sbom", "spdx,cyclonedx", "--sign-key", "p256.pem"]);
    assert_eq!(status, 0, "{said}");
    assert!(!said.contains("start the machine") && !said.contains("seal"), "{said}");
    assert_eq!(fs::metadata(project.path("out/described.qcow2")).unwrap().modified().unwrap(), before);
    assert!(!names(&project).contains("described.provenance.json"));
    judge("p256.pub");
    // A signature of that kind is another each time; one that holds stays.
    let envelope = fs::read(project.path("out/described.intoto.jsonl")).unwrap();
    assert_eq!(build(&["--sbom", "spdx,cyclonedx", "--sign-key", "p256.pem"]).0, 0);
    assert_eq!(fs::read(project.path("out/described.intoto.jsonl")).unwrap(), envelope);

    // Advisories deny an image that is there already, and are written where they do not.
    let tracker = json!({ "jq": { "CVE-2026-1": { "releases": {
        "trixie": { "status": "open", "repositories": {}, "urgency": "high" } } } } });
    fs::write(project.path("cves.json"), tracker.to_string()).unwrap();
    let before = names(&project);
    let (status, said) = build(&["--advisories", "cves.json", "--deny", "high"]);
    assert_eq!(status, 1, "{said}");
    assert!(said.contains("E0640") && said.contains("CVE-2026-1 (high): jq 1."), "{said}");
    assert_eq!(names(&project), before);
    let (status, said) = build(&["--advisories", "cves.json", "--deny", "critical"]);
    assert_eq!(status, 0, "{said}");
    let statements = read(&project, "described.openvex.json")["statements"].clone();
    assert_eq!((&statements[0]["status"], &statements[1]), (&json!("affected"), &Value::Null));
    assert_eq!(statements[0]["products"][0]["subcomponents"][0]["@id"], purl("jq"));
    assert!(project.imgfile(&["verify", "out/described.vdi"]).status.success());

    // A disk that is there is held against them, too.
    let inspect = |deny: &str| {
        let disk = "out/described.qcow2";
        let args = ["inspect", disk, "--advisories", "cves.json", "--deny", deny, "--format", "json"];
        let ended = project.imgfile(&args);
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        (ended.status.code(), serde_json::from_slice::<Value>(&ended.stdout).expect(&said))
    };
    let (status, found) = inspect("high");
    assert_eq!((status, &found["advisories"][0]["id"]), (Some(1), &json!("CVE-2026-1")), "{found:#}");
    assert_eq!(inspect("critical").0, Some(0));
}

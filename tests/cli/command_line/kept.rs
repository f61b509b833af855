//! What was built, typed: records, images, the store, and what is said of disks and done with them.

use std::fs;
use std::io::Read as _;
use std::process::Command;

use imgfile::model::OutputFormat;

use super::{Session, operands};

/// To a folder, by the program that is an example.
pub(super) fn publishing(session: &Session) {
    let program = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/publish/to_folder.py");
    let shelf = session.project.path("shelf");
    let config = session.project.path("home/.config/imgfile");
    fs::create_dir_all(&config).unwrap();
    let text = format!(
        "[targets.shelf]\ndriver = \"program\"\ncommand = [\"python3\", \"{}\", \"{}\"]\n",
        program.display(),
        shelf.display()
    );
    let before = fs::read_to_string(config.join("config.toml")).ok();
    fs::write(config.join("config.toml"), text).unwrap();
    let store = session.project.store.to_str().unwrap().to_owned();
    // What `--no-test` left.
    session.run(&["test"]);
    session
        .run(&["publish", "out/one.qcow2", "--to", "shelf", "--dry-run", "--format", "human"])
        .prints("would be published");
    let rows = session.run(&[
        "publish",
        "out/one.qcow2",
        "--to",
        "shelf",
        "--project",
        ".",
        "--format",
        "json",
        "--store",
        &store,
    ]);
    assert_eq!(rows.json()[0]["outcome"], "sent");
    assert_eq!(
        fs::read(shelf.join("one.qcow2")).unwrap(),
        fs::read(session.project.path("out/one.qcow2")).unwrap()
    );
    session
        .run(&["publish", "out/one.qcow2", "--to", "shelf", "--set", "word=hello"])
        .prints("there already");
    session.run(&["images"]).prints("at shelf");
    match before {
        Some(text) => fs::write(config.join("config.toml"), text).unwrap(),
        None => fs::remove_file(config.join("config.toml")).unwrap(),
    }
}

/// What is written beside an artifact, and looked at there.
pub(super) fn describing(session: &Session) {
    let store = session.project.store.to_str().unwrap().to_owned();
    fs::write(session.project.path("cves.json"), "{}").unwrap();
    let unchanged = ["build", "--locked", "--offline", "--no-test"];
    session.run(&[&unchanged[..], &["--sbom", "spdx", "--provenance"]].concat());
    session.run(&[&unchanged[..], &["--sbom", "cyclonedx"]].concat());
    for severity in ["unknown", "negligible", "low", "medium", "high", "critical"] {
        session.run(&[&unchanged[..], &["--advisories", "cves.json", "--deny", severity]].concat());
        session.ends(&["inspect", "ImageFile", "--advisories", "cves.json", "--deny", severity]).status(1);
    }
    session.run(&["sbom", "out/one.qcow2", "--format", "spdx", "--store", &store]).prints("SPDX-2.3");
    session.run(&["sbom", "out/one.qcow2", "--format", "cyclonedx"]).prints("CycloneDX");
    session.run(&["verify", "out/one.qcow2", "--format", "human"]).prints("ok").says("not proved: who");
    assert_eq!(session.run(&["verify", "out/one.qcow2", "--format", "json"]).json()["holds"], true);
    session.ends(&["inspect", "one", "--deny", "high"]).status(2).says("`--deny` takes advisories");
    session.ends(&["verify", "out/one.qcow2", "--key", "none.pub"]).status(1).says("E0641");
    let commands =
        ["plan", "lock", "outdated", "build", "test", "why", "doctor", "inspect", "diff", "capture", "run"];
    for command in commands {
        let mut args = vec![command, "--sign-key", "none.pem", "--advisories", "cves.json"];
        args.extend(["--cache-from", "oci://127.0.0.1:1/team,oci://127.0.0.1:1/other"]);
        args.extend([
            "--cache-to",
            "oci://127.0.0.1:1/team",
            "--cache-trust",
            "none.pub",
            "--cache-plain-http",
        ]);
        args.extend(operands(command));
        if matches!(command, "plan" | "lock" | "outdated" | "build" | "test") {
            args.push("--offline");
        }
        let ended = session.ends(&args);
        assert!(ended.status != 2, "{}: {}", ended.command, ended.stderr);
    }
}

pub(super) fn records(session: &Session) {
    let store = session.project.store.to_str().unwrap().to_owned();
    session.run(&["builds"]).prints("test");
    session
        .run(&["builds", "--all", "--format", "human", "--limit", "2", "--store", &store])
        .prints("PROJECT");
    assert!(session.run(&["builds", "--project", ".", "--format", "json"]).json()[0]["id"].is_number());
    session.run(&["builds", "show", "1", "--format", "human", "--store", &store]).prints("build 1 done");
    assert_eq!(session.run(&["builds", "show", "--format", "json"]).json()["kind"], "test");
    session.run(&["builds", "report", "1", "--store", &store]).prints("build-1.html");
    session.run(&["builds", "report", "--output", "-"]).prints("<html");
    session.run(&["logs", "1", "--follow", "--store", &store]).prints("script look");
    session.run(&["logs"]);
    // From another project these builds are not to be seen by mistake.
    let elsewhere = |args: &[&str]| {
        let mut command = session.command(args);
        let output = command.current_dir(session.project.path("new")).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    assert!(elsewhere(&["builds"]).1.contains("nothing of this project"));
    assert!(elsewhere(&["images"]).1.contains("no image of this project"));
    let (status, said) = elsewhere(&["builds", "show", "1"]);
    assert!(status == Some(2) && said.contains("another project"), "{said}");
    assert_eq!(elsewhere(&["builds", "show", "1", "--all"]).0, Some(0));
    assert_eq!(elsewhere(&["builds", "report", "1", "--all", "--output", "-"]).0, Some(0));
    session.run(&["why", "base", "."]).prints("debian-13");
    session.run(&["why", "look", "--image", "one", "--set", "word=hello"]).prints("look");
}

pub(super) fn images(session: &Session) {
    let store = session.project.store.to_str().unwrap().to_owned();
    let at = ["--store", store.as_str()];
    session.run(&[&["images", "--format", "human"], &at[..]].concat()).prints("KIND");
    assert!(session.run(&["images", "--all", "--format", "json"]).json().is_array());
    session
        .run(&[&["image", "inspect", "one", "--verify", "--format", "human"], &at[..]].concat())
        .prints("sha256");
    assert_eq!(session.run(&["image", "inspect", "one", "--format", "json"]).json()["kind"], "qcow2");
    inspecting(session);
    capturing(session);
    let same =
        [&["diff", "one", "one", "--quick", "--all", "--exit-code", "--format", "human"], &at[..]].concat();
    session.run(&same).prints("the same packages, units and files");
    assert_eq!(session.run(&["diff", "one", "one", "--quick", "--format", "json"]).json()["same"], true);
    listing(session, &at);
    looking_after(session, &at);
    session.run(&[&["image", "protect", "one"], &at[..]].concat());
    session.ends(&["image", "rm", "one"]).status(2).says("is protected");
    session.run(&[&["image", "unprotect", "one"], &at[..]].concat());
    for format in ["qcow2", "raw", "vmdk", "vhd", "vhdx", "vdi"] {
        let to = session.project.path(&format!("exported-{format}"));
        session
            .run(&[&["image", "export", "one", to.to_str().unwrap(), "--format", format], &at[..]].concat());
        let kind = if format == "vhd" { "vpc" } else { format };
        let info = Command::new("qemu-img").args(["info", "-f", kind]).arg(&to).status().unwrap();
        assert!(info.success(), "{format}");
        fs::remove_file(&to).unwrap();
    }
    // Packages, in the words of tar; the disk is smaller than a GiB is whole.
    let ova = session.project.path("one.ova");
    session.run(&["image", "export", "one", ova.to_str().unwrap(), "--format", "ova"]);
    let list = Command::new("tar").arg("-tf").arg(&ova).output().unwrap();
    assert_eq!(String::from_utf8(list.stdout).unwrap(), "one.ovf\none-disk1.vmdk\none.mf\n");
    fs::remove_file(&ova).unwrap();
    let gce = session.project.path("one.tar.gz");
    session.run(&["image", "export", "one", gce.to_str().unwrap(), "--format", "gce"]);
    let list = Command::new("tar").arg("-tf").arg(&gce).output().unwrap();
    assert_eq!(String::from_utf8(list.stdout).unwrap(), "disk.raw\n");
    fs::remove_file(&gce).unwrap();
    for subformat in ["fixed", "dynamic"] {
        let to = session.project.path("exported.vhd");
        session.run(&["image", "export", "one", to.to_str().unwrap(), "--subformat", subformat]);
        // A fixed one has nothing before its disk, a growing one a copy of its footer.
        let mut start = [0; 8];
        fs::File::open(&to).unwrap().read_exact(&mut start).unwrap();
        assert_eq!(start == *b"conectix", subformat == "dynamic");
        fs::remove_file(&to).unwrap();
    }
    session.run(&[&["image", "rename", "one", "other"], &at[..]].concat()).prints("other.qcow2");
    session.run(&[&["image", "rm", "other"], &at[..]].concat()).prints("removed");
    // What describes an image goes with it.
    let described = session.project.path("mine/second.manifest.json");
    assert!(described.exists());
    session.run(&["image", "rm", "mine/second.qcow2"]).prints("removed");
    assert!(!described.exists());
}

/// What `images` lists, by project and by image.
fn listing(session: &Session, at: &[&str]) {
    let project = session.project.path(".");
    let project = project.to_str().unwrap();
    session.run(&[&["images", "--long"], at].concat()).prints("SHA256");
    session.run(&["images", "--all", "--format", "human"]).prints("one.qcow2");
    let of = |args: &[&str]| session.run(&[&["images", "--format", "json"], args].concat()).json();
    // `build --name second` left another of the same image.
    let listed = of(&["one", "--project", project]);
    let one = listed.as_array().unwrap().iter().find(|image| image["name"] == "one").unwrap();
    assert_eq!((one["name"].as_str(), one["lock_state"].as_str()), (Some("one"), Some("same")));
    assert_eq!((one["base"].as_str(), one["base_outdated"].as_bool()), (Some("debian-13"), Some(false)));
    assert_eq!(one["appliance"]["cpus"], 2);
    assert_eq!(of(&["other"]), serde_json::json!([]));
    session.ends(&["images", "--project", "home"]).status(2).says("no ImageFile in home");
}

/// What is said of an image, its copies and its tags.
fn looking_after(session: &Session, at: &[&str]) {
    let inspect = |image: &str| session.run(&["image", "inspect", image, "--format", "json"]).json();
    session.run(&[&["image", "describe", "one", "the first"], at].concat());
    assert_eq!(inspect("one")["description"], "the first");
    session.run(&["image", "describe", "one", "--clear"]);
    assert!(inspect("one")["description"].is_null());
    session.run(&[&["image", "copy", "one", "two"], at].concat()).prints("two.qcow2");
    session.ends(&["image", "copy", "one", "two"]).status(2).says("is there already");
    session.run(&[&["image", "tag", "one", "prod"], at].concat());
    session.run(&["image", "tag", "two", "prod"]);
    assert_eq!(
        (inspect("one")["tags"].clone(), inspect("prod")["name"].clone()),
        (serde_json::json!([]), "two".into())
    );
    session.ends(&["image", "tag", "two", "not one"]).status(2).says("is no tag");
    session.run(&["image", "tag", "one", "live"]);
    session.ends(&["build", "--image", "one"]).status(1).says("one.qcow2 is tagged `live`");
    session.run(&["image", "untag", "live"]);
    session.ends(&["image", "rm", "two"]).status(2).says("is tagged `prod`");
    session.run(&[&["image", "untag", "prod"], at].concat());
    session.ends(&["image", "untag", "prod"]).status(2).says("no image is tagged");
    session.run(&["image", "rm", "two", "--store", at[1]]).prints("removed");
    session.run(&[&["image", "revoke", "one", "--reason", "a key in it"], at].concat());
    assert_eq!(inspect("one")["revoked"]["why"], "a key in it");
    let refused = session.ends(&["build", "--image", "one"]).status(1).says("a key in it");
    refused.says("E0650");
    session.run(&["image", "revoke", "--undo", "one"]);
    session.ends(&["image", "revoke", "--undo", "one"]).status(2).says("was not revoked");
}

pub(super) fn store(session: &Session) {
    let store = session.project.store.to_str().unwrap().to_owned();
    let at = ["--store", store.as_str()];
    session.run(&[&["cache", "ls", "--format", "human"], &at[..]].concat()).prints("look");
    let layers = || session.run(&["cache", "ls", "--format", "json"]).json().as_array().unwrap().len();
    let before = layers();
    session.run(&[&["cache", "verify"], &at[..]].concat()).says("0 damaged");
    session.run(&[&["cache", "prune", "--dry-run"], &at[..]].concat()).prints("layer");
    session.run(&["gc", "--dry-run", "--size", "1MiB"]).says("nothing was removed");
    assert!(before > 0 && layers() == before, "a dry run removes nothing");
    session.run(&["cache", "prune", "--size", "1KiB"]).says("freed");
    assert_eq!(layers(), 0);
    session.run(&["gc", "--dry-run", "--format", "human"]).says("nothing was removed");
    assert_eq!(session.run(&["gc", "--dry-run", "--format", "json"]).json()["dry_run"], true);
    assert!(session.run(&["gc", "--format", "json"]).json()["usage"]["bases"].as_u64() > Some(0));
    let args = ["gc", "--unused-days", "30", "--keep-builds", "50", "--size", "40GiB"];
    session.run(&[&args[..], &at[..]].concat()).says("the store takes");
}

fn inspecting(session: &Session) {
    let inspected =
        session.run(&["inspect", "one", "--packages", "--format", "json", "--preset", "cloud"]).json();
    let findings = inspected["findings"].as_array().unwrap();
    assert_eq!((inspected["system"]["os"].as_str(), findings.len()), (Some("debian"), 0), "{findings:#?}");
    session.run(&["inspect", "one", "--format", "sarif", "--preset", "identity"]).prints("\"results\": []");
    session
        .run(&["inspect", "one", "--root", "vda3", "--format", "human", "--preset", "minimal"])
        .prints("0 errors");
    session.ends(&["inspect", "ImageFile", "--preset", "none"]).status(1);
}

/// A text is no disk. What becomes of one is looked at by tests/machine/capture.rs.
fn capturing(session: &Session) {
    let rest = [
        "--name",
        "caught",
        "--out",
        "caught",
        "--allow",
        "H0009",
        "--force",
        "--test",
        "--data",
        "bad.imagefile",
    ];
    session.ends(&[&["capture", "ImageFile"], &rest[..]].concat()).status(1);
    let sockets = ["--qmp", "none.sock", "--guest-agent", "none.sock"];
    session.ends(&[&["capture"], &sockets[..]].concat()).status(1).says("E0656");
    session.ends(&[&["capture", "--sysprep"], &sockets[..]].concat()).status(1).says("E0656");
    session
        .ends(&[&["capture", "--sysprep=bad.imagefile"], &sockets[..]].concat())
        .status(2)
        .says("<unattend");
    // With a stand-in for libvirt it is driven by tests/cli/libvirt.rs; here there is none, or not this one.
    session.ends(&["capture", "--libvirt", "none", "--connect", "none:///"]).status(4).says("E0659");
    for preset in ["cloud", "identity", "minimal", "none"] {
        session.ends(&["capture", "none.raw", "--preset", preset]).status(2).says("E0630");
    }
    for format in OutputFormat::ALL {
        session.ends(&["capture", "none.raw", "--format", format.as_str()]).status(2).says("E0630");
    }
    for progress in ["auto", "tty", "plain", "json"] {
        session.ends(&["capture", "none.raw", "--progress", progress]).status(2).says("E0630");
    }
}

/// What is run is run by tests/machine/run.rs.
pub(super) fn running(session: &Session) {
    let store = session.project.store.to_str().unwrap().to_owned();
    let args = ["run", "none", "--bios", "--publish", "8080:80", "--persist=changes.qcow2"];
    session.ends(&args).status(2).says("E0630");
    session.ends(&["run", "none", "--uefi"]).status(2).says("no image and no disk file `none`");
    session.ends(&["ssh", "none", "--store", &store, "--", "true"]).status(2).says("E0633");
}

//! An application that brings an archive of its own, with one package.

use std::fmt::Write as _;
use std::process::Command;

use super::server::Server;
use super::signer::Signer;

/// Its entry in a catalogue. The archive is below `/deb`.
pub fn entry(server: &Server, signer: &Signer, fingerprint: &str, version: &str) -> String {
    let mut text = format!(
        "schema: imgfile/app/v1\nname: tool\nsummary: from elsewhere\nversions: [{{ version: \"{version}\" }}]\n\
         packages: {{ apt: [tool], version_of: tool }}\nrepositories:\n  - url: {}/deb\n    suite: stable\n    \
         components: [main]\n    fingerprint: {fingerprint}\n    key: |\n",
        server.url
    );
    for line in String::from_utf8(signer.armored()).unwrap().lines() {
        writeln!(text, "      {line}").unwrap();
    }
    text.push_str("verify: |\n  test \"$(tool)\" = \"a tool\"\n");
    text
}

/// A package whose `/usr/bin/tool` says that it is one.
pub fn deb(version: &str) -> Vec<u8> {
    deb_with(version, "true")
}

/// As [`deb`], with a command to run once it is unpacked.
pub fn deb_with(version: &str, postinst: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = |inner: &str| folder.path().join(inner);
    std::fs::create_dir_all(path("tool/DEBIAN")).unwrap();
    std::fs::create_dir_all(path("tool/usr/bin")).unwrap();
    let control = format!(
        "Package: tool\nVersion: {version}\nArchitecture: amd64\nMaintainer: Example <e@example.org>\nDescription: a tool\n"
    );
    std::fs::write(path("tool/DEBIAN/control"), control).unwrap();
    let script = path("tool/DEBIAN/postinst");
    std::fs::write(&script, format!("#!/bin/sh\n{postinst}\n")).unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let program = path("tool/usr/bin/tool");
    std::fs::write(&program, "#!/bin/sh\necho a tool\n").unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let built = Command::new("dpkg-deb")
        .args(["--root-owner-group", "--build", "tool"])
        // The same package each time.
        .env("SOURCE_DATE_EPOCH", "1700000000")
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    std::fs::read(path("tool.deb")).unwrap()
}

//! The statements that change more than files, in one image, on a real machine: secrets, retries, an unpacked
//! download, a reboot, an account, kernel arguments. And what the secrets must not leave behind.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;

use sha2::{Digest as _, Sha512};

use crate::common::built::{self, Project, sha256};

/// Nothing else in the world contains these.
const TOKEN: &str = "tok-5b1e7f0c9a2d4e38b6f1";
const KEY: &str = "-----first line of a key-----\nk3y-77c0ffee19d2a4b8\n-----last line of a key-----\n";
const KEY_LINE: &str = "k3y-77c0ffee19d2a4b8";

/// A `tool-1.0.tar.gz` with one program and one text.
fn archive() -> Vec<u8> {
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for (path, mode, content) in
        [("tool-1.0/bin/tool", 0o755, "#!/bin/sh\necho tool runs\n"), ("tool-1.0/README", 0o600, "read me\n")]
    {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(mode);
        tar.append_data(&mut header, path, content.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

/// Serves one file at every path, for as long as the test runs; returns the address.
fn serve(content: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", content.len());
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&content));
        }
    });
    format!("http://{address}")
}

fn image_file(url: &str, archive: &[u8]) -> String {
    let (sha, sha512) = (sha256(archive), hex::encode(Sha512::digest(archive)));
    let (token, key) = (sha256(TOKEN.as_bytes()), sha256(KEY.as_bytes()));
    format!(
        r#"image "statements" {{
  os linux debian 13
  secret token from env STATEMENTS_TOKEN
  secret key from file "secret.key"
  env TOKEN_SUM = "{token}"
  env KEY_SUM = "{key}"
  account deploy {{
    groups = [www-data, operators]
    sudo = true
    shell = "/bin/sh"
    uid = 1234
    ssh_keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB8Ht8Z3j6yDWPBHQtOp/R9rjWvfMYo3MSA/K6q8D86r deploy"]
  }}
  kernel_args ["imgfile.one=1", "imgfile.two=2"]

  copy url "{url}/tool-1.0.tar.gz" sha256 "{sha}" to "/opt/tool" {{ unpack = true, strip = 1, owner = deploy }}
  copy url "{url}/tool-1.0.tar.gz" sha512 "{sha512}" to "/opt/tool.tar.gz"

  script <<-SH {{ name = "offline secret", offline = true, user = root, secrets = [token] }}
    #!/bin/sh -e
    test "$(sha256sum < /run/secrets/token | cut -d' ' -f1)" = "$TOKEN_SUM"
    test ! -e /run/secrets/key
    # What both were called before, for a version more.
    test "$IMGFILE_IMAGE $IMAGEFILE_IMAGE" = "statements statements"
    test /run/imagefile -ef /run/imgfile
    stat -f -c 'secrets lie on %T' /run/secrets
    cat /run/secrets/token; echo
    cat /run/secrets/token >&2
  SH
  script <<-SH {{ name = "booted secret", secrets = [key] }}
    #!/bin/sh -e
    test "$(sha256sum < /run/secrets/key | cut -d' ' -f1)" = "$KEY_SUM"
    test ! -e /run/secrets/token
    stat -c 'secret is %a of %U' /run/secrets/key
    # In pieces, as a program may print it.
    head -c 33 /run/secrets/key; sync; tail -c +34 /run/secrets/key
  SH
  script <<-SH {{ name = "no secret" }}
    #!/bin/sh -e
    test ! -e /run/secrets
    cat /proc/sys/kernel/random/boot_id > /var/tmp/boot
  SH
  script <<-SH {{ name = "third time", retries = 2 }}
    #!/bin/sh -e
    echo x >> /home/$USER/tries
    test "$(wc -l < /home/$USER/tries)" = 3
  SH
  reboot
  script <<-SH {{ name = "another boot" }}
    #!/bin/sh -e
    ! cmp -s /proc/sys/kernel/random/boot_id /var/tmp/boot
    test /run/imagefile -ef /run/imgfile
    echo "it is another boot"
  SH

  test "the account" <<-SH {{ user = deploy }}
    #!/bin/sh -e
    test "$(id -u)" = 1234
    id -nG | grep -qw www-data
    id -nG | grep -qw operators
    test "$(sudo -n id -u)" = 0
    grep -q 'deploy$' ~/.ssh/authorized_keys
    test "$(stat -c %a ~/.ssh/authorized_keys)" = 600
  SH
  test "the kernel's arguments" <<-SH
    #!/bin/sh -e
    grep -q 'imgfile.one=1 imgfile.two=2' /proc/cmdline
  SH
  test "the tool" <<-SH
    #!/bin/sh -e
    test "$(/opt/tool/bin/tool)" = "tool runs"
    test "$(stat -c '%U:%G %a' /opt/tool/bin/tool /opt/tool/README | tr '\n' ' ')" = "deploy:deploy 755 deploy:deploy 644 "
    test ! -e /opt/tool/tool-1.0
    test "$(sha256sum < /opt/tool.tar.gz | cut -d' ' -f1)" = "{sha}"
  SH
  test "a secret in a test" <<-SH {{ secrets = [token] }}
    #!/bin/sh -e
    test "$(sha256sum < /run/secrets/token | cut -d' ' -f1)" = "$TOKEN_SUM"
    cat /run/secrets/token
  SH
  test "nothing is left" <<-SH {{ offline = true, user = root }}
    #!/bin/sh -e
    test ! -e /run/secrets
  SH
}}
"#
    )
}

/// A build that may read the variable.
const BUILD: [&str; 5] = ["build", "--progress", "plain", "--secret", "token=env:STATEMENTS_TOKEN"];

#[test]
fn every_statement_does_what_it_says_and_no_secret_stays() {
    let archive = archive();
    let url = serve(archive.clone());
    let file = image_file(&url, &archive);
    let mut project = Project::new(&file);
    // An earlier run of the tests may have left its layers in their store.
    project.store = built::own_store(&project.path("store"));
    std::fs::write(project.path("secret.key"), KEY).unwrap();

    // Without consent nothing is started, nor without a value.
    let output =
        project.command(&["build", "--progress", "plain"]).env("STATEMENTS_TOKEN", TOKEN).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("E0540") && text.contains("--secret token=env:STATEMENTS_TOKEN"), "{text}");
    let output = project.imgfile(&BUILD);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{text}");
    assert!(
        text.contains("E0606") && text.contains("STATEMENTS_TOKEN") && !text.contains("start the machine")
    );

    let output = project.command(&BUILD).env("STATEMENTS_TOKEN", TOKEN).output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{log}");
    for part in ["***", "secrets lie on ramfs", "secret is 400 of ", "try 3 follows in", "it is another boot"]
    {
        assert!(log.contains(part), "{part} is missing:\n{log}");
    }

    // The artifact is compressed: look at what an instance would see.
    let raw = project.path("raw");
    let status = Command::new("qemu-img")
        .args(["convert", "-O", "raw"])
        .args([&project.path("out/statements.qcow2"), &raw])
        .status();
    assert!(status.unwrap().success());
    assert!(found("imgfile.one=1", &[&raw]), "this way of looking finds nothing at all");
    let lock = project.path("ImageFile.lock");
    let (store, log_file) = (project.store.clone(), project.path("log"));
    std::fs::write(&log_file, &log).unwrap();
    for secret in [TOKEN, KEY_LINE, &TOKEN[..12]] {
        for place in [&raw, &store, &lock, &log_file] {
            assert!(!found(secret, &[place]), "a secret is in {}", place.display());
        }
    }
    let _ = std::fs::remove_file(raw);

    // With the same value everything is reused; what was made with it is not for whoever has another or none.
    let again = project.command(&BUILD).env("STATEMENTS_TOKEN", TOKEN).output().unwrap();
    let text = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(again.status.success() && !text.contains("start the machine"), "{text}");
    let none = project.imgfile(&BUILD);
    let text = String::from_utf8_lossy(&none.stderr).into_owned();
    assert!(none.status.code() == Some(4) && text.contains("E0606"), "{text}");

    // And what does decide is named.
    let changed = file.replace("it is another boot\"", "it is quite another boot\"");
    std::fs::write(project.path("ImageFile"), changed).unwrap();
    let why_with = |step: &str, token: &str| {
        let output = project
            .command(&["why", step, "--secret", "token=env:STATEMENTS_TOKEN"])
            .env("STATEMENTS_TOKEN", token)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        text
    };
    let text = why_with("offline secret", "yet another token");
    assert!(text.contains("value of the secret `token`") && !text.contains("yet another"), "{text}");
    let why = |step: &str| why_with(step, TOKEN);
    let text = why("another boot");
    for part in
        ["the next build runs it", "script text", "+ line 4: echo \"it is quite another boot\"", "ImageFile:"]
    {
        assert!(text.contains(part), "{part} is missing:\n{text}");
    }
    assert!(why("third time").contains("nothing it depends on has changed"), "{}", why("third time"));
    assert!(why("clean up").contains("`script another boot` (ImageFile:"), "{}", why("clean up"));

    // A layer made with a secret is for that value only. Last, since `why` compares with the last build.
    std::fs::write(project.path("ImageFile"), &file).unwrap();
    let other =
        project.command(&BUILD).env("STATEMENTS_TOKEN", "another-token-of-another-tenant").output().unwrap();
    let text = String::from_utf8_lossy(&other.stderr).into_owned();
    assert!(!other.status.success(), "the script holds the token against its digest: {text}");
    assert!(text.contains("run script offline secret") || text.contains("> script offline secret"), "{text}");
}

/// Whether a text is in a file, or in any file of a folder.
fn found(text: &str, places: &[&std::path::PathBuf]) -> bool {
    let status = Command::new("grep").args(["-rqaF", "-e", text]).args(places).status().unwrap();
    assert!(status.code().is_some_and(|code| code < 2), "grep failed");
    status.success()
}

//! What a guest with a network reaches, in real machines: the world outside, and nothing of this host; and what
//! becomes of a project where this host lacks what that needs.

use std::fmt::Write as _;
use std::net::{IpAddr, TcpListener, UdpSocket};
use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::time::Duration;

use imgfile::driver::{
    Disk, DiskAccess, DiskFormat, Driver, Exec, Limits, MachineSpec, MountOptions, Network, Start, Stream,
};

use crate::common::built::Project;
use crate::common::ground::Ground;

/// What bash says of a connection that somebody refused, or for which there is no way; at once.
const NO_WAY: [&str; 3] = ["Connection refused", "Network is unreachable", "No route to host"];

/// Runs a script in a guest that has a network; answers what it printed.
async fn in_guest(ground: &Ground, private: bool, script: &str) -> String {
    let run = tempfile::tempdir().unwrap();
    let spec = MachineSpec {
        cpus: 2,
        memory_mib: 1024,
        start: Start::Offline,
        disks: vec![Disk {
            path: ground.disk.clone(),
            format: DiskFormat::Qcow2,
            access: DiskAccess::Discard,
        }],
        payload: Vec::new(),
        network: Network::User,
        run_dir: run.path().to_owned(),
        // Emulated machines on a host that runs other tests beside.
        limits: Limits { start: Duration::from_mins(15), operation: Duration::from_mins(15) },
    };
    let driver = ground.driver().await.reaching_private_networks(private);
    let mut machine = driver.start(spec).await.unwrap();
    machine.mount(MountOptions::default()).await.unwrap();
    let mut said = Vec::new();
    let mut sink = |piece: imgfile::driver::Output| {
        if piece.stream == Stream::Out {
            said.extend(piece.bytes);
        }
    };
    machine.exec(Exec::script("reach", format!("#!/bin/bash\n{script}\n")), &mut sink).await.unwrap();
    machine.power_off().await.unwrap();
    String::from_utf8(said).unwrap()
}

/// A line of a script that says what becomes of a connection.
fn connect(host: &str, port: u16) -> String {
    format!(
        "echo \"{host} $(timeout 30 bash -c 'exec 3<>/dev/tcp/{host}/{port} && echo reached' 2>&1 | tail -n 1)\"\n"
    )
}

fn outcome<'a>(said: &'a str, host: &str) -> &'a str {
    let line = said.lines().find_map(|line| line.strip_prefix(&format!("{host} ")));
    line.unwrap_or_else(|| panic!("nothing is said of {host}: {said}"))
}

fn assert_no_way(said: &str, host: &str) {
    let outcome = outcome(said, host);
    assert!(NO_WAY.iter().any(|no| outcome.ends_with(no)), "{host}: {outcome}");
}

/// The address that connections of this host leave from.
fn own_address() -> IpAddr {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    // Nothing is sent: the kernel only chooses a way.
    socket.connect("198.51.100.1:9").unwrap();
    socket.local_addr().unwrap().ip()
}

/// Host and port of the Debian mirror that this host names.
fn mirror() -> (String, u16) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_imgfile")).args(["doctor", "--format", "json"]).output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let found = findings.iter().find(|finding| finding["name"] == "Debian mirror").unwrap();
    let url = found["detail"].as_str().unwrap().split(',').next().unwrap().to_owned();
    let (scheme, rest) = url.split_once("://").unwrap();
    let host = rest.split('/').next().unwrap();
    let port = if scheme == "https" { 443 } else { 80 };
    match host.split_once(':') {
        Some((host, port)) => (host.to_owned(), port.parse().unwrap()),
        None => (host.to_owned(), port),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_reaches_the_outside_and_nothing_of_this_host() {
    let ground = Ground::find();
    let everywhere = TcpListener::bind("0.0.0.0:0").unwrap();
    everywhere.set_nonblocking(true).unwrap();
    let port = everywhere.local_addr().unwrap().port();
    let own = own_address().to_string();
    let (mirror, mirror_port) = mirror();
    let mut script = connect(&mirror, mirror_port);
    for host in ["10.0.2.2", "127.0.0.1", &own, "169.254.169.254", "10.1.2.3", "172.16.1.1", "192.168.1.1"] {
        script += &connect(host, port);
    }
    for host in ["100.64.0.1", "2001:db8::1", "fd00::1"] {
        script += &connect(host, port);
    }
    let _ = writeln!(script, "echo \"names $(getent hosts {mirror} >/dev/null && echo resolve)\"");
    let said = in_guest(&ground, false, &script).await;
    assert_eq!(outcome(&said, &mirror), "reached", "{said}");
    assert_eq!(outcome(&said, "names"), "resolve", "{said}");
    for host in ["10.0.2.2", "127.0.0.1", &own, "169.254.169.254", "10.1.2.3", "172.16.1.1", "192.168.1.1"] {
        assert_no_way(&said, host);
    }
    for host in ["100.64.0.1", "2001:db8::1", "fd00::1"] {
        assert_no_way(&said, host);
    }
    assert!(everywhere.accept().is_err(), "somebody came");
}

/// Set where this program runs itself once more, in a network of its own.
const INSIDE: &str = "IMGFILE_TEST_NETWORK";

#[test]
fn no_metadata_service_answers_a_guest() {
    Ground::find();
    // A host with a metadata service on its link and another service in a private network.
    let script = "set -e
ip link set lo up
ip link add uplink type veth peer name other
for address in 192.0.2.7/24 169.254.169.254/32 10.77.0.1/32; do ip address add $address dev uplink; done
ip link set other up
ip link set uplink up
ip route add default via 192.0.2.1
exec \"$@\"";
    let own = std::env::current_exe().unwrap();
    let status = Command::new("unshare")
        .args(["--map-root-user", "--net", "sh", "-c", script, "sh"])
        .arg(own)
        .args(["--exact", "network::in_a_network_of_the_test", "--ignored", "--nocapture"])
        .env(INSIDE, "1")
        .status()
        .unwrap();
    assert!(status.success());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "`no_metadata_service_answers_a_guest` runs it where its addresses are"]
async fn in_a_network_of_the_test() {
    assert!(std::env::var_os(INSIDE).is_some());
    let ground = Ground::find();
    let metadata = TcpListener::bind("169.254.169.254:80").unwrap();
    let private = TcpListener::bind("10.77.0.1:80").unwrap();
    for listener in [&metadata, &private] {
        listener.set_nonblocking(true).unwrap();
    }
    let script = connect("169.254.169.254", 80) + &connect("10.77.0.1", 80);
    for allowed in [false, true] {
        let said = in_guest(&ground, allowed, &script).await;
        assert_no_way(&said, "169.254.169.254");
        // An address of this host is closed whatever is allowed.
        assert_no_way(&said, "10.77.0.1");
        assert!(metadata.accept().is_err() && private.accept().is_err(), "somebody came");
    }
}

#[test]
fn an_offline_script_has_a_network_only_if_it_says_so() {
    let service = TcpListener::bind("127.0.0.1:0").unwrap();
    service.set_nonblocking(true).unwrap();
    let port = service.local_addr().unwrap().port();
    let (mirror, mirror_port) = mirror();
    let reach = connect("10.0.2.2", port) + &connect(&mirror, mirror_port);
    let reach = reach.trim_end().replace('\n', "\n    ");
    let project = Project::new(&format!(
        r#"image "reach" {{
  os linux debian 13
  script <<-SH {{ offline = true, user = root, name = "alone" }}
    #!/bin/bash
    echo "interfaces: $(tail -n +3 /proc/net/dev | cut -d: -f1 | xargs)"
    perl -MIO::Socket::INET -e '
      $s = IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1") or die;
      IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => $s->sockport) or die;
      print "talks to itself\n"'
    {reach}
  SH
  script <<-SH {{ offline = true, user = root, network = true, name = "connected" }}
    #!/bin/bash
    {reach}
  SH
}}
"#
    ));
    let log = project.build(&["--no-test", "--no-cache"]);
    let (alone, connected) = log.split_once("> script connected").unwrap_or_else(|| panic!("{log}"));
    assert!(alone.contains("interfaces: lo\n") && alone.contains("talks to itself"), "{log}");
    assert!(!alone.contains("reached"), "{log}");
    let outcome = |host: &str| {
        let line = connected.lines().find_map(|line| line.split_once(&format!("{host} ")));
        line.unwrap_or_else(|| panic!("nothing is said of {host}: {log}")).1.to_owned()
    };
    assert!(NO_WAY.iter().any(|no| outcome("10.0.2.2").ends_with(no)), "{log}");
    assert_eq!(outcome(&mirror), "reached", "{log}");
    assert!(service.accept().is_err(), "somebody came");
}

/// The children of a process by a part of their name: proc(5).
fn children(parent: u32, name: &str) -> Vec<String> {
    let folders = std::fs::read_dir("/proc").unwrap().flatten();
    let stats = folders.filter_map(|folder| {
        let stat = std::fs::read_to_string(folder.path().join("stat")).ok()?;
        let (start, rest) = stat.rsplit_once(')')?;
        let is_child = rest.split_whitespace().nth(1)? == parent.to_string() && start.contains(name);
        is_child.then(|| folder.path().display().to_string())
    });
    stats.collect()
}

#[test]
fn the_emulator_has_a_cleared_environment_and_nobody_dumps_what_knows_secrets() {
    let project = Project::new("image \"secretive\" {\n  os linux debian 13\n}\n");
    let mut command = project.command(&["build", "--no-test", "--no-cache"]);
    let mut build = command.env("TOKEN_OF_MINE", "ZqUnIqUe").spawn().unwrap();
    // Looked at while it is there; a process that is only just becoming QEMU has no name of it yet.
    let (environment, limits) = loop {
        if let Some(qemu) = children(build.id(), "qemu-system").first()
            && let (Ok(environment), Ok(limits)) =
                (std::fs::read(format!("{qemu}/environ")), std::fs::read_to_string(format!("{qemu}/limits")))
            && !environment.is_empty()
        {
            break (environment, limits);
        }
        assert!(build.try_wait().unwrap().is_none(), "no QEMU was seen");
        std::thread::yield_now();
    };
    let mut names: Vec<_> = environment
        .split(|byte| *byte == 0)
        .filter_map(|variable| {
            String::from_utf8_lossy(variable).split_once('=').map(|(name, _)| name.to_owned())
        })
        .collect();
    names.sort();
    assert_eq!(names, ["HOME", "LC_ALL", "PATH"]);
    let no_core = |limits: &str| {
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap().to_owned();
        let words: Vec<&str> = core.split_whitespace().skip(4).take(2).collect();
        assert_eq!(words, ["0", "0"], "{core}");
    };
    no_core(&limits);
    let of_imgfile = format!("/proc/{}", build.id());
    no_core(&std::fs::read_to_string(format!("{of_imgfile}/limits")).unwrap());
    // What is not dumpable is root's for everyone else: proc(5).
    assert_eq!(std::fs::metadata(format!("{of_imgfile}/environ")).unwrap().uid(), 0);
    assert!(build.wait().unwrap().success());
}

#[test]
fn a_project_is_not_built_where_a_wall_is_missing_unless_the_user_says_so() {
    Ground::find();
    let project = Project::new(
        "image \"weaker\" {\n  os linux debian 13\n  script <<-SH { offline = true, user = root }\n    #!/bin/sh\n  SH\n}\n",
    );
    // A host that lets nobody make namespaces.
    let run = |args: &[&str]| {
        let inner = project.command(args);
        let mut command = Command::new("unshare");
        command
            .args([
                "--map-root-user",
                "sh",
                "-c",
                "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$@\"",
                "sh",
            ])
            .arg(inner.get_program())
            .args(inner.get_args())
            .current_dir(inner.get_current_dir().unwrap());
        for (name, value) in inner.get_envs() {
            command.env(name, value.unwrap());
        }
        command.env_remove("IMGFILE_ALLOW_WEAKER_CELL").output().unwrap()
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let refused = run(&["build", "--no-test"]);
    let said = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(4), "{said}");
    for words in ["error[E0530]", "sudo sysctl -w user.max_user_namespaces", "--allow-weaker-cell"] {
        assert!(said.contains(words), "no {words}: {said}");
    }
    let doctor = text(&run(&["doctor"]).stdout);
    assert!(doctor.lines().any(|line| line.starts_with("MISSING  wall: network ")), "{doctor}");
    let built = run(&["build", "--no-test", "--allow-weaker-cell"]);
    assert!(built.status.success(), "{}", text(&built.stderr));
}

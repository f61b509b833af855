use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;

use super::*;

/// Runs a shell in a cell; answers how it ended and what it printed.
async fn shell(script: &str, prepare: impl FnOnce(&mut Cell)) -> (Option<i32>, String) {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut cell = Cell::new("sh");
    cell.args(["-c", script]).stdout(writer.try_clone().unwrap()).stderr(writer);
    prepare(&mut cell);
    let mut process = cell.start().unwrap();
    let reading = tokio::task::spawn_blocking(move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        text
    });
    process.connected().await.unwrap();
    let status = process.wait().await.unwrap();
    (status.code(), reading.await.unwrap())
}

#[tokio::test]
async fn a_cell_shows_what_was_named_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::create_dir(path("folder")).unwrap();
    for name in ["readable", "hidden"] {
        fs::write(path(name), "content\n").unwrap();
    }
    let dir_name = dir.path().display();
    let script = format!(
        "cd {dir_name}; ls; cat readable; echo new > folder/file; echo x 2>&1 >> readable; \
         ls /home /root /proc /var; touch /here"
    );
    let (_, said) = shell(&script, |cell| {
        cell.read(path("readable")).write(path("folder"));
    })
    .await;
    assert!(said.starts_with("folder\nreadable\ncontent\n"), "{said}");
    assert_eq!(said.matches("No such file").count(), 4, "{said}");
    assert_eq!(said.matches("Read-only").count(), 2, "{said}");
    assert_eq!(fs::read_to_string(path("readable")).unwrap(), "content\n");
    // What it wrote is the user's own, whoever it was inside.
    let written = fs::metadata(path("folder/file")).unwrap();
    assert_eq!(written.uid(), nix::unistd::geteuid().as_raw());
}

#[tokio::test]
async fn a_cell_has_no_rights_no_environment_and_nobody_beside_it() {
    let (code, said) = shell(
        "env | sort; ulimit -Hc; ulimit -Sc; grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status; \
         cat /proc/self/coredump_filter; ls -d /proc/[0-9]*; cat /proc/net/route | wc -l; \
         unshare -m true 2>/dev/null && echo mounts; exit 7",
        |cell| {
            cell.proc().env("GIVEN", "yes");
        },
    )
    .await;
    assert_eq!(code, Some(7), "{said}");
    let lines: Vec<&str> = said.lines().filter(|line| !line.starts_with("OLDPWD")).collect();
    assert_eq!(lines[..3], ["GIVEN=yes", "HOME=/", "LC_ALL=C.UTF-8"], "{said}");
    let rest: Vec<&str> =
        lines.iter().copied().skip_while(|line| !line.starts_with("PATH=")).skip(1).collect();
    assert!(rest[0].starts_with("PWD="), "{said}");
    assert_eq!(rest[1..3], ["0", "0"], "{said}");
    assert_eq!(rest[3..6], ["CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1"]);
    assert_eq!(rest[6..], ["00000000", "/proc/1", "1"], "{said}");
    assert!(!said.contains("mounts"), "{said}");
}

#[tokio::test]
async fn root_of_the_host_is_nobody_in_a_cell() {
    let (_, said) = shell("cat /proc/self/uid_map", |cell| {
        cell.proc();
    })
    .await;
    let outside: Vec<&str> = said.split_whitespace().collect();
    let own = nix::unistd::geteuid();
    if ids::is_host_root() {
        assert_ne!(outside[1], "0", "{said}");
    } else {
        assert_eq!(outside, ["0", &own.to_string(), "1"]);
    }
}

#[tokio::test]
async fn files_that_cannot_be_given_to_nobody_are_shown_all_the_same() {
    // sysfs cannot show its files as somebody else's; overlayfs, in which containers live, cannot either.
    let (code, said) = shell("ls /sys/kernel/mm; grep ^CapEff /proc/self/status; id -u", |cell| {
        cell.read("/sys/kernel/mm").proc();
    })
    .await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("transparent_hugepage") && said.contains("CapEff:\t0000000000000000"), "{said}");
}

#[tokio::test]
async fn what_is_not_there_is_not_found_and_a_dropped_cell_is_gone() {
    let error = Cell::new("/no/such/program").start().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);

    let mut cell = Cell::new("sh");
    // Its child is killed with it.
    cell.args(["-c", "sleep 1000 & sleep 1000"]);
    let process = cell.start().unwrap();
    let of_the_cell = format!("/proc/{}/stat", process.id());
    assert!(fs::exists(&of_the_cell).unwrap());
    drop(process);
    assert!(!fs::exists(&of_the_cell).unwrap());
}

#[tokio::test]
async fn no_file_grows_beyond_the_limit() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    let (_, said) = shell(&format!("head -c 100000 /dev/zero > {}", file.display()), |cell| {
        cell.write(dir.path()).file_size(4096);
    })
    .await;
    assert_eq!(fs::metadata(&file).unwrap().len(), 4096, "{said}");
}

#[tokio::test]
async fn a_system_has_users_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let script = format!(
        "cd {}; touch file; chown 33:42 file && stat -c %u:%g file; chroot / true && echo in; \
         grep ^Seccomp: /proc/self/status",
        dir.path().display()
    );
    let (code, said) = shell(&script, |cell| {
        cell.write(dir.path()).ids(Ids::System).proc();
    })
    .await;
    assert_eq!((code, said.as_str()), (Some(0), "33:42\nin\nSeccomp:\t2\n"));
}

/// What bash says of a connection that somebody refused, for which there is no way, or no address to come from.
const NO_WAY: [&str; 4] =
    ["Connection refused", "Network is unreachable", "No route to host", "Cannot assign requested address"];

#[tokio::test]
async fn a_cell_with_a_network_is_connected_with_the_outside_and_reaches_nothing_of_this_host() {
    let everywhere = std::net::TcpListener::bind("[::]:0").unwrap();
    everywhere.set_nonblocking(true).unwrap();
    let port = everywhere.local_addr().unwrap().port();
    let own = nix::ifaddrs::getifaddrs().unwrap();
    let own = own.filter_map(|found| Some(found.address?.as_sockaddr_in()?.ip().to_string()));
    let mut closed: Vec<String> = own.collect();
    closed.extend(
        [
            "127.0.0.1",
            "10.0.2.2",
            "10.1.2.3",
            "172.16.1.1",
            "192.168.1.1",
            "100.64.0.1",
            "169.254.169.254",
            "0.0.0.1",
            "::1",
            "fe80::1%outside",
            "fc00::1",
            "2001:db8::1",
        ]
        .map(str::to_owned),
    );
    let mut script = "cat /proc/net/route\n".to_owned();
    for host in &closed {
        script += &format!(
            "echo \"{host} $(timeout 20 bash -c 'exec 3<>/dev/tcp/{host}/{port} && echo reached' 2>&1 | tail -n 1)\"\n"
        );
    }
    // The program is there before its connection is, whose way out is the last that is made.
    let script = format!("until grep -q '^outside.00000000' /proc/net/route; do :; done\n{script}");
    let (_, said) = shell(&script, |cell| {
        cell.proc().network(Network::Outside(Outside::default()));
    })
    .await;
    // Everything that is not excluded leaves by the gateway, 192.0.0.9.
    assert!(said.lines().any(|line| line.starts_with("outside\t00000000\t090000C0\t")), "{said}");
    for host in closed {
        let line = said.lines().find(|line| line.starts_with(&format!("{host} ")));
        let line = line.unwrap_or_else(|| panic!("nothing is said of {host}: {said}"));
        assert!(NO_WAY.iter().any(|no| line.ends_with(no)), "{line}");
    }
    assert!(everywhere.accept().is_err(), "somebody came");
}

//! How builds end that do not end well, each as it is shown. The ends themselves are brought about, with real
//! machines, in `bad_input`, `machine` and `faults`; here it is the words.
//!
//! `SNAPSHOTS=overwrite cargo test --test cli failures::` writes them anew; read the difference.

use std::fmt::Write as _;
use std::io::{Error, ErrorKind};
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use imgfile::advisory::{Finding, FoundPackage, Severity, Status};
use imgfile::driver::Publish;
use imgfile::driver::{DriverError, End, ExecEnd, live::LiveError, managed::ManagedError};
use imgfile::exec::{
    BuildError, cannot_unpack, changed, compare_instances, denied, in_use, instance::cannot_run, output,
    unpacks_too_large,
};
use imgfile::ops::{self, capture, inspect::OtherSystem, run, ssh};
use imgfile::report;
use imgfile::store::{StoreError, records::Revocation};
use imgfile::text::{Sources, Span};
use snapbox::{assert_data_eq, file};

const IMAGE_FILE: &str = r#"image "web" {
  os linux debian 13
  script "provision.sh" { timeout = 2m }
}
"#;

fn script(span: Span, end: ExecEnd, tail: &str) -> BuildError {
    BuildError::Script {
        step: "script provision.sh".into(),
        span: Some(span),
        line: None,
        end,
        timeout_secs: 120,
        tail: tail.into(),
    }
}

fn step(span: Span, fault: DriverError) -> BuildError {
    BuildError::Step { step: "script provision.sh".into(), span: Some(span), fault }
}

/// What a look at two instances printed.
const INSTANCE: &str = "cloud-init done\nidentity the machine id 11\nidentity the host key /etc/ssh/key 12\n\
    host-name localhost\nroot-bytes 4000000000\nkey there\nfailed a.service\nwhy a.service no such thing\nend\n";
const OTHER_INSTANCE: &str = "cloud-init disabled\nidentity the machine id 11\nidentity the host key /etc/ssh/key 22\n\
    host-name localhost\nroot-bytes 4000000000\nend\n";

fn told(error: &ops::Error) -> BuildError {
    BuildError::Diagnosed(error.diagnostics().to_vec())
}

fn ends(span: Span) -> Vec<(&'static str, BuildError)> {
    [of_builds(span), of_instances(), of_captures(), of_artifacts(span)].into_iter().flatten().collect()
}

fn of_builds(span: Span) -> Vec<(&'static str, BuildError)> {
    let doing = || "run `script provision.sh`".to_owned();
    let console = || "[   12.3] Out of memory: Killed process 412 (mysqld)".to_owned();
    let no_space = || Error::new(ErrorKind::StorageFull, "No space left on device (os error 28)");
    vec![
        ("the script says no", script(span, ExecEnd::Code(7), "installing…\nno such package\n")),
        ("its interpreter is missing", script(span, ExecEnd::Code(126), "")),
        ("it is killed", script(span, ExecEnd::Signal(9), "")),
        ("it never ends", script(span, ExecEnd::TimedOut, "waiting for the lock\n")),
        ("QEMU is not there", {
            let install = "install it with `sudo apt-get install qemu-system-x86`".to_owned();
            DriverError::HostLacks { what: "`qemu-system-x86_64`".into(), install }.into()
        }),
        ("QEMU cannot be started", {
            let source = Error::new(ErrorKind::PermissionDenied, "Permission denied (os error 13)");
            DriverError::Host { doing: "start /usr/bin/qemu-system-x86_64".into(), source }.into()
        }),
        ("the host does not hold a machine", {
            DriverError::WallMissing {
                lacking: "a guest with a network reaches this host and its private networks".into(),
                reason: "`pasta` is not installed, which connects a guest".into(),
                raise: "install it, on Debian and Ubuntu with `sudo apt-get install passt`".into(),
            }
            .into()
        }),
        ("the host is full under a machine", step(span, DriverError::HostFull)),
        ("the host is full elsewhere", {
            BuildError::Io { action: "write", path: "out/web.qcow2".into(), source: no_space() }
        }),
        ("artifacts have nowhere to go", {
            BuildError::NoOutput {
                path: "out".into(),
                reason: "read-only filesystem or storage medium".into(),
            }
        }),
        ("the store lies on FAT", {
            let source = Error::new(ErrorKind::PermissionDenied, "Operation not permitted (os error 1)");
            StoreError::NoLinks { root: "/mnt/usb/imgfile".into(), source }.into()
        }),
        ("the kernel panics", {
            step(span, DriverError::MachineEnded { end: End::Panicked, doing: doing(), console: console() })
        }),
        ("the guest switches itself off", {
            step(
                span,
                DriverError::MachineEnded { end: End::PoweredOff, doing: doing(), console: String::new() },
            )
        }),
        ("the guest resets itself", {
            step(
                span,
                DriverError::MachineEnded { end: End::Rebooted, doing: doing(), console: String::new() },
            )
        }),
        ("the agent is killed", step(span, DriverError::AgentLost { doing: doing(), console: console() })),
        ("QEMU dies", {
            let end = End::EmulatorDied { status: "signal: 11".into(), stderr: "out of memory".into() };
            step(span, DriverError::MachineEnded { end, doing: doing(), console: String::new() })
        }),
        ("the guest hangs", {
            let after = Duration::from_mins(2);
            step(span, DriverError::Hang { doing: "start".into(), after, console: console(), screen: None })
        }),
        ("the guest cannot", {
            let reason = "Read-only file system".into();
            step(span, DriverError::Refused { doing: "write /etc/motd".into(), reason })
        }),
        ("the image is built in another way", {
            step(span, DriverError::Unsupported { what: "vda1 is LVM, which is not supported".into() })
        }),
        ("the guest lies", {
            step(span, DriverError::Protocol { detail: "a frame of 4294967295 bytes".into() })
        }),
        ("a program of the host fails", {
            BuildError::HostTool { program: "qemu-img", detail: "Could not open 'disk.qcow2'".into() }
        }),
        ("a download is no archive", {
            cannot_unpack("https://example.org/tool-1.0.zip", "it is a zip archive", Some(span))
        }),
        ("an archive holds more than the disk", {
            unpacks_too_large("https://example.org/data-1.0.tar.zst", 4 << 30, Some(span))
        }),
        ("others may write the store", {
            let reason = "can be written by other users (mode 0777)".into();
            StoreError::NotOwn { path: "/srv/imgfile".into(), reason }.into()
        }),
        ("the output folder leads elsewhere", output::is_link(Path::new("out"), Path::new("/srv/vms"))),
        ("an artifact's name is taken", output::taken(Path::new("out/web.qcow2"))),
    ]
}

/// Those of what is written down, and of artifacts.
fn of_artifacts(span: Span) -> Vec<(&'static str, BuildError)> {
    vec![
        ("the image has advisories that it may not have", {
            let finding = |number: usize, fixed: Option<&str>| Finding {
                id: format!("CVE-2026-{number}"),
                aliases: Vec::new(),
                severity: Severity::High,
                status: Status::Affected,
                source: "openssl".into(),
                packages: vec![FoundPackage {
                    name: "libssl3t64".into(),
                    version: "3.5.1-1".into(),
                    purl: None,
                }],
                fixed: fixed.map(str::to_owned),
                summary: None,
            };
            denied("web", Severity::High, &[finding(1, Some("3.5.1-2")), finding(2, None)]).unwrap()
        }),
        ("a file changed while it was built", BuildError::InputChanged { path: "site/index.html".into() }),
        ("an image was revoked", {
            let why = Some("it has a private key in it".to_owned());
            let revocation = Revocation { image: "common".into(), at_ms: 1_795_232_640_000, why };
            BuildError::Diagnosed(vec![imgfile::ops::revoked::refused("web", span, &revocation)])
        }),
        ("there is nothing to test", BuildError::NotBuilt { path: "out/web.qcow2".into() }),
    ]
}

/// Those of what is captured.
fn of_captures() -> Vec<(&'static str, BuildError)> {
    let disk = Path::new("server.qcow2");
    let other = OtherSystem { volume: "vda3".into(), title: "Alpine Linux v3.22".into() };
    vec![
        ("the disk is Windows's", DriverError::Windows { volume: "vda2".into() }.into()),
        ("the disk is in use", in_use(disk)),
        ("the disk changes", changed(disk)),
        ("the disk has two systems", told(&capture::several_systems("server", &[other]))),
        ("nobody answers at the monitor", {
            let (socket, reason) = ("qmp.sock".into(), "Connection refused (os error 111)".into());
            told(&capture::not_copied(&LiveError::NoMonitor { socket, reason }))
        }),
        ("the agent cannot freeze", {
            let (socket, reason) = ("qga.sock".into(), "it does not answer".into());
            told(&capture::not_copied(&LiveError::NotFrozen { socket, reason }))
        }),
        ("sysprep refuses", {
            let reason = r"sysprep says `a fatal error occurred` (exit status 5); `C:\Windows\System32\Sysprep\Panther\setupact.log` in it says more";
            told(&capture::not_copied(&LiveError::NotGeneralized { reason: reason.into() }))
        }),
        ("the emulator may not write", {
            told(&capture::not_copied(&LiveError::NotCopied { reason: "Permission denied".into() }))
        }),
        ("there is no virsh", {
            let (reason, is_absent) =
                ("`virsh` cannot be started: No such file or directory (os error 2)".into(), true);
            told(&capture::not_captured(&ManagedError::NotReached { at: None, reason, is_absent }))
        }),
        ("libvirt has no such machine", {
            let known = vec!["shop".to_owned(), "mail".to_owned()];
            told(&capture::not_captured(&ManagedError::Unknown { name: "shp".into(), known }))
        }),
        ("libvirt's machine is paused", {
            let (reason, help) = ("it is paused".into(), "let it go on, `virsh resume shop`".into());
            told(&capture::not_captured(&ManagedError::Unfit { name: "shop".into(), reason, help }))
        }),
        ("the disk is a part", told(&capture::cannot_capture(disk, "it is only a part of a disk", None))),
    ]
}

/// Those of what is run.
fn of_instances() -> Vec<(&'static str, BuildError)> {
    vec![
        ("there is nothing to run", {
            let text = "there is no image and no disk file `nothing`".to_owned();
            told(&run::nothing_to_run(
                text,
                "`imgfile images --all` lists what was built; a disk is named by its path",
            ))
        }),
        ("a disk is none", cannot_run(Path::new("disk.qcow2"), "it is encrypted (LUKS)", None)),
        ("a port is taken", {
            let port = Publish { address: Ipv4Addr::LOCALHOST, port: 80, guest: 8080 };
            told(&run::port_unavailable(port, "Address already in use (os error 98)"))
        }),
        ("nobody is there to log in to", {
            told(&ssh::nobody("no machine runs `web`".to_owned(), "what runs: other".to_owned()))
        }),
        (
            "kept changes are another image's",
            told(&run::changes_of_another(
                Path::new("web.changes.qcow2"),
                "web",
                "the image was built anew since",
            )),
        ),
        (
            "instances are not their own",
            BuildError::Diagnosed(compare_instances("web", "end\n", INSTANCE, OTHER_INSTANCE)),
        ),
    ]
}

#[test]
fn every_end_has_its_words() {
    let mut sources = Sources::default();
    let source = sources.add("ImageFile", IMAGE_FILE.to_owned());
    let path = "\"provision.sh\"";
    let start = u32::try_from(IMAGE_FILE.find(path).unwrap()).unwrap();
    let span = Span::new(source, start, start + u32::try_from(path.len()).unwrap());
    let mut text = String::new();
    for (name, failure) in ends(span) {
        let host = if failure.is_host_defect() { ", exit status 4" } else { "" };
        let shown = report::human(&failure.diagnostics(), &sources, false);
        writeln!(text, "# {name}{host}\n{}\n", shown.trim_end()).unwrap();
    }
    assert_data_eq!(text, file!["failures.expected"]);
}

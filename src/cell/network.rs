//! The outside world for a cell, and nothing of this host: `pasta` connects its network namespace, whose routes
//! say of everything else that it cannot be reached.
//!
//! The namespace has one address, which is nobody's; connections leave from the host's own sockets. Only IPv4
//! is connected, and over IPv6 nothing can be reached but the cell itself.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::unistd::Pid;

use super::child::AF_INET6;
use super::{ids, spawned};

/// Addresses of the IETF's own use that no host has (RFC 6890, RFC 7600): the name server that is offered,
/// the cell, and a gateway that answers nothing.
pub(super) const RESOLVER: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 8);
const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 10);
const GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 9);
const PREFIX: u8 = 29;

/// Private networks: RFC 1918, and what providers share among their customers.
const PRIVATE: [(Ipv4Addr, u8); 4] = [
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
];

/// This network, the metadata services of clouds, and whatever is not one host.
const ALWAYS: [(Ipv4Addr, u8); 4] = [
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// All addresses, and those of the link, to which the interface has a route of its own.
const EVERYTHING_OF_6: [(Ipv6Addr, u8); 2] =
    [(Ipv6Addr::UNSPECIFIED, 0), (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 64)];

/// How long a connection may take that takes some hundredths of a second.
const PATIENCE: Duration = Duration::from_mins(1);

/// What of the world outside is reached. This host's own addresses, its gateways, link-local addresses and
/// multicast never are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outside {
    /// Private ranges too, and with them a gateway that lies in one.
    pub private: bool,
}

impl Outside {
    /// Destinations that cannot be reached: address and length of the prefix.
    fn unreachable(self) -> Vec<(Ipv4Addr, u8)> {
        let mut all: Vec<(Ipv4Addr, u8)> = ALWAYS.into();
        if !self.private {
            all.extend(PRIVATE);
        }
        let private = |address: &Ipv4Addr| address.is_private() || is_shared(*address);
        all.extend(gateways().into_iter().filter(|gateway| !(self.private && private(gateway))).map(one));
        all.extend(own_addresses().into_iter().map(one));
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The messages that make a namespace's routes, before anything connects it.
    pub(super) fn routes(self) -> Vec<Vec<u8>> {
        let four = self.unreachable().into_iter().map(|(address, prefix)| {
            // AF_INET
            unreachable(2, &address.octets(), prefix)
        });
        let six =
            EVERYTHING_OF_6.iter().map(|(address, prefix)| unreachable(AF_INET6, &address.octets(), *prefix));
        four.chain(six).collect()
    }
}

const fn one(address: Ipv4Addr) -> (Ipv4Addr, u8) {
    (address, 32)
}

const fn is_shared(address: Ipv4Addr) -> bool {
    let [a, b, ..] = address.octets();
    a == 100 && b & 0b1100_0000 == 64
}

/// The addresses of this host, but those that only it can name.
fn own_addresses() -> Vec<Ipv4Addr> {
    let all = nix::ifaddrs::getifaddrs().into_iter().flatten();
    let addresses = all.filter_map(|interface| Some(interface.address?.as_sockaddr_in()?.ip()));
    addresses.filter(|address| !address.is_loopback()).collect()
}

/// The routers of this host, by its routing table: proc(5).
fn gateways() -> Vec<Ipv4Addr> {
    let table = fs::read_to_string("/proc/net/route").unwrap_or_default();
    let gateway = |line: &str| {
        let number = u32::from_str_radix(line.split_ascii_whitespace().nth(2)?, 16).ok()?;
        Some(Ipv4Addr::from(number.to_ne_bytes())).filter(|address| !address.is_unspecified())
    };
    table.lines().skip(1).filter_map(gateway).collect()
}

/// A route by which a prefix is unreachable, before any other route to it, as rtnetlink(7) wants it.
fn unreachable(family: u8, address: &[u8], prefix: u8) -> Vec<u8> {
    const NEW_ROUTE: u16 = 24;
    const REQUEST_ACK_CREATE: u16 = 0x1 | 0x4 | 0x400;
    const MAIN_TABLE: u8 = 254;
    const STATIC: u8 = 4;
    const UNREACHABLE: u8 = 7;
    const DESTINATION: u16 = 1;
    const PRIORITY: u16 = 6;
    let mut attributes = Vec::new();
    for (kind, value) in [(DESTINATION, address), (PRIORITY, &1_u32.to_ne_bytes())] {
        // Four bytes of its own head; all values here are whole words.
        attributes.extend(u16::try_from(value.len() + 4).unwrap_or(u16::MAX).to_ne_bytes());
        attributes.extend(kind.to_ne_bytes());
        attributes.extend(value);
    }
    let mut message = Vec::new();
    message.extend(u32::try_from(28 + attributes.len()).unwrap_or(u32::MAX).to_ne_bytes());
    message.extend(NEW_ROUTE.to_ne_bytes());
    message.extend(REQUEST_ACK_CREATE.to_ne_bytes());
    message.extend([0; 8]);
    message.extend([family, prefix, 0, 0, MAIN_TABLE, STATIC, 0, UNREACHABLE]);
    message.extend([0; 4]);
    message.extend(attributes);
    message
}

/// What a program in the cell resolves names with.
pub(super) fn resolv_conf() -> io::Result<tempfile::NamedTempFile> {
    use std::os::unix::fs::PermissionsExt;
    let file = tempfile::NamedTempFile::new()?;
    fs::write(file.path(), format!("nameserver {RESOLVER}\n"))?;
    fs::set_permissions(file.path(), fs::Permissions::from_mode(0o444))?;
    Ok(file)
}

/// The namespaces of a process that its connection is made in.
#[derive(Debug)]
pub(super) struct Namespaces {
    user: OwnedFd,
    net: OwnedFd,
}

impl Namespaces {
    pub(super) fn of(pid: Pid) -> io::Result<Self> {
        let open = |name: &str| File::open(format!("/proc/{pid}/ns/{name}")).map(OwnedFd::from);
        Ok(Self { user: open("user")?, net: open("net")? })
    }
}

/// A port of this host that leads to one of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublishedPort {
    /// The address of this host that it is reached at, such as `127.0.0.1`.
    pub address: Ipv4Addr,
    /// The TCP port there.
    pub port: u16,
    /// The TCP port in the cell, on all its addresses; not below 1024, which its program may not have.
    pub inner: u16,
}

impl PublishedPort {
    /// As `pasta -t` takes it.
    fn forward(self) -> String {
        let Self { address, port, inner } = self;
        format!("{address}/{port}:{inner}")
    }
}

/// The connection of a cell with the outside world. It ends when this is dropped.
#[derive(Debug)]
pub struct Uplink {
    pasta: spawned::Child,
    /// A folder with the file that it writes when it is done.
    folder: tempfile::TempDir,
    words: File,
}

impl Uplink {
    /// Begins to connect a process by its namespaces; its users are perhaps `nobodies` of the host. What is `published`
    /// leads into the namespace, and nothing else does.
    pub(super) fn start(
        Namespaces { user, net }: Namespaces,
        nobodies: bool,
        published: &[PublishedPort],
    ) -> io::Result<Self> {
        let program = pasta().ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, "`pasta` is not installed (package `passt`)")
        })?;
        let folder = tempfile::tempdir()?;
        let words = tempfile::tempfile()?;
        let namespace = format!("/proc/self/fd/{}", net.as_raw_fd());
        let done = folder.path().join("done");
        if nobodies {
            // Its user there is nobody here.
            std::os::unix::fs::chown(folder.path(), Some(ids::FIRST), Some(ids::FIRST))?;
        }
        let mut args: Vec<OsString> =
            ["--config-net", "--foreground", "--quiet", "--ipv4-only"].map(Into::into).into();
        for forward in ["-u", "-T", "-U"] {
            args.extend([forward.into(), "none".into()]);
        }
        if published.is_empty() {
            args.extend(["-t".into(), "none".into()]);
        }
        for port in published {
            args.extend(["-t".into(), port.forward().into()]);
        }
        args.extend(["--no-map-gw", "--ns-ifname", "outside", "--dns-forward"].map(Into::into));
        args.push(RESOLVER.to_string().into());
        args.extend(["-a".into(), ADDRESS.to_string().into(), "-n".into(), PREFIX.to_string().into()]);
        args.extend(["-g".into(), GATEWAY.to_string().into(), "--pid".into(), done.into_os_string()]);
        args.extend(["--netns-only".into(), "--netns".into(), namespace.into()]);
        let pasta =
            spawned::Child::in_user_namespace(&program, args, user, vec![net], words.try_clone()?, nobodies)?;
        Ok(Self { pasta, folder, words })
    }

    /// Waits until the connection stands.
    pub async fn connected(&mut self) -> io::Result<()> {
        let begun = Instant::now();
        let mut pause = Duration::from_millis(1);
        loop {
            if fs::metadata(self.folder.path().join("done")).is_ok_and(|file| file.len() > 0) {
                return Ok(());
            }
            if let Some(status) = self.pasta.try_wait()? {
                return Err(io::Error::other(format!("`pasta` ended ({status}): {}", self.last_words())));
            }
            if begun.elapsed() > PATIENCE {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "`pasta` does not come up"));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }

    /// What it complained of, but its failed tries to write to the system's log.
    fn last_words(&mut self) -> String {
        use std::io::{Seek, SeekFrom};
        let mut text = String::new();
        let _ = self.words.seek(SeekFrom::Start(0));
        let _ = (&mut self.words).take(4096).read_to_string(&mut text);
        let mut lines = text.lines().filter(|line| !line.contains("to syslog") && !line.trim().is_empty());
        lines.next_back().unwrap_or_default().chars().filter(|c| !c.is_control()).collect()
    }
}

/// Where `pasta` is.
pub(super) fn pasta() -> Option<PathBuf> {
    let found = super::find(Path::new("pasta"));
    found.is_absolute().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_never_reached_and_what_the_user_may_allow() {
        let closed = Outside::default().unreachable();
        let open = Outside { private: true }.unreachable();
        for range in PRIVATE {
            assert!(closed.contains(&range) && !open.contains(&range), "{range:?}");
        }
        for range in ALWAYS.into_iter().chain(own_addresses().into_iter().map(one)) {
            assert!(closed.contains(&range) && open.contains(&range), "{range:?}");
        }
        for message in Outside::default().routes() {
            let length = u32::from_ne_bytes(message[..4].try_into().unwrap());
            assert_eq!(length as usize, message.len());
        }
    }
}

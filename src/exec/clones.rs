//! The clone test: what two instances of one artifact have in common. Two machines boot it side by side, each in an
//! overlay of its own, under the first and the last firmware that the base declares; one of them has a seed for
//! cloud-init and a larger disk, as a cloud would give it. What each has to make for itself when it first boots is
//! compared, with the other's and with what is in the artifact already; what the seed says is looked for, and no unit may
//! have failed.
//!
//! The network that the machines see has an address for each and nothing else in it: not this host, not the world
//! outside, not the other machine.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::{
    BuildError, Executor, executor::folder, instance::SshKey, session::StepContext, test_boots::CLONE_TEST,
};
use crate::{
    diagnostic::{Code, Diagnostic, codes},
    driver::{
        Disk, DiskAccess, DiskFile, DiskFormat, Exec, ExecEnd, Machine, MachineSpec, MountOptions, Network,
        Start, seed::Seed,
    },
    model::Firmware,
    plan::MachinePlan,
    store::{WorkFolder, digest_of},
    text::Digest,
};

const HOST_NAME: &str = "imgfile-instance";
/// The larger disk of the instance that has a seed, beyond the artifact's own.
const LARGER: u64 = 1 << 30;
/// What the root file system has to take of it: partition tables, alignment and journals take some.
const GROWN: u64 = LARGER / 2;
/// More than a sound guest says, and the longest line of it that is read.
const MOST: usize = 256 << 10;
const LONGEST_LINE: usize = 1024;

/// Says what an instance made for itself, a line each, when it has come up. Values are digests: nothing secret leaves
/// the guest.
const LOOK: &str = r#"#!/bin/sh
digest() { sha256sum | cut -c1-32; }
same() { if [ -s "$2" ]; then echo "identity $1 $(digest <"$2")"; fi; }
user=$1 key=$2 place=$3
if [ "$place" != disk ] && command -v cloud-init >/dev/null 2>&1; then
  cloud-init status --wait >/dev/null 2>&1
  echo "cloud-init $(cloud-init status 2>/dev/null | sed -n 's/^status: *//p')"
fi
[ "$place" = disk ] || [ -s /etc/machine-id ] || echo "missing machine-id"
# One that says so is made at the first boot (machine-id(5)).
[ "$(cat /etc/machine-id 2>/dev/null)" = uninitialized ] || same "the machine id" /etc/machine-id
same "the machine id of D-Bus" /var/lib/dbus/machine-id
for host_key in /etc/ssh/ssh_host_*_key; do
  same "the host key $host_key" "$host_key"
done
for file in /etc/dhcpcd.duid /var/lib/dhcpcd/duid /var/lib/dhcp/*.leases /var/lib/dhclient/*.leases \
    /var/lib/NetworkManager/secret_key /etc/iscsi/initiatorname.iscsi /etc/nvme/hostid /etc/nvme/hostnqn \
    /etc/hostid /var/lib/systemd/random-seed /var/lib/systemd/credential.secret /etc/munge/munge.key \
    /etc/ssl/private/ssl-cert-snakeoil.key /etc/bind/rndc.key; do
  same "$file" "$file"
done
if [ "$place" = disk ]; then
  echo "end"
  exit
fi
# What systemd-networkd names itself by to a DHCP server (RFC 4361). Kind 1 is the card's address, the hypervisor's.
if command -v networkctl >/dev/null 2>&1; then
  id=$(networkctl --json=short status 2>/dev/null | grep -o '"ClientIdentifier":\[[^]]*\]' | head -n 1)
  case $id in
    ''|*'[1,'*) ;;
    *) echo "identity the DHCP client identifier $(echo "$id" | digest)" ;;
  esac
fi
if command -v systemctl >/dev/null 2>&1; then
  systemctl --failed --no-legend --plain --no-pager 2>/dev/null | while read -r unit _; do
    echo "failed $unit"
    journalctl --no-pager --quiet --boot --lines=3 --output=cat --unit="$unit" 2>/dev/null | sed "s/^/why $unit /"
  done
fi
echo "host-name $(cat /proc/sys/kernel/hostname)"
echo "root-bytes $(($(stat -f -c '%b * %S' /)))"
home=$(getent passwd "$user" | cut -d: -f6)
if [ -n "$home" ] && grep -qF "$key" "$home/.ssh/authorized_keys" 2>/dev/null; then echo "key there"; fi
echo "end"
"#;

/// What an instance said.
#[derive(Debug, Default, PartialEq, Eq)]
struct InstanceReport {
    /// Digests by what they are of.
    identities: BTreeMap<String, String>,
    missing: Vec<String>,
    /// Failed units, with their last words.
    failed: BTreeMap<String, Vec<String>>,
    /// The state of cloud-init, if the image has it.
    cloud_init: Option<String>,
    host_name: String,
    root_bytes: u64,
    has_key: bool,
    is_whole: bool,
}

impl InstanceReport {
    fn read(said: &str) -> Self {
        let mut instance = Self::default();
        for line in said.lines().filter(|line| line.len() <= LONGEST_LINE) {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            let rest: String = rest.chars().filter(|c| !crate::text::is_hidden(*c)).collect();
            match word {
                "identity" => {
                    if let Some((of, value)) = rest.rsplit_once(' ') {
                        instance.identities.insert(of.to_owned(), value.to_owned());
                    }
                }
                "missing" => instance.missing.push(rest),
                "failed" => drop(instance.failed.entry(rest).or_default()),
                "why" => {
                    if let Some((unit, words)) = rest.split_once(' ') {
                        instance.failed.entry(unit.to_owned()).or_default().push(words.to_owned());
                    }
                }
                "cloud-init" => instance.cloud_init = Some(rest),
                "host-name" => instance.host_name = rest,
                "root-bytes" => instance.root_bytes = rest.parse().unwrap_or_default(),
                "key" => instance.has_key = true,
                "end" => instance.is_whole = true,
                _ => {}
            }
        }
        instance
    }
}

impl Executor<'_> {
    /// Boots two instances and compares them.
    pub(super) async fn test_clones(
        &self,
        context: &StepContext<'_>,
        work: &WorkFolder,
        artifact: &Path,
        format: DiskFormat,
    ) -> Result<(), BuildError> {
        // The one with a seed has more to do, and so more to show.
        let console = work.path().join("instance-seeded/machine/console.log");
        let work = self.clones(context, work, artifact, format);
        super::boot::step(context.reporter, CLONE_TEST, &console, work).await
    }

    async fn clones(
        &self,
        context: &StepContext<'_>,
        work: &WorkFolder,
        artifact: &Path,
        format: DiskFormat,
    ) -> Result<(), BuildError> {
        let image = context.image;
        let before = content(artifact)?;
        let no_key = |_| BuildError::HostTool { program: "random numbers", detail: "there are none".into() };
        let key = SshKey::generate("imgfile-test").map_err(no_key)?;
        let firmware = &image.base.firmware;
        let of = |firmware: Option<&Firmware>| firmware.copied().unwrap_or(Firmware::Bios);
        let (first, last) = (of(firmware.first()), of(firmware.last()));
        let size = self.driver.disks().look(DiskFile { path: artifact, format }).await?.size;
        let seeded = self.disks_of(work, "seeded", (artifact, format), size + LARGER)?;
        let seed = seeded.with_file_name("seed.iso");
        let said = Seed {
            instance_id: "imgfile-test".into(),
            host_name: HOST_NAME.into(),
            authorized_keys: vec![key.public.clone()],
            host_key: None,
        };
        said.write(&seed).map_err(|source| BuildError::Io { action: "write", path: seed.clone(), source })?;
        let plain = self.disks_of(work, "plain", (artifact, format), size)?;
        let disk = |path: &PathBuf| Disk {
            path: path.clone(),
            format: DiskFormat::Qcow2,
            access: DiskAccess::Discard,
        };
        let seed = Disk { path: seed, format: DiskFormat::Raw, access: DiskAccess::Read };
        let (one, other) = tokio::join!(
            self.instance(context, first, (&seeded, vec![disk(&seeded), seed]), &key),
            self.instance(context, last, (&plain, vec![disk(&plain)]), &key),
        );
        let (one, other) = (one?, other?);
        let sealed = self.sealed(context, work, (artifact, format), &key).await?;
        let mut found = compared(&image.image, &sealed, &one, &other);
        if content(artifact)? != before {
            let message = format!("the file of `{}` changed while instances of it ran", image.image);
            found.push(Diagnostic::new(codes::HOST_REFUSED, message));
        }
        if found.is_empty() { Ok(()) } else { Err(BuildError::Tested(found)) }
    }

    /// An overlay of so many bytes in a folder of its own.
    fn disks_of(
        &self,
        work: &WorkFolder,
        name: &str,
        (artifact, format): (&Path, DiskFormat),
        size: u64,
    ) -> Result<PathBuf, BuildError> {
        let path = folder(work, &format!("instance-{name}"))?.join("disk.qcow2");
        let artifact = std::path::absolute(artifact).unwrap_or_else(|_| artifact.to_owned());
        self.driver.disks().overlay(&path, DiskFile { path: &artifact, format }, size)?;
        Ok(path)
    }

    /// What is in the artifact before anything of it has run.
    async fn sealed(
        &self,
        context: &StepContext<'_>,
        work: &WorkFolder,
        (artifact, format): (&Path, DiskFormat),
        key: &SshKey,
    ) -> Result<InstanceReport, BuildError> {
        let disk = Disk { path: artifact.to_owned(), format, access: DiskAccess::Read };
        let run_dir = folder(work, "instance-sealed")?;
        let spec = MachineSpec {
            network: Network::None,
            ..self.machine(context.image, Start::Offline, disk, run_dir)
        };
        let _share = self.budget.take(&context.image.machine).await;
        let mut machine = self.start(context, spec).await?;
        machine.mount(MountOptions { read_only: true, ..MountOptions::default() }).await?;
        Ok(InstanceReport::read(&look(machine.as_mut(), &context.image.user, key, "disk").await?))
    }

    /// Boots one and hears what it made for itself.
    async fn instance(
        &self,
        context: &StepContext<'_>,
        firmware: Firmware,
        (own, disks): (&Path, Vec<Disk>),
        key: &SshKey,
    ) -> Result<InstanceReport, BuildError> {
        let image = context.image;
        let run_dir = own.with_file_name("machine");
        std::fs::create_dir(&run_dir).map_err(|source| BuildError::Io {
            action: "create",
            path: run_dir.clone(),
            source,
        })?;
        let first = disks[0].clone();
        // One processor each, so that both run at once on a host with two.
        let plan = MachinePlan { cpus: 1, ..image.machine.clone() };
        let spec = MachineSpec {
            cpus: 1,
            disks,
            network: Network::Isolated,
            ..self.machine(image, Start::Firmware(firmware), first, run_dir)
        };
        let _share = self.budget.take(&plan).await;
        let mut machine = self.start(context, spec).await?;
        let said = look(machine.as_mut(), &image.user, key, "instance").await?;
        context
            .reporter
            .output(CLONE_TEST, &format!("instance under {firmware}:\n{}", context.mask.text(&said)));
        let instance = InstanceReport::read(&said);
        if instance.is_whole {
            return Ok(instance);
        }
        let detail = format!("an instance of `{}` did not say what it made for itself", image.image);
        Err(crate::driver::DriverError::Protocol { detail }.into())
    }
}

async fn look(
    machine: &mut dyn Machine,
    user: &str,
    key: &SshKey,
    place: &str,
) -> Result<String, BuildError> {
    // The second word is the key alone: a comment may be left out.
    let key = key.public.split(' ').nth(1).unwrap_or_default();
    let mut command = Exec::argv(["/bin/sh", "-c", LOOK, "look", user, key, place]);
    command.timeout = std::time::Duration::from_mins(5);
    let mut said = Vec::new();
    let end = machine
        .exec(command, &mut |output| {
            let room = MOST.saturating_sub(said.len());
            said.extend(output.bytes.into_iter().take(room));
        })
        .await?;
    let said = String::from_utf8_lossy(&said).into_owned();
    if end == ExecEnd::TimedOut {
        let detail = "an instance was not at rest within 5 minutes (cloud-init is still at work)".to_owned();
        return Err(crate::driver::DriverError::Protocol { detail }.into());
    }
    Ok(said)
}

/// The digest of what is in a file now, whatever was remembered of it.
fn content(path: &Path) -> Result<Digest, BuildError> {
    let read = |path: &Path| digest_of(&mut std::fs::File::open(path)?);
    tokio::task::block_in_place(|| read(path)).map_err(|source| BuildError::Io {
        action: "read",
        path: path.to_owned(),
        source,
    })
}

/// What is wrong with two instances of an image, of which the first had a seed, by what a look at each printed, and one
/// at the artifact.
#[must_use]
pub fn compare_instances(image: &str, sealed: &str, one: &str, other: &str) -> Vec<Diagnostic> {
    let [sealed, one, other] = [sealed, one, other].map(InstanceReport::read);
    compared(image, &sealed, &one, &other)
}

/// What is `sealed` in the artifact each of its instances has, until something makes it anew.
fn compared(
    image: &str,
    sealed: &InstanceReport,
    one: &InstanceReport,
    other: &InstanceReport,
) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let pairs = [(one, other), (one, sealed), (other, sealed)];
    let of_pair = |(a, b): (&InstanceReport, &InstanceReport)| {
        let same = a.identities.iter().filter(|(of, value)| b.identities.get(*of) == Some(*value));
        same.map(|(of, _)| of.clone()).collect::<Vec<_>>()
    };
    let shared: BTreeSet<String> = pairs.into_iter().flat_map(of_pair).collect();
    let missing: BTreeSet<&String> = one.missing.iter().chain(&other.missing).collect();
    if !shared.is_empty() {
        let message = format!("two instances of `{image}` have in common what each must make for itself");
        found.push(notes(codes::CLONES_SHARE, message, shared).help(
            "keep it out of the image: `cleanup cloud` clears it, and a unit makes it when an instance first boots",
        ));
    }
    if !missing.is_empty() {
        let message = format!("an instance of `{image}` lacks what each must make for itself");
        found.push(notes(codes::CLONES_SHARE, message, missing));
    }
    if let Some(state) = &one.cloud_init {
        let mut unused = Vec::new();
        if state.starts_with("disabled") || state.starts_with("not") {
            unused.push(format!("cloud-init is `{state}` although there is a seed"));
        } else {
            if !one.has_key {
                unused.push("the default user did not get the key".to_owned());
            }
            if one.host_name != HOST_NAME {
                unused.push(format!("the host name is `{}`, not `{HOST_NAME}`", one.host_name));
            }
            if one.root_bytes < other.root_bytes + GROWN {
                unused.push("the root file system did not grow with the disk".to_owned());
            }
        }
        if !unused.is_empty() {
            let message = format!("an instance of `{image}` does not do what its seed says");
            found.push(
                notes(codes::SEED_UNUSED, message, &unused)
                    .help("`imgfile run` starts the same; `/var/log/cloud-init.log` in it says why"),
            );
        }
    }
    let units: BTreeSet<&String> = one.failed.keys().chain(other.failed.keys()).collect();
    for unit in units {
        let words = [one, other].into_iter().filter_map(|instance| instance.failed.get(unit));
        let words = words.max_by_key(|words| words.len()).cloned().unwrap_or_default();
        let message = format!("the unit `{unit}` fails in an instance of `{image}`");
        found.push(notes(codes::UNIT_FAILED, message, &words));
    }
    found
}

/// A diagnostic with a note for each of some lines.
fn notes<T: ToString>(code: Code, message: String, lines: impl IntoIterator<Item = T>) -> Diagnostic {
    lines.into_iter().fold(Diagnostic::new(code, message), |found, line| found.note(line.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: &str = "cloud-init done\nidentity the machine id 11\nidentity the host key /k 12\n\
        host-name imgfile-instance\nroot-bytes 5000000000\nkey there\nend\n";
    const OTHER: &str = "cloud-init disabled\nidentity the machine id 21\nidentity the host key /k 22\n\
        host-name localhost\nroot-bytes 4000000000\nend\n";

    /// Codes and notes of what is wrong.
    fn wrong(one: &str, other: &str) -> Vec<(&'static str, String)> {
        wrong_with("end\n", one, other)
    }

    fn wrong_with(sealed: &str, one: &str, other: &str) -> Vec<(&'static str, String)> {
        let (one, other) = (InstanceReport::read(one), InstanceReport::read(other));
        assert!(one.is_whole && other.is_whole);
        let found = compared("web", &InstanceReport::read(sealed), &one, &other);
        found.iter().map(|one| (one.code.as_str(), one.notes.join("; "))).collect()
    }

    #[test]
    fn instances_that_are_as_they_should_be() {
        assert_eq!(wrong(SOUND, OTHER), []);
        // One without cloud-init has nothing of a seed's.
        let plain = |text: &str| text.replace("cloud-init done\n", "").replace("key there\n", "");
        assert_eq!(
            wrong(&plain(SOUND).replace("instance", "other"), &OTHER.replace("cloud-init disabled\n", "")),
            []
        );
    }

    #[test]
    fn what_is_shared_is_named() {
        let clone = OTHER.replace("id 21", "id 11").replace("/k 22", "/k 12");
        assert_eq!(wrong(SOUND, &clone), [("E0635", "the host key /k; the machine id".to_owned())]);
        // A key of the artifact that only cloud-init makes anew.
        let sealed = "identity the host key /k 22\nend\n";
        assert_eq!(wrong_with(sealed, SOUND, OTHER), [("E0635", "the host key /k".to_owned())]);
        let missing = OTHER.replace("end\n", "missing machine-id\nend\n");
        assert_eq!(wrong(SOUND, &missing), [("E0635", "machine-id".to_owned())]);
    }

    #[test]
    fn what_a_seed_did_not_do_is_named() {
        let idle = SOUND
            .replace("key there\n", "")
            .replace("5000000000", "4000000000")
            .replace("imgfile-instance", "x");
        let (code, notes) = &wrong(&idle, OTHER)[0];
        assert_eq!(*code, "E0636");
        for part in ["key", "host name is `x`", "did not grow"] {
            assert!(notes.contains(part), "{notes}");
        }
        let off = SOUND.replace("cloud-init done", "cloud-init disabled");
        assert!(wrong(&off, OTHER)[0].1.contains("although there is a seed"));
    }

    #[test]
    fn a_unit_that_failed_is_told_once_with_its_words() {
        let failed = "failed a.service\nwhy a.service no \u{1b}such thing\nend\n";
        let one = SOUND.replace("end\n", failed);
        let found = wrong(&one, &OTHER.replace("end\n", "failed a.service\nend\n"));
        assert_eq!(found, [("E0637", "no such thing".to_owned())]);
    }
}

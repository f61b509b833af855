//! What a finished disk consists of, read out of the disk itself: of the image's own package databases, by the agent,
//! without running anything of the image. It is kept with the finished disk, under the key that names that disk.

use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use super::{BuildError, Reporter};
use crate::{
    describe::{APK, COPYRIGHT_LIMIT, DPKG, Inventory, copyright_path},
    driver::{DriverError, Machine},
    packages::SystemFiles,
    plan::{Action, BaseSource, ImagePlan, PlannedPackage},
    store::Store,
    text::Digest,
};

/// Changes with the meaning of [`Inventory`].
const KIND: &str = "inventory-v1";
/// Bytes of a database: the status file of a large desktop has 6 MB.
const DATABASE: u64 = 64 << 20;
/// Bytes of os-release.
const TEXT: u64 = 1 << 16;
/// Copyright files that are read at most, and bytes of them together.
const MOST_FILES: usize = 20_000;
const MOST_BYTES: u64 = 256 << 20;

/// The inventory of an image's finished disk, if it was read before.
pub(super) fn known(store: &Store, image: &ImagePlan) -> Option<Inventory> {
    store.facts().get(KIND, &image.key().0)
}

/// Keeps the inventory of a finished disk that is kept itself.
pub(super) fn remember(store: &Store, image: &ImagePlan, inventory: &Inventory) -> Result<(), BuildError> {
    Ok(store.facts().put(KIND, &image.key().0, inventory)?)
}

/// Reads the inventory in a machine whose image is mounted.
pub(super) async fn read(
    machine: &mut dyn Machine,
    store: &Store,
    image: &ImagePlan,
    reporter: &Reporter,
) -> Result<Inventory, DriverError> {
    let mut files = SystemFiles::default();
    for path in ["/etc/os-release", "/usr/lib/os-release"] {
        if let Some(content) = file(machine, path, TEXT, reporter).await? {
            files.insert(path, content);
            break;
        }
    }
    for path in [DPKG].into_iter().chain(APK) {
        if let Some(content) = file(machine, path, DATABASE, reporter).await? {
            files.insert(path, content);
        }
    }
    let status = files.text(DPKG).unwrap_or_default().into_owned();
    let mut room = MOST_BYTES;
    for name in Inventory::with_copyright_files(&status).into_iter().take(MOST_FILES) {
        // A database is text of the guest: only what can be a package's name becomes a part of a path.
        if !is_package_name(&name) || room == 0 {
            continue;
        }
        let path = copyright_path(&name);
        match machine.get(&path, COPYRIGHT_LIMIT.min(room)).await {
            Ok(content) => {
                room -= content.len() as u64;
                files.insert(path, content);
            }
            // Some have none, and some systems are stripped of all documentation.
            Err(DriverError::Refused { .. }) => {}
            Err(fault) => return Err(fault),
        }
    }
    let finished = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut inventory = Inventory::read(&files, finished);
    let below = match &image.base.source {
        BaseSource::Image { key, .. } => store.facts().get::<Inventory>(KIND, &key.0),
        _ => None,
    };
    let mut digests = below.as_ref().map(Inventory::digests).unwrap_or_default();
    digests.extend(pinned(image));
    inventory.vouch(&digests);
    Ok(inventory)
}

/// The digests of the package files that an image's plan installs.
fn pinned(image: &ImagePlan) -> BTreeMap<(&str, &str, &str), Digest> {
    let of_base: &[PlannedPackage] = match &image.base.source {
        BaseSource::Bootstrap { packages, .. } => packages,
        _ => &[],
    };
    let changes = image.steps.iter().filter_map(|step| match &step.action {
        Action::Packages(change) => Some(&*change.install),
        _ => None,
    });
    let all = [of_base].into_iter().chain(changes).flatten();
    all.map(|one| ((one.name.as_str(), one.version.as_str(), one.arch.as_str()), one.sha256)).collect()
}

/// A file, if the system has it; one that cannot be read is told of.
async fn file(
    machine: &mut dyn Machine,
    path: &str,
    limit: u64,
    reporter: &Reporter,
) -> Result<Option<Vec<u8>>, DriverError> {
    match machine.get(path, limit).await {
        Ok(content) => Ok(Some(content)),
        Err(DriverError::Refused { reason, .. }) => {
            if !["No such file", "Not a directory"].iter().any(|absent| reason.contains(absent)) {
                reporter.note(format!("what is said of the packages of the image lacks `{path}`: {reason}"));
            }
            Ok(None)
        }
        Err(fault) => Err(fault),
    }
}

/// Debian Policy 5.6.7: lower-case letters, digits, `+`, `-` and `.`, beginning with a letter or digit.
fn is_package_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c);
    name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.len() <= 200 && name.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        driver::{Driver, Limits, MachineSpec, MountOptions, Network, Start, fake::FakeDriver},
        exec::{Event, Observer, simulation::image},
    };

    struct Nobody;

    impl Observer for Nobody {
        fn event(&self, _: &Event) {}
    }

    #[tokio::test]
    async fn only_what_can_be_a_name_becomes_part_of_a_path() {
        let status = ["a+b", "../../../etc/shadow", "ok", "UP"].map(|name| {
            format!("Package: {name}\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n\n")
        });
        let copyright = "Format: x/copyright-format/1.0\n\nFiles: *\nLicense: Expat\n";
        let driver =
            FakeDriver::new().file(DPKG, status.concat()).file("/usr/share/doc/ok/copyright", copyright);
        let spec = MachineSpec {
            cpus: 1,
            memory_mib: 256,
            start: Start::Offline,
            disks: Vec::new(),
            payload: Vec::new(),
            network: Network::None,
            run_dir: "unused".into(),
            limits: Limits::default(),
        };
        let mut machine = driver.start(spec).await.unwrap();
        machine.mount(MountOptions::default()).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().join("store")).unwrap();
        let plan = image("small", "o", 0);
        let found = read(machine.as_mut(), &store, &plan, &Reporter::new(Arc::new(Nobody))).await.unwrap();
        let asked: Vec<String> = driver.events().iter().map(|event| format!("{event:?}")).collect();
        assert!(asked.iter().any(|path| path.contains("/usr/share/doc/a+b/copyright")), "{asked:?}");
        assert!(!asked.iter().any(|path| path.contains("..") || path.contains("UP")), "{asked:?}");
        assert_eq!(found.packages.len(), 4);
        let ok = found.packages.iter().find(|package| package.name == "ok").unwrap();
        assert_eq!(ok.license.as_deref(), Some("MIT"));
        assert_eq!(known(&store, &plan), None);
        remember(&store, &plan, &found).unwrap();
        assert_eq!(known(&store, &plan), Some(found));
    }
}

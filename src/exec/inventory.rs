//! What a finished disk consists of, read out of the disk itself: of the image's own package databases, by the agent,
//! without running anything of the image.

use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use super::Reporter;
use crate::{
    describe::{COPYRIGHT_LIMIT, Inventory, copyright_path},
    driver::{DriverError, FileContent, Machine},
    model::{DPKG, PACKAGE_DATABASES},
    packages::SystemFiles,
    plan::{Action, BaseSource, ImagePlan, PlannedPackage},
    text::Digest,
};

/// Bytes of a database: the status file of a large desktop has 6 MB.
const DATABASE: u64 = 64 << 20;
/// Copyright files that are read at most, and bytes of them together.
const MOST_FILES: usize = 20_000;
const MOST_BYTES: u64 = 256 << 20;

/// Reads the inventory in a machine whose image is viewed. `below` is that of the image it is based on, if it is based on
/// one.
pub(super) async fn read(
    machine: &mut dyn Machine,
    image: &ImagePlan,
    below: Option<&Inventory>,
    reporter: &Reporter,
) -> Result<Inventory, DriverError> {
    let mut files = SystemFiles::default();
    let databases = PACKAGE_DATABASES.iter().flat_map(|database| database.installed);
    let databases = ["/etc/os-release", "/usr/lib/os-release"].iter().chain(databases);
    let paths: Vec<String> = databases.map(|path| (*path).to_owned()).collect();
    for (path, content) in contents(machine, paths, DATABASE).await? {
        let reason = match content {
            FileContent::Whole(bytes) => {
                files.insert(path, bytes);
                continue;
            }
            FileContent::Absent => continue,
            FileContent::NotAFile => "it is no regular file".to_owned(),
            FileContent::TooLong(size) => format!("it has {size} bytes"),
            FileContent::Unreadable(reason) => reason,
        };
        reporter.note(format!("what is said of the packages of the image lacks `{path}`: {reason}"));
    }
    let status = files.text(DPKG.installed[0]).unwrap_or_default().into_owned();
    // A database is text of the guest: only what can be a package's name becomes a part of a path.
    let names = Inventory::with_copyright_files(&status).into_iter().filter(|name| is_package_name(name));
    let paths = names.take(MOST_FILES).map(|name| copyright_path(&name)).collect();
    for (path, content) in contents(machine, paths, COPYRIGHT_LIMIT).await? {
        // Some have none, and some systems are stripped of all documentation.
        if let FileContent::Whole(bytes) = content {
            files.insert(path, bytes);
        }
    }
    let finished = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut inventory = Inventory::read(&files, finished);
    let mut digests = below.map(Inventory::digests).unwrap_or_default();
    digests.extend(pinned(image));
    inventory.vouch(&digests);
    Ok(inventory)
}

/// What is in each of some files, none longer than `each` bytes.
async fn contents(
    machine: &mut dyn Machine,
    paths: Vec<String>,
    each: u64,
) -> Result<impl Iterator<Item = (String, FileContent)>, DriverError> {
    let bytes: Vec<Vec<u8>> = paths.iter().map(|path| path.clone().into_bytes()).collect();
    let found = machine.read_files(&bytes, each, MOST_BYTES).await?;
    Ok(paths.into_iter().zip(found))
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
        driver::{Driver, Limits, MachineSpec, Network, RootSource, Start, fake::FakeDriver},
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
        let driver = FakeDriver::new()
            .file(DPKG.installed[0], status.concat())
            .file("/usr/share/doc/ok/copyright", copyright);
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
        machine.view(RootSource::Find).await.unwrap();
        let plan = image("small", "o", 0);
        let found = read(machine.as_mut(), &plan, None, &Reporter::new(Arc::new(Nobody))).await.unwrap();
        let asked: Vec<String> = driver.events().iter().map(|event| format!("{event:?}")).collect();
        assert!(asked.iter().any(|path| path.contains("/usr/share/doc/a+b/copyright")), "{asked:?}");
        assert!(!asked.iter().any(|path| path.contains("..") || path.contains("UP")), "{asked:?}");
        assert_eq!(found.packages.len(), 4);
        let ok = found.packages.iter().find(|package| package.name == "ok").unwrap();
        assert_eq!(ok.license.as_deref(), Some("MIT"));
    }
}

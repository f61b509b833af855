//! What tests with real machines run on: the store that the first of them to need it fills by building a
//! small image, and that later runs find again (`IMGFILE_TEST_STORE` names another).

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::store::store;

use imgfile::driver::{AcceleratorChoice, BuildKernel, qemu::QemuDriver};

/// A store that holds a build kernel and a base made here.
pub struct Ground {
    pub store: PathBuf,
    /// The base's disk.
    pub disk: PathBuf,
    kernel: BuildKernel,
    machines: PathBuf,
}

impl Ground {
    pub fn find() -> Self {
        let store = store();
        fs::create_dir_all(&store).unwrap();
        // Beside the store: a folder with something in it does not become one.
        let lock = File::create(store.with_extension("lock")).unwrap();
        lock.lock().unwrap();
        let pin = store.join("kernels/pinned");
        if !pin.exists() || first_disk(&store).is_none() {
            build_something(&store);
        }
        let kernel = store.join("kernels").join(fs::read_to_string(pin).unwrap().trim());
        Self {
            disk: first_disk(&store).expect("a build leaves a base in the store"),
            kernel: BuildKernel::open(&kernel).expect("a build leaves a kernel in the store"),
            machines: store.join("machines"),
            store,
        }
    }

    pub async fn driver(&self) -> QemuDriver {
        self.driver_with(AcceleratorChoice::Auto, &self.machines).await
    }

    /// A driver that keeps what it knows of machines in a folder of the caller's.
    pub async fn driver_with(&self, accelerator: AcceleratorChoice, machines: &Path) -> QemuDriver {
        if is_weaker_allowed() {
            imgfile::cell::allow_weaker();
        }
        QemuDriver::new(self.kernel.clone(), accelerator, machines).await.unwrap()
    }
}

/// Whether whoever runs the tests takes a host that lacks walls (`scripts/test` says it aloud).
fn is_weaker_allowed() -> bool {
    std::env::var("IMGFILE_ALLOW_WEAKER_CELL").is_ok_and(|allowed| allowed == "true")
}

fn first_disk(store: &Path) -> Option<PathBuf> {
    let bases = fs::read_dir(store.join("bases")).ok()?;
    // Disks that users brought lie there too, and have been built upon: only those made here count.
    let made_here = |base: &Path| {
        fs::read_to_string(base.join("meta.json")).is_ok_and(|meta| meta.contains("\"root_uuid\""))
    };
    let folders = bases.flatten().map(|base| base.path()).filter(|base| made_here(base));
    folders.map(|base| base.join("disk.qcow2")).find(|disk| disk.is_file())
}

fn build_something(store: &Path) {
    let project = tempfile::tempdir().unwrap();
    fs::write(project.path().join("ImageFile"), "image \"ground\" {\n  os linux debian 13\n}\n").unwrap();
    let status = Command::new(env!("CARGO_BIN_EXE_imgfile"))
        .args(["build", "--no-test"])
        .current_dir(project.path())
        .env("IMGFILE_STORE", store)
        .status()
        .unwrap();
    assert!(status.success(), "the ground for these tests was not built");
}

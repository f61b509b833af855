//! The build kernel: what inspection and offline stages run under, whatever the image is.

use super::{BuildError, Preparer, Reporter, errors};
use crate::{
    driver::BuildKernel,
    model::Arch,
    packages::{Keyring, Selected, Universe},
    store::fetch::Download,
};

/// The Debian release it is taken from: the one most bases have, so that they boot the very kernel
/// that runs already and need no second machine.
const SUITE: &str = "trixie";
const ARCH: Arch = Arch::X86_64;
/// Names the kernel's folder below `kernels/`: fetched once, and kept until somebody removes it, so that
/// the same store goes on building the same way.
const PIN: &str = "pinned";

impl Preparer<'_> {
    /// The store's build kernel, fetched when there is none.
    pub async fn build_kernel(&self, reporter: &Reporter) -> Result<BuildKernel, BuildError> {
        let kernels = self.store.kernels();
        let pin = kernels.join(PIN);
        if let Ok(name) = std::fs::read_to_string(&pin)
            && let Some(kernel) = BuildKernel::open(&kernels.join(name.trim()))
        {
            return Ok(kernel);
        }
        let package = self.newest_kernel().await?;
        let mirrors = self.mirrors.ok_or_else(errors::no_mirror)?;
        let download = Download {
            name: format!("{} {}", package.name, package.version),
            url: mirrors.url(&package.origin),
            sha256: package.sha256,
            size: Some(package.size),
        };
        let blobs =
            self.fetch("download the build kernel", std::slice::from_ref(&download), reporter).await?;
        let Some(file) = blobs.get(&package.sha256) else { return Err(errors::no_kernel()) };
        let kernel = tokio::task::block_in_place(|| BuildKernel::from_package(&kernels, file))?;
        let written = std::fs::write(&pin, package.sha256.to_string());
        written.map_err(|source| BuildError::Io { action: "write", path: pin, source })?;
        Ok(kernel)
    }

    async fn newest_kernel(&self) -> Result<Selected, BuildError> {
        let mirrors = self.mirrors.ok_or_else(errors::no_mirror)?;
        let keys = Keyring::debian().map_err(|error| errors::keyring(&error, None))?;
        let archives: Vec<_> = mirrors.suites(SUITE).into_iter().map(|archive| (archive, &keys)).collect();
        let universe = self
            .indexes()
            .load(ARCH.debian(), &archives)
            .await
            .map_err(|error| errors::archive(&error, None))?;
        newest(&universe).ok_or_else(errors::no_kernel)
    }
}

/// The newest kernel made for virtual machines: `linux-image-6.12.48+deb13-cloud-amd64`.
fn newest(universe: &Universe) -> Option<Selected> {
    let end = format!("-cloud-{}", ARCH.debian());
    let is_image = |name: &&str| {
        let version = name.strip_prefix("linux-image-").and_then(|name| name.strip_suffix(&end));
        version.is_some_and(|version| version.starts_with(|first: char| first.is_ascii_digit()))
    };
    let found = universe
        .names()
        .filter(is_image)
        .flat_map(|name| universe.versions(name).filter_map(move |version| universe.find(name, &version)));
    found.max_by(|a, b| a.version.cmp(&b.version))
}

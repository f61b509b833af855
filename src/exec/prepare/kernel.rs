//! The build kernel: what inspection and offline stages run under, whatever the image is.

use super::{BuildError, Preparer, errors};
use crate::{
    driver::BuildKernel,
    exec::Reporter,
    model::Arch,
    packages::{KernelSource, Manager, Selected},
    store::fetch::Download,
};

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
        let manager = Manager::default();
        let source = manager.kernel_source().ok_or_else(errors::no_mirror)?;
        let package = self.newest_kernel(manager, source).await?;
        let mirrors = self.mirrors.ok_or_else(errors::no_mirror)?;
        let download = Download {
            name: format!("{} {}", package.name, package.version),
            url: mirrors.url(&package.origin),
            sha256: package.sha256,
            size: Some(package.size),
        };
        let blobs =
            self.fetch("download the build kernel", std::slice::from_ref(&download), reporter).await?;
        let Some(file) = blobs.get(&package.sha256) else {
            return Err(errors::no_kernel(&source.named(ARCH)));
        };
        let kernel = tokio::task::block_in_place(|| BuildKernel::from_package(&kernels, file, source))?;
        let written = std::fs::write(&pin, package.sha256.to_string());
        written.map_err(|source| BuildError::Io { action: "write", path: pin, source })?;
        Ok(kernel)
    }

    async fn newest_kernel(
        &self,
        manager: Manager,
        source: &dyn KernelSource,
    ) -> Result<Selected, BuildError> {
        let mirrors = self.mirrors.ok_or_else(errors::no_mirror)?;
        let keys = manager.distribution_keys().map_err(|error| errors::keyring(&error, None))?;
        let archives: Vec<_> = source.archives(mirrors).into_iter().map(|archive| (archive, &keys)).collect();
        let pool = self
            .indexes(manager)
            .load(manager.arch(ARCH), &archives)
            .await
            .map_err(|error| errors::archive(&error, None))?;
        source.newest(&*pool, ARCH).ok_or_else(|| errors::no_kernel(&source.named(ARCH)))
    }
}

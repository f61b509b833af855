//! The kernels of an image, the one its own boot loader would start first: what entries of the Boot
//! Loader Specification say ([`bls`]), else GRUB's configuration ([`grub`]), else the newest.

mod bls;
mod grub;
mod release;
#[cfg(test)]
mod tests;

use imgfile_agent::protocol::message::{Entry, Kind};

use super::super::DriverError;
use super::super::inspect::Kernel;
use super::guest::Guest;

/// Configurations are text of some hundred KiB at most; what is longer is cut.
const TEXT: u64 = 1024 * 1024;
/// The part of a kernel's image that says its release.
const HEADER: u64 = 40 * 1024;
/// More kernels than any system has; what is beyond is not looked at.
const MOST: usize = 64;

/// A tree of files: an image's, or a test's.
pub(super) trait Tree {
    /// A folder's entries by name; empty if it is not there.
    fn list(&mut self, path: &str) -> impl Future<Output = Result<Vec<Entry>, DriverError>> + Send;
    /// The start of a file, symbolic links followed; none if it is not there.
    fn peek(
        &mut self,
        path: &str,
        limit: u64,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, DriverError>> + Send;
}

impl Tree for Guest {
    fn list(&mut self, path: &str) -> impl Future<Output = Result<Vec<Entry>, DriverError>> + Send {
        Self::list(self, path)
    }

    fn peek(
        &mut self,
        path: &str,
        limit: u64,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, DriverError>> + Send {
        Self::peek(self, path, limit)
    }
}

/// What a boot loader would start: an entry of its menu.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Choice {
    /// Paths of the kernel's image to try, in the system's own terms, the likeliest first.
    paths: Vec<String>,
    /// The release, where the entry says it.
    release: Option<String>,
}

/// Kernels that have both an image and modules: first what the boot loader would start, then the
/// others, newest first.
pub(super) async fn kernels(tree: &mut impl Tree) -> Result<Vec<Kernel>, DriverError> {
    let releases = releases(tree).await?;
    let mut kernels = installed(tree, &releases).await?;
    if let Some(first) = chosen(tree, &releases).await? {
        kernels.retain(|kernel| kernel.release != first.release);
        kernels.insert(0, first);
    }
    Ok(kernels)
}

/// Releases that have modules.
async fn releases(tree: &mut impl Tree) -> Result<Vec<String>, DriverError> {
    let mut releases: Vec<String> = Vec::new();
    for folder in ["/usr/lib/modules", "/lib/modules"] {
        for entry in tree.list(folder).await? {
            if entry.kind == Kind::Directory && !releases.contains(&entry.name) && releases.len() < MOST {
                releases.push(entry.name);
            }
        }
    }
    Ok(releases)
}

/// Kernels where distributions put them, newest first.
async fn installed(tree: &mut impl Tree, releases: &[String]) -> Result<Vec<Kernel>, DriverError> {
    let mut kernels: Vec<Kernel> = Vec::new();
    let mut unnamed = Vec::new();
    for entry in tree.list("/boot").await? {
        if !matches!(entry.kind, Kind::File | Kind::Symlink) {
            continue;
        }
        let Some(rest) = ["vmlinuz", "vmlinux", "kernel", "bzImage"]
            .iter()
            .find_map(|prefix| entry.name.strip_prefix(prefix))
        else {
            continue;
        };
        let path = format!("/boot/{}", entry.name);
        match rest.strip_prefix('-').filter(|release| releases.iter().any(|known| known == release)) {
            Some(release) if tree.peek(&path, 4).await?.is_some() => {
                kernels.push(Kernel { release: release.to_owned(), path });
            }
            None if unnamed.len() < MOST => unnamed.push(path),
            // A link into nothing, or more than anybody has.
            Some(_) | None => {}
        }
    }
    // `vmlinuz-virt`, or a rescue kernel: its own words say which one it is.
    for path in unnamed {
        if let Some(release) = release_of(tree, &path, releases).await?
            && kernels.iter().all(|kernel| kernel.release != release)
        {
            kernels.push(Kernel { release, path });
        }
    }
    // Some keep the image with the modules, and copy it to /boot when it is installed.
    for release in releases {
        let path = format!("/usr/lib/modules/{release}/vmlinuz");
        if kernels.iter().all(|kernel| kernel.release != *release) && tree.peek(&path, 4).await?.is_some() {
            kernels.push(Kernel { release: release.clone(), path });
        }
    }
    kernels.sort_by(|a, b| release::compare(&b.release, &a.release));
    Ok(kernels)
}

/// The first entry of the boot loader's menu, its default before the others, that leads to a kernel.
async fn chosen(tree: &mut impl Tree, releases: &[String]) -> Result<Option<Kernel>, DriverError> {
    for choices in [bls::choices(tree).await?, grub::choices(tree).await?] {
        for choice in choices.into_iter().take(MOST) {
            for path in &choice.paths {
                if tree.peek(path, 4).await?.is_none() {
                    continue;
                }
                let said = choice.release.clone().filter(|release| releases.contains(release));
                let release = match said {
                    Some(release) => Some(release),
                    None => release_of(tree, path, releases).await?,
                };
                if let Some(release) = release {
                    return Ok(Some(Kernel { release, path: path.clone() }));
                }
            }
        }
    }
    Ok(None)
}

/// The release of a kernel's image, if there are modules for it.
async fn release_of(
    tree: &mut impl Tree,
    path: &str,
    releases: &[String],
) -> Result<Option<String>, DriverError> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let named = name.split_once('-').map(|(_, release)| release.to_owned());
    if let Some(release) = named.filter(|release| releases.contains(release)) {
        return Ok(Some(release));
    }
    let Some(header) = tree.peek(path, HEADER).await? else { return Ok(None) };
    Ok(release::of_image(&header).filter(|release| releases.contains(release)))
}

/// A configuration file's text; empty if it is not there.
async fn text(tree: &mut impl Tree, path: &str) -> Result<String, DriverError> {
    let bytes = tree.peek(path, TEXT).await?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

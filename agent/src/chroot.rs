//! The surroundings that programs of the image find while nothing of it runs, and the doors into
//! it: none of it is on the disk when it is left.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use nix::mount::MsFlags;

use imgfile_agent::protocol::FORMER_RUN_DIR;

use crate::error::{AgentError, At, Result};
use crate::mounts::{Mounts, pseudo, strip};

/// Services are not to start while a package is installed.
const POLICY: (&str, &str, u32) = ("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755);

/// For an image that leaves this file to its first boot; the agent calls the machine localhost.
const HOSTS: &str = "127.0.0.1 localhost\n";

/// The chroot environment over a mounted root.
pub struct Chroot {
    veils: Vec<Veil>,
    /// Taken off while the disk is held still.
    put_aside: Vec<Veil>,
}

/// A file of ours laid over a path of the image.
struct Veil {
    /// Relative to the root.
    path: PathBuf,
    /// The file that is shown there.
    store: PathBuf,
    /// Whether the path was empty, and a placeholder had to be made.
    placeholder: bool,
}

impl Chroot {
    pub fn enter(mounts: &Mounts, payload: Option<&str>, resolver: Option<&str>) -> Result<Self> {
        let root = mounts.root();
        let none = MsFlags::empty();
        pseudo("proc", &root.join("proc"), "", none)?;
        pseudo("sysfs", &root.join("sys"), "", none)?;
        fs::create_dir_all(root.join("dev"))?;
        nix::mount::mount(
            Some("/dev"),
            &root.join("dev"),
            None::<&str>,
            MsFlags::MS_BIND | MsFlags::MS_REC,
            None::<&str>,
        )
        .at("/dev")?;
        pseudo("tmpfs", &root.join("run"), "mode=755", none)?;
        let temporary = root.join("tmp");
        if !temporary.exists() {
            // A system that is being made has none yet, and keeps this one.
            fs::create_dir(&temporary)?;
            fs::set_permissions(&temporary, fs::Permissions::from_mode(0o1777))?;
        }
        pseudo("tmpfs", &temporary, "mode=1777", none)?;
        for (folder, mode) in [("run/lock", 0o1777), ("run/imgfile", 0o755), ("run/imgfile/payload", 0o755)] {
            fs::create_dir_all(root.join(folder))?;
            fs::set_permissions(root.join(folder), fs::Permissions::from_mode(mode))?;
        }
        symlink(FORMER_RUN_DIR.1, root.join(FORMER_RUN_DIR.0))?;
        if let Some(device) = payload {
            let source = Path::new("/dev").join(device);
            let target = root.join("run/imgfile/payload");
            nix::mount::mount(
                Some(&source),
                &target,
                Some("iso9660"),
                MsFlags::MS_RDONLY,
                Some("norock,map=off"),
            )
            .at(source.display())?;
        }
        let mut chroot = Self { veils: Vec::new(), put_aside: Vec::new() };
        chroot.cover(root, POLICY.0, POLICY.1, POLICY.2)?;
        if !root.join("etc/hosts").exists() {
            chroot.cover(root, "/etc/hosts", HOSTS, 0o644)?;
        }
        if let Some(text) = resolver {
            chroot.cover_resolver(root, text)?;
        }
        Ok(chroot)
    }

    /// Makes name resolution work without writing /etc/resolv.conf.
    fn cover_resolver(&mut self, root: &Path, text: &str) -> Result<()> {
        match resolver_place(root) {
            Some(in_run) => {
                let path = root.join(in_run);
                fs::create_dir_all(path.parent().unwrap_or(root))?;
                fs::write(&path, text).at(path.display())
            }
            None => self.cover(root, "/etc/resolv.conf", text, 0o644),
        }
    }

    fn cover(&mut self, root: &Path, path: &str, content: &str, mode: u32) -> Result<()> {
        let store = root.join("run/imgfile/veil");
        fs::create_dir_all(&store)?;
        let store = store.join(path.rsplit('/').next().unwrap_or(path));
        fs::write(&store, content)?;
        fs::set_permissions(&store, fs::Permissions::from_mode(mode))?;
        self.veils.extend(Veil::draw(&store, root, path.trim_start_matches('/'))?);
        Ok(())
    }

    /// Takes off what stands on a placeholder, so that the disk holds none of it.
    pub fn take_placeholders(&mut self, mounts: &Mounts) -> Result<()> {
        let (aside, rest) = std::mem::take(&mut self.veils).into_iter().partition(|veil| veil.placeholder);
        self.veils = rest;
        let aside: Vec<Veil> = aside;
        for veil in aside {
            veil.lift(mounts.root())?;
            self.put_aside.push(veil);
        }
        Ok(())
    }

    /// Lays them over the image again.
    pub fn put_placeholders(&mut self, mounts: &Mounts) -> Result<()> {
        for veil in std::mem::take(&mut self.put_aside) {
            let path = veil.path.to_string_lossy().into_owned();
            self.veils.extend(Veil::draw(&veil.store, mounts.root(), &path)?);
        }
        Ok(())
    }

    /// Takes the veil off a path of the image, because the image is to have a file of its own
    /// there. Called inside.
    pub fn lift(&mut self, path: &Path) -> Result<()> {
        while let Some(at) = self.veils.iter().position(|veil| veil.path == path) {
            self.veils.remove(at).lift(Path::new("/"))?;
        }
        Ok(())
    }

    pub fn leave(self, mounts: &Mounts) -> Result<()> {
        for veil in self.veils {
            veil.lift(mounts.root())?;
        }
        strip(mounts.root(), mounts.targets())
    }
}

impl Veil {
    /// Shows the file `store` at a path of the image.
    fn draw(store: &Path, root: &Path, relative: &str) -> Result<Option<Self>> {
        let path = &root.join(relative);
        // An image without the folder has no use for the file; a read-only one without it has no place for it.
        if !path.parent().is_some_and(Path::is_dir) {
            return Ok(None);
        }
        let placeholder = match fs::symlink_metadata(path) {
            Ok(found) if found.is_file() => false,
            // A link or stranger thing there is the image's own affair.
            Ok(_) => return Ok(None),
            Err(_) => match fs::write(path, "") {
                Ok(()) => true,
                Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => return Ok(None),
                Err(error) => return Err(error).at(path.display()),
            },
        };
        nix::mount::mount(Some(store), path, None::<&str>, MsFlags::MS_BIND, None::<&str>)
            .at(path.display())?;
        Ok(Some(Self { path: PathBuf::from(relative), store: store.to_owned(), placeholder }))
    }

    fn lift(&self, root: &Path) -> Result<()> {
        let path = root.join(&self.path);
        nix::mount::umount2(&path, nix::mount::MntFlags::MNT_DETACH).at(path.display())?;
        // A package may have filled the placeholder's place meanwhile; only an empty file is ours.
        if self.placeholder
            && fs::symlink_metadata(&path).is_ok_and(|found| found.is_file() && found.len() == 0)
        {
            fs::remove_file(&path).at(path.display())?;
        }
        Ok(())
    }
}

/// Where /etc/resolv.conf points to, if that is below /run; relative to the root.
pub fn resolver_place(root: &Path) -> Option<PathBuf> {
    let target = fs::read_link(root.join("etc/resolv.conf")).ok()?;
    let text = target.to_str()?;
    let inside = text.strip_prefix('/').or_else(|| text.strip_prefix("../"))?;
    let clean = !inside.split('/').any(|part| part == "..");
    (clean && inside.starts_with("run/")).then(|| PathBuf::from(inside))
}

/// Lays a file over /etc/resolv.conf of a root that is about to run; answers the path, relative to
/// the root, if a placeholder was made, which has to go at the end.
pub fn veil_for_boot(root: &Path, text: &str) -> Result<Option<PathBuf>> {
    if let Some(in_run) = resolver_place(root) {
        let path = root.join(in_run);
        fs::create_dir_all(path.parent().unwrap_or(root))?;
        fs::write(&path, text).at(path.display())?;
        return Ok(None);
    }
    let store = root.join("run/imgfile/resolv.conf");
    fs::write(&store, text).at(store.display())?;
    fs::set_permissions(&store, fs::Permissions::from_mode(0o644))?;
    let veil = Veil::draw(&store, root, "etc/resolv.conf")?;
    Ok(veil.filter(|veil| veil.placeholder).map(|veil| veil.path))
}

/// Runs `work` with the image's root as `/`, so that paths and symbolic links mean what they mean
/// there. The other threads of the agent, which share its root, use no paths.
pub fn inside<T>(root: &Path, work: impl FnOnce() -> Result<T>) -> Result<T> {
    if root == Path::new("/") {
        return work();
    }
    let outside = File::open("/")?;
    std::os::unix::fs::chroot(root).at(root.display())?;
    let result = std::env::set_current_dir("/").map_err(AgentError::from).and_then(|()| work());
    // A process with the privilege to change its root gets out by a folder it holds open.
    nix::unistd::fchdir(&outside)?;
    std::os::unix::fs::chroot(".")?;
    result
}

//! Making the image's file systems reachable: drivers, the root, and what belongs to it.

use imgfile_agent::protocol::message::Request;
use serde::{Deserialize, Serialize};

use super::super::super::kernel::{Modules, companions};
use super::super::super::{DriverError, RootSource};
use super::super::layout::{self, Layout};
use super::super::shared::RunningKernel;
use super::super::superblock::Content;
use super::super::{image_kernel, look};
use super::QemuMachine;

/// One mounted file system of the image, to be mounted again after a boot.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Mounted {
    pub(super) device: String,
    pub(super) fs_type: String,
    pub(super) target: String,
    pub(super) options: String,
}

impl QemuMachine {
    /// Loads a module with all it needs, if the running kernel has it not built in.
    pub(super) async fn need(&mut self, name: &str) -> Result<(), DriverError> {
        let missing = || DriverError::Unsupported { what: format!("the kernel has no driver `{name}`") };
        let modules: Modules = self.kernel.modules(&self.host).clone();
        let order: Vec<(String, String)> = modules
            .order(name)
            .ok_or_else(missing)?
            .into_iter()
            .map(|(name, path)| (name.to_owned(), path.to_owned()))
            .collect();
        for (name, path) in order {
            if self.guest()?.loaded.contains(&name) {
                continue;
            }
            let content = match &self.kernel {
                RunningKernel::Build => self.host.kernel.module(&path).map_err(|source| {
                    DriverError::Host { doing: format!("read the build kernel's module {name}"), source }
                })?,
                RunningKernel::Image(image) => {
                    let (release, guest) = (image.release.clone(), self.guest()?);
                    image_kernel::module(guest, &release, &path).await?
                }
            };
            let doing = format!("load the driver `{name}`");
            self.guest()?.send(&doing, Request::LoadModule { name: name.clone() }, content).await?;
            self.guest()?.loaded.insert(name);
        }
        Ok(())
    }

    async fn need_fs(&mut self, fs_type: &str) -> Result<(), DriverError> {
        if fs_type == "tmpfs" {
            return Ok(());
        }
        for name in companions(fs_type) {
            if self.kernel.modules(&self.host).order(name).is_some() {
                self.need(name).await?;
            }
        }
        self.need(fs_type).await
    }

    pub(super) async fn mount_fs(&mut self, mounted: &Mounted, read_only: bool) -> Result<(), DriverError> {
        self.need_fs(&mounted.fs_type).await?;
        let Mounted { device, fs_type, target, options } = mounted.clone();
        let doing = format!("mount {device} at {target}");
        self.guest()?.ask(&doing, Request::Mount { device, fs_type, target, options, read_only }).await?;
        self.mounted.push(mounted.clone());
        Ok(())
    }

    pub(super) async fn unmount_fs(&mut self) -> Result<(), DriverError> {
        while let Some(last) = self.mounted.last().cloned() {
            let target = last.target;
            self.guest()?.ask(&format!("unmount {target}"), Request::Unmount { target }).await?;
            self.mounted.pop();
        }
        Ok(())
    }

    /// Finds and mounts the root, and what belongs to it.
    pub(super) async fn mount_system(
        &mut self,
        source: &RootSource,
        read_only: bool,
        untouched: bool,
    ) -> Result<(), DriverError> {
        let mount = |device: &str, fs_type: &str, options: String| Mounted {
            device: device.to_owned(),
            fs_type: fs_type.to_owned(),
            target: "/".to_owned(),
            options,
        };
        let layout = match source {
            RootSource::Memory { size_mib } => {
                return self
                    .mount_fs(&mount("tmpfs", "tmpfs", format!("size={size_mib}m,mode=755")), false)
                    .await;
            }
            RootSource::Find | RootSource::Device(_) => {
                self.need("virtio_blk").await?;
                Layout::look(self.guest()?).await?
            }
        };
        self.links = layout.links();
        if let RootSource::Device(name) = source {
            let volume = layout.volumes.iter().find(|volume| volume.name == *name);
            let fs_type = match volume.map(|volume| &volume.superblock.content) {
                Some(Content::Fs(fs_type)) => *fs_type,
                Some(Content::Layer(layer)) => {
                    return Err(DriverError::Unsupported {
                        what: format!("{name} is {layer}, which is not supported"),
                    });
                }
                _ => {
                    return Err(DriverError::Unsupported {
                        what: format!("{name} holds no known file system"),
                    });
                }
            };
            return self.mount_fs(&mount(name, fs_type, String::new()), read_only).await;
        }
        let mut broken = None;
        let found = 'found: {
            for (volume, fs_type) in layout.candidates() {
                let subvolumes: &[&str] =
                    if fs_type == "btrfs" { &["", "subvol=root", "subvol=@"] } else { &[""] };
                for subvolume in subvolumes {
                    let quiet = if untouched { no_replay(fs_type) } else { "" };
                    let options: Vec<&str> =
                        [*subvolume, quiet].into_iter().filter(|part| !part.is_empty()).collect();
                    match self.mount_fs(&mount(&volume.name, fs_type, options.join(",")), read_only).await {
                        Ok(()) => {}
                        // Broken, or a subvolume that is not there: the next may be the root.
                        Err(DriverError::Refused { reason, .. }) => {
                            if subvolume.is_empty() {
                                broken =
                                    Some(format!("the {fs_type} file system cannot be mounted: {reason}"));
                            }
                            continue;
                        }
                        Err(fault) => return Err(fault),
                    }
                    if look::os_release(self.guest()?).await?.is_some() {
                        break 'found true;
                    }
                    self.unmount_fs().await?;
                }
            }
            false
        };
        if !found {
            return Err(layout.no_root(broken));
        }
        let text = look::text(self.guest()?, "/etc/fstab", 1024 * 1024).await?.unwrap_or_default();
        for entry in layout::fstab(&text) {
            let Some(volume) = layout.find(&entry.spec) else { continue };
            let Content::Fs(fs_type) = volume.superblock.content else { continue };
            let mut options = vec![layout::subvolume(&entry.options)];
            if untouched {
                options.push(no_replay(fs_type));
            }
            options.retain(|part| !part.is_empty());
            let mounted = Mounted {
                device: volume.name.clone(),
                fs_type: fs_type.to_owned(),
                target: entry.target.clone(),
                options: options.join(","),
            };
            self.mount_fs(&mounted, read_only).await?;
        }
        Ok(())
    }
}

/// Mount options that leave a journal alone.
fn no_replay(fs_type: &str) -> &'static str {
    match fs_type {
        "ext4" => "noload",
        "xfs" => "norecovery",
        "btrfs" => "rescue=nologreplay",
        _ => "",
    }
}

//! libvirt: a volume of a pool, sent, read back, and compared by libvirt's own program.

mod marker;
mod refusal;
mod volume;

use super::{
    ConfigKey, KeyKind, Op, OpenContext, Progress, PublishError, Published, Request, Target, TargetConfig,
    TargetEntry,
};
use crate::driver::virsh::Virsh;

/// Its line of the registry.
pub const ENTRY: TargetEntry = TargetEntry {
    name: "libvirt",
    about: "a pool of libvirt, by its program virsh",
    takes: |_| true,
    has_regions: false,
    keys: &[
        ConfigKey {
            name: "connection",
            kind: KeyKind::Text,
            required: false,
            about: "URI of libvirt, as `virsh --connect` takes it",
        },
        ConfigKey {
            name: "pool",
            kind: KeyKind::Text,
            required: false,
            about: "name of the pool, `default` unless it is said",
        },
    ],
    open: |config, _: OpenContext<'_>| Box::pin(async { open(config).await }),
};

async fn open(config: &TargetConfig) -> Result<Box<dyn Target>, PublishError> {
    let libvirt = Libvirt {
        virsh: Virsh { connection: config.text("connection").map(str::to_owned) },
        pool: config.text("pool").unwrap_or("default").to_owned(),
    };
    libvirt.look_at_pool().await?;
    Ok(Box::new(libvirt))
}

#[derive(Debug)]
struct Libvirt {
    virsh: Virsh,
    pool: String,
}

impl Target for Libvirt {
    fn publish<'a>(&'a self, request: &'a Request, progress: Progress<'a>) -> Op<'a, Published> {
        Box::pin(async move { volume::Volume::of(self, request)?.publish(progress).await })
    }
}

//! A domain as libvirt describes it.

use std::path::PathBuf;

use roxmltree::{Document, Node, ParsingOptions};

use super::super::super::managed::ManagedDisk;

/// What of a description is needed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Domain {
    pub(super) name: String,
    /// The disks that the machine may write to, the one that it boots from first.
    pub(super) disks: Vec<DomainDisk>,
    /// Why others are left out.
    pub(super) skipped: Vec<String>,
    /// The guest agent is connected.
    pub(super) has_agent: bool,
    /// The user that the emulator runs as, if libvirt has chosen one.
    pub(super) user: Option<u32>,
}

/// A disk, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DomainDisk {
    pub(super) target: String,
    pub(super) source: Source,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    File(PathBuf),
    Device(PathBuf),
    Volume {
        pool: String,
        volume: String,
    },
    /// In words, such as `an rbd disk of the network`.
    Other(String),
}

impl DomainDisk {
    /// The disk where it is a file or a device of this host.
    pub(super) fn located(&self) -> Option<ManagedDisk> {
        let (path, is_device) = match &self.source {
            Source::File(path) => (path, false),
            Source::Device(path) => (path, true),
            Source::Volume { .. } | Source::Other(_) => return None,
        };
        Some(ManagedDisk { target: self.target.clone(), path: path.clone(), is_device })
    }
}

fn child<'a>(node: Node<'a, 'a>, name: &str) -> Option<Node<'a, 'a>> {
    node.children().find(|child| child.has_tag_name(name))
}

/// Reads a description; what is wrong with it as a sentence without a full stop.
pub(super) fn read(xml: &str) -> Result<Domain, String> {
    let options = ParsingOptions { allow_dtd: false, ..ParsingOptions::default() };
    let document = Document::parse_with_options(xml, options)
        .map_err(|error| format!("its description cannot be read: {error}"))?;
    let root = document.root_element();
    let mut domain = Domain {
        name: child(root, "name").and_then(|name| name.text()).unwrap_or_default().to_owned(),
        user: root.children().filter(|node| node.has_tag_name("seclabel")).find_map(user),
        ..Domain::default()
    };
    let mut disks = Vec::new();
    for device in child(root, "devices").into_iter().flat_map(|devices| devices.children()) {
        match device.tag_name().name() {
            "disk" => disks.extend(disk(device, &mut domain.skipped)),
            "channel" => {
                domain.has_agent |= child(device, "target").is_some_and(|target| {
                    target.attribute("name") == Some("org.qemu.guest_agent.0")
                        && target.attribute("state") == Some("connected")
                });
            }
            _ => {}
        }
    }
    // Those that say when they are booted from, and then the others as they stand.
    disks.sort_by_key(|(order, _)| order.unwrap_or(u32::MAX));
    domain.disks = disks.into_iter().map(|(_, disk)| disk).collect();
    Ok(domain)
}

/// The user of a `seclabel` such as `+64055:+64055`.
fn user(label: Node<'_, '_>) -> Option<u32> {
    if label.attribute("model") != Some("dac") {
        return None;
    }
    let text = label.children().find(|node| node.has_tag_name("label"))?.text()?;
    text.split(':').next()?.trim_start_matches('+').parse().ok()
}

/// A disk with its place in the order of booting, unless it is left out.
fn disk(node: Node<'_, '_>, skipped: &mut Vec<String>) -> Option<(Option<u32>, DomainDisk)> {
    let inner = |name: &str| node.children().find(|child| child.has_tag_name(name));
    let target = inner("target").and_then(|target| target.attribute("dev")).unwrap_or("a disk").to_owned();
    let device = node.attribute("device").unwrap_or("disk");
    if device == "cdrom" || device == "floppy" {
        if inner("source").is_some() {
            skipped.push(format!("{target} is left out: it is a {device}"));
        }
        return None;
    }
    if inner("readonly").is_some() {
        skipped.push(format!("{target} is left out: the machine only reads it"));
        return None;
    }
    let order = inner("boot").and_then(|boot| boot.attribute("order")).and_then(|order| order.parse().ok());
    let source = inner("source");
    let attribute = |name: &str| source.and_then(|source| source.attribute(name)).map(str::to_owned);
    let kind = node.attribute("type").unwrap_or_default();
    let source = match kind {
        "file" => attribute("file").map(|file| Source::File(file.into())),
        "block" => attribute("dev").map(|dev| Source::Device(dev.into())),
        "volume" => {
            attribute("pool").zip(attribute("volume")).map(|(pool, volume)| Source::Volume { pool, volume })
        }
        "network" => {
            let protocol = attribute("protocol").unwrap_or_default();
            Some(Source::Other(format!("it is reached over the network ({protocol})")))
        }
        _ => Some(Source::Other(format!("it is of the kind `{kind}`"))),
    };
    let source = source.unwrap_or_else(|| Source::Other("nothing says where it is".to_owned()));
    let source =
        if device == "lun" { Source::Other("it is a device of its own (lun)".to_owned()) } else { source };
    Some((order, DomainDisk { target, source }))
}

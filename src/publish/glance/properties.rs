//! What Glance is told of an image: its formats, the properties that Nova starts an instance by, and ours.

use serde_json::{Map, Value, json};

use crate::{
    model::{DiskFormat, Firmware, OutputFormat},
    publish::Request,
};

/// By which an image is found again, whoever's store published it: the digest of its content.
pub const OURS: &str = "imgfile_sha256";

/// What a format is called there; none if Glance has no name for it.
pub fn disk_format(format: OutputFormat) -> Option<&'static str> {
    let OutputFormat::Disk(format) = format else { return None };
    match format {
        DiskFormat::Qcow2 => Some("qcow2"),
        DiskFormat::Raw => Some("raw"),
        DiskFormat::Vmdk => Some("vmdk"),
        DiskFormat::Vhd => Some("vhd"),
        DiskFormat::Vhdx => Some("vhdx"),
        DiskFormat::Vdi => Some("vdi"),
    }
}

/// Smallest disk of an instance in GiB, as Glance counts it.
pub fn min_disk(request: &Request) -> u64 {
    request.min_disk.unwrap_or(0).div_ceil(1 << 30)
}

/// All that can be changed later: properties, tags, who sees it, and the smallest disk. What protects it comes last of
/// all, since a protected image could not be taken away again if it came there damaged.
pub fn described(request: &Request) -> Map<String, Value> {
    let mut told = Map::new();
    if let Some(facts) = &request.facts {
        told.insert("os_type".into(), "linux".into());
        told.insert("os_distro".into(), facts.os.clone().into());
        told.insert("os_version".into(), facts.os_version.clone().into());
        told.insert("architecture".into(), facts.arch.as_str().into());
        // Where a disk boots either way, it is the cloud's to choose.
        if facts.firmware.as_slice() == [Firmware::Uefi] {
            told.insert("hw_firmware_type".into(), "uefi".into());
        }
    }
    for (key, value) in &request.properties {
        told.insert(key.clone(), value.clone().into());
    }
    told.insert("imgfile_image".into(), request.image.clone().into());
    told.insert(OURS.into(), request.sha256.to_string().into());
    told.insert("min_disk".into(), min_disk(request).into());
    told.insert("visibility".into(), request.visibility.as_str().into());
    let mut tags = request.tags.clone();
    tags.sort();
    told.insert("tags".into(), tags.into());
    told
}

/// The operations that bring an image into line with what is asked.
pub fn changes(image: &Value, asked: &Map<String, Value>) -> Vec<Value> {
    let mut changes = Vec::new();
    for (key, value) in asked {
        let mut there = image.get(key).cloned();
        if key == "tags"
            && let Some(Value::Array(tags)) = &mut there
        {
            tags.sort_by_key(ToString::to_string);
        }
        if there.as_ref() == Some(value) {
            continue;
        }
        let op = if there.is_some() { "replace" } else { "add" };
        let path = format!("/{}", key.replace('~', "~0").replace('/', "~1"));
        changes.push(json!({ "op": op, "path": path, "value": value }));
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_changed() {
        let image = json!({ "name": "web", "min_disk": 2, "tags": ["b", "a"], "os_distro": "debian" });
        let asked = json!({ "min_disk": 3, "tags": ["a", "b"], "os_distro": "debian", "a/b": "c" });
        let found = changes(&image, asked.as_object().unwrap());
        assert_eq!(
            found,
            [
                json!({ "op": "add", "path": "/a~1b", "value": "c" }),
                json!({ "op": "replace", "path": "/min_disk", "value": 3 }),
            ]
        );
    }

    #[test]
    fn every_disk_format_of_an_output_has_a_name_there() {
        for format in OutputFormat::ALL {
            assert_eq!(disk_format(format).is_some(), matches!(format, OutputFormat::Disk(_)), "{format}");
        }
    }
}

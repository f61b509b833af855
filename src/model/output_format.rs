//! What an `output` statement names: a disk format, or a package around a disk of some format.

use std::{borrow::Cow, fmt, path::Path};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{Compression, DiskFormat};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// A form in which a finished disk leaves: as a disk file, or in a [`Package`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OutputFormat {
    /// The disk file itself.
    Disk(DiskFormat),
    /// A disk file inside an archive that a platform imports.
    Packed(Package),
}

/// An archive around one disk file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Package {
    /// `ova`: an OVF descriptor of a machine, its disk and a manifest, in a tar archive (DMTF DSP0243).
    Ova,
    /// `gce`: a gzip-compressed tar archive that holds `disk.raw`, as Compute Engine imports images.
    Gce,
}

impl Package {
    /// What the disk inside it is.
    #[must_use]
    pub const fn disk(self) -> DiskFormat {
        match self {
            Self::Ova => DiskFormat::Vmdk,
            Self::Gce => DiskFormat::Raw,
        }
    }
}

impl OutputFormat {
    /// Every format that an `output` statement can name.
    pub const ALL: [Self; DiskFormat::ALL.len() + 2] = {
        let mut all = [Self::Packed(Package::Gce); DiskFormat::ALL.len() + 2];
        let mut number = 0;
        while number < DiskFormat::ALL.len() {
            all[number] = Self::Disk(DiskFormat::ALL[number]);
            number += 1;
        }
        all[number] = Self::Packed(Package::Ova);
        all
    };

    /// Its name in an ImageFile and behind `--format`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Disk(format) => format.as_str(),
            Self::Packed(Package::Ova) => "ova",
            Self::Packed(Package::Gce) => "gce",
        }
    }

    /// Who takes it, in a few words.
    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::Disk(format) => format.about(),
            Self::Packed(Package::Ova) => "VMware and VirtualBox, the machine described",
            Self::Packed(Package::Gce) => "Google Compute Engine",
        }
    }

    /// Its files' extension, without the first dot.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Packed(Package::Gce) => "tar.gz",
            other => other.as_str(),
        }
    }

    /// The format of the disk file that it is, or has in it.
    #[must_use]
    pub const fn disk(self) -> DiskFormat {
        match self {
            Self::Disk(format) => format,
            Self::Packed(package) => package.disk(),
        }
    }

    /// The format of a file by its name's extension; `.img` is what people call raw disks.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        if Path::new(&name).extension().is_some_and(|extension| extension == "img") {
            return Some(Self::Disk(DiskFormat::Raw));
        }
        let is =
            |format: &Self| name.strip_suffix(format.extension()).is_some_and(|stem| stem.ends_with('.'));
        Self::ALL.into_iter().find(is)
    }

    /// A file's name without its extension, and the extension: `web` and `tar.gz` of `web.tar.gz`.
    #[must_use]
    pub fn split(file: &str) -> (&str, Option<&str>) {
        let extension = Self::of(Path::new(file)).map_or(0, |format| format.extension().len());
        // Of a name in other letters, or of `.img`, the length is that of what is there.
        let dot =
            file.len().checked_sub(extension + 1).filter(|&dot| file.as_bytes().get(dot) == Some(&b'.'));
        match dot.filter(|_| extension > 0).or_else(|| file.rfind('.')) {
            Some(dot) if dot > 0 => (&file[..dot], Some(&file[dot + 1..])),
            _ => (file, None),
        }
    }

    /// Whether a file of this format can be compressed so. VMDK has one way to be compressed, of which `zlib` is the name.
    #[must_use]
    pub const fn holds(self, compression: Compression) -> bool {
        match self {
            Self::Disk(format) => format.holds(compression),
            // Its disk is stream-optimised, which is compressed.
            Self::Packed(Package::Ova) => matches!(compression, Compression::Zlib),
            Self::Packed(Package::Gce) => matches!(compression, Compression::Zlib | Compression::Fast),
        }
    }

    /// How it is compressed unless somebody says otherwise.
    #[must_use]
    pub const fn usual_compression(self) -> Compression {
        match self {
            Self::Disk(format) => format.usual_compression(),
            Self::Packed(_) => Compression::Zlib,
        }
    }

    /// The unit in bytes that the disk's size has to be a multiple of: Azure takes VHDs of whole MiB
    /// (learn.microsoft.com, "Prepare a Windows VHD or VHDX to upload to Azure"), Compute Engine disks of whole GiB
    /// (cloud.google.com, "Manually import boot disks").
    #[must_use]
    pub const fn size_unit(self) -> u64 {
        match self {
            Self::Disk(DiskFormat::Vhd) => MIB,
            Self::Packed(Package::Gce) => GIB,
            _ => 1,
        }
    }

    /// The disk format, if a machine takes a file of this format as its disk; the others are for taking elsewhere.
    #[must_use]
    pub const fn for_machines(self) -> Option<DiskFormat> {
        match self {
            Self::Disk(format) if format.is_for_machines() => Some(format),
            _ => None,
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == name)
    }
}

impl From<DiskFormat> for OutputFormat {
    fn from(format: DiskFormat) -> Self {
        Self::Disk(format)
    }
}

impl fmt::Display for OutputFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for OutputFormat {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for OutputFormat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Cow::<'de, str>::deserialize(deserializer)?;
        Self::from_name(&name).ok_or_else(|| D::Error::custom(format_args!("no format is named `{name}`")))
    }
}

impl JsonSchema for OutputFormat {
    fn schema_name() -> Cow<'static, str> {
        "OutputFormat".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A form in which a finished disk leaves: a disk file, or an archive around one.",
            "oneOf": Self::ALL.map(|format| serde_json::json!({
                "description": format.about(),
                "type": "string",
                "const": format.as_str(),
            })),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_known_by_its_name_and_by_its_files() {
        for format in OutputFormat::ALL {
            let file = format!("web.{}", format.extension());
            assert_eq!(OutputFormat::of(Path::new(&file)), Some(format));
            assert_eq!(OutputFormat::split(&file), ("web", Some(format.extension())));
            let json = serde_json::to_string(&format).unwrap();
            assert_eq!(serde_json::from_str::<OutputFormat>(&json).unwrap(), format);
            assert!(format.holds(format.usual_compression()), "{format}");
        }
        assert_eq!(OutputFormat::of(Path::new("a/WEB.VMDK")), Some(DiskFormat::Vmdk.into()));
        assert_eq!(OutputFormat::of(Path::new("web.img")), Some(DiskFormat::Raw.into()));
        for none in ["qcow2", "web.tar", "web.gz", "web", ""] {
            assert_eq!(OutputFormat::of(Path::new(none)), None, "{none}");
        }
    }

    #[test]
    fn a_name_is_what_stands_before_the_extension() {
        for (file, parts) in [
            ("web-2026.11.qcow2", ("web-2026.11", Some("qcow2"))),
            ("web.TAR.GZ", ("web", Some("TAR.GZ"))),
            ("web.img", ("web", Some("img"))),
            ("web", ("web", None)),
            (".hidden", (".hidden", None)),
            ("tar.gz", ("tar", Some("gz"))),
        ] {
            assert_eq!(OutputFormat::split(file), parts, "{file}");
        }
    }
}

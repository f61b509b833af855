//! The descriptor of an OVA: a machine of OVF 1.x (DMTF DSP0243), with hardware that VMware and VirtualBox both have.

use std::io;

use minijinja::{AutoEscape, Environment, context};

use crate::{
    model::{Arch, Firmware},
    plan::Appliance,
};

const TEMPLATE: &str = include_str!("ovf.xml");

/// Processors and MiB of memory of a machine of which nobody knows better.
const USUAL: (u32, u64) = (2, 2048);

/// What is described.
#[derive(Debug)]
pub(super) struct Described<'a> {
    /// The machine's name.
    pub name: &'a str,
    /// Bytes of its disk, as a guest finds it.
    pub disk_size: u64,
    /// Its hardware and system, as far as known.
    pub appliance: Option<Appliance>,
}

/// The descriptor; `disk_file` is the name of its disk's file in the package, which has `file_size` bytes.
pub(super) fn descriptor(described: &Described<'_>, disk_file: &str, file_size: u64) -> io::Result<String> {
    let appliance = described.appliance.as_ref();
    let (cpus, memory_mib) = appliance.map_or(USUAL, |machine| (machine.cpus, machine.memory_mib));
    let os = appliance.map_or("", |machine| &machine.os);
    let firmware = match appliance.map(|machine| machine.firmware) {
        Some(Firmware::Uefi) => "efi",
        Some(Firmware::Bios) | None => "bios",
    };
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    let values = context! {
        name => described.name,
        disk_size => described.disk_size,
        disk_file,
        file_size,
        os,
        system => system(os, appliance.map_or(Arch::X86_64, |machine| machine.arch)),
        cpus,
        memory_mib,
        firmware,
    };
    environment.render_str(TEMPLATE, values).map_err(io::Error::other)
}

/// The number that CIM (`CIM_OperatingSystem.OSType`) has for a system of 64 bits.
fn system(os: &str, arch: Arch) -> u32 {
    /// `LINUX`, of any kind.
    const LINUX: u32 = 36;
    let known = match os.split(' ').next().unwrap_or_default() {
        "debian" => 96,
        "ubuntu" => 94,
        "centos" => 107,
        "rhel" => 80,
        _ => 101,
    };
    if arch == Arch::X86_64 { known } else { LINUX }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_signs_of_xml_is_a_name() {
        let described = Described { name: "a<b> & \"c\"", disk_size: 1 << 30, appliance: None };
        let text = descriptor(&described, "a.vmdk", 7).unwrap();
        assert!(text.contains("<Name>a&lt;b&gt; &amp; &quot;c&quot;</Name>"), "{text}");
        assert!(text.contains("ovf:capacity=\"1073741824\"") && !text.contains("{{"), "{text}");
        assert!(text.contains("<rasd:VirtualQuantity>2048</rasd:VirtualQuantity>"), "{text}");
    }
}

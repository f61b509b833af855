//! An OVA: a descriptor of a machine, its disk and the digests of both in a tar archive, in the order that DSP0243 wants:
//! the descriptor first, the manifest last.

use std::{
    fs::File,
    io::{self, BufWriter, Read, Seek, SeekFrom, Write},
    path::Path,
    sync::atomic::AtomicBool,
};

use sha2::{Digest as _, Sha256};
use tar::{Builder, Header};

use super::{Stoppable, create, dated, ovf};

/// Longest name of a file in it, so that each has room in a header of USTAR (100 bytes).
const NAME_LIMIT: usize = 80;

/// Packs the stream-optimised VMDK in the file `disk`.
pub(super) fn pack(
    disk: &Path,
    to: &Path,
    described: &ovf::Described<'_>,
    stop: &AtomicBool,
) -> io::Result<()> {
    let name = file_name(described.name);
    let disk_name = format!("{name}-disk1.vmdk");
    let mut disk = File::open(disk)?;
    let size = disk.seek(SeekFrom::End(0))?;
    disk.rewind()?;
    let descriptor = ovf::descriptor(described, &disk_name, size)?;

    let mut tar = Builder::new(Stoppable { to: BufWriter::new(create(to)?), stop });
    let mut manifest = String::new();
    let mut entry = |tar: &mut Builder<_>, name: &str, content: &mut dyn Read, size: u64| {
        let mut content = Hashed { from: content, sum: Sha256::new() };
        tar.append_data(&mut dated(Header::new_ustar(), size), name, &mut content)?;
        manifest.push_str(&format!("SHA256({name})= {:x}\n", content.sum.finalize()));
        io::Result::Ok(())
    };
    let text = descriptor.as_bytes();
    entry(&mut tar, &format!("{name}.ovf"), &mut &*text, text.len() as u64)?;
    entry(&mut tar, &disk_name, &mut disk, size)?;
    let text = manifest.as_bytes();
    let mut header = dated(Header::new_ustar(), text.len() as u64);
    tar.append_data(&mut header, format!("{name}.mf"), text)?;
    tar.into_inner()?.flush()
}

/// The files of a package are named in URIs and in a manifest that knows no quotes.
fn file_name(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' };
    name.chars().map(plain).take(NAME_LIMIT).collect()
}

/// Hashes what is read, so that it is read once.
struct Hashed<'a> {
    from: &'a mut dyn Read,
    sum: Sha256,
}

impl Read for Hashed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.sum.update(&buffer[..read]);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::{
        model::{Arch, Firmware},
        plan::Appliance,
    };

    #[test]
    fn the_order_and_the_digests_are_what_the_standard_wants() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("disk"), vec![7; 300_000]).unwrap();
        let appliance = Appliance {
            os: "debian 13".into(),
            arch: Arch::X86_64,
            cpus: 2,
            memory_mib: 2048,
            firmware: Firmware::Uefi,
        };
        let described = ovf::Described { name: "my web (1)", disk_size: 4 << 30, appliance: Some(appliance) };
        let to = dir.path().join("web.ova");
        pack(&dir.path().join("disk"), &to, &described, &AtomicBool::new(false)).unwrap();
        let run = |program: &str, args: &[&str]| {
            let output = Command::new(program).args(args).current_dir(dir.path()).output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            assert!(output.status.success(), "{program}: {text}{}", String::from_utf8_lossy(&output.stderr));
            text
        };
        let names = "my-web--1-.ovf\nmy-web--1--disk1.vmdk\nmy-web--1-.mf\n";
        assert_eq!(run("tar", &["-tf", "web.ova"]), names);
        run("tar", &["-xf", "web.ova"]);
        // The manifest in the words of coreutils.
        let manifest = std::fs::read_to_string(dir.path().join("my-web--1-.mf")).unwrap();
        let sums = manifest.replace("SHA256", "SHA256 ").replace(")=", ") =");
        std::fs::write(dir.path().join("sums"), sums).unwrap();
        assert_eq!(run("sha256sum", &["-c", "sums"]).matches(": OK").count(), 2);
        assert_eq!(&std::fs::read(&to).unwrap()[257..265], b"ustar\x0000");
    }
}

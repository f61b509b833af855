//! Boots an artifact with QEMU alone, none of the program's own code in between: on a disk controller and a firmware,
//! until its console shows what a system shows that has come up.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A way to attach the disk.
#[derive(Debug, Clone, Copy)]
pub enum Controller {
    VirtioBlk,
    VirtioScsi,
    Nvme,
    Ahci,
}

#[derive(Debug, Clone, Copy)]
pub enum Firmware {
    Bios,
    Uefi,
    /// With Microsoft's keys enrolled and Secure Boot on.
    SecureBoot,
}

/// Ends the emulator with the test.
struct Emulator(Child);

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Boots a throw-away view of a qcow2 file until `marker` is on its console; answers the console up to there, or all of
/// it if the machine ends before.
pub fn boot(disk: &Path, controller: Controller, firmware: Firmware, marker: &str) -> Result<String, String> {
    boot_as(disk, "qcow2", controller, firmware, marker)
}

/// As [`boot`], of a file in a format as QEMU calls it.
pub fn boot_as(
    disk: &Path,
    format: &str,
    controller: Controller,
    firmware: Firmware,
    marker: &str,
) -> Result<String, String> {
    let scratch = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut qemu = Command::new("qemu-system-x86_64");
    qemu.args(["-nodefaults", "-no-reboot", "-display", "none", "-serial", "stdio"]).args([
        "-accel",
        "tcg,thread=multi,tb-size=512",
        "-cpu",
        "max",
        "-m",
        "1024",
        "-smp",
        "1",
    ]);
    match firmware {
        Firmware::Bios => {
            qemu.args(["-machine", if matches!(controller, Controller::Ahci) { "q35" } else { "pc" }]);
        }
        Firmware::Uefi | Firmware::SecureBoot => {
            let secure = matches!(firmware, Firmware::SecureBoot);
            let (code, vars) = if secure {
                ("/usr/share/OVMF/OVMF_CODE_4M.ms.fd", "/usr/share/OVMF/OVMF_VARS_4M.ms.fd")
            } else {
                ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd")
            };
            let own = scratch.path().join("vars.fd");
            std::fs::copy(vars, &own).expect("OVMF is installed (package ovmf)");
            qemu.args(["-machine", if secure { "q35,smm=on" } else { "q35" }]);
            if secure {
                qemu.args(["-global", "driver=cfi.pflash01,property=secure,value=on"]);
            }
            qemu.arg("-drive").arg(format!("if=pflash,unit=0,format=raw,readonly=on,file={code}"));
            qemu.arg("-drive").arg(format!("if=pflash,unit=1,format=raw,file={}", own.display()));
        }
    }
    qemu.arg("-drive").arg(format!("if=none,id=disk,snapshot=on,format={format},file={}", disk.display()));
    qemu.args(match controller {
        Controller::VirtioBlk => &["-device", "virtio-blk-pci,drive=disk"][..],
        Controller::VirtioScsi => &["-device", "virtio-scsi-pci", "-device", "scsi-hd,drive=disk"],
        Controller::Nvme => &["-device", "nvme,serial=1,drive=disk"],
        Controller::Ahci => &["-device", "ich9-ahci,id=ahci", "-device", "ide-hd,bus=ahci.0,drive=disk"],
    });
    // What waits for a network gets one, and nothing behind it.
    qemu.args(["-nic", "user,restrict=on,model=virtio-net-pci"]);
    let child =
        qemu.env("TMPDIR", scratch.path()).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut emulator = Emulator(child);
    let mut lines = BufReader::new(emulator.0.stdout.take().unwrap());
    let (mut console, mut piece) = (String::new(), Vec::new());
    loop {
        piece.clear();
        // A prompt has no line end: up to its colon is enough.
        if lines.read_until(b':', &mut piece).unwrap() == 0 {
            return Err(console);
        }
        console += &String::from_utf8_lossy(&piece);
        if console.contains(marker) {
            return Ok(console);
        }
    }
}

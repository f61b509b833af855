//! `imgfile capture`: an image from a machine that is there already.

use std::path::PathBuf;

use super::{
    CommandResult, Exit, failed, listener::OnScreen, recorded, setting_args::given, watch::Progress,
};
use crate::{
    driver::{managed::ManagedMachine, virsh::Virsh},
    hygiene::{self, Rule},
    model::{CleanupPreset, OutputFormat},
    ops::{
        Listener as _,
        capture::{Answers, CaptureOptions, CapturedFrom, capture},
        records,
    },
};

/// Make an image from the disk of a machine that is there already.
///
/// The disk is only read: a copy of it is cleaned, held to the rules for finished disks and written to `out/NAME.qcow2`,
/// with a manifest beside it. Shut the machine down first, or name QEMU's monitor of it with `--qmp`; of a machine that libvirt
/// has the name is enough (`--libvirt`). `imgfile inspect DISK` tells before what would be found.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The path of a disk, or what `imgfile images` lists.
    #[arg(add = clap_complete::ArgValueCompleter::new(super::candidates::artifacts))]
    #[arg(required_unless_present_any = ["qmp", "libvirt"], conflicts_with_all = ["qmp", "libvirt"])]
    disk: Option<String>,
    /// Capture a machine that runs, through the socket of QEMU's monitor; the machine goes on meanwhile.
    #[arg(long, value_name = "SOCKET")]
    qmp: Option<PathBuf>,
    /// The socket of the guest agent in that machine, which freezes its file systems for the moment of the copy.
    // A requirement does not hold beside what conflicts with what is required.
    #[arg(long, value_name = "SOCKET", requires = "qmp", conflicts_with = "disk")]
    guest_agent: Option<PathBuf>,
    /// Have Windows in that machine generalized first, by its own sysprep: with this answer file, or with one that leaves
    /// nothing to ask but a new password. The machine shuts down.
    #[arg(long, value_name = "ANSWERS", num_args = 0..=1, require_equals = true)]
    #[arg(requires = "guest_agent", conflicts_with_all = ["disk", "test", "allow", "preset"])]
    #[expect(clippy::option_option, reason = "not given, given without a file, given with one")]
    sysprep: Option<Option<PathBuf>>,
    /// Capture a machine that libvirt has, running or shut off, with all its disks: its name, UUID or number.
    #[arg(long, value_name = "DOMAIN", conflicts_with = "qmp")]
    libvirt: Option<String>,
    /// Which libvirt that is, such as `qemu:///system`; without it the one that `virsh` asks.
    #[arg(long, value_name = "URI", requires = "libvirt", conflicts_with_all = ["disk", "qmp"])]
    connect: Option<String>,
    /// A disk beside it with data alone, which becomes an image of its own.
    #[arg(long, value_name = "DISK")]
    data: Vec<String>,
    /// Name of the image; without it that of the disk's file, or of libvirt's machine.
    #[arg(long)]
    name: Option<String>,
    /// What is cleared, and so what is asked of the disk; `none` leaves all as it is.
    #[arg(long, value_enum, default_value_t = CleanupPreset::Cloud)]
    preset: CleanupPreset,
    /// A rule that the disk may break, such as `H0012`.
    #[arg(long, value_name = "RULE", value_parser = rule)]
    #[arg(add = clap_complete::ArgValueCompleter::new(super::candidates::rules))]
    allow: Vec<&'static Rule>,
    /// What the image is written as.
    #[arg(long, value_enum, default_value_t = OutputFormat::Disk(crate::model::DiskFormat::Qcow2))]
    format: OutputFormat,
    /// Boot the image under each firmware that it has, and compare two instances that boot side by side.
    #[arg(long)]
    test: bool,
    /// How progress is shown.
    #[arg(long, value_enum, default_value_t = Progress::Auto)]
    progress: Progress,
    /// Where the image goes; without it `out` in this folder.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Replace files that imgfile did not write.
    #[arg(long)]
    force: bool,
}

fn rule(id: &str) -> Result<&'static Rule, String> {
    hygiene::rule(id).ok_or_else(|| "no rule has this number; `docs/inspect.md` lists them".to_owned())
}

pub(super) fn run(args: Args) -> Exit {
    super::block_on(async { make(args).await.err().unwrap_or(Exit::Done) })
}

async fn make(args: Args) -> CommandResult<()> {
    let listener = OnScreen { progress: args.progress };
    let settings = records::settings(&given(), &listener).map_err(failed)?;
    let store = recorded::store(&settings)?;
    let records = store.records().map_err(recorded::refused)?;
    let Args {
        disk,
        qmp,
        guest_agent,
        sysprep,
        libvirt,
        connect,
        data,
        name,
        preset,
        allow,
        format,
        test,
        out,
        force,
        progress,
    } = args;
    let from = match (qmp, libvirt) {
        (Some(monitor), _) => match (sysprep, guest_agent) {
            (Some(answers), Some(guest_agent)) => {
                let answers = answers.map_or(Answers::Usual, Answers::File);
                CapturedFrom::Windows { monitor, guest_agent, answers }
            }
            (_, guest_agent) => CapturedFrom::Machine { monitor, guest_agent },
        },
        (None, Some(name)) => {
            CapturedFrom::Managed(ManagedMachine { virsh: Virsh { connection: connect }, name })
        }
        (None, None) => CapturedFrom::Disk(disk.unwrap_or_default()),
    };
    let options = CaptureOptions { from, data, name, out, format, preset, allow, force, test };
    let captured = capture(&options, (&settings, &store), &records, &listener).await.map_err(failed)?;
    if progress != Progress::Json {
        for artifact in captured.artifacts {
            super::print(&format!("{}  sha256:{}\n", artifact.path.display(), artifact.sha256));
        }
        if let Some(path) = &captured.image_file {
            listener.wrote(path);
        }
    }
    Ok(())
}

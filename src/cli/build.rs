//! `imgfile build`: from the ImageFile to tested artifacts.

use std::{path::PathBuf, sync::Arc};

use super::{
    CommandResult, Exit, failed,
    failed_machine::{self, OnFailure},
    file_args::FileArgs,
    junit::{self, WithJunit},
    listener::OnScreen,
    watch::Progress,
    way_on::WayOn,
};
use crate::{
    advisory::Severity,
    describe::SbomFormat,
    exec::{FailedMachineSlot, Tests},
    ops::{BuildOptions, Workspace, WorkspaceOptions},
    report::Junit,
};

/// Build the images of an ImageFile.
///
/// Writes `out/NAME.qcow2` (or what `output` says) and `ImageFile.lock`, and prints each artifact's path
/// and sha256. The file appears only after all tests passed.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub file: FileArgs,
    /// Build only this image (and those it is based on).
    #[arg(long, value_name = "NAME", add = clap_complete::ArgValueCompleter::new(super::candidates::images))]
    pub image: Option<String>,
    /// Name of the artifact, instead of `output`'s; for a single image.
    #[arg(long, value_name = "OUTPUT")]
    pub name: Option<String>,
    /// Start from this base of the catalogue, if it is compatible.
    #[arg(long, value_name = "NAME")]
    pub base: Option<String>,
    /// Fail instead of writing or changing the lock.
    #[arg(long)]
    pub locked: bool,
    /// Use only what is in the store.
    #[arg(long)]
    pub offline: bool,
    /// Run every step again.
    #[arg(long)]
    pub no_cache: bool,
    /// Leave the tests of the artifact out.
    #[arg(long)]
    pub no_test: bool,
    /// Test under every firmware of the base as well, and compare two instances that boot side by side: always, where what
    /// they boot has changed, or never. Without it `changed` with hardware virtualisation, `never` without.
    #[arg(
        long,
        value_enum,
        value_name = "WHEN",
        conflicts_with = "no_test",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "always"
    )]
    pub test_all: Option<TestAll>,
    /// Write what the tests did to a file, as JUnit XML.
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Allow bases that nobody has proven yet.
    #[arg(long)]
    pub unproven: bool,
    /// Install packages of the lock that no signed index vouches for, this once. They run in machines only.
    #[arg(long)]
    pub allow_unvouched: bool,
    /// Write bills of materials beside the artifacts, in these formats.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "FORMAT")]
    pub sbom: Vec<SbomFormat>,
    /// Write the provenance beside the artifacts, even without a key that signs it.
    #[arg(long)]
    pub provenance: bool,
    /// Fail if a package has an advisory of this severity or worse; takes `--advisories`.
    #[arg(long, value_enum, value_name = "SEVERITY")]
    pub deny: Option<Severity>,
    /// What becomes of the machine in which a step or test failed.
    #[arg(long, value_enum, default_value_t = OnFailure::Clean, value_name = "WHAT")]
    pub on_failure: OnFailure,
    /// How progress is shown.
    #[arg(long, value_enum, default_value_t = Progress::Auto)]
    pub progress: Progress,
    /// Where artifacts go; without it `out` beside the ImageFile.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Replace files that imgfile did not write.
    #[arg(long)]
    pub force: bool,
}

/// When an artifact is put to more than its own tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum TestAll {
    /// Each time an artifact is made.
    Always,
    /// Where kernel, boot loader, units, identity or network are not as on a disk that passed.
    Changed,
    /// Not at all.
    Never,
}

impl clap::ValueEnum for Severity {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.as_str()))
    }
}

pub(super) fn run(args: Args) -> Exit {
    super::block_on(async { Box::pin(build(args)).await.err().unwrap_or(Exit::Done) })
}

async fn build(args: Args) -> CommandResult<()> {
    let opened = WorkspaceOptions {
        image: args.image,
        base: args.base,
        offline: args.offline,
        locked: args.locked,
        proven_only: !args.unproven,
        runs_steps: true,
        ..args.file.options()
    };
    let junit = Arc::new(Junit::default());
    let listener = WithJunit { screen: OnScreen { progress: args.progress }, junit: Arc::clone(&junit) };
    let workspace = Workspace::open(opened, Arc::new(listener)).await.map_err(failed)?;
    let failed_machines = FailedMachineSlot::default();
    let options = BuildOptions {
        name: args.name,
        out: args.out,
        force: args.force,
        tests: match (args.no_test, args.test_all) {
            (true, _) => Some(Tests::None),
            (_, Some(TestAll::Always)) => Some(Tests::All),
            (_, Some(TestAll::Changed)) => Some(Tests::Changed),
            (_, Some(TestAll::Never)) => Some(Tests::Own),
            (_, None) => None,
        },
        cache: !args.no_cache,
        allow_unvouched: args.allow_unvouched,
        sbom: args.sbom,
        provenance: args.provenance,
        deny: args.deny,
        failed_machines: (args.on_failure != OnFailure::Clean).then_some(&failed_machines),
    };
    let built = workspace.build(&options).await;
    let reported = junit::write(args.junit.as_deref(), &junit);
    match built {
        Ok(artifacts) if args.progress != Progress::Json => {
            for artifact in artifacts {
                super::print(&format!("{}  sha256:{}\n", artifact.path.display(), artifact.sha256));
            }
            reported
        }
        Ok(_) => reported,
        Err(error) => {
            let shell = args.on_failure == OnFailure::Clean;
            let exit = WayOn { shell }.after(&workspace, error);
            if let Some(machine) = failed_machines.take() {
                failed_machine::deal(args.on_failure, machine, workspace.settings.driver.value).await;
            }
            Err(exit)
        }
    }
}

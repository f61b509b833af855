//! The tests of an artifact: it boots by its own boot loader in a throw-away overlay.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    BuildError, EventKind, Secrets,
    executor::{Executor, Tests, build_id, folder},
    session::{Session, StepContext, StepPlace},
    tested::TestState,
};
use crate::{
    driver::{Disk, DiskAccess, Start},
    model::{DiskFormat, Firmware},
    plan::{ImagePlan, Stage, Test, TestCheck},
    store::WorkFolder,
};

/// As the events name the comparison of two instances.
pub(super) const CLONE_TEST: &str = "test that instances differ";

impl Executor<'_> {
    /// Runs an image's tests on the artifact that is in the output folder.
    pub async fn test(
        &self,
        image: &ImagePlan,
        secrets: &Secrets,
        out: &Path,
        tests: Tests,
    ) -> Result<(), BuildError> {
        let reporter = self.reporter.of_image(&image.image);
        let no_downloads = BTreeMap::new();
        let context = self.context(image, &reporter, &no_downloads, secrets);
        secrets.suffice(image, &[], true)?;
        let found = image.outputs.iter().find_map(|output| {
            let path = out.join(&output.file);
            Some((path, output.format.for_machines()?))
        });
        let Some((path, format)) = found.filter(|(path, _)| path.is_file()) else {
            let path = image.outputs.first().map_or_else(PathBuf::new, |output| out.join(&output.file));
            return Err(BuildError::NotBuilt { path });
        };
        reporter.report(EventKind::Started { steps: test_names(image, tests) });
        let work = self.store.begin_build(&build_id())?;
        let ended = self.run_tests(&context, &work, (&path, format), tests).await;
        let state = match &ended {
            Ok(()) if tests.are_run_on(image) => TestState::Passed,
            Err(failure) if !failure.is_host_defect() => TestState::Failed,
            Ok(()) | Err(_) => return ended,
        };
        // Every output holds the same disk.
        for output in &image.outputs {
            let path = out.join(&output.file);
            if path.is_file() {
                state.remember(self.store, &self.store.digest_file(&path)?)?;
            }
        }
        ended
    }

    /// Boots an artifact, or the disk that it holds, by its own boot loader in a throw-away overlay, and looks.
    pub(super) async fn run_tests(
        &self,
        context: &StepContext<'_>,
        work: &WorkFolder,
        (artifact, format): (&Path, DiskFormat),
        wanted: Tests,
    ) -> Result<(), BuildError> {
        let image = context.image;
        let all = wanted == Tests::All;
        for boot in boots(image, all) {
            let tests: Vec<_> = image.tests.iter().filter(|test| test.stage == boot.stage()).collect();
            if tests.is_empty() {
                continue;
            }
            let disk = Disk { path: artifact.to_owned(), format, access: DiskAccess::Discard };
            let spec = self.machine(image, boot.start(), disk, folder(work, &boot.folder())?);
            let _share = self.budget.take(&image.machine).await;
            let console = spec.console();
            let start = self.start(context, spec);
            let machine = super::boot::step(context.reporter, &boot.title(), &console, start).await?;
            let mut session = Session::new(machine, context, console);
            if let Err(failure) = tests_in(&mut session, context, boot, &tests).await {
                self.retain(session, context, (artifact, format));
                return Err(failure);
            }
        }
        if all { self.test_clones(context, work, artifact, format).await } else { Ok(()) }
    }
}

/// A boot of the artifact for tests.
#[derive(Debug, Clone, Copy)]
enum TestBoot {
    /// Nothing of it runs.
    Offline,
    /// By its own boot loader. Where there are several firmwares to try, they are in the names.
    Booted { firmware: Firmware, is_named: bool },
}

impl TestBoot {
    const fn stage(self) -> Stage {
        match self {
            Self::Offline => Stage::Offline,
            Self::Booted { .. } => Stage::Booted,
        }
    }

    const fn start(self) -> Start {
        match self {
            Self::Offline => Start::Offline,
            Self::Booted { firmware, .. } => Start::Firmware(firmware),
        }
    }

    fn folder(self) -> String {
        match self {
            Self::Offline => "test-offline".to_owned(),
            Self::Booted { firmware, .. } => format!("test-booted-{firmware}"),
        }
    }

    /// As the events name the step.
    fn title(self) -> String {
        match self {
            Self::Offline => "open the artifact".to_owned(),
            Self::Booted { is_named: false, .. } => "boot the artifact".to_owned(),
            Self::Booted { firmware, .. } => format!("boot the artifact by {firmware}"),
        }
    }

    /// As the events name a test in it.
    fn of(self, test: &Test) -> String {
        match self {
            Self::Booted { firmware, is_named: true } => format!("test {} by {firmware}", test.name),
            _ => format!("test {}", test.name),
        }
    }
}

/// The boots that tests need: under the first firmware that the base declares, or under all of them.
fn boots(image: &ImagePlan, all: bool) -> Vec<TestBoot> {
    let mut firmware = image.base.firmware.clone();
    if firmware.is_empty() {
        firmware.push(Firmware::Bios);
    }
    if !all {
        firmware.truncate(1);
    }
    let is_named = firmware.len() > 1;
    let booted = firmware.into_iter().map(|firmware| TestBoot::Booted { firmware, is_named });
    [TestBoot::Offline].into_iter().chain(booted).collect()
}

/// Tests of one stage, one after the other.
async fn tests_in(
    session: &mut Session<'_>,
    context: &StepContext<'_>,
    boot: TestBoot,
    tests: &[&Test],
) -> Result<(), BuildError> {
    session.enter(boot.stage()).await?;
    for test in tests {
        let title = boot.of(test);
        let place = StepPlace { name: &title, span: test.span };
        let run = async {
            match &test.check {
                TestCheck::Script(script) => session.script(place, script).await,
                TestCheck::UnitsActive { units } => {
                    let script = session.init(place).await?.units_active(units);
                    session.shell(place, &script).await
                }
            }
        };
        context.reporter.step(&title, run).await?;
    }
    Ok(())
}

/// The tests that are going to run, in order.
pub(super) fn test_names(image: &ImagePlan, tests: Tests) -> Vec<String> {
    if tests == Tests::None {
        return Vec::new();
    }
    let all = tests == Tests::All;
    let mut names: Vec<String> = boots(image, all)
        .into_iter()
        .flat_map(|boot| {
            let own = image.tests.iter().filter(move |test| test.stage == boot.stage());
            own.map(move |test| boot.of(test))
        })
        .collect();
    if all {
        names.push(CLONE_TEST.to_owned());
    }
    names
}

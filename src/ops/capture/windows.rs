//! Windows in a machine that runs: its own sysprep makes a template of it, and the disk is captured as it is then. Nothing
//! on it is looked into here.

use std::path::{Path, PathBuf};

use super::{Failure, data::as_it_is, live, source::Source};
use crate::{
    driver::{
        DriverEntry,
        live::{Generalize, Generalized},
    },
    exec::{BuildError, Reporter},
    model::{Arch, OutputFormat},
    ops::{
        error::{Class, Error},
        inspect::harmless,
        paths::shown,
        run::Target,
    },
    plan::{ImagePlan, OsPlan},
    store::{WorkFolder, read_regular},
};

/// Bytes of an answer file.
const LARGEST: u64 = 1 << 20;

/// What an instance is not asked when it first starts: a licence and a network are no questions for it. The password of
/// the administrator is: sysprep takes it away (Microsoft, "Sysprep (Generalize) a Windows installation").
const USUAL: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<unattend xmlns="urn:schemas-microsoft-com:unattend">
  <settings pass="generalize">
    <component name="Microsoft-Windows-PnpSysprep" processorArchitecture="ARCH" publicKeyToken="31bf3856ad364e35" language="neutral" versionScope="nonSxS">
      <PersistAllDeviceInstalls>true</PersistAllDeviceInstalls>
    </component>
  </settings>
  <settings pass="specialize">
    <component name="Microsoft-Windows-Shell-Setup" processorArchitecture="ARCH" publicKeyToken="31bf3856ad364e35" language="neutral" versionScope="nonSxS">
      <ComputerName>*</ComputerName>
    </component>
  </settings>
  <settings pass="oobeSystem">
    <component name="Microsoft-Windows-Shell-Setup" processorArchitecture="ARCH" publicKeyToken="31bf3856ad364e35" language="neutral" versionScope="nonSxS">
      <OOBE>
        <HideEULAPage>true</HideEULAPage>
        <HideWirelessSetupInOOBE>true</HideWirelessSetupInOOBE>
        <NetworkLocation>Work</NetworkLocation>
        <ProtectYourPC>1</ProtectYourPC>
      </OOBE>
    </component>
  </settings>
</unattend>
"#;

/// What sysprep is told.
#[derive(Debug, Clone)]
pub enum Answers {
    /// What every instance needs.
    Usual,
    /// A file that the user wrote.
    File(PathBuf),
}

impl Answers {
    /// The answer file.
    pub(super) fn text(&self) -> Result<String, Error> {
        let Self::File(path) = self else { return Ok(USUAL.replace("ARCH", Arch::default().windows())) };
        let wrong = |reason: &str| {
            let text = format!("the answer file `{}` cannot be used: {reason}", shown(path));
            Error::message(Class::Usage, text)
        };
        let bytes = read_regular(path, LARGEST).map_err(|error| wrong(&error.to_string()))?;
        let text = String::from_utf8(bytes).map_err(|_| wrong("it is no UTF-8 text"))?;
        if text.contains("<unattend") { Ok(text) } else { Err(wrong("it has no `<unattend …>` in it")) }
    }
}

/// Windows that has shut down as a template.
pub(super) struct Windows {
    /// As it calls itself.
    title: String,
    version: String,
}

/// Has it made a template; answers its first disk, which is the system's, the others by name, and what it is.
pub(super) async fn generalize(
    driver: &DriverEntry,
    (monitor, guest_agent): (&Path, &Path),
    answers: &str,
    work: &WorkFolder,
    reporter: &Reporter,
) -> Result<(Target, Vec<(String, Target)>, Windows), Failure> {
    reporter.note("sysprep goes on in the machine, whatever happens here: once begun it ends with the machine shut down");
    let generalizing = async {
        let done = (driver.generalize)(Generalize { monitor, guest_agent, answers }).await;
        done.map_err(|error| BuildError::Diagnosed(live::not_copied(&error).diagnostics().to_vec()))
    };
    let Generalized { machine, system, version, disks, is_held } =
        reporter.step("generalize the system (sysprep)", generalizing).await?;
    let windows = Windows { title: harmless(&system), version: harmless(&version) };
    if is_held {
        // It is at rest: there is nothing to freeze.
        let (first, others) = live::copy(driver, (monitor, None), work, None, reporter).await?;
        return Ok((first, others, windows));
    }
    let machine = machine.map_or_else(|| "the machine".to_owned(), |name| harmless(&name));
    let mut disks = disks.into_iter().map(|(name, path)| {
        let name = harmless(&name);
        (name.clone(), Target { name: format!("{name} of {machine}"), path })
    });
    let Some((_, first)) = disks.next() else { unreachable!("a machine without disks is not generalized") };
    Ok((first, disks.collect(), windows))
}

impl Windows {
    /// The disk as it is.
    pub(super) fn plan(&self, names: (String, String), source: &Source, format: OutputFormat) -> ImagePlan {
        let labels = [("system".to_owned(), self.title.clone())].into();
        let os = OsPlan { distro: "windows".to_owned(), version: self.version.clone() };
        ImagePlan { os, ..as_it_is(names, source, format, labels) }
    }
}

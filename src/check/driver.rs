//! What images ask of a driver that it cannot do.

use std::collections::HashSet;

use super::spec::{BaseSource, ImageSpec, Spec, StepSpec};
use crate::diagnostic::{Diagnostic, codes};
use crate::model::Capabilities;
use crate::text::Span;

/// Everything that images ask for and `driver` cannot do, at the words that ask for it.
#[must_use]
pub fn beyond(spec: &Spec, driver: &Capabilities) -> Vec<Diagnostic> {
    let mut found: Vec<Diagnostic> = spec.images.iter().flat_map(|image| of_image(image, driver)).collect();
    // Images may have a statement in common, by a profile.
    let mut seen = HashSet::new();
    found.retain(|one| seen.insert(one.span()));
    found
}

fn of_image(image: &ImageSpec, driver: &Capabilities) -> Vec<Diagnostic> {
    let name = driver.driver;
    let mut found = Vec::new();
    let mut refuse = |span: Span, cannot: String, label: &str, help: String| {
        let message = format!("the driver `{name}` {cannot}");
        found.push(Diagnostic::new(codes::DRIVER_CANNOT, message).label(span, label).help(help));
    };
    let arch = image.arch;
    // An image that is based on another, and does not say, is for what that one is for.
    let inherits = arch.span == image.name.span && matches!(image.base.source, BaseSource::Image { .. });
    if !inherits && !driver.archs.contains(&arch.value) {
        let cannot = format!("runs no machines for {}", arch.value);
        refuse(
            arch.span,
            cannot,
            "the image needs one",
            format!("it runs machines for {}", listed(driver.archs)),
        );
    }
    if let Some(firmware) = image.base.firmware.filter(|wanted| !driver.firmware.contains(&wanted.value)) {
        let cannot = format!("boots no machines with {}", firmware.value);
        refuse(
            firmware.span,
            cannot,
            "the image needs it",
            format!("it boots them with {}", listed(driver.firmware)),
        );
    }
    for output in image.outputs.iter().filter(|output| !driver.formats.contains(&output.format.disk())) {
        let cannot = format!("writes no {}", output.format);
        refuse(output.span, cannot, "written as it", format!("it writes {}", listed(driver.formats)));
    }
    if !driver.boots
        && let Some((span, label)) = booted(image)
    {
        let help = "`offline = true` runs a script without booting the image";
        refuse(span, "boots no images".to_owned(), label, help.to_owned());
    }
    found
}

/// The first statement for which the image has to be booted.
fn booted(image: &ImageSpec) -> Option<(Span, &'static str)> {
    let step = image.steps.iter().find_map(|step| match step {
        StepSpec::Script(script) if !script.offline => Some((script.span, "runs in the booted image")),
        StepSpec::Reboot(span) => Some((*span, "boots the image")),
        _ => None,
    });
    step.or_else(|| {
        let test = image.tests.iter().find(|test| !test.script.offline)?;
        Some((test.name.span, "looks at the booted image"))
    })
}

fn listed(words: &[impl ToString]) -> String {
    let words: Vec<String> = words.iter().map(ToString::to_string).collect();
    words.join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{MemoryFiles, check};
    use crate::model::{Arch, DiskFormat, Firmware};
    use crate::text::Sources;

    /// A driver that does next to nothing.
    const POOR: Capabilities = Capabilities {
        driver: "poor",
        archs: &[Arch::Aarch64],
        firmware: &[Firmware::Uefi],
        formats: &[DiskFormat::Raw, DiskFormat::Vhd],
        boots: false,
    };

    /// What is wrong with images for a driver: the words, and what is said of them.
    fn told(text: &str, driver: &Capabilities) -> Vec<String> {
        let mut sources = Sources::default();
        let files = MemoryFiles::new().with("ImageFile", text);
        let checked = check("ImageFile", &mut sources, &files, &Vec::new());
        assert_eq!(checked.diagnostics, []);
        let found = beyond(&checked.spec, driver);
        found.iter().map(|one| format!("{}: {}", sources.slice(one.span().unwrap()), one.message)).collect()
    }

    #[test]
    fn everything_that_a_driver_cannot_do_is_told_at_its_words() {
        let text = r#"image "web" {
  os linux debian 13
  arch x86_64
  base auto { firmware = bios }
  output qcow2
  output raw
  script <<-SH { offline = true }
    #!/bin/sh
  SH
  script <<-SH { name = "booted" }
    #!/bin/sh
  SH
  reboot
}
"#;
        assert_eq!(
            told(text, &POOR),
            [
                "x86_64: the driver `poor` runs no machines for x86_64",
                "bios: the driver `poor` boots no machines with bios",
                "output qcow2: the driver `poor` writes no qcow2",
                "script <<-SH { name = \"booted\" }\n    #!/bin/sh\n  SH: the driver `poor` boots no images",
            ]
        );
    }

    #[test]
    fn what_an_image_does_not_say_is_told_once_at_its_name() {
        let text = "image \"one\" {\n  os linux debian 13\n  output raw\n}\n\
                    image \"two\" {\n  base image \"one\"\n  output raw\n}\n";
        assert_eq!(told(text, &POOR), ["\"one\": the driver `poor` runs no machines for x86_64"]);
    }

    #[test]
    fn what_a_driver_can_do_is_nothing_to_speak_of() {
        let text = "image \"one\" {\n  os linux debian 13\n  arch aarch64\n  output vhd\n}\n";
        assert_eq!(told(text, &POOR), [""; 0]);
    }
}

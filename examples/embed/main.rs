//! The front end inside another program: an ImageFile and a catalogue that are on no disk, through
//! parse, check and resolution to a plan, without a file, a clock or a network.
//!
//! `cargo run --example embed`

use std::fmt::Write as _;
use std::process::ExitCode;

use imgfile::check::MemoryFiles;
use imgfile::diagnostic::Diagnostic;
use imgfile::front::{Pins, compile};
use imgfile::model::Firmware;
use imgfile::packages::Solution;
use imgfile::plan::{BasePlan, BaseSource};
use imgfile::report;
use imgfile::text::Digest;

const IMAGE_FILE: &str = r#"
image "greeter" {
  os linux debian 13
  base file "golden.qcow2"

  app greeting {
    word = "hello"
  }

  script <<-SH
    #!/bin/sh -e
    cat /etc/greeting
  SH
}
"#;

const GREETING: &str = r#"
schema: imgfile/app/v1
name: greeting
summary: a word in a file
versions:
  - version: "1.0"
    os: ["debian 13"]
options:
  word: { type: string, required: true }
files:
  - { path: /etc/greeting, content: "{{ word }}\n" }
"#;

/// What the program has to say; the errors are what it has to complain of, for any handler of miette's to draw.
pub fn run(image_file: &str) -> Result<String, Vec<miette::Report>> {
    let files = MemoryFiles::new().with("ImageFile", image_file).with("catalog/apps/greeting.yaml", GREETING);
    let project = compile("ImageFile", &files, &[]);
    let complaints = |found: &[Diagnostic]| {
        found.iter().map(|one| one.clone().with_sources(&project.sources)).map(miette::Report::new).collect()
    };
    if project.has_errors() {
        return Err(complaints(&project.diagnostics));
    }

    // Which disk `golden.qcow2` is, its digest and size, is for the embedding program to know.
    let base = BasePlan {
        name: "golden.qcow2".to_owned(),
        source: BaseSource::File { path: "golden.qcow2".to_owned(), sha256: Digest::of("its bytes") },
        virtual_size: 8 << 30,
        firmware: vec![Firmware::Uefi],
    };
    let packages = Solution::default();
    let pins = Pins {
        base: &base,
        packages: &packages,
        packages_grow: 0,
        base_grown: 0,
        marks: "",
        agent_version: "1",
    };
    let plan = project.plan("greeter", &files, pins).map_err(|found| complaints(&found))?;

    let mut said = String::new();
    for app in &project.resolutions["greeter"].apps {
        let _ = writeln!(said, "application {} {}", app.name, app.version);
    }
    for step in &plan.steps {
        let _ = writeln!(said, "step {} ({})", step.name, step.key);
    }
    Ok(said)
}

/// Exit status 1 if the ImageFile is wrong.
pub fn main() -> ExitCode {
    // As `imgfile` draws them itself. A program with a handler of its own leaves this out.
    let _ = miette::set_hook(Box::new(|_| Box::new(report::HumanHandler::new(false))));
    match run(IMAGE_FILE) {
        Ok(said) => print!("{said}"),
        Err(complaints) => {
            for complaint in complaints {
                eprintln!("{complaint:?}");
            }
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

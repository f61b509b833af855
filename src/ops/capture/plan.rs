//! A capture as a plan: the disk is what the image stands on, and clean-up the one step. From there on it is a build.

use super::{CaptureOptions, source::Source, system::CapturedSystem};
use crate::{
    check,
    driver::agent,
    model::{CleanupPreset, OutputFormat, Package},
    ops::inspect::harmless,
    plan::{
        Action, BasePlan, BaseSource, Conditions, Gate, ImagePlan, Key, MachinePlan, OsPlan, OutputPlan,
        Stage, Step, base_key, cleanup, key_parts,
    },
};

/// As large as the machines of builds.
const MACHINE: MachinePlan = MachinePlan { cpus: 2, memory_mib: 2048 };

/// The plan of an image with a name and a file.
pub(super) fn of(
    options: &CaptureOptions,
    (name, file): (&str, &str),
    source: &Source,
    system: &CapturedSystem,
) -> ImagePlan {
    let facts = &system.facts;
    let base = BasePlan {
        name: source.file.clone(),
        source: BaseSource::Captured { disk: source.file.clone(), sha256: source.sha256 },
        virtual_size: source.size,
        firmware: facts.firmware.clone(),
    };
    // Tests are run by whoever is there from the first boot on.
    let account = facts.default_user.as_ref().filter(|user| user.exists);
    let user = account.map_or_else(|| "root".to_owned(), |user| user.name.clone());
    let field = |name: &str| harmless(facts.os_release.get(name).map_or("", String::as_str));
    let mut allow: Vec<String> = options.allow.iter().map(|rule| rule.id.to_owned()).collect();
    allow.sort();
    allow.dedup();
    let mut plan = ImagePlan {
        image: name.to_owned(),
        description: None,
        labels: std::collections::BTreeMap::new(),
        os: OsPlan { distro: field("ID"), version: field("VERSION_ID") },
        arch: system.arch().unwrap_or_default(),
        disk_size: rounded(source.size, options.format),
        machine: MACHINE,
        network: false,
        secrets: Vec::new(),
        steps: clean_up(options.preset, &user, &base),
        base,
        user,
        tests: Vec::new(),
        gate: Gate { preset: options.preset, allow, span: None },
        outputs: Vec::new(),
    };
    let of_package = options.format == OutputFormat::Packed(Package::Ova);
    plan.outputs.push(OutputPlan {
        file: file.to_owned(),
        format: options.format,
        compression: options.format.usual_compression(),
        dynamic: false,
        appliance: of_package.then(|| plan.appliance()),
    });
    plan
}

/// What some platforms take is a whole number of larger units; the room behind is left to first boots.
fn rounded(size: u64, format: OutputFormat) -> u64 {
    size.next_multiple_of(format.size_unit().max(1))
}

fn clean_up(preset: CleanupPreset, user: &str, base: &BasePlan) -> Vec<Step> {
    if preset == CleanupPreset::None {
        return Vec::new();
    }
    let wanted = check::Cleanup { preset, ..check::Cleanup::default() };
    let (name, stage) = ("clean up", Stage::Offline);
    let action = Action::Cleanup(cleanup::of(&wanted, user));
    let conditions = Conditions { agent_version: &agent::version(), user, network: false };
    let parts = key_parts(name, stage, &action, conditions);
    let key = Key::of(base_key(base), &parts);
    vec![Step { name: name.to_owned(), stage, action, key, parts, span: None }]
}

//! How the things of a solve are called in messages.

use super::WantedBase;
use super::problem::{Problem, Statement};

/// `debian 13`, as the ImageFile asks for it.
pub(super) fn os(problem: &Problem<'_>) -> String {
    match &problem.wanted.os {
        Some(os) => match &os.requirement {
            Some(requirement) => format!("{} {}", os.distro.value, requirement.value),
            None => os.distro.value.clone(),
        },
        None => "the base's own system".to_owned(),
    }
}

/// `` `nginx ^1.26` ``, as the ImageFile asks for it.
pub(super) fn app(problem: &Problem<'_>, index: usize) -> String {
    let app = &problem.wanted.apps[index];
    match &app.requirement {
        Some(requirement) => format!("`{} {}`", app.name.value, requirement.value),
        None => format!("`{}`", app.name.value),
    }
}

/// What a statement other than an application comes to: "is debian 13".
pub(super) fn image(problem: &Problem<'_>, statement: Statement) -> String {
    match statement {
        Statement::Os => format!("the image is {}", os(problem)),
        Statement::Arch => format!("the image is for {}", problem.wanted.arch.value),
        Statement::Firmware => {
            let firmware = problem.wanted.firmware.map_or("", |firmware| firmware.value.as_str());
            format!("the image boots with {firmware}")
        }
        Statement::Base => match &problem.wanted.base {
            WantedBase::Named { name, .. } | WantedBase::Given { name, .. } => {
                format!("the base is `{}`", name.value)
            }
            WantedBase::Auto | WantedBase::Unknown => "any base".to_owned(),
        },
        Statement::Choice => "the base is chosen with `--base`".to_owned(),
        Statement::App(index) => app(problem, index),
    }
}

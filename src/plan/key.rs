//! Cache keys: what decides whether a step's result can be reused.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Action, CopyFrom, RunAs, ScriptStep, Stage};
use crate::text::Digest;

/// Changes when the meaning of an action changes without its normal form changing.
const KEY_FORMAT: u32 = 2;

/// Names the state of a disk after a step: the hash of the parent's key, the step's own normal form,
/// the digests of its inputs and the agent's version. Nothing else decides what is reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Key(pub Digest);

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// One named part of a step's key, kept so that `why` can say which part changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeyPart {
    /// In the user's words: `script text`, `env`, `copied files of site/`.
    pub name: String,
    /// Of `value`.
    pub digest: Digest,
    /// What the digest is of, as JSON: records keep it, so that `why` can show the difference.
    #[serde(skip)]
    pub value: String,
}

impl Key {
    /// The key of a step from what it stands on and what it is made of.
    #[must_use]
    pub fn of(parent: Key, parts: &[KeyPart]) -> Self {
        let mut text = format!("imgfile-key {KEY_FORMAT}\n{parent}\n");
        for part in parts {
            // Quoted: a path may hold a line end, and no two lists of parts may have one text.
            text.push_str(&format!("{} {:?}\n", part.digest, part.name));
        }
        Self(Digest::of(text))
    }
}

/// What a step's result depends on beside the step and what it stands on.
#[derive(Debug, Clone, Copy)]
pub struct Conditions<'a> {
    /// Another agent may do the same step differently.
    pub agent_version: &'a str,
    /// The default user's name: who a script runs as that names nobody.
    pub user: &'a str,
    /// Whether the network can be reached.
    pub network: bool,
}

/// The parts of a step's key, in a fixed order.
///
/// A part for whatever the guest can see of a step, or the result can depend on. Left out is what only
/// decides whether a step succeeds, since nothing is kept of one that failed: time limit and retries.
#[must_use]
pub fn parts(name: &str, stage: Stage, action: &Action, conditions: Conditions<'_>) -> Vec<KeyPart> {
    let mut parts = vec![part("agent version", &conditions.agent_version), part("stage", &stage)];
    match action {
        Action::Script(script) => {
            // Offline it reaches nothing unless it says so.
            let network = conditions.network && (stage == Stage::Booted || script.network);
            script_parts(name, script, Conditions { network, ..conditions }, &mut parts);
        }
        Action::Copy(copy) => {
            let place = (&copy.to, &copy.owner, &copy.group, copy.mode, copy.dir_mode);
            parts.push(part("destination, owner and mode", &place));
            parts.push(match &copy.from {
                CopyFrom::Tree(tree) => part(&format!("copied files of {}", tree.path), &tree.entries),
                CopyFrom::Text { content } => part("text", content),
                CopyFrom::Download { checksum, unpack, strip, .. } => {
                    part("download", &(checksum.hex(), unpack, strip))
                }
            });
        }
        Action::App(app) => {
            parts.push(part("application version", &(&app.app, &app.version)));
            parts.push(part("rendered files", &app.files));
            parts.push(part("install script", &app.install));
            // Files alone are written by the agent.
            parts.extend(app.install.is_some().then(|| part("network", &conditions.network)));
        }
        Action::Packages(change) => {
            let pins: Vec<_> = change.install.iter().map(|p| (p.sha256, p.auto, p.stage)).collect();
            parts.push(part("locked packages", &pins));
            parts.push(part("removed packages", &change.remove));
            parts.push(part(&format!("{}'s marks", change.manager.name()), &change.marks));
            // Their maintainers' scripts are free to use it.
            parts.push(part("network", &conditions.network));
        }
        // What starts with the system is free to use it.
        Action::Reboot => parts.push(part("network", &conditions.network)),
        other => parts.push(part("statement", other)),
    }
    parts
}

fn script_parts(name: &str, script: &ScriptStep, conditions: Conditions<'_>, parts: &mut Vec<KeyPart>) {
    let user = match &script.user {
        RunAs::Default => conditions.user,
        RunAs::Root => "root",
        RunAs::Named(name) => name,
    };
    // A script sees its name as `$0`, and its interpreter puts that before its complaints.
    parts.push(part("name", &name));
    parts.push(part("script text", &script.content));
    parts.push(part("user", &user));
    parts.push(part("env", &script.env));
    parts.push(part("names of secrets", &script.secrets));
    parts.push(part("network", &conditions.network));
    for tree in &script.with {
        parts.push(part(&format!("files of {}", tree.path), &tree.entries));
    }
}

/// The digest of a value's JSON form, under a name.
fn part(name: &str, value: &impl Serialize) -> KeyPart {
    // Plan types are plain data with text keys: their serialisation has no failing case.
    let value = serde_json::to_string(value).unwrap_or_default();
    KeyPart { name: name.into(), digest: Digest::of(&value), value }
}

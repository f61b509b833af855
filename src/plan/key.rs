//! Cache keys: what decides whether a step's result can be reused.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Action, CopyFrom, ScriptStep, Stage};
use crate::text::Digest;

/// Changes when the meaning of an action changes without its normal form changing.
const KEY_FORMAT: u32 = 1;

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
    pub digest: Digest,
}

impl Key {
    /// The key of a step from what it stands on and what it is made of.
    #[must_use]
    pub fn of(parent: Key, parts: &[KeyPart]) -> Self {
        let mut text = format!("imgfile-key {KEY_FORMAT}\n{parent}\n");
        for part in parts {
            text.push_str(&format!("{} {}\n", part.digest, part.name));
        }
        Self(Digest::of(text))
    }
}

/// The parts of an action's key, in a fixed order.
#[must_use]
pub fn parts(stage: Stage, action: &Action, agent_version: &str) -> Vec<KeyPart> {
    let mut parts = vec![part("agent version", &agent_version), part("stage", &stage)];
    match action {
        Action::Script(script) => script_parts(script, &mut parts),
        Action::Copy(copy) => {
            let place = (&copy.to, &copy.owner, &copy.group, copy.mode, copy.dir_mode);
            parts.push(part("destination, owner and mode", &place));
            parts.push(match &copy.from {
                CopyFrom::Tree(tree) => {
                    KeyPart { name: format!("copied files of {}", tree.path), digest: tree.digest() }
                }
                CopyFrom::Text { content } => part("text", content),
                CopyFrom::Download { sha256, unpack, strip, .. } => {
                    part("download", &(sha256, unpack, strip))
                }
            });
        }
        Action::App(app) => {
            parts.push(part("application version", &(&app.app, &app.version)));
            parts.push(part("rendered files", &app.files));
            parts.push(part("install script", &app.install));
        }
        Action::Packages(change) => {
            let pins: Vec<_> = change.install.iter().map(|p| (p.sha256, p.auto)).collect();
            parts.push(part("locked packages", &pins));
            parts.push(part("removed packages", &change.remove));
            parts.push(part("apt's marks", &change.extended_states));
        }
        other => parts.push(part("statement", other)),
    }
    parts
}

fn script_parts(script: &ScriptStep, parts: &mut Vec<KeyPart>) {
    parts.push(part("script text", &script.content));
    parts.push(part("user", &script.user));
    parts.push(part("env", &script.env));
    parts.push(part("names of secrets", &script.secrets));
    for tree in &script.with {
        parts.push(KeyPart { name: format!("files of {}", tree.path), digest: tree.digest() });
    }
}

/// The digest of a value's JSON form, under a name.
fn part(name: &str, value: &impl Serialize) -> KeyPart {
    // Plan types are plain data with text keys: their serialisation has no failing case.
    let json = serde_json::to_vec(value).unwrap_or_default();
    KeyPart { name: name.into(), digest: Digest::of(json) }
}

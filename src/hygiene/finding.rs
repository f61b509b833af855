//! What was found.

use serde::{Deserialize, Serialize};

use super::rules::{RULES, Rule};
use super::texts::shown;

/// A disk may break a rule in a thousand places: so many are told of each, and how many more there are.
const MOST: usize = 10;

/// A place where a disk breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Its rule's, such as `H0001`.
    pub rule: String,
    /// The file that it is about: a path in the system, its control characters escaped.
    pub path: Option<String>,
    /// What is there, in a line without control characters: lower case, no full stop, standing alone.
    pub message: String,
}

impl Finding {
    /// Its rule; none where it was kept by a version of imgfile that had others.
    #[must_use]
    pub fn rule(&self) -> Option<&'static Rule> {
        super::rules::rule(&self.rule)
    }
}

/// Findings while they are gathered.
#[derive(Debug, Default)]
pub struct Findings {
    found: Vec<(Rule, Option<Vec<u8>>, String)>,
}

impl Findings {
    /// Adds one about a file; `message` says what is wrong with it, such as `holds a machine id`.
    pub(super) fn file(&mut self, rule: Rule, path: impl AsRef<[u8]>, message: impl AsRef<str>) {
        let path = path.as_ref().to_vec();
        let message = format!("{} {}", shown(&path), shown(message.as_ref().as_bytes()));
        self.found.push((rule, Some(path), message));
    }

    /// Adds one about the disk as a whole.
    pub(super) fn disk(&mut self, rule: Rule, message: impl AsRef<str>) {
        self.found.push((rule, None, shown(message.as_ref().as_bytes())));
    }

    /// All of them in the order of their rules, as many of each as anybody reads.
    pub(super) fn all(self) -> Vec<Finding> {
        let mut all = Vec::new();
        for rule in RULES {
            let mut of_rule: Vec<_> = self.found.iter().filter(|(own, ..)| own == rule).collect();
            of_rule.dedup();
            let more = of_rule.len().saturating_sub(MOST);
            of_rule.truncate(MOST);
            for (at, (_, path, message)) in of_rule.iter().enumerate() {
                let mut message = message.clone();
                if more > 0 && at + 1 == of_rule.len() {
                    message += &format!(", and {more} more");
                }
                let path = path.as_ref().map(|path| shown(path));
                all.push(Finding { rule: rule.id.to_owned(), path, message });
            }
        }
        all
    }
}

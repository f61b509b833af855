//! How long images of a project stay, as the user's configuration says it:
//!
//! ```toml
//! [projects."~/src/shop"]
//! keep = 5            # of each image the newest five
//! max_age = "90d"     # and none that is older
//! quota = "50GiB"     # and no more than that of all of them
//! grace = "14d"       # so long they are only called deprecated; a week without it
//! ```
//!
//! A project's own `.imgfile.toml` has no say in it: what it let go would be the user's files.

use std::time::Duration;

use crate::check::{Size, parse_duration};

const DAY: Duration = Duration::from_hours(24);

/// How long deprecated images stay unless something else is said.
const GRACE: Duration = Duration::from_hours(7 * 24);

/// The rules of one project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifecycle {
    /// Of each image so many stay, the newest.
    pub keep: Option<u32>,
    /// None stays for longer.
    pub max_age: Option<Duration>,
    /// Bytes that all of them may take.
    pub quota: Option<Size>,
    /// How long one that may go is only called deprecated.
    pub grace: Duration,
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self { keep: None, max_age: None, quota: None, grace: GRACE }
    }
}

impl Lifecycle {
    /// The keys of a project's entry that are rules.
    pub const KEYS: [&'static str; 4] = ["keep", "max_age", "quota", "grace"];

    /// Takes the value of one of these keys, as text.
    ///
    /// # Errors
    /// What is expected instead.
    pub(super) fn set(&mut self, key: &str, text: &str) -> Result<(), &'static str> {
        match key {
            "keep" => {
                let number = text.parse().ok().filter(|&number: &u32| number > 0);
                self.keep = Some(number.ok_or("a number of images, 1 or more")?);
            }
            "quota" => self.quota = Some(size(text).ok_or("a size, such as `\"50GiB\"`")?),
            "max_age" => self.max_age = Some(duration(text).ok_or("a time, such as `\"90d\"` or `\"12h\"`")?),
            _ => self.grace = duration(text).ok_or("a time, such as `\"7d\"` or `\"0s\"`")?,
        }
        Ok(())
    }

    /// Whether it says anything.
    #[must_use]
    pub const fn is_rule(&self) -> bool {
        self.keep.is_some() || self.max_age.is_some() || self.quota.is_some()
    }
}

/// Also with a blank before the unit.
fn size(text: &str) -> Option<Size> {
    Size::parse(&text.replace(' ', ""))
}

/// Days besides what the language knows.
fn duration(text: &str) -> Option<Duration> {
    match text.strip_suffix('d') {
        Some(days) => DAY.checked_mul(days.parse().ok()?),
        None => parse_duration(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_with_their_units() {
        let mut rules = Lifecycle::default();
        assert!(!rules.is_rule());
        for (key, text) in [("keep", "5"), ("max_age", "90d"), ("quota", "50 GiB"), ("grace", "0s")] {
            rules.set(key, text).unwrap();
        }
        let expected = Lifecycle {
            keep: Some(5),
            max_age: Some(90 * DAY),
            quota: Some(Size(50 << 30)),
            grace: Duration::ZERO,
        };
        assert_eq!(rules, expected);
        for (key, text) in
            [("keep", "0"), ("keep", "many"), ("max_age", "90"), ("max_age", "d"), ("quota", "50")]
        {
            assert!(rules.set(key, text).is_err(), "{key} = {text}");
        }
    }
}

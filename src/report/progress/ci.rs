//! How CI systems fold a log.

use std::ffi::OsString;

/// A CI system whose log viewer folds groups of lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ci {
    /// `::group::`, see "Workflow commands for GitHub Actions" in GitHub's documentation.
    GitHub,
    /// `section_start`, see "Custom collapsible sections" in GitLab's documentation.
    GitLab {
        /// Seconds since 1970 when the command began: sections carry the time of day.
        began: u64,
    },
}

impl Ci {
    /// The system this process runs in, by the variables it sets.
    #[must_use]
    pub fn detect(env: impl Fn(&str) -> Option<OsString>) -> Option<Self> {
        let set = |name| env(name).is_some_and(|value| value == "true");
        if set("GITHUB_ACTIONS") {
            Some(Self::GitHub)
        } else if set("GITLAB_CI") {
            let began = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            Some(Self::GitLab { began: began.unwrap_or_default().as_secs() })
        } else {
            None
        }
    }

    /// Begins group number `number`, with its newline.
    pub(super) fn begin(self, number: u32, at_ms: u64, title: &str) -> String {
        match self {
            Self::GitHub => format!("::group::{}\n", escaped(title)),
            Self::GitLab { began } => format!(
                "\u{1b}[0Ksection_start:{}:imgfile_{number}[collapsed=true]\r\u{1b}[0K{title}\n",
                began + at_ms / 1000
            ),
        }
    }

    /// Ends it.
    pub(super) fn end(self, number: u32, at_ms: u64) -> String {
        match self {
            Self::GitHub => "::endgroup::\n".to_owned(),
            Self::GitLab { began } => {
                format!("\u{1b}[0Ksection_end:{}:imgfile_{number}\r\u{1b}[0K\n", began + at_ms / 1000)
            }
        }
    }

    /// A failure, where the system shows it outside of the log.
    pub(super) fn error(self, title: &str, message: &str) -> String {
        match self {
            Self::GitHub => format!("::error title={}::{}\n", property(title), escaped(message)),
            Self::GitLab { .. } => format!("{title}: {message}\n"),
        }
    }

    /// A line of output that cannot give orders to the CI system. GitHub's runner also obeys its older
    /// form `##[command]`, anywhere in a line.
    pub(super) fn harmless(self, line: &str) -> std::borrow::Cow<'_, str> {
        match self {
            Self::GitHub if line.contains("##[") => line.replace("##[", "## [").into(),
            Self::GitHub | Self::GitLab { .. } => line.into(),
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A").replace("##[", "## [")
}

fn property(text: &str) -> String {
    escaped(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_is_known_by_its_variable() {
        let with = |name: &'static str, value: &'static str| {
            Ci::detect(move |wanted| (wanted == name).then(|| value.into()))
        };
        assert_eq!(with("GITHUB_ACTIONS", "true"), Some(Ci::GitHub));
        assert!(matches!(with("GITLAB_CI", "true"), Some(Ci::GitLab { .. })));
        assert_eq!(with("GITHUB_ACTIONS", "false"), None);
        assert_eq!(with("CI", "true"), None);
    }
}

//! The registry of codes. A code, once released, keeps its meaning.
//!
//! E01xx syntax, E02xx names and values, E03xx resolution, E04xx lock, E05xx host and driver,
//! E06xx execution, W… warnings (W01xx syntax … in the same ranges). Each has a page in `pages/`,
//! named by the code, with a wrong and a right example; `explain` prints it.

use super::Severity;

/// A stable code such as `E0312`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(&'static str);

impl Code {
    /// The code as written, such as `E0312`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }

    /// `E…` is an error, `W…` a warning.
    #[must_use]
    pub fn severity(self) -> Severity {
        if self.0.starts_with('W') { Severity::Warning } else { Severity::Error }
    }
}

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

/// Declares the codes with their one-line titles, and the table `explain` reads.
macro_rules! registry {
    ($($name:ident = $code:literal: $title:literal;)*) => {
        /// The codes by meaning: code reads `codes::NOT_UTF8`, users read `E0101`.
        pub mod codes {
            use super::Code;
            $(#[doc = $title] pub const $name: Code = Code($code);)*
        }

        /// Every code: its title and its explanation page (Markdown).
        pub(crate) const PAGES: &[(Code, &str, &str)] = &[
            $((Code($code), $title, include_str!(concat!("pages/", $code, ".md"))),)*
        ];
    };
}

registry! {
    NOT_UTF8 = "E0101": "the file is not UTF-8 text";
    PROJECT_FILE = "E0290": "a project file that goes into the image cannot be read";
    UNKNOWN_APP = "E0301": "no application of this name is in the catalogue";
    UNKNOWN_BASE = "E0302": "no base of this name is in the catalogue";
    NO_SUCH_VERSION = "E0303": "no version in the catalogue fits the requirement";
    APP_UNSUPPORTED = "E0304": "the application does not run on the image's system";
    UNKNOWN_OPTION = "E0305": "the application has no option of this name";
    BAD_OPTION = "E0306": "the value does not fit the option";
    MISSING_OPTION = "E0307": "the application needs a value for an option";
    NO_BASE = "E0308": "no base in the catalogue fits the image";
    BASE_MISMATCH = "E0309": "the chosen base does not fit the image";
    NO_SOLUTION = "E0311": "the statements cannot all hold together";
    APPS_CLASH = "E0312": "two applications cannot be in one image";
    SOLVE_BUDGET = "E0313": "the search for a solution was given up";
    STORAGE_TOO_SMALL = "E0314": "the disk is too small for what goes on it";
    CATALOG_FOLDER = "E0329": "a catalogue folder or file cannot be read";
    CATALOG_YAML = "E0330": "the catalogue file is not YAML of the expected kind";
    CATALOG_UNKNOWN_KEY = "E0331": "the catalogue format has no such key";
    CATALOG_MISSING_KEY = "E0332": "a key is missing in the catalogue file";
    CATALOG_VALUE = "E0333": "a value in the catalogue file is of the wrong kind";
    CATALOG_DUPLICATE = "E0334": "something is defined twice in the catalogue";
    CATALOG_NAME = "E0335": "this is not a name the catalogue can use";
    CATALOG_TEMPLATE = "E0336": "a template of the catalogue cannot be rendered";
    CATALOG_LIMIT = "E0337": "the catalogue file goes beyond a limit";
    CATALOG_DANGLING = "E0338": "the catalogue requires what it does not hold";
    CATALOG_CYCLE = "E0339": "applications require each other in a circle";
    PACKAGE_VERSION = "E0341": "the package's version is not the catalogue's";
    HOST_LACKS = "E0501": "a program this host needs is not installed";
    HOST_REFUSED = "E0502": "the host's own system refused something";
    HOST_FULL = "E0503": "no space is left on the host";
    MACHINE_ENDED = "E0504": "the machine ended in the middle of a step";
    MACHINE_HANGS = "E0505": "the machine did not answer in time";
    GUEST_REFUSED = "E0506": "something could not be done in the image";
    IMAGE_UNSUPPORTED = "E0507": "the disk is laid out in a way that is not supported";
    GUEST_NONSENSE = "E0508": "the guest broke the protocol";
    HOST_TOOL_FAILED = "E0520": "a program of this host did not do its work";
    SETTING = "E0521": "a setting has a value that cannot be used";
    STEP_FAILED = "E0601": "a script or test failed";
    STEP_TIMED_OUT = "E0602": "a script or test ran longer than it may";
    INPUT_CHANGED = "E0603": "a project file changed during the build";
}

/// Title and page of a code given as text, such as by `imgfile explain E0101`.
#[must_use]
pub fn page(code: &str) -> Option<(Code, &'static str, &'static str)> {
    PAGES.iter().copied().find(|(known, _, _)| known.as_str().eq_ignore_ascii_case(code))
}

//! The registry of codes. A code, once released, keeps its meaning.
//!
//! E01xx syntax, E02xx names and values, E03xx resolution, E04xx lock, E05xx host and driver,
//! E06xx execution, W… warnings (W01xx syntax … in the same ranges). Each has a page in `pages/`,
//! named by the code, with a wrong and a right example; `explain` prints it.

use super::Severity;

/// A stable code such as `E0312`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(&'static str, Cause);

/// What has to change before a command can succeed that ended with a diagnostic: the exit status tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cause {
    /// The user's files: the ImageFile, what it names, the lock, settings.
    Files,
    /// The machine that imgfile runs on, or what it reaches: a program, room, rights, a network, an archive.
    Host,
}

impl Code {
    /// The code as written, such as `E0312`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }

    /// What has to change.
    #[must_use]
    pub const fn cause(self) -> Cause {
        self.1
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

/// Declares the codes with their one-line titles and, unless it is the user's files, their cause; and the table
/// that `explain` reads.
macro_rules! registry {
    (@cause) => { Cause::Files };
    (@cause $cause:ident) => { Cause::$cause };
    ($($name:ident = $code:literal: $title:literal $(, $cause:ident)?;)*) => {
        /// The codes by meaning: code reads `codes::NOT_UTF8`, users read `E0101`.
        pub mod codes {
            use super::{Cause, Code};
            $(#[doc = $title] pub const $name: Code = Code($code, registry!(@cause $($cause)?));)*
        }

        /// Every code: its title and its explanation page (Markdown).
        pub(crate) const PAGES: &[(Code, &str, &str)] = &[
            $((codes::$name, $title, include_str!(concat!("pages/", $code, ".md"))),)*
        ];
    };
}

registry! {
    NOT_UTF8 = "E0101": "the file is not UTF-8 text";
    BYTE_ORDER_MARK = "E0102": "the file starts with a byte-order mark";
    UNEXPECTED = "E0103": "something stands where something else is expected";
    STRING_NOT_CLOSED = "E0104": "a quoted text or `${…}` is not closed";
    BAD_ESCAPE = "E0105": "a backslash stands before something that is no escape";
    SINGLE_QUOTES = "E0106": "text is in single quotes";
    COMMENT_STYLE = "E0107": "a comment does not start with `#`";
    HEREDOC_NOT_CLOSED = "E0108": "a heredoc has no end";
    HEREDOC_MARKER = "E0109": "a heredoc's marker is not written as the language has it";
    HEREDOC_TAG_INSIDE = "E0110": "a heredoc's tag is used again inside it";
    BLOCK_NOT_CLOSED = "E0111": "a block or options in braces are not closed";
    BLOCK_NOT_OPENED = "E0112": "a block is not opened on its statement's line";
    STRAY_CLOSE = "E0113": "a `}` closes nothing";
    EQUALS_SIGN = "E0114": "an `=` is missing or too much";
    LIST = "E0115": "a list's brackets or commas are wrong";
    OPTION_PAIR = "E0116": "an option is not `key = value`";
    MISSING_OPERAND = "E0117": "a statement lacks something it needs";
    UNKNOWN_STATEMENT = "E0118": "there is no such statement";
    MISPLACED_STATEMENT = "E0119": "a statement stands where it does not belong";
    NO_IMAGE = "E0120": "the file declares no image";
    UNREADABLE = "E0121": "a file cannot be read";
    NEEDS_QUOTES = "E0122": "something needs quotes";
    MERGE_CONFLICT = "E0123": "a file has an unresolved merge conflict";
    MISSING_STATEMENT = "E0201": "an image lacks a statement it needs";
    GIVEN_TWICE = "E0202": "a statement that is allowed once is given twice";
    DUPLICATE_NAME = "E0203": "a name is used twice";
    UNKNOWN_KEY = "E0204": "a statement has no such option";
    NOT_A_SIZE = "E0205": "a value is not a size";
    NOT_A_DURATION = "E0206": "a value is not a duration";
    NOT_A_MODE = "E0207": "a value is not a file mode";
    NOT_A_VERSION = "E0208": "a value is not a version requirement";
    NOT_A_NUMBER = "E0209": "a value is not a number, or out of range";
    NOT_A_CHOICE = "E0210": "a value is not one of the words that are known here";
    BAD_NAME = "E0211": "a name has characters or a length that it cannot have";
    OUTPUT_NAME = "E0212": "an output needs another name";
    OUTPUTS_COLLIDE = "E0213": "two outputs would be the same file";
    BAD_PATH = "E0214": "a path cannot be used as it is";
    OUTSIDE_PROJECT = "E0215": "a path leaves the project's folder";
    NOT_FOUND = "E0216": "a file or folder does not exist";
    NO_SHEBANG = "E0217": "a script does not say what runs it";
    SCRIPT_ENCODING = "E0218": "a script has a byte-order mark or Windows line ends";
    UNKNOWN_PARAM = "E0219": "there is no such param";
    PARAM_VALUE = "E0220": "a param has no value, or one of another type";
    UNKNOWN_SETTING = "E0221": "`--set` names no param";
    UNKNOWN_PROFILE = "E0222": "there is no such profile";
    PROFILES_CLASH = "E0223": "two profiles of one image say different things";
    INCLUDE_CYCLE = "E0224": "files or profiles include one another in a circle";
    UNKNOWN_IMAGE = "E0225": "`base image` names no image of the project";
    IMAGE_CYCLE = "E0226": "an image is its own base";
    NOT_SUPPORTED = "E0227": "something is not supported yet";
    UNKNOWN_SECRET = "E0228": "a script asks for a secret that is not declared";
    NOT_A_DIGEST = "E0229": "a value is not a checksum";
    NOT_A_URL = "E0230": "a value is not a web address";
    NOT_A_PACKAGE = "E0231": "a value is not a package";
    OPTION_CONFLICT = "E0232": "options do not go together";
    WRONG_KIND = "E0233": "a value is of another kind than its place takes";
    PROJECT_GROWS = "E0234": "a project grows too large";
    SYSTEM_REMOVED = "E0235": "clean-up would remove a part of the system itself";
    PATHS_CLASH = "E0236": "a path would be a file and a folder";
    KERNEL_PATH = "E0237": "a copy goes where the kernel shows files of its own";
    SHELL_ERROR = "E0238": "a shell cannot understand a script";
    SHEBANG_COMMENT = "E0239": "a shebang has a comment behind it";
    ACCOUNTS_CLASH = "E0240": "two accounts or groups would be one";
    NO_MATCH = "E0241": "a pattern matches nothing";
    USER_REMOVED = "E0242": "something needs the account that is taken away";
    SHEBANG_ARGUMENTS = "E0243": "a shebang has more than one argument";
    BAD_ANSWER = "E0244": "a line of answers is none";
    USER_OF_BASE = "E0245": "the account that is to be taken away is not the build's own";
    GCE_NAME = "E0248": "Compute Engine takes no image of this name";
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
    BASE_UNPROVEN = "E0310": "nobody has proven the base yet";
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
    LOCK_UNREADABLE = "E0401": "the lock cannot be read";
    LOCK_STALE = "E0402": "the lock no longer says what the ImageFile asks for";
    LOCK_FORMAT = "E0403": "the lock is in another format";
    LOCK_DOUBLE = "E0404": "the lock has a package twice";
    LOCK_CONFLICT = "E0405": "the lock has an unresolved merge conflict";
    LOCK_DIGEST = "E0406": "a package's digest in the lock is not the archive's";
    LOCK_UNVOUCHED = "E0407": "no signed index vouches for a package of the lock";
    LOCK_DANGLING = "E0408": "the lock names something that it does not have";
    LOCK_LACKS = "E0409": "a package of the lock needs one that the lock does not have";
    PACKAGE_UNKNOWN = "E0450": "no archive has a package of this name";
    PACKAGE_VERSION_GONE = "E0451": "no archive has this version of a package";
    PACKAGES_CLASH = "E0452": "packages cannot be installed together, or removed";
    ARCHIVE_UNTRUSTED = "E0453": "an archive's index cannot be trusted or read", Host;
    DOWNLOAD_GONE = "E0454": "a file is no longer where it was";
    DOWNLOAD_WRONG = "E0455": "a download is not what was promised";
    NO_NETWORK = "E0456": "something is not in the store and cannot be fetched", Host;
    NO_MIRROR = "E0457": "no package mirror is known", Host;
    NOT_PUBLISHED = "E0458": "a publisher's checksums do not vouch for a disk", Host;
    SUITE_UNKNOWN = "E0459": "an archive has no such suite or component";
    HOST_LACKS = "E0501": "a program this host needs is not installed", Host;
    HOST_REFUSED = "E0502": "the host's own system refused something", Host;
    HOST_FULL = "E0503": "no space is left on the host", Host;
    MACHINE_ENDED = "E0504": "the machine ended in the middle of a step", Host;
    MACHINE_HANGS = "E0505": "the machine did not answer in time", Host;
    GUEST_REFUSED = "E0506": "something could not be done in the image", Host;
    IMAGE_UNSUPPORTED = "E0507": "the disk is laid out in a way that is not supported";
    GUEST_NONSENSE = "E0508": "the guest broke the protocol", Host;
    DRIVER_CANNOT = "E0509": "the driver cannot do what an image asks for";
    HOST_TOOL_FAILED = "E0520": "a program of this host did not do its work", Host;
    SETTING = "E0521": "a setting has a value that cannot be used";
    BASE_UNUSABLE = "E0522": "a disk cannot be a base";
    BASE_CHANGED = "E0523": "a base is not the disk that is pinned";
    WALL_MISSING = "E0530": "this host does not hold a project that is not trusted", Host;
    SECRET_UNALLOWED = "E0540": "a secret would be read from outside the project";
    FILE_UNALLOWED = "E0541": "a disk lies outside the project";
    STORE_NOT_OWN = "E0546": "others could change the store", Host;
    NO_STORE_FOLDER = "E0547": "nothing says where the store is", Host;
    OUTPUT_LINK = "E0548": "the output folder is not a folder of the project";
    OUTPUT_TAKEN = "E0549": "a file that imgfile did not write is where an artifact goes";
    UNPACKS_TOO_LARGE = "E0550": "an archive unpacks to more than there is room for";
    SERVER_TOO_SLOW = "E0551": "a server brings next to nothing", Host;
    STEP_FAILED = "E0601": "a script or test failed";
    STEP_TIMED_OUT = "E0602": "a script or test ran longer than it may";
    INPUT_CHANGED = "E0603": "a project file changed during the build";
    NOT_BUILT = "E0605": "there is no artifact to test";
    SECRET_MISSING = "E0606": "a secret has no value on this machine", Host;
    CANNOT_UNPACK = "E0607": "a download cannot be unpacked";
    SCRIPT_ENDED_MACHINE = "E0608": "a script restarted or powered off the machine";
    AGENT_LOST = "E0609": "the build's agent in the machine was stopped";
    DISK_UNFIT = "E0620": "the finished disk is not fit for instances";
    NOTHING_TO_RUN = "E0630": "there is no image to run";
    CANNOT_RUN = "E0631": "a disk cannot be run";
    PORT_UNAVAILABLE = "E0632": "a port of this host cannot be published", Host;
    NO_INSTANCE = "E0633": "no machine runs that could be logged in to";
    CHANGES_OF_ANOTHER = "E0634": "kept changes belong to another state of the image";
    CLONES_SHARE = "E0635": "two instances of an image share what each must have of its own";
    SEED_UNUSED = "E0636": "an instance does not do what it is told when it first boots";
    UNIT_FAILED = "E0637": "a unit of an instance has failed";
    BASE_UNSUPPORTED = "E0604": "this kind of base cannot be built on yet";
    ADVISORY_DENIED = "E0640": "a package has an advisory that the build may not have";
    KEY_UNUSABLE = "E0641": "a key for signing or verifying cannot be used";
    ADVISORIES_UNREADABLE = "E0642": "advisories cannot be read";
    TARGET_UNKNOWN = "E0670": "nothing says what a target is";
    TARGET_CONFIG = "E0671": "what the configuration says of a target cannot be used";
    NOTHING_TO_PUBLISH = "E0672": "there is no image to publish";
    NOT_TESTED = "E0673": "an image has not passed its tests";
    ARTIFACT_CHANGED = "E0674": "a file is not what was built";
    TARGET_DENIED = "E0675": "a service does not let you in", Host;
    TARGET_UNREACHABLE = "E0676": "a service cannot be reached, or has a defect", Host;
    TARGET_QUOTA = "E0677": "a service has no room for an image", Host;
    NAME_TAKEN = "E0678": "a service has another image of the name";
    TARGET_PROTECTED = "E0679": "an image of a service is protected";
    CHECKSUM_DIFFERS = "E0680": "a service has something else than was sent", Host;
    REGION_UNKNOWN = "E0681": "a service has no such region";
    TARGET_REFUSED = "E0682": "a service refuses what is asked of it";
    TARGET_PROGRAM = "E0683": "a program that publishes does not keep to the protocol";
    SETTING_IGNORED = "W0501": "a setting of a project that is not trusted is ignored";
    TIER_IGNORED = "W0340": "a project's base calls itself proven";
    KEY_LEFT = "W0601": "a private key that was made while building is in the image";
    COPY_LOSES = "W0602": "a copied file has less than its source";
    IMAGE_REVOKED = "E0650": "the image was revoked, or one that it is made from";
    DISK_OF_WINDOWS = "E0651": "a disk holds Windows";
    DISK_IN_USE = "E0652": "a disk that is to be captured is in use";
    DISK_CHANGED = "E0653": "a disk changed while it was captured";
    SEVERAL_SYSTEMS = "E0654": "a disk that is to be captured holds several systems";
    CANNOT_CAPTURE = "E0655": "a disk cannot be captured";
    NO_MONITOR = "E0656": "a running machine's monitor does not answer";
    NOT_FROZEN = "E0657": "a running machine is not frozen by its guest agent";
    NOT_COPIED = "E0658": "the disks of a running machine cannot be copied";
    NOT_GENERALIZED = "E0662": "a Windows machine was not made a template";
    NO_LIBVIRT = "E0659": "libvirt is not reached", Host;
    NO_SUCH_MACHINE = "E0660": "libvirt has no such machine";
    MACHINE_UNFIT = "E0661": "a machine of libvirt's cannot be captured as it is";
    COPIED_UNFROZEN = "W0651": "a running machine was captured without being frozen";
    CACHE_GIVEN_UP = "W0660": "a shared cache is not used any more in this build";
    CACHE_DISTRUSTED = "W0661": "a shared cache has entries that nobody who is trusted has signed";
    BOOT_MODE = "W0650": "the platform of an output starts machines by another firmware unless told otherwise";
    DRIVERS_MISSING = "W0603": "the image lacks drivers for the hypervisor its format is made for";
    OWNER_GONE = "W0604": "files belong to an account that was taken away";
    UNUSED_PARAM = "W0201": "a param is never used";
    UNUSED_PROFILE = "W0202": "a profile is never used";
    HEREDOC_INTERPOLATION = "W0203": "a param is not put into a heredoc";
    NO_ERREXIT = "W0204": "a script goes on after a failure";
    SHELL_SYNTAX = "W0205": "a shell may not understand a script";
    POINTLESS_SUDO = "W0206": "`sudo` in a script that is root already";
    UNSET_VARIABLE = "W0207": "a script reads a variable that nothing sets";
    MANY_SWITCHES = "W0208": "offline and booted scripts take turns";
    UNUSED_SECRET = "W0209": "a secret is never handed out";
    UNUSUAL_INTERPRETER = "W0210": "nothing brings a script's interpreter";
    SOME_CARRIAGE_RETURNS = "W0211": "some lines of a script end in a carriage return";
    HIDDEN_COPY = "W0212": "a copy goes where a boot lays an empty file system";
    VARIABLE_AS_WRITTEN = "W0213": "a variable in a value of `env` is not replaced";
    CATALOG_UNNEEDED = "W0301": "an application that no image needs can never be installed";
    OF_BASH_ONLY = "W0215": "a script for `sh` uses what only bash has";
    FORMER_NAME = "W0216": "a script uses a name that imgfile has changed";
    MOVING_SUITE = "W0214": "a suite name stands for another version after each release";
}

/// Title and page of a code given as text, such as by `imgfile explain E0101`.
#[must_use]
pub fn page(code: &str) -> Option<(Code, &'static str, &'static str)> {
    PAGES.iter().copied().find(|(known, _, _)| known.as_str().eq_ignore_ascii_case(code))
}

/// Every code with its one-line title, in order.
pub fn codes_with_titles() -> impl Iterator<Item = (Code, &'static str)> {
    PAGES.iter().map(|(code, title, _)| (*code, *title))
}

//! The statements of the language: where each may stand, how often, and what it looks like.

/// Where a statement may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// At the top level of a file.
    Top,
    /// In `image` and `profile`.
    Image,
}

/// How often a statement may stand in one image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    Once,
    Any,
}

/// What is known about a statement without reading its operands.
#[derive(Debug, Clone, Copy)]
pub struct StatementInfo {
    pub keyword: &'static str,
    pub place: Place,
    pub times: Times,
    /// A valid example.
    pub example: &'static str,
    /// One line, for completion and hover.
    pub summary: &'static str,
}

const fn top(keyword: &'static str, example: &'static str, summary: &'static str) -> StatementInfo {
    StatementInfo { keyword, place: Place::Top, times: Times::Any, example, summary }
}

const fn once(keyword: &'static str, example: &'static str, summary: &'static str) -> StatementInfo {
    StatementInfo { keyword, place: Place::Image, times: Times::Once, example, summary }
}

const fn any(keyword: &'static str, example: &'static str, summary: &'static str) -> StatementInfo {
    StatementInfo { keyword, place: Place::Image, times: Times::Any, example, summary }
}

/// Every statement, in the order a reader meets them.
pub const STATEMENTS: &[StatementInfo] = &[
    top("param", "param release = \"2026.11\"", "a value that `--set` may change"),
    top("include", "include \"common.imagefile\"", "profiles and params of another file"),
    top("catalog", "catalog \"catalog/\"", "a folder of further applications and bases"),
    top("profile", "profile hardened { … }", "statements that images take over with `use`"),
    top("image", "image \"web\" { … }", "an image to build"),
    once("description", "description \"the web server\"", "free text"),
    once("os", "os linux debian 13", "the operating system"),
    once("arch", "arch x86_64", "the processor architecture"),
    once("base", "base auto { upgrade = true }", "what the image starts from"),
    once("min_storage", "min_storage 8GiB", "the smallest disk an instance may have"),
    any("use", "use hardened", "the statements of a profile"),
    any("packages", "packages [\"jq\", \"curl\"]", "packages of the distribution"),
    any("archive", "archive debian { components = [\"contrib\"] }", "where packages come from besides"),
    any("preseed", "preseed \"answers.txt\"", "answers for the configuration of packages"),
    any("app", "app nginx ^1.26 { port = 8080 }", "an application of the catalogue"),
    any("account", "account deploy { sudo = true }", "an account in the image"),
    any("group", "group media { gid = 2000 }", "a group in the image"),
    once("user", "user admin", "who runs the scripts"),
    any("env", "env RELEASE = \"2026.11\"", "environment of scripts and tests"),
    any("secret", "secret token from env API_TOKEN", "a file that only named steps see"),
    any("copy", "copy \"site/\" to \"/var/www/html\"", "files of the project, inline text or a download"),
    any("script", "script \"provision.sh\"", "a script to run in the system"),
    any("reboot", "reboot", "boot again before the next script"),
    any("service", "service nginx enabled", "whether a unit starts at boot"),
    any("kernel_args", "kernel_args [\"quiet\"]", "further arguments of the kernel"),
    once("network", "network none", "what scripts may reach"),
    once("machine", "machine { cpus = 2, memory = 2GiB }", "size of the machine that builds"),
    once("cleanup", "cleanup cloud", "what is cleared before sealing"),
    any("test", "test \"it answers\" \"test.sh\"", "a script that the finished image must pass"),
    any("label", "label team = \"web\"", "a property of the image"),
    any("output", "output qcow2", "a file to write"),
];

/// The statement called `keyword`.
#[must_use]
pub fn statement(keyword: &str) -> Option<&'static StatementInfo> {
    STATEMENTS.iter().find(|info| info.keyword == keyword)
}

/// Whether a statement that starts so stands rightly at the top level.
pub(crate) fn allowed_at_top(keyword: &str) -> bool {
    statement(keyword).is_some_and(|info| info.place == Place::Top)
}

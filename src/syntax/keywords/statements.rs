//! The statements of the language: where each may stand, how often, what follows its keyword, and what it looks like.

use super::options;
use super::{
    Form, NamedBy, OperandInfo, OptionSet, OutlineKind, Outlined, PathKind, Place, Quoting, Role,
    StatementInfo, Times, When, Word,
};
use crate::model::OutputFormat;

// In the order of the table.
keywords! {
    Param = "param",
    Include = "include",
    Catalog = "catalog",
    Profile = "profile",
    Image = "image",
    Description = "description",
    Os = "os",
    Arch = "arch",
    Base = "base",
    MinStorage = "min_storage",
    Use = "use",
    Packages = "packages",
    Archive = "archive",
    Preseed = "preseed",
    App = "app",
    Account = "account",
    Group = "group",
    User = "user",
    Env = "env",
    Secret = "secret",
    Copy = "copy",
    Script = "script",
    Reboot = "reboot",
    Service = "service",
    KernelArgs = "kernel_args",
    Network = "network",
    Machine = "machine",
    Cleanup = "cleanup",
    Test = "test",
    Label = "label",
    Output = "output",
    Publish = "publish",
}

/// A statement of images and profiles that takes nothing, as often as somebody likes.
const fn statement(keyword: Keyword) -> StatementInfo {
    StatementInfo {
        keyword,
        place: Place::Image,
        times: Times::Any,
        form: Form::Plain,
        example: "",
        summary: "",
        synonyms: &[],
        operands: &[],
        options: OptionSet::Of(&[]),
        outline: None,
    }
}

const fn once(keyword: Keyword) -> StatementInfo {
    StatementInfo { times: Times::Once, ..statement(keyword) }
}

const fn top(keyword: Keyword) -> StatementInfo {
    StatementInfo { place: Place::Top, ..statement(keyword) }
}

const fn operand(at: usize, role: Role) -> OperandInfo {
    OperandInfo { at, when: When::Always, role, quoting: Quoting::Kept, words: &[] }
}

impl OperandInfo {
    const fn words(self, words: &'static [Word]) -> Self {
        Self { words, ..self }
    }

    const fn when(self, when: When) -> Self {
        Self { when, ..self }
    }

    const fn bare(self) -> Self {
        Self { quoting: Quoting::Bare, ..self }
    }

    const fn quoted(self) -> Self {
        Self { quoting: Quoting::Quoted, ..self }
    }
}

const fn outlined(kind: OutlineKind) -> Outlined {
    Outlined { kind, named_by: NamedBy::First }
}

const fn outlined_by_last(kind: OutlineKind) -> Outlined {
    Outlined { kind, named_by: NamedBy::Last }
}

/// The formats of `output`, each with who takes it.
const FORMATS: [Word; OutputFormat::ALL.len()] = {
    let mut words = [("", ""); OutputFormat::ALL.len()];
    let mut number = 0;
    while number < words.len() {
        words[number] = (OutputFormat::ALL[number].as_str(), OutputFormat::ALL[number].about());
        number += 1;
    }
    words
};

const FILE: When = When::OneOf(0, &["file"]);
const URL: When = When::OneOf(0, &["url"]);
const NO_URL: When = When::NoneOf(0, &["url"]);

const TO: &[Word] = &[("to", "the place in the image follows")];

/// Every statement, in the order a reader meets them, which is that of [`Keyword`].
pub const STATEMENTS: &[StatementInfo] = &[
    StatementInfo {
        form: Form::Pair,
        example: "param release = \"2026.11\"",
        summary: "a value that `--set` may change",
        synonyms: &["variable", "var", "arg"],
        operands: &[
            operand(0, Role::ParamName).bare(),
            operand(1, Role::Value).words(&[
                ("string", "any text, the default"),
                ("integer", "such as `8080`"),
                ("boolean", "`true` or `false`"),
                ("size", "such as `8GiB`"),
                ("duration", "such as `10m`"),
                ("version", "such as `1.26`"),
            ]),
        ],
        outline: Some(outlined(OutlineKind::Param)),
        ..top(Keyword::Param)
    },
    StatementInfo {
        example: "include \"common.imagefile\"",
        summary: "profiles and params of another file",
        synonyms: &["import"],
        operands: &[operand(0, Role::Path(PathKind::ImageFile)).quoted()],
        options: OptionSet::Params,
        outline: Some(outlined(OutlineKind::File)),
        ..top(Keyword::Include)
    },
    StatementInfo {
        example: "catalog \"catalog/\"",
        summary: "a folder of further applications and bases",
        operands: &[operand(0, Role::Path(PathKind::Folder)).quoted()],
        outline: Some(outlined(OutlineKind::File)),
        ..top(Keyword::Catalog)
    },
    StatementInfo {
        form: Form::Block,
        example: "profile hardened { … }",
        summary: "statements that images take over with `use`",
        operands: &[operand(0, Role::ProfileName).bare()],
        outline: Some(outlined(OutlineKind::Profile)),
        ..top(Keyword::Profile)
    },
    StatementInfo {
        form: Form::Block,
        example: "image \"web\" { … }",
        summary: "an image to build",
        outline: Some(outlined(OutlineKind::Image)),
        ..top(Keyword::Image)
    },
    StatementInfo {
        example: "description \"the web server\"",
        summary: "free text",
        operands: &[operand(0, Role::Value).quoted()],
        ..once(Keyword::Description)
    },
    StatementInfo {
        example: "os linux debian 13",
        summary: "the operating system",
        operands: &[
            operand(0, Role::OsType).words(&[("linux", "")]).bare(),
            operand(1, Role::Distribution),
            operand(2, Role::OsVersion),
        ],
        outline: Some(outlined(OutlineKind::Other)),
        ..once(Keyword::Os)
    },
    StatementInfo {
        example: "arch x86_64",
        summary: "the processor architecture",
        operands: &[operand(0, Role::Value)
            .words(&[("x86_64", "the default, whatever the host"), ("aarch64", "64-bit ARM")])
            .bare()],
        ..once(Keyword::Arch)
    },
    StatementInfo {
        example: "base auto { upgrade = true }",
        summary: "what the image starts from",
        synonyms: &["from", "source"],
        operands: &[
            operand(0, Role::Base).words(&[
                ("auto", "the resolver chooses, the default"),
                ("file", "a disk on this machine: `file \"PATH\"`"),
                ("url", "a download: `url \"URL\" sha256 \"…\"`"),
                ("image", "another image of this project: `image \"NAME\"`"),
            ]),
            operand(1, Role::Image).when(When::OneOf(0, &["image"])),
            operand(1, Role::Path(PathKind::Machine)).when(FILE),
            operand(1, Role::Url).when(URL),
            operand(1, Role::BaseVersion),
            operand(2, Role::Value)
                .when(FILE)
                .words(&[("sha256", "digest of the disk, 64 hexadecimal digits")]),
            operand(2, Role::Value).when(URL).words(&[
                ("sha256", "digest of the disk, 64 hexadecimal digits"),
                ("sha512", "the same for publishers who give this one, 128 digits"),
            ]),
        ],
        options: OptionSet::Of(options::BASE),
        outline: Some(outlined(OutlineKind::Other)),
        ..once(Keyword::Base)
    },
    StatementInfo {
        example: "min_storage 8GiB",
        summary: "the smallest disk an instance may have",
        synonyms: &["disk", "disk_size", "size"],
        operands: &[operand(0, Role::Size)],
        ..once(Keyword::MinStorage)
    },
    StatementInfo {
        example: "use hardened",
        summary: "the statements of a profile",
        operands: &[operand(0, Role::Profile).bare()],
        options: OptionSet::Params,
        outline: Some(outlined(OutlineKind::Other)),
        ..statement(Keyword::Use)
    },
    StatementInfo {
        example: "packages [\"jq\", \"curl\"]",
        summary: "packages of the distribution",
        synonyms: &["package", "install", "apt"],
        options: OptionSet::Of(options::PACKAGES),
        outline: Some(outlined(OutlineKind::Other)),
        ..statement(Keyword::Packages)
    },
    StatementInfo {
        example: "archive debian { components = [\"contrib\"] }",
        summary: "where packages come from besides",
        operands: &[operand(0, Role::Url)
            .words(&[("debian", "more of the distribution's own archive; others by their web address")])],
        options: OptionSet::Of(options::ARCHIVE),
        ..statement(Keyword::Archive)
    },
    StatementInfo {
        example: "preseed \"answers.txt\"",
        summary: "answers for the configuration of packages",
        operands: &[operand(0, Role::Path(PathKind::Source))],
        ..statement(Keyword::Preseed)
    },
    StatementInfo {
        example: "app nginx ^1.26 { port = 8080 }",
        summary: "an application of the catalogue",
        synonyms: &["application"],
        operands: &[operand(0, Role::App).bare(), operand(1, Role::AppVersion)],
        options: OptionSet::OfApp,
        outline: Some(outlined(OutlineKind::App)),
        ..statement(Keyword::App)
    },
    StatementInfo {
        example: "account deploy { sudo = true }",
        summary: "an account in the image",
        operands: &[operand(0, Role::Name).bare()],
        options: OptionSet::Of(options::ACCOUNT),
        outline: Some(outlined(OutlineKind::Account)),
        ..statement(Keyword::Account)
    },
    StatementInfo {
        example: "group media { gid = 2000 }",
        summary: "a group in the image",
        operands: &[operand(0, Role::Name).bare()],
        options: OptionSet::Of(options::GROUP),
        outline: Some(outlined(OutlineKind::Account)),
        ..statement(Keyword::Group)
    },
    StatementInfo {
        example: "user admin",
        summary: "who runs the scripts",
        operands: &[operand(0, Role::Account).bare()],
        options: OptionSet::Of(options::USER),
        ..once(Keyword::User)
    },
    StatementInfo {
        form: Form::Pair,
        example: "env RELEASE = \"2026.11\"",
        summary: "environment of scripts and tests",
        operands: &[operand(0, Role::Name).bare()],
        outline: Some(outlined(OutlineKind::Other)),
        ..statement(Keyword::Env)
    },
    StatementInfo {
        example: "secret token from env API_TOKEN",
        summary: "a file that only named steps see",
        operands: &[
            operand(0, Role::Name).bare(),
            operand(1, Role::Value).words(&[(
                "from",
                "where it comes from follows; without it the user says that, by `--secret`",
            )]),
            operand(2, Role::Value).words(&[
                ("env", "a variable of the environment of imgfile"),
                ("file", "a file on this machine"),
            ]),
            operand(3, Role::Path(PathKind::Machine)).when(When::OneOf(2, &["file"])),
        ],
        outline: Some(outlined(OutlineKind::Other)),
        ..statement(Keyword::Secret)
    },
    StatementInfo {
        example: "copy \"site/\" to \"/var/www/html\"",
        summary: "files of the project, inline text or a download",
        synonyms: &["add", "file"],
        operands: &[
            operand(0, Role::Path(PathKind::Source))
                .words(&[("url", "a download: `url \"URL\" sha256 \"…\"`")])
                .quoted(),
            operand(1, Role::Url).when(URL),
            operand(1, Role::Value).when(NO_URL).words(TO),
            operand(2, Role::Value).when(URL).words(&[
                ("sha256", "digest of the download, 64 hexadecimal digits"),
                ("sha512", "the same for publishers who give this one, 128 digits"),
            ]),
            operand(4, Role::Value).when(URL).words(TO),
        ],
        options: OptionSet::Of(options::COPY),
        outline: Some(outlined_by_last(OutlineKind::Step)),
        ..statement(Keyword::Copy)
    },
    StatementInfo {
        example: "script \"provision.sh\"",
        summary: "a script to run in the system",
        synonyms: &["run", "shell", "provisioner", "exec"],
        operands: &[operand(0, Role::Path(PathKind::Source)).quoted()],
        options: OptionSet::Of(options::SCRIPT),
        outline: Some(outlined_by_last(OutlineKind::Step)),
        ..statement(Keyword::Script)
    },
    StatementInfo {
        example: "reboot",
        summary: "boot again before the next script",
        outline: Some(outlined(OutlineKind::Step)),
        ..statement(Keyword::Reboot)
    },
    StatementInfo {
        example: "service nginx enabled",
        summary: "whether a unit starts at boot",
        operands: &[
            operand(0, Role::Name).bare(),
            operand(1, Role::Value).words(&[
                ("enabled", "started at boot"),
                ("disabled", "not started at boot"),
                ("masked", "cannot be started at all"),
            ]),
        ],
        options: OptionSet::Of(options::SERVICE),
        outline: Some(outlined(OutlineKind::Other)),
        ..statement(Keyword::Service)
    },
    StatementInfo {
        example: "kernel_args [\"quiet\"]",
        summary: "further arguments of the kernel",
        ..statement(Keyword::KernelArgs)
    },
    StatementInfo {
        example: "network none",
        summary: "what scripts may reach",
        operands: &[operand(0, Role::Value)
            .words(&[("full", "scripts reach the network, the default"), ("none", "scripts reach nothing")])
            .bare()],
        ..once(Keyword::Network)
    },
    StatementInfo {
        example: "machine { cpus = 2, memory = 2GiB }",
        summary: "size of the machine that builds",
        synonyms: &["memory", "ram", "cpus", "cpu"],
        options: OptionSet::Of(options::MACHINE),
        ..once(Keyword::Machine)
    },
    StatementInfo {
        example: "cleanup cloud",
        summary: "what is cleared before sealing",
        operands: &[operand(0, Role::Value)
            .words(&[
                ("cloud", "all that instances must not share, and all waste; the default"),
                ("identity", "only what makes an instance unique"),
                ("minimal", "only what it would be unsafe to share"),
                ("none", "nothing but the traces of the build"),
            ])
            .bare()],
        options: OptionSet::Of(options::CLEANUP),
        ..once(Keyword::Cleanup)
    },
    StatementInfo {
        example: "test \"it answers\" \"test.sh\"",
        summary: "a script that the finished image must pass",
        operands: &[operand(1, Role::Path(PathKind::Source))],
        options: OptionSet::Of(options::SCRIPT),
        outline: Some(outlined(OutlineKind::Test)),
        ..statement(Keyword::Test)
    },
    StatementInfo {
        form: Form::Pair,
        example: "label team = \"web\"",
        summary: "a property of the image",
        operands: &[operand(0, Role::Name).bare()],
        ..statement(Keyword::Label)
    },
    StatementInfo {
        example: "output qcow2",
        summary: "a file to write",
        operands: &[operand(0, Role::Value).words(&FORMATS).bare()],
        options: OptionSet::Of(options::OUTPUT),
        outline: Some(outlined_by_last(OutlineKind::Other)),
        ..statement(Keyword::Output)
    },
    StatementInfo {
        example: "publish to \"prod\"",
        summary: "a place where `imgfile publish` brings the tested image",
        synonyms: &["upload", "push", "deploy", "target"],
        operands: &[
            operand(0, Role::Value).words(&[("to", "a target of your own configuration follows")]),
            operand(1, Role::Name).quoted(),
        ],
        options: OptionSet::Of(options::PUBLISH),
        outline: Some(outlined_by_last(OutlineKind::Other)),
        ..statement(Keyword::Publish)
    },
];

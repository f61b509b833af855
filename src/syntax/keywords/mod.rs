//! What is known of each statement without reading it: the one table that the checker, `fmt`, completion, hover,
//! colours, the outline and the editors' grammars follow.
//!
//! The grammar has the keywords as well, since pest reads text only; `tests` holds it to the table.

#[macro_use]
mod keyword;
mod options;
mod statements;
#[cfg(test)]
mod tests;

pub use statements::{Keyword, STATEMENTS};

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
    /// At most once, such as `arch`.
    Once,
    /// As often as wanted, such as `copy`.
    Any,
}

/// What stands behind the name of a statement, and takes part in its syntax.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Operands, and options in braces if it has any.
    Plain,
    /// A name of the user's own, `=` and a value.
    Pair,
    /// A name, and statements in braces.
    Block,
}

/// A fixed word of the language with one line about it, which may be empty.
pub type Word = (&'static str, &'static str);

/// What is known of a statement without reading its operands.
#[derive(Debug, Clone, Copy)]
pub struct StatementInfo {
    /// Which statement it is about.
    pub keyword: Keyword,
    /// Where it may stand.
    pub place: Place,
    /// How often it may stand in one image.
    pub times: Times,
    /// What stands behind its name.
    pub form: Form,
    /// A valid example.
    pub example: &'static str,
    /// One line, for completion and hover.
    pub summary: &'static str,
    /// What others call it, for those who write that.
    pub synonyms: &'static [&'static str],
    /// Operands of which something is known. Of several at one place, the first that fits.
    pub operands: &'static [OperandInfo],
    /// What may stand in its braces.
    pub options: OptionSet,
    /// How it is listed in the outline of a file.
    pub outline: Option<Outlined>,
}

/// One operand of a statement.
#[derive(Debug, Clone, Copy)]
pub struct OperandInfo {
    /// Its number, counted from 0 behind the keyword.
    pub at: usize,
    /// What other operands it depends on.
    pub when: When,
    /// What it names.
    pub role: Role,
    /// How `fmt` writes it.
    pub quoting: Quoting,
    /// Fixed words that may stand there.
    pub words: &'static [Word],
}

/// What an operand names. Completion, definitions, links and colours follow from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A value, or one of the fixed words.
    Value,
    /// `8GiB`
    Size,
    /// The type of an operating system.
    OsType,
    /// `debian`
    Distribution,
    /// The version of the distribution before it.
    OsVersion,
    /// An application of the catalogue: `nginx`.
    App,
    /// A requirement for the version of the application before it.
    AppVersion,
    /// A base of the catalogue, or `auto`.
    Base,
    /// The version of the base before it.
    BaseVersion,
    /// Another image of the project.
    Image,
    /// A profile that is declared elsewhere.
    Profile,
    /// An account of the image.
    Account,
    /// The name of the param that is declared here.
    ParamName,
    /// The name of the profile that is declared here.
    ProfileName,
    /// Another name of the user's own.
    Name,
    /// A path in quotes: `"site/"`.
    Path(PathKind),
    /// `"https://…"`
    Url,
}

/// What a path of an operand leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathKind {
    /// An ImageFile of the project.
    ImageFile,
    /// A folder of the project.
    Folder,
    /// A file or folder of the project whose text an editor can jump to.
    Source,
    /// A file of this machine.
    Machine,
}

/// How `fmt` writes an operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quoting {
    /// As it was written.
    Kept,
    /// A name: without quotes where it is a word.
    Bare,
    /// A path or text: in quotes, unless it is one of the fixed words.
    Quoted,
}

/// On what other operand it depends whether an operand or option may stand there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// It depends on none.
    Always,
    /// The operand of this number is one of these words.
    OneOf(usize, &'static [&'static str]),
    /// It is none of them.
    NoneOf(usize, &'static [&'static str]),
    /// The first operand is a web address.
    Address,
    /// It is none.
    NoAddress,
    /// The first operand is no heredoc.
    NoHeredoc,
}

impl When {
    /// Whether it may stand there: operands by number, as they are written. `None` if what decides is not written.
    pub fn fits<'t>(self, operand: impl Fn(usize) -> Option<&'t str>) -> Option<bool> {
        match self {
            Self::Always => Some(true),
            Self::OneOf(at, words) => Some(words.contains(&operand(at)?)),
            Self::NoneOf(at, words) => Some(!words.contains(&operand(at)?)),
            Self::Address => Some(operand(0)?.contains("://")),
            Self::NoAddress => Some(!operand(0)?.contains("://")),
            Self::NoHeredoc => Some(!operand(0)?.starts_with("<<")),
        }
    }
}

/// Which options a statement has.
#[derive(Debug, Clone, Copy)]
pub enum OptionSet {
    /// These, such as `owner` and `mode` of `copy`.
    Of(&'static [OptionInfo]),
    /// Those that the application declares in the catalogue.
    OfApp,
    /// Values for params.
    Params,
}

/// One option of a statement.
#[derive(Debug, Clone, Copy)]
pub struct OptionInfo {
    /// As it is written before the `=`: `timeout`.
    pub name: &'static str,
    /// One line, for completion and hover.
    pub about: &'static str,
    /// What stands behind the `=`.
    pub value: ValueKind,
    /// Fixed words that the value may be.
    pub words: &'static [Word],
    /// With which operands it may be given.
    pub when: When,
}

/// What the value of an option is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueKind {
    /// `true` or `false`.
    Boolean,
    /// `3`
    Integer,
    /// `8GiB`
    Size,
    /// `10m`
    Duration,
    /// `0644`
    Mode,
    /// One of the option's words.
    Choice,
    /// A text in quotes, or a bare word.
    Text,
    /// A list of texts, or one.
    Texts,
    /// Pairs in braces.
    Pairs,
    /// An account of the image, by name.
    Account,
    /// A list of secrets of the image.
    Secrets,
    /// A list of files and folders of the project.
    Sources,
    /// A file of the project, or its text.
    FileOrText,
}

/// How a statement is listed in the outline of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outlined {
    /// What editors show it as.
    pub kind: OutlineKind,
    /// What it is called by.
    pub named_by: NamedBy,
}

/// What a symbol of the outline is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutlineKind {
    /// `image`
    Image,
    /// `profile`
    Profile,
    /// `param`
    Param,
    /// `include`, `copy` and others that name a file.
    File,
    /// `app`
    App,
    /// `script`, `reboot`
    Step,
    /// `test`
    Test,
    /// `account`, `group`
    Account,
    /// All the rest.
    Other,
}

/// What a symbol of the outline is called by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamedBy {
    /// The first operand, or the keyword where that is no word.
    First,
    /// The option `name`, or the last text in quotes, or the first operand.
    Last,
}

impl StatementInfo {
    /// The options that the statement itself has.
    #[must_use]
    pub const fn options(&self) -> &'static [OptionInfo] {
        match self.options {
            OptionSet::Of(options) => options,
            OptionSet::OfApp | OptionSet::Params => &[],
        }
    }

    /// The option of this name.
    #[must_use]
    pub fn option(&self, name: &str) -> Option<&'static OptionInfo> {
        self.options().iter().find(|option| option.name == name)
    }

    /// The operand of this number, where the others are written so.
    pub fn operand<'t>(
        &self,
        at: usize,
        operand: impl Fn(usize) -> Option<&'t str>,
    ) -> Option<&'static OperandInfo> {
        self.operands.iter().find(|info| info.at == at && info.when.fits(&operand).unwrap_or(false))
    }
}

impl OptionInfo {
    /// Whether it may stand behind operands that are written so. Nothing speaks against it while they are missing.
    pub fn fits<'t>(&self, operand: impl Fn(usize) -> Option<&'t str>) -> bool {
        self.when.fits(operand).unwrap_or(true)
    }
}

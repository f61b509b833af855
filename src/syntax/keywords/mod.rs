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
    Once,
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
    pub keyword: Keyword,
    pub place: Place,
    pub times: Times,
    pub form: Form,
    /// A valid example.
    pub example: &'static str,
    /// One line, for completion and hover.
    pub summary: &'static str,
    /// What others call it, for those who write that.
    pub synonyms: &'static [&'static str],
    /// Operands of which something is known. Of several at one place, the first that fits.
    pub operands: &'static [OperandInfo],
    pub options: OptionSet,
    /// How it is listed in the outline of a file.
    pub outline: Option<Outlined>,
}

/// One operand of a statement.
#[derive(Debug, Clone, Copy)]
pub struct OperandInfo {
    /// Its number, counted from 0 behind the keyword.
    pub at: usize,
    pub when: When,
    pub role: Role,
    pub quoting: Quoting,
    /// Fixed words that may stand there.
    pub words: &'static [Word],
}

/// What an operand names. Completion, definitions, links and colours follow from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A value, or one of the fixed words.
    Value,
    Size,
    /// The type of an operating system.
    OsType,
    Distribution,
    /// The version of the distribution before it.
    OsVersion,
    App,
    /// A requirement for the version of the application before it.
    AppVersion,
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
    Path(PathKind),
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
    /// Answers for packages: linked, but not offered.
    Answers,
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
    Of(&'static [OptionInfo]),
    /// Those that the application declares in the catalogue.
    OfApp,
    /// Values for params.
    Params,
}

/// One option of a statement.
#[derive(Debug, Clone, Copy)]
pub struct OptionInfo {
    pub name: &'static str,
    /// One line, for completion and hover.
    pub about: &'static str,
    pub value: ValueKind,
    /// Fixed words that the value may be.
    pub words: &'static [Word],
    pub when: When,
}

/// What the value of an option is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueKind {
    Boolean,
    Integer,
    Size,
    Duration,
    Mode,
    /// One of the option's words.
    Choice,
    Text,
    /// A list of texts, or one.
    Texts,
    /// Pairs in braces.
    Pairs,
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
    pub kind: OutlineKind,
    pub named_by: NamedBy,
}

/// What a symbol of the outline is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutlineKind {
    Image,
    Profile,
    Param,
    File,
    App,
    Step,
    Test,
    Account,
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

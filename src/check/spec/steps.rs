//! What happens in an image in the order written, and what is tested at the end.

use std::time::Duration;

use super::EnvVar;
use crate::text::{Checksum, SourceId, Span, Spanned};

/// What happens in the order written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepSpec {
    /// `copy "SRC" to "DEST"`
    Copy(CopySpec),
    /// `script "setup.sh"`; of a list of paths each is one.
    Script(Script),
    /// The statement's span.
    Reboot(Span),
}

impl StepSpec {
    /// The whole statement.
    #[must_use]
    pub const fn span(&self) -> Span {
        match self {
            Self::Copy(copy) => copy.span,
            Self::Script(script) => script.span,
            Self::Reboot(span) => *span,
        }
    }
}

/// `copy SOURCE to "DEST" { … }`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopySpec {
    /// The whole statement.
    pub span: Span,
    /// What is copied.
    pub source: CopySource,
    /// Absolute path in the image. Ending in `/`: a folder to put the source into.
    pub dest: Spanned<String>,
    /// Account name or number; `root` if absent.
    pub owner: Option<Spanned<String>>,
    /// Group name or number; the owner's name if absent.
    pub group: Option<Spanned<String>>,
    /// For files; absent: 0644, 0755 where the source is executable.
    pub mode: Option<Spanned<u32>>,
    /// For folders; absent: `mode` with x where it has r, or 0755.
    pub dir_mode: Option<Spanned<u32>>,
    /// Before packages are installed.
    pub early: bool,
}

/// What a `copy` statement puts into the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopySource {
    /// A file of the project.
    File {
        /// Relative to the project's folder.
        path: Spanned<String>,
    },
    /// The contents of a folder of the project.
    Folder {
        /// Relative to the project's folder, without a slash at its end.
        path: Spanned<String>,
    },
    /// What matches a pattern in a folder of the project: `conf.d/*.conf`.
    Glob {
        /// Relative to the project's folder; `conf.d` of the example.
        folder: Spanned<String>,
        /// For names in that folder: `*.conf`, with `*`, `?` and `[a-z]`.
        pattern: String,
    },
    /// A heredoc's text.
    Inline {
        /// As taken from between the tags; its span is the heredoc's.
        text: Spanned<String>,
    },
    /// A pinned download, perhaps an archive.
    Url {
        /// `https` or `http`, as written.
        url: Spanned<String>,
        /// What the download must have.
        checksum: Spanned<Checksum>,
        /// Unpack the archive into the destination folder.
        unpack: bool,
        /// Leading path components to drop when unpacking.
        strip: u32,
    },
}

/// A user script, as a step or a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// The statement; for one path of a list, that path.
    pub span: Span,
    /// `name`, else the path as written, else `script 2` by its number among the image's scripts.
    pub name: String,
    /// What is run.
    pub body: ScriptBody,
    /// Absent: the image's default user.
    pub user: Option<Spanned<String>>,
    /// On top of the image's `env`.
    pub env: Vec<EnvVar>,
    /// From its start; then it is killed and the build fails.
    pub timeout: Duration,
    /// How often to try again after a failure.
    pub retries: u32,
    /// Names of [`Secret`]s of this image.
    pub secrets: Vec<Spanned<String>>,
    /// In a chroot, without booting the system.
    pub offline: bool,
    /// Whether an offline script reaches what booted ones do.
    pub network: bool,
    /// Files and folders of the project to lay at `/run/imgfile/project`.
    pub with: Vec<Spanned<String>>,
}

/// The default `timeout` of a script or test.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_hours(1);

/// The text of a script and where it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptBody {
    /// The bytes to run, line ends normalised if it is a heredoc.
    pub content: Vec<u8>,
    /// Project-relative path, unless it is a heredoc.
    pub path: Option<String>,
    /// The program of the shebang and its argument, if any.
    pub interpreter: Vec<String>,
    /// Where the first line of the content stands: a source and the byte offset of its first byte.
    /// Line `n` of the script (from 0) is line `line_of(start) + n` of that source.
    pub source: SourceId,
    /// Byte offset in `source`.
    pub start: u32,
}

/// `test "NAME" …`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Test {
    /// In quotes, such as `"the front page answers"`.
    pub name: Spanned<String>,
    /// Must exit with 0.
    pub script: Script,
}

//! Source files, spans, the line index, nearest-name suggestions, content digests, versions and
//! requirements.

mod address;
mod checksum;
mod conflict;
mod counted;
mod digest;
mod glob;
mod hidden;
mod line_index;
mod requirement;
mod shell_word;
mod source;
mod span;
mod suggest;
mod suites;
mod version;

pub use address::without_credentials;
pub use checksum::Checksum;
pub use conflict::{Conflict, conflicts};
pub use counted::counted;
pub use digest::{Digest, NotADigest};
pub use glob::glob_matches;
pub use hidden::is_hidden;
pub use line_index::{LineCol, LineIndex};
pub use requirement::{Comparator, Op, Requirement, RequirementError};
pub use shell_word::quoted;
pub use source::{Source, Sources};
pub use span::{SourceId, Span, Spanned};
pub use suggest::{distance, nearest};
pub use suites::{DEBIAN_COMPONENTS, Suite, suite, suites, without_suites};
pub use version::{Version, VersionError};

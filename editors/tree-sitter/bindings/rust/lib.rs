//! The grammar of ImageFiles for tree-sitter, with its queries.

use tree_sitter_language::LanguageFn;

#[allow(unsafe_code, reason = "a generated parser is C")]
mod generated {
    unsafe extern "C" {
        pub fn tree_sitter_imagefile() -> *const ();
    }
}

/// What `tree_sitter::Parser::set_language` takes.
// SAFETY: the function is the one that tree-sitter generated for this language; it returns a constant.
#[allow(unsafe_code, reason = "the type's only constructor")]
pub const LANGUAGE: LanguageFn = unsafe { LanguageFn::from_raw(generated::tree_sitter_imagefile) };

/// The queries: path below this folder, and text.
pub const QUERIES: [(&str, &str); 8] = [
    ("queries/highlights.scm", include_str!("../../queries/highlights.scm")),
    ("queries/injections.scm", include_str!("../../queries/injections.scm")),
    ("queries/folds.scm", include_str!("../../queries/folds.scm")),
    ("queries/indents.scm", include_str!("../../queries/indents.scm")),
    ("queries/locals.scm", include_str!("../../queries/locals.scm")),
    ("queries/helix/highlights.scm", include_str!("../../queries/helix/highlights.scm")),
    ("queries/helix/injections.scm", include_str!("../../queries/helix/injections.scm")),
    ("queries/helix/indents.scm", include_str!("../../queries/helix/indents.scm")),
];

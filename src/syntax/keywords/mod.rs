//! What is known of each statement without reading it.

pub(crate) mod options;
pub(crate) mod statements;

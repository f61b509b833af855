//! One diagnostic or event, many renderers.

pub mod progress;

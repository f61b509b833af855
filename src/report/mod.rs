//! One diagnostic or event, many renderers.

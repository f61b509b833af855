//! How much a lock may hold before it is not read.

/// Enough for hundreds of images with a thousand packages each; anchors, with which a few lines
/// can mean gigabytes, have no business in a lock.
pub(super) fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_nodes: 20_000_000,
            max_events: 40_000_000,
            max_total_scalar_bytes: 1 << 30,
            max_anchors: 0,
            max_aliases: 0,
            max_depth: 32,
        },
        with_snippet: false,
    }
}

//! Where packages come from.

/// One suite of one archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive {
    /// As it goes into [`Origin::archive`](super::Origin::archive).
    pub name: String,
    /// Root of the archive, without a slash at its end.
    pub url: String,
    /// Such as `trixie`, or for a flat archive a path that ends in `/`.
    pub suite: String,
    /// Such as `main`; empty for a flat archive.
    pub components: Vec<String>,
    /// Its [priority](super::IndexSource::priority), if it is not what the archive says of itself.
    pub priority: Option<u16>,
}

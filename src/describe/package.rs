//! A package as a disk has it.

use serde::{Deserialize, Serialize};

use crate::text::Digest;

/// A package as the database of the disk has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct InventoryPackage {
    /// Such as `libc6`.
    pub name: String,
    /// Whose package it is.
    pub kind: PackageKind,
    /// As its package manager calls it: `amd64`, `all`, `x86_64`.
    pub arch: String,
    /// The whole of it, epoch and revision included.
    pub version: String,
    /// Its package URL.
    pub purl: String,
    /// The source package it was built from.
    pub source: SourcePackage,
    /// Such as `A. Person <person@example.org>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maintainer: Option<String>,
    /// A web address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub homepage: Option<String>,
    /// The first line of its description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// An SPDX expression; none where the package does not say in a way that a program understands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// Of the package file, where it is one that the lock pins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
}

/// What a package is a package of; the type of its package URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PackageKind {
    /// dpkg's.
    Deb,
    /// apk's.
    Apk,
}

/// A source package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SourcePackage {
    /// Such as `glibc`.
    pub name: String,
    /// Of the binary package, unless the database tells another.
    pub version: String,
}

/// A text of the guest on one line, without control characters, of a bounded length.
pub(super) fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}

/// Characters of a name, version or summary that are kept.
pub(super) const LONGEST: usize = 1024;

//! `schema: imgfile/base/v1`, read from its YAML tree.

use std::collections::BTreeMap;

use super::fields::{self, Fields, Mistakes};
use super::node::Node;
use super::{BUILT_IN, BaseDef, BaseSource, Bootstrap, ChecksumSignature, Os, Tier, app, builtin};
use crate::diagnostic::{Applicability, Diagnostic, codes};
use crate::model::Firmware;
use crate::text::{Digest, Spanned};

pub(super) const KEYS: [&str; 13] = [
    "schema",
    "name",
    "version",
    "summary",
    "tier",
    "os",
    "codename",
    "arch",
    "firmware",
    "source",
    "virtual_size",
    "used",
    "user",
];

pub(super) const SOURCE_KEYS: [&str; 8] =
    ["bootstrap", "url", "checksums", "signature", "key", "fingerprint", "file", "sha256"];
pub(super) const BOOTSTRAP_KEYS: [&str; 6] =
    ["suite", "updates", "components", "packages", "files", "finish"];

/// Reads a base; `None` if too little of it was understood to be of use.
pub(super) fn read(node: Node<'_>, layer: usize, digest: Digest, mistakes: &mut Mistakes) -> Option<BaseDef> {
    const TIERS: [(&str, Tier); 2] = [("proven", Tier::Proven), ("listed", Tier::Listed)];
    let mut fields = Fields::open(node, "a base", &KEYS, mistakes)?;
    fields.take("schema");
    let name = fields.need("name", mistakes).and_then(|node| fields::name(node, mistakes));
    let version = fields.need("version", mistakes).and_then(|node| fields::version(node, mistakes));
    let summary = fields.need("summary", mistakes).and_then(|node| fields::text(node, mistakes));
    let tier = fields.take("tier").and_then(|node| fields::word(node, &TIERS, mistakes));
    let tier = tier.map(|tier| proven_here(tier, layer, &digest, mistakes));
    let codename = fields.take("codename").and_then(|node| fields::text(node, mistakes));
    let os = fields.need("os", mistakes).and_then(|node| system(node, codename, mistakes));
    let arch = fields.need("arch", mistakes).and_then(|node| app::arch(node, mistakes));
    let firmware = fields.need("firmware", mistakes).map(|node| firmware(node, mistakes));
    let source = fields.need("source", mistakes).and_then(|node| source(node, mistakes));
    let virtual_size = fields.need("virtual_size", mistakes).and_then(|node| fields::size(node, mistakes));
    let used = fields.take("used").and_then(|node| fields::size(node, mistakes));
    let user = fields.need("user", mistakes).and_then(|node| fields::name(node, mistakes));
    Some(BaseDef {
        name: name?,
        version: version?,
        layer,
        summary: summary.map(|summary| summary.value).unwrap_or_default(),
        tier: tier.unwrap_or(Tier::Listed),
        os: os?,
        arch: arch?,
        firmware: firmware?,
        source: source?,
        virtual_size: virtual_size?,
        used: used.map(|used| used.value),
        user: user?,
        digest,
    })
}

/// What a base may call itself: *proven* is this project's word for what its own tests have built and booted,
/// and the built-in layer, the first, alone has that. The copy of a built-in definition that an editor shows is
/// right as it stands.
fn proven_here(tier: Spanned<Tier>, layer: usize, digest: &Digest, mistakes: &mut Mistakes) -> Tier {
    if tier.value != Tier::Proven || layer == BUILT_IN {
        return tier.value;
    }
    if !builtin::is_one(digest) {
        mistakes.push(
            Diagnostic::new(
                codes::TIER_IGNORED,
                "a base of a project's catalogue is listed, whatever it says",
            )
            .label(tier.span, "only bases that are built in are proven")
            .help("write `tier: listed`, or leave it out; `imgfile build --unproven` builds on it")
            .fix(Applicability::Safe, "call it listed", tier.span, "listed"),
        );
    }
    Tier::Listed
}

/// `debian 13`: the distribution and exactly one version.
fn system(node: Node<'_>, codename: Option<Spanned<String>>, mistakes: &mut Mistakes) -> Option<Os> {
    let (distro, requirement, span) = fields::system(node, mistakes)?;
    match requirement.named() {
        Some(version) => Some(Os {
            kind: "linux".to_owned(),
            distro,
            version: version.clone(),
            codename: codename.map(|codename| codename.value),
        }),
        None => {
            mistakes.push(
                Diagnostic::new(codes::CATALOG_VALUE, "a base holds one version of one system")
                    .label(span, "such as `debian 13`"),
            );
            None
        }
    }
}

fn firmware(node: Node<'_>, mistakes: &mut Mistakes) -> Vec<Firmware> {
    let span = node.span;
    let before = mistakes.len();
    let mut firmware: Vec<Firmware> = fields::each(Some(node), mistakes, |node, mistakes| {
        app::firmware(node, mistakes).map(|word| word.value)
    });
    if firmware.is_empty() && mistakes.len() == before {
        mistakes.push(
            Diagnostic::new(codes::CATALOG_VALUE, "a base boots with some firmware")
                .label(span, "expected `bios`, `uefi` or both"),
        );
    }
    firmware.dedup();
    firmware
}

fn source(node: Node<'_>, mistakes: &mut Mistakes) -> Option<BaseSource> {
    let span = node.span;
    let mut fields = Fields::open(node, "a source", &SOURCE_KEYS, mistakes)?;
    let (recipe, url, file) = (fields.take("bootstrap"), fields.take("url"), fields.take("file"));
    match (recipe, url, file) {
        (Some(node), None, None) => bootstrap(node, mistakes).map(BaseSource::Bootstrap),
        (None, Some(url), None) => {
            let url = fields::text(url, mistakes);
            let checksums = fields.need("checksums", mistakes).and_then(|node| fields::text(node, mistakes));
            let (url, checksums) = (url?, checksums?);
            let mut text = |key| fields.take(key).and_then(|node| fields::text(node, mistakes));
            let (signature, key) = (text("signature"), text("key"));
            let mark = fields.take("fingerprint").and_then(|node| app::fingerprint(node, mistakes));
            for url in [Some(&url), Some(&checksums), signature.as_ref()].into_iter().flatten() {
                if !url.value.starts_with("https://") && !url.value.starts_with("http://") {
                    mistakes.push(
                        Diagnostic::new(codes::CATALOG_VALUE, "a URL starts with `https://` or `http://`")
                            .label(url.span, "not such a URL"),
                    );
                }
            }
            let signed = match (key, mark) {
                (Some(key), Some(mark)) => Some(ChecksumSignature {
                    url: signature.map(|url| url.value),
                    key: key.value,
                    fingerprint: mark.value,
                }),
                (None, None) if signature.is_none() => None,
                _ => {
                    mistakes.push(
                        Diagnostic::new(
                            codes::CATALOG_VALUE,
                            "signed checksums need the publisher's `key` and its `fingerprint`",
                        )
                        .label(span, "one of them is missing"),
                    );
                    None
                }
            };
            Some(BaseSource::Url { url: url.value, checksums: checksums.value, signed })
        }
        (None, None, Some(file)) => {
            let path = fields::text(file, mistakes)?.value;
            let sha256 = fields.take("sha256").and_then(|node| fields::text(node, mistakes));
            let sha256 = sha256.filter(|sum| {
                let good = sum.value.parse::<Digest>().is_ok();
                if !good {
                    mistakes.push(
                        Diagnostic::new(codes::CATALOG_VALUE, "a sha256 is 64 hexadecimal digits")
                            .label(sum.span, "not a sha256"),
                    );
                }
                good
            });
            Some(BaseSource::File { path, sha256: sha256.map(|sum| sum.value) })
        }
        _ => {
            mistakes.push(
                Diagnostic::new(codes::CATALOG_VALUE, "a base comes from one place")
                    .label(span, "expected one of `bootstrap`, `url` and `file`"),
            );
            None
        }
    }
}

fn bootstrap(node: Node<'_>, mistakes: &mut Mistakes) -> Option<Bootstrap> {
    let mut fields = Fields::open(node, "a bootstrap", &BOOTSTRAP_KEYS, mistakes)?;
    let suite = fields.need("suite", mistakes).and_then(|node| fields::text(node, mistakes));
    let mut texts = |key| {
        let texts = fields::each(fields.take(key), mistakes, fields::text);
        texts.into_iter().map(|text| text.value).collect::<Vec<_>>()
    };
    let (updates, components, packages) = (texts("updates"), texts("components"), texts("packages"));
    let entries = fields.take("files").map(|node| fields::entries(node, mistakes)).unwrap_or_default();
    let mut files = BTreeMap::new();
    for (path, content) in entries {
        if let Err(reason) = app::check_path(&path.text) {
            mistakes.push(
                Diagnostic::new(codes::CATALOG_VALUE, "a file's path is absolute and without `.` and `..`")
                    .label(path.span, reason),
            );
        } else if let Some(content) = fields::text(content, mistakes) {
            files.insert(path.text.into_owned(), content.value);
        }
    }
    let finish = fields.take("finish").and_then(|node| fields::text(node, mistakes));
    Some(Bootstrap {
        suite: suite?.value,
        updates,
        components: if components.is_empty() { vec!["main".to_owned()] } else { components },
        packages,
        files,
        finish: finish.map(|finish| finish.value),
    })
}

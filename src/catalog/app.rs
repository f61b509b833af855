//! `schema: imgfile/app/v1`, read from its YAML tree.

use super::fields::{self, Fields, Mistakes};
use super::node::Node;
use super::option::{self, PREDEFINED};
use super::{AppDef, AppVersion, Conflict, FileDef, OsSupport, Packages, Repository, Require, Template};
use crate::diagnostic::{Diagnostic, codes};
use crate::model::{Arch, Firmware, PACKAGE_MANAGERS};
use crate::text::{Digest, Span, Spanned};

pub(super) const KEYS: [&str; 16] = [
    "schema",
    "name",
    "summary",
    "versions",
    "requires",
    "conflicts",
    "claims",
    "provides",
    "also_called",
    "options",
    "storage",
    "repositories",
    "packages",
    "files",
    "install",
    "verify",
];
pub(super) const VERSION_KEYS: [&str; 6] = ["version", "os", "arch", "firmware", "requires", "packages"];
pub(super) const CONFLICT_KEYS: [&str; 2] = ["app", "because"];
pub(super) const REPOSITORY_KEYS: [&str; 5] = ["url", "suite", "components", "key", "fingerprint"];
pub(super) const FILE_KEYS: [&str; 5] = ["path", "content", "owner", "group", "mode"];

/// Reads an application; `None` if too little of it was understood to be of use.
pub(super) fn read(node: Node<'_>, layer: usize, digest: Digest, mistakes: &mut Mistakes) -> Option<AppDef> {
    let mut fields = Fields::open(node, "an application", &KEYS, mistakes)?;
    fields.take("schema");
    let name = fields.need("name", mistakes).and_then(|node| fields::name(node, mistakes));
    let summary = fields.need("summary", mistakes).and_then(|node| fields::text(node, mistakes));
    let versions = fields.need("versions", mistakes).map(|node| versions(node, mistakes));
    let packages = fields.take("packages").and_then(|node| packages(node, mistakes));
    let options = fields.take("options").map(|node| fields::entries(node, mistakes)).unwrap_or_default();
    let mut def = AppDef {
        layer,
        requires: fields::each(fields.take("requires"), mistakes, require),
        conflicts: fields::each(fields.take("conflicts"), mistakes, conflict),
        claims: fields::each(fields.take("claims"), mistakes, fields::template),
        provides: fields::each(fields.take("provides"), mistakes, fields::name),
        also_called: fields::each(fields.take("also_called"), mistakes, fields::name),
        options: options
            .into_iter()
            .filter_map(|(key, node)| option::declaration(key, node, mistakes))
            .collect(),
        storage: fields.take("storage").and_then(|node| fields::size(node, mistakes)),
        repositories: fields::each(fields.take("repositories"), mistakes, repository),
        packages: packages.unwrap_or_default(),
        files: fields::each(fields.take("files"), mistakes, file),
        install: fields.take("install").and_then(|node| fields::template(node, mistakes)),
        verify: fields.take("verify").and_then(|node| fields::template(node, mistakes)),
        digest,
        name: name?,
        summary: summary.map(|summary| summary.value).unwrap_or_default(),
        versions: versions?,
    };
    check_templates(&mut def, mistakes);
    check_with_itself(&def, mistakes);
    // Those that are compiled in were tried.
    if layer > 0 {
        for script in [&def.install, &def.verify].into_iter().flatten() {
            check_script(script, mistakes);
        }
    }
    (!def.versions.is_empty()).then_some(def)
}

/// Oldest first; one version is written once.
fn versions(node: Node<'_>, mistakes: &mut Mistakes) -> Vec<AppVersion> {
    let span = node.span;
    let before = mistakes.len();
    let mut versions: Vec<AppVersion> = fields::each(Some(node), mistakes, version);
    if versions.is_empty() && mistakes.len() == before {
        mistakes.push(
            Diagnostic::new(codes::CATALOG_VALUE, "an application has at least one version")
                .label(span, "none here"),
        );
    }
    versions.sort_by(|a, b| a.version.value.cmp(&b.version.value));
    versions.dedup_by(|later, first| {
        let same = later.version.value == first.version.value;
        if same {
            let what = format!("the version `{}`", later.version.value);
            mistakes.push(fields::twice(&what, first.version.span, later.version.span));
        }
        same
    });
    versions
}

fn version(node: Node<'_>, mistakes: &mut Mistakes) -> Option<AppVersion> {
    let mut fields = Fields::open(node, "a version", &VERSION_KEYS, mistakes)?;
    let version = fields.need("version", mistakes).and_then(|node| fields::version(node, mistakes));
    let os = fields::each(fields.take("os"), mistakes, |node, mistakes| {
        let (distro, requirement, span) = fields::system(node, mistakes)?;
        Some(OsSupport { distro, requirement, span })
    });
    let arch = fields::each(fields.take("arch"), mistakes, arch);
    let firmware = fields::each(fields.take("firmware"), mistakes, firmware);
    let requires = fields::each(fields.take("requires"), mistakes, require);
    let packages = fields.take("packages").and_then(|node| packages(node, mistakes));
    Some(AppVersion { version: version?, os, arch, firmware, requires, packages })
}

/// `x86_64` or `aarch64`.
pub(super) fn arch(node: Node<'_>, mistakes: &mut Mistakes) -> Option<Spanned<Arch>> {
    fields::word(node, &Arch::ALL.map(|arch| (arch.as_str(), arch)), mistakes)
}

/// `bios` or `uefi`.
pub(super) fn firmware(node: Node<'_>, mistakes: &mut Mistakes) -> Option<Spanned<Firmware>> {
    fields::word(node, &Firmware::ALL.map(|firmware| (firmware.as_str(), firmware)), mistakes)
}

/// Keys of `packages`: the names of package managers, and what is said to each of them.
pub(super) fn packages_keys() -> Vec<&'static str> {
    PACKAGE_MANAGERS.iter().map(|manager| manager.name).chain(["remove", "version_of"]).collect()
}

/// Under the names of package managers what each is asked for: `{ apt: [nginx], version_of: nginx }`.
fn packages(node: Node<'_>, mistakes: &mut Mistakes) -> Option<Packages> {
    let keys = packages_keys();
    let mut fields = Fields::open(node, "`packages`", &keys, mistakes)?;
    let mut by_manager = Vec::new();
    for manager in PACKAGE_MANAGERS {
        if let Some(node) = fields.take(manager.name) {
            by_manager.push((*manager, fields::each(Some(node), mistakes, fields::template)));
        }
    }
    let remove = fields::each(fields.take("remove"), mistakes, fields::text);
    let version_of = fields.take("version_of").and_then(|node| fields::text(node, mistakes));
    Some(Packages { by_manager, remove, version_of })
}

fn require(node: Node<'_>, mistakes: &mut Mistakes) -> Option<Require> {
    let (name, requirement, span) = fields::name_and_requirement(node, mistakes)?;
    Some(Require { name, requirement, span })
}

/// `lighttpd`, or `{ app: lighttpd, because: "…" }`.
fn conflict(node: Node<'_>, mistakes: &mut Mistakes) -> Option<Conflict> {
    if matches!(node.kind, super::node::Kind::Scalar(_)) {
        let (name, requirement, span) = fields::name_and_requirement(node, mistakes)?;
        return Some(Conflict { name, requirement, because: None, span });
    }
    let mut fields = Fields::open(node, "a conflict", &CONFLICT_KEYS, mistakes)?;
    let because = fields.take("because").and_then(|node| fields::text(node, mistakes));
    let (name, requirement, span) = fields::name_and_requirement(fields.need("app", mistakes)?, mistakes)?;
    Some(Conflict { name, requirement, because: because.map(|text| text.value), span })
}

fn repository(node: Node<'_>, mistakes: &mut Mistakes) -> Option<Repository> {
    let mut fields = Fields::open(node, "a repository", &REPOSITORY_KEYS, mistakes)?;
    let url = fields.need("url", mistakes).and_then(|node| fields::template(node, mistakes));
    let suite = fields.need("suite", mistakes).and_then(|node| fields::template(node, mistakes));
    let components = fields::each(fields.take("components"), mistakes, fields::text);
    let key = fields.need("key", mistakes).and_then(|node| fields::text(node, mistakes));
    let fingerprint = fields.need("fingerprint", mistakes).and_then(|node| fingerprint(node, mistakes));
    let url = url?;
    if !url.text().starts_with("https://") && !url.text().starts_with("http://") {
        mistakes.push(
            Diagnostic::new(codes::CATALOG_VALUE, "an archive's URL starts with `https://` or `http://`")
                .label(url.span(), "not such a URL"),
        );
    }
    Some(Repository {
        url,
        suite: suite?,
        components: components.into_iter().map(|component| component.value).collect(),
        key: key?,
        fingerprint: fingerprint?,
    })
}

pub(super) fn fingerprint(node: Node<'_>, mistakes: &mut Mistakes) -> Option<Spanned<String>> {
    let text = fields::text(node, mistakes)?;
    let hex: String = text.value.chars().filter(|c| *c != ' ').collect::<String>().to_ascii_uppercase();
    if !matches!(hex.len(), 40 | 64) || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        mistakes.push(
            Diagnostic::new(codes::CATALOG_VALUE, "a key's fingerprint is 40 or 64 hexadecimal digits")
                .label(text.span, "not a fingerprint"),
        );
        return None;
    }
    Some(Spanned::new(hex, text.span))
}

fn file(node: Node<'_>, mistakes: &mut Mistakes) -> Option<FileDef> {
    let mut fields = Fields::open(node, "a file", &FILE_KEYS, mistakes)?;
    let path = fields.need("path", mistakes).and_then(|node| fields::template(node, mistakes));
    let content = fields.need("content", mistakes).and_then(|node| fields::template(node, mistakes));
    let mut account = |key, mistakes: &mut Mistakes| {
        let name = fields.take(key).and_then(|node| fields::name(node, mistakes));
        name.map_or_else(|| "root".to_owned(), |name| name.value)
    };
    let owner = account("owner", mistakes);
    let group = account("group", mistakes);
    let mode = fields.take("mode").and_then(|node| fields::mode(node, mistakes)).unwrap_or(0o644);
    let path = path?;
    if let Err(reason) = check_path(path.text()) {
        mistakes.push(
            Diagnostic::new(codes::CATALOG_VALUE, "a file's path is absolute and without `.` and `..`")
                .label(path.span(), reason),
        );
        return None;
    }
    Some(FileDef { path, content: content?, owner, group, mode })
}

/// Whether a path in the image is absolute, plain and names a file.
pub(crate) fn check_path(path: &str) -> Result<(), &'static str> {
    let Some(rest) = path.strip_prefix('/') else { return Err("does not start with `/`") };
    if path.contains(['\n', '\0']) {
        return Err("holds a line break");
    }
    if rest.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err("has an empty part, `.` or `..`");
    }
    Ok(())
}

/// Reports templates that use names nobody gives, and leaves them out: what they would come to when they
/// are rendered is only a consequence.
fn check_templates(def: &mut AppDef, mistakes: &mut Mistakes) {
    let options: Vec<String> = def.options.iter().map(|option| option.name.value.clone()).collect();
    let is_option = |name: &str| options.iter().any(|option| option == name);
    // Claims decide which versions can be chosen, so they cannot depend on one.
    let mut sound = |template: &Template, in_claims: bool| {
        let known = |name: &str| {
            is_option(name) || if in_claims { name == "name" } else { PREDEFINED.contains(&name) }
        };
        match template.check(known) {
            Ok(()) => true,
            Err(error) => {
                mistakes.push(template_mistake(&error.message, error.span));
                false
            }
        }
    };
    def.claims.retain(|template| sound(template, true));
    let of_versions = def.versions.iter_mut().filter_map(|version| version.packages.as_mut());
    for packages in std::iter::once(&mut def.packages).chain(of_versions) {
        for (_, templates) in &mut packages.by_manager {
            templates.retain(|template| sound(template, false));
        }
    }
    def.files.retain(|file| sound(&file.path, false) & sound(&file.content, false));
    def.repositories.retain(|archive| sound(&archive.url, false) & sound(&archive.suite, false));
    def.install = def.install.take().filter(|template| sound(template, false));
    def.verify = def.verify.take().filter(|template| sound(template, false));
}

/// Whether a shell would accept a script, whatever is put into it.
fn check_script(script: &Template, mistakes: &mut Mistakes) {
    let text = script.text();
    if text.contains("{%") || text.contains("{#") {
        return;
    }
    // Something of the same length stands in for each value.
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, inside)) = rest.split_once("{{") {
        plain += before;
        let Some((value, after)) = inside.split_once("}}") else { return };
        plain += &"x".repeat(value.len() + 4);
        rest = after;
    }
    plain += rest;
    if let Some((message, place, label)) = crate::check::shell_mistake(&plain) {
        mistakes.push(Diagnostic::new(codes::SHELL_ERROR, message).label(script.place(place), label));
    }
}

/// What is said twice within one application, or means nothing.
fn check_with_itself(def: &AppDef, mistakes: &mut Mistakes) {
    for (at, file) in def.files.iter().enumerate() {
        if let Some(first) = def.files[..at].iter().find(|first| first.path.text() == file.path.text()) {
            let what = format!("the file `{}`", file.path.text());
            mistakes.push(fields::twice(&what, first.path.span(), file.path.span()));
        }
    }
    for claim in def.claims.iter().filter(|claim| claim.is_constant()) {
        let port = claim.text().strip_prefix("tcp/").or_else(|| claim.text().strip_prefix("udp/"));
        if port.is_some_and(|port| !port.parse::<u16>().is_ok_and(|port| port > 0)) {
            mistakes.push(
                Diagnostic::new(codes::CATALOG_VALUE, "a claim of a port has its number: 1 to 65535")
                    .label(claim.span(), "nobody else would claim this")
                    .help("write it as `tcp/80` or `udp/53`"),
            );
        }
    }
}

fn template_mistake(message: &str, span: Span) -> Diagnostic {
    Diagnostic::new(codes::CATALOG_TEMPLATE, message).label(span, "in this template")
}

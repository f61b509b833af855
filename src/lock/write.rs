//! The lock as text, in format 2.
//!
//! Written by hand and not by a serialiser, so that its form never changes with a dependency: keys
//! in a fixed order, one package on one line, names that YAML could take for something else quoted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use super::reference::{Table, file_of};
use super::{FORMAT, Lock, LockedApp, LockedBase, LockedImage, LockedRepository, LockedSource, OptionValue};
use crate::packages::{Manager, Selected};
use crate::text::Digest;

impl Lock {
    /// The text of the lock.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let packages = self.files();
        let tables: Tables<'_> =
            packages.iter().map(|(name, of)| (*name, Table::new(of.iter().copied()))).collect();
        let bases = Bases::of(self);
        let mut out = String::from(
            "# What the ImageFile leaves open, pinned by imgfile. Check it in; `imgfile lock` writes it.\n",
        );
        let _ = writeln!(out, "version: {FORMAT}");
        if self.images.is_empty() {
            out.push_str("images: {}\n");
            return out;
        }
        out.push_str("images:\n");
        let mut sets = BTreeMap::new();
        for (name, image) in &self.images {
            let _ = writeln!(out, "  {}:", quoted(name));
            write_image(&mut out, image, bases.name(&image.base));
            write_packages(&mut out, name, image, &tables, &mut sets);
            if let Some(digest) = &image.artifact {
                let _ = writeln!(out, "    artifact: {}", quoted(digest));
            }
        }
        out.push_str("bases:\n");
        for (name, (base, manager)) in &bases.0 {
            write_base(&mut out, name, (base, *manager), &tables);
        }
        if packages.values().any(|of| !of.is_empty()) {
            out.push_str("packages:\n");
        }
        for (manager, of) in &packages {
            list(&mut out, "  ", manager, of, |one| package(one));
        }
        out
    }

    /// Every package file that is named, once, sorted, by the names of their managers.
    fn files(&self) -> BTreeMap<&'static str, Vec<&Selected>> {
        let mut seen: BTreeSet<*const Selected> = BTreeSet::new();
        let mut all: BTreeMap<&'static str, Vec<&Selected>> = BTreeMap::new();
        for image in self.images.values() {
            let of_manager = all.entry(image.manager.name()).or_default();
            for set in [image.base.packages(), &image.packages] {
                // Images share their sets: a thousand of them have few.
                if seen.insert(set.as_ptr()) {
                    of_manager.extend(set);
                }
            }
        }
        for of_manager in all.values_mut() {
            of_manager.sort_by(|a, b| file_of(a).cmp(&file_of(b)));
            of_manager.dedup_by(|a, b| file_of(a) == file_of(b));
        }
        all
    }
}

/// The packages of each manager, by its name.
type Tables<'l> = BTreeMap<&'static str, Table<'l>>;

/// The bases of a lock, by the names that images call them by.
struct Bases<'l>(BTreeMap<String, (&'l LockedBase, Manager)>);

impl<'l> Bases<'l> {
    fn of(lock: &'l Lock) -> Self {
        let mut by_name: BTreeMap<&str, Vec<(&LockedBase, Manager)>> = BTreeMap::new();
        for image in lock.images.values() {
            let named = by_name.entry(&image.base.name).or_default();
            if named.iter().all(|(known, _)| !is_same(known, &image.base)) {
                named.push((&image.base, image.manager));
            }
        }
        let mut all = BTreeMap::new();
        // Names that nobody else has come first: they stay as they are.
        for (name, bases) in by_name.iter().filter(|(_, bases)| bases.len() == 1) {
            all.insert((*name).to_owned(), bases[0]);
        }
        for (name, bases) in by_name.iter().filter(|(_, bases)| bases.len() > 1) {
            for base in bases {
                let mut key = format!("{name}@{}", digest_of(base.0).short());
                while all.contains_key(&key) {
                    key.push('+');
                }
                all.insert(key, *base);
            }
        }
        Self(all)
    }

    fn name(&self, base: &LockedBase) -> &str {
        let named = self.0.get_key_value(&base.name).filter(|(_, (known, _))| is_same(known, base));
        let same = || self.0.iter().find(|(_, (known, _))| is_same(known, base));
        named.or_else(same).map_or("", |(name, _)| name)
    }
}

fn is_same(a: &LockedBase, b: &LockedBase) -> bool {
    match (&a.source, &b.source) {
        (
            LockedSource::Bootstrap { recipe: a_recipe, packages: a_packages },
            LockedSource::Bootstrap { recipe: b_recipe, packages: b_packages },
        ) if Arc::ptr_eq(a_packages, b_packages) => {
            (&a.name, &a.version, a_recipe) == (&b.name, &b.version, b_recipe)
        }
        _ => a == b,
    }
}

/// Tells a base from others of its name.
fn digest_of(base: &LockedBase) -> Digest {
    let mut text = format!("{}\n", base.version);
    match &base.source {
        LockedSource::Bootstrap { recipe, packages } => {
            let _ = writeln!(text, "{recipe}");
            for one in packages.iter() {
                let _ = writeln!(text, "{}", package(one));
            }
        }
        LockedSource::File { sha256, .. } | LockedSource::Url { sha256, .. } => text.push_str(sha256),
        LockedSource::Image { plan } => text.push_str(plan),
    }
    Digest::of(text)
}

fn write_image(out: &mut String, image: &LockedImage, base: &str) {
    const PAD: &str = "    ";
    let _ = writeln!(out, "{PAD}os: {}", scalar(&image.os));
    let _ = writeln!(out, "{PAD}os_version: {}", scalar(&image.os_version));
    let _ = writeln!(out, "{PAD}arch: {}", image.arch);
    let _ = writeln!(out, "{PAD}base: {}", scalar(base));
    if !image.apps.is_empty() {
        let _ = writeln!(out, "{PAD}apps:");
    }
    for (name, app) in &image.apps {
        write_app(out, name, app);
    }
    if !image.inputs.is_empty() {
        let _ = writeln!(out, "{PAD}inputs:");
    }
    for (name, digest) in &image.inputs {
        let _ = writeln!(out, "{PAD}  {}: {}", quoted(name), quoted(digest));
    }
}

/// What was installed in an image, by references; with it what else came out of the choice.
type Chosen<'l> = (Vec<String>, &'l [String], &'l [String], &'l [String]);

fn write_packages<'l>(
    out: &mut String,
    name: &'l str,
    image: &'l LockedImage,
    tables: &Tables<'_>,
    sets: &mut BTreeMap<(&'static str, Chosen<'l>), &'l str>,
) {
    const PAD: &str = "      ";
    let manager = image.manager.name();
    let named = names(tables, image.manager, &image.packages);
    let mut inner = String::new();
    list(&mut inner, PAD, "repositories", &image.repositories, repository);
    list(&mut inner, PAD, "requested", &image.requested, |name| scalar(name));
    if image.upgrade {
        let _ = writeln!(inner, "{PAD}upgrade: true");
    }
    let chosen: Chosen<'l> = (named, &image.removed, &image.now_manual, &image.temporary);
    let chosen = (manager, chosen);
    match sets.get(&chosen) {
        Some(first) => {
            let _ = writeln!(inner, "{PAD}same_as: {}", scalar(first));
        }
        None => {
            list(&mut inner, PAD, "packages", &chosen.1.0, |name| reference(name));
            list(&mut inner, PAD, "removed", &image.removed, |name| scalar(name));
            list(&mut inner, PAD, "now_manual", &image.now_manual, |name| scalar(name));
            list(&mut inner, PAD, "temporary", &image.temporary, |name| scalar(name));
            // Nothing to say is said in less words than that it is another's.
            if !chosen.1.0.is_empty() {
                sets.insert(chosen, name);
            }
        }
    }
    if !inner.is_empty() {
        let _ = writeln!(out, "    {manager}:");
        out.push_str(&inner);
    }
}

/// References to packages of a manager.
fn names(tables: &Tables<'_>, manager: Manager, packages: &[Selected]) -> Vec<String> {
    let table = tables.get(manager.name());
    packages.iter().filter_map(|package| Some(table?.name(package))).collect()
}

fn write_base(out: &mut String, name: &str, (base, manager): (&LockedBase, Manager), tables: &Tables<'_>) {
    let _ = writeln!(out, "  {}:", quoted(name));
    if base.name != name {
        let _ = writeln!(out, "    name: {}", scalar(&base.name));
    }
    let _ = writeln!(out, "    version: {}\n    source:", scalar(&base.version));
    let _ = match &base.source {
        LockedSource::Bootstrap { recipe, packages } => {
            let _ = writeln!(out, "      bootstrap:\n        recipe: {}", quoted(recipe));
            let names = names(tables, manager, packages);
            list(out, "        ", manager.name(), &names, |name| reference(name));
            Ok(())
        }
        LockedSource::File { path, sha256, size } => writeln!(
            out,
            "      file:\n        path: {}\n        sha256: {}\n        size: {size}",
            scalar(path),
            quoted(sha256)
        ),
        LockedSource::Url { url, sha256, size } => {
            let _ =
                writeln!(out, "      url:\n        url: {}\n        sha256: {}", scalar(url), quoted(sha256));
            size.map_or(Ok(()), |size| writeln!(out, "        size: {size}"))
        }
        LockedSource::Image { plan } => writeln!(out, "      image:\n        plan: {}", quoted(plan)),
    };
}

fn write_app(out: &mut String, name: &str, app: &LockedApp) {
    const PAD: &str = "        ";
    let _ = writeln!(out, "      {}:", quoted(name));
    let _ = writeln!(out, "{PAD}version: {}", scalar(&app.version));
    let _ = writeln!(out, "{PAD}definition: {}", quoted(&app.definition));
    if !app.options.is_empty() {
        let _ = writeln!(out, "{PAD}options:");
    }
    for (key, value) in &app.options {
        let _ = writeln!(out, "{PAD}  {}: {}", quoted(key), option(value));
    }
}

fn list<T>(out: &mut String, pad: &str, key: &str, items: &[T], line: impl Fn(&T) -> String) {
    if items.is_empty() {
        return;
    }
    let _ = writeln!(out, "{pad}{key}:");
    for item in items {
        let _ = writeln!(out, "{pad}  - {}", line(item));
    }
}

fn repository(repository: &LockedRepository) -> String {
    let components: Vec<_> = repository.components.iter().map(|one| scalar(one)).collect();
    format!(
        "{{ url: {}, suite: {}, components: [{}], fingerprint: {} }}",
        scalar(&repository.url),
        scalar(&repository.suite),
        components.join(", "),
        scalar(&repository.fingerprint)
    )
}

/// A line of the table.
fn package(package: &Selected) -> String {
    format!(
        "{{ name: {}, version: {}, arch: {}, sha256: {}, size: {}, installed_size: {}, archive: {}, path: {} }}",
        scalar(&package.name),
        scalar(package.version.as_str()),
        scalar(&package.arch),
        quoted(&package.sha256.to_string()),
        package.size,
        package.installed_size,
        scalar(&package.origin.archive),
        scalar(&package.origin.path)
    )
}

fn option(value: &OptionValue) -> String {
    match value {
        OptionValue::Bool(value) => value.to_string(),
        OptionValue::Integer(value) => value.to_string(),
        OptionValue::Text(text) => quoted(text),
        OptionValue::List(items) => format!("[{}]", items.iter().map(option).collect::<Vec<_>>().join(", ")),
    }
}

/// A reference, whose words and brackets YAML takes as they are.
fn reference(text: &str) -> String {
    let plain = text.contains(' ')
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && !text.contains(": ")
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "._+-~: (),".contains(c));
    if plain { text.to_owned() } else { scalar(text) }
}

/// A text as YAML takes it for a text: bare where it starts with a letter and holds nothing that
/// means something, quoted otherwise.
fn scalar(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "._+-/~=".contains(c))
        // What YAML, in one version or another, takes for a truth value, a number or nothing.
        && !["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"]
            .contains(&&*text.to_ascii_lowercase());
    if plain { text.to_owned() } else { quoted(text) }
}

/// A text in quotes. YAML's double-quoted form holds JSON's, with its escapes.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

//! The lock as text.
//!
//! Written by hand and not by a serialiser, so that its form never changes with a dependency: keys
//! in a fixed order, one package on one line, names that YAML could take for something else quoted.

use std::fmt::Write as _;

use super::{Lock, LockedApp, LockedBase, LockedImage, LockedRepository, LockedSource, OptionValue};
use crate::packages::Selected;

impl Lock {
    /// The text of the lock.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let mut out = String::from(
            "# What the ImageFile leaves open, pinned by imgfile. Check it in; `imgfile lock` writes it.\n",
        );
        let _ = writeln!(out, "version: {}", self.version);
        if self.images.is_empty() {
            out.push_str("images: {}\n");
        } else {
            out.push_str("images:\n");
        }
        for (name, image) in &self.images {
            let _ = writeln!(out, "  {}:", quoted(name));
            write_image(&mut out, image);
        }
        out
    }
}

fn write_image(out: &mut String, image: &LockedImage) {
    const PAD: &str = "    ";
    let _ = writeln!(out, "{PAD}os: {}", scalar(&image.os));
    let _ = writeln!(out, "{PAD}os_version: {}", scalar(&image.os_version));
    let _ = writeln!(out, "{PAD}arch: {}", scalar(&image.arch));
    write_base(out, &image.base);
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
    list(out, PAD, "repositories", &image.repositories, repository);
    list(out, PAD, "requested", &image.requested, |name| scalar(name));
    if image.upgrade {
        let _ = writeln!(out, "{PAD}upgrade: true");
    }
    list(out, PAD, "packages", &image.packages, package);
    list(out, PAD, "removed", &image.removed, |name| scalar(name));
    list(out, PAD, "now_manual", &image.now_manual, |name| scalar(name));
    list(out, PAD, "temporary", &image.temporary, |name| scalar(name));
    if let Some(digest) = &image.artifact {
        let _ = writeln!(out, "{PAD}artifact: {}", quoted(digest));
    }
}

fn write_base(out: &mut String, base: &LockedBase) {
    let _ = writeln!(
        out,
        "    base:\n      name: {}\n      version: {}\n      source:",
        scalar(&base.name),
        scalar(&base.version)
    );
    let _ = match &base.source {
        LockedSource::Bootstrap { recipe, packages } => {
            let _ = writeln!(out, "        bootstrap:\n          recipe: {}", quoted(recipe));
            if packages.is_empty() {
                out.push_str("          packages: []\n");
            }
            list(out, "          ", "packages", packages, package);
            Ok(())
        }
        LockedSource::File { path, sha256, size } => writeln!(
            out,
            "        file:\n          path: {}\n          sha256: {}\n          size: {size}",
            scalar(path),
            quoted(sha256)
        ),
        LockedSource::Url { url, sha256, size } => {
            let _ = writeln!(
                out,
                "        url:\n          url: {}\n          sha256: {}",
                scalar(url),
                quoted(sha256)
            );
            size.map_or(Ok(()), |size| writeln!(out, "          size: {size}"))
        }
        LockedSource::Image { plan } => writeln!(out, "        image:\n          plan: {}", quoted(plan)),
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

fn package(package: &Selected) -> String {
    let stage = if package.stage > 0 { format!(", stage: {}", package.stage) } else { String::new() };
    let auto = if package.auto { ", auto: true" } else { "" };
    format!(
        "{{ name: {}, version: {}, arch: {}, sha256: {}, size: {}, installed_size: {}, archive: {}, path: {}{stage}{auto} }}",
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

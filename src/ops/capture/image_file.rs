//! The ImageFile that matches a captured system, as far as one can say what somebody did to it. What it has to guess or
//! cannot say stands in comments, for a person to go through.
//!
//! Every value is a stranger's: only what is plain becomes a statement, and what was written is compiled before it is
//! handed out.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use super::{accounts, data::DataDisk, packages::asked_for, system::CapturedSystem, texts::OWN_UNITS};
use crate::{
    catalog::{BaseDef, BaseSource, Bootstrap, Catalog, Tier},
    check::{MemoryFiles, Size},
    front,
    model::{FileKind, OutputFormat, SystemTree},
    ops::{diff::unit_states, inspect::harmless, resolved::built_in},
    packages::{InstalledPackage, Manager},
    text::{Digest, Requirement, SourceId},
};

/// Lines that a comment lists of one kind.
const SHOWN: usize = 50;
/// Words by which a line of a unit may hold what nobody else is to read.
const SECRETS: [&str; 5] = ["password", "passwd", "secret", "token", "key="];

/// The image that the system was captured as.
pub(super) struct OfImage<'a> {
    pub(super) name: &'a str,
    pub(super) file: &'a str,
    pub(super) format: OutputFormat,
    pub(super) sha256: Digest,
    /// The disk that was captured.
    pub(super) disk: &'a str,
    /// Bytes of the disk.
    pub(super) size: u64,
    /// Disks beside it that were captured, too.
    pub(super) data: &'a [DataDisk],
}

/// The text of the ImageFile; nothing where what was found cannot be said in one.
pub(super) fn text(image: &OfImage<'_>, system: &CapturedSystem) -> Option<String> {
    let catalog = built_in();
    let installed = Manager::of_system(&system.facts.files);
    let (manager, packages) =
        installed.map_or((None, Vec::new()), |(manager, packages)| (Some(manager), packages));
    let base = base_for(&catalog, system).filter(|_| manager.is_some());
    let asked = manager.map(|manager| asked_for(manager, &packages, &packages_of(base)));
    let asked = asked.unwrap_or_default().into_iter().map(|package| package.name.as_str()).collect();
    let mut writer =
        Writer { image, system, base, installed: (manager, &packages), asked, text: String::new() };
    writer.whole()?;
    let tree = crate::syntax::parse(SourceId(0), &writer.text);
    let text = crate::syntax::format(&tree, &writer.text);
    let files = MemoryFiles::new().with("ImageFile", text.as_str());
    let wrong = front::compile("ImageFile", &files, &[]).diagnostics;
    let wrong = wrong.iter().find(|found| found.is_error());
    if let Some(wrong) = wrong {
        tracing::warn!(%wrong.message, text, "an ImageFile that does not compile is not written");
    }
    wrong.is_none().then_some(text)
}

/// The base of the catalogue that a build of this system would begin with.
fn base_for<'c>(catalog: &'c Catalog, system: &CapturedSystem) -> Option<&'c BaseDef> {
    let field = |name: &str| system.facts.os_release.get(name).map(String::as_str).unwrap_or_default();
    let is_it = |base: &&BaseDef| {
        base.tier == Tier::Proven
            && base.os.distro == field("ID")
            && base.os.version.as_str() == field("VERSION_ID")
            && Some(base.arch.value) == system.arch()
    };
    catalog.bases().find(is_it)
}

/// How a base is made here.
fn made(base: Option<&BaseDef>) -> Option<&Bootstrap> {
    match &base?.source {
        BaseSource::Bootstrap(made) => Some(made),
        _ => None,
    }
}

/// The packages that a base is made of, as far as it names them.
fn packages_of(base: Option<&BaseDef>) -> BTreeSet<&str> {
    made(base).map(|made| made.packages.iter().map(String::as_str).collect()).unwrap_or_default()
}

struct Writer<'a> {
    image: &'a OfImage<'a>,
    system: &'a CapturedSystem,
    base: Option<&'a BaseDef>,
    /// Its package manager, if one is read here, and its packages.
    installed: (Option<Manager>, &'a [InstalledPackage]),
    /// What somebody asked for beyond the base.
    asked: BTreeSet<&'a str>,
    text: String,
}

impl Writer<'_> {
    fn whole(&mut self) -> Option<()> {
        let field =
            |name: &str| self.system.facts.os_release.get(name).map(String::as_str).unwrap_or_default();
        let (distro, version) = (field("ID"), field("VERSION_ID"));
        if ![distro, version].into_iter().all(is_word) || version.parse::<Requirement>().is_err() {
            return None;
        }
        let (name, disk, title) =
            (self.image.name, harmless(self.image.disk), harmless(field("PRETTY_NAME")));
        self.line(&format!(
            "# {title}, as it was found on {disk} when `{name}` was captured. A beginning: go through it,"
        ));
        self.line("# put in what the comments tell of, and compare what it builds by `imgfile diff`.");
        self.line(&format!("image \"{name}\" {{"));
        self.line(&format!("os linux {distro} {version}"));
        self.base();
        if self.base.is_some() {
            self.packages();
        }
        self.accounts();
        self.units();
        self.hints();
        self.line("}");
        Some(())
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// A list in a comment.
    fn comment(&mut self, heading: &str, lines: &[String]) {
        if lines.is_empty() {
            return;
        }
        self.line("");
        self.line(&format!("# {heading}"));
        for line in lines.iter().take(SHOWN) {
            self.line(&format!("#   {}", harmless(line)));
        }
        if lines.len() > SHOWN {
            self.line(&format!("#   and {} more", lines.len() - SHOWN));
        }
    }

    fn base(&mut self) {
        let (image, size) = (self.image, self.image.size);
        match self.base {
            Some(base) if size > base.virtual_size.value => {
                // An instance may have a larger disk, never a smaller one.
                let size = Size(size.next_multiple_of(1 << 20));
                let _ = writeln!(self.text, "min_storage {size}");
            }
            Some(_) => {}
            None if matches!(image.format, OutputFormat::Disk(_)) => {
                self.line(
                    "# No base of the catalogue is this system, so it starts from the captured image itself.",
                );
                let _ = writeln!(self.text, "base file \"{}\" sha256 \"{}\"", image.file, image.sha256);
            }
            None => self.line("# No base of the catalogue is this system: name one with `base`."),
        }
    }

    fn packages(&mut self) {
        let (manager, installed) = &self.installed;
        let Some(manager) = manager else { return };
        let (plain, odd): (BTreeSet<&str>, BTreeSet<&str>) =
            self.asked.iter().partition(|name| is_package(name));
        let plain: Vec<String> = plain.into_iter().map(|name| format!("\"{name}\"")).collect();
        let odd: Vec<String> = odd.into_iter().map(str::to_owned).collect();
        let held = installed.iter().filter(|package| package.hold);
        let held: Vec<String> = held.map(|package| format!("{} {}", package.name, package.version)).collect();
        let archives = manager.archives_of(&self.system.facts.files, None).into_iter();
        let foreign: Vec<String> = archives
            .filter(|archive| archive.name == archive.url)
            .map(|archive| format!("{} {} {}", archive.url, archive.suite, archive.components.join(" ")))
            .collect();
        if !plain.is_empty() {
            self.line("");
            self.line("# What somebody asked for, beyond what the base has.");
            self.line(&format!("packages [{}]", plain.join(", ")));
        }
        self.comment("Packages whose names cannot be written here:", &odd);
        self.comment("Packages on hold, at these versions:", &held);
        self.comment(
            "Its packages come from these as well: each takes an `archive` statement with a key.",
            &foreign,
        );
    }

    fn bootstrap(&self) -> Option<&Bootstrap> {
        made(self.base)
    }

    fn accounts(&mut self) {
        let texts = &self.system.texts;
        let found = accounts::of(&texts.text("/etc/passwd"), &texts.text("/etc/group"));
        // Made by the build, where a script runs as it.
        let own = self.base.map(|base| base.user.value.clone());
        let found: Vec<_> = found.into_iter().filter(|account| Some(&account.name) != own.as_ref()).collect();
        if self.base.is_none() || found.is_empty() {
            return;
        }
        self.line("");
        self.line("# Neither passwords nor keys of theirs are written here: `password_hash`, `ssh_keys`.");
        for account in found {
            let sudo =
                self.system.tree.find(format!("/etc/sudoers.d/90-imagefile-{}", account.name)).is_some();
            self.line(&account.statement(sudo));
        }
    }

    fn units(&mut self) {
        let system = self.system;
        let of_base: Vec<&str> =
            self.bootstrap().map(|made| made.files.keys().map(String::as_str).collect()).unwrap_or_default();
        let finish = self.bootstrap().and_then(|made| made.finish.clone()).unwrap_or_default();
        let (mut lines, mut untold) = (Vec::new(), Vec::new());
        for (unit, state) in unit_states(&system.tree) {
            let own = format!("{OWN_UNITS}/{unit}");
            let is_own = system.texts.plain(&own).is_some() && system.texts.owner(&own).is_none();
            let owner = ["/usr/lib/systemd/system", "/lib/systemd/system"]
                .iter()
                .find_map(|folder| system.texts.owner(&format!("{folder}/{unit}")));
            let is_beyond = owner.is_some_and(|owner| self.asked.contains(owner));
            let of_build =
                of_base.contains(&own.as_str()) || finish.split_whitespace().any(|word| word == unit);
            if !is_unit(&unit)
                || of_build
                || !(is_own || is_beyond || state == "masked")
                || self.base.is_none()
            {
                continue;
            }
            if is_own {
                match self.copied(&own) {
                    Some(statement) => lines.push(statement),
                    None => {
                        untold.push(own);
                        continue;
                    }
                }
            }
            if state == "masked" {
                lines.push(format!("service {unit} masked"));
            } else if state.starts_with("enabled") {
                lines.push(format!("service {unit} enabled"));
            }
        }
        if !lines.is_empty() {
            self.line("");
            self.line(&lines.join("\n"));
        }
        self.comment(
            "Units that are not written here, since they are not plain text or may hold a secret:",
            &untold,
        );
    }

    /// The statement that brings a unit; none where its text is better not repeated.
    fn copied(&self, path: &str) -> Option<String> {
        const TAG: &str = "UNIT";
        let text = self.system.texts.plain(path)?;
        let lower = text.to_lowercase();
        if SECRETS.iter().any(|word| lower.contains(word)) || text.lines().any(|line| line.trim() == TAG) {
            return None;
        }
        let body: String = text.lines().map(|line| format!("    {line}\n")).collect();
        Some(format!("copy <<-{TAG} to \"{path}\"\n{body}  {TAG}"))
    }

    fn hints(&mut self) {
        let texts = &self.system.texts;
        let changed = texts.changed.clone();
        let fstab = texts.text("/etc/fstab");
        let mounts = super::mounts::entries(&fstab)
            .into_iter()
            .filter(|entry| !entry.is_of_system(&self.system.layout));
        let mounts = mounts.map(|entry| {
            let at = std::slice::from_ref(&entry);
            let file = self.image.data.iter().find(|disk| !disk.mounts(at).is_empty());
            let file = file.map(|disk| format!(", captured as {}", disk.file)).unwrap_or_default();
            format!("{} on {}{file}", entry.spec, entry.target)
        });
        let mounts: Vec<String> = mounts.collect();
        let of_base = |path: &str| self.bootstrap().is_some_and(|made| made.files.contains_key(path));
        let left = unowned(&self.system.tree, |path| texts.owner(path).is_some() || of_base(path));
        let host = texts.text("/etc/hostname").trim().to_owned();
        self.comment(
            "Configuration that is not as its package brought it; `copy` brings a file of yours:",
            &changed,
        );
        self.comment("Below these is what no package brought:", &left);
        self.comment("Mounted from other disks:", &mounts);
        let named = self.bootstrap().and_then(|made| made.files.get("/etc/hostname"));
        if !host.is_empty() && named.is_none_or(|name| name.trim() != host) {
            self.comment("Its host name:", &[host]);
        }
    }
}

/// Folders where people put what is theirs, with how many files nobody brought.
fn unowned(tree: &SystemTree, is_owned: impl Fn(&str) -> bool) -> Vec<String> {
    const PLACES: [&str; 5] = ["/opt", "/srv", "/usr/local", "/var/www", "/var/spool/cron"];
    let mut found: BTreeMap<String, u64> = BTreeMap::new();
    for (number, node) in tree.numbered() {
        if node.kind() != FileKind::File {
            continue;
        }
        let path = String::from_utf8_lossy(&tree.path(number)).into_owned();
        let Some(place) = PLACES.iter().find(|place| path.starts_with(&format!("{place}/"))) else {
            continue;
        };
        if is_owned(&path) {
            continue;
        }
        let below = path[place.len() + 1..].split('/').next().unwrap_or_default();
        *found.entry(format!("{place}/{below}")).or_default() += 1;
    }
    let count = |count: u64| if count == 1 { "1 file".to_owned() } else { format!("{count} files") };
    found.into_iter().map(|(path, files)| format!("{path}, {}", count(files))).collect()
}

/// What can stand bare in a statement.
fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.len() <= 60
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
}

/// Two characters or more (Debian Policy 5.6.7).
fn is_package(name: &str) -> bool {
    name.len() > 1
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+'))
}

/// A unit that `service` takes; instances of templates and unusual names are left to people.
fn is_unit(name: &str) -> bool {
    [".service", ".socket", ".timer", ".path"].iter().any(|kind| name.ends_with(kind))
        && !name.contains('@')
        && is_word(&name.replace('+', ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TreeNode;

    #[test]
    fn what_nobody_brought_is_counted_by_folder() {
        let tree = SystemTree::of_paths(
            ["/opt/app/bin/app", "/opt/app/lib/a", "/usr/local/bin/tool", "/usr/bin/sh", "/srv/x"]
                .map(|path| (path.as_bytes().to_vec(), TreeNode::file(1))),
        );
        assert_eq!(unowned(&tree, |path| path == "/srv/x"), ["/opt/app, 2 files", "/usr/local/bin, 1 file"]);
    }

    #[test]
    fn only_what_is_plain_becomes_a_word() {
        for text in ["debian", "13", "24.04", "opensuse-leap"] {
            assert!(is_word(text), "{text}");
        }
        for text in ["", "a b", "x\n}", "${x}", "\u{1b}[2J", "-x"] {
            assert!(!is_word(text), "{text:?}");
            assert!(!is_package(text) && !is_unit(text), "{text:?}");
        }
    }
}

//! From format 2, which says each thing once, to what each image is made of.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde_saphyr::Spanned;

use super::format_2::{Base, File, Image, ImagePackages, Package, Source};
use super::lock_text::LockText;
use super::reference::{Reference, Table, is_name, is_same_file};
use super::tagged::UnknownKey;
use super::{Lock, LockedBase, LockedImage, LockedSource};
use crate::diagnostic::{Diagnostic, codes};
use crate::packages::{Manager, Origin, Selected};
use crate::text::Span;

/// What to do about a lock that two branches changed.
const WAY_OUT: &str = "take the lock of either branch whole and run `imgfile lock`, or write it anew with \
                       `imgfile lock --update`";

/// Puts the parts of a lock together, or says what does not fit.
pub fn link(file: File, place: LockText<'_>) -> Result<Lock, Vec<Diagnostic>> {
    let mut found = unknown(place, &file.packages.unknown);
    let lines: Vec<Lines> =
        file.packages.known.into_iter().map(|(manager, of)| Lines::new(manager, of, place)).collect();
    let mut linker = Linker {
        place,
        tables: lines.iter().map(|lines| Table::new(&lines.packages)).collect(),
        lines: &lines,
        sets: HashMap::new(),
        found: Vec::new(),
        told: BTreeSet::new(),
        missing: 0,
    };
    linker.found.append(&mut found);
    linker.sound_lines();
    if !linker.found.is_empty() {
        // What names them cannot be told either.
        return Err(linker.found);
    }
    let managers: HashMap<String, Manager> = file
        .bases
        .iter()
        .filter_map(|(name, base)| {
            let Source::Bootstrap(made) = &base.source else { return None };
            Some((name.clone(), made.manager?))
        })
        .collect();
    let bases = file.bases.into_iter().map(|(name, base)| {
        let linked = linker.base(&name, base);
        (name, linked)
    });
    let bases: BTreeMap<String, LockedBase> = bases.collect();
    let mut shared: BTreeMap<String, LockedImage> = BTreeMap::new();
    let mut referring = Vec::new();
    for (name, image) in file.images {
        match &image.packages.same_as {
            Some(other) => referring.push((name, other.clone(), image)),
            None => {
                if let Some(linked) = linker.image(&name, image, (&bases, &managers), None) {
                    shared.insert(name, linked);
                }
            }
        }
    }
    let mut images = BTreeMap::new();
    for (name, other, image) in referring {
        match shared.get(&other.value) {
            Some(like) => {
                if let Some(linked) = linker.image(&name, image, (&bases, &managers), Some(like)) {
                    images.insert(name, linked);
                }
            }
            None => linker.dangling(&other, &format!("image \"{name}\" has the packages of the image")),
        }
    }
    images.append(&mut shared);
    linker.tell_of_more();
    if linker.found.is_empty() { Ok(Lock { version: super::FORMAT, images }) } else { Err(linker.found) }
}

/// The packages of one manager.
struct Lines {
    manager: Manager,
    packages: Vec<Selected>,
    /// Where their names stand.
    spans: Vec<Span>,
}

impl Lines {
    fn new(manager: Manager, packages: Vec<Package>, place: LockText<'_>) -> Self {
        let spans = packages.iter().map(|package| place.span(&package.name.referenced)).collect();
        Self { manager, packages: packages.into_iter().map(selected).collect(), spans }
    }
}

/// Keys that are neither fields nor package managers.
fn unknown(place: LockText<'_>, keys: &[UnknownKey]) -> Vec<Diagnostic> {
    let one = |UnknownKey { key, expected }: &UnknownKey| {
        let label = match &expected[..] {
            [only] => format!("unknown field `{}`, expected `{only}`", key.value),
            _ => format!("unknown field `{}`, expected one of {}", key.value, expected.join(", ")),
        };
        Diagnostic::new(codes::LOCK_UNREADABLE, "the lock cannot be read")
            .label(place.span(&key.referenced), label)
            .help("restore it from version control, or write it anew with `imgfile lock --update`")
    };
    keys.iter().map(one).collect()
}

/// Sets of packages by their manager's lines, and by places and marks in these.
type Sets = HashMap<(usize, Vec<(usize, bool, u16)>), Arc<[Selected]>>;

struct Linker<'a> {
    place: LockText<'a>,
    lines: &'a [Lines],
    /// Of each of `lines`.
    tables: Vec<Table<'a>>,
    /// Those that were put together already.
    sets: Sets,
    found: Vec<Diagnostic>,
    /// What was told once: a thousand images may name the same.
    told: BTreeSet<String>,
    /// Names of things that are not there, told or not.
    missing: usize,
}

/// Most names that are told one by one: a lock whose end is cut off lacks hundreds.
const MOST_MISSING: usize = 3;

impl Linker<'_> {
    /// A line that stands there twice, and names that no package can have.
    fn sound_lines(&mut self) {
        for Lines { packages, spans, .. } in self.lines {
            let mut seen: HashMap<&str, Vec<usize>> = HashMap::new();
            for (at, package) in packages.iter().enumerate() {
                let span = spans[at];
                if !is_name(&package.name) || !is_name(&package.arch) {
                    let message = format!("`{}` ({}) is no package's name", package.name, package.arch);
                    let diagnostic = Diagnostic::new(codes::LOCK_UNREADABLE, message);
                    self.found.push(diagnostic.label(span, "here").help(WAY_OUT));
                }
                let same_name = seen.entry(&package.name).or_default();
                if let Some(first) = same_name.iter().find(|first| is_same_file(&packages[**first], package))
                {
                    let message =
                        format!("the lock has the package `{}` {} twice", package.name, package.version);
                    let first = spans[*first];
                    self.found.push(double(message).label(span, "here again").label(first, "first here"));
                }
                same_name.push(at);
            }
        }
    }

    fn base(&mut self, key: &str, base: Base) -> LockedBase {
        let source = match base.source {
            Source::Bootstrap(made) => {
                self.found.extend(unknown(self.place, &made.unknown));
                let packages =
                    self.set(made.manager.unwrap_or_default(), &made.packages, &format!("base \"{key}\""));
                LockedSource::Bootstrap { recipe: made.recipe, packages }
            }
            Source::File { path, sha256, size } => LockedSource::File { path, sha256, size },
            Source::Url { url, sha256, size } => LockedSource::Url { url, sha256, size },
            Source::Image { plan } => LockedSource::Image { plan },
        };
        LockedBase { name: base.name.unwrap_or_else(|| key.to_owned()), version: base.version, source }
    }

    /// One image, with the packages of another if it has those.
    fn image(
        &mut self,
        name: &str,
        image: Image,
        (bases, managers): (&BTreeMap<String, LockedBase>, &HashMap<String, Manager>),
        like: Option<&LockedImage>,
    ) -> Option<LockedImage> {
        self.found.extend(unknown(self.place, &image.unknown));
        let Some(base) = bases.get(&image.base.value).cloned() else {
            self.dangling(&image.base, &format!("image \"{name}\" stands on the base"));
            return None;
        };
        let of_base = managers.get(&image.base.value).copied();
        let manager = image.manager.or(of_base).unwrap_or_else(|| Manager::of_distribution(&image.os));
        if of_base.or(like.map(|like| like.manager)).is_some_and(|other| other != manager) {
            let message =
                format!("image \"{name}\" has packages of another package manager than its base has");
            let span = self.place.span(&image.base.referenced);
            self.found.push(
                Diagnostic::new(codes::LOCK_UNREADABLE, message)
                    .label(span, format!("these are not {}'s", manager.name()))
                    .help(WAY_OUT),
            );
        }
        let ImagePackages {
            repositories,
            requested,
            upgrade,
            same_as: _,
            packages,
            removed,
            now_manual,
            temporary,
        } = image.packages;
        if like.is_some() {
            let own = !packages.is_empty()
                || !removed.is_empty()
                || !now_manual.is_empty()
                || !temporary.is_empty();
            if let (true, Some(first)) = (own, packages.first()) {
                let message = format!("image \"{name}\" has packages of its own and those of another image");
                let span = self.place.span(&first.referenced);
                self.found.push(double(message).label(span, "of its own"));
            }
        }
        let who = format!("image \"{name}\"");
        let (packages, removed, now_manual, temporary) = match like {
            Some(like) => (
                Arc::clone(&like.packages),
                like.removed.clone(),
                like.now_manual.clone(),
                like.temporary.clone(),
            ),
            None => (self.set(manager, &packages, &who), removed, now_manual, temporary),
        };
        Some(LockedImage {
            os: image.os,
            os_version: image.os_version,
            arch: image.arch,
            base,
            apps: image.apps,
            inputs: image.inputs,
            repositories,
            requested,
            upgrade,
            manager,
            packages,
            removed,
            now_manual,
            temporary,
            artifact: image.artifact,
        })
    }

    /// The packages that references name.
    fn set(&mut self, manager: Manager, references: &[Spanned<String>], who: &str) -> Arc<[Selected]> {
        let of = self.lines.iter().position(|lines| lines.manager == manager);
        let packages = of.map_or(&[][..], |of| &self.lines[of].packages);
        let mut places: Vec<(usize, bool, u16)> = Vec::with_capacity(references.len());
        let mut named: HashMap<(&str, &str), Span> = HashMap::new();
        for reference in references {
            let Some(parsed) = Reference::parse(&reference.value) else {
                let message = format!("{who}: `{}` does not name a package", reference.value);
                let span = self.place.span(&reference.referenced);
                self.found
                    .push(Diagnostic::new(codes::LOCK_UNREADABLE, message).label(span, "here").help(WAY_OUT));
                continue;
            };
            let Some(at) = self.one(of, reference, &parsed, who) else { continue };
            let package = &packages[at];
            let span = self.place.span(&reference.referenced);
            if let Some(first) = named.insert((&package.name, &package.arch), span) {
                let message = format!("{who} has the package `{}` twice", package.name);
                self.found.push(double(message).label(span, "here again").label(first, "first here"));
            }
            places.push((at, parsed.auto, parsed.stage));
        }
        let made = self.sets.entry((of.unwrap_or_default(), places)).or_insert_with_key(|(_, places)| {
            let package = |(at, auto, stage): &(usize, bool, u16)| Selected {
                auto: *auto,
                stage: *stage,
                ..packages[*at].clone()
            };
            places.iter().map(package).collect()
        });
        Arc::clone(made)
    }

    /// The one package that a reference means, among the lines of this number.
    fn one(
        &mut self,
        of: Option<usize>,
        reference: &Spanned<String>,
        parsed: &Reference<'_>,
        who: &str,
    ) -> Option<usize> {
        let places = of.map(|of| self.tables[of].find(&parsed.words)).unwrap_or_default();
        match places[..] {
            [at] => Some(at),
            [] => {
                self.dangling(reference, &format!("{who} has the package"));
                None
            }
            [first, second, ..] => {
                if self.told.insert(reference.value.clone()) {
                    let Lines { packages, spans, .. } = &self.lines[of?];
                    let name = &packages[first].name;
                    let message =
                        format!("{who} has the package `{name}`, and the lock has two of that name");
                    let diagnostic = double(message)
                        .label(self.place.span(&reference.referenced), "which of the two?")
                        .label(spans[first], "one")
                        .label(spans[second], "another");
                    self.found.push(diagnostic);
                }
                None
            }
        }
    }

    /// Something is named that is not there.
    fn dangling(&mut self, named: &Spanned<String>, what: &str) {
        if !self.told.insert(named.value.clone()) {
            return;
        }
        self.missing += 1;
        if self.missing <= MOST_MISSING {
            let message = format!("{what} `{}`, which the lock does not have", named.value);
            let span = self.place.span(&named.referenced);
            self.found.push(
                Diagnostic::new(codes::LOCK_DANGLING, message)
                    .label(span, "nothing of that name")
                    .help(WAY_OUT),
            );
        }
    }

    /// That there are more names of things that are not there than were told.
    fn tell_of_more(&mut self) {
        let last = self.found.iter_mut().rfind(|one| one.code == codes::LOCK_DANGLING);
        if let Some(last) = last.filter(|_| self.missing > MOST_MISSING) {
            let all =
                format!("the lock lacks {} things that it names: perhaps its end is cut off", self.missing);
            *last = last.clone().note(all);
        }
    }
}

fn double(message: String) -> Diagnostic {
    Diagnostic::new(codes::LOCK_DOUBLE, message)
        .help("remove one of the lines, or run `imgfile lock --update`")
}

/// A line of the table, as an image has it that says nothing more of it.
fn selected(package: Package) -> Selected {
    Selected {
        name: package.name.value,
        version: package.version,
        arch: package.arch,
        sha256: package.sha256,
        size: package.size,
        installed_size: package.installed_size,
        origin: Origin { archive: package.archive, path: package.path },
        stage: 0,
        auto: false,
    }
}

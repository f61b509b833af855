//! Layers of files to one catalogue.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::node::{Kind, Node};
use super::yaml;
use super::{AppDef, BaseDef, app, base, fields};
use crate::diagnostic::{Diagnostic, codes};
use crate::text::{Digest, Source, SourceId, Sources, Span, nearest};

/// The files of one catalogue folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// As users know it: `built-in`, `catalog`, or the folder of `catalog "DIR"`.
    pub name: String,
    /// Its `apps/*.yaml` and `bases/*.yaml`, in the order in which they are read.
    pub files: Vec<SourceId>,
}

/// Everything the catalogue files say, later layers over earlier ones.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    layers: Vec<String>,
    apps: BTreeMap<String, Arc<AppDef>>,
    bases: Vec<Arc<BaseDef>>,
    providers: BTreeMap<String, Vec<String>>,
    hidden_apps: Vec<Arc<AppDef>>,
    hidden_bases: Vec<Arc<BaseDef>>,
    files: BTreeMap<SourceId, Arc<Source>>,
    /// Files of which too little was understood to know what they define.
    unread: Vec<Arc<Source>>,
}

impl Catalog {
    /// Reads `layers`, earlier ones first. The catalogue holds what was understood.
    #[must_use]
    pub fn load(layers: &[Layer], sources: &Sources) -> (Self, Vec<Diagnostic>) {
        let mut catalog = Self::default();
        let mut mistakes = Vec::new();
        for (index, layer) in layers.iter().enumerate() {
            catalog.layers.push(layer.name.clone());
            let mut apps: BTreeMap<String, Arc<AppDef>> = BTreeMap::new();
            let mut bases: Vec<Arc<BaseDef>> = Vec::new();
            for (&file, (entry, found)) in layer.files.iter().zip(read_files(&layer.files, index, sources)) {
                catalog.files.insert(file, sources.share(file));
                mistakes.extend(found);
                match entry {
                    Some(Entry::App(def)) => match apps.get(&def.name.value) {
                        Some(first) => mistakes.push(fields::twice(
                            &format!("the application `{}`", def.name.value),
                            first.name.span,
                            def.name.span,
                        )),
                        None => _ = apps.insert(def.name.value.clone(), Arc::new(*def)),
                    },
                    Some(Entry::Base(def)) => {
                        let same = |other: &&Arc<BaseDef>| {
                            other.name.value == def.name.value && other.version.value == def.version.value
                        };
                        match bases.iter().find(same) {
                            Some(first) => mistakes.push(fields::twice(
                                &format!("version `{}` of the base `{}`", def.version.value, def.name.value),
                                first.name.span,
                                def.name.span,
                            )),
                            None => bases.push(Arc::new(*def)),
                        }
                    }
                    None => catalog.unread.push(sources.share(file)),
                }
            }
            catalog.cover(apps, bases);
        }
        catalog.bases.sort_by(|a, b| {
            let key = |def: &BaseDef| (def.os.distro.clone(), std::cmp::Reverse(def.os.version.clone()));
            key(a)
                .cmp(&key(b))
                .then(b.tier.cmp(&a.tier))
                .then_with(|| a.name.value.cmp(&b.name.value))
                .then_with(|| b.version.value.cmp(&a.version.value))
        });
        for def in catalog.apps.values() {
            for provided in &def.provides {
                let names = catalog.providers.entry(provided.value.clone()).or_default();
                if !names.contains(&def.name.value) {
                    names.push(def.name.value.clone());
                }
            }
        }
        catalog.check_references(&mut mistakes);
        mistakes.sort_by_key(Diagnostic::span);
        (catalog, mistakes)
    }

    /// Lays a layer over what there is.
    fn cover(&mut self, apps: BTreeMap<String, Arc<AppDef>>, bases: Vec<Arc<BaseDef>>) {
        for (name, def) in apps {
            self.hidden_apps.extend(self.apps.insert(name, def));
        }
        let (hidden, mut kept): (Vec<_>, Vec<_>) = std::mem::take(&mut self.bases)
            .into_iter()
            .partition(|old| bases.iter().any(|new| new.name.value == old.name.value));
        self.hidden_bases.extend(hidden);
        kept.extend(bases);
        self.bases = kept;
    }

    /// The layers' names, such as `built-in` and `catalog`, earlier ones first.
    #[must_use]
    pub fn layers(&self) -> &[String] {
        &self.layers
    }

    /// `apps/apache2.yaml:14`: the place of a definition, for messages.
    #[must_use]
    pub fn place(&self, span: Span) -> String {
        match self.files.get(&span.source) {
            Some(file) => format!("{}:{}", file.name, file.lines().line_col(span.start).line + 1),
            None => String::new(),
        }
    }

    /// The application of this name.
    #[must_use]
    pub fn app(&self, name: &str) -> Option<&AppDef> {
        self.apps.get(name).map(AsRef::as_ref)
    }

    /// Whether a file with a mistake may be meant to define `name`, so that its absence is not another one.
    #[must_use]
    pub fn may_define(&self, name: &str) -> bool {
        self.unread.iter().any(|file| {
            file.text.lines().any(|line| {
                let named = line.strip_prefix("name:").map(|rest| rest.split(" #").next().unwrap_or(rest));
                named.is_some_and(|named| named.trim().trim_matches(['"', '\'']) == name)
            })
        })
    }

    /// All applications by name.
    pub fn apps(&self) -> impl Iterator<Item = &AppDef> {
        self.apps.values().map(AsRef::as_ref)
    }

    /// All bases: by distribution, newest system first, proven before listed.
    pub fn bases(&self) -> impl Iterator<Item = &BaseDef> {
        self.bases.iter().map(AsRef::as_ref)
    }

    /// The applications that provide `name`, by name.
    #[must_use]
    pub fn providers(&self, name: &str) -> &[String] {
        self.providers.get(name).map_or(&[], Vec::as_slice)
    }

    /// Definitions of an application that a later layer hides.
    pub fn hidden_apps(&self, name: &str) -> impl Iterator<Item = &AppDef> {
        self.hidden_apps.iter().map(AsRef::as_ref).filter(move |def| def.name.value == name)
    }

    /// Definitions of a base that a later layer hides.
    pub fn hidden_bases(&self, name: &str) -> impl Iterator<Item = &BaseDef> {
        self.hidden_bases.iter().map(AsRef::as_ref).filter(move |def| def.name.value == name)
    }

    /// Requirements that nothing can satisfy, and circles of them.
    fn check_references(&self, mistakes: &mut Vec<Diagnostic>) {
        for def in self.apps.values() {
            for require in
                def.requires.iter().chain(def.versions.iter().flat_map(|version| &version.requires))
            {
                let own = self.apps.get(&require.name);
                let fits = own.is_some_and(|own| {
                    own.versions.iter().any(|version| require.requirement.matches(&version.version.value))
                });
                let provided = require.requirement.is_any() && !self.providers(&require.name).is_empty();
                if fits || provided || (own.is_none() && self.may_define(&require.name)) {
                    continue;
                }
                mistakes.push(self.dangling(def, require));
            }
        }
        super::load::cycles(&self.apps, mistakes);
        self.check_systems(mistakes);
    }

    /// Systems that no base has, and that are written nearly as one that a base has.
    fn check_systems(&self, mistakes: &mut Vec<Diagnostic>) {
        let known: BTreeSet<&str> = self.bases.iter().map(|base| base.os.distro.as_str()).collect();
        let written = self.apps.values().flat_map(|app| &app.versions).flat_map(|version| &version.os);
        for os in written.filter(|os| !known.contains(os.distro.as_str())) {
            if let Some(near) = nearest(&os.distro, known.iter().copied()) {
                mistakes.push(
                    Diagnostic::new(
                        codes::CATALOG_DANGLING,
                        format!("no base has the system `{}`", os.distro),
                    )
                    .label(os.span, "nothing satisfies this")
                    .help(format!("did you mean `{near}`?")),
                );
            }
        }
    }

    fn dangling(&self, def: &AppDef, require: &super::Require) -> Diagnostic {
        let Some(own) = self.apps.get(&require.name) else {
            let provided = !self.providers(&require.name).is_empty();
            let message = if provided {
                format!("`{}` is only provided by others, so it has no version to require", require.name)
            } else {
                format!("`{}` requires `{}`, which the catalogue does not hold", def.name.value, require.name)
            };
            let diagnostic = Diagnostic::new(codes::CATALOG_DANGLING, message)
                .label(require.span, "nothing satisfies this");
            let known = self.apps.keys().chain(self.providers.keys()).map(String::as_str);
            return match nearest(&require.name, known) {
                Some(near) if !provided => diagnostic.help(format!("did you mean `{near}`?")),
                _ => diagnostic,
            };
        };
        let versions: Vec<_> = own.versions.iter().map(|version| version.version.value.to_string()).collect();
        Diagnostic::new(
            codes::CATALOG_DANGLING,
            format!(
                "`{}` requires `{} {}`, and there is no such version",
                def.name.value, require.name, require.requirement
            ),
        )
        .label(require.span, "nothing satisfies this")
        .note(format!("the catalogue has {} {}", require.name, versions.join(", ")))
    }
}

enum Entry {
    App(Box<AppDef>),
    Base(Box<BaseDef>),
}

/// Fewer files than this are not worth a thread of their own.
const WORTH_A_THREAD: usize = 64;

/// Reads files that know nothing of each other, on all processors where there are many; the answers are
/// in the order of the files.
fn read_files(files: &[SourceId], layer: usize, sources: &Sources) -> Vec<(Option<Entry>, Vec<Diagnostic>)> {
    let read = |file: &SourceId| {
        let mut mistakes = Vec::new();
        (read_file(*file, layer, sources, &mut mistakes), mistakes)
    };
    let worth = files.len() / WORTH_A_THREAD;
    if worth < 2 {
        return files.iter().map(read).collect();
    }
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = processors.min(worth);
    let (own, others) = files.split_at(files.len().div_ceil(threads));
    std::thread::scope(|scope| {
        let parts = others.chunks(own.len().max(1));
        let running: Vec<_> =
            parts.map(|part| scope.spawn(move || part.iter().map(read).collect::<Vec<_>>())).collect();
        let mut all: Vec<_> = own.iter().map(read).collect();
        for part in running {
            all.extend(part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        all
    })
}

fn read_file(
    file: SourceId,
    layer: usize,
    sources: &Sources,
    mistakes: &mut Vec<Diagnostic>,
) -> Option<Entry> {
    let conflicts = crate::diagnostic::merge_conflicts(file, &sources.get(file).text);
    if !conflicts.is_empty() {
        mistakes.extend(conflicts);
        return None;
    }
    let node = match yaml::parse(file, sources) {
        Ok(node) => node,
        Err(mistake) => {
            mistakes.push(mistake);
            return None;
        }
    };
    let digest = Digest::of(&sources.get(file).text);
    match schema(&node) {
        Ok("imgfile/app/v1") => Some(Entry::App(Box::new(app::read(node, layer, digest, mistakes)?))),
        Ok("imgfile/base/v1") => Some(Entry::Base(Box::new(base::read(node, layer, digest, mistakes)?))),
        Ok(other) => {
            let span = schema_span(&node);
            mistakes.push(
                Diagnostic::new(
                    codes::CATALOG_VALUE,
                    format!("`{other}` is not a schema this version knows"),
                )
                .label(span, "expected `imgfile/app/v1` or `imgfile/base/v1`"),
            );
            None
        }
        Err(()) => {
            mistakes.push(
                Diagnostic::new(codes::CATALOG_MISSING_KEY, "a catalogue file says what it is by `schema`")
                    .label(Span::new(file, 0, 0), "missing here")
                    .help("start it with `schema: imgfile/app/v1` or `schema: imgfile/base/v1`"),
            );
            None
        }
    }
}

fn schema<'a>(node: &'a Node<'_>) -> Result<&'a str, ()> {
    let Kind::Map(entries) = &node.kind else { return Err(()) };
    match entries.iter().find(|(key, _)| key.text == "schema") {
        Some((_, Node { kind: Kind::Scalar(scalar), .. })) => Ok(&scalar.text),
        _ => Err(()),
    }
}

fn schema_span(node: &Node<'_>) -> Span {
    let Kind::Map(entries) = &node.kind else { return node.span };
    entries.iter().find(|(key, _)| key.text == "schema").map_or(node.span, |(_, value)| value.span)
}

/// Circles among what applications require whatever their version.
fn cycles(apps: &BTreeMap<String, Arc<AppDef>>, mistakes: &mut Vec<Diagnostic>) {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        Open,
        Done,
    }
    let mut marks: BTreeMap<&str, Mark> = BTreeMap::new();
    for root in apps.keys() {
        // Depth first with a stack of its own: a chain may be as long as the catalogue.
        let mut path: Vec<(&str, usize)> = Vec::new();
        if !marks.contains_key(root.as_str()) {
            marks.insert(root, Mark::Open);
            path.push((root, 0));
        }
        while let Some((name, next)) = path.last_mut() {
            let name = *name;
            let Some(require) = apps[name].requires.get(*next) else {
                marks.insert(name, Mark::Done);
                path.pop();
                continue;
            };
            *next += 1;
            let Some((target, _)) = apps.get_key_value(&require.name) else { continue };
            match marks.get(target.as_str()) {
                None => {
                    marks.insert(target, Mark::Open);
                    path.push((target, 0));
                }
                Some(Mark::Open) => {
                    let start = path.iter().position(|(name, _)| *name == target.as_str()).unwrap_or(0);
                    mistakes.push(circle(apps, &path[start..]));
                }
                Some(Mark::Done) => {}
            }
        }
    }
}

fn circle(apps: &BTreeMap<String, Arc<AppDef>>, path: &[(&str, usize)]) -> Diagnostic {
    let names: Vec<_> = path.iter().map(|(name, _)| format!("`{name}`")).collect();
    let message = match names.as_slice() {
        [one] => format!("{one} requires itself"),
        _ => format!("{} require each other in a circle", names.join(", ")),
    };
    path.iter().fold(Diagnostic::new(codes::CATALOG_CYCLE, message), |diagnostic, (name, next)| {
        let require = &apps[*name].requires[next - 1];
        diagnostic.label(require.span, format!("`{name}` requires `{}`", require.name))
    })
}

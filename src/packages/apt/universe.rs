//! Every package that the archives offer, by number.
//!
//! Where several packages serve equally, apt's last resort is the order in which it met their
//! names: later ones win. Choosing what apt chooses therefore needs that order, and a
//! [`PkgId`] *is* it: a name gets its number when it is first mentioned, be it by its own stanza
//! or in a relation of another, the archives read one after the other.

use std::sync::Arc;

use thin_vec::ThinVec;

use super::super::version::compare;
use super::index::{file_name, in_folder, names, stanzas};
use super::names::Names;
pub(super) use super::names::PkgId;
use super::relation::{Kind, Op, groups};
use super::{Index, IndexSource, Origin, Selected, SignedRelease, Testimony, Version};
use crate::text::{Checksum, Digest};

/// A version of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct VerId(pub u32);

/// A `Priority` field; lower is more important, [`Priority::Unset`] before all, as in apt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Priority {
    Unset,
    Required,
    Important,
    Standard,
    Optional,
    Extra,
}

impl Priority {
    fn parse(text: &str) -> Self {
        match text {
            "" => Self::Unset,
            "required" => Self::Required,
            "important" => Self::Important,
            "standard" => Self::Standard,
            "optional" => Self::Optional,
            _ => Self::Extra,
        }
    }
}

/// How a package answers relations of other architectures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MultiArch {
    No,
    Same,
    Foreign,
    Allowed,
}

#[derive(Debug, Clone)]
pub(super) struct VersionData {
    pub pkg: PkgId,
    /// Pin priority of the best archive that has it; 100 for what is installed only.
    pub pin: u16,
    pub priority: Priority,
    pub multi_arch: MultiArch,
    text: Arc<String>,
    stanza: (u32, u32),
    version: (u32, u32),
    source: u16,
}

/// An entry in the list of who provides a name.
#[derive(Debug, Clone)]
pub(super) struct Provider {
    pub owner: VerId,
    pub version: Option<Box<str>>,
}

/// There are as many of these as names, and most are only mentioned: empty lists take one word.
#[derive(Debug, Clone, Default)]
pub(super) struct PackageData {
    /// Newest first.
    pub versions: ThinVec<VerId>,
    pub providers: ThinVec<Provider>,
    pub essential: bool,
    /// `Protected: yes`, or apt itself: never removed by a solve.
    pub important: bool,
}

/// One alternative of a dependency, resolved to numbers.
#[derive(Debug, Clone)]
pub(super) struct Relation {
    pub target: PkgId,
    pub op: Op,
    pub version: Box<str>,
}

/// One dependency: any of the alternatives will do (or, negative, must not be).
#[derive(Debug, Clone)]
pub(super) struct Dependency {
    pub kind: Kind,
    pub alternatives: Vec<Relation>,
}

/// All packages of a set of archives, for one architecture.
#[derive(Debug, Clone)]
pub struct Universe {
    arch: String,
    archives: Vec<(String, Option<Arc<SignedRelease>>)>,
    names: Names,
    pub(super) packages: Vec<PackageData>,
    pub(super) versions: Vec<VersionData>,
}

impl Universe {
    /// Takes in indexes in the order of the image's own sources; `arch` is Debian's name for the
    /// architecture.
    #[must_use]
    pub fn new(arch: &str, sources: &[IndexSource]) -> Self {
        let mut universe = Self {
            arch: arch.to_owned(),
            archives: Vec::new(),
            names: Names::default(),
            packages: Vec::new(),
            versions: Vec::new(),
        };
        for source in sources {
            let number = u16::try_from(universe.archives.len()).unwrap_or(u16::MAX);
            universe.archives.push((source.archive.clone(), source.release.clone()));
            universe.reserve(&source.index);
            for name in names(&source.index) {
                universe.intern(name);
            }
            for (start, end) in stanzas(&source.index) {
                universe.add(source.index.text(), start, end, number, source.priority);
            }
        }
        universe
    }

    /// Makes room for what an index brings, as doubling would leave tens of megabytes unused.
    fn reserve(&mut self, index: &Index) {
        let (names, bytes) =
            names(index).fold((0, 0), |(count, bytes), name| (count + 1, bytes + name.len()));
        // Some more come with `:any`, and with what a package provides.
        let names = names + names / 16;
        self.names.reserve(names, bytes + bytes / 16);
        self.packages.reserve_exact(names);
        self.versions.reserve_exact(stanzas(index).count());
    }

    /// Debian's name of the architecture.
    #[must_use]
    pub fn arch(&self) -> &str {
        &self.arch
    }

    /// Number of package versions.
    #[must_use]
    pub fn len(&self) -> usize {
        self.versions.len()
    }

    /// Whether there is no package version at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.versions.is_empty()
    }

    /// The names of real packages: what a misspelt name is compared with.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.packages
            .iter()
            .zip(self.names.iter())
            .filter(|(data, _)| !data.versions.is_empty())
            .map(|(_, name)| name)
    }

    /// All versions of a package, newest first.
    pub fn versions(&self, name: &str) -> impl Iterator<Item = Version> {
        let versions = self.id(name).map(|id| &*self.packages[id.0 as usize].versions).unwrap_or_default();
        versions.iter().map(|version| self.version(*version))
    }

    /// The exact package of a name and version, as the archive has it: with its digest.
    #[must_use]
    pub fn find(&self, name: &str, version: &Version) -> Option<Selected> {
        let id = self.id(name)?;
        let found = self.package(id).versions.iter().find(|found| self.version(**found) == *version)?;
        Some(self.selected(*found, false))
    }

    /// The package that took the place of one that is no more: the only one that the archives let break and
    /// replace, or conflict with, what was called so.
    #[must_use]
    pub fn took_the_place_of(&self, name: &str) -> Option<String> {
        let gone = self.id(name)?;
        if !self.package(gone).versions.is_empty() || !self.package(gone).providers.is_empty() {
            return None;
        }
        let mut found: Option<&str> = None;
        for (at, data) in self.packages.iter().enumerate() {
            let Some(newest) = data.versions.first() else { continue };
            let named = ['B', 'C'].into_iter().any(|key| {
                let field = self.field(*newest, key);
                field.contains(name) && groups(field).flatten().any(|one| one.name == name)
            });
            if named {
                let other = self.name(PkgId(u32::try_from(at).unwrap_or(u32::MAX)));
                // Several, such as the parts of a package that was split: none of them is it.
                if found.replace(other).is_some() {
                    return None;
                }
            }
        }
        found.map(str::to_owned)
    }

    /// What the indexes say of a package as a lock has it. Where it comes from does not matter: a package
    /// is what its digest says.
    #[must_use]
    pub fn testimony(&self, package: &Selected) -> Testimony {
        let versions = self.id(&package.name).map(|id| &*self.package(id).versions).unwrap_or_default();
        let same =
            |id: &&VerId| self.version(**id) == package.version && self.field(**id, 'A') == package.arch;
        let Some(id) = versions.iter().find(same) else { return Testimony::Unknown };
        let found = self.selected(*id, false).sha256;
        if found != package.sha256 {
            return Testimony::OtherDigest(found);
        }
        let source = self.archives.get(self.data(*id).source as usize);
        source.and_then(|(_, release)| release.clone()).map_or(Testimony::Unknown, Testimony::Signed)
    }

    /// The file that signs the index which has a package's name and version, whatever its digest.
    #[must_use]
    pub fn signed_by(&self, package: &Selected) -> Option<Arc<SignedRelease>> {
        let versions = &*self.package(self.id(&package.name)?).versions;
        let same =
            |id: &&VerId| self.version(**id) == package.version && self.field(**id, 'A') == package.arch;
        let id = versions.iter().find(same)?;
        self.archives.get(self.data(*id).source as usize)?.1.clone()
    }

    /// The SHA-512 digest of a package whose archive gives no SHA-256.
    #[must_use]
    pub fn sha512(&self, package: &Selected) -> Option<[u8; 64]> {
        let versions = &*self.package(self.id(&package.name)?).versions;
        let id = versions.iter().find(|id| self.version(**id) == package.version)?;
        match Checksum::parse(self.field(*id, 'h'))? {
            Checksum::Sha512(bytes) => Some(bytes),
            Checksum::Sha256(_) => None,
        }
    }

    pub(super) fn id(&self, name: &str) -> Option<PkgId> {
        let name = name.strip_suffix(":native").unwrap_or(name);
        let name = match name.strip_suffix(&*self.arch) {
            Some(bare) if bare.ends_with(':') => &bare[..bare.len() - 1],
            _ => name,
        };
        self.names.find(name)
    }

    pub(super) fn name(&self, id: PkgId) -> &str {
        self.names.get(id)
    }

    pub(super) fn package(&self, id: PkgId) -> &PackageData {
        &self.packages[id.0 as usize]
    }

    pub(super) fn data(&self, id: VerId) -> &VersionData {
        &self.versions[id.0 as usize]
    }

    pub(super) fn version_str(&self, id: VerId) -> &str {
        let data = self.data(id);
        &data.text[data.version.0 as usize..data.version.1 as usize]
    }

    pub(super) fn version(&self, id: VerId) -> Version {
        Version::trusted(self.version_str(id))
    }

    fn field(&self, id: VerId, key: char) -> &str {
        let data = self.data(id);
        let stanza = &data.text[data.stanza.0 as usize..data.stanza.1 as usize];
        stanza.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default()
    }

    /// Source package and its version.
    pub(super) fn source(&self, id: VerId) -> (&str, &str) {
        let source = self.field(id, 'S');
        let own = (self.name(self.data(id).pkg), self.version_str(id));
        if source.is_empty() {
            return own;
        }
        match source.split_once('(') {
            Some((name, version)) => (name.trim(), version.trim_end_matches(')').trim()),
            None => (source, own.1),
        }
    }

    pub(super) fn selected(&self, id: VerId, auto: bool) -> Selected {
        let number = |key| self.field(id, key).parse().unwrap_or(0);
        Selected {
            name: self.name(self.data(id).pkg).to_owned(),
            version: self.version(id),
            arch: self.field(id, 'A').to_owned(),
            // A stanza without a digest cannot be had: no content has this one.
            sha256: self.field(id, 'H').parse().unwrap_or(Digest::from_bytes([0; 32])),
            size: number('Z'),
            installed_size: number('I'),
            origin: Origin {
                archive: self
                    .archives
                    .get(self.data(id).source as usize)
                    .map(|(name, _)| name.clone())
                    .unwrap_or_default(),
                path: self.path(id),
            },
            stage: 0,
            auto,
        }
    }

    fn path(&self, id: VerId) -> String {
        let kept = self.field(id, 'F');
        if !in_folder(&kept) {
            return kept.to_owned();
        }
        let name = file_name(self.name(self.data(id).pkg), self.version_str(id), self.field(id, 'A'));
        format!("{kept}{name}")
    }

    /// The relations of a version, in the order in which apt works through them.
    pub(super) fn dependencies(&self, id: VerId) -> Vec<Dependency> {
        const KINDS: [(char, Kind); 5] = [
            ('d', Kind::PreDepends),
            ('D', Kind::Depends),
            ('C', Kind::Conflicts),
            ('B', Kind::Breaks),
            ('R', Kind::Recommends),
        ];
        let mut all = Vec::new();
        for (key, kind) in KINDS {
            for group in groups(self.field(id, key)) {
                let alternatives: Vec<_> = group
                    .filter_map(|alternative| {
                        let target = self.id(alternative.name)?;
                        Some(Relation { target, op: alternative.op, version: alternative.version.into() })
                    })
                    .collect();
                all.push(Dependency { kind, alternatives });
            }
        }
        all
    }

    pub(super) fn intern(&mut self, name: &str) -> PkgId {
        if let Some(id) = self.id(name) {
            return id;
        }
        self.packages.push(PackageData::default());
        self.names.push(name)
    }

    /// Adds the stanza of that range, unless its version is there already; gives its number.
    pub(super) fn add(
        &mut self,
        text: &Arc<String>,
        start: usize,
        end: usize,
        source: u16,
        pin: u16,
    ) -> Option<VerId> {
        let mut name = "";
        let mut version = "";
        let mut provides = "";
        let mut priority = Priority::Unset;
        let mut multi_arch = MultiArch::No;
        let (mut essential, mut important) = (false, false);
        for line in text[start..end].lines() {
            let (Some(key), Some(value)) = (line.chars().next(), line.get(1..)) else { continue };
            match key {
                'P' => name = value,
                'V' => version = value,
                'X' => provides = value,
                'A' if value != self.arch && value != "all" => return None,
                'p' => priority = Priority::parse(value),
                'E' => essential = value.eq_ignore_ascii_case("yes"),
                'Y' => important = value.eq_ignore_ascii_case("yes"),
                'M' => {
                    multi_arch = match value {
                        "same" => MultiArch::Same,
                        "foreign" => MultiArch::Foreign,
                        "allowed" => MultiArch::Allowed,
                        _ => MultiArch::No,
                    }
                }
                _ => {}
            }
        }
        let pkg = self.intern(name);
        let data = &self.packages[pkg.0 as usize];
        let mut place = data.versions.len();
        for (at, known) in data.versions.iter().enumerate() {
            match compare(version, self.version_str(*known)) {
                std::cmp::Ordering::Greater => {
                    place = at;
                    break;
                }
                std::cmp::Ordering::Equal => {
                    let known = *known;
                    let data = &mut self.versions[known.0 as usize];
                    data.pin = data.pin.max(pin);
                    self.flag(pkg, name, essential, important);
                    return Some(known);
                }
                std::cmp::Ordering::Less => {}
            }
        }
        let id = VerId(u32::try_from(self.versions.len()).unwrap_or(u32::MAX));
        let offset = version.as_ptr() as usize - text.as_ptr() as usize;
        let small = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        self.versions.push(VersionData {
            pkg,
            pin,
            priority,
            multi_arch,
            text: Arc::clone(text),
            stanza: (small(start), small(end)),
            version: (small(offset), small(offset + version.len())),
            source,
        });
        self.packages[pkg.0 as usize].versions.insert(place, id);
        self.flag(pkg, name, essential, important);
        self.provide(id, name, version, provides, multi_arch);
        Some(id)
    }

    fn flag(&mut self, pkg: PkgId, name: &str, essential: bool, important: bool) {
        let data = &mut self.packages[pkg.0 as usize];
        data.essential |= essential;
        data.important |= important || name == "apt";
    }

    fn provide(&mut self, id: VerId, name: &str, version: &str, provides: &str, multi_arch: MultiArch) {
        let allowed = multi_arch == MultiArch::Allowed;
        for alternative in groups(provides).flatten() {
            let as_version = match alternative.op {
                Op::Any => None,
                Op::Equal => Some(alternative.version),
                // A range is no version: dpkg ignores such a provide, and so does apt.
                _ => continue,
            };
            // A package that provides its own name in its own version says nothing new.
            if alternative.name == name && as_version.is_none_or(|own| own == version) {
                continue;
            }
            self.provider(alternative.name, id, as_version);
            if allowed && !alternative.name.contains(':') {
                self.provider(&format!("{}:any", alternative.name), id, as_version);
            }
        }
        if allowed {
            self.provider(&format!("{name}:any"), id, Some(version));
        }
    }

    fn provider(&mut self, name: &str, owner: VerId, version: Option<&str>) {
        let target = self.intern(name);
        let providers = &mut self.packages[target.0 as usize].providers;
        if providers.is_empty() {
            // Most names have one; a list that grows by itself begins with four.
            providers.reserve_exact(1);
        }
        providers.push(Provider { owner, version: version.map(Into::into) });
    }
}

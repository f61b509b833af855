//! Which project an open text belongs to, and the analysis of each project.
//!
//! A project is the folder of an ImageFile. A file that another ImageFile includes belongs to that
//! one's project, and a catalogue file to the project that reads it: both are looked for among the
//! ImageFiles in the folders above, within the client's workspace.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use super::documents::Documents;
use super::image_files::{image_files, is_image_file};
use super::uri;
use crate::check::{FileEntry, FileError, FileKind, Files};
use crate::ide::{Analysis, FrontCache, analyse, analyse_catalog};
use crate::store::ProjectFolder;
use crate::text::{Digest, SourceId};

/// Most ImageFiles that are tried when the owner of a file is looked for.
const MAX_CANDIDATES: usize = 32;
/// Most files and folders that are looked at for ImageFiles that may include one.
const MAX_ENTRIES: usize = 20_000;

/// Names a project: the path of its ImageFile or catalogue folder, or the URI of a text that is in no folder.
pub(super) type Key = String;

/// What the analysis of a project starts from, by its path in the project.
#[derive(Debug, Clone)]
enum Entry {
    ImageFile(String),
    Catalog(String),
}

/// A folder with an ImageFile, or a lone text.
#[derive(Debug)]
pub(super) struct Project {
    /// None: a text that was never saved has no folder around it.
    folder: Option<ProjectFolder>,
    entry: Entry,
    shelf: Option<FrontCache>,
    analysis: Option<Rc<Analysis>>,
}

/// A text's place on the disk and the project it belongs to.
#[derive(Debug)]
struct Member {
    /// Without links in its folder's path.
    path: Option<PathBuf>,
    project: Option<Key>,
}

/// All projects with an open text.
#[derive(Debug, Default)]
pub(super) struct Projects {
    /// The client's folders, without links: how far up owners are looked for.
    workspace: Vec<PathBuf>,
    members: BTreeMap<String, Member>,
    known: BTreeMap<Key, Project>,
    /// Those that were analysed and not reported on yet.
    unreported: BTreeSet<Key>,
}

/// The project's folder with the open texts over it.
pub(super) struct Overlay<'a> {
    folder: Option<&'a ProjectFolder>,
    open: BTreeMap<String, &'a str>,
}

impl Files for Overlay<'_> {
    fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, FileError> {
        match (self.open.get(path), self.folder) {
            (Some(text), _) if text.len() as u64 > limit => Err(FileError::TooLarge),
            (Some(text), _) => Ok(text.as_bytes().to_vec()),
            (None, Some(folder)) => folder.read(path, limit),
            (None, None) => Err(FileError::NotFound),
        }
    }

    fn digest(&self, path: &str, limit: u64) -> Result<(Digest, u64), FileError> {
        match (self.open.contains_key(path), self.folder) {
            (false, Some(folder)) => folder.digest(path, limit),
            _ => self.read(path, limit).map(|bytes| (Digest::of(&bytes), bytes.len() as u64)),
        }
    }

    fn kind(&self, path: &str) -> Result<FileKind, FileError> {
        match (self.folder, self.open.get(path)) {
            (Some(folder), None) => match folder.kind(path) {
                Err(FileError::NotFound) if !self.unsaved(path).is_empty() => Ok(FileKind::Folder),
                kind => kind,
            },
            (Some(folder), Some(text)) => {
                // The text is the editor's, whether it may be executed is the disk's.
                let executable = matches!(folder.kind(path), Ok(FileKind::File { executable: true, .. }));
                Ok(FileKind::File { size: text.len() as u64, executable })
            }
            (None, Some(text)) => Ok(FileKind::File { size: text.len() as u64, executable: false }),
            (None, None) if path.is_empty() => Ok(FileKind::Folder),
            (None, None) => Err(FileError::NotFound),
        }
    }

    fn list(&self, path: &str) -> Result<Vec<FileEntry>, FileError> {
        let Some(folder) = self.folder else { return Err(FileError::NotFound) };
        let unsaved = self.unsaved(path);
        match folder.list(path) {
            Ok(mut entries) => {
                let fresh = unsaved.into_iter();
                let fresh: Vec<FileEntry> = fresh
                    .filter(|(name, _)| entries.iter().all(|entry| entry.name != *name))
                    .map(|(name, kind)| FileEntry { name, kind })
                    .collect();
                entries.extend(fresh);
                Ok(entries)
            }
            Err(FileError::NotFound) if !unsaved.is_empty() => {
                Ok(unsaved.into_iter().map(|(name, kind)| FileEntry { name, kind }).collect())
            }
            failed => failed,
        }
    }
}

impl Overlay<'_> {
    /// What a folder has of texts that may not be on the disk yet, and the folders on the way to them.
    fn unsaved(&self, path: &str) -> BTreeMap<String, FileKind> {
        let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
        let below = self.open.iter().filter_map(|(name, text)| Some((name.strip_prefix(&prefix)?, text)));
        below
            .filter(|(name, _)| !name.starts_with("../"))
            .map(|(name, text)| match name.split_once('/') {
                Some((folder, _)) => (folder.to_owned(), FileKind::Folder),
                None => (name.to_owned(), FileKind::File { size: text.len() as u64, executable: false }),
            })
            .collect()
    }
}

impl Projects {
    pub fn set_workspace(&mut self, folders: impl Iterator<Item = PathBuf>) {
        self.workspace = folders.filter_map(|folder| folder.canonicalize().ok()).collect();
    }

    /// The client's folders, without links.
    pub fn workspace(&self) -> &[PathBuf] {
        &self.workspace
    }

    /// Whether an open text is an ImageFile, or may become one.
    pub fn is_image_file(&self, uri: &str) -> bool {
        self.members.get(uri).is_some_and(|member| member.path.as_deref().is_none_or(is_image_file))
    }

    /// Finds the project of a text that was opened.
    pub fn opened(&mut self, uri: &str, documents: &Documents) {
        let path = uri::to_path(uri).and_then(|path| without_links(&path));
        self.members.insert(uri.to_owned(), Member { path, project: None });
        self.touch(uri);
        self.assign(uri, documents);
    }

    pub fn closed(&mut self, uri: &str) {
        self.touch(uri);
        self.members.remove(uri);
        self.drop_unused();
    }

    /// A text changed: every project that may read it is to be analysed again.
    pub fn touch(&mut self, uri: &str) {
        let path = self.members.get(uri).and_then(|member| member.path.as_deref());
        for (key, project) in &mut self.known {
            let reads = match (&project.folder, path) {
                (Some(folder), Some(path)) => path.starts_with(folder.root()) || reads(project, path),
                _ => key == uri,
            };
            if reads {
                project.analysis = None;
                if path.is_some_and(is_yaml) {
                    project.shelf = None;
                }
            }
        }
    }

    /// Something changed on the disk, or may have.
    pub fn touch_all(&mut self, documents: &Documents) {
        for project in self.known.values_mut() {
            project.analysis = None;
            project.shelf = None;
        }
        let uris: Vec<String> = self.members.keys().cloned().collect();
        for uri in uris {
            self.assign(&uri, documents);
        }
        self.drop_unused();
    }

    /// Analyses what was touched; returns the projects that were.
    pub fn refresh(&mut self, documents: &Documents) -> Vec<Key> {
        // A file may turn out to belong elsewhere once its project is known; that settles at once.
        for _ in 0..3 {
            let stale: Vec<Key> = self
                .known
                .iter()
                .filter(|(_, project)| project.analysis.is_none())
                .map(|(key, _)| key.clone())
                .collect();
            if stale.is_empty() {
                break;
            }
            for key in stale {
                self.analyse(&key, documents);
            }
            self.reassign(documents);
        }
        std::mem::take(&mut self.unreported).into_iter().collect()
    }

    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.known.keys()
    }

    pub fn get(&self, key: &str) -> Option<(&Project, Rc<Analysis>)> {
        let project = self.known.get(key)?;
        Some((project, project.analysis.clone()?))
    }

    /// The analysis that an open text is part of, and the text's source in it.
    pub fn of(&self, uri: &str) -> Option<(&Project, Rc<Analysis>, SourceId)> {
        let member = self.members.get(uri)?;
        let (project, analysis) = self.get(member.project.as_ref()?)?;
        let source = match (&project.folder, &member.path) {
            (Some(folder), Some(path)) => analysis.source(&relative(folder.root(), path)?),
            _ => analysis.source("ImageFile"),
        }?;
        Some((project, analysis, source))
    }

    /// The files of a project as the analysis sees them.
    pub fn overlay<'a>(&'a self, project: &'a Project, documents: &'a Documents) -> Overlay<'a> {
        let mut open = BTreeMap::new();
        if let Some(folder) = &project.folder {
            for (uri, member) in &self.members {
                let path = member.path.as_deref().and_then(|path| relative(folder.root(), path));
                if let Some((path, document)) = path.zip(documents.get(uri)) {
                    open.insert(path, document.text.as_str());
                }
            }
        } else {
            let own = self.known.iter().find(|(_, other)| std::ptr::eq(*other, project));
            if let Some(document) = own.and_then(|(key, _)| documents.get(key)) {
                open.insert("ImageFile".to_owned(), document.text.as_str());
            }
        }
        Overlay { folder: project.folder.as_ref(), open }
    }

    /// The URI of a source: the client's own if it has the text open; none if no file holds it.
    pub fn uri(&self, key: &str, project: &Project, analysis: &Analysis, source: SourceId) -> Option<String> {
        if analysis.is_builtin(source) {
            return None;
        }
        let Some(folder) = &project.folder else { return Some(key.to_owned()) };
        let path = folder.root().join(&analysis.sources.get(source).name);
        Some(self.uri_of_path(&uri::lexical(&path)))
    }

    pub fn uri_of_path(&self, path: &Path) -> String {
        let open = self.members.iter().find(|(_, member)| member.path.as_deref() == Some(path));
        open.map_or_else(|| uri::from_path(path), |(uri, _)| uri.clone())
    }

    fn analyse(&mut self, key: &str, documents: &Documents) {
        let Some(project) = self.known.get_mut(key) else { return };
        let mut kept = project.shelf.take();
        let Some(project) = self.known.get(key) else { return };
        let files = self.overlay(project, documents);
        let analysis = match &project.entry {
            Entry::ImageFile(entry) => analyse(entry, &files, &mut kept),
            Entry::Catalog(folder) => analyse_catalog(folder, &files),
        };
        if let Some(project) = self.known.get_mut(key) {
            project.shelf = kept;
            project.analysis = Some(Rc::new(analysis));
            self.unreported.insert(key.to_owned());
        }
    }

    /// Finds the project of a member, making it known if it is new.
    fn assign(&mut self, uri: &str, documents: &Documents) {
        let Some(member) = self.members.get(uri) else { return };
        let Some(text) = documents.get(uri).map(|document| &document.text) else { return };
        let key = match member.path.clone() {
            Some(path) if is_yaml(&path) => self.catalogue_owner(&path, text, documents),
            Some(path) if is_image_file(&path) => self.owner(&path, documents),
            Some(_) => None,
            None => {
                let entry = Entry::ImageFile("ImageFile".to_owned());
                self.add(uri.to_owned(), None, entry);
                Some(uri.to_owned())
            }
        };
        if let Some(member) = self.members.get_mut(uri) {
            member.project = key;
        }
    }

    /// After an analysis: files that it reads, or reads no longer, may have another owner now.
    fn reassign(&mut self, documents: &Documents) {
        let mut moved = Vec::new();
        for (uri, member) in &self.members {
            let (Some(path), Some(own)) = (&member.path, &member.project) else { continue };
            if !is_image_file(path) {
                continue;
            }
            let by_other = self
                .known
                .iter()
                .any(|(key, project)| *key != path.to_string_lossy() && key != own && reads(project, path));
            let lost = *own != path.to_string_lossy()
                && self.known.get(own).is_some_and(|project| !reads(project, path));
            let alone = *own == path.to_string_lossy();
            if lost || by_other && alone {
                moved.push(uri.clone());
            }
        }
        for uri in moved {
            self.assign(&uri, documents);
        }
        self.drop_unused();
    }

    /// The project that includes the ImageFile at `path`, else its own.
    fn owner(&mut self, path: &Path, documents: &Documents) -> Option<Key> {
        let known =
            self.known.iter().find(|(key, project)| **key != path.to_string_lossy() && reads(project, path));
        if let Some((key, _)) = known {
            return Some(key.clone());
        }
        if path.file_name().is_some_and(|name| name != "ImageFile") {
            for candidate in self.candidates(path).into_iter().chain(includers_below(path)) {
                if let Some(key) = self.try_candidate(&candidate, path, documents) {
                    return Some(key);
                }
            }
        }
        self.open_image_file(path)
    }

    fn catalogue_owner(&mut self, path: &Path, text: &str, documents: &Documents) -> Option<Key> {
        let folder = path.parent()?;
        let sorted = folder.file_name().is_some_and(|name| name == "apps" || name == "bases");
        let catalogue = if sorted { folder.parent()? } else { folder };
        let ours = catalogue.file_name().is_some_and(|name| name == "catalog")
            || text.lines().take(50).any(|line| line.starts_with("schema:") && line.contains("imgfile/"));
        if !ours {
            return None;
        }
        for candidate in self.candidates(path) {
            if let Some(key) = self.try_candidate(&candidate, path, documents) {
                return Some(key);
            }
        }
        let root = ProjectFolder::open(catalogue.parent()?).ok()?;
        let key = catalogue.to_string_lossy().into_owned();
        let entry = Entry::Catalog(catalogue.file_name()?.to_str()?.to_owned());
        self.add(key.clone(), Some(root), entry);
        Some(key)
    }

    /// The project of another ImageFile, if it reads `path`.
    fn try_candidate(&mut self, candidate: &Path, path: &Path, documents: &Documents) -> Option<Key> {
        let known = self.known.contains_key(&*candidate.to_string_lossy());
        let key = self.open_image_file(candidate)?;
        if self.known.get(&key)?.analysis.is_none() {
            self.analyse(&key, documents);
        }
        if self.known.get(&key).is_some_and(|project| reads(project, path)) {
            return Some(key);
        }
        if !known {
            self.known.remove(&key);
        }
        None
    }

    /// The projects of all ImageFiles in the client's folders that read a file, but for one project.
    pub fn readers(&self, path: &Path, but: &Project, documents: &Documents) -> Vec<(Project, Rc<Analysis>)> {
        let top = self.workspace.iter().find(|top| path.starts_with(top)).map(PathBuf::as_path);
        let Some(top) = top.or_else(|| path.parent()) else { return Vec::new() };
        let mut left = MAX_ENTRIES;
        let own = but.image_file();
        let files = image_files(top, &mut left);
        let others = files.into_iter().filter(|file| file != path && Some(file) != own.as_ref());
        let project = |file: PathBuf| {
            let folder = ProjectFolder::open(file.parent()?).ok()?;
            let name = file.file_name()?.to_str()?.to_owned();
            let mut project = Project {
                folder: Some(folder),
                entry: Entry::ImageFile(name.clone()),
                shelf: None,
                analysis: None,
            };
            let files = self.overlay(&project, documents);
            let text = files.read(&name, crate::check::FILE_LIMIT).ok()?;
            if !String::from_utf8_lossy(&text).contains("include") {
                return None;
            }
            let analysis = Rc::new(analyse(&name, &files, &mut None));
            project.analysis = Some(Rc::clone(&analysis));
            reads(&project, path).then_some((project, analysis))
        };
        others.filter_map(project).take(MAX_CANDIDATES).collect()
    }

    fn open_image_file(&mut self, path: &Path) -> Option<Key> {
        let key = path.to_str()?.to_owned();
        if !self.known.contains_key(&key) {
            let folder = ProjectFolder::open(path.parent()?).ok()?;
            let entry = Entry::ImageFile(path.file_name()?.to_str()?.to_owned());
            self.add(key.clone(), Some(folder), entry);
        }
        Some(key)
    }

    fn add(&mut self, key: Key, folder: Option<ProjectFolder>, entry: Entry) {
        self.known.entry(key).or_insert(Project { folder, entry, shelf: None, analysis: None });
    }

    /// The ImageFiles in the folders above a file, nearest first, without the file itself.
    fn candidates(&self, path: &Path) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let top = self.workspace.iter().find(|folder| path.starts_with(folder));
        for folder in path.ancestors().skip(1) {
            let Ok(entries) = std::fs::read_dir(folder) else { break };
            let mut here: Vec<PathBuf> = entries
                .filter_map(Result::ok)
                .map(|entry| entry.path())
                .filter(|file| file != path && is_image_file(file) && file.is_file())
                .collect();
            here.sort();
            found.extend(here);
            // Without a workspace only the file's own folder is the user's business here.
            if found.len() >= MAX_CANDIDATES || top.is_none_or(|top| top == folder) {
                break;
            }
        }
        found.truncate(MAX_CANDIDATES);
        found
    }

    fn drop_unused(&mut self) {
        let used: BTreeSet<&Key> =
            self.members.values().filter_map(|member| member.project.as_ref()).collect();
        self.known.retain(|key, _| used.contains(key));
    }
}

impl Project {
    /// Where its ImageFile is.
    fn image_file(&self) -> Option<PathBuf> {
        match &self.entry {
            Entry::ImageFile(name) => Some(self.folder.as_ref()?.root().join(name)),
            Entry::Catalog(_) => None,
        }
    }

    /// Its source for the file at a path, if it reads that.
    pub fn source_of(&self, analysis: &Analysis, path: &Path) -> Option<SourceId> {
        analysis.source(&relative(self.folder.as_ref()?.root(), path)?)
    }

    pub const fn folder(&self) -> Option<&ProjectFolder> {
        self.folder.as_ref()
    }

    /// The source that messages without a place are shown in.
    pub fn main_source(&self, analysis: &Analysis) -> Option<SourceId> {
        match &self.entry {
            Entry::ImageFile(entry) => analysis.source(entry),
            Entry::Catalog(_) => None,
        }
    }
}

/// Whether a project's last analysis read the file as one of its ImageFiles or catalogue files.
fn reads(project: &Project, path: &Path) -> bool {
    let Some((analysis, folder)) = project.analysis.as_ref().zip(project.folder.as_ref()) else {
        return false;
    };
    let Some(relative) = relative(folder.root(), path) else { return false };
    let Some(source) = analysis.source(&relative) else { return false };
    is_yaml(path) || analysis.unit(source).is_some()
}

/// A path as a project's files name it: from the project's folder, with `..` for what lies beside it.
fn relative(folder: &Path, path: &Path) -> Option<String> {
    let above = folder.ancestors().position(|above| path.starts_with(above))?;
    let rest = path.strip_prefix(folder.ancestors().nth(above)?).ok()?.to_str()?;
    Some("../".repeat(above) + rest)
}

/// A file's path without links in that of its folder, as far as the folders are there.
fn without_links(path: &Path) -> Option<PathBuf> {
    if let Ok(real) = path.parent()?.canonicalize() {
        return Some(real.join(path.file_name()?));
    }
    if path.components().any(|part| matches!(part, Component::ParentDir)) {
        return None;
    }
    let mut missing: Vec<OsString> = vec![path.file_name()?.to_owned()];
    for folder in path.ancestors().skip(1) {
        if let Ok(real) = folder.canonicalize() {
            return Some(missing.iter().rev().fold(real, |at, part| at.join(part)));
        }
        missing.push(folder.file_name()?.to_owned());
    }
    None
}

/// ImageFiles in the folders below that of a file which may include it by a path that leads up.
fn includers_below(path: &Path) -> Vec<PathBuf> {
    let mut left = MAX_ENTRIES;
    let Some((folder, name)) = path.parent().zip(path.file_name().and_then(|name| name.to_str())) else {
        return Vec::new();
    };
    let files = image_files(folder, &mut left).into_iter();
    let below = files.filter(|file| file.parent() != Some(folder));
    let includes = |file: &PathBuf| {
        std::fs::read_to_string(file).is_ok_and(|text| text.contains("include") && text.contains(name))
    };
    below.filter(includes).take(MAX_CANDIDATES).collect()
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
}

//! Which project an open text belongs to, and the analysis of each project.
//!
//! A project is the folder of an ImageFile. A file that another ImageFile includes belongs to that
//! one's project, and a catalogue file to the project that reads it: both are looked for among the
//! ImageFiles in the folders above, within the client's workspace.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::documents::Documents;
use super::uri;
use crate::check::{FileEntry, FileError, FileKind, Files};
use crate::ide::{Analysis, FrontCache, analyse, analyse_catalog};
use crate::store::ProjectFolder;
use crate::text::{Digest, SourceId};

/// Most ImageFiles that are tried when the owner of a file is looked for.
const MAX_CANDIDATES: usize = 32;

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
            (Some(folder), None) => folder.kind(path),
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
        self.folder.map_or(Err(FileError::NotFound), |folder| folder.list(path))
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
        let path = uri::to_path(uri)
            .and_then(|path| Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?)));
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
                (Some(folder), Some(path)) => path.starts_with(folder.root()),
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
        let mut done = Vec::new();
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
                if !done.contains(&key) {
                    done.push(key);
                }
            }
            self.reassign(documents);
        }
        done
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
            (Some(folder), Some(path)) => analysis.source(path.strip_prefix(folder.root()).ok()?.to_str()?),
            _ => analysis.source("ImageFile"),
        }?;
        Some((project, analysis, source))
    }

    /// The files of a project as the analysis sees them.
    pub fn overlay<'a>(&'a self, project: &'a Project, documents: &'a Documents) -> Overlay<'a> {
        let mut open = BTreeMap::new();
        if let Some(folder) = &project.folder {
            for (uri, member) in &self.members {
                let path = member.path.as_deref().and_then(|path| path.strip_prefix(folder.root()).ok());
                if let Some((path, document)) = path.and_then(Path::to_str).zip(documents.get(uri)) {
                    open.insert(path.to_owned(), document.text.as_str());
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
        Some(self.uri_of_path(&path))
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
            for candidate in self.candidates(path) {
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
            // Reported on with the next refresh.
            self.known.get_mut(&key)?.analysis = None;
            return Some(key);
        }
        if !known {
            self.known.remove(&key);
        }
        None
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
    let Some(relative) = path.strip_prefix(folder.root()).ok().and_then(Path::to_str) else { return false };
    let Some(source) = analysis.source(relative) else { return false };
    is_yaml(path) || analysis.unit(source).is_some()
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
}

pub(super) fn is_image_file(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "ImageFile")
        || path.extension().is_some_and(|extension| extension == "imagefile")
}

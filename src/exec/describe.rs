//! The files that describe an image, beside its artifacts: made of what the build knows and the finished disk says,
//! and made again, without any machine, where the artifacts are there already.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Artifact, BuildError, Options, output, staged::StagedArtifacts};
use crate::{
    advisory::{Advisories, AdvisoryError, Component, Finding, Severity, Status, System, vex},
    describe::{
        Document, DocumentKind, Envelope, Inventory, Manifest, ManifestArtifact, PackageKind, Request,
        SbomFormat, SigningKey, Subject, file_name, pretty, statement, stem,
    },
    diagnostic::{Diagnostic, codes},
    plan::ImagePlan,
    store::{Folder, Store, WorkFolder},
    text::Digest,
};

/// Changes with the meaning of [`Description`].
const KIND: &str = "description-v1";
/// Bytes of a file that describes an image; none of ours comes near it.
const LIMIT: u64 = 256 << 20;

/// What is written beside artifacts, and what is said there of how they were asked for.
#[derive(Debug, Clone, Default)]
pub struct DescribeOptions {
    /// Bills of materials to write; the manifest is always written.
    pub sbom: Vec<SbomFormat>,
    /// Whether the statement is written where nothing signs it.
    pub provenance: bool,
    /// Signs the statement, which is then written in an envelope.
    pub key: Option<Arc<SigningKey>>,
    /// SHA-256 of the lock file.
    pub lock: Option<Digest>,
    /// Name of the ImageFile, without its folder.
    pub image_file: Option<String>,
    /// Values that were given to its `param`s.
    pub parameters: BTreeMap<String, String>,
    /// What all times are to be, in seconds since 1970 (`SOURCE_DATE_EPOCH`).
    pub time: Option<u64>,
    /// Advisories that the image is held against; what they mean for it is written too.
    pub advisories: Option<AdvisoryGate>,
}

/// Advisories, and which of them an image may not have.
#[derive(Clone)]
pub struct AdvisoryGate {
    /// A published file, as it is.
    pub text: Arc<Vec<u8>>,
    /// Those as bad as this, or worse.
    pub deny: Option<Severity>,
}

impl std::fmt::Debug for AdvisoryGate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AdvisoryGate").field("deny", &self.deny).finish_non_exhaustive()
    }
}

impl AdvisoryGate {
    /// What the advisories mean for what an image consists of.
    ///
    /// # Errors
    /// If it has advisories that it may not have.
    fn findings(&self, image: &ImagePlan, inventory: &Inventory) -> Result<Vec<Finding>, BuildError> {
        let unreadable = |error| {
            let message = format!("no advisories can be read: {error}");
            BuildError::Diagnosed(vec![Diagnostic::new(codes::ADVISORIES_UNREADABLE, message)])
        };
        let findings =
            held_against(&self.text, inventory, (&image.os.distro, &image.os.version)).map_err(unreadable)?;
        match self.deny {
            Some(deny) => denied(&image.image, deny, &findings).map_or(Ok(findings), Err),
            None => Ok(findings),
        }
    }
}

/// What a published file of advisories says of what a system consists of. Where os-release does not say which system that
/// is, it is `otherwise`: a distribution and its version.
///
/// # Errors
/// If the file has none of the known formats.
pub fn held_against(
    text: &[u8],
    inventory: &Inventory,
    otherwise: (&str, &str),
) -> Result<Vec<Finding>, AdvisoryError> {
    let os = |key: &str| inventory.os_release.get(key).map(String::as_str);
    let system = System {
        os: os("ID").unwrap_or(otherwise.0),
        version: os("VERSION_ID").unwrap_or(otherwise.1),
        codename: os("VERSION_CODENAME"),
    };
    let advisories = Advisories::read(text, system)?;
    // How apk orders versions is not known here.
    let of_dpkg = inventory.packages.iter().filter(|package| package.kind == PackageKind::Deb);
    let components: Vec<Component> = of_dpkg
        .map(|package| Component {
            name: package.name.clone(),
            version: package.version.clone(),
            purl: Some(package.purl.clone()),
            source: package.source.name.clone(),
            source_version: package.source.version.clone(),
            is_assumed: false,
        })
        .collect();
    Ok(advisories.findings(&components))
}

/// Why an image with these findings may not appear; none if nothing is as bad as that.
#[must_use]
pub fn denied(image: &str, deny: Severity, findings: &[Finding]) -> Option<BuildError> {
    let bad: Vec<&Finding> =
        findings.iter().filter(|one| one.status == Status::Affected && one.severity >= deny).collect();
    if bad.is_empty() {
        return None;
    }
    let count = bad.len();
    let advisories = if count == 1 { "advisory" } else { "advisories" };
    let message = format!("the image `{image}` has {count} {advisories} of severity {deny} or worse");
    let mut diagnostic = Diagnostic::new(codes::ADVISORY_DENIED, message);
    for one in bad.iter().take(DENIED_SHOWN) {
        let packages: Vec<String> = one
            .packages
            .iter()
            .take(4)
            .map(|package| format!("{} {}", package.name, package.version))
            .collect();
        let fixed = match &one.fixed {
            Some(fixed) => format!("fixed in {fixed}"),
            None => "not fixed yet".to_owned(),
        };
        diagnostic =
            diagnostic.note(format!("{} ({}): {}, {fixed}", one.id, one.severity, packages.join(", ")));
    }
    if count > DENIED_SHOWN {
        diagnostic = diagnostic.note(format!("and {} more", count - DENIED_SHOWN));
    }
    let help = "`imgfile lock --update` takes fixed versions where the archives have them";
    Some(BuildError::Diagnosed(vec![diagnostic.help(help)]))
}

/// Advisories that a message names.
const DENIED_SHOWN: usize = 20;

/// What the store remembers of an artifact, by its digest, so that a bill of materials can be had later.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Description {
    /// Without documents.
    pub manifest: Manifest,
    /// What the manifest was made from.
    pub inventory: Inventory,
}

impl Description {
    /// That of the artifact with this digest, if this store built it.
    #[must_use]
    pub fn of(store: &Store, artifact: &Digest) -> Option<Self> {
        store.facts().get(KIND, artifact)
    }
}

/// One file to write.
#[derive(Debug)]
pub(super) struct DescribingFile {
    pub name: String,
    pub kind: DocumentKind,
    pub text: String,
}

/// What is known of an image's finished disk when its artifacts are described.
#[derive(Debug, Clone, Copy)]
pub(super) struct Described<'a> {
    pub inventory: &'a Inventory,
    /// None where no advisories were given.
    pub advisories: Option<&'a [Finding]>,
}

/// What the advisories mean for what an image consists of; nothing where none were given.
///
/// # Errors
/// If it has advisories that it may not have.
pub(super) fn advisories(
    image: &ImagePlan,
    inventory: &Inventory,
    options: &Options,
) -> Result<Option<Vec<Finding>>, BuildError> {
    let gate = options.describe.as_deref().and_then(|describe| describe.advisories.as_ref());
    gate.map(|gate| gate.findings(image, inventory)).transpose()
}

/// All files that describe the artifacts of an image.
pub(super) fn files(
    store: &Store,
    image: &ImagePlan,
    Described { inventory, advisories }: Described<'_>,
    artifacts: &[Artifact],
    options: &Options,
) -> Result<Vec<DescribingFile>, BuildError> {
    let tested = options.tests.are_run_on(image);
    let Some(options) = options.describe.as_deref() else { return Ok(Vec::new()) };
    let mut groups: BTreeMap<&str, Vec<ManifestArtifact>> = BTreeMap::new();
    let named: Vec<_> =
        artifacts.iter().filter_map(|one| Some((one, one.path.file_name()?.to_str()?))).collect();
    for (artifact, file) in &named {
        let Some(output) = image.outputs.iter().find(|output| output.file == *file) else { continue };
        let (format, sha256, size) = (output.format, artifact.sha256, artifact.size);
        let one = ManifestArtifact { file: (*file).to_owned(), format, sha256, size };
        groups.entry(stem(file)).or_default().push(one);
    }
    let subject = Subject { plan: image, inventory, tested, lock: options.lock, time: options.time };
    let mut files = Vec::new();
    for (stem, artifacts) in groups {
        let mut manifest = Manifest::of(subject, artifacts);
        let description = Description { manifest: manifest.clone(), inventory: inventory.clone() };
        for artifact in &manifest.artifacts {
            store.facts().put(KIND, &artifact.sha256, &description)?;
        }
        for format in &options.sbom {
            let (kind, text) = (format.kind(), format.document(&manifest, inventory));
            let name = file_name(stem, kind);
            manifest.documents.push(Document { file: name.clone(), kind, sha256: Digest::of(&text) });
            files.push(DescribingFile { name, kind, text });
        }
        if let Some(findings) = advisories {
            let products: Vec<(&str, Digest)> =
                manifest.artifacts.iter().map(|one| (one.file.as_str(), one.sha256)).collect();
            let kind = DocumentKind::Vex;
            let (name, text) = (file_name(stem, kind), pretty(&vex(&products, &manifest.created, findings)));
            manifest.documents.push(Document { file: name.clone(), kind, sha256: Digest::of(&text) });
            files.push(DescribingFile { name, kind, text });
        }
        let text = pretty(&manifest);
        let name = file_name(stem, DocumentKind::Manifest);
        if options.provenance || options.key.is_some() {
            let request = Request {
                plan: image,
                inventory,
                image_file: options.image_file.as_deref(),
                parameters: &options.parameters,
            };
            let statement = pretty(&statement(&manifest, (&name, Digest::of(&text)), request));
            if let Some(key) = &options.key {
                let envelope = Envelope::sign(&statement, key).ok_or_else(|| BuildError::HostTool {
                    program: "sign",
                    detail: "this system has no random numbers".to_owned(),
                })?;
                let kind = DocumentKind::Envelope;
                files.push(DescribingFile { name: file_name(stem, kind), kind, text: envelope.line() });
            }
            if options.provenance {
                let kind = DocumentKind::Provenance;
                files.push(DescribingFile { name: file_name(stem, kind), kind, text: statement });
            }
        }
        files.push(DescribingFile { name, kind: DocumentKind::Manifest, text });
    }
    Ok(files)
}

/// The names that files which describe an image may have, whichever are written: those that an earlier build left
/// there are in the way if imgfile did not make them.
pub(super) fn names(image: &ImagePlan, options: &Options) -> Vec<String> {
    let Some(options) = options.describe.as_deref() else { return Vec::new() };
    let mut kinds = vec![DocumentKind::Manifest];
    kinds.extend(options.sbom.iter().map(|format| format.kind()));
    kinds.extend(options.advisories.as_ref().map(|_| DocumentKind::Vex));
    kinds.extend(options.provenance.then_some(DocumentKind::Provenance));
    kinds.extend(options.key.as_ref().map(|_| DocumentKind::Envelope));
    let mut stems: Vec<&str> = image.outputs.iter().map(|output| stem(&output.file)).collect();
    stems.sort_unstable();
    stems.dedup();
    stems.iter().flat_map(|stem| kinds.iter().map(|kind| file_name(stem, *kind))).collect()
}

/// Writes files into the working folder, under the names that they are going to have.
pub(super) fn write(work: &WorkFolder, files: &[DescribingFile]) -> Result<Vec<PathBuf>, BuildError> {
    files
        .iter()
        .map(|file| {
            let path = work.path().join(&file.name);
            match std::fs::write(&path, &file.text) {
                Ok(()) => Ok(path),
                Err(source) => Err(BuildError::Io { action: "write", path, source }),
            }
        })
        .collect()
}

/// Brings those that differ from what is in the output folder there; the artifacts are there already.
pub(super) fn renew(
    store: &Store,
    files: Vec<DescribingFile>,
    options: &Options,
    begin: impl FnOnce() -> Result<WorkFolder, BuildError>,
) -> Result<(), BuildError> {
    let key = options.describe.as_deref().and_then(|describe| describe.key.as_deref());
    let different: Vec<DescribingFile> =
        files.into_iter().filter(|file| !is_there(&options.out, file, key)).collect();
    if different.is_empty() {
        return Ok(());
    }
    output::check(store, options, different.iter().map(|file| file.name.as_str()))?;
    output::writable(&options.out, different.iter().map(|file| file.name.as_str()))?;
    let work = begin()?;
    let staged = write(&work, &different)?;
    StagedArtifacts::stage(store, &work, &staged, options)?.put_in_place()
}

/// Whether a file is in the output folder as it would be written. Two signatures by one ECDSA key over one text differ:
/// one that holds is as good as another.
fn is_there(out: &Path, file: &DescribingFile, key: Option<&SigningKey>) -> bool {
    let there = Folder::open(out).and_then(|folder| folder.read(Path::new(&file.name), LIMIT));
    let Ok(there) = there else { return false };
    if there == file.text.as_bytes() {
        return true;
    }
    let (DocumentKind::Envelope, Some(key)) = (file.kind, key) else { return false };
    let read = |text: &str| Envelope::read(text).ok();
    let found = std::str::from_utf8(&there).ok().and_then(read);
    let (Some(found), Some(wanted)) = (found, read(&file.text)) else { return false };
    found.payload == wanted.payload && found.is_signed_by(key.public())
}

/// Removes what an earlier build left beside the artifacts and this one does not write: it describes another disk.
pub(super) fn remove_stale(store: &Store, image: &ImagePlan, options: &Options) -> Vec<String> {
    if options.describe.is_none() {
        return Vec::new();
    }
    let written = names(image, options);
    let stems = image.outputs.iter().map(|output| stem(&output.file));
    stems.flat_map(|stem| remove_documents(store, &options.out, stem, &written)).collect()
}

/// Removes the files that describe the artifacts with this stem in a folder, but for those named in `keep`; answers the
/// names. Only what imgfile made goes.
pub fn remove_documents(store: &Store, folder: &Path, stem: &str, keep: &[String]) -> Vec<String> {
    let Ok(opened) = Folder::open(folder) else { return Vec::new() };
    let mut names = DocumentKind::ALL.map(|kind| file_name(stem, kind)).to_vec();
    names.retain(|name| {
        !keep.contains(name)
            && opened.regular(Path::new(name)).is_ok()
            && store.digest_file(&folder.join(name)).is_ok_and(|digest| output::made(store, &digest))
            && opened.remove(name).is_ok()
    });
    names
}

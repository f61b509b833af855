//! An ImageFile on its way to a plan, without store, network or machine.

use std::fs;
use std::path::{Path, PathBuf};

use imgfile::{
    catalog,
    check::check,
    diagnostic::Diagnostic,
    model::Firmware,
    packages::{Manager, Origin, Selected, Solution},
    plan::{self, BasePlan, BaseSource, ImagePlan},
    report,
    resolve::{Preferences, resolve_project},
    store::ProjectFolder,
    text::{Digest, Sources},
};

/// All that the plan of one image is made from.
pub struct World {
    pub text: String,
    /// `--set`.
    pub set: Vec<(String, String)>,
    folder: tempfile::TempDir,
    /// The base's digest.
    pub base: Digest,
    /// Names of the packages that were chosen.
    pub packages: Vec<&'static str>,
    /// Bytes that they take.
    pub packages_grow: u64,
    /// Which image of the file.
    pub image: usize,
    /// Bytes that the images below it put on the base.
    pub base_grown: u64,
    pub marks: &'static str,
    pub agent: &'static str,
}

impl World {
    pub fn new(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            set: Vec::new(),
            folder: tempfile::tempdir().unwrap(),
            base: Digest::of("base"),
            packages: Vec::new(),
            packages_grow: 0,
            image: 0,
            base_grown: 0,
            marks: "",
            agent: "1",
        }
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap_or(Path::new(""))).unwrap();
        fs::write(path, content).unwrap();
    }

    pub fn link(&self, path: &str, target: &str) {
        let _ = fs::remove_file(self.path(path));
        std::os::unix::fs::symlink(target, self.path(path)).unwrap();
    }

    /// Plans; what is wrong comes back as a person would see it.
    pub fn plan(&self) -> Result<ImagePlan, String> {
        self.write("ImageFile", &self.text);
        let files = ProjectFolder::open(self.folder.path()).unwrap();
        let mut sources = Sources::default();
        let checked = check("ImageFile", &mut sources, &files, &self.set);
        let shown = |found: &[Diagnostic], sources: &Sources| Err(report::human(found, sources, false));
        if checked.has_errors() {
            return shown(&checked.diagnostics, &sources);
        }
        let (catalog, _) = catalog::load_project(&checked.spec.catalogs, &mut sources, &files);
        let resolved = resolve_project(&checked.spec, &catalog, |_| Preferences::default(), |_| None);
        let spec = &checked.spec.images[self.image];
        let Some(resolution) = resolved.images.get(&spec.name.value) else {
            return shown(&resolved.diagnostics, &sources);
        };
        let base = BasePlan {
            name: resolution.base.name.clone(),
            source: BaseSource::File { path: "base.qcow2".to_owned(), sha256: self.base },
            virtual_size: 4 << 30,
            firmware: vec![Firmware::Bios],
        };
        let packages = Solution {
            install: self.packages.iter().map(|name| package(name)).collect(),
            ..Solution::default()
        };
        let inputs = plan::Inputs {
            manager: Manager::default(),
            spec,
            resolution,
            base: &base,
            packages: &packages,
            planned: &packages.install.iter().map(plan::planned).collect(),
            packages_grow: self.packages_grow,
            base_grown: self.base_grown,
            marks: &self.marks.into(),
            temporary: (&[], &"".into()),
            mirror: None,
            files: &files,
            agent_version: self.agent,
        };
        plan::compile(inputs).or_else(|found| shown(&found, &sources))
    }
}

fn package(name: &str) -> Selected {
    Selected {
        name: name.to_owned(),
        version: "1.7".parse().unwrap(),
        arch: "amd64".to_owned(),
        sha256: Digest::of(name),
        size: 1000,
        installed_size: 10,
        origin: Origin { archive: "debian".to_owned(), path: format!("pool/{name}.deb") },
        stage: 0,
        auto: false,
    }
}

//! The resolver as a specification: small catalogues, small images, what comes out.

mod brute_force;
mod choices;
mod clashes;
mod generated;

use std::fmt::Write as _;

use super::{
    OptionInput, Preferences, Resolution, Wanted, WantedApp, WantedBase, WantedOption, WantedOs, resolve,
};
use crate::catalog::{Catalog, Layer};
use crate::check::Size;
use crate::diagnostic::Diagnostic;
use crate::model::{Arch, Firmware};
use crate::text::{SourceId, Sources, Span, Spanned};

/// A catalogue and an image in text, and the sources to show diagnostics by.
pub(super) struct Case {
    pub sources: Sources,
    pub catalog: Catalog,
    pub wanted: Wanted,
}

/// Three bases: debian 12 and 13 proven, rocky 9 listed.
pub(super) const BASES: &[(&str, &str)] = &[
    (
        "bases/debian-12.yaml",
        "schema: imgfile/base/v1\nname: debian-12\nversion: 1\nsummary: s\ntier: proven\nos: debian 12\ncodename: bookworm\narch: x86_64\nfirmware: [bios, uefi]\nvirtual_size: 4GiB\nuser: debian\nsource: {bootstrap: {suite: bookworm}}\n",
    ),
    (
        "bases/debian-13.yaml",
        "schema: imgfile/base/v1\nname: debian-13\nversion: 1\nsummary: s\ntier: proven\nos: debian 13\ncodename: trixie\narch: x86_64\nfirmware: [bios, uefi]\nvirtual_size: 4GiB\nuser: debian\nsource: {bootstrap: {suite: trixie}}\n",
    ),
    (
        "bases/rocky-9.yaml",
        "schema: imgfile/base/v1\nname: rocky-9\nversion: 1\nsummary: s\ntier: listed\nos: rocky 9\narch: x86_64\nfirmware: [uefi]\nvirtual_size: 10GiB\nuser: rocky\nsource: {url: \"https://example.org/r9.qcow2\", checksums: \"https://example.org/SUMS\"}\n",
    ),
];

impl Case {
    /// `apps` are catalogue files without their `schema` and `summary`.
    pub fn new(apps: &[&str], image: &str) -> Self {
        let mut sources = Sources::default();
        let id = sources.add("ImageFile", image);
        let wanted = parse(id, image);
        let bases = BASES.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        let apps = apps.iter().map(|text| {
            let name = text.lines().find_map(|line| line.strip_prefix("name: ")).unwrap();
            (format!("apps/{name}.yaml"), format!("schema: imgfile/app/v1\nsummary: s\n{text}\n"))
        });
        let files = bases.chain(apps).map(|(name, text)| sources.add(name, text)).collect();
        let layers = [Layer { name: "catalog".to_owned(), files }];
        let (catalog, mistakes) = Catalog::load(&layers, &sources);
        assert_eq!(mistakes, [], "the catalogue of a test is right");
        Self { sources, catalog, wanted }
    }

    pub fn resolve(&self) -> Result<Resolution, Vec<Diagnostic>> {
        resolve(&self.wanted, &self.catalog, &Preferences::default())
    }

    /// The diagnostics as text; panics if there are none.
    pub fn errors(&self) -> String {
        match self.resolve() {
            Ok(resolution) => panic!("solved: {resolution:#?}"),
            Err(diagnostics) => self.show(&diagnostics),
        }
    }

    /// The solution as text: base, then applications with versions; panics if there is none.
    pub fn solution(&self) -> String {
        match self.resolve() {
            Ok(resolution) => show_resolution(&resolution),
            Err(diagnostics) => panic!("{}", self.show(&diagnostics)),
        }
    }

    pub fn show(&self, diagnostics: &[Diagnostic]) -> String {
        let mut out = String::new();
        for diagnostic in diagnostics {
            let _ = writeln!(out, "{}: {}", diagnostic.code, diagnostic.message);
            for label in &diagnostic.labels {
                let name = &self.sources.get(label.span.source).name;
                let line = self.sources.line_col(label.span).line + 1;
                let text = self.sources.slice(label.span).lines().next().unwrap_or("");
                let _ = writeln!(out, "  {name}:{line} {text:?} {}", label.text);
            }
            for note in &diagnostic.notes {
                let _ = writeln!(out, "  note: {note}");
            }
            for help in &diagnostic.helps {
                let _ = writeln!(out, "  help: {help}");
            }
        }
        out
    }
}

pub(super) fn show_resolution(resolution: &Resolution) -> String {
    let apps = resolution.apps.iter().map(|app| format!(" {}={}", app.name, app.version));
    format!("{}:{}", resolution.base.name, apps.collect::<String>())
}

/// Reads the few statements the solve looks at; the language proper is tested elsewhere.
fn parse(source: SourceId, text: &str) -> Wanted {
    let mut words = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let mut at = start;
        let parts = line.split_inclusive(' ').filter_map(|part| {
            let (word, from) = (part.trim_end(), at);
            at += part.len();
            let span =
                Span::new(source, u32::try_from(from).unwrap(), u32::try_from(from + word.len()).unwrap());
            (!word.is_empty()).then(|| Spanned::new(word.to_owned(), span))
        });
        words.push(parts.collect::<Vec<_>>());
        start += line.len();
    }
    let name = Spanned::new("test".to_owned(), Span::new(source, 0, 0));
    let mut wanted = Wanted {
        arch: Spanned::new(Arch::X86_64, name.span),
        image: name,
        os: None,
        base: WantedBase::Auto,
        firmware: None,
        apps: Vec::new(),
        min_storage: None,
    };
    for line in words.iter().filter(|line| !line.is_empty()) {
        let requirement = |index: usize| {
            line.get(index)
                .filter(|word| word.value != "{")
                .map(|word| word.clone().map(|text| text.parse().unwrap()))
        };
        match line[0].value.as_str() {
            "os" => {
                let span = line[0].span.to(line.last().unwrap().span);
                wanted.os = Some(WantedOs { span, distro: line[2].clone(), requirement: requirement(3) });
            }
            "arch" => wanted.arch = line[1].clone().map(|arch| arch.parse().unwrap()),
            "base" => {
                wanted.base = WantedBase::Named { name: line[1].clone(), requirement: requirement(2) };
            }
            "firmware" => {
                let read = |word: &str| if word == "uefi" { Firmware::Uefi } else { Firmware::Bios };
                wanted.firmware = Some(Spanned::new(read(&line[1].value), line[1].span));
            }
            "min_storage" => {
                wanted.min_storage = Some(line[1].clone().map(|text| Size::parse(&text).unwrap().bytes()));
            }
            "app" => {
                let open = line.iter().position(|word| word.value == "{").unwrap_or(line.len());
                let body = &line[open..];
                let options = body.windows(3).filter(|three| three[1].value == "=").map(|three| {
                    WantedOption { name: three[0].clone(), value: three[2].clone().map(OptionInput::Scalar) }
                });
                wanted.apps.push(WantedApp {
                    doubtful: false,
                    span: line[0].span.to(line.last().unwrap().span),
                    name: line[1].clone(),
                    requirement: requirement(2),
                    options: options.collect(),
                    inherited: None,
                });
            }
            other => panic!("no statement of the tests: {other}"),
        }
    }
    wanted
}

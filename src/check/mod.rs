//! `Ast` to `Spec`: what the file means, without a catalogue, a network or a clock.
//!
//! `load` reads and parses the files, `structure` reports broken tokens and brackets, `image` and its
//! neighbours read the statements, `script` looks into user scripts. Each adds diagnostics; none
//! ever stops the others. A statement whose tokens are broken is still read, so that later
//! statements find it, but in silence: one defect, one message.

mod accounts;
mod archives;
mod contents;
mod driver;
mod env;
mod files;
mod image;
mod load;
mod names;
mod operands;
mod outputs;
mod params;
mod paths;
mod profiles;
mod repeated_token;
mod script;
mod script_text;
mod shebang;
mod shell;
mod shown;
mod size;
mod spec;
mod steps;
mod structure;
mod suggest;
mod suppress;
mod system_paths;
mod typed;
mod value;

use std::collections::{HashMap, HashSet};

pub use driver::beyond;
pub use files::{FileEntry, FileError, FileKind, Files, MemoryFiles};
pub use load::FILE_LIMIT;
pub(crate) use paths::normalise;
pub use script::SCRIPT_LIMIT;
pub use size::{Size, parse_duration};
pub use spec::*;
pub use suppress::settle;

use crate::diagnostic::{Code, Diagnostic, codes};
use crate::syntax::keywords::Form;
use crate::syntax::{Ast, Item, Keyword, OperandKind, Statement};
use crate::text::{SourceId, Sources, Span, Spanned};
use operands::Operands;
use profiles::{Flat, Profile, Profiles};

/// Most findings that are kept: a file of rubbish of some megabytes would make gigabytes of them. Far more
/// than are shown ([`settle`]).
const MOST: usize = 20_000;

/// Most images of a project: each takes some kilobytes, and a line is enough to declare one.
const MOST_IMAGES: usize = 10_000;

/// `--set NAME=VALUE`, in the order given.
pub type Settings = [(String, String)];

/// What was understood, and what is wrong. There are errors if and only if a diagnostic says so;
/// the spec is the best reading of the rest.
#[derive(Debug, Clone, Default)]
pub struct Checked {
    pub spec: Spec,
    /// Sorted by place.
    pub diagnostics: Vec<Diagnostic>,
    /// The trees of the ImageFile and of what it includes, the ImageFile first; empty if it cannot be
    /// read.
    pub units: Vec<Ast>,
}

impl Checked {
    /// Whether a build must not go on.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// Checks the ImageFile at `entry`, a path relative to the project's folder as `files` serves it.
/// Every text looked at is added to `sources`.
pub fn check(entry: &str, sources: &mut Sources, files: &dyn Files, set: &Settings) -> Checked {
    let mut checker = Checker::new(sources, files);
    let project = checker.load(entry);
    let spec = checker.project(&project, set);
    let diagnostics = settle(checker.found.out, checker.input.sources);
    Checked { spec, diagnostics, units: project.units.into_iter().map(|unit| unit.ast).collect() }
}

/// The state of one check.
struct Checker<'a> {
    input: Input<'a>,
    found: Findings,
    recovery: Recovery,
    names: Names,
    growth: Growth,
    current: CurrentImage,
}

/// What is read.
struct Input<'a> {
    sources: &'a mut Sources,
    files: &'a dyn Files,
    /// The folder of each ImageFile.
    folders: HashMap<SourceId, String>,
    script_sources: HashMap<String, (SourceId, Vec<u8>)>,
}

/// What is wrong.
#[derive(Default)]
struct Findings {
    out: Vec<Diagnostic>,
    /// How many errors there were, kept or not.
    errors: usize,
}

/// What was not understood, so that nothing is said of what only follows from it.
#[derive(Default)]
struct Recovery {
    /// Above 0: what is found now follows from something already reported.
    muted: u32,
    /// Statements about which something was said that makes their meaning doubtful.
    broken: HashSet<Span>,
    /// A heredoc without an end took in the rest of a file.
    swallowed: bool,
    /// A declaration was not understood: names may be missing for that reason.
    names_doubtful: bool,
    /// Unknown statements, each with the statement before it that may be the cause.
    deferred: Vec<(Option<Span>, Diagnostic)>,
    /// Names of params and profiles that were asked for and are not there.
    unknown_names: HashSet<String>,
}

/// The names that a project makes up.
#[derive(Default)]
struct Names {
    params: params::Params,
    /// Names of all params that are declared anywhere.
    declared: HashSet<String>,
    used_profiles: HashSet<String>,
    nearness: suggest::Nearness,
}

/// What a few lines can make much of, counted against bounds.
#[derive(Default)]
struct Growth {
    /// Statements that profiles have brought into images.
    brought: usize,
    /// Bytes that params have put into texts.
    put_in: usize,
    /// It has been said that this is too much.
    put_in_told: bool,
}

/// The image that is being read.
#[derive(Default)]
struct CurrentImage {
    scope: params::Scope,
    /// Names that must be unique in it: by statement and name, with the `use` that brought them.
    claimed: HashMap<(Keyword, String), (Span, Option<Span>)>,
    /// Scripts to look into when it is complete.
    pending: Vec<script::Pending>,
    /// Its scripts so far, which number those without a name.
    script_count: usize,
}

impl<'a> Checker<'a> {
    fn new(sources: &'a mut Sources, files: &'a dyn Files) -> Self {
        Self {
            input: Input { sources, files, folders: HashMap::new(), script_sources: HashMap::new() },
            found: Findings::default(),
            recovery: Recovery::default(),
            names: Names::default(),
            growth: Growth::default(),
            current: CurrentImage::default(),
        }
    }
}

impl Checker<'_> {
    fn report(&mut self, diagnostic: Diagnostic) {
        if self.recovery.muted == 0 {
            self.found.errors += usize::from(diagnostic.is_error());
            if self.found.out.len() < MOST {
                self.found.out.push(diagnostic);
            }
        }
    }

    /// Errors so far, to see whether reading something added any.
    const fn errors(&self) -> usize {
        self.found.errors
    }

    /// Reads a statement's operands; in silence if its tokens are broken.
    fn statement_scope<'s, T>(
        &mut self,
        statement: &'s Statement,
        read: impl FnOnce(&mut Self, &mut Operands<'s>) -> T,
    ) -> T {
        let silent = u32::from(self.recovery.broken.contains(&statement.span));
        self.recovery.muted += silent;
        let doubled = self.doubled(statement);
        let result = read(self, &mut Operands::new(statement, doubled, self.found.errors));
        self.recovery.muted -= silent;
        result
    }

    fn project(&mut self, project: &load::Project, set: &Settings) -> Spec {
        for unit in &project.units {
            self.placement(&unit.ast.items, true);
        }
        self.recovery.names_doubtful |=
            project.units.iter().flat_map(|unit| &unit.ast.items).any(|item| match item {
                Item::Statement(statement) => self.recovery.broken.contains(&statement.span),
                Item::Bad(_) => true,
                _ => false,
            });
        let statements = || {
            project.units.iter().flat_map(|unit| &unit.ast.items).filter_map(|item| match item {
                Item::Statement(statement) => Some(statement),
                // A block whose keyword is lost is still an image.
                Item::Bad(statement) if statement.body.is_some() => Some(statement),
                _ => None,
            })
        };
        let of = |checker: &Self, wanted: Keyword| -> Vec<&Statement> {
            statements().filter(|statement| checker.meant_by(statement) == Some(wanted)).collect()
        };
        let includes = of(self, Keyword::Include).iter().map(|include| include.span).collect();
        self.recovery.names_doubtful |= self.failed_in_one_of(includes);
        let params = of(self, Keyword::Param);
        self.params(params.into_iter(), set, &project.given);
        let mut spec = Spec { catalogs: self.catalogs(of(self, Keyword::Catalog)), ..Spec::default() };
        let profile_statements = of(self, Keyword::Profile);
        let profiles = self.profiles(&profile_statements);
        let mut names: HashMap<String, Span> = HashMap::new();
        let image_statements = of(self, Keyword::Image);
        let mut heads_wrong = false;
        self.too_many_images(&image_statements);
        for statement in image_statements.iter().take(MOST_IMAGES) {
            let before = self.errors();
            let name = self.head(statement);
            heads_wrong |= self.errors() > before;
            let misread = self.keyword_of(statement).is_none();
            let doubtful_name = name.is_none();
            let name = name.unwrap_or_else(|| Spanned::new(String::new(), statement.keyword));
            if let Some(first) = names.get(&name.value).copied().filter(|_| !doubtful_name) {
                self.twice(
                    &format!("the image `{}` is declared", shown::short(&name.value)),
                    name.span,
                    first,
                );
            }
            names.entry(name.value.clone()).or_insert(name.span);
            // What is no image by its keyword may as well be a profile.
            let mut flat = Flat { doubtful: misread, perhaps_base: misread, ..Flat::default() };
            match &statement.body {
                Some(body) => self.flatten(&body.items, &profiles, &mut flat),
                None => (flat.doubtful, flat.perhaps_base) = (true, true),
            }
            self.current.claimed.clear();
            let image = if doubtful_name {
                // Its name is missing, which has been said; what follows from that is silent.
                let image = self.image(Spanned::new("image".into(), name.span), flat);
                ImageSpec { doubt: Doubt { any: true, ..image.doubt }, ..image }
            } else {
                self.image(name, flat)
            };
            spec.images.push(image);
        }
        let own = project.units.first().map(|unit| unit.ast.source);
        spec.unused_profiles = self.unused_profiles(&profiles, own);
        self.settle_deferred();
        self.base_images(&spec.images, heads_wrong);
        self.accounts_clash_below(&spec.images);
        self.outputs_collide(&spec.images);
        if image_statements.is_empty()
            && !project.units.is_empty()
            && self.errors() == 0
            && !self.recovery.swallowed
        {
            self.no_image(project);
        } else {
            self.unused_params();
        }
        spec
    }

    /// Those beyond the bound are not read.
    fn too_many_images(&mut self, statements: &[&Statement]) {
        if let Some(more) = statements.get(MOST_IMAGES) {
            self.report(
                Diagnostic::new(
                    codes::PROJECT_GROWS,
                    format!(
                        "a project declares at most {MOST_IMAGES} images, this one has {}",
                        statements.len()
                    ),
                )
                .label(more.keyword, "one too many")
                .help("make several projects of it, each in a folder of its own"),
            );
        }
    }

    /// Whether an error points into one of these places first.
    fn failed_in_one_of(&self, mut spans: Vec<Span>) -> bool {
        spans.sort_unstable();
        self.found.out.iter().filter(|found| found.is_error()).filter_map(Diagnostic::span).any(|at| {
            let behind = spans.partition_point(|span| (span.source, span.start) <= (at.source, at.start));
            behind > 0 && inside(spans[behind - 1], at)
        })
    }

    /// Unknown statements right behind one that has an error are most likely part of it, such as the
    /// text of a heredoc whose marker is lost. A misspelt keyword takes nothing that follows with it.
    fn settle_deferred(&mut self) {
        let mut failed: Vec<Span> = self
            .found
            .out
            .iter()
            .filter(|found| found.is_error() && found.code != codes::UNKNOWN_STATEMENT)
            .filter_map(|found| {
                let span = found.span()?;
                // A text that is well quoted, and means something wrong, ends where it ends.
                (is_of_syntax(found.code) || !self.slice(span).starts_with('"')).then_some(span)
            })
            .collect();
        failed.sort_unstable();
        // Each part may in turn stand before the next.
        let mut parts: HashSet<(SourceId, u32)> = HashSet::new();
        for (before, diagnostic) in std::mem::take(&mut self.recovery.deferred) {
            let is_part = before.is_some_and(|before| {
                let from = failed.partition_point(|at| (at.source, at.start) < (before.source, before.start));
                failed.get(from).is_some_and(|at| inside(before, *at))
                    || parts.contains(&(before.source, before.start))
            });
            if is_part {
                parts.extend(diagnostic.span().map(|at| (at.source, at.start)));
            } else {
                self.report(diagnostic);
            }
        }
    }

    /// The keyword of a statement; a misspelt one with a block counts as what it was meant to be.
    fn meant_by(&self, statement: &Statement) -> Option<Keyword> {
        let block = || {
            let blocks = Keyword::all().filter(|keyword| keyword.info().form == Form::Block);
            let near = crate::text::nearest(self.slice(statement.keyword), blocks.map(Keyword::as_str));
            near.and_then(Keyword::of).unwrap_or(Keyword::Image)
        };
        self.keyword_of(statement).or_else(|| statement.body.as_ref().map(|_| block()))
    }

    /// The keyword of a statement, if it is written right.
    fn keyword_of(&self, statement: &Statement) -> Option<Keyword> {
        Keyword::of(self.slice(statement.keyword))
    }

    fn catalogs(&mut self, statements: Vec<&Statement>) -> Vec<Spanned<String>> {
        let mut folders = Vec::new();
        for statement in statements {
            let folder = self.statement_scope(statement, |checker, operands| {
                let text = checker.scalar(operands, "a folder in quotes")?;
                checker.finish(operands);
                let path = checker.project_path(text)?;
                if !matches!(checker.kind_of(&path)?, FileKind::Folder) {
                    checker.misfit(
                        codes::WRONG_KIND,
                        path.span,
                        &path.value,
                        "a folder",
                        "`catalog` takes a folder of YAML files",
                    );
                    return None;
                }
                Some(path)
            });
            folders.extend(folder);
        }
        folders
    }

    fn profiles<'s>(&mut self, statements: &[&'s Statement]) -> Profiles<'s> {
        let mut profiles = Profiles::new();
        for &statement in statements {
            let before = self.found.errors;
            let name = self.head(statement);
            self.recovery.names_doubtful |= self.found.errors > before;
            let Some(name) = name else { continue };
            if let Some(first) = profiles.get(&name.value).map(|profile: &Profile<'_>| profile.name) {
                self.twice(
                    &format!("the profile `{}` is declared", shown::short(&name.value)),
                    name.span,
                    first,
                );
                continue;
            }
            profiles.insert(name.value.clone(), Profile { name: name.span, statement });
        }
        profiles
    }

    /// Profiles that no image uses are still checked, as if one did.
    fn unused_profiles(&mut self, profiles: &Profiles<'_>, own: Option<SourceId>) -> Vec<ImageSpec> {
        let mut read = Vec::new();
        let mut unused: Vec<(&String, Span, &Statement)> = profiles
            .iter()
            .filter(|(name, _)| !self.names.used_profiles.contains(*name))
            .map(|(name, profile)| (name, profile.name, profile.statement))
            .collect();
        unused.sort_by_key(|(_, span, _)| *span);
        // One that is asked for under another name is one defect, told where it is asked for.
        let asked = self.found.out.iter_mut().find(|found| found.code == codes::UNKNOWN_PROFILE);
        if let (Some(asked), [(name, span, _), ..]) = (asked, &unused[..]) {
            let text = format!("`{}` is declared, and never used", shown::short(name));
            asked.labels.push(crate::diagnostic::Label { span: *span, text });
        }
        let mut read_before = HashMap::new();
        for (name, span, statement) in unused {
            let mut flat = Flat { doubtful: true, perhaps_base: true, ..Flat::default() };
            // Each is read with those that it uses, as an image would; of very many, each once.
            let once = self.growth.brought > profiles::MOST_BROUGHT / 2;
            if once {
                flat.seen = std::mem::take(&mut read_before);
            }
            flat.seen.insert(name.clone(), profiles::Seen { first: span, open: true });
            if let Some(body) = &statement.body {
                self.flatten(&body.items, profiles, &mut flat);
            }
            let mut seen = std::mem::take(&mut flat.seen);
            seen.insert(name.clone(), profiles::Seen { first: span, open: false });
            if once {
                read_before = seen;
            } else {
                read_before.extend(seen);
            }
            self.current.claimed.clear();
            read.push(self.image(Spanned::new("profile".into(), span), flat));
            // A file that several include has what one of them needs.
            if own != Some(span.source) {
                continue;
            }
            self.report(
                Diagnostic::new(
                    codes::UNUSED_PROFILE,
                    format!("no image uses the profile `{}`", shown::short(name)),
                )
                .label(span, "never used")
                .help(format!("write `use {}` in an image, or remove it", shown::short(name))),
            );
        }
        read
    }

    fn no_image(&mut self, project: &load::Project) {
        let Some(unit) = project.units.first() else { return };
        let text = &self.input.sources.get(unit.ast.source).text;
        let (message, end) = if text.trim().is_empty() {
            ("the file is empty", u32::from(!text.is_empty()))
        } else {
            ("the file declares no image", text.find('\n').unwrap_or(text.len()).try_into().unwrap_or(0))
        };
        self.report(
            Diagnostic::new(codes::NO_IMAGE, message)
                .label(Span::new(unit.ast.source, 0, end), "an `image` is missing")
                .help("write `image \"web\" {`, then `os linux debian 13`, then `}`; `imgfile init` writes a first file"),
        );
    }
}

/// Whether a place lies in `span`, or just behind it.
fn inside(span: Span, at: Span) -> bool {
    at.source == span.source && (span.start..=span.end).contains(&at.start)
}

/// Whether the operand could name something, for callers that look at a tree themselves.
#[must_use]
pub fn is_text(kind: &OperandKind) -> bool {
    matches!(kind, OperandKind::Word | OperandKind::String | OperandKind::Param)
}

/// Why a shell would surely not accept a script, and where: bytes of the text.
#[must_use]
pub fn shell_mistake(script: &str) -> Option<(String, std::ops::Range<usize>, String)> {
    let first = script.lines().next().unwrap_or_default();
    let shell = first.strip_prefix("#!").map_or("bash", |program| {
        let words = program.split_whitespace().next().unwrap_or_default();
        words.rsplit('/').next().unwrap_or_default()
    });
    if !script_text::is_shell(shell) {
        return None;
    }
    let facts = shell::look(script, shell != "bash")?;
    let fault = facts.error.as_ref().filter(|fault| fault.sure)?;
    Some((fault.message.clone(), fault.label.start..fault.label.end, fault.label.text.clone()))
}

/// Whether a code is about the shape of a text: what stands behind such a place may be a part of it.
fn is_of_syntax(code: Code) -> bool {
    code.as_str().starts_with("E01")
}

//! A whole project: its params, profiles and images in their order, and what can be said of all of them together.

use std::collections::{HashMap, HashSet};

use super::checker::Checker;
use super::profiles::{self, Flat, Profile, Profiles};
use super::shown::short;
use super::{FileKind, ImageSpec, Settings, Spec, Unknowns, load};
use crate::diagnostic::{Code, Diagnostic, codes};
use crate::syntax::keywords::Form;
use crate::syntax::{Item, Keyword, Statement};
use crate::text::{SourceId, Span, Spanned};

/// Most images of a project: each takes some kilobytes, and a line is enough to declare one.
const MOST_IMAGES: usize = 10_000;

impl Checker<'_> {
    pub(super) fn project(&mut self, project: &load::Project, set: &Settings) -> Spec {
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
                self.twice(&format!("the image `{}` is declared", short(&name.value)), name.span, first);
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
                ImageSpec { unknown: Unknowns { any: true, ..image.unknown }, ..image }
            } else {
                self.image(name, flat)
            };
            spec.images.push(image);
        }
        let own = project.units.first().map(|unit| unit.ast.source);
        spec.unused_profiles = self.unused_profiles(&profiles, own);
        self.read_deferred();
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
    fn read_deferred(&mut self) {
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
                self.twice(&format!("the profile `{}` is declared", short(&name.value)), name.span, first);
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
            let text = format!("`{}` is declared, and never used", short(name));
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
                    format!("no image uses the profile `{}`", short(name)),
                )
                .label(span, "never used")
                .help(format!("write `use {}` in an image, or remove it", short(name))),
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

/// Whether a code is about the shape of a text: what stands behind such a place may be a part of it.
fn is_of_syntax(code: Code) -> bool {
    code.as_str().starts_with("E01")
}

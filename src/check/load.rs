//! The entry file and what it includes, read and parsed.

use std::collections::BTreeMap;

use super::shown::short;
use super::structure::structure;
use super::{Checker, FileError, FileKind};
use crate::diagnostic::{Applicability, Diagnostic, codes};
use crate::syntax::keywords::{Form, Place, StatementInfo};
use crate::syntax::{Ast, Item, Keyword, Statement, parse};
use crate::text::{SourceId, Span, Spanned, nearest};

/// Largest ImageFile that is looked at, in bytes: a hundred times what anyone writes.
pub const FILE_LIMIT: u64 = 16 << 20;
/// Most files one project may be made of.
const FILES_LIMIT: usize = 256;

/// One parsed file of the project.
#[derive(Debug)]
pub(super) struct Unit {
    pub ast: Ast,
}

/// A value that an `include` gives to a param of the file it names.
#[derive(Debug)]
pub(super) struct GivenParam {
    pub name: Spanned<String>,
    pub value: super::operands::Text,
    /// The file, by its path in the project.
    pub file: String,
}

/// All files, the entry first, each once.
#[derive(Debug, Default)]
pub(super) struct Project {
    pub units: Vec<Unit>,
    pub given: Vec<GivenParam>,
}

impl Checker<'_> {
    /// Reads the entry and everything it includes.
    pub(super) fn load(&mut self, entry: &str) -> Project {
        let mut project = Project::default();
        let mut seen: BTreeMap<String, SourceId> = BTreeMap::new();
        let entry = super::paths::normalise("", entry).unwrap_or_else(|| entry.to_owned());
        self.load_file(&entry, None, &mut Vec::new(), &mut seen, &mut project);
        project
    }

    fn load_file(
        &mut self,
        path: &str,
        asked: Option<Span>,
        stack: &mut Vec<(String, Span)>,
        seen: &mut BTreeMap<String, SourceId>,
        project: &mut Project,
    ) {
        let Some((source, valid)) = self.read_text(path, asked) else { return };
        seen.insert(path.to_owned(), source);
        self.input.folders.insert(source, super::paths::folder(path).to_owned());
        if !valid || self.merge_conflicts(source) {
            // What the file declares is not known.
            self.recovery.names_doubtful = true;
            return;
        }
        let file = self.input.sources.get(source);
        let ast = parse(source, &file.text);
        let structure = structure(&ast, file);
        let includes: Vec<Statement> = ast
            .items
            .iter()
            .filter_map(|item| match item {
                Item::Statement(statement) if self.keyword_of(statement) == Some(Keyword::Include) => {
                    Some(statement.clone())
                }
                _ => None,
            })
            .collect();
        self.recovery.broken.extend(structure.broken.iter().copied());
        self.recovery.swallowed |= structure.swallowed;
        structure.diagnostics.into_iter().for_each(|diagnostic| self.report(diagnostic));
        project.units.push(Unit { ast });
        for include in includes {
            let Some((target, given)) = self.include_target(&include) else { continue };
            project.given.extend(given);
            stack.push((path.to_owned(), target.span));
            if let Some(at) = stack.iter().position(|(file, _)| *file == target.value) {
                let chain: Vec<(String, Span)> = stack[at..].to_vec();
                self.include_cycle(&target, &chain);
            } else if !seen.contains_key(&target.value) {
                if seen.len() < FILES_LIMIT {
                    self.load_file(&target.value, Some(target.span), stack, seen, project);
                } else {
                    self.report(
                        Diagnostic::new(
                            codes::UNREADABLE,
                            format!("a project is made of at most {FILES_LIMIT} files"),
                        )
                        .label(target.span, "one include too many")
                        .help("write what belongs together into one file"),
                    );
                }
            }
            stack.pop();
        }
    }

    fn include_target(&mut self, include: &Statement) -> Option<(Spanned<String>, Vec<GivenParam>)> {
        self.statement_scope(include, |checker, operands| {
            let text = checker.scalar(operands, "a path, such as `\"common.imagefile\"`")?;
            let options = checker.options(operands);
            let path = checker.project_path(text)?;
            let FileKind::File { .. } = checker.kind_of(&path)? else {
                checker.misfit(
                    codes::WRONG_KIND,
                    path.span,
                    &path.value,
                    "a file",
                    "`include` takes an ImageFile",
                );
                return None;
            };
            let mut given = Vec::new();
            for (key, entry) in options.entries {
                let value = entry.value.as_ref();
                let Some(value) = value.and_then(|value| checker.literal_value(value)) else { continue };
                let name = Spanned::new(key, entry.key.span);
                given.push(GivenParam { name, value, file: path.value.clone() });
            }
            Some((path, given))
        })
    }

    /// A value given to a param where no param is known yet.
    fn literal_value(&mut self, operand: &crate::syntax::Operand) -> Option<super::operands::Text> {
        let written = self.slice(operand.span).to_owned();
        let interpolated = written.replace("$${", "").contains("${");
        if interpolated {
            self.report(
                Diagnostic::new(codes::NOT_SUPPORTED, "an `include` gives values as they are written")
                    .label(operand.span, "a param is not known here yet")
                    .help("write the value out; `--set` changes it for the included file as well"),
            );
            return None;
        }
        self.scalar_value(operand, "a value")
    }

    fn include_cycle(&mut self, target: &Spanned<String>, chain: &[(String, Span)]) {
        let mut diagnostic =
            Diagnostic::new(codes::INCLUDE_CYCLE, format!("`{}` includes itself", short(&target.value)))
                .label(target.span, "this closes the circle");
        for (file, span) in chain.iter().filter(|(_, span)| *span != target.span) {
            diagnostic = diagnostic.label(*span, format!("`{}` includes this", short(file)));
        }
        self.report(diagnostic.help("move what both need into a third file"));
    }

    /// Reads a text file into the sources; whether it is UTF-8 comes along.
    fn read_text(&mut self, path: &str, asked: Option<Span>) -> Option<(SourceId, bool)> {
        let bytes = match self.input.files.read(path, FILE_LIMIT) {
            Ok(bytes) => bytes,
            Err(error) => {
                self.unreadable(path, asked, &error);
                return None;
            }
        };
        match String::from_utf8(bytes) {
            Ok(text) => Some((self.input.sources.add(path, text), true)),
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                let bytes = error.into_bytes();
                let byte = bytes.get(at).copied().unwrap_or_default();
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let source = self.input.sources.add(path, text);
                let at = u32::try_from(at).unwrap_or(0);
                let end = at + u32::try_from('\u{FFFD}'.len_utf8()).unwrap_or(3);
                self.report(
                    Diagnostic::new(codes::NOT_UTF8, "the file is not UTF-8 text")
                        .label(
                            Span::new(source, at, end),
                            format!("the byte 0x{byte:02X} is no part of a UTF-8 character"),
                        )
                        .help("save the file as UTF-8"),
                );
                Some((source, false))
            }
        }
    }

    /// Reports the conflicts that a merge left in a text; whether there are any. Until somebody has
    /// decided there is no one text to read.
    pub(super) fn merge_conflicts(&mut self, source: SourceId) -> bool {
        let found = crate::diagnostic::merge_conflicts(source, &self.input.sources.get(source).text);
        let any = !found.is_empty();
        for conflict in found {
            self.report(conflict);
        }
        any
    }

    fn unreadable(&mut self, path: &str, asked: Option<Span>, error: &FileError) {
        let shown = if path.is_empty() { "." } else { path };
        let why = match error {
            FileError::NotFound => "it does not exist".to_owned(),
            FileError::Outside => "it is outside the project's folder".to_owned(),
            FileError::TooLarge => format!("it is larger than {}", super::Size(FILE_LIMIT)),
            FileError::Unreadable(why) => why.clone(),
        };
        let diagnostic =
            Diagnostic::new(codes::UNREADABLE, format!("`{}` cannot be read: {why}", short(shown)))
                .help(super::paths::readable(error));
        self.report(match asked {
            Some(span) => diagnostic.label(span, "asked for here"),
            None => diagnostic,
        });
    }

    /// Unknown and misplaced statements of one level. `top` says which level.
    pub(super) fn placement(&mut self, items: &[Item], top: bool) {
        let here = if top { Place::Top } else { Place::Image };
        let mut misplaced_run = false;
        let mut closed = None;
        let mut before: Option<Span> = None;
        for item in items {
            let statement = match item {
                Item::Statement(statement) => statement,
                Item::Bad(bad) => {
                    if let Some(body) = bad.body.as_ref().filter(|_| top) {
                        self.placement(&body.items, false);
                    }
                    continue;
                }
                _ => continue,
            };
            let keyword = self.keyword_of(statement);
            let may_cause = matches!(keyword, None | Some(Keyword::Script | Keyword::Test | Keyword::Copy));
            let before = std::mem::replace(&mut before, may_cause.then_some(statement.span));
            let closed_above =
                std::mem::replace(&mut closed, statement.body.as_ref().and_then(|body| body.close));
            match keyword.map(Keyword::info) {
                Some(info) if info.place == here => {
                    misplaced_run = false;
                    if let Some(body) = statement.body.as_ref().filter(|_| top) {
                        if info.form == Form::Block {
                            self.placement(&body.items, false);
                        } else if !self.recovery.broken.contains(&statement.span) {
                            self.recovery.broken.insert(statement.span);
                            self.report(
                                Diagnostic::new(
                                    codes::UNEXPECTED,
                                    format!("`{}` has no block", info.keyword),
                                )
                                .label(Span { end: body.span.start + 1, ..body.span }, "no `{` here")
                                .help(format!("write it like `{}`", info.example)),
                            );
                        }
                    }
                }
                Some(info) => {
                    // A run of them at the top level has one cause: a lost `image … {`, or a `}` too many.
                    if !std::mem::replace(&mut misplaced_run, top)
                        && !self.recovery.broken.contains(&statement.span)
                    {
                        self.misplaced(statement, info, closed_above.filter(|_| top), top);
                    }
                    // An image may well lack what stands outside of it.
                    self.recovery.swallowed |= top;
                    self.recovery.broken.insert(statement.span);
                }
                None => {
                    if !misplaced_run {
                        let keyword = self.slice(statement.keyword).to_owned();
                        self.unknown_statement(statement, before, &keyword, here);
                    }
                    self.recovery.broken.insert(statement.span);
                    if let Some(body) = statement.body.as_ref().filter(|_| top) {
                        self.placement(&body.items, false);
                    }
                }
            }
        }
    }

    fn misplaced(&mut self, statement: &Statement, info: &StatementInfo, closed: Option<Span>, top: bool) {
        let keyword = info.keyword;
        let diagnostic = if top {
            Diagnostic::new(
                codes::MISPLACED_STATEMENT,
                format!("`{keyword}` belongs into an `image` or `profile`"),
            )
            .label(statement.keyword, "outside of any block")
            .help("put it between the braces of `image \"NAME\" { … }`; perhaps a `}` above is one too many")
        } else {
            Diagnostic::new(
                codes::MISPLACED_STATEMENT,
                format!("`{keyword}` belongs outside of images and profiles"),
            )
            .label(statement.keyword, "inside a block")
            .help("move it to the top level of the file; perhaps a `}` is missing above")
        };
        self.report(match closed {
            Some(close) => diagnostic.label(close, "the block above ends here"),
            None => diagnostic,
        });
    }

    fn unknown_statement(&mut self, statement: &Statement, before: Option<Span>, keyword: &str, here: Place) {
        if self.recovery.broken.contains(&statement.span) {
            return;
        }
        let shown = short(keyword);
        let diagnostic =
            Diagnostic::new(codes::UNKNOWN_STATEMENT, format!("there is no statement `{shown}`"))
                .label(statement.keyword, "not known");
        let names = || Keyword::at(here).map(Keyword::as_str);
        if let Some(diagnostic) = Self::with_an_odd_blank(statement, keyword) {
            self.report(diagnostic);
            return;
        }
        let lower = keyword.to_ascii_lowercase();
        let common = Keyword::at(here).find(|known| known.info().synonyms.contains(&lower.as_str()));
        let meant = common.map(Keyword::as_str).or_else(|| nearest(keyword, names()));
        let diagnostic = match meant {
            // What stands behind it is a shell's, and no path.
            Some(_) if common == Some(Keyword::Script) => diagnostic
                .help("commands are lines of a script: `script <<-SH`, `#!/bin/sh -e`, the commands, `SH`"),
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")).fix(
                Applicability::Maybe,
                format!("write `{near}`"),
                statement.keyword,
                near,
            ),
            None => diagnostic.help(match here {
                Place::Top => "a file holds `param`, `include`, `catalog`, `profile` and `image`".to_owned(),
                Place::Image => {
                    "statements look like `os linux debian 13` or `app nginx { port = 8080 }`".to_owned()
                }
            }),
        };
        // Without an idea of what was meant, it may be a consequence of the statement before it.
        match meant {
            Some(_) => self.report(diagnostic),
            None => self.recovery.deferred.push((before, diagnostic)),
        }
    }

    /// A statement with a blank that is none.
    fn with_an_odd_blank(statement: &Statement, keyword: &str) -> Option<Diagnostic> {
        let shown = short(keyword);
        let unknown = Diagnostic::new(codes::UNKNOWN_STATEMENT, format!("there is no statement `{shown}`"));
        let is_odd = |c: char| {
            c.is_whitespace() && c != ' ' && c != '\t' || matches!(c, '\u{200B}' | '\u{FEFF}' | '\u{2060}')
        };
        let odd = keyword.chars().find(|c| is_odd(*c))?;
        let first = keyword.split(is_odd).find(|part| !part.is_empty())?;
        Keyword::of(first)?;
        let label = format!("holds U+{:04X}, which looks like a blank or like nothing", u32::from(odd));
        let meant = keyword.split(is_odd).collect::<Vec<_>>().join(" ");
        Some(unknown.label(statement.keyword, label).help("write a blank in its place").fix(
            Applicability::Safe,
            "write a blank",
            statement.keyword,
            meant.trim_start().to_owned(),
        ))
    }
}

//! Requests about a text, answered by the editor features.

#![allow(
    clippy::redundant_closure_for_method_calls,
    reason = "the methods themselves are not general enough"
)]

use std::collections::HashMap;
use std::path::Path;
use std::rc::Rc;

use gen_lsp_types as lsp;
use lsp_server::ErrorCode;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::convert::{self, Places};
use super::documents::Documents;
use super::method::Feature;
use super::position::{Encoding, small};
use super::projects::{Project, Projects};
use super::session::Session;
use super::{uri, workspace};
use crate::diagnostic::{Applicability, Diagnostic, Edit};
use crate::ide::{self, Analysis, LinkTarget, Target};
use crate::text::{SourceId, Span};

/// Why a request has no answer.
pub(super) struct Refusal {
    pub code: ErrorCode,
    pub message: String,
}

type Answer = Result<Value, Refusal>;

pub(super) fn capabilities(encoding: Encoding, commands: &[String]) -> lsp::ServerCapabilities {
    lsp::ServerCapabilities {
        position_encoding: Some(encoding.kind()),
        text_document_sync: Some(
            lsp::TextDocumentSyncOptions {
                open_close: Some(true),
                change: Some(lsp::TextDocumentSyncKind::Incremental),
                save: Some(true.into()),
                ..lsp::TextDocumentSyncOptions::default()
            }
            .into(),
        ),
        completion_provider: Some(lsp::CompletionOptions {
            trigger_characters: Some(["$", "{", "\"", "/", " "].map(str::to_owned).to_vec()),
            ..lsp::CompletionOptions::default()
        }),
        hover_provider: Some(true.into()),
        inlay_hint_provider: Some(true.into()),
        document_link_provider: Some(lsp::DocumentLinkOptions::default()),
        workspace_symbol_provider: Some(true.into()),
        // A plain client could only show them.
        code_lens_provider: lenses(commands).next().is_some().then(lsp::CodeLensOptions::default),
        definition_provider: Some(true.into()),
        references_provider: Some(true.into()),
        document_symbol_provider: Some(true.into()),
        folding_range_provider: Some(true.into()),
        document_formatting_provider: Some(true.into()),
        rename_provider: Some(
            lsp::RenameOptions { prepare_provider: Some(true), ..lsp::RenameOptions::default() }.into(),
        ),
        code_action_provider: Some(
            lsp::CodeActionOptions {
                code_action_kinds: Some(vec![
                    lsp::CodeActionKind::QuickFix,
                    lsp::CodeActionKind::SourceFixAll,
                ]),
                ..lsp::CodeActionOptions::default()
            }
            .into(),
        ),
        semantic_tokens_provider: Some(
            lsp::SemanticTokensOptions {
                legend: lsp::SemanticTokensLegend {
                    token_types: convert::TOKEN_TYPES.map(str::to_owned).to_vec(),
                    token_modifiers: Vec::new(),
                },
                full: Some(true.into()),
                ..lsp::SemanticTokensOptions::default()
            }
            .into(),
        ),
        ..lsp::ServerCapabilities::default()
    }
}

/// The answer to a request of a running session.
pub(super) fn answer(session: &Session, method: &str, params: Value) -> Answer {
    let Some(feature) = Feature::of(method) else {
        let message = format!("there is no `{method}` here");
        return Err(Refusal { code: ErrorCode::MethodNotFound, message });
    };
    match feature {
        Feature::Completion => with(params, |p: lsp::CompletionParams| {
            at(session, &p.text_document_position_params, |text, offset| text.completion(offset))
        }),
        Feature::Hover => with(params, |p: lsp::HoverParams| {
            at(session, &p.text_document_position_params, |text, offset| text.hover(offset))
        }),
        Feature::Definition => with(params, |p: lsp::DefinitionParams| {
            at(session, &p.text_document_position_params, |text, offset| text.definition(offset))
        }),
        Feature::References => with(params, |p: lsp::ReferenceParams| {
            at(session, &p.text_document_position_params, |text, offset| {
                text.references(offset, p.context.include_declaration)
            })
        }),
        Feature::PrepareRename => with(params, |p: lsp::PrepareRenameParams| {
            at(session, &p.text_document_position_params, |text, offset| text.prepare_rename(offset))
        }),
        Feature::Rename => with(params, |p: lsp::RenameParams| {
            let Some(text) = Text::of(session, &p.text_document_position_params.text_document.uri.0) else {
                return Err(not_a_symbol());
            };
            let offset = text.offset(p.text_document_position_params.position);
            text.rename(offset, &p.new_name)
        }),
        Feature::DocumentSymbol => with(params, |p: lsp::DocumentSymbolParams| {
            whole(session, &p.text_document.uri.0, |text| text.symbols())
        }),
        Feature::FoldingRange => with(params, |p: lsp::FoldingRangeParams| {
            whole(session, &p.text_document.uri.0, |text| text.folds())
        }),
        Feature::SemanticTokens => with(params, |p: lsp::SemanticTokensParams| {
            whole(session, &p.text_document.uri.0, |text| text.tokens())
        }),
        Feature::InlayHint => with(params, |p: lsp::InlayHintParams| {
            whole(session, &p.text_document.uri.0, |text| text.hints(p.range))
        }),
        Feature::DocumentLink => with(params, |p: lsp::DocumentLinkParams| {
            whole(session, &p.text_document.uri.0, |text| text.links())
        }),
        Feature::CodeLens => with(params, |p: lsp::CodeLensParams| {
            whole(session, &p.text_document.uri.0, |text| text.lenses(&session.commands))
        }),
        Feature::WorkspaceSymbol => with(params, |p: lsp::WorkspaceSymbolParams| {
            Ok(json!(workspace::symbols(&session.projects, &session.documents, session.encoding, &p.query)))
        }),
        Feature::Formatting => with(params, |p: lsp::DocumentFormattingParams| {
            whole(session, &p.text_document.uri.0, |text| text.format())
        }),
        Feature::CodeAction => with(params, |p: lsp::CodeActionParams| {
            whole(session, &p.text_document.uri.0, |text| {
                text.actions(p.range, p.context.only.as_deref(), &p.context.diagnostics)
            })
        }),
    }
}

fn with<P: DeserializeOwned>(params: Value, run: impl FnOnce(P) -> Answer) -> Answer {
    match serde_json::from_value(params) {
        Ok(params) => run(params),
        Err(error) => Err(Refusal { code: ErrorCode::InvalidParams, message: error.to_string() }),
    }
}

/// Runs a feature on a text; one that is not ours has no answers.
#[allow(clippy::unnecessary_wraps, reason = "an answer like those that may refuse")]
fn whole(session: &Session, uri: &str, run: impl FnOnce(&Text<'_>) -> Value) -> Answer {
    Ok(Text::of(session, uri).map_or(Value::Null, |text| run(&text)))
}

fn at(
    session: &Session,
    place: &lsp::TextDocumentPositionParams,
    run: impl FnOnce(&Text<'_>, u32) -> Value,
) -> Answer {
    whole(session, &place.text_document.uri.0, |text| run(text, text.offset(place.position)))
}

/// The commands that a lens above an image offers, of those that the client has: name, title, whether it is about
/// one image.
fn lenses(known: &[String]) -> impl Iterator<Item = (&'static str, &'static str, bool)> + '_ {
    const ALL: [(&str, &str, bool); 3] = [
        ("imagefile.check", "check", false),
        ("imagefile.build", "build", true),
        ("imagefile.plan", "plan", true),
    ];
    ALL.into_iter().filter(|(command, ..)| known.iter().any(|known| known == command))
}

fn not_a_symbol() -> Refusal {
    Refusal { code: ErrorCode::RequestFailed, message: ide::RenameError::NotASymbol.to_string() }
}

/// One open text within the analysis of its project.
struct Text<'a> {
    projects: &'a Projects,
    /// Where compiled-in files are put to be seen.
    shown: Option<&'a Path>,
    project: &'a Project,
    documents: &'a Documents,
    uri: String,
    analysis: Rc<Analysis>,
    encoding: Encoding,
    source: SourceId,
}

impl<'a> Text<'a> {
    fn of(session: &'a Session, uri: &str) -> Option<Self> {
        let (project, analysis, source): (&Project, _, _) = session.projects.of(uri)?;
        Some(Self {
            projects: &session.projects,
            shown: session.shown.as_deref(),
            project,
            documents: &session.documents,
            uri: uri.to_owned(),
            analysis,
            encoding: session.encoding,
            source,
        })
    }

    /// The URI of a source of the analysis, if a file holds it.
    fn uri_of(&self, source: SourceId) -> Option<String> {
        self.projects.uri(&self.uri, self.project, &self.analysis, source)
    }

    fn places(&self) -> Places<'_> {
        Places::new(&self.analysis.sources, self.encoding)
    }

    fn offset(&self, position: lsp::Position) -> u32 {
        small(self.places().lines(self.source).offset(position))
    }

    fn completion(&self, offset: u32) -> Value {
        let places = self.places();
        let files = self.projects.overlay(self.project, self.documents);
        let found = ide::complete(&self.analysis, &files, self.source, offset);
        let items: Vec<_> = found
            .into_iter()
            .enumerate()
            .map(|(rank, one)| convert::completion(one, rank, &places))
            .collect();
        json!(items)
    }

    fn hover(&self, offset: u32) -> Value {
        let Some(hover) = ide::hover(&self.analysis, self.source, offset) else { return Value::Null };
        let contents = lsp::MarkupContent { kind: lsp::MarkupKind::Markdown, value: hover.markdown };
        json!(lsp::Hover { contents: contents.into(), range: Some(self.places().range(hover.span)) })
    }

    fn location(&self, places: &Places<'_>, span: Span) -> Option<lsp::Location> {
        let uri = self.uri_of(span.source)?.into();
        Some(lsp::Location { uri, range: places.range(span) })
    }

    /// A place in a compiled-in catalogue file, which is put where the client can open it.
    fn compiled_in(&self, span: Span) -> Option<lsp::Location> {
        let source = self.analysis.sources.get(span.source);
        let path = super::builtin::shown(self.shown?, source)?;
        let uri = self.projects.uri_of_path(&path).into();
        Some(lsp::Location { uri, range: self.places().range(span) })
    }

    fn definition(&self, offset: u32) -> Value {
        let location = match ide::definition(&self.analysis, self.source, offset) {
            Some((_, Target::Place(span))) => {
                self.location(&self.places(), span).or_else(|| self.compiled_in(span))
            }
            Some((_, Target::File(path))) => self.project.folder().map(|folder| {
                let uri = self.projects.uri_of_path(&folder.root().join(path));
                lsp::Location { uri: uri.into(), range: lsp::Range::default() }
            }),
            None => None,
        };
        json!(location)
    }

    fn references(&self, offset: u32, with_declaration: bool) -> Value {
        let Some(symbol) = ide::symbol_at(&self.analysis, self.source, offset) else { return Value::Null };
        let spans = ide::references(&self.analysis, &symbol.value, with_declaration);
        let places = self.places();
        let mut found: Vec<_> = spans.into_iter().filter_map(|span| self.location(&places, span)).collect();
        for (project, analysis, symbol) in self.elsewhere(offset) {
            let places = Places::new(&analysis.sources, self.encoding);
            for span in ide::references(&analysis, &symbol, with_declaration) {
                let uri = self.projects.uri(&self.uri, &project, &analysis, span.source);
                let Some(uri) = uri else { continue };
                let location = lsp::Location { uri: uri.into(), range: places.range(span) };
                if !found.contains(&location) {
                    found.push(location);
                }
            }
        }
        json!(found)
    }

    fn prepare_rename(&self, offset: u32) -> Value {
        let symbol = ide::symbol_at(&self.analysis, self.source, offset)
            .filter(|symbol| ide::rename(&self.analysis, &symbol.value, symbol.value.name()).is_ok());
        symbol.map_or(
            Value::Null,
            |symbol| json!({ "range": self.places().range(symbol.span), "placeholder": symbol.value.name() }),
        )
    }

    fn rename(&self, offset: u32, name: &str) -> Answer {
        let symbol = ide::symbol_at(&self.analysis, self.source, offset).ok_or_else(not_a_symbol)?;
        let edits = ide::rename(&self.analysis, &symbol.value, name)
            .map_err(|error| Refusal { code: ErrorCode::RequestFailed, message: error.to_string() })?;
        let mut edit = self.workspace_edit(&edits);
        let changes = edit.changes.get_or_insert_default();
        for (project, analysis, symbol) in self.elsewhere(offset) {
            let edits = ide::rename(&analysis, &symbol, name)
                .map_err(|error| Refusal { code: ErrorCode::RequestFailed, message: error.to_string() })?;
            let places = Places::new(&analysis.sources, self.encoding);
            for one in &edits {
                let uri = self.projects.uri(&self.uri, &project, &analysis, one.span.source);
                let Some(uri) = uri else { continue };
                let (list, one) = (changes.entry(uri.into()).or_default(), places.edit(one));
                if !list.contains(&one) {
                    list.push(one);
                }
            }
        }
        Ok(json!(edit))
    }

    /// The same symbol in other projects that include the file which declares it.
    fn elsewhere(&self, offset: u32) -> Vec<(Project, Rc<Analysis>, ide::Symbol)> {
        let Some((_, Target::Place(declared))) = ide::definition(&self.analysis, self.source, offset) else {
            return Vec::new();
        };
        let Some(folder) = self.project.folder() else { return Vec::new() };
        if self.analysis.is_builtin(declared.source) {
            return Vec::new();
        }
        let path = uri::lexical(&folder.root().join(&self.analysis.sources.get(declared.source).name));
        let readers = self.projects.readers(&path, self.project, self.documents).into_iter();
        readers
            .filter_map(|(project, analysis)| {
                let source = project.source_of(&analysis, &path)?;
                let symbol = ide::symbol_at(&analysis, source, declared.start)?.value;
                Some((project, analysis, symbol))
            })
            .collect()
    }

    fn workspace_edit(&self, edits: &[Edit]) -> lsp::WorkspaceEdit {
        let places = self.places();
        let mut changes: HashMap<lsp::Uri, Vec<lsp::TextEdit>> = HashMap::new();
        for edit in edits {
            if let Some(uri) = self.uri_of(edit.span.source) {
                changes.entry(uri.into()).or_default().push(places.edit(edit));
            }
        }
        lsp::WorkspaceEdit { changes: Some(changes), ..lsp::WorkspaceEdit::default() }
    }

    fn symbols(&self) -> Value {
        let Some(unit) = self.analysis.unit(self.source) else { return Value::Null };
        let lines = self.places().lines(self.source);
        let outline = ide::outline(unit, self.analysis.sources.get(self.source));
        json!(outline.into_iter().map(|one| convert::symbol(one, &lines)).collect::<Vec<_>>())
    }

    fn folds(&self) -> Value {
        let Some(unit) = self.analysis.unit(self.source) else { return Value::Null };
        let folds = ide::folds(unit, self.analysis.sources.get(self.source));
        json!(folds.iter().map(convert::fold).collect::<Vec<_>>())
    }

    fn tokens(&self) -> Value {
        let Some(unit) = self.analysis.unit(self.source) else { return Value::Null };
        let tokens = ide::tokens(unit, self.analysis.sources.get(self.source));
        let data = convert::semantic_tokens(&tokens, &self.places().lines(self.source));
        json!(lsp::SemanticTokens { result_id: None, data })
    }

    fn hints(&self, range: lsp::Range) -> Value {
        let places = self.places();
        let lines = places.lines(self.source);
        let (start, end) = (small(lines.offset(range.start)), small(lines.offset(range.end)));
        let hints = ide::hints(&self.analysis, self.source);
        let shown = hints.into_iter().filter(|hint| (start..=end).contains(&hint.at.start));
        let markdown = |value| lsp::MarkupContent { kind: lsp::MarkupKind::Markdown, value };
        json!(
            shown
                .map(|hint| lsp::InlayHint {
                    position: places.range(hint.at).start,
                    label: hint.label.into(),
                    kind: None,
                    text_edits: None,
                    tooltip: (!hint.tooltip.is_empty()).then(|| markdown(hint.tooltip).into()),
                    padding_left: Some(true),
                    padding_right: None,
                    data: None,
                })
                .collect::<Vec<_>>()
        )
    }

    fn links(&self) -> Value {
        let places = self.places();
        let files = self.projects.overlay(self.project, self.documents);
        let links = ide::links(&self.analysis, &files, self.source);
        let links = links.into_iter().filter_map(|link| {
            let target = match link.to {
                LinkTarget::Url(url) => url,
                LinkTarget::Path(path) => {
                    let path = uri::lexical(&self.project.folder()?.root().join(path));
                    self.projects.uri_of_path(&path)
                }
            };
            Some(lsp::DocumentLink {
                range: places.range(link.span),
                target: Some(target.into()),
                tooltip: None,
                data: None,
            })
        });
        json!(links.collect::<Vec<_>>())
    }

    /// Above each image of this file, what the client can do with it. An included file's image is built from the
    /// file that includes it.
    fn lenses(&self, commands: &[String]) -> Value {
        let Some(main) = self.project.main_source(&self.analysis).and_then(|main| self.uri_of(main)) else {
            return Value::Null;
        };
        let places = self.places();
        let images = self.analysis.spec.images.iter().filter(|image| image.name.span.source == self.source);
        let lens = images.flat_map(|image| {
            let range = places.range(image.name.span);
            let main = &main;
            lenses(commands).map(move |(command, title, of_image)| lsp::CodeLens {
                range,
                command: Some(lsp::Command {
                    title: title.to_owned(),
                    tooltip: None,
                    command: command.to_owned(),
                    arguments: Some(if of_image {
                        vec![json!(main), json!(image.name.value)]
                    } else {
                        vec![json!(main)]
                    }),
                }),
                data: None,
            })
        });
        json!(lens.collect::<Vec<_>>())
    }

    /// Line by line, so that an editor keeps its cursor and marks.
    fn format(&self) -> Value {
        let Some(unit) = self.analysis.unit(self.source) else { return Value::Null };
        let text = &self.analysis.sources.get(self.source).text;
        let formatted = crate::syntax::format(unit, text);
        let lines = self.places().lines(self.source);
        let edits = ide::line_edits(text, &formatted).into_iter().map(|(range, new_text)| lsp::TextEdit {
            range: lsp::Range { start: lines.position(range.start), end: lines.position(range.end) },
            new_text,
        });
        json!(edits.collect::<Vec<_>>())
    }

    /// Fixes of the diagnostics that touch a range, and all safe fixes at once.
    fn actions(
        &self,
        range: lsp::Range,
        only: Option<&[lsp::CodeActionKind]>,
        shown: &[lsp::Diagnostic],
    ) -> Value {
        let places = self.places();
        let lines = places.lines(self.source);
        let (start, end) = (small(lines.offset(range.start)), small(lines.offset(range.end)));
        let asked = |kind: &lsp::CodeActionKind| {
            only.is_none_or(|kinds| kinds.iter().any(|one| includes(&one.to_string(), &kind.to_string())))
        };
        let mut actions = Vec::new();
        if asked(&lsp::CodeActionKind::QuickFix) {
            let touched = self.analysis.diagnostics.iter().filter(|diagnostic| {
                diagnostic.labels.iter().any(|label| {
                    label.span.source == self.source && label.span.start <= end && start <= label.span.end
                })
            });
            actions.extend(touched.flat_map(|diagnostic| self.fixes(diagnostic, shown)));
        }
        if asked(&lsp::CodeActionKind::SourceFixAll) {
            let edits = self.safe_edits();
            if !edits.is_empty() {
                actions.push(lsp::CodeAction {
                    title: "apply every safe fix of this file".to_owned(),
                    kind: Some(lsp::CodeActionKind::SourceFixAll),
                    edit: Some(self.workspace_edit(&edits)),
                    ..lsp::CodeAction::default()
                });
            }
        }
        json!(actions)
    }

    fn fixes<'s>(
        &'s self,
        diagnostic: &'s Diagnostic,
        shown: &'s [lsp::Diagnostic],
    ) -> impl Iterator<Item = lsp::CodeAction> + 's {
        let range =
            diagnostic.span().filter(|span| span.source == self.source).map(|span| self.places().range(span));
        let code = lsp::Code::from(diagnostic.code.as_str().to_owned());
        let solved: Vec<_> = shown
            .iter()
            .filter(|one| Some(one.range) == range && one.code.as_ref() == Some(&code))
            .cloned()
            .collect();
        diagnostic.fixes.iter().map(move |fix| lsp::CodeAction {
            title: fix.title.clone(),
            kind: Some(lsp::CodeActionKind::QuickFix),
            diagnostics: (!solved.is_empty()).then(|| solved.clone()),
            is_preferred: Some(fix.applicability == Applicability::Safe),
            edit: Some(self.workspace_edit(&fix.edits)),
            ..lsp::CodeAction::default()
        })
    }

    /// The safe fixes of this file that do not get in each other's way.
    fn safe_edits(&self) -> Vec<Edit> {
        let mut taken: Vec<Edit> = Vec::new();
        let fixes = self.analysis.diagnostics.iter().filter_map(|diagnostic| {
            diagnostic.fixes.iter().find(|fix| fix.applicability == Applicability::Safe)
        });
        for fix in fixes.filter(|fix| fix.edits.iter().all(|edit| edit.span.source == self.source)) {
            let apart = |a: Span, b: Span| a != b && (a.end <= b.start || b.end <= a.start);
            if fix.edits.iter().all(|edit| taken.iter().all(|other| apart(edit.span, other.span))) {
                taken.extend(fix.edits.iter().cloned());
            }
        }
        taken
    }
}

/// Whether a kind that a client asks for covers a kind of ours: `source` covers `source.fixAll`.
fn includes(asked: &str, ours: &str) -> bool {
    asked.is_empty() || ours.strip_prefix(asked).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

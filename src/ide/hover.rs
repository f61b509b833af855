//! What is known of the thing under the cursor, in Markdown.

use std::fmt::Write as _;

use super::Analysis;
use super::analysis::unquote;
use super::completion::about_option;
use super::names::{PREDEFINED, Symbol, params, profiles, symbol_at};
use super::tree::{Place, place, token_at};
use crate::catalog::{AppDef, BaseDef};
use crate::check::Size;
use crate::syntax::keywords::Role;
use crate::syntax::{Keyword, Statement};
use crate::text::{SourceId, Span};

/// Longest text of the project that a hover repeats, in bytes.
const MAX_QUOTE: usize = 2000;

/// A text about a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hover {
    /// What the text is about, for an editor to mark.
    pub span: Span,
    /// The text, in Markdown.
    pub markdown: String,
}

/// What to show at a byte offset of one of the project's ImageFiles.
#[must_use]
pub fn hover(analysis: &Analysis, source: SourceId, offset: u32) -> Option<Hover> {
    if let Some(symbol) = symbol_at(analysis, source, offset) {
        return Some(Hover { span: symbol.span, markdown: about_symbol(analysis, &symbol.value)? });
    }
    let unit = analysis.unit(source)?;
    let slice = |span| analysis.sources.slice(span);
    match place(unit, &analysis.sources.get(source).text, offset) {
        Place::Keyword { block } => {
            let statements = match block {
                Some(block) => &block.body.as_ref()?.items,
                None => &unit.items,
            };
            let statement = statements
                .iter()
                .filter_map(super::analysis::as_statement)
                .find(|statement| statement.keyword.touches(offset))?;
            let info = analysis.keyword(statement)?.info();
            let markdown =
                format!("**{}**: {}\n\n```imagefile\n{}\n```", info.keyword, info.summary, info.example);
            Some(Hover { span: statement.keyword, markdown })
        }
        Place::Operand { statement, index, .. } => {
            let span = token_at(unit, offset)?.span;
            let text = unquote(slice(span));
            let markdown = about_operand(analysis, statement, index, text)?;
            Some(Hover { span, markdown })
        }
        Place::Key { statement, outer: None, options, .. } => {
            let entry = options.entries().find(|entry| entry.key.span.touches(offset))?;
            let key = slice(entry.key.span);
            let markdown = if analysis.keyword(statement) == Some(Keyword::App) {
                let app = analysis.catalog.app(unquote(slice(statement.operands.first()?.span)))?;
                let option = app.options.iter().find(|option| option.name.value == key)?;
                let summary = option.summary.as_deref().unwrap_or_default();
                format!("**{key}**: {}\n\n{summary}", about_option(option))
            } else {
                format!("**{key}**: {}", analysis.option_info(statement, key)?.about)
            };
            Some(Hover { span: entry.key.span, markdown: markdown.trim_end().to_owned() })
        }
        Place::Value { statement, entry, .. } => {
            let span = token_at(unit, offset)?.span;
            let text = unquote(slice(span));
            let option = analysis.option_info(statement, slice(entry.key.span));
            let known = option.map_or(&[][..], |option| option.words);
            let about = known.iter().find(|(word, about)| *word == text && !about.is_empty());
            let markdown =
                about.map(|(word, about)| format!("**{word}**: {about}")).or_else(|| bytes(text))?;
            Some(Hover { span, markdown })
        }
        _ => None,
    }
}

fn about_operand(analysis: &Analysis, statement: &Statement, index: usize, text: &str) -> Option<String> {
    let info = analysis.operand_info(statement, index)?;
    match info.role {
        Role::App => return analysis.catalog.app(text).map(about_app),
        Role::Base => {
            if let Some(base) = analysis.catalog.bases().find(|base| base.name.value == text) {
                return Some(about_base(base));
            }
        }
        Role::Size => return bytes(text),
        _ => {}
    }
    let (word, about) = info.words.iter().find(|(word, about)| *word == text && !about.is_empty())?;
    Some(format!("**{word}**: {about}"))
}

fn bytes(text: &str) -> Option<String> {
    let size = Size::parse(text)?;
    let digits = size.bytes().to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push('\u{202F}');
        }
        grouped.push(digit);
    }
    Some(format!("{grouped} bytes"))
}

fn about_symbol(analysis: &Analysis, symbol: &Symbol) -> Option<String> {
    let name = symbol.name();
    let found = match symbol {
        Symbol::Param(_) => {
            if let Some((_, about)) = PREDEFINED.iter().find(|(known, _)| *known == name) {
                return Some(format!("`${{{name}}}`: {about}"));
            }
            params(analysis).find(|(known, _)| *known == name)
        }
        Symbol::Profile(_) => profiles(analysis).find(|(known, _)| *known == name),
    };
    let (_, statement) = found?;
    let text = analysis.sources.slice(statement.span);
    let end = (0..=MAX_QUOTE.min(text.len())).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    let fence = "`".repeat(longest_run(text) + 3);
    let place = analysis.sources.get(statement.span.source);
    let more = if end < text.len() { "\n…" } else { "" };
    Some(format!("{fence}imagefile\n{}{more}\n{fence}\n\nfrom `{}`", &text[..end], place.name))
}

/// The longest run of backquotes, which a fence must outdo.
fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

fn about_app(app: &AppDef) -> String {
    let mut text = format!("**{}**: {}\n\n", app.name.value, app.summary);
    for version in app.versions.iter().rev() {
        let systems: Vec<_> = version
            .os
            .iter()
            .map(|os| format!("{} {}", os.distro, os.requirement).trim().to_owned())
            .collect();
        let systems = if systems.is_empty() { "every system".to_owned() } else { systems.join(", ") };
        let _ = writeln!(text, "- {} on {systems}", version.version.value);
    }
    if !app.options.is_empty() {
        text.push_str("\nOptions:\n");
        for option in &app.options {
            let _ = write!(text, "- `{}`: {}", option.name.value, about_option(option));
            let _ = match &option.summary {
                Some(summary) => writeln!(text, "; {summary}"),
                None => writeln!(text),
            };
        }
    }
    text.trim_end().to_owned()
}

fn about_base(base: &BaseDef) -> String {
    let firmware: Vec<_> = base.firmware.iter().map(|firmware| firmware.as_str()).collect();
    format!(
        "**{} {}**: {}\n\n{} {}, {}, boots with {}, {}",
        base.name.value,
        base.version.value,
        base.summary,
        base.os.distro,
        base.os.version,
        base.arch.value,
        firmware.join(" and "),
        base.tier
    )
}

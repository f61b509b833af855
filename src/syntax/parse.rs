//! Text to [`Ast`], through pest. Nothing else in the crate knows pest.

use pest::Parser;
use pest::iterators::Pair;

use super::ast::{
    Ast, Body, Entry, Heredoc, Item, List, Open, Operand, OperandKind, OptionItem, Options, Statement,
};
use crate::text::{SourceId, Span};

#[derive(pest_derive::Parser)]
#[grammar = "../grammar/imagefile.pest"]
struct Grammar;

/// Parses a whole file. The grammar is total, so there is always a tree; the checker reports what
/// is wrong in it. `text` must be shorter than 4 GiB.
#[must_use]
pub fn parse(source: SourceId, text: &str) -> Ast {
    let mut ast = Ast { source, bom: None, items: Vec::new() };
    let build = Build { source };
    match Grammar::parse(Rule::file, text) {
        Ok(mut pairs) => {
            for pair in pairs.next().into_iter().flat_map(Pair::into_inner) {
                match pair.as_rule() {
                    Rule::bom => ast.bom = Some(build.span(&pair)),
                    Rule::EOI => {}
                    _ => ast.items.extend(build.item(pair)),
                }
            }
        }
        // Unreachable as long as the grammar is total, which a property test holds it to.
        Err(_) => ast.items.push(Item::StrayClose(Span::new(source, 0, to_u32(text.len())))),
    }
    ast
}

fn to_u32(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

struct Build {
    source: SourceId,
}

impl Build {
    fn span(&self, pair: &Pair<'_, Rule>) -> Span {
        let span = pair.as_span();
        Span::new(self.source, to_u32(span.start()), to_u32(span.end()))
    }

    fn item(&self, pair: Pair<'_, Rule>) -> Option<Item> {
        let span = self.span(&pair);
        Some(match pair.as_rule() {
            Rule::comment => Item::Comment(span),
            Rule::slash_comment => Item::SlashComment(span),
            Rule::stray_close => Item::StrayClose(span),
            Rule::bad | Rule::bad_top => Item::Bad(self.statement(pair)),
            Rule::statement | Rule::top | Rule::container | Rule::nested => {
                Item::Statement(self.statement(pair))
            }
            _ => return None,
        })
    }

    fn statement(&self, pair: Pair<'_, Rule>) -> Statement {
        let start = self.span(&pair);
        let mut end = start.start;
        let keyword_first = !matches!(pair.as_rule(), Rule::bad | Rule::bad_top);
        let mut statement = Statement {
            span: start,
            keyword: Span::new(self.source, start.start, start.start),
            operands: Vec::new(),
            body: None,
        };
        let mut inner = pair.into_inner();
        if keyword_first && let Some(word) = inner.next() {
            statement.keyword = self.span(&word);
            end = statement.keyword.end;
        }
        for part in inner {
            match part.as_rule() {
                Rule::body | Rule::late_body | Rule::lost_body | Rule::nested_body => {
                    let body = self.body(part);
                    end = body.span.end;
                    statement.body = Some(body);
                }
                Rule::heredoc_tail => end = self.heredoc(part, &mut statement.operands),
                _ => {
                    let operand = self.operand(part);
                    end = operand.span.end;
                    statement.operands.push(operand);
                }
            }
        }
        // pest's span may end in blanks.
        statement.span.end = end;
        statement
    }

    fn body(&self, pair: Pair<'_, Rule>) -> Body {
        let (rule, whole) = (pair.as_rule(), self.span(&pair));
        let here = Span::new(self.source, whole.start, whole.start + 1);
        let mut body =
            Body { span: whole, open: Open::Lost, extra_open: Vec::new(), items: Vec::new(), close: None };
        let mut end = whole.start;
        match rule {
            Rule::body | Rule::nested_body => {
                body.open = Open::Here(here);
                end = here.end;
            }
            Rule::late_body => {
                // The brace is the first one outside of comments.
                let mut offset = whole.start;
                for line in pair.as_str().split_inclusive('\n') {
                    let code = line.split('#').next().unwrap_or_default();
                    if let Some(at) = code.find('{') {
                        offset += to_u32(at);
                        break;
                    }
                    offset += to_u32(line.len());
                }
                body.open = Open::Late(Span::new(self.source, offset, offset + 1));
                end = offset + 1;
            }
            _ => {}
        }
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::extra_open => body.extra_open.push(self.span(&part)),
                Rule::body_close => {
                    let close = self.span(&part);
                    end = close.end;
                    body.close = Some(close);
                }
                _ => {
                    if let Some(item) = self.item(part) {
                        end = item.span().end;
                        body.items.push(item);
                    }
                }
            }
        }
        body.span.end = end;
        body
    }

    fn operand(&self, pair: Pair<'_, Rule>) -> Operand {
        let mut span = self.span(&pair);
        let kind = match pair.as_rule() {
            Rule::word => OperandKind::Word,
            Rule::string => OperandKind::String,
            Rule::single => OperandKind::Single,
            Rule::param_ref => OperandKind::Param,
            Rule::eq => OperandKind::Eq,
            Rule::comma => OperandKind::Comma,
            Rule::slash_comment => OperandKind::SlashComment,
            Rule::comment => OperandKind::Comment,
            Rule::list | Rule::line_list => {
                let list = self.list(pair);
                span.end = match (list.close, list.items.last()) {
                    (Some(close), _) => close.end,
                    (None, Some(last)) => last.span.end,
                    (None, None) => span.start + 1,
                };
                OperandKind::List(list)
            }
            Rule::options
            | Rule::line_options
            | Rule::map
            | Rule::line_map
            | Rule::lost_options
            | Rule::lost_block => {
                let options = self.options(pair);
                if let (true, Some(first)) = (options.lost_open, options.items.first()) {
                    span.start = first.span().start;
                }
                let last_open = options.extra_open.last().map_or(span.start + 1, |open| open.end);
                span.end = match (options.close, options.items.last()) {
                    (Some(close), _) => close.end,
                    (None, Some(last)) => last.span().end,
                    (None, None) => last_open,
                };
                OperandKind::Options(options)
            }
            _ => OperandKind::Junk,
        };
        Operand { span, kind }
    }

    fn list(&self, pair: Pair<'_, Rule>) -> List {
        let mut list = List { items: Vec::new(), close: None };
        for part in pair.into_inner() {
            if part.as_rule() == Rule::list_close {
                list.close = Some(self.span(&part));
            } else {
                list.items.push(self.operand(part));
            }
        }
        list
    }

    fn options(&self, pair: Pair<'_, Rule>) -> Options {
        let lost_open = matches!(pair.as_rule(), Rule::lost_options | Rule::lost_block);
        let mut options = Options { lost_open, extra_open: Vec::new(), items: Vec::new(), close: None };
        for part in pair.into_inner() {
            let span = self.span(&part);
            options.items.push(match part.as_rule() {
                Rule::extra_open => {
                    options.extra_open.push(span);
                    continue;
                }
                Rule::options_close => {
                    options.close = Some(span);
                    continue;
                }
                Rule::entry
                | Rule::map_entry
                | Rule::block_entry
                | Rule::line_entry
                | Rule::line_map_entry => {
                    let Some(entry) = self.entry(part) else { continue };
                    OptionItem::Entry(entry)
                }
                Rule::comma => OptionItem::Comma(span),
                Rule::comment => OptionItem::Comment(span),
                _ => OptionItem::Stray(span),
            });
        }
        options
    }

    fn entry(&self, pair: Pair<'_, Rule>) -> Option<Entry> {
        let mut parts = pair.into_inner();
        let key = self.operand(parts.next()?);
        let mut entry = Entry { span: key.span, key, eq: Vec::new(), value: None };
        for part in parts {
            if part.as_rule() == Rule::eq {
                let eq = self.span(&part);
                entry.span.end = eq.end;
                entry.eq.push(eq);
            } else {
                let value = self.operand(part);
                entry.span.end = value.span.end;
                entry.value = Some(value);
            }
        }
        Some(entry)
    }

    /// Adds the heredoc and what follows its marker to the operands; returns where it all ends.
    fn heredoc(&self, pair: Pair<'_, Rule>, operands: &mut Vec<Operand>) -> u32 {
        let whole = self.span(&pair);
        let mut heredoc = Heredoc {
            marker: whole,
            tag: whole,
            flavour: None,
            quoted: false,
            comment: None,
            body: Span::new(self.source, whole.end, whole.end),
            end: None,
        };
        let place = operands.len();
        let mut end = whole.start;
        for part in pair.into_inner() {
            let span = self.span(&part);
            match part.as_rule() {
                Rule::marker => {
                    heredoc.marker = span;
                    for piece in part.into_inner() {
                        match piece.as_rule() {
                            Rule::marker_flavour => heredoc.flavour = piece.as_str().chars().next(),
                            Rule::marker_quote => heredoc.quoted = true,
                            _ => heredoc.tag = self.span(&piece),
                        }
                    }
                }
                Rule::comment => heredoc.comment = Some(span),
                Rule::heredoc_body => heredoc.body = span,
                Rule::heredoc_end => heredoc.end = Some(span),
                _ => {
                    operands.push(self.operand(part));
                    continue;
                }
            }
            end = span.end;
        }
        if let Some(last) = operands.last().filter(|_| operands.len() > place) {
            end = end.max(last.span.end);
        }
        operands
            .insert(place, Operand { span: heredoc.marker, kind: OperandKind::Heredoc(Box::new(heredoc)) });
        end
    }
}

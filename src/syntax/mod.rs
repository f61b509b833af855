//! The grammar: the only place that knows pest. Parse, recover, `Ast`, fmt.

mod ast;
mod fmt;
pub mod keywords;
mod parse;

pub use ast::{
    Ast, Body, Entry, Heredoc, Item, List, Open, Operand, OperandKind, OptionItem, Options, Statement,
};
pub use fmt::format;
pub use keywords::{Keyword, StatementInfo};
pub use parse::parse;

//! `imgfile explain CODE`: the page behind a code.

use super::{Exit, candidates, markdown};
use crate::diagnostic::{self, codes_with_titles};
use crate::hygiene::{self, RULES};
use crate::text::nearest;

/// Explain the code of a diagnostic, or the number of a rule for finished disks.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A code such as E0201, or a rule such as H0001; without one, all are listed.
    #[arg(add = clap_complete::ArgValueCompleter::new(candidates::codes))]
    pub code: Option<String>,
}

/// Runs the command.
#[must_use]
pub fn run(args: &Args) -> Exit {
    let rules = || RULES.iter().map(|rule| (rule.id, rule.title));
    let codes = || codes_with_titles().map(|(code, title)| (code.as_str(), title)).chain(rules());
    let Some(code) = &args.code else {
        for (code, title) in codes() {
            super::print(&format!("{code}  {title}\n"));
        }
        return Exit::Done;
    };
    let of_rule = || hygiene::rule(code.trim()).map(|rule| (rule.id, rule.title, rule.page));
    let page = diagnostic::page(code.trim()).map(|(code, title, page)| (code.as_str(), title, page));
    if let Some((code, title, page)) = page.or_else(of_rule) {
        let text = format!("{code}: {title}\n\n{}\n", page.trim_end());
        let colour = super::screen::out_colour();
        super::print(&match super::console::width() {
            Some(width) => markdown::render(&text, width, colour),
            None if colour => markdown::render(&text, usize::MAX, true),
            // As it is written, for whoever reads it with something else.
            None => text,
        });
        return Exit::Done;
    }
    let known: Vec<&str> = codes().map(|(code, _)| code).collect();
    let code = code.to_ascii_uppercase();
    let of_number = code
        .parse::<u16>()
        .ok()
        .and_then(|number| known.iter().copied().find(|one| one[1..].parse() == Ok(number)));
    let near = of_number
        .or_else(|| nearest(&code, known.iter().copied()))
        .map(|near| format!("; did you mean {near}?"))
        .unwrap_or_default();
    super::complain(&format!("there is no code `{code}`{near}"));
    Exit::Usage
}

//! `imgfile explain CODE`: the page behind a code.

use super::{Exit, candidates, markdown};
use crate::diagnostic::{self, codes_with_titles};
use crate::text::nearest;

/// Explain a diagnostic code.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A code such as E0201; without one, all codes are listed.
    #[arg(add = clap_complete::ArgValueCompleter::new(candidates::codes))]
    pub code: Option<String>,
}

/// Runs the command.
#[must_use]
pub fn run(args: &Args) -> Exit {
    let Some(code) = &args.code else {
        for (code, title) in codes_with_titles() {
            super::print(&format!("{code}  {title}\n"));
        }
        return Exit::Done;
    };
    if let Some((code, title, page)) = diagnostic::page(code.trim()) {
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
    let known: Vec<&str> = codes_with_titles().map(|(code, _)| code.as_str()).collect();
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

//! The little Markdown of our own pages, for a terminal.

use super::table::wrap;

/// Columns that text is set in at most: longer lines are hard to read.
const MEASURE: usize = 88;

/// Renders headings, paragraphs, lists, code and emphasis for a terminal of so many columns.
pub(super) fn render(text: &str, width: usize, colour: bool) -> String {
    let width = width.saturating_sub(1).clamp(20, MEASURE);
    let mut out = String::new();
    let mut paragraph = String::new();
    let (mut code, mut after_wrong) = (false, false);
    for line in text.lines().chain([""]) {
        if line.starts_with("```") {
            flush(&mut out, &mut paragraph, width, colour);
            code = !code;
            let wrong = line.contains(",fails");
            // The page itself may say so already.
            if code && !out.trim_end().ends_with(':') && (wrong || after_wrong) {
                out.push_str(if wrong { "Not so:\n\n" } else { "But so:\n\n" });
            }
            if code {
                after_wrong = wrong;
            }
            continue;
        }
        if code {
            let shown = if line.is_empty() { String::new() } else { format!("    {line}") };
            out.push_str(&with("94", &shown, colour));
            out.push('\n');
        } else if let Some(heading) = line.strip_prefix('#') {
            flush(&mut out, &mut paragraph, width, colour);
            out.push_str(&with("1", heading.trim_start_matches('#').trim(), colour));
            out.push('\n');
        } else if line.trim().is_empty() {
            flush(&mut out, &mut paragraph, width, colour);
            if !out.is_empty() && !out.ends_with("\n\n") {
                out.push('\n');
            }
        } else if line.starts_with('|') {
            // A table stays as it is written.
            flush(&mut out, &mut paragraph, width, colour);
            out.push_str(line);
            out.push('\n');
        } else {
            if line.starts_with("- ") {
                flush(&mut out, &mut paragraph, width, colour);
            }
            if !paragraph.is_empty() {
                paragraph.push(' ');
            }
            paragraph.push_str(line.trim());
        }
    }
    out.trim_end().to_owned() + "\n"
}

fn flush(out: &mut String, paragraph: &mut String, width: usize, colour: bool) {
    let text = std::mem::take(paragraph);
    if text.is_empty() {
        return;
    }
    let (first, rest, text) = match text.strip_prefix("- ") {
        Some(item) => ("- ", "  ", item),
        None => ("", "", text.as_str()),
    };
    let mut lines = String::new();
    for (at, line) in wrap(text, width - first.len()).iter().enumerate() {
        lines.push_str(if at == 0 { first } else { rest });
        lines.push_str(line);
        lines.push('\n');
    }
    out.push_str(&if colour { inline(&lines) } else { lines });
}

/// Code between back quotes in colour, strong text bold.
fn inline(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, part) in text.split('`').enumerate() {
        if at % 2 == 1 {
            out.push_str(&with("94", part, true));
        } else {
            for (at, part) in part.split("**").enumerate() {
                out.push_str(&with(if at % 2 == 1 { "1" } else { "" }, part, at % 2 == 1));
            }
        }
    }
    out
}

fn with(code: &str, text: &str, colour: bool) -> String {
    if colour && !text.is_empty() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "E0000: a title\n\nA paragraph whose words are\nwrapped anew, with `code`.\n\n- one item that is long enough for two lines\n- two\n\n```imagefile\nimage \"web\" {\n}\n```\n";

    #[test]
    fn paragraphs_are_wrapped_and_code_is_indented() {
        assert_eq!(
            render(PAGE, 31, false),
            "E0000: a title\n\nA paragraph whose words are\nwrapped anew, with `code`.\n\n- one item that is long enough\n  for two lines\n- two\n\n    image \"web\" {\n    }\n"
        );
    }

    #[test]
    fn what_is_wrong_and_what_is_right_are_told_apart() {
        let page =
            "Why.\n\n```imagefile,fails\na\n```\n\n```imagefile\nb\n```\n\nMore:\n\n```imagefile\nc\n```\n";
        assert_eq!(
            render(page, 80, false),
            "Why.\n\nNot so:\n\n    a\n\nBut so:\n\n    b\n\nMore:\n\n    c\n"
        );
    }

    #[test]
    fn colour_takes_the_place_of_back_quotes() {
        let text = render(PAGE, 80, true);
        assert!(text.contains("with \u{1b}[94mcode\u{1b}[0m."), "{text}");
        assert!(text.contains("\u{1b}[94m    image \"web\" {\u{1b}[0m"), "{text}");
    }
}
